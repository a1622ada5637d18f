//! Tools both ways: those that a caller may not use are not offered, and the calls that
//! a model makes are judged one by one before the caller gets them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::fmt::Write as _;

use harness::http1::Recorder;
use harness::{Gateway, Reply, assert_shows, of_kind, post};
use serde_json::{Value, json};

/// `search` and `mail` may be called, `secret` may not be offered; what is searched for
/// must not hold a canary, and a mail goes to the archive as well.
const POLICY: &str = r#"package lattice.authz

decision := {"allow": allow, "deny": deny, "obligations": obligations}

default allow := false

allow if input.action.name in {"infer", "embed", "count_tokens"}

allow if {
	input.action.name == "tool.call"
	input.resource.id in {"search", "mail"}
}

deny contains {"code": "policy_tool", "msg": "Search for something else."} if {
	input.action.name == "tool.call"
	input.resource.id == "search"
	contains(input.resource.properties.arguments.q, "canary")
}

obligations contains {"type": "drop_tool", "name": "secret"} if {
	input.action.name == "infer"
	"secret" in input.context.tools
}

obligations contains {"type": "set_arguments", "arguments": with_archive} if {
	input.action.name == "tool.call"
	input.resource.id == "mail"
}

with_archive := object.union(input.resource.properties.arguments, {"bcc": "archive@example.com"})
"#;

/// What the model calls.
const CALLS: [(&str, &str); 4] = [
    ("search", r#"{"q":"weather in Bern"}"#),
    ("shell", r#"{"cmd":"canary-shell-4471"}"#),
    ("mail", r#"{"to":"ada@example.com"}"#),
    ("search", r#"{"q":"canary-search-4471"}"#),
];

/// Each way to ask: its path, its body but for `stream`, and its path for a stream.
fn asks() -> [(&'static str, &'static str, Value); 4] {
    let schema = json!({"type": "object", "properties": {}});
    let function = |name: &str| json!({"name": name, "parameters": schema});
    let names = ["search", "mail", "shell", "secret"];
    let wrapped = names.map(|name| json!({"type": "function", "function": function(name)}));
    let flat = names.map(|name| json!({"type": "function", "name": name, "parameters": schema}));
    let claude = names.map(|name| json!({"name": name, "input_schema": schema}));
    let question = json!([{"role": "user", "content": "Do it."}]);
    [
        (
            "/v1/chat/completions",
            "/v1/chat/completions",
            json!({"model": "MODEL", "messages": question, "tools": wrapped}),
        ),
        (
            "/v1/responses",
            "/v1/responses",
            json!({"model": "MODEL", "input": "Do it.", "tools": flat}),
        ),
        (
            "/v1/messages",
            "/v1/messages",
            json!({"model": "MODEL", "max_tokens": 64, "messages": question, "tools": claude}),
        ),
        (
            "/v1beta/models/MODEL:generateContent",
            "/v1beta/models/MODEL:streamGenerateContent?alt=sse",
            json!({"contents": [{"role": "user", "parts": [{"text": "Do it."}]}],
                "tools": [{"functionDeclarations": names.map(function)}]}),
        ),
    ]
}

fn calls() -> Vec<Value> {
    let calls = CALLS.iter().enumerate().map(|(at, (name, arguments))| {
        json!({"id": format!("call_{at}"), "type": "function",
            "function": {"name": name, "arguments": arguments}})
    });
    calls.collect()
}

fn usage() -> Value {
    json!({"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16})
}

fn whole_answer() -> String {
    let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message":
            {"role": "assistant", "content": "On it.", "tool_calls": calls()}}],
        "usage": usage()})
    .to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The same as a stream: each call in pieces of its arguments.
fn streamed_answer() -> String {
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut events = vec![chunk(
        json!({"role": "assistant", "content": "On it."}),
        Value::Null,
    )];
    for (at, call) in calls().into_iter().enumerate() {
        let mut first = call.clone();
        let arguments = first["function"]["arguments"].take();
        let (before, after) = arguments.as_str().unwrap().split_at(9);
        first["index"] = at.into();
        first["function"]["arguments"] = before.into();
        let rest = json!({"index": at, "function": {"arguments": after}});
        for piece in [first, rest] {
            events.push(chunk(json!({"tool_calls": [piece]}), Value::Null));
        }
    }
    events.push(chunk(json!({}), "tool_calls".into()));
    let mut last = chunk(json!({}), Value::Null);
    last["choices"] = json!([]);
    last["usage"] = usage();
    events.push(last);
    let mut body = String::new();
    for event in events {
        write!(body, "data: {event}\n\n").unwrap();
    }
    body.push_str("data: [DONE]\n\n");
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The tools that a reply asks for, and what with, whichever API it is in: found by the
/// members that hold them.
fn called(reply: &Reply) -> Vec<(String, Value)> {
    let documents: Vec<Value> = match serde_json::from_str(&reply.body) {
        Ok(document) => vec![document],
        Err(_) => {
            let data = reply
                .body
                .lines()
                .filter_map(|line| line.strip_prefix("data: "));
            data.filter_map(|data| serde_json::from_str(data).ok())
                .collect()
        }
    };
    let mut found = Calls::default();
    documents.iter().for_each(|document| found.look(document));
    found.done()
}

#[derive(Default)]
struct Calls(Vec<(String, String)>);

impl Calls {
    fn look(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.look(value)),
            Value::Object(members) => {
                let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
                match value["type"].as_str() {
                    // Said once as it begins and again as a whole.
                    Some(
                        "response.output_item.added"
                        | "response.function_call_arguments.delta"
                        | "response.completed",
                    ) => {}
                    Some("function_call") => self.0.push((text("name"), text("arguments"))),
                    Some("tool_use") if value["input"] != json!({}) => {
                        self.0.push((text("name"), value["input"].to_string()));
                    }
                    Some("tool_use") => self.0.push((text("name"), String::new())),
                    Some("input_json_delta") => self.more(&text("partial_json")),
                    _ if members.contains_key("functionCall") => {
                        let call = &value["functionCall"];
                        let name = call["name"].as_str().unwrap_or_default();
                        self.0.push((name.to_owned(), call["args"].to_string()));
                    }
                    _ if value["function"].is_object() => {
                        match value["function"]["name"].as_str() {
                            Some(name) => {
                                let arguments = value["function"]["arguments"].as_str();
                                let arguments = arguments.unwrap_or_default().to_owned();
                                self.0.push((name.to_owned(), arguments));
                            }
                            None => {
                                self.more(value["function"]["arguments"].as_str().unwrap_or(""))
                            }
                        }
                    }
                    _ => members.values().for_each(|value| self.look(value)),
                }
            }
            _ => {}
        }
    }

    fn more(&mut self, piece: &str) {
        if let Some((_, arguments)) = self.0.last_mut() {
            arguments.push_str(piece);
        }
    }

    fn done(self) -> Vec<(String, Value)> {
        let parse = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        let calls = self.0.into_iter();
        calls.map(|(name, text)| (name, parse(text))).collect()
    }
}

#[test]
fn only_the_calls_that_policy_allows_reach_a_client_of_any_dialect() {
    let whole = Recorder::answering([127, 0, 0, 1].into(), whole_answer());
    let streamed = Recorder::answering([127, 0, 0, 1].into(), streamed_answer());
    let config = format!(
        "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0 }}\n\
         data_dir: ./data\n\
         policy: {{ dir: ./policies }}\n\
         providers:\n\
         \x20 whole: {{ kind: openai_compatible, base_url: http://{}/v1 }}\n\
         \x20 streamed: {{ kind: openai_compatible, base_url: http://{}/v1 }}\n\
         models:\n\
         \x20 - {{ name: whole, targets: [ {{ provider: whole, model: m }} ] }}\n\
         \x20 - {{ name: streamed, targets: [ {{ provider: streamed, model: m }} ] }}\n",
        whole.address, streamed.address
    );
    let mut gateway = Gateway::prepare(&config, &[]);
    let policies = gateway.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("authz.rego"), POLICY).unwrap();
    gateway.launch();
    let key = gateway.key("client", &[]);
    for (path, stream_path, mut body) in asks() {
        for model in ["whole", "streamed"] {
            let path = if model == "whole" { path } else { stream_path };
            let path = path.replace("MODEL", model);
            if body["model"].is_string() {
                body["model"] = model.into();
                body["stream"] = (model == "streamed").into();
            }
            let reply = post(&gateway.url(&path), Some(&key), &body.to_string());
            assert_eq!(reply.status, 200, "{path}: {}", reply.body);
            let expected = [
                ("search".to_owned(), json!({"q": "weather in Bern"})),
                (
                    "mail".to_owned(),
                    json!({"to": "ada@example.com", "bcc": "archive@example.com"}),
                ),
            ];
            assert_eq!(called(&reply), expected, "{path}: {}", reply.body);
            assert!(!reply.body.contains("canary"), "{path}: {}", reply.body);
            assert!(reply.body.contains("On it."), "{path}: {}", reply.body);
            for said in ["Search for something else.", "shell"] {
                assert!(reply.body.contains(said), "{path}: {}", reply.body);
            }
            let noted = reply.header("x-lattice-noted").unwrap_or_default();
            assert!(noted.contains("tool secret"), "{path}: {noted}");
        }
    }
    for recorder in [&whole, &streamed] {
        let requests = recorder.requests();
        assert_eq!(requests.len(), 4);
        for request in requests {
            let sent = String::from_utf8_lossy(&request.body).into_owned();
            assert!(
                sent.contains("search") && !sent.contains("secret"),
                "{sent}"
            );
        }
    }
    let leaves = gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    assert_eq!(outcomes.len(), 8);
    let tools = json!({"tools": {"released": 1, "rewritten": 1, "refused": 2, "refused_names": ["shell", "search"]}});
    outcomes
        .iter()
        .for_each(|outcome| assert_shows(outcome, &tools));
    let metrics = gateway.metrics();
    assert!(
        metrics.contains("lattice_tools_refused_total 16"),
        "{metrics}"
    );
}
