//! Errors and usage as Gemini reports them.

use std::time::Duration;

use lattice_dialects::canonical::{ErrorFacts, Usage};
use lattice_dialects::gemini::generate::{read_error, usage};

fn facts(body: &str) -> ErrorFacts {
    read_error(body.as_bytes()).unwrap()
}

#[test]
fn a_key_that_is_not_valid_is_the_gateways_fault_though_the_status_is_400() {
    let body = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"},{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US"}]}}"#;
    for body in [body.to_owned(), format!("[{body}\n]")] {
        let facts = facts(&body);
        assert!(facts.credential && !facts.context_length);
        assert_eq!(facts.kind.as_deref(), Some("INVALID_ARGUMENT"));
        let message = "API key not valid. Please pass a valid API key.";
        assert_eq!(facts.message.as_deref(), Some(message));
    }
    assert!(facts(r#"{"error":{"status":"UNAUTHENTICATED"}}"#).credential);
    assert!(!facts(r#"{"error":{"status":"PERMISSION_DENIED"}}"#).credential);
}

#[test]
fn the_wait_is_read_from_the_details() {
    let body = |delay: &str| {
        format!(
            r#"{{"error":{{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{{"violations":[]}},{{"retryDelay":{delay}}}]}}}}"#
        )
    };
    let cases = [
        (r#""34.4s""#, Some(Duration::from_millis(34_400))),
        (r#""7s""#, Some(Duration::from_secs(7))),
        (r#""0s""#, Some(Duration::ZERO)),
        (r#""-1s""#, None),
        (r#""infs""#, None),
        (r#""NaNs""#, None),
        (r#""1e300s""#, None),
        (r#""7""#, None),
        (r#""s""#, None),
        ("7", None),
        ("null", None),
    ];
    for (delay, expected) in cases {
        assert_eq!(facts(&body(delay)).retry_after, expected, "{delay}");
    }
}

#[test]
fn a_prompt_that_is_too_long_is_recognised() {
    let body = |message: &str| {
        format!(r#"{{"error":{{"code":400,"message":"{message}","status":"INVALID_ARGUMENT"}}}}"#)
    };
    for message in [
        "The input token count (1255211) exceeds the maximum number of tokens allowed (1048576).",
        "Unable to submit request because the input token count is 1200000 but model only supports up to 1048576.",
    ] {
        assert!(facts(&body(message)).context_length, "{message}");
    }
    assert!(!facts(&body("Please use a valid role: user, model.")).context_length);
}

#[test]
fn odd_errors_are_read_as_far_as_they_go() {
    assert_eq!(
        facts(r#"{"error":"gone"}"#).message.as_deref(),
        Some("gone")
    );
    let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(2000));
    assert_eq!(facts(&long).message.unwrap().chars().count(), 512);
    let odd = r#"{"error":{"code":"x","message":"words","details":{"a":1}}}"#;
    assert!(facts(odd).message.unwrap().contains("words"));
    for body in ["", "<html>", "{}", "[]", "5", r#"{"message":"x"}"#] {
        assert_eq!(read_error(body.as_bytes()), None, "{body}");
    }
}

fn read(json: &str) -> Option<[u64; 5]> {
    let Usage {
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
        ..
    } = usage::read(json)?;
    Some([input, cached_input, cache_write, output, reasoning])
}

#[test]
fn usage_is_read_whatever_includes_what() {
    let cases = [
        (r#"{"promptTokenCount":9}"#, [9, 0, 0, 0, 0]),
        (
            r#"{"promptTokenCount":9622,"candidatesTokenCount":35,"totalTokenCount":9793,"cachedContentTokenCount":9609,"thoughtsTokenCount":136}"#,
            [9622, 9609, 0, 171, 136],
        ),
        (
            r#"{"promptTokenCount":85,"candidatesTokenCount":122,"totalTokenCount":443,"toolUsePromptTokenCount":149,"thoughtsTokenCount":87}"#,
            [234, 0, 0, 209, 87],
        ),
        // Tokens that nobody claims.
        (
            r#"{"promptTokenCount":5,"candidatesTokenCount":2,"totalTokenCount":107}"#,
            [5, 0, 0, 102, 0],
        ),
        // A total that leaves the thoughts out.
        (
            r#"{"promptTokenCount":5,"candidatesTokenCount":2,"thoughtsTokenCount":9,"totalTokenCount":7}"#,
            [5, 0, 0, 11, 9],
        ),
        // Cached tokens beside the prompt.
        (
            r#"{"promptTokenCount":5,"candidatesTokenCount":2,"cachedContentTokenCount":90,"totalTokenCount":97}"#,
            [95, 90, 0, 2, 0],
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(read(json), Some(expected), "{json}");
    }
}

#[test]
fn counts_that_cannot_be_trusted_are_no_usage() {
    for json in [
        "null",
        "{}",
        "[]",
        r#"{"trafficType":"ON_DEMAND"}"#,
        r#"{"candidatesTokenCount":5}"#,
        r#"{"promptTokenCount":-5}"#,
        r#"{"promptTokenCount":5.0}"#,
        r#"{"promptTokenCount":"5"}"#,
        r#"{"promptTokenCount":9007199254740993}"#,
        r#"{"promptTokenCount":5,"thoughtsTokenCount":-1}"#,
        r#"{"promptTokenCount":5,"totalTokenCount":18446744073709551615}"#,
        r#"{"promptTokenCount":5,"totalTokenCount":99999999999999999999}"#,
        r#"{"promptTokenCount":9007199254740992,"toolUsePromptTokenCount":1}"#,
        r#"{"promptTokenCount":5,"promptTokenCount":6}"#,
    ] {
        assert_eq!(read(json), None, "{json}");
    }
}
