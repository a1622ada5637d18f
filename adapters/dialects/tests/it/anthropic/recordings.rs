//! Every recorded exchange with Claude, read back.

use std::fs;
use std::path::PathBuf;

use lattice_dialects::anthropic::messages::{read_error, usage};
use lattice_dialects::canonical::Ended;
use serde_json::Value;

use super::told::{Told, data_of, events, whole};

/// The exchanges with `api` anthropic.messages, each with its file name; `None`
/// where the fixtures are absent.
fn recordings() -> Option<Vec<(String, Value)>> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let fixtures =
        std::env::var_os("LATTICE_FIXTURES").map_or("../shared/fixtures".into(), PathBuf::from);
    let files = fs::read_dir(root.join(fixtures).join("wire/dev")).ok()?;
    let paths = files.map(|file| file.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let exchanges = paths.map(|path| {
        let exchange: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        (path.file_name().unwrap().display().to_string(), exchange)
    });
    let ours = exchanges.filter(|(_, it)| it["api"] == "anthropic.messages");
    Some(ours.collect())
}

/// A message as the stream adds up, read without our code.
fn added_up(events: &[Value]) -> Value {
    let mut message = Value::Null;
    for event in events {
        let index = event["index"].as_u64().unwrap_or(0) as usize;
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let mut block = event["content_block"].clone();
                if block["type"] == "tool_use" {
                    block["input"] = "".into();
                }
                message["content"].as_array_mut().unwrap().push(block);
            }
            "content_block_delta" => {
                let delta = event["delta"].as_object().unwrap();
                for (from, into) in [
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("signature", "signature"),
                    ("partial_json", "input"),
                ] {
                    let block = &mut message["content"][index];
                    if let (Some(more), Some(so_far)) = (
                        delta.get(from).and_then(Value::as_str),
                        block[into].as_str(),
                    ) {
                        block[into] = format!("{so_far}{more}").into();
                    }
                }
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (name, count) in event["usage"].as_object().unwrap() {
                    message["usage"][name] = count.clone();
                }
            }
            _ => {}
        }
    }
    message
}

fn assert_told(file: &str, told: &Told, message: &Value) {
    let blocks: Vec<&Value> = message["content"].as_array().unwrap().iter().collect();
    let closed = told.lines.iter().filter(|line| *line == "close").count();
    assert_eq!(closed, blocks.len(), "{file}");
    let all = |kinds: &[&str], field: &str| -> String {
        let ours = blocks
            .iter()
            .filter(|it| kinds.contains(&it["type"].as_str().unwrap()));
        ours.map(|it| it[field].as_str().unwrap()).collect()
    };
    let mut texts = String::new();
    for block in &blocks {
        let text = block["text"].as_str().filter(|_| block["type"] == "text");
        texts += text.or(block["thinking"].as_str()).unwrap_or_default();
    }
    assert_eq!(told.joined("+text "), texts, "{file}");
    assert_eq!(
        told.joined("+signature "),
        all(&["thinking"], "signature"),
        "{file}"
    );
    assert_eq!(
        told.joined("+encrypted "),
        all(&["redacted_thinking"], "data"),
        "{file}"
    );
    let finish = match message["stop_reason"].as_str().unwrap() {
        word @ ("end_turn" | "stop_sequence") => format!("Stop {word}"),
        "max_tokens" => "Length max_tokens".to_owned(),
        "tool_use" => "ToolCalls tool_use".to_owned(),
        "refusal" => "ContentFilter refusal".to_owned(),
        other => panic!("{file}: {other}"),
    };
    assert_eq!(told.lines.last().unwrap(), &finish, "{file}");

    let count = |name: &str| message["usage"].pointer(name).and_then(Value::as_u64);
    let usage = told.usage.unwrap_or_else(|| panic!("{file}: no usage"));
    let read = count("/cache_read_input_tokens").unwrap_or(0);
    let written = count("/cache_creation_input_tokens").unwrap_or(0);
    assert_eq!(
        usage.input,
        count("/input_tokens").unwrap() + read + written,
        "{file}"
    );
    assert_eq!(
        (usage.cached_input, usage.cache_write),
        (read, written),
        "{file}"
    );
    assert_eq!(usage.output, count("/output_tokens").unwrap(), "{file}");
    let thinking = count("/output_tokens_details/thinking_tokens").unwrap_or(0);
    assert_eq!(usage.reasoning, thinking, "{file}");
    assert_eq!(usage::read(&usage::render(&usage)), Some(usage), "{file}");
}

/// Each call with its arguments, which are an object.
fn calls(told: &Told) -> Vec<(String, Value)> {
    let mut calls: Vec<(String, String)> = Vec::new();
    for line in &told.lines {
        if let Some(call) = line.strip_prefix("call ") {
            calls.push((call.to_owned(), String::new()));
        } else if let Some(json) = line.strip_prefix("+arguments ") {
            calls.last_mut().unwrap().1 += json;
        }
    }
    let read =
        |json: &str| serde_json::from_str(if json.is_empty() { "{}" } else { json }).unwrap();
    calls
        .into_iter()
        .map(|(call, json)| (call, read(&json)))
        .collect()
}

fn recorded_calls(message: &Value) -> Vec<(String, Value)> {
    let blocks = message["content"].as_array().unwrap().iter();
    let uses = blocks.filter(|it| it["type"] == "tool_use");
    let parsed = |input: &Value| match input.as_str() {
        Some("") => Value::Object(serde_json::Map::new()),
        Some(json) => serde_json::from_str(json).unwrap(),
        None => input.clone(),
    };
    uses.map(|it| {
        let call = [&it["id"], &it["name"]].map(|word| word.as_str().unwrap());
        (call.join(" "), parsed(&it["input"]))
    })
    .collect()
}

#[test]
fn every_recorded_reply_is_read_to_the_token() {
    let Some(recordings) = recordings() else {
        eprintln!(
            "skipped: every_recorded_reply_is_read_to_the_token: no fixtures (LATTICE_FIXTURES)"
        );
        return;
    };
    let (mut replies, mut errors) = (0, 0);
    for (file, exchange) in &recordings {
        let body = exchange["response"]["body"].as_str().unwrap();
        if exchange["response"]["status"] != 200 {
            let facts = read_error(body.as_bytes()).unwrap();
            let recorded: Value = serde_json::from_str(body).unwrap();
            assert_eq!(
                facts.kind.as_deref(),
                recorded["error"]["type"].as_str(),
                "{file}"
            );
            assert_eq!(
                facts.message.as_deref(),
                recorded["error"]["message"].as_str(),
                "{file}"
            );
            assert_eq!(
                facts.credential,
                exchange["response"]["status"] == 401,
                "{file}"
            );
            errors += 1;
            continue;
        }
        let (told, ended, message) = if body.trim_start().starts_with('{') {
            let (told, ended) = whole(body.as_bytes()).unwrap();
            (told, ended, serde_json::from_str(body).unwrap())
        } else {
            let data = data_of(body);
            let (told, ended) = events(&data).unwrap();
            let json = data.iter().map(|it| serde_json::from_slice(it).unwrap());
            (told, ended, added_up(&json.collect::<Vec<Value>>()))
        };
        assert_eq!(ended, Ended::Whole, "{file}");
        assert_told(file, &told, &message);
        assert_eq!(calls(&told), recorded_calls(&message), "{file}");
        replies += 1;
    }
    println!("{replies} replies and {errors} errors of Claude");
    assert_eq!(replies + errors, recordings.len());
    assert!(
        recordings.len() >= 56,
        "only {} recordings",
        recordings.len()
    );
}
