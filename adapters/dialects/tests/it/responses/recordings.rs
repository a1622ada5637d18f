//! Every recorded exchange of the Responses API, replayed.

use bytes::Bytes;
use lattice_dialects::anthropic::messages;
use lattice_dialects::canonical::{Encoded, Target, Unsupported};
use lattice_dialects::error::{ErrorBody, Mark};
use lattice_dialects::gemini::generate;
use lattice_dialects::openai::responses::{Decoder, ResponsesRequest, Rewrite, usage_of};
use lattice_dialects::reply::{Translator, Verdict};
use serde_json::Value;

use super::order::check;
use super::watch::relayed;
use super::write::writers;
use crate::recorded::{Recording, recordings};
use crate::support::cut;

fn all(test: &str) -> Option<Vec<Recording>> {
    let all = recordings("openai.responses", "", test)?;
    assert!(all.len() >= 44, "only {} recordings", all.len());
    Some(all)
}

/// The last usage in a reply, read without our code.
fn reported(recording: &Recording) -> Option<(u64, u64)> {
    let body = recording.body();
    let text = std::str::from_utf8(&body).unwrap();
    let last = if recording.is_stream() {
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let mut events = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        events.next_back()?["response"].clone()
    } else {
        serde_json::from_str(text).ok()?
    };
    let count = |key| last["usage"][key].as_u64();
    Some((count("input_tokens")?, count("output_tokens")?))
}

#[test]
fn recorded_requests_are_read_and_pass_unchanged() {
    let Some(all) = all("recorded_requests_are_read_and_pass_unchanged") else {
        return;
    };
    let mut read = 0;
    for recording in &all {
        let file = &recording.file;
        let wire = recording.request();
        let body = Bytes::from(wire.to_string());
        let Ok(request) = ResponsesRequest::parse(body.clone()) else {
            // One recording has the reply alone.
            assert!(wire["input"].is_null(), "{file}");
            continue;
        };
        read += 1;
        let facts = &request.facts;
        assert_eq!(facts.model, wire["model"].as_str().unwrap(), "{file}");
        assert_eq!(facts.stream, wire["stream"] == true, "{file}");
        assert_eq!(
            facts.output_cap,
            wire["max_output_tokens"].as_u64(),
            "{file}"
        );
        let tools = wire["tools"].as_array().map_or(0, Vec::len);
        assert!(facts.tool_names().len() >= tools, "{file}");
        let encoded = request.rewrite(&Rewrite::default());
        assert_eq!(encoded.body.as_ptr(), body.as_ptr(), "{file}");
    }
    println!("{read} of {} requests read", all.len());
    assert!(read >= 43);
}

#[test]
fn recorded_requests_are_understood_or_refused_by_name() {
    let Some(all) = all("recorded_requests_are_understood_or_refused_by_name") else {
        return;
    };
    let (mut understood, mut refused, mut claude, mut google) = (0, 0, 0, 0);
    let to = |model| Target {
        model,
        output_cap: Some(4096),
    };
    for recording in &all {
        let body = Bytes::from(recording.request().to_string());
        let Ok(request) = ResponsesRequest::parse(body) else {
            continue;
        };
        match request.canonical() {
            Ok(request) => {
                understood += 1;
                let file = &recording.file;
                claude += sent(file, messages::encode(&request, &to("claude-sonnet-4-5")));
                google += sent(file, generate::encode(&request, &to("gemini-2.5-pro")));
            }
            Err(error) => {
                println!("{}: {error}", recording.file);
                assert!(!error.field.is_empty());
                refused += 1;
            }
        }
    }
    println!(
        "{understood} requests understood, {refused} refused by name; {claude} sent to Claude, {google} to Gemini"
    );
    assert!(understood > 25, "most are understood: {understood}");
    assert!(claude > 20 && google > 20, "most of them can be sent");
}

/// 1 if it could be sent; else the refusal names a field.
fn sent(file: &str, encoded: Result<Encoded, Unsupported>) -> usize {
    match encoded {
        Ok(encoded) => {
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            assert!(body.is_object(), "{file}");
            1
        }
        Err(error) => {
            println!("{file}: not sent: {error}");
            assert!(!error.field.is_empty(), "{file}");
            0
        }
    }
}

#[test]
fn recorded_streams_pass_unchanged_and_are_metered() {
    let Some(all) = all("recorded_streams_pass_unchanged_and_are_metered") else {
        return;
    };
    let mut streams = 0;
    for recording in all.iter().filter(|it| it.is_stream()) {
        streams += 1;
        let (file, body) = (&recording.file, recording.body());
        for cuts in [vec![usize::MAX], vec![1], vec![700, 13]] {
            let (out, relay) = relayed(cut(&body, &cuts));
            assert!(out == body[..], "{file}: every byte passes");
            let failed = body
                .windows(17)
                .any(|it| it == b"event: error\ndata:"[..17].as_ref());
            let verdict = if failed {
                Verdict::Errored
            } else {
                Verdict::Finished
            };
            assert_eq!(relay.ended(), verdict, "{file}");
            let usage = relay.progress().usage;
            let counts = usage.map(|usage| (usage.input, usage.output));
            assert_eq!(counts, reported(recording), "{file}: usage to the token");
            assert!(relay.progress().first_token_seen || failed, "{file}");
        }
    }
    println!("{streams} streams");
    assert!(streams >= 19);
}

#[test]
fn recorded_replies_tell_their_usage() {
    let Some(all) = all("recorded_replies_tell_their_usage") else {
        return;
    };
    let mut told = 0;
    for recording in all.iter().filter(|it| !it.is_stream()) {
        let usage = usage_of(&recording.body());
        let counts = usage.map(|usage| (usage.input, usage.output));
        assert_eq!(counts, reported(recording), "{}", recording.file);
        told += usize::from(usage.is_some());
    }
    println!("{told} replies tell their usage");
    assert!(told >= 20);
}

#[test]
fn an_error_event_takes_the_next_number_of_a_recorded_stream() {
    let Some(all) = all("an_error_event_takes_the_next_number_of_a_recorded_stream") else {
        return;
    };
    let error = ErrorBody {
        status: 502,
        message: "cut",
        param: None,
        code: None,
        retry_after: None,
        mark: Mark {
            gate: "execution",
            code: "provider_error",
            request_id: "r",
        },
    };
    let mut counted = 0;
    for recording in all.iter().filter(|it| it.is_stream()) {
        let body = recording.body();
        let text = std::str::from_utf8(&body).unwrap();
        let numbers = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let numbers = numbers.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let last = numbers.filter_map(|event| event["sequence_number"].as_u64());
        let (_, relay) = relayed(vec![body.clone()]);
        let event = relay.error_event(&error);
        let mut lines = std::str::from_utf8(&event).unwrap().lines();
        let data = lines.find(|line| line.starts_with("data: ")).unwrap();
        let data: Value = serde_json::from_str(data.trim_start_matches("data: ")).unwrap();
        let next = last.max().map(|last| last + 1);
        // There are servers that count nothing.
        if next.is_some() {
            assert_eq!(data["sequence_number"].as_u64(), next, "{}", recording.file);
            counted += 1;
        }
    }
    println!("{counted} streams count their events");
    assert!(counted >= 18);
}

/// Through the canonical form and out again, as if the provider were another.
#[test]
fn recorded_streams_are_written_in_order() {
    let Some(all) = all("recorded_streams_are_written_in_order") else {
        return;
    };
    let mut written = 0;
    for recording in all.iter().filter(|it| it.is_stream()) {
        println!("{}", recording.file);
        let mut translator = Translator::new(Box::new(Decoder::default()), writers());
        let mut out = Vec::new();
        translator.push(recording.body(), &mut |_| None, &mut out);
        translator.finish(&mut |_| None, &mut out);
        assert_eq!(translator.garbled(), None);
        if translator.ended() == Verdict::Finished {
            let events = check(std::str::from_utf8(&out.concat()).unwrap());
            let usage = &events.last().unwrap()["response"]["usage"];
            let counts = usage["input_tokens"]
                .as_u64()
                .zip(usage["output_tokens"].as_u64());
            assert_eq!(counts, reported(recording));
            written += 1;
        }
    }
    println!("{written} streams written");
    assert!(written >= 18);
}
