//! SIGTERM: running streams end by themselves, and so does the gateway after them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::wire::{Connection, chat_request, text_of};
use harness::{Gateway, MODELS, Upstream, ask, config, eventually, nano, of_kind, signal};
use lattice_loadtest::mock::passage;
use serde_json::{Value, json};

/// How long the rest of a stop may take on a loaded machine: the last records
/// are shipped and PostgreSQL writes a checkpoint.
const ORDERLY_STOP: Duration = Duration::from_secs(10);

fn streamed(settings: &str) -> String {
    ask(&format!("mock/mock?{settings}"), r#","stream":true"#)
}

/// Processes that name `folder` on their command line.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder))
        .collect()
}

#[test]
fn a_running_stream_ends_by_itself_and_the_gateway_right_after_it() {
    let upstream = Upstream::start();
    // Were the stop to wait for a fixed time, it would be this one.
    let drain = "drain_seconds: 55";
    let mut gateway =
        Gateway::start(&config(&upstream, MODELS).replace("drain_seconds: 20", drain));
    let key = gateway.key("k", &[]);
    let mut idle = Connection::open(&gateway.clients);
    idle.send(chat_request(&key, &ask("mock", "")));
    assert_eq!(idle.reply().status, 200);
    let mut running = Connection::open(&gateway.clients);
    running.send(chat_request(&key, &streamed("chunks=60&delay_ms=50")));
    assert_eq!(running.head().status, 200);
    let mut stream = running.chunk();

    gateway.terminate();
    let told = Instant::now();
    eventually(
        Duration::from_secs(2),
        "new connections are refused",
        || TcpStream::connect(&gateway.clients).is_err(),
    );
    assert!(idle.is_ended());
    assert!(
        told.elapsed() < Duration::from_secs(2),
        "an idle connection was kept for {:?}",
        told.elapsed()
    );
    let ready = gateway.readyz();
    assert_eq!(
        (ready.status, &ready.json()["parts"]["listener"]["state"]),
        (503, &json!("stopping"))
    );
    assert_eq!(upstream.mock.running(), 1, "all this while the stream runs");

    loop {
        match running.chunk() {
            chunk if chunk.is_empty() => break,
            chunk => stream.extend(chunk),
        }
    }
    assert_eq!(
        text_of(str::from_utf8(&stream).unwrap()),
        passage(0, 60 * 16)
    );
    assert!(running.is_ended());
    let ended = Instant::now();
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
    assert!(
        ended.elapsed() < ORDERLY_STOP,
        "the stop took {:?} after the last stream",
        ended.elapsed()
    );
}

#[test]
fn a_stop_ends_the_chain_and_the_database_and_the_next_start_carries_on() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &["--budget-usd", "1", "--window", "total"]);
    assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
    let database = gateway.postgres_home();
    assert!(
        !processes_of(&database).is_empty(),
        "{} is where it runs",
        database.display()
    );

    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
    assert_eq!(processes_of(&database), [""; 0]);
    let first = gateway.leaves();
    assert_eq!(
        kinds(&first),
        ["start", "policy", "intent", "outcome", "stop"]
    );
    assert_eq!(gateway.verify().0, 0);
    let spent = nano(&gateway.budgets()[0]["spent_usd"]);

    gateway.launch();
    assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
    let both = gateway.leaves();
    assert_eq!(
        kinds(&both),
        [
            "start", "policy", "intent", "outcome", "stop", "start", "policy", "intent", "outcome"
        ]
    );
    assert_eq!(both[..5], first);
    assert_eq!(both[5]["previous"]["seq"], 4, "{}", both[5]);
    assert_eq!(gateway.verify().0, 0);
    assert_eq!(nano(&gateway.budgets()[0]["spent_usd"]), 2 * spent);
}

fn kinds(leaves: &[Value]) -> Vec<&str> {
    leaves
        .iter()
        .map(|leaf| leaf["kind"].as_str().unwrap())
        .collect()
}

#[test]
fn a_stream_that_outlives_the_drain_time_is_cut_and_recorded() {
    let upstream = Upstream::start();
    let mut gateway =
        Gateway::start(&config(&upstream, MODELS).replace("drain_seconds: 20", "drain_seconds: 1"));
    let key = gateway.key("k", &[]);
    let mut running = Connection::open(&gateway.clients);
    running.send(chat_request(&key, &streamed("chunks=600&delay_ms=100")));
    assert_eq!(running.head().status, 200);
    let told = Instant::now();
    signal(gateway.pid(), "INT");
    // The client is told that there should have been more, and why there is not.
    let stream = running.rest();
    assert!(!stream.contains("[DONE]"), "{stream}");
    assert!(stream.contains(r#""code":"lattice_stopping""#), "{stream}");
    assert!(stream.ends_with("0\r\n\r\n"), "{stream}");
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
    assert!(
        told.elapsed() < Duration::from_secs(1) + ORDERLY_STOP,
        "{:?}",
        told.elapsed()
    );

    let leaves = gateway.leaves();
    assert_eq!(
        kinds(&leaves),
        ["start", "policy", "intent", "outcome", "stop"]
    );
    let outcome = of_kind(&leaves, "outcome")[0];
    assert_eq!(outcome["ending"], "failed");
    assert_eq!(outcome["code"], "lattice_stopping");
    assert_eq!(outcome["estimated"], true);
    assert_eq!(gateway.verify().0, 0);
}
