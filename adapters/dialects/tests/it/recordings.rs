//! Every recorded chat exchange, replayed.

use bytes::Bytes;
use lattice_dialects::canonical::Usage;
use lattice_dialects::openai::chat::{ChatRequest, Rewrite, usage_of};
use lattice_dialects::reply::Asked;
use lattice_dialects::reply::Verdict;
use serde_json::Value;

use crate::recorded;
use crate::support::{cut, relayed};

/// The exchanges, each with its file name; `None` where the fixtures are absent.
fn recordings(test: &str) -> Option<Vec<(String, Value)>> {
    let chats = recorded::recordings("openai.chat", "", test)?;
    assert!(chats.len() >= 70, "only {} recordings", chats.len());
    let named = chats.into_iter().map(|chat| (chat.file, chat.json));
    Some(named.collect())
}

fn reply(exchange: &Value) -> Bytes {
    Bytes::from(exchange["response"]["body"].as_str().unwrap().to_owned())
}

fn is_stream(exchange: &Value) -> bool {
    reply(exchange).starts_with(b"data:") || exchange["stream"] == true
}

/// Every non-null usage in the reply.
fn reported(exchange: &Value) -> Vec<Value> {
    let usages = chunks(exchange)
        .into_iter()
        .map(|chunk| chunk["usage"].clone());
    usages.filter(Value::is_object).collect()
}

/// Whether any delta holds more than a role; a model may think until its cap.
fn speaks(exchange: &Value) -> bool {
    let empty = [Value::Null, "".into(), Value::Array(Vec::new())];
    chunks(exchange).iter().any(|chunk| {
        let choices = chunk["choices"].as_array().into_iter().flatten();
        let mut deltas = choices.filter_map(|choice| choice["delta"].as_object());
        deltas.any(|delta| {
            delta
                .iter()
                .any(|(key, value)| key != "role" && !empty.contains(value))
        })
    })
}

/// The JSON of a reply, or of each event of a stream, read without our code.
fn chunks(exchange: &Value) -> Vec<Value> {
    let text = String::from_utf8(reply(exchange).to_vec()).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks: Vec<&str> = if is_stream(exchange) {
        data.collect()
    } else {
        vec![&text]
    };
    chunks
        .iter()
        .filter_map(|chunk| serde_json::from_str(chunk).ok())
        .collect()
}

/// Whether `usage` is what the provider reported; where its numbers do not add
/// up, at least that.
fn assert_usage(file: &str, usage: Option<Usage>, reported: Option<&Value>) {
    let (Some(usage), Some(wire)) = (usage, reported) else {
        assert_eq!(usage.is_some(), reported.is_some(), "{file}");
        return;
    };
    let count = |path: &str| wire.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let (prompt, completion) = (count("/prompt_tokens"), count("/completion_tokens"));
    let (total, cached) = (
        count("/total_tokens"),
        count("/prompt_tokens_details/cached_tokens") + count("/num_cached_tokens"),
    );
    if total == prompt + completion && cached <= prompt {
        assert_eq!((usage.input, usage.output), (prompt, completion), "{file}");
    } else {
        println!("{file}: {wire} read as {usage:?}");
        assert!(
            usage.input >= prompt && usage.output >= completion,
            "{file}"
        );
        assert!(usage.input + usage.output >= total, "{file}");
    }
    assert_eq!(usage.cached_input, cached, "{file}");
    assert_eq!(
        usage.cache_write,
        count("/prompt_tokens_details/cache_write_tokens"),
        "{file}"
    );
    assert_eq!(
        usage.reasoning,
        count("/completion_tokens_details/reasoning_tokens"),
        "{file}"
    );
}

#[test]
fn recorded_requests_are_read_and_rewritten() {
    let Some(recordings) = recordings("recorded_requests_are_read_and_rewritten") else {
        return;
    };
    for (file, exchange) in &recordings {
        let wire = &exchange["request"]["body"];
        let mut wire = wire.clone();
        // Azure names the model in the path only, in some of its forms.
        if wire["model"].is_null() {
            assert_eq!(exchange["provider"], "azure-openai", "{file}");
            wire["model"] = "deployment".into();
        }
        let body = Bytes::from(serde_json::to_vec_pretty(&wire).unwrap());
        let request = ChatRequest::parse(body).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(
            Some(request.facts.model.as_str()),
            wire["model"].as_str(),
            "{file}"
        );
        assert_eq!(request.facts.stream, wire["stream"] == true, "{file}");
        assert_eq!(
            request.facts.messages,
            wire["messages"].as_array().unwrap().len(),
            "{file}"
        );
        let contents = wire["messages"].as_array().unwrap().iter();
        for text in contents.filter_map(|message| message["content"].as_str()) {
            let found = text.is_empty() || request.facts.prompt.texts().any(|part| part == text);
            assert!(found, "{file}: {text}");
        }
        let hosted = usize::from(wire["web_search_options"].is_object());
        let tools = wire["tools"].as_array().map_or(0, Vec::len) + hosted;
        assert_eq!(request.facts.tool_names().len(), tools, "{file}");

        let rewrite = Rewrite {
            model: Some("other"),
            include_usage: true,
            output_cap: None,
        };
        let after: Value = serde_json::from_slice(&request.rewrite(&rewrite)).unwrap();
        wire["model"] = "other".into();
        if request.facts.stream {
            if wire["stream_options"].is_null() {
                wire["stream_options"] = serde_json::json!({});
            }
            wire["stream_options"]["include_usage"] = true.into();
        }
        assert_eq!(after, wire, "{file}");
    }
    println!("{} recorded requests", recordings.len());
}

#[test]
fn recorded_replies_tell_their_usage() {
    let Some(recordings) = recordings("recorded_replies_tell_their_usage") else {
        return;
    };
    let replies = recordings
        .iter()
        .filter(|(_, exchange)| !is_stream(exchange));
    let mut count = 0;
    for (file, exchange) in replies {
        assert_usage(file, usage_of(&reply(exchange)), reported(exchange).last());
        count += 1;
    }
    println!("{count} recorded replies");
    assert!(count > 40);
}

#[test]
fn recorded_streams_pass_byte_for_byte_but_for_the_usage() {
    let Some(recordings) = recordings("recorded_streams_pass_byte_for_byte_but_for_the_usage")
    else {
        return;
    };
    let streams = recordings
        .iter()
        .filter(|(_, exchange)| is_stream(exchange));
    let mut count = 0;
    for (file, exchange) in streams {
        let stream = reply(exchange);
        for reads in [&[usize::MAX][..], &[1], &[7, 160, 33]] {
            let (out, relay) = relayed(Asked::Yes, cut(&stream, reads), None);
            assert!(out == stream, "{file}: bytes changed");
            assert_usage(file, relay.progress().usage, reported(exchange).last());
            let expected = match exchange["provider"] == "groq" {
                true => Verdict::Errored,
                false => Verdict::Finished,
            };
            assert_eq!(relay.ended(), expected, "{file}");
            assert_eq!(
                relay.progress().first_token_seen,
                speaks(exchange),
                "{file}"
            );

            let (out, _) = relayed(Asked::Yes, cut(&stream, reads), Some("0.5"));
            let out = String::from_utf8(out).unwrap();
            let cost = r#","lattice_cost_usd":0.5}"#;
            assert_eq!(
                out.matches(cost).count(),
                reported(exchange).len(),
                "{file}"
            );
            assert!(
                out.replace(cost, "}") == stream,
                "{file}: more than the cost changed"
            );

            let (out, _) = relayed(Asked::No, cut(&stream, reads), Some("0.5"));
            let kept: Vec<&[u8]> = events(&stream).filter(|event| !is_usage(event)).collect();
            assert!(
                out == kept.concat(),
                "{file}: more than the usage event is gone"
            );
        }
        count += 1;
    }
    println!("{count} recorded streams");
    assert!(count > 25);
}

fn events(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = std::str::from_utf8(stream).unwrap();
    text.split_inclusive("\n\n").map(str::as_bytes)
}

fn is_usage(event: &[u8]) -> bool {
    let json = event.strip_prefix(b"data: ").unwrap_or(event);
    serde_json::from_slice::<Value>(json).is_ok_and(|it| {
        it["usage"].is_object() && it["choices"].as_array().is_some_and(Vec::is_empty)
    })
}
