//! Replies of other dialects, as a client of Gemini's gets them.

use std::time::Duration;

use bytes::Bytes;
use lattice_dialects::canonical::{Decode, Maker, Proves, Sealed};
use lattice_dialects::error::{ErrorBody, Mark};
use lattice_dialects::gemini::generate::{ReplyWriter, StreamWriter};
use lattice_dialects::gemini::{self, generate};
use lattice_dialects::reply::{Labels, Translator, Verdict, Writers};
use serde_json::{Value, json};

use crate::translated::{BARE_CALL, CALL, SEALED, TEXT, THOUGHT, claude, claudes, google, stream};

pub fn writers() -> Writers {
    let labels = Labels {
        id: "id1".to_owned(),
        created: 7,
        model: "asked".to_owned(),
    };
    Writers {
        stream: Box::new(StreamWriter::new(labels.clone())),
        whole: Box::new(ReplyWriter::new(labels)),
    }
}

/// The chunks that a client gets for a stream that ends as it must.
#[track_caller]
pub fn chunks(decoder: Box<dyn Decode>, stream: &str) -> Vec<Value> {
    let mut translator = Translator::new(decoder, writers());
    let mut out = Vec::new();
    let read = Bytes::copy_from_slice(stream.as_bytes());
    translator.push(read, &mut |_| None, &mut out);
    translator.finish(&mut |_| None, &mut out);
    assert_eq!(
        translator.ended(),
        Verdict::Finished,
        "{:?}",
        translator.garbled()
    );
    let out = String::from_utf8(out.concat()).unwrap();
    let events = out.split_terminator("\r\n\r\n");
    let read = |event: &str| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    events.map(read).collect()
}

#[track_caller]
fn whole(decoder: Box<dyn Decode>, body: &str) -> Value {
    let mut translator = Translator::new(decoder, writers());
    let (reply, _) = translator.whole(body.as_bytes(), &mut |_| None).unwrap();
    serde_json::from_slice(&reply).unwrap()
}

fn parts(chunks: &[Value]) -> Vec<Value> {
    let parts = chunks
        .iter()
        .map(|it| &it["candidates"][0]["content"]["parts"]);
    parts
        .flat_map(|it| it.as_array().unwrap().clone())
        .collect()
}

fn seal(maker: Maker, proves: Proves, data: &str) -> String {
    let sealed = Sealed {
        maker,
        proves,
        id: None,
        data: data.to_owned(),
    };
    sealed.render()
}

#[test]
fn a_stream_is_told_piece_by_piece_with_thoughts_sealed_and_calls_whole() {
    let body = claudes(&[THOUGHT, TEXT, SEALED, CALL, BARE_CALL], "tool_use");
    let chunks = chunks(claude(), &body);
    assert_eq!(
        parts(&chunks),
        [
            json!({"text": "hm", "thought": true}),
            json!({"text": "", "thought": true, "thoughtSignature": seal(Maker::Anthropic, Proves::Text, "s1")}),
            json!({"text": "Hello"}),
            json!({"text": " you"}),
            json!({"text": "", "thought": true, "thoughtSignature": seal(Maker::Anthropic, Proves::Text, "s2")}),
            json!({"functionCall": {"id": "toolu_1", "name": "f", "args": {"a": 1}}}),
            json!({"functionCall": {"id": "toolu_2", "name": "g", "args": {}}}),
            json!({"text": ""}),
        ]
    );
    let (last, rest) = chunks.split_last().unwrap();
    for chunk in &chunks {
        assert_eq!(chunk["modelVersion"], "claude");
        assert_eq!(chunk["responseId"], "msg_1");
        assert_eq!(chunk["candidates"][0]["index"], 0);
        assert_eq!(chunk["candidates"][0]["content"]["role"], "model");
    }
    for chunk in rest {
        assert_eq!(chunk["candidates"][0].get("finishReason"), None);
        assert_eq!(chunk.get("usageMetadata"), None);
    }
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(
        last["usageMetadata"],
        json!({"promptTokenCount": 60, "cachedContentTokenCount": 20, "candidatesTokenCount": 7,
               "thoughtsTokenCount": 0, "totalTokenCount": 67})
    );
}

#[test]
fn a_cipher_is_an_empty_thought_with_a_seal() {
    let redacted = r#"{"type":"redacted_thinking","data":"XYZ"}|"#;
    let chunks = chunks(claude(), &claudes(&[redacted, TEXT], "end_turn"));
    assert_eq!(
        parts(&chunks)[0],
        json!({"text": "", "thought": true, "thoughtSignature": seal(Maker::Anthropic, Proves::Cipher, "XYZ")})
    );
}

#[test]
fn a_whole_reply_joins_what_belongs_together() {
    let body = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[
        {"type":"thinking","thinking":"hm","signature":"s1"},{"type":"text","text":"Hello"},
        {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}],
        "stop_reason":"max_tokens","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let reply = whole(claude(), body);
    assert_eq!(
        reply["candidates"],
        json!([{"content": {"parts": [
            {"text": "hm", "thought": true, "thoughtSignature": seal(Maker::Anthropic, Proves::Text, "s1")},
            {"text": "Hello"},
            {"functionCall": {"id": "toolu_1", "name": "f", "args": {"a": 1}}},
        ], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}])
    );
    assert_eq!(reply["usageMetadata"]["totalTokenCount"], 3);
}

#[test]
fn a_reason_that_gemini_does_not_have_is_no_stop_and_the_providers_word_is_told() {
    for (stop, reason) in [("brand_new", "OTHER"), ("refusal", "SAFETY")] {
        let chunks = chunks(claude(), &claudes(&[TEXT], stop));
        let last = &chunks.last().unwrap()["candidates"][0];
        assert_eq!(last["finishReason"], reason);
        assert!(last["finishMessage"].as_str().unwrap().contains(stop));
    }
}

#[test]
fn a_call_whose_arguments_are_no_object_is_not_passed_off_as_one() {
    let body = stream(&[
        r#"{"id":"r","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a\""}}]},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ]);
    let decoder = lattice_dialects::openai::chat::Decoder::new("s", 1);
    let mut translator = Translator::new(Box::new(decoder), writers());
    let mut out = Vec::new();
    translator.push(body.into(), &mut |_| None, &mut out);
    translator.finish(&mut |_| None, &mut out);
    let out = String::from_utf8(out.concat()).unwrap();
    assert!(!out.contains("functionCall\""), "{out}");
    assert!(!out.contains("STOP"), "{out}");
}

#[test]
fn arguments_that_never_end_are_not_held() {
    let piece = "x".repeat(900 * 1024);
    let mut blocks = String::from(r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#);
    for _ in 0..3 {
        blocks.push_str(&format!(
            r#"|{{"type":"input_json_delta","partial_json":"{piece}"}}"#
        ));
    }
    let chunks = chunks(claude(), &claudes(&[&blocks], "tool_use"));
    let last = &chunks.last().unwrap()["candidates"][0];
    assert_eq!(last["finishReason"], "MALFORMED_FUNCTION_CALL");
    assert_eq!(parts(&chunks), [json!({"text": ""})]);
}

const TWO_CALLS: &str = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"sig"},{"functionCall":{"name":"g","args":{}}}]},"finishReason":"STOP"}]}"#;

#[test]
fn geminis_own_signatures_are_written_as_they_are() {
    let chunks = chunks(google(), &stream(&[TWO_CALLS]));
    let parts = parts(&chunks);
    assert_eq!(parts[0]["thoughtSignature"], "sig");
    assert_eq!(parts[1].get("thoughtSignature"), None);
    assert_eq!(
        chunks.last().unwrap()["candidates"][0]["finishReason"],
        "STOP"
    );
}

const ERROR: ErrorBody<'_> = ErrorBody {
    status: 429,
    message: "Too \"many\".",
    param: Some("contents"),
    code: None,
    retry_after: Some(Duration::from_millis(1500)),
    mark: Mark {
        gate: "constraints",
        code: "limit_rate",
        request_id: "r1",
    },
};

#[test]
fn an_error_has_googles_shape_our_mark_and_the_wait() {
    let json: Value = serde_json::from_str(&gemini::render_error(&ERROR)).unwrap();
    assert_eq!(
        json,
        json!({
            "error": {"code": 429, "message": "Too \"many\".", "status": "RESOURCE_EXHAUSTED", "details": [
                {"@type": "type.googleapis.com/google.rpc.BadRequest",
                 "fieldViolations": [{"field": "contents", "description": "Too \"many\"."}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"},
            ]},
            "lattice": {"gate": "constraints", "code": "limit_rate", "request_id": "r1"},
        })
    );
    let facts = generate::read_error(gemini::render_error(&ERROR).as_bytes()).unwrap();
    assert_eq!(facts.retry_after, ERROR.retry_after);
}

#[test]
fn an_error_event_begins_as_googles_client_looks_for_it() {
    let event = writers().stream.error_event(&ERROR);
    assert!(event.starts_with(r#"data: {"error":"#), "{event}");
    assert!(event.ends_with("}\r\n\r\n"), "{event}");
    assert_eq!(event.matches(['\r', '\n']).count(), 4);
}

#[test]
fn the_word_of_an_error_follows_its_status() {
    for (status, word) in [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (402, "PERMISSION_DENIED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (413, "INVALID_ARGUMENT"),
        (422, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ] {
        let error = ErrorBody { status, ..ERROR };
        let json: Value = serde_json::from_str(&gemini::render_error(&error)).unwrap();
        assert_eq!(json["error"]["status"], word, "{status}");
    }
}
