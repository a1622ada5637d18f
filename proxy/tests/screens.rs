//! The refusals that a newcomer meets first, as clients show them: each says what is
//! wrong and what to do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::{Gateway, Reply, Upstream, ask, post};
use insta::assert_snapshot;
use serde_json::Value;

/// Status and body, without the request's name and the date that a budget renews.
fn screen(reply: &Reply) -> String {
    let mut body = reply.json();
    let id = body.pointer_mut("/lattice/request_id").unwrap();
    assert_eq!(Some(id.as_str().unwrap()), reply.header("x-request-id"));
    *id = Value::from("[id]");
    let mut body = serde_json::to_string_pretty(&body).unwrap();
    if let Some((before, after)) = body.split_once("renews at ") {
        let rest = after.find('Z').map(|end| &after[end + 1..]);
        body = format!("{before}renews at [time]{}", rest.unwrap());
    }
    format!("{} {body}", reply.status)
}

/// A model that answers, one whose provider is down, and a team that has spent its
/// budget before it began.
fn config(upstream: &Upstream) -> String {
    format!(
        "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0 }}\n\
         data_dir: ./data\n\
         providers:\n\
         \x20 mock: {{ kind: openai_compatible, base_url: {} }}\n\
         \x20 down: {{ kind: openai_compatible, base_url: 'http://127.0.0.1:1/v1' }}\n\
         models:\n\
         \x20 - {{ name: assistant, targets: [ {{ provider: mock, model: mock, price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }} ] }}\n\
         \x20 - {{ name: away, targets: [ {{ provider: down, model: m }} ] }}\n\
         budgets:\n\
         \x20 - {{ scope: {{ team: broke }}, window: month, limit_usd: 0.001, mode: hard }}\n",
        upstream.base_url()
    )
}

#[test]
fn a_newcomer_is_told_what_to_do() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream));
    gateway.lattice(&["team", "create", "broke"]);
    let key = gateway.key("me", &[]);
    let broke = gateway.key("them", &["--team", "broke"]);
    let url = gateway.url("/v1/chat/completions");

    assert_snapshot!("no_key", screen(&post(&url, None, &ask("assistant", ""))));
    assert_snapshot!(
        "a_providers_key",
        screen(&gateway.chat("sk-proj-0123456789", &ask("assistant", "")))
    );
    assert_snapshot!(
        "unknown_model",
        screen(&gateway.chat(&key, &ask("asistant", "")))
    );
    assert_snapshot!(
        "exhausted_budget",
        screen(&gateway.chat(&broke, &ask("assistant", "")))
    );
    assert_snapshot!(
        "malformed_body",
        screen(&gateway.chat(&key, r#"{"model":"assistant","messages":"Hello"}"#))
    );
    assert_snapshot!(
        "provider_down",
        screen(&gateway.chat(&key, &ask("away", "")))
    );
    assert_eq!(upstream.mock.seen(), 0);
}
