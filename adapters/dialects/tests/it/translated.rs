//! Replies of other dialects, as a chat client gets them.

use bytes::Bytes;
use lattice_dialects::canonical::{Decode, Kept, Maker, Part, Usage};
use lattice_dialects::error::{ErrorBody, Mark};
use lattice_dialects::openai::chat::{ChatRequest, Decoder};
use lattice_dialects::reply::Asked;
use lattice_dialects::reply::{Translator, Verdict};
use lattice_dialects::{Api, anthropic, gemini};
use serde_json::Value;

use crate::order::check_chat_stream;
use crate::replay::writers;

pub fn claude() -> Box<dyn Decode> {
    Box::new(anthropic::messages::Decoder::default())
}

pub fn google() -> Box<dyn Decode> {
    Box::new(gemini::generate::Decoder::new("s"))
}

pub fn stream(events: &[&str]) -> String {
    events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect()
}

/// A stream of Claude's, of these blocks.
pub fn claudes(blocks: &[&str], stop_reason: &str) -> String {
    let mut events = vec![
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"usage":{"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"output_tokens":1}}}"#.to_owned(),
    ];
    for (index, block) in blocks.iter().enumerate() {
        let (start, deltas) = block.split_once('|').unwrap();
        events.push(format!(
            r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#
        ));
        for delta in deltas.split('|').filter(|delta| !delta.is_empty()) {
            events.push(format!(
                r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#
            ));
        }
        events.push(format!(
            r#"{{"type":"content_block_stop","index":{index}}}"#
        ));
    }
    events.push(format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"{stop_reason}","stop_sequence":null}},"usage":{{"output_tokens":7}}}}"#
    ));
    events.push(r#"{"type":"message_stop"}"#.to_owned());
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    stream(&events)
}

pub const TEXT: &str = r#"{"type":"text","text":""}|{"type":"text_delta","text":"Hello"}|{"type":"text_delta","text":" you"}"#;
pub const THOUGHT: &str = r#"{"type":"thinking","thinking":"","signature":""}|{"type":"thinking_delta","thinking":"hm"}|{"type":"signature_delta","signature":"s1"}"#;
pub const SEALED: &str = r#"{"type":"thinking","thinking":"","signature":""}|{"type":"signature_delta","signature":"s2"}"#;
pub const CALL: &str = r#"{"type":"tool_use","id":"toolu_1","name":"f","input":{}}|{"type":"input_json_delta","partial_json":"{\"a\":"}|{"type":"input_json_delta","partial_json":"1}"}"#;
pub const BARE_CALL: &str = r#"{"type":"tool_use","id":"toolu_2","name":"g","input":{}}|"#;

/// What the caller gets for `stream`, and the translator.
pub fn translated(decoder: Box<dyn Decode>, stream: &str, asked: Asked) -> (String, Translator) {
    let mut translator = Translator::new(decoder, writers(asked));
    let mut price = |_: &Usage| Some("0.5".to_owned());
    let mut out = Vec::new();
    translator.push(
        Bytes::copy_from_slice(stream.as_bytes()),
        &mut price,
        &mut out,
    );
    translator.finish(&mut price, &mut out);
    (String::from_utf8(out.concat()).unwrap(), translator)
}

/// The chunks of a stream that ends as it must.
#[track_caller]
pub fn chunks(decoder: Box<dyn Decode>, stream: &str) -> Vec<Value> {
    let (out, translator) = translated(decoder, stream, Asked::Yes);
    assert_eq!(translator.garbled(), None);
    assert_eq!(translator.ended(), Verdict::Finished);
    check_chat_stream(&out)
}

#[track_caller]
pub fn whole(decoder: Box<dyn Decode>, body: &str) -> Value {
    let mut translator = Translator::new(decoder, writers(Asked::No));
    let (reply, _) = translator.whole(body.as_bytes(), &mut |_| None).unwrap();
    serde_json::from_slice(&reply).unwrap()
}

#[test]
fn what_has_come_is_passed_on_at_once() {
    let body = claudes(&[TEXT, CALL], "tool_use");
    let mut translator = Translator::new(claude(), writers(Asked::No));
    let events = body.split_inclusive("\n\n");
    for event in events.take_while(|it| !it.contains("message_delta")) {
        let mut out = Vec::new();
        let read = Bytes::copy_from_slice(event.as_bytes());
        translator.push(read, &mut |_| None, &mut out);
        let told = String::from_utf8(out.concat()).unwrap();
        let speaks = ["message_start", "block_delta", "toolu_1"];
        let speaks = speaks.iter().any(|word| event.contains(word));
        assert_eq!(
            told.matches("data: ").count(),
            usize::from(speaks),
            "{event}"
        );
    }
}

#[test]
fn usage_is_told_to_who_asks_and_metered_either_way() {
    let body = claudes(&[TEXT], "end_turn");
    let used = Usage {
        input: 60,
        cached_input: 20,
        cache_write: 30,
        output: 7,
        reasoning: 0,
        ..Usage::NONE
    };
    let (out, asked) = translated(claude(), &body, Asked::Yes);
    assert_eq!(asked.usage(), Some(used));
    assert_eq!(out.matches(r#""lattice_cost_usd":0.5"#).count(), 1);
    let (out, unasked) = translated(claude(), &body, Asked::No);
    assert_eq!(unasked.usage(), Some(used));
    assert!(!out.contains("usage"));
}

#[test]
fn usage_counts_once_the_stream_has_ended() {
    let body = stream(&[
        r#"{"id":"r","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        "[DONE]",
    ]);
    let mut translator = Translator::new(Box::new(Decoder::new("s", 1)), writers(Asked::No));
    let mut out = Vec::new();
    translator.push(Bytes::from(body), &mut |_| None, &mut out);
    assert_eq!(translator.usage(), None);
    translator.finish(&mut |_| None, &mut out);
    assert!(translator.usage().is_some());
}

#[test]
fn handwritten_an_error_event_of_claudes_ends_the_stream_and_is_handed_back() {
    let whole = claudes(&[TEXT], "end_turn");
    let (begun, _) = whole
        .split_once("data: {\"type\":\"content_block_stop\"")
        .unwrap();
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let (out, translator) = translated(claude(), &format!("{begun}{error}{whole}"), Asked::Yes);
    assert_eq!(translator.ended(), Verdict::Errored);
    assert_eq!(translator.usage(), None);
    let error = translator.provider_error().unwrap();
    assert_eq!(error.message.as_deref(), Some("Overloaded"));
    assert_eq!(error.code.as_deref(), Some("overloaded_error"));
    assert!(out.contains("Hello") && !out.contains("[DONE]") && !out.contains("verloaded"));
    let body = ErrorBody {
        status: 502,
        message: "Overloaded",
        param: None,
        code: None,
        retry_after: None,
        mark: Mark {
            gate: "execution",
            code: "provider_error",
            request_id: "r",
        },
    };
    let event = format!("data: {}\n\n", Api::Chat.render_error(&body));
    assert_eq!(translator.error_event(&body), event);
}

#[test]
fn handwritten_a_stream_that_is_cut_has_no_end_and_no_usage() {
    let claudes = claudes(&[TEXT], "end_turn");
    let chat = stream(&[
        r#"{"id":"r","choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        r#"{"id":"r","choices":[{"index":0,"delta":{"content":"b"}}]}"#,
    ]);
    let googles = stream(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}"#,
    ]);
    let cut = claudes.rfind("data: {\"type\":\"message_delta\"").unwrap();
    for (decoder, stream) in [
        (claude(), &claudes[..cut]),
        (claude(), &claudes[..claudes.len() - 20]),
        (google(), &googles),
        (Box::new(Decoder::new("s", 1)), &chat),
        (Box::new(Decoder::new("s", 1)), &chat[..chat.len() - 5]),
    ] {
        let (out, translator) = translated(decoder, stream, Asked::Yes);
        assert_eq!(translator.ended(), Verdict::Cut, "{stream}");
        assert_eq!(translator.usage(), None);
        assert!(!out.contains("[DONE]") && !out.contains("usage"));
    }
}

#[test]
fn after_something_garbled_nothing_more_is_told() {
    let chunk = |text: &str| {
        format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}}}]}}"#)
    };
    let long = chunk(&"x".repeat(1 << 20));
    for broken in ["{", "nonsense", &long] {
        let body = stream(&[&chunk("before"), broken, &chunk("after")]);
        let (out, translator) = translated(google(), &body, Asked::Yes);
        assert!(out.contains("before") && !out.contains("after") && !out.contains("[DONE]"));
        assert_eq!(translator.ended(), Verdict::Cut);
        assert!(translator.garbled().is_some());
        assert!(translator.held() == 0);
    }
}

#[test]
fn an_event_longer_than_a_relay_would_hold_is_translated() {
    let text = "x".repeat(500_000);
    let body = stream(&[&format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"finishReason":"STOP"}}]}}"#
    )]);
    let chunks = chunks(google(), &body);
    assert_eq!(chunks[1]["choices"][0]["delta"]["content"], text.as_str());
}

#[test]
fn a_reply_that_is_an_error_in_spite_of_its_status_is_no_reply() {
    let mut translator = Translator::new(google(), writers(Asked::No));
    let body = br#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#;
    assert!(translator.whole(body, &mut |_| None).is_err());
    let error = translator.provider_error().unwrap();
    assert_eq!(error.message.as_deref(), Some("busy"));
    let mut translator = Translator::new(claude(), writers(Asked::No));
    assert!(translator.whole(b"<html>", &mut |_| None).is_err());
    assert!(translator.provider_error().is_none());
}

#[test]
fn a_whole_reply_tells_its_usage_and_cost() {
    let mut translator = Translator::new(google(), writers(Asked::No));
    let body = br#"{"responseId":"r","candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":1,"totalTokenCount":7}}"#;
    let (reply, usage) = translator.whole(body, &mut |_| Some("0.5".into())).unwrap();
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(reply["usage"]["lattice_cost_usd"], 0.5);
    let usage = usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.reasoning), (4, 3, 1));
}

#[test]
fn blocks_that_only_claude_has_are_left_out_and_counted() {
    let search = r#"{"type":"server_tool_use","id":"srv_1","name":"web_search","input":{}}|{"type":"input_json_delta","partial_json":"{}"}"#;
    let (out, translator) = translated(claude(), &claudes(&[search, TEXT], "end_turn"), Asked::No);
    assert_eq!(translator.omitted(), 1);
    let chunks = check_chat_stream(&out);
    assert!(!out.contains("web_search"));
    assert_eq!(chunks.len(), 4);
}

fn keepsakes(decoder: Box<dyn Decode>, stream: &str) -> Vec<Kept> {
    let (_, mut translator) = translated(decoder, stream, Asked::No);
    assert_eq!(translator.ended(), Verdict::Finished);
    let kept = translator.keepsakes();
    assert!(
        translator.keepsakes().is_empty(),
        "they are handed over once"
    );
    kept
}

/// A request whose client gave only these calls back, after `recall`: the parts
/// of its assistant turn.
fn recalled(kept: &[Kept], content: &str, calls: &[&str], rest: &str) -> Vec<String> {
    let calls: Vec<String> = calls
        .iter()
        .map(|id| format!(r#"{{"id":"{id}","function":{{"name":"f","arguments":"{{}}"}}{rest}}}"#))
        .collect();
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","content":{content},"tool_calls":[{}]}}]}}"#,
        calls.join(",")
    );
    let request = ChatRequest::parse(Bytes::from(body)).unwrap();
    let mut request = request.canonical().unwrap();
    request.recall(|id| {
        let has = |kept: &&Kept| kept.calls.iter().any(|call| call.id == id);
        kept.iter().find(has).cloned()
    });
    let parts = request.turns[0].parts.iter();
    parts
        .map(|part| match part {
            Part::Text(text) => format!("text {}", text.text),
            Part::Reasoning(it) => format!(
                "{:?} {} {}",
                it.maker,
                it.text,
                it.signature.as_deref().unwrap_or("-")
            ),
            Part::ToolCall(call) => {
                format!("{} {}", call.id, call.signature.as_deref().unwrap_or("-"))
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn what_claude_signed_is_given_back_for_a_client_that_lost_it() {
    let unsigned = r#"{"type":"thinking","thinking":"","signature":""}|{"type":"thinking_delta","thinking":"loose"}"#;
    let body = claudes(
        &[THOUGHT, SEALED, TEXT, CALL, unsigned, SEALED, BARE_CALL],
        "tool_use",
    );
    let kept = keepsakes(claude(), &body);
    assert_eq!(kept.len(), 2);
    assert!(
        kept[0]
            .reasoning
            .iter()
            .all(|it| it.maker == Maker::Anthropic)
    );
    assert_eq!(
        recalled(&kept, r#""Hello""#, &["toolu_1", "toolu_2"], ""),
        [
            "Anthropic hm s1",
            "Anthropic  s2",
            "text Hello",
            "toolu_1 -",
            "Anthropic  s2",
            "toolu_2 -"
        ]
    );
    assert_eq!(recalled(&kept, "null", &["toolu_9"], ""), ["toolu_9 -"]);
    let again = ["toolu_2", "toolu_2", "toolu_1", "toolu_2"];
    let again = recalled(&kept, "null", &again, "");
    let given = again.iter().filter(|part| part.starts_with("Anthropic"));
    assert_eq!(given.count(), 3, "each thought once");

    let parallel = claudes(&[THOUGHT, CALL, BARE_CALL], "tool_use");
    let kept = keepsakes(claude(), &parallel);
    assert_eq!(
        recalled(&kept, "null", &["toolu_1", "toolu_2"], ""),
        ["Anthropic hm s1", "toolu_1 -", "toolu_2 -"]
    );
}

#[test]
fn what_gemini_signed_is_given_back_with_its_call_unless_the_client_did() {
    let body = stream(&[
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"sig"},{"functionCall":{"name":"f","args":{}}}]},"finishReason":"STOP"}]}"#,
    ]);
    let kept = keepsakes(google(), &body);
    let ids: Vec<&str> = kept[0].calls.iter().map(|call| &*call.id).collect();
    let [one, two] = ids[..] else {
        panic!("two calls")
    };
    assert_eq!(
        recalled(&kept, "null", &[one, two], ""),
        [format!("{one} sig"), format!("{two} -")]
    );
    assert_eq!(
        recalled(&kept, "null", &[one, one], ""),
        [format!("{one} sig"), format!("{one} -")],
        "a signature is given once"
    );
    let theirs = r#","extra_content":{"google":{"thought_signature":"own"}}"#;
    assert_eq!(
        recalled(&kept, "null", &[one], theirs),
        [format!("{one} own")]
    );
}

#[test]
fn nothing_is_kept_where_nothing_was_signed_or_called_or_too_much_was_said() {
    assert!(keepsakes(claude(), &claudes(&[THOUGHT, TEXT], "end_turn")).is_empty());
    assert!(keepsakes(claude(), &claudes(&[TEXT, CALL], "tool_use")).is_empty());
    let loose = r#"{"type":"thinking","thinking":"","signature":""}|{"type":"thinking_delta","thinking":"hm"}"#;
    let loose = loose.replace("hm", &"x".repeat(200_000));
    let unsigned = claudes(&[&loose, &loose, THOUGHT, CALL], "tool_use");
    assert_eq!(keepsakes(claude(), &unsigned).len(), 1);
    let long = THOUGHT.replace("hm", &"x".repeat(300_000));
    assert!(
        keepsakes(
            claude(),
            &claudes(&[&long, CALL, THOUGHT, BARE_CALL], "tool_use")
        )
        .is_empty()
    );
}
