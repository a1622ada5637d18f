//! Each way to be refused: its own code, and one audit leaf.

mod harness;

use harness::{Gateway, MODELS, Upstream, ask, config};

#[test]
fn an_unknown_key_is_refused_and_recorded() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let served = gateway.chat(&key, &ask("mock", ""));
    assert_eq!(served.status, 200, "{}", served.body);
    let refused = gateway.chat("lat_nonsense", &ask("mock", ""));
    assert_eq!((refused.status, refused.code().as_str()), (401, "identity_unknown"));
    let kinds: Vec<String> = gateway.leaves().iter().map(|leaf| leaf["kind"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(kinds, ["start", "intent", "outcome", "refusal"]);
}
