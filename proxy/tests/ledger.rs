//! Budgets over several gateways on one database: what the provider has billed is never
//! more than the limit, however many ask at once, leave early, die or are stopped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::Read as _;
use std::time::Duration;

use harness::shared::Database;
use harness::{Gateway, Upstream, agent, cost_of, eventually, nano, of_kind, signal};
use serde_json::{Value, json};

/// What one request holds at the most: its words are few, its output is capped at 8.
const REQUEST_NANO: i64 = 200_000;
/// Requests at once.
const PARALLEL: usize = 200;
/// How often a gateway is killed.
const KILLS: u32 = 50;

const MODELS: &str = "models:
  - name: mock
    targets: [ { provider: mock, model: 'mock?chunks=8&delay_ms=5', max_output_tokens: 8, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } ]
  - name: vectors
    targets: [ { provider: mock, model: mock, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 0 } } ]
";

fn config(limit_nano: i64) -> String {
    format!(
        "{MODELS}budgets:\n  - {{ scope: {{ team: crew }}, window: total, limit_usd: {}.{:09}, mode: hard }}\n",
        limit_nano / 1_000_000_000,
        limit_nano % 1_000_000_000
    )
}

struct House {
    gateways: Vec<Gateway>,
    database: Database,
    upstream: Upstream,
    key: String,
    limit: i64,
}

impl House {
    fn start(gateways: usize, limit: i64) -> Self {
        let (upstream, database) = (Upstream::start(), Database::start());
        let gateways: Vec<Gateway> = (0..gateways)
            .map(|_| database.gateway_with(&upstream, &config(limit)))
            .collect();
        gateways[0].lattice(&["team", "create", "crew"]);
        let key = gateways[0].key("k", &["--team", "crew"]);
        Self {
            gateways,
            database,
            upstream,
            key,
            limit,
        }
    }

    /// What the mock billed, at the price of the models, in nano-USD. It counts vectors'
    /// input as any other.
    fn billed(&self) -> i64 {
        let billed = self.upstream.mock.billed();
        i64::try_from(billed.input_tokens * 1000 + billed.output_tokens * 2000).unwrap()
    }

    #[track_caller]
    fn is_within_the_limit(&self) {
        assert!(
            self.billed() <= self.limit,
            "{} billed of {}",
            self.billed(),
            self.limit
        );
        let taken = self
            .database
            .sql("select coalesce(sum(granted), 0) from slice");
        let taken: i64 = taken[0].parse().unwrap();
        assert!(taken <= self.limit, "{taken} taken of {}", self.limit);
    }

    fn budget(&self) -> Value {
        self.gateways[0].budgets()[0].clone()
    }
}

/// The endpoints of all dialects; `true` where the reply is streamed.
fn requests() -> Vec<(&'static str, Value, bool)> {
    let chat = |stream: bool| json!({"model": "mock", "max_tokens": 8, "stream": stream, "messages": [{"role": "user", "content": "say it all"}]});
    let responses = json!({"model": "mock", "max_output_tokens": 16, "input": "say it all"});
    let messages = json!({"model": "mock", "max_tokens": 8, "stream": true, "messages": [{"role": "user", "content": "say it all"}]});
    let gemini = json!({"contents": [{"parts": [{"text": "say it all"}]}], "generationConfig": {"maxOutputTokens": 8}});
    vec![
        ("/v1/chat/completions", chat(true), true),
        ("/v1/chat/completions", chat(false), false),
        ("/v1/responses", responses, false),
        ("/v1/messages", messages, true),
        ("/v1beta/models/mock:generateContent", gemini.clone(), false),
        (
            "/v1beta/models/mock:streamGenerateContent?alt=sse",
            gemini,
            true,
        ),
        (
            "/v1/embeddings",
            json!({"model": "vectors", "input": "say it all"}),
            false,
        ),
        (
            "/v1/chat/completions",
            json!({"model": "mock", "n": 2, "max_tokens": 4, "messages": [{"role": "user", "content": "twice"}]}),
            false,
        ),
        (
            "/v1/chat/completions",
            json!({"model": "mock", "messages": [{"role": "user", "content": "no cap"}]}),
            false,
        ),
    ]
}

/// Asks; where `leaves`, goes away with the first byte of the reply. The status, or `None`
/// where there was no gateway any more.
fn ask(gateway: &Gateway, key: &str, which: usize, leaves: bool) -> Option<u16> {
    let requests = requests();
    let (path, body, streams) = &requests[which % requests.len()];
    let request = agent()
        .post(gateway.url(path))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    let reply = request.send(body.to_string()).ok()?;
    let status = reply.status().as_u16();
    let mut reader = reply.into_body().into_reader();
    if leaves && *streams {
        let mut first = [0; 1];
        let _ = reader.read(&mut first);
    } else {
        let mut text = String::new();
        reader.read_to_string(&mut text).ok()?;
        assert!(
            status == 200 || text.contains("limit_budget"),
            "{path} {status}: {text}"
        );
    }
    Some(status)
}

fn parallel_at_the_limit(gateways: usize) {
    // Room for about half of them, and for one no more.
    let house = House::start(gateways, REQUEST_NANO * PARALLEL as i64 / 20 - 1);
    let asked: Vec<Option<u16>> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..PARALLEL)
            .map(|n| {
                let house = &house;
                let gateway = &house.gateways[n % house.gateways.len()];
                scope.spawn(move || ask(gateway, &house.key, n / house.gateways.len(), n % 5 == 0))
            })
            .collect();
        asking
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    let count = |status| asked.iter().filter(|asked| **asked == Some(status)).count();
    println!(
        "{gateways} gateways: {} served, {} refused, {} of {} billed",
        count(200),
        count(402),
        house.billed(),
        house.limit
    );
    assert_eq!(count(200) + count(402), PARALLEL);
    assert!(count(200) > 0 && count(402) > 0);
    house.is_within_the_limit();
    eventually(Duration::from_secs(20), "all calls have ended", || {
        house.upstream.mock.running() == 0
    });
    house.gateways.iter().for_each(Gateway::shipped);
    house.is_within_the_limit();
    let spent = nano(&house.budget()["spent_usd"]);
    let leaves = house.gateways[0].leaves();
    assert_eq!(
        spent,
        cost_of(of_kind(&leaves, "outcome")),
        "the sum of the ledger"
    );
    assert_eq!(nano(&house.budget()["reserved_usd"]), 0);
    assert!(house.billed() <= spent && spent <= house.limit);
    // What is left over comes back, and all that is charged was spent.
    eventually(Duration::from_secs(30), "slices are given back", || {
        house.database.sql("select sum(granted) from slice") == [spent.to_string()]
    });
}

#[test]
fn parallel_requests_at_the_limit_of_one_gateway() {
    parallel_at_the_limit(1);
}

#[test]
fn parallel_requests_at_the_limit_of_three_gateways() {
    parallel_at_the_limit(3);
}

#[test]
fn a_gateway_that_is_killed_under_load_overspends_nothing() {
    let mut house = House::start(3, REQUEST_NANO * 150);
    for round in 0..KILLS {
        let victim = round as usize % 3;
        let pid = house.gateways[victim].pid();
        std::thread::scope(|scope| {
            for n in 0..12 {
                let house = &house;
                scope.spawn(move || {
                    for which in 0..3 {
                        let gateway = &house.gateways[n % 3];
                        ask(gateway, &house.key, n + which, which == 2);
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(20 + u64::from(round) * 7 % 100));
            signal(pid, "KILL");
        });
        house.is_within_the_limit();
        house.gateways[victim].kill();
        house.gateways[victim].launch();
        house.is_within_the_limit();
        if round % 10 == 9 {
            println!(
                "{} kills: {} of {} billed",
                round + 1,
                house.billed(),
                house.limit
            );
        }
    }
    eventually(Duration::from_secs(20), "all calls have ended", || {
        house.upstream.mock.running() == 0
    });
    house.gateways.iter().for_each(Gateway::shipped);
    house.is_within_the_limit();
    let spent = nano(&house.budget()["spent_usd"]);
    assert!(house.billed() <= spent && spent <= house.limit);
    assert!(
        house.upstream.mock.seen() > 300,
        "most rounds were under load"
    );
}

#[test]
fn a_gateway_that_was_stopped_past_the_life_of_its_slice_spends_nothing_of_it() {
    // A hundredth of it, which is what lies free, is room for ten.
    let house = House::start(2, REQUEST_NANO * 1000);
    let [stopped, other] = &house.gateways[..] else {
        panic!("two gateways");
    };
    assert_eq!(ask(stopped, &house.key, 1, false), Some(200));
    let node = std::fs::read_to_string(stopped.path().join("data/node")).unwrap();
    signal(stopped.pid(), "STOP");
    std::thread::sleep(Duration::from_secs(62));
    // An hour later, as far as the database knows, an administrator gives it up.
    house
        .database
        .sql("update gateway set seen_at = seen_at - interval '1 hour' where node not in (select node from gateway order by seen_at desc limit 1)");
    let said = other.lattice(&["budget", "release", node.trim()]);
    print!("{said}");
    // The other spends all that there is.
    let held = house.database.sql(&format!(
        "update slice set granted = granted + {} - (select sum(granted) from slice) where node <> '{}' returning granted",
        house.limit,
        node.trim()
    ));
    println!("the other has {held:?}");
    if held.is_empty() {
        assert_eq!(ask(other, &house.key, 1, false), Some(200));
        house.database.sql(&format!(
            "update slice set granted = granted + {} - (select sum(granted) from slice) where node <> '{}'",
            house.limit,
            node.trim()
        ));
    }
    signal(stopped.pid(), "CONT");
    assert_eq!(ask(stopped, &house.key, 1, false), Some(402));
    house.is_within_the_limit();
}

#[test]
fn no_statement_is_on_the_path_while_a_slice_lasts() {
    // What lies free is room for a hundred.
    let house = House::start(1, REQUEST_NANO * 10_000);
    let gateway = &house.gateways[0];
    assert_eq!(ask(gateway, &house.key, 1, false), Some(200));
    let all = house.database.processes();
    all.iter().for_each(|process| signal(*process, "STOP"));
    // All at once: who holds a key is looked up again after a second, and that has to wait.
    let served: Vec<Option<u16>> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| ask(gateway, &house.key, 1, false)))
            .collect();
        asking
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    all.iter().for_each(|process| signal(*process, "CONT"));
    assert_eq!(
        served,
        [Some(200); 50],
        "a stopped database answers no statement"
    );
    gateway.shipped();
    house.is_within_the_limit();
}
