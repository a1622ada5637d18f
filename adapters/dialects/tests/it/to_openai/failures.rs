//! Errors in OpenAI's shape, and in those that servers like it have.

use std::time::Duration;

use lattice_dialects::canonical::ErrorFacts;
use lattice_dialects::openai::read_error;
use proptest::prelude::*;

use crate::recorded::recordings;
use crate::support::json_text;

fn facts(message: &str, kind: &str) -> ErrorFacts {
    ErrorFacts {
        message: Some(message.to_owned()),
        kind: Some(kind.to_owned()),
        ..ErrorFacts::default()
    }
}

#[test]
fn every_shape_that_was_seen_is_read() {
    for (body, expected) in [
        // OpenAI: the code, else the type.
        (
            r#"{"error":{"message":"No.","type":"invalid_request_error","param":"stop","code":"unsupported_parameter"}}"#,
            facts("No.", "unsupported_parameter"),
        ),
        (
            r#"{"error":{"message":"No.","type":"server_error","param":null,"code":null}}"#,
            facts("No.", "server_error"),
        ),
        // xAI.
        (
            r#"{"code":"The caller does not have permission","error":"Out of credits."}"#,
            facts("Out of credits.", "The caller does not have permission"),
        ),
        // Mistral, in four ways.
        (r#"{"detail":"Unauthorized"}"#, {
            let message = Some("Unauthorized".into());
            ErrorFacts {
                message,
                ..ErrorFacts::default()
            }
        }),
        (
            r#"{"object":"error","message":"Bad role.","type":"invalid_request_message_order","param":null,"code":"3230"}"#,
            facts("Bad role.", "invalid_request_message_order"),
        ),
        (
            r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","x",0],"msg":"Extra inputs are not permitted","input":true}]},"type":"invalid_request_error","param":null,"code":null}"#,
            facts(
                "body.x.0: Extra inputs are not permitted",
                "invalid_request_error",
            ),
        ),
        (r#"{"detail":[{"loc":["body"],"msg":"a"},{"msg":"b"}]}"#, {
            let message = Some("body: a; : b".into());
            ErrorFacts {
                message,
                ..ErrorFacts::default()
            }
        }),
        // OpenRouter: a number, and the words of the provider behind it.
        (
            r#"{"error":{"code":429,"message":"Provider returned error","metadata":{"provider_name":"Google","raw":"slow down"}},"user_id":"u"}"#,
            facts("Provider returned error: slow down", "429"),
        ),
        // Azure.
        (
            r#"{"error":{"type":"invalid_request_error","code":"DeploymentNotFound","message":"None."}}"#,
            facts("None.", "DeploymentNotFound"),
        ),
        // Groq.
        (
            r#"{"error":{"message":"Failed to call a function.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"{"}}"#,
            facts("Failed to call a function.", "tool_use_failed"),
        ),
        // Ollama, in two ways.
        (
            r#"{"error":{"message":"boom","type":"api_error","param":null,"code":null}}"#,
            facts("boom", "api_error"),
        ),
        (r#"{"error":"boom"}"#, {
            let message = Some("boom".into());
            ErrorFacts {
                message,
                ..ErrorFacts::default()
            }
        }),
        // Cerebras.
        (
            r#"{"message":"No.","type":"invalid_request_error","param":"validation_error","code":"wrong_api_format"}"#,
            facts("No.", "wrong_api_format"),
        ),
        // Google's endpoint for OpenAI's clients.
        (
            r#"[{"error":{"code":404,"message":"None.","status":"NOT_FOUND"}}]"#,
            facts("None.", "404"),
        ),
        // llama-server.
        (
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            facts("Loading model", "unavailable_error"),
        ),
    ] {
        assert_eq!(read_error(body.as_bytes()), Some(expected), "{body}");
    }
}

#[test]
fn what_is_no_error_is_not_understood() {
    for body in ["", "<html>", "[]", "{}", "null", "1", r#"{"choices":[]}"#] {
        assert_eq!(read_error(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn a_prompt_that_is_too_long_is_known_by_code_or_words() {
    let says = |message: &str| format!(r#"{{"error":{{"message":"{message}","type":"t"}}}}"#);
    for body in [
        r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#.to_owned(),
        r#"{"error":{"code":500,"message":"x","type":"exceed_context_size_error","n_ctx":256}}"#.to_owned(),
        says("This model's maximum context length is 8192 tokens."),
        says("You passed 1015 input tokens. However, the model's context length is only 1024 tokens."),
        says("prompt too long; exceeded max context length by 9 tokens"),
        says("Please reduce the length of the messages or completion."),
        says("This model's maximum prompt length is 131072 but the request contains 200000 tokens."),
        says("the request exceeds the available context size. try increasing it"),
        r#"{"object":"error","message":"Prompt contains 9 tokens, too large for model with 8 maximum context length","code":"3051"}"#.to_owned(),
    ] {
        let facts = read_error(body.as_bytes()).unwrap();
        assert!(facts.context_length, "{body}");
    }
    let others = [
        says("Request too large for gpt-4o on tokens per min (TPM): Limit 30000"),
        says("max_tokens is too large"),
    ];
    for body in others {
        assert!(
            !read_error(body.as_bytes()).unwrap().context_length,
            "{body}"
        );
    }
}

#[test]
fn a_refused_credential_is_not_the_callers_fault() {
    for body in [
        r#"{"error":{"message":"Incorrect API key provided: x","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key"}}"#,
        r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***"}"#,
        r#"{"error":{"message":"x","type":"authentication_error"}}"#,
    ] {
        assert!(read_error(body.as_bytes()).unwrap().credential, "{body}");
    }
    let quota = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let quota = read_error(quota.as_bytes()).unwrap();
    assert_eq!(
        (quota.credential, quota.kind.as_deref()),
        (false, Some("insufficient_quota"))
    );
}

#[test]
fn a_wait_is_read_from_the_sentence() {
    for (words, millis) in [
        ("Please try again in 6ms. Visit", Some(6)),
        ("Please try again in 20s.", Some(20_000)),
        ("Please try again in 1m2.5s. Need more", Some(62_500)),
        ("try again in 7m12s", Some(432_000)),
        ("try again in 1h", Some(3_600_000)),
        ("try again in a while", None),
        ("try again in 0s", None),
        ("try again in 5", None),
        ("try again in 99999999999999999999999999h", None),
        ("Slow down.", None),
    ] {
        let body = format!(r#"{{"error":{{"message":"{words}"}}}}"#);
        let wait = read_error(body.as_bytes()).unwrap().retry_after;
        assert_eq!(wait, millis.map(Duration::from_millis), "{words}");
    }
}

#[test]
fn words_are_bounded() {
    let long = "é".repeat(1000);
    let body = format!(r#"{{"error":{{"message":"{long}","code":"{long}"}}}}"#);
    let facts = read_error(body.as_bytes()).unwrap();
    assert_eq!(facts.message.unwrap().chars().count(), 512);
    assert_eq!(facts.kind.unwrap().chars().count(), 64);
}

#[test]
fn recorded_errors_are_read() {
    let mut read = 0;
    for api in ["openai.chat", "openai.responses", "openai.embeddings"] {
        let test = "recorded_errors_are_read";
        let Some(all) = recordings(api, "", test) else {
            return;
        };
        for recording in all.iter().filter(|it| it.status() >= 400) {
            let facts = read_error(&recording.body()).unwrap();
            let status = recording.status();
            assert!(facts.message.is_some_and(|it| !it.is_empty()));
            assert_eq!(facts.credential, status == 401, "{}", recording.file);
            assert_eq!(
                facts.context_length,
                recording.file.contains("43b78b36af"),
                "{}",
                recording.file
            );
            read += 1;
        }
    }
    println!("{read} errors");
    assert!(read >= 13);
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(text in json_text(), key in "error|detail|message|code") {
        let _ = read_error(text.as_bytes());
        let _ = read_error(format!(r#"{{"error":{text}}}"#).as_bytes());
        let _ = read_error(format!(r#"{{"error":{{"{key}":{text},"metadata":{text}}}}}"#).as_bytes());
    }
}
