//! Streams of Anthropic's own, as they pass.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::{MessagesWatch, usage_of};
use lattice_dialects::canonical::Usage;
use lattice_dialects::error::{ErrorBody, Mark};
use lattice_dialects::reply::{Relay, Verdict};
use lattice_dialects::sse::MAX_EVENT;
use proptest::prelude::*;

use crate::support::cut;

/// As Anthropic writes it.
const STREAM: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":20,"output_tokens":1}}}"#,
    "\n\nevent: content_block_start\n",
    r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    "\n\nevent: ping\n",
    r#"data: {"type": "ping"}"#,
    "\n\nevent: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
    "\n\nevent: content_block_stop\n",
    r#"data: {"type":"content_block_stop","index":0}"#,
    "\n\nevent: message_delta\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}"#,
    "\n\nevent: message_stop\n",
    r#"data: {"type":"message_stop"}"#,
    "\n\n",
);

const USED: Usage = Usage {
    input: 60,
    cached_input: 20,
    cache_write: 30,
    output: 7,
    reasoning: 0,
    ..Usage::NONE
};

fn relayed(reads: Vec<Bytes>) -> (Vec<u8>, Relay) {
    let mut relay = Relay::new(Box::new(MessagesWatch::default()));
    let mut price = |_: &_| -> Option<String> { panic!("nobody asked for the price") };
    let mut out = Vec::new();
    for read in reads {
        relay.push(read, &mut price, &mut out);
        assert!(relay.held() <= MAX_EVENT);
    }
    relay.finish(&mut price, &mut out);
    (out.concat(), relay)
}

fn passed(stream: &str) -> Relay {
    let (out, relay) = relayed(vec![Bytes::copy_from_slice(stream.as_bytes())]);
    assert_eq!(out, stream.as_bytes());
    relay
}

#[test]
fn a_stream_passes_and_its_usage_is_seen() {
    let relay = passed(STREAM);
    assert_eq!(relay.ended(), Verdict::Finished);
    let progress = relay.progress();
    assert_eq!(progress.usage, Some(USED));
    assert!(progress.first_token_seen);
    assert_eq!(progress.output_events, 2, "a block and a piece of it");
}

#[test]
fn events_without_names_are_known_by_their_type() {
    let nameless: String = STREAM
        .lines()
        .filter(|line| !line.starts_with("event: "))
        .map(|line| format!("{line}\n"))
        .collect();
    let relay = passed(&nameless);
    assert_eq!(relay.ended(), Verdict::Finished);
    assert_eq!(relay.progress().usage, Some(USED));
    assert_eq!(relay.progress().output_events, 2);
}

#[test]
fn a_stream_that_lacks_its_end_is_cut() {
    let relay = passed(STREAM.split_once("event: message_stop").unwrap().0);
    assert_eq!(relay.ended(), Verdict::Cut);
    let begun = STREAM.split_once("event: content_block_start").unwrap().0;
    let relay = passed(begun);
    assert_eq!(relay.ended(), Verdict::Cut);
    assert!(!relay.progress().first_token_seen);
    assert_eq!(passed("").ended(), Verdict::Cut);
}

#[test]
fn handwritten_an_error_event_passes_and_is_seen() {
    let (begun, _) = STREAM.split_once("event: content_block_stop").unwrap();
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let relay = passed(&format!("{begun}{error}"));
    assert_eq!(relay.ended(), Verdict::Errored);
    let told = relay.progress().error.as_ref().unwrap();
    assert_eq!(told.code.as_deref(), Some("overloaded_error"));
    assert_eq!(told.message.as_deref(), Some("Overloaded"));
}

#[test]
fn an_event_too_long_to_be_held_passes_and_counts() {
    let long = "x".repeat(2 * MAX_EVENT);
    let event = format!(
        "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"web_search_tool_result\",\"x\":\"{long}\"}}}}\n\n"
    );
    let relay = passed(&event);
    assert!(relay.progress().first_token_seen);
    assert_eq!(relay.progress().output_events, 1);
}

#[test]
fn an_error_of_ours_is_an_event_of_its_own() {
    let (begun, _) = STREAM.split_once("event: content_block_delta").unwrap();
    let relay = passed(begun);
    let error = ErrorBody {
        status: 504,
        message: "too slow",
        param: None,
        code: None,
        retry_after: None,
        mark: Mark {
            gate: "execution",
            code: "provider_timeout",
            request_id: "r",
        },
    };
    let event = relay.error_event(&error);
    assert_eq!(
        &event[..],
        b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"timeout_error\",\"message\":\"too slow\"},\"request_id\":\"r\",\"lattice\":{\"gate\":\"execution\",\"code\":\"provider_timeout\",\"request_id\":\"r\"}}\n\n"
    );
}

#[test]
fn the_usage_of_a_whole_reply_is_read() {
    let reply = br#"{"type":"message","content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":20,"output_tokens":7}}"#;
    assert_eq!(usage_of(reply), Some(USED));
    for other in [
        &b""[..],
        b"[]",
        br#"{"type":"message"}"#,
        br#"{"usage":{"input_tokens":-1,"output_tokens":1}}"#,
        br#"{"type":"error","error":{"type":"api_error","message":"x"}}"#,
    ] {
        assert_eq!(usage_of(other), None);
    }
}

proptest! {
    #[test]
    fn however_it_is_cut_the_same_passes_and_is_seen(
        cuts in proptest::collection::vec(1_usize..60, 1..8),
    ) {
        let (out, relay) = relayed(cut(STREAM.as_bytes(), &cuts));
        prop_assert!(out == STREAM.as_bytes());
        prop_assert_eq!(relay.ended(), Verdict::Finished);
        prop_assert_eq!(relay.progress().usage, Some(USED));
    }
}
