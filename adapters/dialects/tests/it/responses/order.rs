//! The order rules of a response's events.

use serde_json::{Value, json};

/// The events of a stream; panics where it is not what OpenAI's clients rely on.
pub fn check(stream: &str) -> Vec<Value> {
    let events: Vec<Value> = stream.split_terminator("\n\n").map(event).collect();
    let [created, in_progress, between @ .., last] = &events[..] else {
        panic!("too few events: {stream}");
    };
    assert_eq!(created["type"], "response.created");
    assert_eq!(in_progress["type"], "response.in_progress");
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "numbers have no gaps");
        let id = event.pointer("/response/id").unwrap_or(&Value::Null);
        assert!(id.is_null() || *id == created["response"]["id"]);
    }
    for begun in [created, in_progress] {
        assert_eq!(begun["response"]["status"], "in_progress");
        assert_eq!(begun["response"]["output"], json!([]));
        assert!(begun["response"]["usage"].is_null());
        complete(&begun["response"]);
    }
    let mut items = Items::default();
    for event in between {
        items.event(event);
    }
    assert!(items.open.is_none(), "every item is closed");
    let response = &last["response"];
    complete(response);
    let status = response["status"].as_str().unwrap();
    assert_eq!(last["type"], format!("response.{status}"));
    assert!(matches!(status, "completed" | "incomplete" | "failed"));
    assert_eq!(
        response["incomplete_details"].is_object(),
        status == "incomplete"
    );
    assert_eq!(response["error"].is_object(), status == "failed");
    assert_eq!(response["output"], Value::from(items.done), "said again");
    events
}

/// What the types of OpenAI's clients ask of every response.
pub fn complete(response: &Value) {
    assert_eq!(response["object"], "response");
    assert!(response["id"].as_str().unwrap().starts_with("resp_"));
    assert!(response["created_at"].is_u64());
    assert!(response["model"].is_string());
    assert!(response["output"].is_array());
    assert!(response["parallel_tool_calls"].is_boolean());
    assert!(response["tools"].is_array());
    assert!(response["tool_choice"].is_string() || response["tool_choice"].is_object());
    assert!(response["metadata"].is_object());
    let has = |key| response.as_object().unwrap().contains_key(key);
    for key in [
        "error",
        "incomplete_details",
        "instructions",
        "temperature",
        "top_p",
        "usage",
    ] {
        assert!(has(key), "{key}");
    }
}

fn event(text: &str) -> Value {
    let (name, data) = text.split_once('\n').unwrap();
    let data = data.strip_prefix("data: ").unwrap();
    assert!(!data.contains(['\n', '\r']), "one line");
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
    data
}

#[derive(Default)]
struct Items {
    open: Option<Open>,
    done: Vec<Value>,
}

struct Open {
    id: Value,
    kind: String,
    /// What was said in pieces, and whether a part is open.
    text: String,
    part: Part,
    /// What was said at the end of it.
    whole: Option<String>,
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Part {
    None,
    Open,
    Said,
    Closed,
}

impl Items {
    fn event(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(
            event["output_index"],
            self.done.len(),
            "items in turn: {event}"
        );
        if kind == "response.output_item.added" {
            assert!(self.open.is_none(), "items do not overlap");
            let item = &event["item"];
            assert_eq!(item["status"], "in_progress");
            self.open = Some(Open {
                id: item["id"].clone(),
                kind: item["type"].as_str().unwrap().to_owned(),
                text: String::new(),
                part: Part::None,
                whole: None,
            });
            return;
        }
        // Nothing is told, and nothing closed, of an item that is not open.
        let open = self.open.as_mut().unwrap();
        if kind == "response.output_item.done" {
            let item = &event["item"];
            assert_eq!(item["id"], open.id);
            assert_eq!(item["type"], open.kind.as_str());
            assert_eq!(item["status"], "completed");
            open.end(item);
            self.done.push(item.clone());
            self.open = None;
            return;
        }
        assert_eq!(event["item_id"], open.id);
        open.event(kind, event);
    }
}

impl Open {
    fn event(&mut self, kind: &str, event: &Value) {
        let words = kind.strip_prefix("response.").unwrap();
        let (part, next) = match (self.kind.as_str(), words) {
            ("message", "content_part.added") | ("reasoning", "reasoning_summary_part.added") => {
                (Part::None, Part::Open)
            }
            ("message", "content_part.done") | ("reasoning", "reasoning_summary_part.done") => {
                (Part::Said, Part::Closed)
            }
            ("message", "output_text.delta" | "refusal.delta")
            | ("reasoning", "reasoning_summary_text.delta") => (Part::Open, Part::Open),
            ("message", "output_text.done" | "refusal.done")
            | ("reasoning", "reasoning_summary_text.done") => (Part::Open, Part::Said),
            ("function_call", "function_call_arguments.delta") => (Part::None, Part::None),
            ("function_call", "function_call_arguments.done") => (Part::None, Part::Said),
            _ => panic!("{event} in {}", self.kind),
        };
        assert_eq!(self.part, part, "{event}");
        self.part = next;
        match self.kind.as_str() {
            "message" => assert_eq!(event["content_index"], 0),
            "reasoning" => assert_eq!(event["summary_index"], 0),
            _ => {}
        }
        if words.ends_with(".delta") {
            let delta = event["delta"].as_str().unwrap();
            assert!(!delta.is_empty());
            self.text.push_str(delta);
        } else if next == Part::Said {
            let text = ["text", "refusal", "arguments"]
                .iter()
                .find_map(|key| event[key].as_str());
            assert_eq!(text, Some(self.text.as_str()));
            self.whole = text.map(str::to_owned);
        }
        if words.starts_with("output_text") {
            assert_eq!(event["logprobs"], json!([]));
        }
    }

    fn end(&self, item: &Value) {
        let text = match self.kind.as_str() {
            "message" => {
                assert_eq!(item["role"], "assistant");
                assert_eq!(self.part, Part::Closed);
                let part = &item["content"][0];
                part["text"].as_str().or(part["refusal"].as_str())
            }
            "function_call" => {
                assert_eq!(self.part, Part::Said);
                let arguments = item["arguments"].as_str();
                let object = serde_json::from_str::<Value>(arguments.unwrap());
                assert!(object.is_ok_and(|it| it.is_object()), "{item}");
                arguments
            }
            _ => {
                assert!(matches!(self.part, Part::None | Part::Closed));
                item.pointer("/summary/0/text")
                    .map(|text| text.as_str().unwrap())
            }
        };
        assert_eq!(text, self.whole.as_deref(), "{item}");
    }
}
