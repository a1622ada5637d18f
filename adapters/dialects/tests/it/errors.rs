//! Errors, listings and usage as they are written and read.

use bytes::Bytes;
use lattice_dialects::Api;
use lattice_dialects::canonical::Usage;
use lattice_dialects::error::{ErrorBody, Mark, annotate};
use lattice_dialects::openai::chat::usage_of;
use lattice_dialects::openai::{Model, list_models};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::json_text;

const MARK: Mark<'_> = Mark {
    gate: "execution",
    code: "provider_rejected",
    request_id: "req-1",
};
const MARKED: &str =
    r#""lattice":{"gate":"execution","code":"provider_rejected","request_id":"req-1"}"#;

fn annotated(body: &str, status: u16) -> String {
    let annotated = annotate(
        Api::Chat,
        &Bytes::copy_from_slice(body.as_bytes()),
        status,
        &MARK,
    );
    String::from_utf8(annotated.to_vec()).unwrap()
}

#[test]
fn an_error_of_ours_has_openais_shape_and_our_mark() {
    let error = ErrorBody {
        status: 400,
        message: "max_tokens \"x\"",
        param: Some("max_tokens"),
        code: None,
        retry_after: None,
        mark: MARK,
    };
    assert_eq!(
        Api::Chat.render_error(&error),
        format!(
            r#"{{"error":{{"message":"max_tokens \"x\"","type":"invalid_request_error","param":"max_tokens","code":"provider_rejected"}},{MARKED}}}"#
        )
    );
}

#[test]
fn the_type_of_an_error_follows_its_status() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "invalid_request_error"),
        (402, "insufficient_quota"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (413, "invalid_request_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ] {
        let error = ErrorBody {
            status,
            message: "",
            param: None,
            code: None,
            retry_after: None,
            mark: MARK,
        };
        let json: Value = serde_json::from_str(&Api::Chat.render_error(&error)).unwrap();
        assert_eq!(json["error"]["type"], kind, "{status}");
        assert_eq!(json["error"]["param"], Value::Null);
    }
}

#[test]
fn a_providers_object_keeps_its_bytes_and_gets_the_mark() {
    let cases = [
        (
            r#"{"error":{"message":"no"}}"#,
            format!(r#"{{"error":{{"message":"no"}},{MARKED}}}"#),
        ),
        (
            " {\"detail\" : \"x\" }\n",
            format!(" {{\"detail\" : \"x\" ,{MARKED}}}\n"),
        ),
        ("{ }", format!("{{ {MARKED}}}")),
        (
            r#"{"lattice":{"code":"theirs"},"a":1}"#,
            format!(r#"{{{MARKED},"a":1}}"#),
        ),
        (r#"{"lattice":null}"#, format!("{{{MARKED}}}")),
    ];
    for (body, expected) in cases {
        assert_eq!(annotated(body, 400), expected);
    }
}

#[test]
fn any_other_text_becomes_the_message_of_an_error() {
    for (body, message) in [
        ("upstream busy\n", "upstream busy"),
        ("[{\"error\":1}]", "[{\"error\":1}]"),
        ("{\"a\":", "{\"a\":"),
        ("", "The provider answered with status 503 and no text."),
    ] {
        let json: Value = serde_json::from_str(&annotated(body, 503)).unwrap();
        assert_eq!(json["error"]["message"], message);
        assert_eq!(json["error"]["type"], "server_error");
        assert_eq!(json["lattice"]["request_id"], "req-1");
    }
    let page = annotate(Api::Chat, &Bytes::from(vec![0xff; 1_000_000]), 502, &MARK);
    assert!(page.len() < 100_000);
}

#[test]
fn models_are_listed_as_openai_lists_them() {
    let model = Model {
        id: "a/\"b",
        created: 1,
        owned_by: "lattice",
    };
    let one = json!({"id": "a/\"b", "object": "model", "created": 1, "owned_by": "lattice"});
    assert_eq!(serde_json::from_str::<Value>(&model.render()).unwrap(), one);
    for count in 0..3 {
        let list: Value = serde_json::from_str(&list_models(vec![model; count])).unwrap();
        assert_eq!(
            list,
            json!({"object": "list", "data": vec![one.clone(); count]})
        );
    }
}

fn usage(json: &str) -> Option<[u64; 5]> {
    let usage = usage_of(format!(r#"{{"id":"x","usage":{json},"choices":[{{}}]}}"#).as_bytes())?;
    let Usage {
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
        ..
    } = usage;
    Some([input, cached_input, cache_write, output, reasoning])
}

#[test]
fn counts_that_cannot_be_trusted_are_no_usage() {
    for json in [
        "null",
        "{}",
        "[]",
        "5",
        r#""x""#,
        r#"{"prompt_tokens":5}"#,
        r#"{"prompt_tokens":-5,"completion_tokens":1}"#,
        r#"{"prompt_tokens":5.5,"completion_tokens":1}"#,
        r#"{"prompt_tokens":5.0,"completion_tokens":1}"#,
        r#"{"prompt_tokens":"5","completion_tokens":1}"#,
        r#"{"prompt_tokens":5,"completion_tokens":null}"#,
        r#"{"prompt_tokens":9007199254740993,"completion_tokens":1}"#,
        r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615}"#,
        r#"{"prompt_tokens":99999999999999999999,"completion_tokens":1}"#,
        r#"{"prompt_tokens":5,"completion_tokens":1,"total_tokens":-1}"#,
        r#"{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-1}}"#,
        r#"{"prompt_tokens":9007199254740992,"completion_tokens":9007199254740992,"completion_tokens_details":{"reasoning_tokens":9007199254740993}}"#,
        r#"{"prompt_tokens":5,"prompt_tokens":6,"completion_tokens":1}"#,
    ] {
        assert_eq!(usage(json), None, "{json}");
    }
    for body in ["", "x", "[]", "{}", "\u{feff}{}", r#"{"usage":"#] {
        assert_eq!(usage_of(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn tokens_that_only_the_total_shows_are_charged() {
    let cases = [
        // As OpenAI counts.
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":3}}"#,
            [9, 8, 0, 4, 3],
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":null,"completion_tokens_details":null}"#,
            [9, 0, 0, 4, 0],
        ),
        // Gemini leaves its thoughts to the total.
        (
            r#"{"prompt_tokens":66,"completion_tokens":6,"total_tokens":100}"#,
            [66, 0, 0, 34, 0],
        ),
        // xAI counts reasoning beside the completion.
        (
            r#"{"prompt_tokens":5,"completion_tokens":2,"total_tokens":107,"completion_tokens_details":{"reasoning_tokens":100}}"#,
            [5, 0, 0, 102, 100],
        ),
        (
            r#"{"prompt_tokens":5,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":100}}"#,
            [5, 0, 0, 102, 100],
        ),
        // Mistral counts audio beside the prompt.
        (
            r#"{"prompt_tokens":9,"completion_tokens":201,"total_tokens":585,"prompt_tokens_details":{"audio_tokens":375}}"#,
            [384, 0, 0, 201, 0],
        ),
        // Grok on Azure counts cached tokens beside the prompt.
        (
            r#"{"prompt_tokens":78,"completion_tokens":9,"total_tokens":87,"prompt_tokens_details":{"cached_tokens":158}}"#,
            [236, 158, 0, 9, 0],
        ),
        // OpenRouter writes and reads the same tokens.
        (
            r#"{"prompt_tokens":2168,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2161,"cache_write_tokens":2161}}"#,
            [2168, 2161, 2161, 1, 0],
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(usage(json), Some(expected), "{json}");
    }
}

proptest! {
    #[test]
    fn usage_holds_what_it_promises(
        counts in proptest::collection::vec(prop_oneof![0..50_u64, any::<u64>(), (1_u64 << 53) - 2..(1 << 53) + 2], 7),
    ) {
        let [p, c, t, hit, write, audio, r] = counts[..] else { unreachable!() };
        let json = format!(
            r#"{{"prompt_tokens":{p},"completion_tokens":{c},"total_tokens":{t},"prompt_tokens_details":{{"cached_tokens":{hit},"cache_write_tokens":{write},"audio_tokens":{audio}}},"completion_tokens_details":{{"reasoning_tokens":{r}}}}}"#
        );
        if let Some([input, cached, written, output, reasoning]) = usage(&json) {
            prop_assert!(input <= 1 << 53 && output <= 1 << 53);
            prop_assert!(cached <= input && written <= input && reasoning <= output);
            prop_assert!(input >= p && output >= c && input + output >= t);
        }
    }

    #[test]
    fn no_body_of_a_provider_makes_them_panic(body in json_text(), member in json_text()) {
        let object = format!(r#"{{"usage":{body},"error":{member},"lattice":{body}}}"#);
        for text in [&body, &object] {
            let _ = usage_of(text.as_bytes());
            let json: Value = serde_json::from_str(&annotated(text, 400)).unwrap();
            prop_assert_eq!(&json["lattice"]["request_id"], "req-1");
        }
    }
}
