//! Usage and errors as Anthropic words them.

use lattice_dialects::anthropic::messages::{read_error, usage};
use lattice_dialects::canonical::{ErrorFacts, Usage};
use proptest::prelude::*;

use crate::support::json_text;

#[test]
fn the_cache_is_counted_beside_the_input() {
    let cases = [
        (r#"{"input_tokens":9,"output_tokens":4}"#, [9, 0, 0, 4, 0]),
        (
            r#"{"input_tokens":4,"cache_creation_input_tokens":426,"cache_read_input_tokens":14210,"output_tokens":290,"output_tokens_details":{"thinking_tokens":15},"cache_creation":{"ephemeral_5m_input_tokens":426}}"#,
            [14640, 14210, 426, 290, 15],
        ),
        (
            r#"{"input_tokens":1,"cache_creation_input_tokens":null,"output_tokens":2,"output_tokens_details":{"thinking_tokens":3},"server_tool_use":{"x":-1}}"#,
            [1, 0, 0, 2, 2],
        ),
    ];
    for (json, [input, cached_input, cache_write, output, reasoning]) in cases {
        let expected = Usage {
            input,
            cached_input,
            cache_write,
            output,
            reasoning,
            ..Usage::NONE
        };
        assert_eq!(usage::read(json), Some(expected), "{json}");
    }
}

#[test]
fn counts_that_cannot_be_true_are_no_usage() {
    for json in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"input_tokens":1}"#,
        r#"{"output_tokens":1}"#,
        r#"{"input_tokens":null,"output_tokens":1}"#,
        r#"{"input_tokens":-1,"output_tokens":1}"#,
        r#"{"input_tokens":1.5,"output_tokens":1}"#,
        r#"{"input_tokens":"1","output_tokens":1}"#,
        r#"{"input_tokens":1,"output_tokens":9007199254740993}"#,
        r#"{"input_tokens":9007199254740992,"cache_read_input_tokens":1,"output_tokens":1}"#,
        r#"{"input_tokens":1,"cache_read_input_tokens":18446744073709551615,"output_tokens":1}"#,
        r#"{"input_tokens":1,"output_tokens":1,"output_tokens_details":{"thinking_tokens":-1}}"#,
        r#"{"input_tokens":1,"input_tokens":1,"output_tokens":1}"#,
    ] {
        assert_eq!(usage::read(json), None, "{json}");
    }
}

#[test]
fn errors_are_told_apart() {
    let facts = |kind: &str, message: &str| {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#
        );
        read_error(body.as_bytes()).unwrap()
    };
    let cases = [
        // Written by hand: no recording has them.
        (
            "rate_limit_error",
            "Number of request tokens has exceeded your limit",
            false,
            false,
        ),
        ("overloaded_error", "Overloaded", false, false),
        (
            "invalid_request_error",
            "prompt is too long: 213462 tokens > 200000 maximum",
            true,
            false,
        ),
        (
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000",
            true,
            false,
        ),
        ("api_error", "prompt is too long", false, false),
        ("authentication_error", "invalid x-api-key", false, true),
    ];
    for (kind, message, context_length, credential) in cases {
        let expected = ErrorFacts {
            message: Some(message.to_owned()),
            kind: Some(kind.to_owned()),
            context_length,
            credential,
            retry_after: None,
        };
        assert_eq!(facts(kind, message), expected);
    }
    let long = facts(&"k".repeat(1000), &"é".repeat(1000));
    assert_eq!(long.kind.unwrap().chars().count(), 64);
    assert_eq!(long.message.unwrap().chars().count(), 512);
    for body in [
        "",
        "{}",
        "null",
        "<html>",
        r#"{"error":"x"}"#,
        r#"{"error":null}"#,
    ] {
        assert_eq!(read_error(body.as_bytes()), None, "{body}");
    }
}

proptest! {
    #[test]
    fn usage_comes_back_as_it_was(
        parts in proptest::array::uniform5(prop_oneof![0..50_u64, 0..1_u64 << 51]),
    ) {
        let [plain, cached_input, cache_write, visible, reasoning] = parts;
        let usage = Usage {
            input: plain + cached_input + cache_write,
            cached_input,
            cache_write,
            output: visible + reasoning,
            reasoning,
..Usage::NONE
};
        prop_assert_eq!(usage::read(&usage::render(&usage)), Some(usage));
    }

    #[test]
    fn no_body_makes_them_panic(json in json_text(), bytes in any::<Vec<u8>>()) {
        let _ = usage::read(&json);
        let _ = read_error(format!(r#"{{"error":{json}}}"#).as_bytes());
        let _ = read_error(&bytes);
    }
}
