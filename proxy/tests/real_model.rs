//! The main job on real input: OpenAI's own client streams an answer of a real model
//! through all five gates. The model runs on llama.cpp's own server, in a process of
//! this test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use harness::{Gateway, assert_shows, config_for, cost_of, nano, of_kind, python};
use serde_json::{Value, json};

/// llama.cpp's server on the starter model, until it is dropped.
struct LlamaCpp {
    server: Child,
    base_url: String,
}

impl LlamaCpp {
    fn start() -> Self {
        let mut script = python::script("serve_model.py");
        // It ends when its standard input does, so also with a test that was killed.
        script
            .arg(python::model())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = script.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the model does not start: {line:?}"));
        Self {
            server,
            base_url: said["base_url"].as_str().unwrap().to_owned(),
        }
    }
}

impl Drop for LlamaCpp {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        drop(self.server.wait());
    }
}

const MODELS: &str = "models:\n  - name: smollm2\n    targets: [ { provider: mock, model: SmolLM2-135M-Instruct, price: { input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.4 } } ]\n";

fn tokens(reply: &Value, kind: &str) -> i64 {
    reply["usage"][kind].as_i64().unwrap()
}

/// At 100 and 400 nano-USD a token.
fn cost(reply: &Value) -> i64 {
    tokens(reply, "prompt_tokens") * 100 + tokens(reply, "completion_tokens") * 400
}

#[test]
fn the_official_client_streams_a_governed_answer_of_a_real_model() {
    let llama_cpp = LlamaCpp::start();
    let config = config_for(&llama_cpp.base_url, MODELS).replace("mock", "llama_cpp");
    let gateway = Gateway::start(&config);
    gateway.lattice(&["team", "create", "research"]);
    let limits = [
        "--team",
        "research",
        "--models",
        "smollm2",
        "--budget-usd",
        "1",
        "--window",
        "day",
    ];
    let key = gateway.key("ada", &limits);
    let mut client = python::script("openai_client.py");
    client.args([
        "models",
        "stream",
        "chat",
        "stream_without_usage",
        "concurrently",
    ]);
    client
        .env("GATEWAY", gateway.url("/v1"))
        .env("KEY", &key)
        .env("MODEL", "smollm2");
    let [models, stream, chat, bare, concurrently] =
        python::lines_of(&mut client).try_into().unwrap();
    println!("streamed: {}\nwhole: {}", stream["texts"], chat["texts"]);

    assert_eq!(models["listed"], json!(["smollm2"]));
    let replies = [&stream, &chat, &bare]
        .into_iter()
        .chain(concurrently.as_array().unwrap());
    replies.clone().for_each(is_answer);
    assert!(
        stream["texts"][0].as_str().unwrap().contains("Paris"),
        "{stream}"
    );
    assert_shows(&bare, &json!({"usage": null, "chunks_without_choices": 0}));
    for reply in [&stream, &chat] {
        let expected =
            json!({"x-lattice-provider": "llama_cpp", "x-lattice-model": "SmolLM2-135M-Instruct"});
        assert_shows(&reply["headers"], &expected);
    }
    assert_eq!(nano(&stream["usage"]["lattice_cost_usd"]), cost(&stream));
    let header: Value =
        serde_json::from_str(chat["headers"]["x-lattice-cost-usd"].as_str().unwrap()).unwrap();
    assert_eq!(nano(&header), cost(&chat));
    on_record(&gateway, replies.count(), [&stream, &chat]);
}

fn is_answer(reply: &Value) {
    assert!(
        reply["texts"][0]
            .as_str()
            .is_some_and(|text| !text.trim().is_empty()),
        "{reply}"
    );
    assert!(
        ["stop", "length"].contains(&reply["finish"][0].as_str().unwrap()),
        "{reply}"
    );
}

/// The audit has so many calls, these among them at their cost; the budget has the sum.
fn on_record(gateway: &Gateway, calls: usize, with_usage: [&Value; 2]) {
    let leaves = gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    assert_eq!(
        (of_kind(&leaves, "intent").len(), outcomes.len()),
        (calls, calls)
    );
    for outcome in &outcomes {
        assert_shows(outcome, &json!({"ending": "finished", "estimated": false}));
    }
    for reply in with_usage {
        let id = &reply["headers"]["x-request-id"];
        let outcome = outcomes
            .iter()
            .find(|outcome| outcome["request_id"] == *id)
            .unwrap();
        assert_shows(outcome, &json!({"cost_nano_usd": cost(reply)}));
        assert_eq!(
            outcome["usage"]["output"],
            reply["usage"]["completion_tokens"]
        );
    }
    let budget = &gateway.budgets()[0];
    assert_eq!(
        (nano(&budget["spent_usd"]), nano(&budget["reserved_usd"])),
        (cost_of(outcomes), 0)
    );
    let (code, said) = gateway.verify();
    assert_eq!(code, 0, "{said}");
}
