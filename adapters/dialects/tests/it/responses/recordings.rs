//! Every recorded exchange of the Responses API, replayed.

use bytes::Bytes;
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
        assert!(facts.tool_names.len() >= tools, "{file}");
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
    let (mut understood, mut refused) = (0, 0);
    for recording in &all {
        let body = Bytes::from(recording.request().to_string());
        let Ok(request) = ResponsesRequest::parse(body) else {
            continue;
        };
        match request.canonical() {
            Ok(_) => understood += 1,
            Err(error) => {
                println!("{}: {error}", recording.file);
                assert!(!error.field.is_empty());
                refused += 1;
            }
        }
    }
    println!("{understood} requests understood, {refused} refused by name");
    assert!(understood > 25, "most are understood: {understood}");
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
