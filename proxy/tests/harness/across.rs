//! Claude's and Gemini's mocks and a gateway before them, and what OpenAI's own client
//! asks there.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::python::{self, ProviderMock};
use super::{Gateway, assert_shows, cost_of, get_with, nano, of_kind};

/// What the gateway holds for both providers.
pub const PROVIDER_KEY: &str = "provider-key";

/// Both mocks and a gateway before them. `key` has a hard budget; `other` belongs to
/// somebody else.
pub struct World {
    fixtures: PathBuf,
    pub claude: ProviderMock,
    pub gemini: ProviderMock,
    pub gateway: Gateway,
    pub key: String,
    pub other: String,
}

/// Name, provider, model there; USD per million tokens of input and output. For those that
/// are locked the gateway has a key that their provider does not know.
const MODELS: [(&str, &str, &str, f64, f64); 8] = [
    ("haiku", "claude", "claude-haiku-4-5", 1.0, 5.0),
    ("opus", "claude", "claude-opus-4-6", 5.0, 25.0),
    ("sonnet", "claude", "claude-sonnet-5", 3.0, 15.0),
    ("flash", "gemini", "gemini-2.5-flash", 0.3, 2.5),
    ("pro", "gemini", "gemini-2.5-pro", 1.25, 10.0),
    ("gemini-3", "gemini", "gemini-3.1-pro-preview", 2.0, 12.0),
    (
        "locked-claude",
        "locked_claude",
        "claude-haiku-4-5",
        1.0,
        5.0,
    ),
    (
        "locked-gemini",
        "locked_gemini",
        "gemini-2.5-flash",
        0.3,
        2.5,
    ),
];

impl World {
    /// `None` where there are no recordings.
    pub fn start() -> Option<Self> {
        let fixtures = python::fixtures()?;
        let claude = ProviderMock::start("claude_mock.py", &fixtures, PROVIDER_KEY);
        let gemini = ProviderMock::start("gemini_mock.py", &fixtures, PROVIDER_KEY);
        let providers = [
            ("claude", "anthropic", &claude, "provider.key"),
            ("gemini", "gemini", &gemini, "provider.key"),
            ("locked_claude", "anthropic", &claude, "wrong.key"),
            ("locked_gemini", "gemini", &gemini, "wrong.key"),
        ];
        let providers = providers.map(|(name, kind, mock, file)| {
            let base_url = &mock.base_url;
            format!("  {name}: {{ kind: {kind}, base_url: {base_url}, api_key: {{ file: ./{file} }} }}\n")
        });
        let models = MODELS.map(|(name, provider, model, input, output)| {
            format!("  - {{ name: {name}, targets: [ {{ provider: {provider}, model: {model}, price: {{ input_usd_per_mtok: {input}, output_usd_per_mtok: {output} }} }} ] }}\n")
        });
        let config = format!(
            "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0 }}\ndata_dir: ./data\nproviders:\n{}models:\n{}",
            providers.concat(),
            models.concat()
        );
        let mut gateway = Gateway::prepare(&config, &[]);
        std::fs::write(gateway.path().join("provider.key"), PROVIDER_KEY).unwrap();
        std::fs::write(gateway.path().join("wrong.key"), "not-the-key").unwrap();
        gateway.launch();
        let key = gateway.key("k", &["--budget-usd", "10", "--window", "total"]);
        let other = gateway.key("other", &["--budget-usd", "10", "--window", "total"]);
        Some(Self {
            fixtures,
            claude,
            gemini,
            gateway,
            key,
            other,
        })
    }

    /// Has the client make these requests; what it made of each reply, in their order.
    pub fn ask<const N: usize>(&self, asks: [Value; N]) -> [Value; N] {
        let mut client = python::script("openai_across.py");
        client
            .args(asks.map(|ask| ask.to_string()))
            .env("GATEWAY", self.gateway.url("/v1"))
            .env("KEY", &self.key)
            .env("OTHER", &self.other);
        python::lines_of(&mut client).try_into().unwrap()
    }

    /// What a mock has received: path, headers, body, and which recording answered.
    pub fn received(&self, mock: &ProviderMock) -> Vec<Value> {
        let url = format!("{}/requests", mock.base_url);
        let Value::Array(requests) = get_with(&url, "accept", "application/json").json() else {
            panic!("{url} does not list");
        };
        requests
    }

    /// All strings under one of `keys` in a recording, one after the other.
    pub fn recorded(&self, request: &Value, keys: &[&str]) -> String {
        let recordings = self.fixtures.join("wire").join("dev");
        let file = recordings.join(request["answer"].as_str().unwrap());
        let recording: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let body = recording["response"]["body"].as_str().unwrap();
        let mut found = String::new();
        if let Ok(reply) = serde_json::from_str(body) {
            collect(&reply, keys, &mut found);
        } else {
            for event in body.lines().filter_map(|line| line.strip_prefix("data:")) {
                collect(&serde_json::from_str(event).unwrap(), keys, &mut found);
            }
        }
        found
    }

    /// Neither mock has seen a key of ours; what `replies` cost is the same in the reply, the
    /// audit and at the price of the tokens that it tells; and the books hold what the audit
    /// does.
    pub fn is_in_order(&self, replies: &[&Value]) {
        for request in [&self.claude, &self.gemini]
            .map(|mock| self.received(mock))
            .iter()
            .flatten()
        {
            assert!(!request.to_string().contains("lat_"), "{request}");
        }
        let leaves = self.gateway.leaves();
        let outcomes = of_kind(&leaves, "outcome");
        assert_eq!(of_kind(&leaves, "intent").len(), outcomes.len());
        for reply in replies {
            self.is_on_record(reply, &outcomes);
        }
        let budgets = self.gateway.budgets();
        let sum = |column: &str| {
            budgets
                .iter()
                .map(|budget| nano(&budget[column]))
                .sum::<i64>()
        };
        let (spent, reserved) = (sum("spent_usd"), sum("reserved_usd"));
        assert_eq!((spent, reserved), (cost_of(outcomes), 0));
    }

    fn is_on_record(&self, reply: &Value, outcomes: &[&Value]) {
        let headers = &reply["headers"];
        let outcome = outcomes
            .iter()
            .find(|outcome| outcome["request_id"] == headers["x-request-id"])
            .unwrap_or_else(|| panic!("not on record: {reply}"));
        // One recording has a placeholder where its region was: what that costs is not known.
        let estimated = outcome["usage"]["tier"] == "geo-unknown";
        assert_shows(
            outcome,
            &json!({"ending": "finished", "estimated": estimated}),
        );
        let usage = &reply["usage"];
        let count = |name: &str| usage[name].as_i64().unwrap();
        let model = &headers["x-lattice-model"];
        let (.., input, output) = *MODELS
            .iter()
            .find(|(_, _, name, ..)| name == model)
            .unwrap();
        let rate = |usd_per_mtok: f64| nano(&json!(usd_per_mtok)) / 1_000_000;
        let cost = count("prompt_tokens") * rate(input) + count("completion_tokens") * rate(output);
        let told = headers["x-lattice-cost-usd"].as_str();
        let told = told.map_or_else(
            || usage["lattice_cost_usd"].clone(),
            |it| serde_json::from_str(it).unwrap(),
        );
        assert_eq!(
            (nano(&told), &outcome["cost_nano_usd"]),
            (cost, &json!(cost)),
            "{reply}"
        );
        assert_eq!(outcome["usage"]["input"], usage["prompt_tokens"]);
        assert_eq!(outcome["usage"]["output"], usage["completion_tokens"]);
    }
}

/// A request of one question for `openai_across.py`; `more` are further members, and instead.
pub fn ask(how: &str, model: &str, question: impl Into<Value>, more: Value) -> Value {
    let messages = json!([{"role": "user", "content": question.into()}]);
    let mut ask = json!({"how": how, "model": model, "messages": messages});
    if matches!(how, "stream" | "helper") {
        ask["stream_options"] = json!({"include_usage": true});
    }
    add(&mut ask, more);
    ask
}

/// Sets these members.
pub fn add(ask: &mut Value, more: Value) {
    let Value::Object(more) = more else { return };
    ask.as_object_mut().unwrap().extend(more);
}

/// A member `tools` of functions of these names, each with these parameters of one type.
pub fn tools(names: &[&str], parameters: &[&str], kind: &str) -> Value {
    let properties: serde_json::Map<_, _> = parameters
        .iter()
        .map(|name| ((*name).to_owned(), json!({"type": kind})))
        .collect();
    let schema = json!({"type": "object", "properties": properties, "required": parameters, "additionalProperties": false});
    let function = |name: &&str| json!({"type": "function", "function": {"name": name, "description": format!("What {name} does"), "strict": true, "parameters": schema}});
    json!({"tools": names.iter().map(function).collect::<Vec<_>>()})
}

/// A reply's usage, to the token.
pub fn tokens(input: u64, output: u64, reasoning: u64) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output, "reasoning": reasoning})
}

/// `reply` shows `expected`, and so much usage.
pub fn assert_answers(reply: &Value, expected: &Value, usage: &Value) {
    assert_shows(reply, expected);
    let mut found = reply["usage"].clone();
    found["reasoning"] = found["completion_tokens_details"]["reasoning_tokens"].take();
    assert_shows(&found, usage);
}

fn collect(value: &Value, keys: &[&str], found: &mut String) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if keys.contains(&name.as_str()) => found.push_str(text),
                    _ => collect(value, keys, found),
                }
            }
        }
        _ => {}
    }
}
