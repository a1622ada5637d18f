//! The policy set of a gateway that runs: it follows its files, and what cannot serve
//! never does.

mod harness;

use std::time::Duration;

use harness::{Gateway, MODELS, Upstream, ask, config, eventually, of_kind, signal};

const OPEN: &str = "package lattice.authz\n\ndecision := {\"allow\": true, \"deny\": set(), \"obligations\": set()}\n";
const CLOSED: &str = "package lattice.authz\n\ndecision := {\"allow\": false, \"deny\": {{\"code\": \"policy_model\", \"msg\": \"Closed for today.\"}}, \"obligations\": set()}\n";
/// regorus would end the process with it.
const RECURSIVE: &str = "package lattice.authz\n\ndecision := f(1)\n\nf(x) := f(x)\n";

/// Looked at twice a second, and believed after two equal looks.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_set_follows_its_files_and_the_last_good_one_keeps_serving() {
    let upstream = Upstream::start();
    let more = format!("{MODELS}policy: {{ dir: ./policies }}\n");
    let mut gateway = Gateway::prepare(&config(&upstream, &more), &[]);
    let folder = gateway.path().join("policies");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("authz.rego");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write(OPEN);
    gateway.launch();
    let key = gateway.key("client", &[]);
    let status = || gateway.chat(&key, &ask("mock", "")).status;
    let counted = |result: &str, count: u32| {
        let line = format!("lattice_policy_reloads_total{{result=\"{result}\"}} {count}");
        gateway.metrics().contains(&line)
    };
    assert_eq!(status(), 200);

    write(CLOSED);
    eventually(SOON, "the closed set serves", || status() == 404);
    write(RECURSIVE);
    eventually(SOON, "the recursive set is refused", || {
        counted("refused", 1)
    });
    assert_eq!(status(), 404, "the last good set");
    assert!(gateway.log().contains("authz.rego:5"), "{}", gateway.log());
    write(OPEN);
    eventually(SOON, "the open set serves", || status() == 200);
    assert!(counted("taken", 2), "{}", gateway.metrics());
    // Asked for: as it was, so nothing happens.
    signal(gateway.pid(), "HUP");
    assert_eq!(status(), 200);

    let leaves = gateway.leaves();
    let swaps = of_kind(&leaves, "policy");
    let refused: Vec<bool> = swaps
        .iter()
        .map(|swap| !swap["refused"].is_null())
        .collect();
    assert_eq!(refused, [false, false, true, false], "{swaps:?}");
    assert!(swaps[0]["before"].is_null());
    assert_eq!(swaps[1]["before"], swaps[0]["after"]);
    assert_eq!(swaps[2]["before"], swaps[2]["after"]);
    assert_eq!(swaps[3]["after"], swaps[0]["after"], "the same files again");
    let why = swaps[2]["refused"].as_str().unwrap();
    assert!(why.contains("authz.rego:5"), "{why}");
}
