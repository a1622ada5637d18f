//! What is seen of a stream that passes.

use bytes::Bytes;
use lattice_dialects::canonical::Usage;
use lattice_dialects::error::{ErrorBody, Mark};
use lattice_dialects::openai::responses::ResponsesWatch;
use lattice_dialects::reply::{Relay, Verdict};
use lattice_dialects::sse::MAX_EVENT;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::cut;

pub fn relayed(reads: Vec<Bytes>) -> (Vec<u8>, Relay) {
    let mut relay = Relay::new(Box::new(ResponsesWatch::default()));
    let mut out = Vec::new();
    for read in reads {
        relay.push(read, &mut |_| Some("1".into()), &mut out);
        assert!(relay.held() <= MAX_EVENT);
    }
    relay.finish(&mut |_| Some("1".into()), &mut out);
    (out.concat(), relay)
}

fn stream(events: &[Value]) -> String {
    let event = |event: &Value| {
        let kind = event["type"].as_str().unwrap();
        format!("event: {kind}\ndata: {event}\n\n")
    };
    events.iter().map(event).collect()
}

fn usage() -> Value {
    json!({
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 120,
    })
}

const USAGE: Usage = Usage {
    input: 100,
    cached_input: 40,
    cache_write: 0,
    output: 20,
    reasoning: 5,
    ..Usage::NONE
};

/// A stream that ends so; `filler` is how much its last event repeats.
fn ended(kind: &str, error: &Value, filler: &str) -> String {
    stream(&[
        json!({"type": "response.created", "sequence_number": 0, "response": {"usage": null}}),
        json!({"type": "response.output_text.delta", "sequence_number": 1, "delta": "response.failed"}),
        json!({
            "type": kind,
            "sequence_number": 2,
            "response": {
                "output": [{"usage": {"input_tokens": 1, "output_tokens": 1}, "text": filler}],
                "error": error,
                "usage": usage(),
                "tools": [{"description": filler}],
            },
        }),
    ])
}

#[test]
fn every_ending_is_known_however_long_its_event_is() {
    let failure = json!({"code": "server_error", "message": "it broke"});
    let filler = "\"}],\"usage\":{\"input_tokens\":9}\\ ".repeat(MAX_EVENT / 16);
    for filler in ["", &filler] {
        for (kind, error, verdict) in [
            ("response.completed", Value::Null, Verdict::Finished),
            ("response.incomplete", Value::Null, Verdict::Finished),
            ("response.failed", failure.clone(), Verdict::Errored),
            ("response.queued", Value::Null, Verdict::Cut),
        ] {
            let stream = ended(kind, &error, filler);
            let (out, relay) = relayed(cut(stream.as_bytes(), &[1000, 7]));
            assert!(out == stream.as_bytes(), "every byte passes");
            assert_eq!(relay.ended(), verdict, "{kind} {}", filler.len());
            let known = (verdict != Verdict::Cut).then_some(USAGE);
            assert_eq!(relay.progress().usage, known, "{kind} {}", filler.len());
            let words = relay
                .progress()
                .error
                .as_ref()
                .and_then(|it| it.message.as_deref());
            assert_eq!(words, error["message"].as_str());
        }
    }
}

#[test]
fn an_error_event_ends_a_stream_whatever_its_shape() {
    for (event, message, code) in [
        (
            json!({"type": "error", "error": {"message": "no", "code": 429}}),
            "no",
            "429",
        ),
        (
            json!({"type": "error", "message": "no", "code": "slow"}),
            "no",
            "slow",
        ),
        (
            json!({"type": "error", "error": {"message": "no", "type": "t", "code": null}}),
            "no",
            "t",
        ),
    ] {
        let failed =
            json!({"type": "response.failed", "response": {"error": {"message": "again"}}});
        let (_, relay) = relayed(vec![stream(&[event.clone(), failed]).into()]);
        assert_eq!(relay.ended(), Verdict::Errored);
        let error = relay.progress().error.as_ref().unwrap();
        assert_eq!(error.message.as_deref(), Some(message), "{event}");
        assert_eq!(error.code.as_deref(), Some(code), "{event}");
    }
}

#[test]
fn a_stream_without_names_is_read_too() {
    let named = ended("response.completed", &Value::Null, "");
    let bare: String = named
        .lines()
        .filter(|line| !line.starts_with("event: "))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let (out, relay) = relayed(vec![bare.clone().into()]);
    assert!(out == bare.as_bytes());
    assert_eq!(relay.ended(), Verdict::Finished);
    assert_eq!(relay.progress().output_events, 1);
    assert_eq!(relay.progress().usage, Some(USAGE));
}

#[test]
fn words_about_an_ending_are_none() {
    let text = r#"{"type":"response.completed"}"#;
    let (_, relay) = relayed(vec![
        stream(&[
            json!({"type": "response.output_text.delta", "delta": text}),
            json!({"type": "response.output_text.done", "text": "response.completed"}),
        ])
        .into(),
    ]);
    assert_eq!(relay.ended(), Verdict::Cut);
    assert!(relay.progress().first_token_seen);
}

#[test]
fn the_error_event_goes_on_counting() {
    let error = ErrorBody {
        status: 502,
        message: "The provider's stream \"ended\".",
        param: None,
        code: None,
        retry_after: None,
        mark: Mark {
            gate: "execution",
            code: "provider_error",
            request_id: "r1",
        },
    };
    let cut_short = stream(&[
        json!({"type": "response.created", "sequence_number": 0}),
        json!({"type": "response.in_progress", "sequence_number": 1}),
    ]);
    let (_, relay) = relayed(vec![cut_short.into()]);
    let event = relay.error_event(&error);
    let event = std::str::from_utf8(&event).unwrap();
    let data = event.strip_prefix("event: error\ndata: ").unwrap();
    let data: Value = serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap();
    assert_eq!(
        data,
        json!({
            "type": "error",
            "sequence_number": 2,
            "code": "provider_error",
            "message": "The provider's stream \"ended\".",
            "param": null,
            "error": {
                "message": "The provider's stream \"ended\".",
                "type": "server_error",
                "param": null,
                "code": "provider_error",
            },
            "lattice": {"gate": "execution", "code": "provider_error", "request_id": "r1"},
        })
    );
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        cuts in proptest::collection::vec(1..9_000_usize, 1..6),
        long in any::<bool>(),
    ) {
        let filler = if long { "\\\"}{ü".repeat(20_000) } else { String::new() };
        let stream = ended("response.completed", &Value::Null, &filler);
        let (out, relay) = relayed(cut(stream.as_bytes(), &cuts));
        prop_assert!(out == stream.as_bytes());
        prop_assert_eq!(relay.ended(), Verdict::Finished);
        prop_assert_eq!(relay.progress().usage, Some(USAGE));
        prop_assert_eq!(relay.progress().output_events, 1);
    }

    #[test]
    fn no_bytes_make_it_panic(reads in proptest::collection::vec(
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "(data|event): ?[\\[\\]{}\":,a-z.\\\\ ]{0,40}\r?\n".prop_map(String::into_bytes),
        ], 0..12)) {
        let all = reads.concat();
        let reads = reads.into_iter().map(Bytes::from).collect();
        let (out, _) = relayed(reads);
        prop_assert!(all.starts_with(&out));
    }
}
