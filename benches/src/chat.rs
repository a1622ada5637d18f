//! Chat requests as a client of OpenAI's sends them.

use bytes::Bytes;
use serde_json::{Value, json};

/// The name under which the requests ask for a model.
pub const MODEL: &str = "assistant";

/// Messages of [`large_chat`], and its tools.
const MANY: usize = 40;

/// The words of every text. Line breaks and quotation marks have to be escaped,
/// as in real prompts.
const WORDS: [&str; 12] = [
    "the",
    "request",
    "of",
    "\"alpha\"",
    "names",
    "its",
    "budget,\n",
    "and",
    "every",
    "reply",
    "says",
    "what",
];

/// A question with a few parameters, under 1 KB.
#[must_use]
pub fn small_chat() -> Bytes {
    render(&json!({
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "Answer briefly and name your sources."},
            {"role": "user", "content": text(300)},
        ],
        "temperature": 0.2,
        "max_completion_tokens": 512,
        "stream": true,
    }))
}

/// A conversation of 40 messages with 40 tools on offer, about 170 KB.
#[must_use]
pub fn large_chat() -> Bytes {
    let system = json!({"role": "system", "content": text(2000)});
    let rest = (1..MANY).map(message);
    render(&json!({
        "model": MODEL,
        "messages": std::iter::once(system).chain(rest).collect::<Vec<_>>(),
        "tools": (0..MANY).map(tool).collect::<Vec<_>>(),
        "tool_choice": "auto",
        "temperature": 0.2,
        "max_completion_tokens": 4096,
        "stream": true,
    }))
}

/// The message at `index`: a question, a call, its result, an answer, and again.
fn message(index: usize) -> Value {
    match index % 4 {
        1 => json!({"role": "user", "content": [{"type": "text", "text": text(2000)}]}),
        2 => json!({
            "role": "assistant",
            "content": null,
            "tool_calls": [{
                "id": call_id(index),
                "type": "function",
                "function": {
                    "name": tool_name(index),
                    "arguments": json!({"query": text(1000), "limit": index}).to_string(),
                },
            }],
        }),
        3 => json!({
            "role": "tool",
            "tool_call_id": call_id(index - 1),
            "content": json!({"found": [text(1500), text(1500)]}).to_string(),
        }),
        _ => json!({"role": "assistant", "content": text(2000)}),
    }
}

fn tool(index: usize) -> Value {
    let property = |at: usize| {
        let about = json!({"type": "string", "description": text(120)});
        (format!("property_{at}"), about)
    };
    let properties: serde_json::Map<String, Value> = (0..8).map(property).collect();
    json!({
        "type": "function",
        "function": {
            "name": tool_name(index),
            "description": text(500),
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": ["property_0", "property_1"],
            },
        },
    })
}

fn call_id(index: usize) -> String {
    format!("call_{index:024}")
}

fn tool_name(index: usize) -> String {
    format!("look_up_{index}")
}

/// About so many bytes of words.
fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    for word in WORDS.iter().cycle() {
        if text.len() >= bytes {
            break;
        }
        text.push_str(word);
        text.push(' ');
    }
    text
}

fn render(value: &Value) -> Bytes {
    value.to_string().into()
}
