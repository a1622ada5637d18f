//! Streams as each provider would send them, made of blocks.

use lattice_dialects::Api;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub enum Block {
    Text(String),
    /// Calls that are made in parallel, name and arguments each.
    Calls(Vec<(String, String)>),
}

pub fn text(text: &str) -> Block {
    Block::Text(text.to_owned())
}

pub fn call(name: &str, arguments: &str) -> Block {
    calls(&[(name, arguments)])
}

pub fn calls(calls: &[(&str, &str)]) -> Block {
    let owned = calls
        .iter()
        .map(|(name, it)| ((*name).into(), (*it).into()));
    Block::Calls(owned.collect())
}

/// How a stream is cut into events.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Characters in a piece.
    pub piece: usize,
    /// Whether the pieces of parallel calls alternate.
    pub alternate: bool,
    pub end: &'static str,
}

pub const PLAIN: Form = Form {
    piece: 7,
    alternate: false,
    end: "\n\n",
};

/// A stream of these blocks that ends as it must.
pub fn stream(api: Api, blocks: &[Block], form: Form) -> String {
    let events = match api {
        Api::Chat => chat(blocks, form),
        Api::Responses => responses(blocks, form),
        Api::Messages => messages(blocks, form),
        Api::Generate => generate(blocks, form),
    };
    let named = matches!(api, Api::Responses | Api::Messages);
    let line = &form.end[..form.end.len() / 2];
    let mut stream: String = events
        .iter()
        .map(|event| {
            let name = event["type"].as_str().filter(|_| named);
            let name = name.map_or(String::new(), |name| format!("event: {name}{line}"));
            format!("{name}data: {event}{}", form.end)
        })
        .collect();
    if api == Api::Chat {
        stream += "data: [DONE]";
        stream += form.end;
    }
    stream
}

fn pieces(text: &str, form: Form) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(form.piece)
        .map(|it| it.iter().collect())
        .collect()
}

/// The events of parallel calls, one list for each, in a row or by turns.
fn arranged(mut calls: Vec<Vec<Value>>, form: Form) -> Vec<Value> {
    if !form.alternate {
        return calls.concat();
    }
    let mut events = Vec::new();
    calls.iter_mut().for_each(|call| call.reverse());
    while calls.iter().any(|call| !call.is_empty()) {
        events.extend(calls.iter_mut().filter_map(Vec::pop));
    }
    events
}

fn has_calls(blocks: &[Block]) -> bool {
    blocks.iter().any(|block| matches!(block, Block::Calls(_)))
}

fn chat(blocks: &[Block], form: Form) -> Vec<Value> {
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut events = vec![chunk(
        json!({"role": "assistant", "content": ""}),
        Value::Null,
    )];
    let mut count = 0;
    for block in blocks {
        match block {
            Block::Text(text) => {
                let pieces = pieces(text, form);
                let deltas = pieces
                    .iter()
                    .map(|it| chunk(json!({"content": it}), Value::Null));
                events.extend(deltas);
            }
            Block::Calls(calls) => {
                let told = calls.iter().enumerate().map(|(at, (name, arguments))| {
                    let index = count + at;
                    let first = json!({"index": index, "id": format!("call_{index}"), "type": "function",
                        "function": {"name": name, "arguments": ""}});
                    let rest = pieces(arguments, form);
                    let rest = rest.iter().map(|it| json!({"index": index, "function": {"arguments": it}}));
                    let all = [first].into_iter().chain(rest);
                    all.map(|it| chunk(json!({"tool_calls": [it]}), Value::Null)).collect()
                });
                events.extend(arranged(told.collect(), form));
                count += calls.len();
            }
        }
    }
    let finish = if has_calls(blocks) {
        "tool_calls"
    } else {
        "stop"
    };
    events.push(chunk(json!({}), json!(finish)));
    let mut usage = chunk(json!({}), Value::Null);
    usage["choices"] = json!([]);
    usage["usage"] = json!({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12});
    events.push(usage);
    events
}

fn messages(blocks: &[Block], form: Form) -> Vec<Value> {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1}}}),
        json!({"type": "ping"}),
    ];
    let block = |index: usize, start: Value, deltas: Vec<Value>| -> Vec<Value> {
        let start = json!({"type": "content_block_start", "index": index, "content_block": start});
        let deltas = deltas
            .into_iter()
            .map(|it| json!({"type": "content_block_delta", "index": index, "delta": it}));
        let stop = json!({"type": "content_block_stop", "index": index});
        [start].into_iter().chain(deltas).chain([stop]).collect()
    };
    let mut count = 0;
    for told in blocks {
        match told {
            Block::Text(text) => {
                let deltas = pieces(text, form);
                let deltas = deltas
                    .iter()
                    .map(|it| json!({"type": "text_delta", "text": it}));
                events.extend(block(
                    count,
                    json!({"type": "text", "text": ""}),
                    deltas.collect(),
                ));
                count += 1;
            }
            Block::Calls(calls) => {
                let told = calls.iter().enumerate().map(|(at, (name, arguments))| {
                    let id = format!("toolu_{}", count + at);
                    let start = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                    let deltas = pieces(arguments, form);
                    let deltas = deltas
                        .iter()
                        .map(|it| json!({"type": "input_json_delta", "partial_json": it}));
                    block(count + at, start, deltas.collect())
                });
                events.extend(arranged(told.collect(), form));
                count += calls.len();
            }
        }
    }
    let reason = if has_calls(blocks) {
        "tool_use"
    } else {
        "end_turn"
    };
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 7}}));
    events.push(json!({"type": "message_stop"}));
    events
}

fn responses(blocks: &[Block], form: Form) -> Vec<Value> {
    let response = |status: &str, output: Value, usage: Value| {
        json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m",
            "output": output, "parallel_tool_calls": true, "usage": usage})
    };
    let begun = response("in_progress", json!([]), Value::Null);
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    let mut output = Vec::new();
    for told in blocks {
        let index = output.len();
        match told {
            Block::Text(text) => {
                let (said, done) = message(text, index, form);
                events.extend(said);
                output.push(done);
            }
            Block::Calls(calls) => {
                let told = calls.iter().enumerate().map(|(at, (name, arguments))| {
                    let (said, done) = function(name, arguments, index + at, form);
                    output.push(done);
                    said
                });
                let told = told.collect();
                events.extend(arranged(told, form));
            }
        }
    }
    let usage = json!({"input_tokens": 5, "output_tokens": 7, "total_tokens": 12});
    events.push(json!({"type": "response.completed", "response": response("completed", json!(output), usage)}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events
}

fn message(text: &str, index: usize, form: Form) -> (Vec<Value>, Value) {
    let id = format!("msg_{index}");
    let part = |text: &str| json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text});
    let item = |content: Value, status: &str| json!({"id": id, "type": "message", "role": "assistant", "content": content, "status": status});
    let done = item(json!([part(text)]), "completed");
    let place = |kind: &str| json!({"type": kind, "item_id": id, "output_index": index, "content_index": 0});
    let with = |kind: &str, key: &str, value: Value| {
        let mut event = place(kind);
        event[key] = value;
        event
    };
    let mut events = vec![
        json!({"type": "response.output_item.added", "output_index": index, "item": item(json!([]), "in_progress")}),
        with("response.content_part.added", "part", part("")),
    ];
    let deltas = pieces(text, form);
    events.extend(
        deltas
            .iter()
            .map(|it| with("response.output_text.delta", "delta", json!(it))),
    );
    events.push(with("response.output_text.done", "text", json!(text)));
    events.push(with("response.content_part.done", "part", part(text)));
    events.push(json!({"type": "response.output_item.done", "output_index": index, "item": done}));
    (events, done)
}

fn function(name: &str, arguments: &str, index: usize, form: Form) -> (Vec<Value>, Value) {
    let id = format!("fc_{index}");
    let item = |arguments: &str, status: &str| {
        json!({"id": id, "type": "function_call", "status": status, "arguments": arguments,
            "call_id": format!("call_{index}"), "name": name})
    };
    let done = item(arguments, "completed");
    let mut events = vec![
        json!({"type": "response.output_item.added", "output_index": index, "item": item("", "in_progress")}),
    ];
    let kind = "response.function_call_arguments";
    for piece in pieces(arguments, form) {
        events.push(json!({"type": format!("{kind}.delta"), "item_id": id, "output_index": index, "delta": piece}));
    }
    events.push(json!({"type": format!("{kind}.done"), "item_id": id, "output_index": index, "arguments": arguments}));
    events.push(json!({"type": "response.output_item.done", "output_index": index, "item": done}));
    (events, done)
}

fn generate(blocks: &[Block], form: Form) -> Vec<Value> {
    let chunk = |parts: Value| {
        json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
            "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}, "modelVersion": "m", "responseId": "r"})
    };
    let mut events = Vec::new();
    for told in blocks {
        match told {
            Block::Text(text) => {
                let deltas = pieces(text, form);
                events.extend(deltas.iter().map(|it| chunk(json!([{"text": it}]))));
            }
            // By turns: in one event.
            Block::Calls(calls) if form.alternate => {
                let parts = calls.iter().map(|(name, arguments)| {
                    let arguments = serde_json::from_str(arguments).unwrap_or(json!({}));
                    json!({"functionCall": {"name": name, "args": Value::clone(&arguments)}})
                });
                events.push(chunk(parts.collect()));
            }
            Block::Calls(calls) => {
                for (name, arguments) in calls {
                    let arguments = serde_json::from_str(arguments).unwrap_or(json!({}));
                    events.extend(leaves(name, &arguments, form).into_iter().map(&chunk));
                }
            }
        }
    }
    let mut last = chunk(json!([{"text": ""}]));
    last["candidates"][0]["finishReason"] = json!("STOP");
    last["usageMetadata"] =
        json!({"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12});
    events.push(last);
    events
}

/// The parts of a call whose arguments are texts, leaf by leaf.
fn leaves(name: &str, arguments: &Value, form: Form) -> Vec<Value> {
    let mut parts = vec![json!([{"functionCall": {"name": name, "willContinue": true}}])];
    for (key, text) in arguments.as_object().unwrap() {
        let path = format!("$.{key}");
        for piece in pieces(text.as_str().unwrap(), form) {
            let leaf = json!({"jsonPath": path, "stringValue": piece, "willContinue": true});
            parts.push(json!([{"functionCall": {"partialArgs": [leaf], "willContinue": true}}]));
        }
    }
    parts.push(json!([{"functionCall": {}}]));
    parts
}
