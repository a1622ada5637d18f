//! Every official client before every kind of upstream, through the gateway: what each asks
//! for is answered as that upstream answers, or refused by design in so many words. Nothing
//! else is in the matrix, which `cargo xtask conformance` prints.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::process::Command;

use harness::python::{self, ProviderMock};
use harness::{Gateway, cost_of, nano, node, of_kind};
use serde_json::Value;

const PROVIDER_KEY: &str = "provider-key";

/// Kind, the gateway's name for it (google-genai embeds by another route where a name
/// has `gemini` in it), its adapter, where it is below the mock's address, and the
/// model there: how that is asked to think depends on its generation.
const UPSTREAMS: [[&str; 5]; 4] = [
    ["openai", "gpt", "openai", "/v1", "gpt-5"],
    ["anthropic", "claude", "anthropic", "", "claude-opus-4-6"],
    ["gemini", "google", "gemini", "", "gemini-3.1-pro-preview"],
    [
        "compatible",
        "qwen",
        "openai_compatible",
        "/compat/v1",
        "qwen3",
    ],
];

/// Four clients, four upstreams, ten features.
const FEATURES: usize = 4 * 4 * 10;
/// Three upstreams that embed, asked in six ways by OpenAI's client and in three by Google's.
const EMBEDDINGS: usize = 3 * (6 + 3);
/// Two clients that can ask for it.
const COUNTS: usize = 2 * 4;
/// Three ways to list and to retrieve.
const MODELS: usize = 3 * 2;
/// Four clients of the Vercel AI SDK, two of which embed, in two ways.
const AI_SDK: usize = 4 * 4 * 10 + 2 * 3 * 2;

struct World {
    _mock: ProviderMock,
    gateway: Gateway,
    key: String,
}

impl World {
    fn start() -> Self {
        let mock = ProviderMock::upstreams(PROVIDER_KEY);
        let base = &mock.base_url;
        let providers = UPSTREAMS.map(|[kind, _, adapter, path, _]| {
            format!("  {kind}: {{ kind: {adapter}, base_url: {base}{path}, api_key: {{ file: ./provider.key }} }}\n")
        });
        let models = UPSTREAMS.map(|[kind, name, _, _, model]| {
            format!("  - {{ name: {name}, targets: [ {{ provider: {kind}, model: {model}, price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }} ] }}\n")
        });
        let config = format!(
            "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0 }}\ndata_dir: ./data\nproviders:\n{}models:\n{}",
            providers.concat(),
            models.concat()
        );
        let mut gateway = Gateway::prepare(&config, &[]);
        std::fs::write(gateway.path().join("provider.key"), PROVIDER_KEY).unwrap();
        gateway.launch();
        let key = gateway.key("k", &["--budget-usd", "100", "--window", "total"]);
        Self {
            _mock: mock,
            gateway,
            key,
        }
    }

    /// What the script is told: the gateway, a key, and the name of each upstream's model.
    fn ask(&self, script: &mut Command) -> String {
        let pairs = UPSTREAMS.map(|[kind, name, ..]| format!(r#""{kind}":"{name}""#));
        let output = script
            .args([self.gateway.url(""), self.key.clone()])
            .arg(format!("{{{}}}", pairs.join(",")))
            .output()
            .unwrap();
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every request has its one outcome, and the books show what the audit does.
    fn is_settled(&self) {
        let leaves = self.gateway.leaves();
        let outcomes = of_kind(&leaves, "outcome");
        assert_eq!(of_kind(&leaves, "intent").len(), outcomes.len());
        let budgets = self.gateway.budgets();
        let [budget] = &budgets[..] else {
            panic!("the key has one budget");
        };
        let sums = (nano(&budget["spent_usd"]), nano(&budget["reserved_usd"]));
        assert_eq!(sums, (cost_of(outcomes), 0));
    }
}

/// What is refused by design: table, row, column. Everything else passes.
const REFUSED: [[&str; 3]; 3] = [
    // What a token id means is known to the model's own maker alone.
    ["embeddings", "openai gemini", "token ids"],
    ["count tokens", "messages", "compatible"],
    ["count tokens", "generate", "compatible"],
];

/// There are so many cells; each is passed, but for those that are refused by design, with a
/// message.
fn is_conformant(cells: &[Value], expected: usize, designed: &[[&str; 3]]) {
    let is_designed = |cell: &Value| {
        let place = ["table", "row", "column"].map(|name| cell[name].as_str().unwrap_or_default());
        designed.contains(&place)
    };
    let mut others = Vec::new();
    for cell in cells {
        let told = cell["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        match (cell["result"].as_str(), is_designed(cell)) {
            (Some("passed"), false) => {}
            (Some("refused"), true) if told => eprintln!("{cell}"),
            _ => others.push(cell.to_string()),
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
    assert_eq!(cells.len(), expected);
}

#[test]
fn the_upstreams_are_what_their_own_clients_take_them_for() {
    let mock = ProviderMock::upstreams(PROVIDER_KEY);
    let checked = python::script("upstreams_selfcheck.py")
        .env("UPSTREAMS", &mock.base_url)
        .env("KEY", PROVIDER_KEY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    eprintln!("{said}");
    assert!(checked.status.success());
    assert!(said.contains("Ran 7 tests"), "some did not run");
}

#[test]
fn each_official_client_gets_each_feature_of_each_upstream_or_is_told_why_not() {
    let world = World::start();
    let said = world.ask(python::script("matrix.py").arg("--json"));
    let cells: Vec<Value> =
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("not JSON: {said}"));
    is_conformant(&cells, FEATURES + EMBEDDINGS + COUNTS + MODELS, &REFUSED);
    world.is_settled();
}

#[test]
fn the_vercel_ai_sdk_cannot_tell_the_upstreams_apart_either() {
    let world = World::start();
    let said = world.ask(&mut node::script("conformance.mjs"));
    let cells: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    is_conformant(&cells, AI_SDK, &[]);
    world.is_settled();
}
