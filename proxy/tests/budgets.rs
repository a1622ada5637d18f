//! What a reply costs is in the books and in the audit, to the nano-USD, however
//! it ends; and what passes through is what was sent, but for the named changes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::time::{Duration, Instant};

use harness::wire::{Connection, chat_request, events};
use harness::{Gateway, MODELS, Reply, Upstream, ask, config, eventually, nano, of_kind, post};
use serde_json::{Value, json};

/// 3 words in, 8 tokens out, at 1 and 2 USD per million tokens.
const COST: i64 = 3 * 1_000 + 8 * 2_000;
const COST_USD: &str = "0.000019";
const STREAM: &str = r#","stream":true"#;
const STREAM_WITH_USAGE: &str = r#","stream":true,"stream_options":{"include_usage":true}"#;

/// Teams `hard` and `soft`, each with a budget that nothing here exhausts.
const BUDGETS: &str = "budgets:
  - { scope: { team: hard }, window: month, limit_usd: 100, mode: hard }
  - { scope: { team: soft }, window: day, limit_usd: 100, mode: soft }
";

fn key_in(gateway: &Gateway, team: &str) -> String {
    gateway.lattice(&["team", "create", team]);
    gateway.key(&format!("key-of-{team}"), &["--team", team])
}

/// A model `name` that behaves so, at the usual price.
fn model(name: &str, behaviour: &str) -> String {
    format!(
        "  - {{ name: {name}, targets: [ {{ provider: mock, model: 'mock?{behaviour}', \
         price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }} ] }}\n"
    )
}

/// What the mock answers without a gateway, with the same name on it as `like`.
fn direct(upstream: &Upstream, body: &str, like: &str) -> String {
    let reply = post(
        &format!("{}/chat/completions", upstream.base_url()),
        None,
        body,
    );
    assert_eq!(reply.status, 200);
    reply
        .body
        .replace(&completion_id(&reply.body), &completion_id(like))
}

fn completion_id(body: &str) -> String {
    let rest = &body[body.find("chatcmpl-mock-").unwrap()..];
    rest[..rest.find('"').unwrap()].to_owned()
}

/// The intent and the outcome of a request.
fn call<'a>(leaves: &'a [Value], request_id: &str) -> (&'a Value, &'a Value) {
    let of: Vec<&Value> = leaves
        .iter()
        .filter(|leaf| leaf["request_id"] == request_id)
        .collect();
    match of[..] {
        [intent, outcome] if intent["kind"] == "intent" && outcome["kind"] == "outcome" => {
            (intent, outcome)
        }
        _ => panic!("not a call: {of:?}"),
    }
}

fn request_id(reply: &Reply) -> &str {
    reply.header("x-request-id").unwrap()
}

fn budget<'a>(rows: &'a [Value], scope: &Value) -> &'a Value {
    rows.iter().find(|row| row["scope"] == *scope).unwrap()
}

#[test]
fn usage_and_cost_are_in_the_reply_the_budget_and_the_audit() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, &format!("{MODELS}{BUDGETS}")));
    gateway.lattice(&["team", "create", "hard"]);
    let key = gateway.key(
        "k",
        &["--team", "hard", "--budget-usd", "5", "--window", "total"],
    );

    let whole = gateway.chat(&key, &ask("mock", ""));
    assert_eq!(whole.header("x-lattice-cost-usd"), Some(COST_USD));
    assert_eq!(whole.body, direct(&upstream, &ask("mock", ""), &whole.body));

    let asked = gateway.chat(&key, &ask("mock", STREAM_WITH_USAGE));
    let plain = direct(&upstream, &ask("mock", STREAM_WITH_USAGE), &asked.body);
    let total = r#""total_tokens":11}"#;
    let priced = format!(r#""total_tokens":11,"lattice_cost_usd":{COST_USD}}}"#);
    assert_eq!(plain.matches(total).count(), 1);
    assert_eq!(asked.body, plain.replace(total, &priced));

    let unasked = gateway.chat(&key, &ask("mock", STREAM));
    let plain = direct(&upstream, &ask("mock", STREAM_WITH_USAGE), &unasked.body);
    let without_usage: String = plain
        .split_inclusive("\n\n")
        .filter(|event| !event.contains(total))
        .collect();
    assert!(without_usage.len() < plain.len());
    assert_eq!(unasked.body, without_usage);
    assert!(unasked.header("x-lattice-cost-usd").is_none());

    let leaves = gateway.leaves();
    for reply in [&whole, &asked, &unasked] {
        assert_eq!(
            (
                reply.header("x-lattice-provider"),
                reply.header("x-lattice-attempts")
            ),
            (Some("mock"), Some("1"))
        );
        let (intent, outcome) = call(&leaves, request_id(reply));
        let usage =
            json!({"input": 3, "cached_input": 0, "cache_write": 0, "output": 8, "reasoning": 0});
        assert_eq!(
            (&outcome["ending"], &outcome["usage"]),
            (&json!("finished"), &usage)
        );
        assert_eq!(
            (&outcome["cost_nano_usd"], &outcome["estimated"]),
            (&json!(COST), &json!(false))
        );
        assert!(intent["reserved_nano_usd"].as_i64().unwrap() >= COST);
        assert_eq!(
            (&intent["key"]["name"], &intent["team"]["name"]),
            (&json!("k"), &json!("hard"))
        );
    }
    let budgets = gateway.budgets();
    for scope in [json!({"team": "hard"}), json!({"key": "k"})] {
        let row = budget(&budgets, &scope);
        assert_eq!(
            (nano(&row["spent_usd"]), nano(&row["reserved_usd"])),
            (3 * COST, 0),
            "{row}"
        );
    }
}

#[test]
fn an_output_cap_is_added_under_a_hard_budget_alone() {
    let upstream = Upstream::start();
    let more = format!(
        "{MODELS}  - {{ name: small, targets: [ {{ provider: mock, model: mock, max_output_tokens: 100, \
         price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }} ] }}\n{BUDGETS}"
    );
    let gateway = Gateway::start(&config(&upstream, &more));
    let (hard, soft) = (key_in(&gateway, "hard"), key_in(&gateway, "soft"));
    let free = gateway.key("free", &[]);

    for (model, cap) in [("mock", 4096), ("small", 100)] {
        let body = ask(model, "");
        let reply = gateway.chat(&hard, &body);
        let capped = format!(r#"{},"max_tokens":{cap}}}"#, &body[..body.len() - 1]);
        assert_eq!(upstream.last_body(), capped.replace("small", "mock"));
        assert_eq!(
            reply.header("x-lattice-noted"),
            Some(&*format!("max_output_tokens={cap} (hard budget)"))
        );
    }
    // A compatible server may not know the new name, so the cap goes by both.
    let reply = gateway.chat(&hard, &ask("mock", r#","max_completion_tokens":8"#));
    let both = ask("mock", r#","max_completion_tokens":8,"max_tokens":8"#);
    assert_eq!(upstream.last_body(), both);
    assert_eq!(
        reply.header("x-lattice-noted"),
        Some("max_tokens=8 (hard budget)")
    );
    let capped = [
        r#","max_tokens":7"#,
        r#","max_tokens":7,"max_completion_tokens":9"#,
    ];
    let unchanged = capped.map(|cap| (&hard, ask("mock", cap)));
    for (key, body) in unchanged
        .into_iter()
        .chain([(&soft, ask("mock", "")), (&free, ask("mock", ""))])
    {
        let reply = gateway.chat(key, &body);
        assert_eq!(reply.status, 200);
        assert_eq!(upstream.last_body(), body);
        assert_eq!(reply.header("x-lattice-noted"), None, "{body}");
    }
    let caps: Vec<Value> = of_kind(&gateway.leaves(), "intent")
        .iter()
        .map(|leaf| leaf["output_cap"].clone())
        .collect();
    assert_eq!(json!(caps), json!([4096, 100, 8, 7, 9, null, null]));
}

#[test]
fn a_request_reaches_the_provider_byte_for_byte() {
    let upstream = Upstream::start();
    let models = format!(
        "{MODELS}  - {{ name: renamed, targets: [ {{ provider: mock, model: 'mock?chunks=2' }} ] }}\n"
    );
    let gateway = Gateway::start(&config(&upstream, &models));
    let key = gateway.key("k", &[]);
    let odd = |model: &str, stream: &str| {
        format!(
            "\r\n {{ \"temperature\" : 1.0e-0 ,\n\t\"unknown\":{{\"a\":[0.10,-0,1E+2,\"\\u00e9\\/\"],\"b\":null}},\
             \"{MODEL}\"\t:\"{model}\" , \"messages\":[ {{\"role\":\"user\",\"content\":\"caf\\u00e9 \\ud83d\\ude00 Grüße\",\
             \"extra\":true}} ]{stream}, \"stop\": [ ]\n}}\n\n",
            MODEL = "model",
        )
    };
    let send = |body: &str| assert_eq!(gateway.chat(&key, body).status, 200);

    send(&odd("mock", ""));
    assert_eq!(upstream.last_body(), odd("mock", ""));
    let asks = ", \"stream\" : true,\"stream_options\":{ \"include_usage\" : true , \"x\":1 }";
    send(&odd("mock", asks));
    assert_eq!(upstream.last_body(), odd("mock", asks));
    send(&odd("renamed", ""));
    assert_eq!(upstream.last_body(), odd("mock?chunks=2", ""));
    send(&odd("mock", ", \"stream\" : true"));
    let with_usage = odd("mock", ", \"stream\" : true").replace(
        "[ ]\n}",
        "[ ]\n,\"stream_options\":{\"include_usage\":true}}",
    );
    assert_eq!(upstream.last_body(), with_usage);

    let headers = upstream.mock.last().unwrap().headers;
    assert!(
        headers.get("authorization").is_none(),
        "the caller's key stays here"
    );
}

#[test]
fn parallel_requests_do_not_overspend_a_hard_budget() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(
        &upstream,
        &format!("models:\n{}", model("mock", "delay_ms=20")),
    ));
    let body = ask("mock", r#","max_tokens":8"#);
    // What each of them holds, as one of somebody else's shows.
    let rich = gateway.key("rich", &["--budget-usd", "1"]);
    assert_eq!(gateway.chat(&rich, &body).status, 200);
    let held = of_kind(&gateway.leaves(), "intent")[0]["reserved_nano_usd"]
        .as_i64()
        .unwrap();
    assert!(held > COST);
    let limit = 10 * held;
    let key = gateway.key(
        "tight",
        &[
            "--window",
            "total",
            "--budget-usd",
            &format!("0.{limit:09}"),
        ],
    );
    let asked = || match gateway.chat(&key, &body) {
        reply if reply.status == 200 => true,
        reply => {
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (402, "limit_budget"),
                "{}",
                reply.body
            );
            false
        }
    };
    let at_once: Vec<bool> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..40).map(|_| scope.spawn(asked)).collect();
        asking
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    let at_once = at_once.iter().filter(|served| **served).count();
    assert!(at_once >= 10, "there was room for ten: {at_once}");
    let mut served = at_once;
    while asked() {
        served += 1;
    }
    println!("{at_once} of 40 were served at once, {served} in all");

    gateway.shipped();
    let budgets = gateway.budgets();
    let row = budget(&budgets, &json!({"key": "tight"}));
    assert_eq!(nano(&row["limit_usd"]), limit);
    let spent = nano(&row["spent_usd"]);
    assert_eq!(
        (spent, nano(&row["reserved_usd"])),
        (served as i64 * COST, 0)
    );
    assert!(spent <= limit, "{spent} of {limit}");
    assert!(
        spent + held > limit,
        "a request that fits is served: {spent} of {limit}"
    );
    assert_eq!(upstream.mock.seen(), 1 + served as u64);
}

/// The outcome says so, and all that was held is spent, as an estimate.
#[track_caller]
fn settled_in_full(leaves: &[Value], request_id: &str, ending: &str) {
    let (intent, outcome) = call(leaves, request_id);
    assert_eq!(outcome["ending"], ending, "{outcome}");
    assert_eq!(
        (&outcome["usage"], &outcome["estimated"]),
        (&Value::Null, &json!(true)),
        "{outcome}"
    );
    assert_eq!(
        outcome["cost_nano_usd"], intent["reserved_nano_usd"],
        "{outcome}"
    );
    assert!(outcome["cost_nano_usd"].as_i64().unwrap() > COST);
}

/// Models that end as their names say, under a hard budget.
fn troubled(upstream: &Upstream) -> Gateway {
    let models: String = [
        ("no-usage", "fault=no_usage"),
        ("truncated", "fault=truncate_after:3"),
        ("reset", "fault=reset_after:3"),
        ("errs", "fault=error_event_after:3"),
        ("slow", "chunks=500&delay_ms=20"),
        ("thinks", "latency_ms=30000"),
    ]
    .map(|(name, behaviour)| model(name, behaviour))
    .concat();
    Gateway::start(&config(upstream, &format!("models:\n{models}{BUDGETS}")))
}

#[test]
fn an_ending_without_usage_is_settled_in_full_as_an_estimate() {
    let upstream = Upstream::start();
    let gateway = troubled(&upstream);
    let key = key_in(&gateway, "hard");
    let mut ended: Vec<(String, &str)> = Vec::new();

    for more in ["", STREAM, STREAM_WITH_USAGE] {
        let reply = gateway.chat(&key, &ask("no-usage", more));
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("x-lattice-cost-usd"),
            None,
            "unknown is not a number"
        );
        assert!(!reply.body.contains("lattice"), "{}", reply.body);
        ended.push((request_id(&reply).into(), "finished"));
    }
    for name in ["truncated", "reset"] {
        let reply = gateway.chat(&key, &ask(name, STREAM));
        assert_eq!(reply.status, 200);
        let events = events(&reply.body);
        assert_eq!(
            events.len(),
            1 + 3 + 1,
            "role, three tokens, the error: {}",
            reply.body
        );
        let error: Value = serde_json::from_str(events[4]).unwrap();
        assert_eq!(error["error"]["code"], "provider_error");
        assert_eq!(
            error["lattice"],
            json!({"gate": "execution", "code": "provider_error", "request_id": request_id(&reply)})
        );
        assert!(!reply.body.contains("[DONE]"));
        ended.push((request_id(&reply).into(), "cut"));

        let reply = gateway.chat(&key, &ask(name, ""));
        assert_eq!((reply.status, &*reply.code()), (502, "provider_error"));
        ended.push((request_id(&reply).into(), "cut"));
    }
    let reply = gateway.chat(&key, &ask("errs", STREAM));
    let last = *events(&reply.body).last().unwrap();
    assert!(
        last.contains("ordered fault") && !reply.body.contains("[DONE]"),
        "the provider's own event: {last}"
    );
    ended.push((request_id(&reply).into(), "failed"));

    let leaves = gateway.leaves();
    ended
        .iter()
        .for_each(|(id, ending)| settled_in_full(&leaves, id, ending));
    let spent: i64 = of_kind(&leaves, "outcome")
        .iter()
        .map(|leaf| leaf["cost_nano_usd"].as_i64().unwrap())
        .sum();
    let budgets = gateway.budgets();
    assert_eq!(
        nano(&budget(&budgets, &json!({"team": "hard"}))["spent_usd"]),
        spent
    );
    println!("{} endings", ended.len());
}

#[test]
fn a_client_that_leaves_cancels_its_upstream() {
    let upstream = Upstream::start();
    let gateway = troubled(&upstream);
    let key = key_in(&gateway, "hard");
    // In the middle of a stream, before its first byte, and before a whole reply.
    for (model, more) in [("slow", STREAM), ("thinks", STREAM), ("slow", "")] {
        let cut = upstream.mock.cut();
        let mut client = Connection::open(&gateway.clients);
        client.send(chat_request(&key, &ask(model, more)));
        eventually(Duration::from_secs(10), "it is under way", || {
            upstream.mock.running() == 1
        });
        if (model, more) == ("slow", STREAM) {
            assert_eq!(client.head().status, 200);
            client.chunk();
        }
        drop(client);
        let left = Instant::now();
        eventually(Duration::from_secs(2), "the upstream is cancelled", || {
            upstream.mock.cut() == cut + 1
        });
        println!("{model}: cancelled after {:?}", left.elapsed());
    }
    let leaves = gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    assert_eq!(outcomes.len(), 3);
    for outcome in outcomes {
        settled_in_full(
            &leaves,
            outcome["request_id"].as_str().unwrap(),
            "client_gone",
        );
    }
}

#[test]
fn a_client_may_leave_at_any_moment_and_nothing_stays_held() {
    let upstream = Upstream::start();
    let gateway = troubled(&upstream);
    let key = key_in(&gateway, "hard");
    let request = chat_request(&key, &ask("slow", STREAM));
    // Most of them while the intent is on its way to the disk.
    for moment in 0..300 {
        let mut client = Connection::open(&gateway.clients);
        client.send(&request);
        std::thread::sleep(Duration::from_micros(moment * 30));
        drop(client);
    }
    eventually(Duration::from_secs(10), "all have ended", || {
        upstream.mock.running() == 0
    });
    let leaves = gateway.leaves();
    let ids = |kind| {
        let mut ids: Vec<&str> = of_kind(&leaves, kind)
            .iter()
            .map(|leaf| leaf["request_id"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        ids
    };
    println!(
        "{} intents, {} calls",
        ids("intent").len(),
        upstream.mock.seen()
    );
    assert_eq!(ids("intent"), ids("outcome"));
    assert!(
        of_kind(&leaves, "outcome")
            .iter()
            .all(|leaf| leaf["ending"] == "client_gone")
    );
    let spent: i64 = of_kind(&leaves, "outcome")
        .iter()
        .map(|leaf| leaf["cost_nano_usd"].as_i64().unwrap())
        .sum();
    let budgets = gateway.budgets();
    let row = budget(&budgets, &json!({"team": "hard"}));
    assert_eq!(
        (nano(&row["spent_usd"]), nano(&row["reserved_usd"])),
        (spent, 0),
        "{row}"
    );
    // The books of the running gateway say the same as those of the store.
    let metrics = gateway.metrics();
    let live = |state: &str| {
        let series = format!(r#"lattice_budget_usd{{scope="team:hard:month",state="{state}"}} "#);
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&*series))
            .expect("the series is there");
        nano(&serde_json::from_str(value).unwrap())
    };
    assert_eq!((live("spent"), live("reserved")), (spent, 0));
}
