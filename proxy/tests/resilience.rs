//! Providers that fail: who stands in for them, when they are left alone, and what
//! the books say of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use harness::wire::{Connection, chat_request};
use harness::{Gateway, Reply, Upstream, ask, assert_shows, cost_of, eventually, nano, of_kind};
use lattice_loadtest::mock::{Mock, Options};
use serde_json::{Value, json};

const STREAM: &str = r#","stream":true"#;
const BUDGET: [&str; 4] = ["--budget-usd", "5", "--window", "total"];

/// Two providers, `one` and `two`, whose mocks do what a model's name says.
struct World {
    one: Upstream,
    two: Upstream,
    gateway: Gateway,
}

impl World {
    /// `models` are lines of the list of models; `limits` are those of `one`.
    fn start(limits: &str, models: &[String]) -> Self {
        let (one, two) = (Upstream::start(), Upstream::start());
        let providers = [
            provider("one", &one.base_url(), limits),
            provider("two", &two.base_url(), ""),
            provider("gone", &format!("http://{}/v1", nobody()), ""),
        ];
        let gateway = Gateway::start(&config(&providers, models));
        Self { one, two, gateway }
    }

    /// The intent and the outcome of a reply's request.
    fn record(&self, reply: &Reply) -> (Value, Value) {
        let id = reply.header("x-request-id").unwrap();
        let mut of = self.gateway.leaves();
        of.retain(|leaf| leaf["request_id"] == id);
        match <[Value; 2]>::try_from(of) {
            Ok([intent, outcome]) if outcome["kind"] == "outcome" => (intent, outcome),
            other => panic!("not a call: {other:?}"),
        }
    }

    /// What all outcomes cost is what the one budget shows, and nothing is held.
    fn books_agree(&self) {
        let leaves = self.gateway.leaves();
        let outcomes = of_kind(&leaves, "outcome");
        let spent: i64 = self
            .gateway
            .budgets()
            .iter()
            .map(|row| {
                assert_eq!(nano(&row["reserved_usd"]), 0, "{row}");
                nano(&row["spent_usd"])
            })
            .sum();
        assert_eq!(spent, cost_of(outcomes));
    }
}

fn config(providers: &[String], models: &[String]) -> String {
    format!(
        "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0, drain_seconds: 20 }}\n\
         data_dir: ./data\n\
         providers:\n{}models:\n{}",
        providers.concat(),
        models.concat()
    )
}

fn provider(name: &str, base_url: &str, limits: &str) -> String {
    format!(
        "  {name}: {{ kind: openai_compatible, base_url: {base_url}, timeouts: {{ {limits} }} }}\n"
    )
}

/// A model with these targets (`provider/model`), at 1 and 2 USD per million tokens.
fn model(name: &str, routing: &str, targets: &[&str]) -> String {
    let targets: Vec<String> = targets
        .iter()
        .map(|target| {
            let (provider, model) = target.split_once('/').unwrap();
            format!(
                "{{ provider: {provider}, model: '{model}', price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }}"
            )
        })
        .collect();
    format!(
        "  - {{ name: {name}, {routing} targets: [ {} ] }}\n",
        targets.join(", ")
    )
}

/// An address that nobody listens at.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// What the usage of a reply costs at these prices, nano-USD.
fn price_of(reply: &Reply) -> i64 {
    let usage = &reply.json()["usage"];
    let tokens = |class: &str| usage[class].as_i64().unwrap();
    tokens("prompt_tokens") * 1_000 + tokens("completion_tokens") * 2_000
}

#[test]
fn the_next_target_stands_in_for_one_that_cannot_have_billed() {
    let world = World::start(
        "",
        &[
            model("dead", "", &["gone/m", "two/mock"]),
            model("failing", "", &["one/mock?fault=status:500", "two/mock"]),
            model("limited", "", &["one/mock?fault=status:429", "two/mock"]),
            model("locked", "", &["one/mock?fault=status:401", "two/mock"]),
        ],
    );
    let key = world.gateway.key("k", &BUDGET);
    for name in ["dead", "failing", "limited", "locked"] {
        for more in ["", STREAM] {
            let reply = world.gateway.chat(&key, &ask(name, more));
            assert_eq!(reply.status, 200, "{name}: {}", reply.body);
            assert_eq!(reply.header("x-lattice-provider"), Some("two"));
            let (intent, outcome) = world.record(&reply);
            assert_eq!(intent["targets"].as_array().unwrap().len(), 2);
            assert_shows(
                &outcome,
                &json!({"ending": "finished", "provider": "two", "abandoned": 0, "estimated": false}),
            );
            if more.is_empty() {
                assert_eq!(outcome["cost_nano_usd"], price_of(&reply));
            }
        }
    }
    world.books_agree();
}

#[test]
fn a_wait_that_the_provider_asks_for_is_kept_and_then_passed_on() {
    let world = World::start(
        "",
        &[
            model("patient", "", &["one/mock?fault=status:429"]),
            model("hasty", "retries: 0,", &["one/mock?fault=status:429"]),
        ],
    );
    let key = world.gateway.key("k", &BUDGET);
    let start = Instant::now();
    let reply = world.gateway.chat(&key, &ask("patient", ""));
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "the mock asks for a second"
    );
    assert_eq!(
        (reply.status, &*reply.code(), reply.header("retry-after")),
        (503, "provider_overloaded", Some("1"))
    );
    assert_eq!(world.one.mock.seen(), 2);
    assert_shows(
        &world.record(&reply).1,
        &json!({"attempts": 2, "abandoned": 0, "cost_nano_usd": 0, "status": 429}),
    );
    let reply = world.gateway.chat(&key, &ask("hasty", ""));
    assert_eq!((reply.status, world.one.mock.seen()), (503, 3));
    world.books_agree();
}

#[test]
fn an_attempt_that_may_have_been_billed_is_given_up_only_for_money_that_is_held() {
    let world = World::start(
        "",
        &[model("m", "", &["one/mock?fault=reset_header", "two/mock"])],
    );
    let body = ask("m", r#","max_tokens":5"#);
    let rich = world.gateway.key("rich", &BUDGET);
    let reply = world.gateway.chat(&rich, &body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("x-lattice-attempts"), Some("2"));
    let (intent, outcome) = world.record(&reply);
    let reserved = intent["reserved_nano_usd"].as_i64().unwrap();
    let once = reserved / 2;
    assert_eq!(once * 2, reserved, "for two attempts");
    assert_shows(
        &outcome,
        &json!({"attempts": 2, "abandoned": 1, "estimated": true, "cost_nano_usd": once + price_of(&reply)}),
    );
    let billed = |mock: &Mock| {
        let billed = mock.billed();
        i64::try_from(billed.input_tokens * 1_000 + billed.output_tokens * 2_000).unwrap()
    };
    let bills = billed(&world.one.mock) + billed(&world.two.mock);
    assert!(outcome["cost_nano_usd"].as_i64().unwrap() >= bills);

    // Room for one attempt and a half.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let limit = format!("{:.9}", (once + once / 2) as f64 / 1e9);
    let poor = world
        .gateway
        .key("poor", &["--budget-usd", &limit, "--window", "total"]);
    let reply = world.gateway.chat(&poor, &body);
    assert_eq!((reply.status, &*reply.code()), (502, "provider_error"));
    let (intent, outcome) = world.record(&reply);
    assert_eq!(intent["reserved_nano_usd"], once);
    assert_shows(
        &outcome,
        &json!({"attempts": 1, "abandoned": 0, "estimated": true, "cost_nano_usd": once}),
    );

    // Nobody limits this one, and nothing was reckoned: the record says so.
    let free = world.gateway.key("free", &[]);
    let reply = world.gateway.chat(&free, &body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let (intent, outcome) = world.record(&reply);
    assert_eq!(intent["reserved_nano_usd"], Value::Null);
    assert_shows(
        &outcome,
        &json!({"attempts": 2, "abandoned": 1, "estimated": true, "cost_nano_usd": price_of(&reply)}),
    );
}

#[test]
fn a_stream_that_dies_after_its_first_byte_is_not_begun_again() {
    let world = World::start(
        "",
        &[model(
            "m",
            "retries: 5,",
            &["one/mock?fault=reset_after:3", "two/mock"],
        )],
    );
    let key = world.gateway.key("k", &BUDGET);
    let reply = world.gateway.chat(&key, &ask("m", STREAM));
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("provider_error"), "{}", reply.body);
    assert!(!reply.body.contains("[DONE]"), "{}", reply.body);
    assert_eq!((world.one.mock.seen(), world.two.mock.seen()), (1, 0));
    let (intent, outcome) = world.record(&reply);
    let once = intent["reserved_nano_usd"].as_i64().unwrap() / 2;
    assert_shows(
        &outcome,
        &json!({"ending": "cut", "attempts": 1, "abandoned": 0, "cost_nano_usd": once}),
    );
    world.books_agree();
}

#[test]
fn every_part_of_a_call_has_its_time_limit() {
    let world = World::start(
        "first_byte_ms: 700, between_chunks_ms: 700, total_ms: 3000",
        &[
            model("silent", "", &["one/mock?fault=hang_header"]),
            model("stalling", "", &["one/mock?fault=hang_after:3"]),
            model("endless", "", &["one/mock?chunks=9000&delay_ms=20"]),
        ],
    );
    let key = world.gateway.key("k", &BUDGET);
    let reply = world.gateway.chat(&key, &ask("silent", ""));
    assert_eq!((reply.status, &*reply.code()), (504, "provider_timeout"));
    for name in ["stalling", "endless"] {
        let reply = world.gateway.chat(&key, &ask(name, STREAM));
        assert_eq!(reply.status, 200, "{name}: the head was there");
        let last = reply.body.trim_end().rsplit("\n\n").next().unwrap();
        assert!(last.contains("provider_timeout"), "{name}: {last}");
        assert_shows(
            &world.record(&reply).1,
            &json!({"ending": "failed", "code": "provider_timeout", "attempts": 1}),
        );
    }
    // Whoever lets go of the provider cancels it there.
    eventually(Duration::from_secs(3), "all three are cancelled", || {
        world.one.mock.running() == 0
    });
    world.books_agree();
}

/// The series of `name` for this provider and model.
fn gauge(metrics: &str, name: &str, provider: &str, model: &str) -> Option<f64> {
    let (provider, model) = (
        format!("provider=\"{provider}\""),
        format!("model=\"{model}\""),
    );
    let line = metrics
        .lines()
        .find(|line| line.starts_with(name) && line.contains(&provider) && line.contains(&model))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_target_that_fails_again_and_again_is_left_alone_until_it_is_well() {
    let address = nobody();
    let two = Upstream::start();
    let providers = [
        provider("down", &format!("http://{address}/v1"), ""),
        provider("two", &two.base_url(), ""),
    ];
    let models = [
        model("m", "retries: 0,", &["down/mock"]),
        model("other", "retries: 0,", &["two/mock"]),
    ];
    let gateway = Gateway::start(&config(&providers, &models));
    let key = gateway.key("k", &BUDGET);
    let providers = || gateway.readyz().json()["parts"]["providers"].clone();
    let state = || gauge(&gateway.metrics(), "lattice_target_state", "down", "mock");
    assert_eq!(
        (&providers()["ok"], state()),
        (&Value::Bool(true), Some(0.0))
    );
    for _ in 0..5 {
        let reply = gateway.chat(&key, &ask("m", ""));
        assert_eq!((reply.status, &*reply.code()), (502, "provider_error"));
    }
    let reply = gateway.chat(&key, &ask("m", ""));
    assert_eq!((reply.status, &*reply.code()), (503, "provider_overloaded"));
    assert!(reply.body.contains("down"), "{}", reply.body);
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    let shown = providers();
    assert_eq!(shown["ok"], false, "{shown}");
    let says = shown["state"].as_str().unwrap();
    assert!(says.contains("down/mock (open"), "{says}");
    assert!(!says.contains("two/mock"), "{says}");
    assert_eq!(gateway.readyz().status, 200, "the gateway itself is well");
    assert_eq!(state(), Some(2.0));
    assert_eq!(gateway.chat(&key, &ask("other", "")).status, 200);
    let metrics = gateway.metrics();
    let unreached = metrics.lines().find(|line| {
        line.starts_with("lattice_attempts_total")
            && line.contains("provider=\"down\"")
            && line.contains("result=\"unreached\"")
    });
    assert!(unreached.unwrap().ends_with(" 5"), "{unreached:?}");

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = Options {
        listen: address,
        ..Options::default()
    };
    let mock = runtime.block_on(Mock::start(options)).unwrap();
    eventually(Duration::from_secs(20), "a probe finds it well", || {
        gateway.chat(&key, &ask("m", "")).status == 200
    });
    assert_eq!(mock.seen(), 1);
    assert_eq!(
        (&providers()["ok"], state()),
        (&Value::Bool(true), Some(0.0))
    );
    let leaves = gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    assert_eq!(nano(&gateway.budgets()[0]["spent_usd"]), cost_of(outcomes));
}

#[test]
fn the_least_busy_target_gets_the_next_request() {
    let slow = "mock?chunks=9000&delay_ms=20";
    let targets = [format!("one/{slow}"), format!("two/{slow}")];
    let targets = targets.each_ref().map(String::as_str);
    let world = World::start("", &[model("m", "balance: least_busy,", &targets)]);
    let key = world.gateway.key("k", &[]);
    let mut running = Vec::new();
    for count in 1..=6 {
        let mut connection = Connection::open(&world.gateway.clients);
        connection.send(chat_request(&key, &ask("m", STREAM)));
        assert_eq!(connection.head().status, 200);
        running.push(connection);
        let (one, two) = (world.one.mock.running(), world.two.mock.running());
        assert_eq!(one + two, count);
        assert!(one.abs_diff(two) <= 1, "{one} and {two}");
    }
    drop(running);
    eventually(Duration::from_secs(5), "all are cancelled", || {
        world.one.mock.running() + world.two.mock.running() == 0
    });
}
