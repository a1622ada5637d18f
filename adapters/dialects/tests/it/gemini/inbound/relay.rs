//! Streams of Gemini's own on their way to its clients.

use bytes::Bytes;
use lattice_dialects::gemini::generate::GenerateWatch;
use lattice_dialects::reply::{Relay, Verdict};

use crate::support::cut;

/// What passed, and the relay.
pub fn relayed(reads: Vec<Bytes>) -> (Vec<u8>, Relay) {
    let mut relay = Relay::new(Box::<GenerateWatch>::default());
    let mut out = Vec::new();
    for read in reads {
        relay.push(read, &mut |_| None, &mut out);
    }
    relay.finish(&mut |_| None, &mut out);
    (out.concat(), relay)
}

fn ended(events: &[&str]) -> (Verdict, Relay) {
    let body: String = events
        .iter()
        .map(|event| format!("data: {event}\r\n\r\n"))
        .collect();
    let (out, relay) = relayed(cut(body.as_bytes(), &[7]));
    assert_eq!(out, body.as_bytes());
    (relay.ended(), relay)
}

const TEXT: &str = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#;
const LAST: &str = r#"{"candidates":[{"content":{"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":4,"totalTokenCount":9}}"#;

#[test]
fn the_last_usage_counts_and_thoughts_are_output() {
    let (verdict, relay) = ended(&[TEXT, LAST]);
    assert_eq!(verdict, Verdict::Finished);
    let usage = relay.progress().usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.reasoning), (3, 6, 4));
    assert_eq!(relay.progress().output_events, 2);
}

#[test]
fn a_stream_without_a_reason_to_end_was_cut() {
    assert_eq!(ended(&[TEXT]).0, Verdict::Cut);
    assert_eq!(ended(&[]).0, Verdict::Cut);
    let other = r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]}}]}"#;
    assert_eq!(ended(&[TEXT, other, LAST]).0, Verdict::Cut);
    let unspecified = TEXT.replace("}}],", r#"},"finishReason":"FINISH_REASON_UNSPECIFIED"}],"#);
    assert_eq!(ended(&[&unspecified]).0, Verdict::Cut);
}

#[test]
fn a_refused_prompt_is_an_end() {
    let blocked =
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}"#;
    let (verdict, relay) = ended(&[blocked]);
    assert_eq!(verdict, Verdict::Finished);
    assert_eq!(relay.progress().usage.unwrap().input, 3);
    assert!(!relay.progress().first_token_seen);
}

#[test]
fn an_error_in_the_stream_is_known() {
    let error = r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#;
    let (verdict, relay) = ended(&[TEXT, error]);
    assert_eq!(verdict, Verdict::Errored);
    let told = relay.progress().error.clone().unwrap();
    assert_eq!(told.code.as_deref(), Some("UNAVAILABLE"));
}

#[test]
fn the_first_token_is_no_role_and_no_empty_text() {
    let silent =
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"","thought":true}]}}]}"#;
    let call = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#;
    assert!(!ended(&[silent]).1.progress().first_token_seen);
    for speaks in [TEXT, call] {
        assert!(ended(&[silent, speaks]).1.progress().first_token_seen);
    }
}

#[test]
fn an_event_that_is_too_long_to_be_held_is_read_as_it_passes() {
    let picture = "A".repeat(300 * 1024);
    let long = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"mimeType":"image/png","data":"{picture}"}}}}]}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}}}}"#
    );
    let (verdict, relay) = ended(&[TEXT, &long]);
    assert_eq!(verdict, Verdict::Finished);
    assert_eq!(relay.progress().usage.unwrap().output, 2);
    assert_eq!(relay.progress().output_events, 2);
    let unfinished = long.replace(r#""finishReason":"STOP","#, "");
    assert_eq!(ended(&[TEXT, &unfinished]).0, Verdict::Cut);
    let error = format!(r#"{{"error":{{"status":"INTERNAL"}},"x":"{picture}"}}"#);
    assert_eq!(ended(&[TEXT, &error]).0, Verdict::Errored);
}
