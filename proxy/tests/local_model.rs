//! OpenAI's own client before a real model in the gateway's process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::thread;
use std::time::{Duration, Instant};

use harness::wire::{Connection, chat_request};
use harness::{Gateway, Reply, assert_shows, eventually, nano, of_kind, python};
use serde_json::{Value, json};

/// As its file is called, without how it was quantised.
const MODEL: &str = "smollm2-135m-instruct";

/// A gateway whose provider `local` has further `settings`, and a key with a hard budget.
fn gateway(settings: &str) -> (Gateway, String) {
    let models = python::model();
    let models = models.parent().unwrap().display();
    let config = format!(
        "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0 }}\n\
         data_dir: ./data\n\
         providers:\n  local: {{ kind: llama_cpp, model_dir: '{models}', context: 4096, {settings} }}\n\
         models:\n  - {{ name: smollm2, targets: [ {{ provider: local, model: {MODEL} }} ] }}\n"
    );
    let gateway = Gateway::start(&config);
    let key = gateway.key("k", &["--budget-usd", "1", "--window", "total"]);
    (gateway, key)
}

/// Has the client make these requests; what it made of each reply, in their order.
fn ask<const N: usize>(gateway: &Gateway, key: &str, asks: [Value; N]) -> [Value; N] {
    let mut client = python::script("openai_across.py");
    client
        .args(asks.map(|ask| ask.as_str().map_or_else(|| ask.to_string(), str::to_owned)))
        .env("GATEWAY", gateway.url("/v1"))
        .env("KEY", key);
    python::lines_of(&mut client).try_into().unwrap()
}

/// A question that it answers the same each time; `more` are further members.
fn capital(how: &str, more: Value) -> Value {
    let mut ask = json!({
        "how": how, "model": "smollm2", "temperature": 0, "max_tokens": 40,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is the capital of France?"},
        ],
    });
    let Value::Object(more) = more else {
        return ask;
    };
    ask.as_object_mut().unwrap().extend(more);
    ask
}

fn streamed(how: &str) -> Value {
    capital(how, json!({"stream_options": {"include_usage": true}}))
}

#[test]
fn the_official_client_lists_chats_and_streams() {
    let (gateway, key) = gateway("");
    let [listed, whole, stream, helper, bare, by_path] = ask(
        &gateway,
        &key,
        [
            json!("models"),
            capital("whole", Value::Null),
            streamed("stream"),
            streamed("helper"),
            capital("stream", Value::Null),
            capital("whole", json!({"model": format!("local/{MODEL}")})),
        ],
    );
    println!("{}", whole["text"]);
    assert_eq!(listed, json!(["smollm2"]));
    assert!(whole["text"].as_str().unwrap().contains("Paris"), "{whole}");
    assert!(
        stream["pieces"].as_u64().unwrap() > 2,
        "not streamed: {stream}"
    );
    for reply in [&stream, &helper, &bare, &by_path] {
        assert_eq!(reply["text"], whole["text"]);
        assert_shows(
            reply,
            &json!({"finish": "stop", "calls": [], "refusal": null}),
        );
    }
    assert_shows(&bare, &json!({"usage": null, "usage_chunks": 0}));
    let counts = |reply: &Value| {
        ["prompt_tokens", "completion_tokens", "total_tokens"]
            .map(|name| reply["usage"][name].as_u64().unwrap())
    };
    let [input, output, total] = counts(&whole);
    assert!(
        input > 5 && output > 2 && total == input + output,
        "{whole}"
    );
    for reply in [&stream, &helper, &by_path] {
        assert_eq!(counts(reply), [input, output, total]);
    }
    assert_shows(&stream, &json!({"usage_chunks": 1}));
    assert_eq!(nano(&stream["usage"]["lattice_cost_usd"]), 0);
    let shown = json!({"x-lattice-provider": "local", "x-lattice-model": MODEL, "x-lattice-attempts": "1", "content-type": "application/json", "x-lattice-cost-usd": "0"});
    assert_shows(&whole["headers"], &shown);

    let leaves = gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    assert_eq!((of_kind(&leaves, "intent").len(), outcomes.len()), (5, 5));
    for outcome in outcomes {
        let expected = json!({"provider": "local", "model": MODEL, "ending": "finished", "status": 200, "estimated": false, "cost_nano_usd": 0});
        assert_shows(outcome, &expected);
        assert_shows(
            &outcome["usage"],
            &json!({"input": input, "output": output}),
        );
    }
}

#[test]
fn an_answer_ends_at_a_stop_text_and_at_the_cap() {
    let (gateway, key) = gateway("");
    let [whole, stopped, stopped_stream, short, short_stream] = ask(
        &gateway,
        &key,
        [
            capital("whole", Value::Null),
            capital("whole", json!({"stop": ["Paris"]})),
            capital("stream", json!({"stop": "Paris"})),
            capital("whole", json!({"max_tokens": 3})),
            capital(
                "stream",
                json!({"max_completion_tokens": 3, "max_tokens": null, "stream_options": {"include_usage": true}}),
            ),
        ],
    );
    let whole = whole["text"].as_str().unwrap();
    let (before, _) = whole.split_once("Paris").unwrap();
    for reply in [&stopped, &stopped_stream] {
        assert_shows(reply, &json!({"text": before, "finish": "stop"}));
    }
    for reply in [&short, &short_stream] {
        assert_shows(reply, &json!({"finish": "length"}));
        assert_eq!(reply["usage"]["completion_tokens"], 3);
        let text = reply["text"].as_str().unwrap();
        assert!(!text.is_empty() && whole.starts_with(text), "{reply}");
    }
}

#[test]
fn what_a_local_model_cannot_do_yet_is_refused_by_its_field() {
    let (gateway, key) = gateway("");
    let function = json!({"name": "f", "parameters": {"type": "object", "properties": {}}});
    let schema = json!({"name": "s", "schema": {"type": "object"}});
    let image =
        json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]);
    let cases = [
        (
            "tools",
            json!({"tools": [{"type": "function", "function": function}]}),
        ),
        (
            "response_format",
            json!({"response_format": {"type": "json_schema", "json_schema": schema}}),
        ),
        (
            "response_format",
            json!({"response_format": {"type": "json_object"}}),
        ),
        ("n", json!({"n": 2})),
        (
            "messages.content.image_url",
            json!({"messages": [{"role": "user", "content": image}]}),
        ),
        ("logprobs", json!({"logprobs": true})),
    ];
    let whole = ask(
        &gateway,
        &key,
        cases.clone().map(|(_, more)| capital("whole", more)),
    );
    let streams = ask(
        &gateway,
        &key,
        cases.clone().map(|(_, more)| capital("stream", more)),
    );
    for (reply, (field, _)) in whole.iter().chain(&streams).zip(cases.iter().cycle()) {
        assert_shows(
            reply,
            &json!({"class": "BadRequestError", "status": 400, "code": "caller_unsupported", "param": field}),
        );
        let lattice = json!({"gate": "execution", "code": "caller_unsupported", "request_id": reply["headers"]["x-request-id"]});
        assert_eq!(reply["lattice"], lattice);
    }
    let unknown = capital("whole", json!({"model": "local/nope"}));
    let [unknown, known] = ask(&gateway, &key, [unknown, capital("whole", Value::Null)]);
    assert_shows(
        &unknown,
        &json!({"class": "NotFoundError", "status": 404, "code": "caller_unknown_model"}),
    );
    assert_shows(&known, &json!({"finish": "stop"}));
}

/// Starts a stream that goes on for long, and returns with its first words.
fn long_stream(gateway: &Gateway, key: &str) -> Connection {
    // Rewarded for what it has said already, it repeats itself without end.
    let body = json!({
        "model": "smollm2", "stream": true, "max_tokens": 3500, "temperature": 0, "frequency_penalty": -2,
        "messages": [{"role": "user", "content": "Count from 1 to 1000."}],
    });
    let mut connection = Connection::open(&gateway.clients);
    connection.send(chat_request(key, &body.to_string()));
    assert_eq!(connection.head().status, 200);
    while !String::from_utf8_lossy(&connection.chunk()).contains("\"delta\":{\"content\":") {}
    connection
}

fn short(gateway: &Gateway, key: &str) -> Reply {
    let body = json!({"model": "smollm2", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]});
    gateway.chat(key, &body.to_string())
}

/// Asks while another's stream takes the only slot, and has that other leave; how long it
/// then takes to be served.
fn served_after_leaving(gateway: &Gateway, key: &str) -> Duration {
    let first = long_stream(gateway, key);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| (short(gateway, key), Instant::now()));
        thread::sleep(Duration::from_millis(500));
        assert!(!waiting.is_finished(), "there is more than one slot");
        let left = Instant::now();
        drop(first);
        let (reply, served) = waiting.join().unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        served - left
    })
}

#[test]
fn the_slot_of_a_client_that_left_is_free() {
    let (gateway, key) = gateway("parallel: 1, threads: 1");
    // A busy machine may take its time for one prompt; a slot that stays taken does so
    // each time, for the minutes that the first answer lasts.
    let waited = [(); 3].map(|()| served_after_leaving(&gateway, &key));
    println!("served after {waited:?}");
    assert!(
        waited.iter().any(|it| *it < Duration::from_secs(2)),
        "{waited:?}"
    );
    let leaves = gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    let endings: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome["ending"].as_str().unwrap())
        .collect();
    assert_eq!(endings, ["client_gone", "finished"].repeat(3));
}

#[test]
fn too_many_at_once_are_told_when_to_come_again() {
    let (gateway, key) = gateway("parallel: 1, queue: 1, threads: 1");
    let running = long_stream(&gateway, &key);
    let replies = thread::scope(|scope| {
        let asked = [(); 2].map(|()| scope.spawn(|| short(&gateway, &key)));
        // One waits for the slot, and there is no room for the other.
        eventually(Duration::from_secs(20), "one of two is turned away", || {
            asked.iter().any(|asked| asked.is_finished())
        });
        drop(running);
        asked.map(|asked| asked.join().unwrap())
    });
    let [served, refused] = match &replies {
        [first, second] if first.status == 200 => [first, second],
        [first, second] => [second, first],
    };
    assert_eq!((served.status, refused.status), (200, 429), "{replies:?}");
    assert_eq!(refused.code(), "limit_queue");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=600).contains(&seconds), "{refused:?}");
}

#[cfg(feature = "candle")]
#[test]
fn candle_answers_too() {
    let (gateway, key) = gateway("engine: candle, parallel: 1");
    let [whole, stream] = ask(
        &gateway,
        &key,
        [capital("whole", Value::Null), streamed("stream")],
    );
    println!("{}", whole["text"]);
    assert!(whole["text"].as_str().unwrap().contains("Paris"), "{whole}");
    assert_eq!(stream["text"], whole["text"]);
    assert_eq!(
        stream["usage"]["completion_tokens"],
        whole["usage"]["completion_tokens"]
    );
    for reply in [&whole, &stream] {
        assert_shows(reply, &json!({"finish": "stop"}));
    }
}
