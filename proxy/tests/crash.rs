//! kill -9 in the middle of the work, over and over on the same data: the chain
//! stays sound, and nothing that a provider saw or billed is missing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::collections::HashMap;
use std::time::Duration;

use harness::{Gateway, Upstream, agent, ask, config, cost_of, eventually, nano, of_kind};
use serde_json::Value;

const ROUNDS: u32 = 20;
const STREAMS: u64 = 50;

/// A stream that outlives every round, and a reply that is over at once. Prices
/// are 1 and 2 USD per million tokens.
const MODELS: &str = "models:
  - name: slow
    targets: [ { provider: mock, model: 'mock?chunks=2000&delay_ms=10', max_output_tokens: 2500, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } ]
  - name: quick
    targets: [ { provider: mock, model: 'mock?chunks=3', max_output_tokens: 5, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } ]
budgets:
  - { scope: { team: crew }, window: total, limit_usd: 1000, mode: hard }
";

/// Asks until the gateway is gone; each request is cut or served.
fn ask_until_killed(gateway: &Gateway, key: &str, model: &str) {
    let body = ask(model, r#","stream":true"#);
    loop {
        let request = agent()
            .post(gateway.url("/v1/chat/completions"))
            .header("authorization", format!("Bearer {key}"));
        let reply = request.send(&body).and_then(|mut reply| {
            assert_eq!(
                reply.status(),
                200,
                "{:?}",
                reply.body_mut().read_to_string()
            );
            reply.body_mut().read_to_string()
        });
        if reply.is_err() {
            return;
        }
    }
}

/// Kills the gateway while [`STREAMS`] streams run and quick requests come and go.
fn kill_under_load(gateway: &mut Gateway, upstream: &Upstream, key: &str, round: u32) {
    let (pid, running) = (gateway.pid(), &*gateway);
    std::thread::scope(|scope| {
        for _ in 0..STREAMS {
            scope.spawn(move || ask_until_killed(running, key, "slow"));
        }
        for _ in 0..4 {
            scope.spawn(move || ask_until_killed(running, key, "quick"));
        }
        eventually(Duration::from_secs(30), "all streams run", || {
            upstream.mock.running() >= STREAMS
        });
        // At another moment of the journal's and the shipper's rhythm each time.
        std::thread::sleep(Duration::from_millis(u64::from(round) * 13));
        harness::signal(pid, "KILL");
    });
    gateway.kill();
    eventually(Duration::from_secs(30), "the upstream is idle", || {
        upstream.mock.running() == 0
    });
}

/// What the mock billed, at the price of the models, in nano-USD.
fn billed(upstream: &Upstream) -> i64 {
    let billed = upstream.mock.billed();
    i64::try_from(billed.input_tokens * 1000 + billed.output_tokens * 2000).unwrap()
}

#[track_caller]
fn is_sound(gateway: &Gateway) {
    let (code, said) = gateway.verify();
    assert_eq!(code, 0, "{said}");
}

/// Every request that the mock saw has its intent, and every intent one outcome.
fn is_complete(leaves: &[Value], upstream: &Upstream) {
    let by_request = |kind: &str| {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for leaf in of_kind(leaves, kind) {
            *counts
                .entry(leaf["request_id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        counts
    };
    let (intents, outcomes) = (by_request("intent"), by_request("outcome"));
    let seen = upstream.mock.state().requests;
    for request in &seen {
        let id = request.request_id.as_ref().unwrap();
        assert!(
            intents.contains_key(id),
            "request {id} reached the provider without an intent"
        );
    }
    assert_eq!(intents, outcomes, "each intent has one outcome");
    assert!(intents.values().all(|count| *count == 1));
    println!(
        "the mock saw {} requests, {} intents are on record",
        seen.len(),
        intents.len()
    );
}

#[test]
fn kill_9_under_load_loses_no_request_and_no_cent() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&config(&upstream, MODELS));
    gateway.lattice(&["team", "create", "crew"]);
    let key = gateway.key("k", &["--team", "crew"]);
    for round in 0..ROUNDS {
        kill_under_load(&mut gateway, &upstream, &key, round);
        // What settles the past must bear being interrupted too.
        gateway.launch_and_kill(Duration::from_millis(u64::from(round) * 20));
        gateway.launch();
        is_sound(&gateway);
        let budget = &gateway.budgets()[0];
        assert!(
            billed(&upstream) <= nano(&budget["spent_usd"]),
            "round {round}: {} billed, {budget}",
            billed(&upstream)
        );
    }
    assert_eq!(gateway.stop(), Some(0));
    is_sound(&gateway);

    let leaves = gateway.leaves();
    is_complete(&leaves, &upstream);
    let outcomes = of_kind(&leaves, "outcome");
    let crashed: Vec<&Value> = outcomes
        .iter()
        .filter(|leaf| leaf["ending"] == "crashed")
        .copied()
        .collect();
    assert!(
        crashed.len() as u64 >= u64::from(ROUNDS) * STREAMS,
        "{} were interrupted",
        crashed.len()
    );
    assert!(
        crashed.iter().all(|leaf| leaf["estimated"] == true),
        "what is not known is an estimate"
    );
    assert!(of_kind(&leaves, "start").len() as u32 > ROUNDS);

    let budget = &gateway.budgets()[0];
    let (billed, spent) = (billed(&upstream), nano(&budget["spent_usd"]));
    println!(
        "{} calls were interrupted by {ROUNDS} kills, {} others ended",
        crashed.len(),
        outcomes.len() - crashed.len()
    );
    println!("billed {billed} nano-USD, spent {spent} nano-USD");
    assert!(billed <= spent, "{billed} billed, {spent} spent");
    assert_eq!(
        nano(&budget["reserved_usd"]),
        0,
        "nothing is held once all is settled: {budget}"
    );
    assert_eq!(
        spent,
        cost_of(outcomes),
        "the books say what the leaves say"
    );
}
