//! A stream reaches the caller as it came, but for the usage.

use bytes::Bytes;
use lattice_dialects::canonical::Usage;
use lattice_dialects::error::{ErrorBody, Mark};
use lattice_dialects::openai::chat::ChatWatch;
use lattice_dialects::reply::Asked;
use lattice_dialects::reply::{Relay, Verdict};
use lattice_dialects::sse::MAX_EVENT;
use proptest::prelude::*;

use crate::support::{cut, relayed};

const ROLE: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}"#;
const TEXT: &str =
    r#"data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}],"usage":null}"#;
const STOP: &str =
    r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":1},"completion_tokens_details":{"reasoning_tokens":1} } }"#;
const DONE: &str = "data: [DONE]";

fn stream(events: &[&str]) -> String {
    events.iter().map(|event| format!("{event}\n\n")).collect()
}

fn relay(asked: Asked, events: &[&str]) -> (String, Relay) {
    let (out, relay) = relayed(asked, vec![Bytes::from(stream(events))], Some("0.00012"));
    (String::from_utf8(out).unwrap(), relay)
}

fn watching(choices: u32) -> Relay {
    Relay::new(Box::new(ChatWatch::new(Asked::No, choices)))
}

/// As it is written after whole events.
fn error_event() -> Bytes {
    watching(1).error_event(&ERROR)
}

const COUNTED: Usage = Usage {
    input: 5,
    cached_input: 2,
    cache_write: 1,
    output: 3,
    reasoning: 1,
    ..Usage::NONE
};

#[test]
fn usage_that_was_not_asked_for_is_read_and_taken_out() {
    let (out, relay) = relay(Asked::No, &[ROLE, TEXT, STOP, USAGE, DONE]);
    assert_eq!(out, stream(&[ROLE, TEXT, STOP, DONE]));
    assert_eq!(relay.progress().usage, Some(COUNTED));
    assert_eq!(relay.progress().output_events, 3);
    assert_eq!(relay.ended(), Verdict::Finished);
}

#[test]
fn usage_that_was_asked_for_gets_the_cost_and_keeps_its_bytes() {
    let (out, _) = relay(Asked::Yes, &[ROLE, TEXT, STOP, USAGE, DONE]);
    let usage = USAGE.replace("} } }", r#"} ,"lattice_cost_usd":0.00012} }"#);
    assert_eq!(out, stream(&[ROLE, TEXT, STOP, &usage, DONE]));
}

#[test]
fn without_a_price_the_usage_passes_as_it_came() {
    for cost in [None, Some("unknown"), Some("1} , {")] {
        let whole = stream(&[TEXT, STOP, USAGE, DONE]);
        let (out, _) = relayed(Asked::Yes, vec![Bytes::from(whole.clone())], cost);
        assert_eq!(out, whole.as_bytes());
    }
}

#[test]
fn the_cost_of_another_gateway_upstream_is_replaced() {
    for theirs in ["9.5", "null", r#"{"x":1}"#] {
        let with = |cost| {
            format!(
                r#"data: {{"choices":[],"usage":{{"lattice_cost_usd":{cost},"prompt_tokens":1,"completion_tokens":1}}}}"#
            )
        };
        let (out, _) = relay(Asked::Yes, &[&with(theirs)]);
        assert_eq!(out, stream(&[&with("0.00012")]));
    }
}

#[test]
fn usage_inside_a_choice_is_read_and_its_event_kept() {
    let last = r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":3}}"#;
    let (out, relay) = relay(Asked::No, &[TEXT, last, DONE]);
    assert_eq!(out, stream(&[TEXT, last, DONE]));
    let usage = relay.progress().usage.unwrap();
    assert_eq!((usage.input, usage.output), (5, 3));
}

#[test]
fn an_empty_list_of_choices_without_usage_stays() {
    let azure = r#"data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}],"usage":null}"#;
    let bare = r#"data: {"choices":[],"model":"m"}"#;
    let (out, relay) = relay(Asked::No, &[azure, bare, TEXT, STOP, DONE]);
    assert_eq!(out, stream(&[azure, bare, TEXT, STOP, DONE]));
    assert_eq!(relay.progress().output_events, 2);
}

#[test]
fn an_unasked_usage_event_goes_even_when_it_counts_nothing() {
    let empty = r#"data: {"choices":[],"usage":{}}"#;
    let (out, relay) = relay(Asked::No, &[TEXT, empty, DONE]);
    assert_eq!(out, stream(&[TEXT, DONE]));
    assert_eq!(relay.progress().usage, None);
}

#[test]
fn usage_over_several_data_lines_gets_its_cost_in_place() {
    let usage = "data: {\"choices\":[],\ndata: \"usage\":\ndata: {\"prompt_tokens\":1,\r\ndata: \"completion_tokens\":1\ndata: }}";
    let (out, _) = relay(Asked::Yes, &[usage]);
    let expected = usage.replace("}}", r#","lattice_cost_usd":0.00012}}"#);
    assert_eq!(out, stream(&[&expected]));
    let (out, _) = relay(Asked::No, &[usage]);
    assert_eq!(out, "");
}

#[test]
fn a_read_of_whole_events_passes_without_a_copy() {
    let read = Bytes::from(stream(&[TEXT, ": comment", TEXT, TEXT]));
    let mut relay = watching(1);
    let mut out = Vec::new();
    relay.push(read.clone(), &mut |_| None, &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].as_ptr(), out[0].len()), (read.as_ptr(), read.len()));
    assert_eq!(relay.held(), 0);
}

#[test]
fn the_first_token_is_told_from_a_role() {
    for (event, speaks) in [
        (ROLE, false),
        (TEXT, true),
        (": PROCESSING", false),
        (
            r#"data: {"choices":[{"delta":{"role":"assistant","reasoning":"We"}}]}"#,
            true,
        ),
        (
            r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
            true,
        ),
        (r#"data: {"choices":[{"delta":{"tool_calls":[]}}]}"#, false),
        (r#"data: {"choices":[],"prompt_filter_results":[]}"#, false),
    ] {
        let (_, relay) = relay(Asked::No, &[event]);
        assert_eq!(relay.progress().first_token_seen, speaks, "{event}");
    }
}

#[test]
fn an_ending_is_told_from_a_cut() {
    let half = r#"data: {"choices":[{"index":0,"delta":{"content":"#;
    let error = r#"data: {"error":{"message":"overloaded","code":502},"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#;
    for (events, verdict) in [
        (&[ROLE, TEXT, STOP, DONE][..], Verdict::Finished),
        (&[TEXT, STOP], Verdict::Finished),
        (&[TEXT, DONE], Verdict::Finished),
        (&[TEXT], Verdict::Cut),
        (&[], Verdict::Cut),
        (&[TEXT, half], Verdict::Cut),
        (&[TEXT, error], Verdict::Errored),
        (&[TEXT, error, DONE], Verdict::Errored),
    ] {
        let (out, relay) = relay(Asked::No, events);
        assert_eq!(relay.ended(), verdict, "{events:?}");
        assert_eq!(out, stream(events));
    }
}

#[test]
fn all_choices_must_finish() {
    let stop = |index| {
        let event = format!(r#"data: {{"choices":[{{"index":{index},"finish_reason":"stop"}}]}}"#);
        Bytes::from(event + "\n\n")
    };
    let mut relay = watching(2);
    let mut out = Vec::new();
    for (index, verdict) in [
        (1, Verdict::Cut),
        (1, Verdict::Cut),
        (200, Verdict::Cut),
        (0, Verdict::Finished),
    ] {
        relay.push(stop(index), &mut |_| None, &mut out);
        assert_eq!(relay.ended(), verdict, "after {index}");
    }
}

#[test]
fn an_error_of_the_provider_is_kept_for_the_record() {
    for (event, message, code) in [
        (
            r#"{"error":{"message":"slow\u0020down","code":429}}"#,
            "slow down",
            Some("429"),
        ),
        (
            r#"{"error":{"message":"m","type":"server_error","code":null}}"#,
            "m",
            Some("server_error"),
        ),
        (r#"{"code":"x","error":"bad"}"#, "bad", None),
    ] {
        let event = format!("event: error\ndata: {event}");
        let (out, relay) = relay(Asked::No, &[&event]);
        let error = relay.progress().error.clone().unwrap();
        assert_eq!(error.message.as_deref(), Some(message));
        assert_eq!(error.code.as_deref(), code);
        assert_eq!(out, stream(&[&event]));
    }
}

const ERROR: ErrorBody<'_> = ErrorBody {
    status: 502,
    message: "The provider broke off. Try again.",
    param: None,
    code: None,
    retry_after: None,
    mark: Mark {
        gate: "execution",
        code: "provider_error",
        request_id: "r1",
    },
};

#[test]
fn half_an_event_at_the_end_is_dropped_and_the_error_event_stands_by_itself() {
    for tail in [
        r#"data: {"choices":[{"index":0,"delta":{"content":"half"#,
        "data: [DON",
        "data: ",
    ] {
        let reads = vec![Bytes::from(stream(&[TEXT])), Bytes::from(tail)];
        let (out, relay) = relayed(Asked::No, reads, None);
        assert_eq!(out, stream(&[TEXT]).as_bytes(), "{tail}");
        assert_eq!(relay.error_event(&ERROR), error_event());
    }
}

#[test]
fn a_whole_last_event_without_its_blank_line_passes_and_counts() {
    for end in ["", "\n", "\r"] {
        let whole = stream(&[TEXT]) + USAGE + end;
        let (out, relay) = relayed(Asked::Yes, vec![Bytes::from(whole.clone())], None);
        assert_eq!(out, whole.as_bytes());
        assert_eq!(relay.progress().usage, Some(COUNTED));
        assert_eq!(relay.ended(), Verdict::Cut);
        assert!(
            relay
                .error_event(&ERROR)
                .starts_with(b"\n\ndata: {\"error\"")
        );
    }
    let (_, relay) = relayed(Asked::No, vec![Bytes::from("data: [DONE]")], None);
    assert_eq!(relay.ended(), Verdict::Finished);
}

#[test]
fn an_error_event_is_one_json_object_and_no_done_follows() {
    let event = error_event();
    let text = std::str::from_utf8(&event).unwrap();
    let json = text
        .strip_prefix("data: ")
        .unwrap()
        .strip_suffix("\n\n")
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["lattice"]["code"], "provider_error");
    assert_eq!(json["error"]["type"], "server_error");
}

#[test]
fn an_oversize_event_passes_unread_and_counts_as_output() {
    let long = format!(
        r#"data: {{"choices":[],"usage":{{}},"x":"{}"}}"#,
        "y".repeat(MAX_EVENT)
    );
    let (out, relay) = relay(Asked::No, &[&long, DONE]);
    assert_eq!(out, stream(&[&long, DONE]));
    assert!(relay.progress().first_token_seen);
    assert_eq!(relay.progress().output_events, 1);
    let (_, relay) = relayed(Asked::No, cut(long.as_bytes(), &[10_000]), None);
    assert!(relay.error_event(&ERROR).starts_with(b"\n\n"));
}

#[test]
fn an_event_that_is_not_utf8_or_not_json_passes_unread() {
    let events: [&[u8]; 4] = [
        b"data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"x\":\"\xff\"},\"choices\":[]}\n\n",
        b"data: \xff\xfe\n\n",
        b"data: hello \"usage\": 5\n\n",
        b"data: [[[[\"usage\"\n\n",
    ];
    for event in events {
        let (out, relay) = relayed(Asked::No, vec![Bytes::copy_from_slice(event)], Some("1"));
        assert_eq!(out, event);
        assert_eq!(relay.progress().usage, None);
    }
}

#[test]
fn a_deep_event_does_not_exhaust_the_stack() {
    let event = format!(r#"data: {{"usage":{}"#, "[".repeat(60_000));
    let (out, _) = relay(Asked::Yes, &[&event]);
    assert_eq!(out, stream(&[&event]));
    let event = format!(
        r#"data: {{"usage":{{"prompt_tokens":{0}{1}}},"choices":{0}{1}}}"#,
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    let (out, _) = relay(Asked::Yes, &[&event]);
    assert_eq!(out, stream(&[&event]));
}

/// Streams of likely events, some spoiled, with several line ends.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let long = format!("data: {}", "z".repeat(MAX_EVENT));
    let event = prop_oneof![
        8 => Just(TEXT.to_owned()),
        1 => prop_oneof![Just(ROLE), Just(STOP), Just(USAGE), Just(DONE), Just(": c"), Just("data: {\"error\":\"e\"}")].prop_map(str::to_owned),
        1 => Just(USAGE.replace(",\"usage\"", ",\ndata: \"usage\"")),
        1 => Just(long),
        1 => "data: \\PC{0,20}",
    ];
    let end =
        prop_oneof![6 => Just("\n\n"), 1 => Just("\r\n\r\n"), 1 => Just("\r\r"), 1 => Just("\n")];
    proptest::collection::vec((event, end), 0..20).prop_map(|events| {
        let events: Vec<String> = events.into_iter().map(|(event, end)| event + end).collect();
        events.concat().into_bytes()
    })
}

proptest! {
    #[test]
    fn cuts_change_neither_bytes_nor_progress(
        stream in streams(),
        cuts in proptest::collection::vec(prop_oneof![1..200_usize, 1..100_000_usize], 1..6),
        asked in prop_oneof![Just(Asked::Yes), Just(Asked::No)],
    ) {
        let (whole, one) = relayed(asked, vec![Bytes::from(stream.clone())], Some("1.5"));
        let (pieces, other) = relayed(asked, cut(&stream, &cuts), Some("1.5"));
        prop_assert!(whole == pieces, "the bytes differ");
        prop_assert_eq!(one.progress(), other.progress());
        prop_assert_eq!(one.ended(), other.ended());
    }

    #[test]
    fn a_member_that_matters_is_seen_however_it_is_spaced_and_placed(
        spaces in proptest::collection::vec("[ \t]{0,3}", 4),
        noise in prop_oneof![Just(r#""usage":null"#), Just(r#""x":"\"usage\": null""#), Just(r#""error" : null"#), Just(r#""y":"usage""#)],
        before in any::<bool>(),
        which in 0..3_usize,
    ) {
        let [a, b, c, d] = &spaces[..] else { unreachable!() };
        let member = [
            format!(r#""usage"{a}:{b}{{"prompt_tokens":1,"completion_tokens":1}}"#),
            format!(r#""error"{a}:{b}"no""#),
            format!(r#""choices":[{{"index":0,"delta":{{}},"finish_reason"{a}:{b}"stop"}}]"#),
        ];
        let twin = noise.starts_with(["\"usage\"", "\"error\"", "-"][which]);
        let noise = if twin { r#""x":0"# } else { noise };
        let event = match before {
            true => format!("data: {{{c}{noise},{}{d}}}", member[which]),
            false => format!("data: {{{c}{},{noise}{d}}}", member[which]),
        };
        let (_, relay) = relay(Asked::Yes, &[TEXT, &event]);
        let progress = relay.progress();
        let seen = [progress.usage.is_some(), progress.error.is_some(), relay.ended() == Verdict::Finished];
        prop_assert!(seen[which], "{}", event);
        prop_assert_eq!(seen.iter().filter(|seen| **seen).count(), 1);
    }

    #[test]
    fn bytes_of_any_kind_pass_as_they_came(
        stream in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r')], 0..400),
        cuts in proptest::collection::vec(1..50_usize, 1..4),
    ) {
        let mut stream = stream;
        stream.extend_from_slice(b"\n\n");
        let (out, _) = relayed(Asked::Yes, cut(&stream, &cuts), None);
        prop_assert_eq!(out, stream);
    }
}
