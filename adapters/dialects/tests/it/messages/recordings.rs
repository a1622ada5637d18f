//! Every recorded exchange, with the client on this side.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::{
    Decoder, MessagesRequest, MessagesWatch, Rewrite, encode, encode_count, usage_of,
};
use lattice_dialects::canonical::{Decode, Ended, Finish, Target};
use lattice_dialects::openai::chat;
use lattice_dialects::reply::{Relay, Translator, Verdict};
use lattice_dialects::{Api, count, gemini};
use serde_json::Value;

use super::{added_up, events, writers};
use crate::order::{Told, decoded, decoded_whole};
use crate::recorded::{Recording, recordings};

fn claude() -> Box<dyn Decode> {
    Box::new(Decoder::default())
}

#[test]
fn recorded_requests_are_read_and_passed_on_with_another_model() {
    let test = "recorded_requests_are_read_and_passed_on_with_another_model";
    let Some(recordings) = recordings("anthropic.messages", "", test) else {
        return;
    };
    let (mut understood, mut refused, mut unlike) = (0, 0, 0);
    for recording in &recordings {
        let file = &recording.file;
        let body = recording.request().to_string();
        let request = match MessagesRequest::parse(Bytes::from(body)) {
            Ok(request) => request,
            Err(error) => {
                println!("{file}: {error}");
                unlike += 1;
                continue;
            }
        };
        let sent = request.rewrite(&Rewrite {
            model: Some("other"),
            output_cap: None,
        });
        let mut expected = recording.request().clone();
        expected["model"] = "other".into();
        let sent: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(sent, expected, "{file}");
        match request.canonical() {
            Ok(canonical) => {
                let to = Target {
                    model: "claude-opus-4-5",
                    output_cap: None,
                };
                if let Err(error) = encode(&canonical, &to) {
                    println!("{file}: read, not written: {error}");
                }
                understood += 1;
            }
            Err(error) => {
                println!("{file}: refused: {error}");
                assert!(error.why.starts_with(&*error.field), "{file}");
                refused += 1;
            }
        }
    }
    let all = recordings.len();
    println!("{all} requests: {understood} understood, {refused} refused, {unlike} are none");
    assert!(all >= 56 && understood >= 40 && unlike <= 2);
}

#[test]
fn recorded_counts_are_read() {
    let Some(recordings) = recordings("anthropic.count_tokens", "", "recorded_counts_are_read")
    else {
        return;
    };
    for recording in &recordings {
        let body = Bytes::from(recording.request().to_string());
        let request = MessagesRequest::parse_count(body).unwrap();
        let canonical = request.canonical().unwrap();
        let to = Target {
            model: "claude-opus-4-5",
            output_cap: None,
        };
        let sent = encode_count(&canonical, &to).unwrap();
        let sent: Value = serde_json::from_slice(&sent.body).unwrap();
        assert!(sent["messages"].is_array() && sent["max_tokens"].is_null());
        assert!(count::read(Api::Messages, &recording.body()).unwrap() > 0);
    }
    println!("{} counts", recordings.len());
    assert!(recordings.len() >= 2);
}

#[test]
fn recorded_replies_pass_byte_for_byte_and_their_usage_is_seen() {
    let test = "recorded_replies_pass_byte_for_byte_and_their_usage_is_seen";
    let Some(recordings) = recordings("anthropic.messages", "", test) else {
        return;
    };
    let (mut streams, mut wholes) = (0, 0);
    for recording in recordings.iter().filter(|it| it.status() == 200) {
        let file = &recording.file;
        let body = recording.body();
        if !recording.is_stream() {
            let told = decoded_whole(&body, &mut Decoder::default()).unwrap();
            assert_eq!(usage_of(&body), told.usage, "{file}");
            wholes += 1;
            continue;
        }
        let (told, _) = decoded(&body, &mut Decoder::default()).unwrap();
        let mut relay = Relay::new(Box::new(MessagesWatch::default()));
        let mut out = Vec::new();
        relay.push(body.clone(), &mut |_| None, &mut out);
        relay.finish(&mut |_| None, &mut out);
        assert!(out.concat() == body, "{file}");
        assert_eq!(relay.ended(), Verdict::Finished, "{file}");
        assert_eq!(relay.progress().usage, told.usage, "{file}");
        let speaks = body.windows(19).any(|it| it == b"content_block_start");
        assert_eq!(relay.progress().first_token_seen, speaks, "{file}");
        streams += 1;
    }
    println!("{streams} streams, {wholes} replies");
    assert!(streams >= 25 && wholes >= 25);
}

/// What a client gets of one recorded reply, decoded again.
fn retold(
    recording: &Recording,
    decoder: fn(&Recording) -> Box<dyn Decode>,
) -> Option<(Told, Told)> {
    let body = recording.body();
    let mut translator = Translator::new(decoder(recording), writers());
    if !recording.is_stream() {
        let told = decoded_whole(&body, &mut *decoder(recording)).unwrap();
        let (reply, _) = translator.whole(&body, &mut |_| None).unwrap();
        let again = decoded_whole(&reply, &mut Decoder::default()).unwrap();
        return Some((told, again));
    }
    let (told, ended) = decoded(&body, &mut *decoder(recording)).unwrap();
    let mut out = Vec::new();
    translator.push(body, &mut |_| None, &mut out);
    translator.finish(&mut |_| None, &mut out);
    if ended != Ended::Whole {
        return None;
    }
    let out = String::from_utf8(out.concat()).unwrap();
    if told.choices[&0].finish == Some(Finish::Error) {
        let last = events(&out).pop().unwrap();
        assert_eq!(last["type"], "error", "{}", recording.file);
        return None;
    }
    added_up(&out);
    let (again, ended) = decoded(out.as_bytes(), &mut Decoder::default()).unwrap();
    assert_eq!(ended, Ended::Whole);
    Some((told, again))
}

fn replay(
    api: &str,
    without: &str,
    decoder: fn(&Recording) -> Box<dyn Decode>,
    same: fn(&Told, &Told, &str),
) {
    let Some(recordings) = recordings(api, without, &format!("{api} for a Messages client")) else {
        return;
    };
    let good = recordings
        .iter()
        .filter(|it| it.status() == 200 && it.choices() == 1);
    let mut count = 0;
    for recording in good {
        if let Some((told, again)) = retold(recording, decoder) {
            same(&told, &again, &recording.file);
            assert_eq!(
                again.usage.map(|it| it.output),
                Some(told.usage.map_or(0, |it| it.output))
            );
            count += 1;
        }
    }
    println!("{api}: {count} replies");
    assert!(count >= 30, "{count}");
}

/// Texts and calls: proofs are sealed on the way.
fn same_words(told: &Told, again: &Told, file: &str) {
    let (told, again) = (&told.choices[&0], &again.choices[&0]);
    assert_eq!(
        format!("{}{}", told.text, told.refusal),
        again.text,
        "{file}"
    );
    assert_eq!(told.reasoning, again.reasoning, "{file}");
    assert_eq!(told.calls.len(), again.calls.len(), "{file}");
    for (told, again) in told.calls.iter().zip(&again.calls) {
        assert_eq!(told.name, again.name, "{file}");
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        assert_eq!(
            read(if told.arguments.trim().is_empty() {
                "{}"
            } else {
                &told.arguments
            }),
            read(if again.arguments.is_empty() {
                "{}"
            } else {
                &again.arguments
            }),
            "{file}"
        );
    }
}

#[test]
fn recorded_claude_replies_survive_the_canonical_form() {
    replay(
        "anthropic.messages",
        "",
        |_| claude(),
        |told, again, file| {
            assert_eq!(told.essence(), again.essence(), "{file}");
            assert_eq!(told.usage, again.usage, "{file}");
        },
    );
}

#[test]
fn recorded_chat_replies_reach_a_messages_client() {
    let decoder =
        |it: &Recording| -> Box<dyn Decode> { Box::new(chat::Decoder::new("s", it.choices())) };
    replay("openai.chat", "azure-openai", decoder, same_words);
}

#[test]
fn recorded_gemini_replies_reach_a_messages_client() {
    let decoder =
        |_: &Recording| -> Box<dyn Decode> { Box::new(gemini::generate::Decoder::new("s")) };
    replay("gemini.generateContent", "vertex", decoder, same_words);
}
