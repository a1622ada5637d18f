//! The database goes away and comes back. Known keys are served meanwhile, and
//! afterwards every record is there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use harness::shared::Database;
use harness::{
    Gateway, MODELS, Reply, Upstream, ask, config, cost_of, eventually, nano, of_kind, post,
    postmaster, signal,
};

const AWAY: Duration = Duration::from_secs(30);
const STREAMED: &str = r#","stream":true"#;

/// Processes that are there and do nothing, until this is dropped.
struct Hanging(Vec<u32>);

impl Hanging {
    fn all_of(database: &Database) -> Self {
        let hanging = Self(database.processes());
        hanging.0.iter().for_each(|pid| signal(*pid, "STOP"));
        hanging
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.iter().for_each(|pid| signal(*pid, "CONT"));
    }
}

/// Clients that ask without a pause, each the next thing when it has its answer.
struct Load {
    enough: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Reply>>>,
}

impl Load {
    fn start(gateway: &Gateway, keys: &[&str]) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let clients = keys.iter().map(|key| {
            let (enough, url, key) = (
                enough.clone(),
                gateway.url("/v1/chat/completions"),
                (*key).to_owned(),
            );
            thread::spawn(move || {
                let mut failures = Vec::new();
                for more in ["", STREAMED].into_iter().cycle() {
                    if enough.load(Ordering::Relaxed) {
                        return failures;
                    }
                    let reply = post(&url, Some(&key), &ask("mock", more));
                    let whole = reply.status == 200
                        && (more.is_empty() || reply.body.ends_with("data: [DONE]\n\n"));
                    failures.extend((!whole).then_some(reply));
                    sleep(Duration::from_millis(10));
                }
                failures
            })
        });
        let clients = clients.collect();
        Self { enough, clients }
    }

    /// What was not answered as it should.
    fn stop(self) -> Vec<Reply> {
        self.enough.store(true, Ordering::Relaxed);
        self.clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    }
}

fn is_served(reply: &Reply) -> bool {
    if reply.status == 200 {
        return true;
    }
    let mark = &reply.json()["lattice"];
    assert_eq!(
        (reply.status, &mark["code"], &mark["gate"]),
        (503, &"store_unavailable".into(), &"identity".into()),
        "{reply:?}"
    );
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
    false
}

fn database_answers(gateway: &Gateway) -> bool {
    let ready = gateway.readyz();
    assert_eq!(
        (ready.status, &ready.json()["ready"]),
        (200, &true.into()),
        "known keys are served all the time"
    );
    ready.json()["parts"]["database"]["ok"] == true
}

/// Store, provider and budgets tell of the same requests.
fn accounts_agree(gateway: &Gateway, upstream: &Upstream, refused: u64) {
    let leaves = gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    let seen = usize::try_from(upstream.mock.seen()).unwrap();
    println!("{seen} requests were answered");
    assert_eq!(
        (of_kind(&leaves, "intent").len(), outcomes.len()),
        (seen, seen)
    );
    let refusals = of_kind(&leaves, "refusal")
        .into_iter()
        .filter_map(|leaf| leaf["count"].as_u64());
    assert_eq!(refusals.sum::<u64>(), refused);
    let billed = upstream.mock.billed();
    let cost = cost_of(outcomes);
    assert_eq!(
        cost,
        i64::try_from(billed.input_tokens * 1000 + billed.output_tokens * 2000).unwrap()
    );
    let budgets = gateway.budgets();
    let sum = |what: &str| {
        budgets
            .iter()
            .map(|budget| nano(&budget[what]))
            .sum::<i64>()
    };
    assert_eq!((sum("spent_usd"), sum("reserved_usd")), (cost, 0));
    let (code, said) = gateway.verify();
    assert_eq!(code, 0, "{said}");
}

const BUDGET: [&str; 4] = ["--budget-usd", "100", "--window", "total"];

#[test]
fn known_keys_are_served_while_the_database_is_stopped() {
    let upstream = Upstream::start();
    let database = Database::start();
    let gateway = database.gateway(&upstream);
    let known = ["a", "b", "c", "d"].map(|name| gateway.key(name, &BUDGET));
    let unseen = gateway.key("unseen", &BUDGET);
    for key in &known {
        assert_eq!(gateway.chat(key, &ask("mock", "")).status, 200);
    }
    let load = Load::start(&gateway, &known.each_ref().map(String::as_str));
    sleep(Duration::from_secs(1));

    database.stop();
    let went = Instant::now();
    sleep(Duration::from_secs(3));
    let before = upstream.mock.seen();
    assert!(!is_served(&gateway.chat(&unseen, &ask("mock", ""))));
    assert!(!database_answers(&gateway));
    sleep(AWAY.saturating_sub(went.elapsed()));
    assert!(!is_served(&gateway.chat(&unseen, &ask("mock", ""))));
    assert!(!database_answers(&gateway));
    println!(
        "{} requests were answered without the database",
        upstream.mock.seen() - before
    );
    assert_ne!(upstream.mock.seen(), before);

    database.server.revive().unwrap();
    all_is_well_again(&gateway, &upstream, &unseen, load);
}

/// Once the database answers, so do keys that were not seen before; nothing failed
/// meanwhile but the two requests of such a key, and the books are complete.
fn all_is_well_again(gateway: &Gateway, upstream: &Upstream, unseen: &str, load: Load) {
    eventually(
        Duration::from_secs(20),
        "the database answers again",
        || database_answers(gateway),
    );
    let mut refused = 2;
    eventually(Duration::from_secs(5), "the key is found", || {
        let served = is_served(&gateway.chat(unseen, &ask("mock", "")));
        refused += u64::from(!served);
        served
    });
    let failures = load.stop();
    assert!(
        failures.is_empty(),
        "{} failures: {:?}",
        failures.len(),
        &failures[0]
    );
    accounts_agree(gateway, upstream, refused);
}

/// Worse than a database that is gone is one that takes connections and says nothing.
#[test]
fn known_keys_are_served_while_the_database_hangs() {
    let upstream = Upstream::start();
    let database = Database::start();
    let gateway = database.gateway(&upstream);
    let (known, unseen) = (
        gateway.key("known", &BUDGET),
        gateway.key("unseen", &BUDGET),
    );
    assert_eq!(gateway.chat(&known, &ask("mock", "")).status, 200);
    let load = Load::start(&gateway, &[&known]);
    sleep(Duration::from_millis(500));

    let hanging = Hanging::all_of(&database);
    sleep(Duration::from_secs(1));
    let before = upstream.mock.seen();
    for _ in 0..2 {
        let began = Instant::now();
        assert!(!is_served(&gateway.chat(&unseen, &ask("mock", ""))));
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "the answer took {:?}",
            began.elapsed()
        );
        assert!(!database_answers(&gateway));
    }
    assert_ne!(upstream.mock.seen(), before);
    drop(hanging);

    all_is_well_again(&gateway, &upstream, &unseen, load);
}

#[test]
fn a_managed_database_that_was_killed_is_started_again() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let known = gateway.key("known", &BUDGET);
    assert_eq!(gateway.chat(&known, &ask("mock", "")).status, 200);
    let load = Load::start(&gateway, &[&known, &known]);
    sleep(Duration::from_millis(500));
    let killed = postmaster(&gateway.postgres_home());
    signal(killed.unwrap(), "KILL");
    eventually(Duration::from_secs(30), "another one answers", || {
        database_answers(&gateway) && postmaster(&gateway.postgres_home()) != killed
    });
    let new = gateway.key("new", &BUDGET);
    assert_eq!(gateway.chat(&new, &ask("mock", "")).status, 200);
    let failures = load.stop();
    assert!(
        failures.is_empty(),
        "{} failures: {:?}",
        failures.len(),
        &failures[0]
    );
    accounts_agree(&gateway, &upstream, 0);
}
