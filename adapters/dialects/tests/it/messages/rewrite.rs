//! What an upstream of the same dialect gets: the caller's bytes, but for a few.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::{MessagesRequest, Rewrite};
use lattice_dialects::canonical::{Maker, Proves, Sealed};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::json_text;

fn rewritten(body: &str, rewrite: &Rewrite<'_>) -> (String, Vec<String>) {
    let request = MessagesRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let encoded = request.rewrite(rewrite);
    (
        String::from_utf8(encoded.body.to_vec()).unwrap(),
        encoded.noted,
    )
}

fn seal() -> String {
    let sealed = Sealed {
        maker: Maker::Gemini,
        proves: Proves::Text,
        id: None,
        data: "sig".into(),
    };
    sealed.render()
}

const TO: Rewrite<'_> = Rewrite {
    model: Some("n"),
    output_cap: Some(7),
};

#[test]
fn the_model_and_the_cap_are_spliced_in_and_nothing_else() {
    let body = r#"{ "x":1e5, "max_tokens" : 9.0e0, "model":"m" }"#;
    assert!(MessagesRequest::parse(Bytes::from(body)).is_err());
    let body = "{ \"x\":1e5,\n\"max_tokens\" : 9, \"model\":\"\\u006d\", \"messages\":[{\"role\":\"user\" ,\"content\":\"a\"}] , \"y\":{\"model\":\"m\"} }";
    let (sent, noted) = rewritten(body, &TO);
    let expected = body
        .replace(": 9,", ": 7,")
        .replace(r#""\u006d""#, r#""n""#);
    assert_eq!(sent, expected);
    assert!(noted.is_empty());
}

#[test]
fn a_body_that_is_right_already_is_not_copied() {
    let body = Bytes::from(r#"{"model":"m","max_tokens":9,"messages":[{}]}"#);
    let request = MessagesRequest::parse(body.clone()).unwrap();
    for rewrite in [
        Rewrite::default(),
        Rewrite {
            model: Some("m"),
            output_cap: Some(9),
        },
    ] {
        assert_eq!(request.rewrite(&rewrite).body.as_ptr(), body.as_ptr());
    }
}

#[test]
fn a_request_to_count_tokens_gets_no_cap() {
    let body = Bytes::from(r#"{"model":"m","messages":[{}]}"#);
    let request = MessagesRequest::parse_count(body).unwrap();
    let sent = request.rewrite(&TO).body;
    assert_eq!(&sent[..], br#"{"model":"n","messages":[{}]}"#);
}

/// A request whose assistant said these blocks, <S> and <R> being sealed.
fn conversation(blocks: &str) -> String {
    let thinking = format!(
        r#"{{"type":"thinking","thinking":"t","signature":"{}"}}"#,
        seal()
    );
    let redacted = format!(r#"{{"type":"redacted_thinking","data":"{}"}}"#, seal());
    let blocks = blocks.replace("<S>", &thinking).replace("<R>", &redacted);
    format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"u"}}, {{"role":"assistant","content":{blocks}}} ,{{"role":"user","content":"v"}}]}}"#
    )
}

#[test]
fn thoughts_that_are_sealed_for_others_are_cut_out() {
    let text = r#"{"type":"text", "text":"a"}"#;
    let own = r#"{"type":"thinking","thinking":"t","signature":"EqQB"}"#;
    for (blocks, left) in [
        (format!("[<S>,{text}]"), format!("[{text}]")),
        (format!("[ <S> , <R> , {text} ]"), format!("[ {text} ]")),
        (format!("[{text} , <S>]"), format!("[{text}]")),
        (
            format!("[{text},<S> , {text}, <R>]"),
            format!("[{text} , {text}]"),
        ),
        (format!("[{own},{text}, <S>]"), format!("[{own},{text}]")),
    ] {
        let (sent, noted) = rewritten(&conversation(&blocks), &Rewrite::default());
        assert_eq!(sent, conversation(&left), "{blocks}");
        assert_eq!(
            noted,
            ["messages.content.thinking: thoughts of another provider were left out"]
        );
    }
}

#[test]
fn a_message_of_nothing_but_sealed_thoughts_goes_too() {
    let (sent, noted) = rewritten(&conversation("[<S>, <R>]"), &Rewrite::default());
    assert_eq!(
        sent,
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"u"} ,{"role":"user","content":"v"}]}"#
    );
    assert_eq!(noted.len(), 1);
}

#[test]
fn what_only_looks_like_a_seal_is_left_alone() {
    let seal = seal();
    for blocks in [
        format!(r#"[{{"type":"text","text":"{seal}"}}]"#),
        format!(r#"[{{"type":"text","text":"a","signature":"{seal}"}}]"#),
        r#"[{"type":"thinking","thinking":"t","signature":"AGxhdHRpY2Ux"}]"#.to_owned(),
        format!(r#""{seal}""#),
    ] {
        let body = conversation(&blocks);
        let (sent, noted) = rewritten(&body, &Rewrite::default());
        assert_eq!(sent, body);
        assert!(noted.is_empty());
    }
}

proptest! {
    #[test]
    fn fields_that_nobody_knows_pass_byte_for_byte(
        before in json_text(),
        between in json_text(),
        inside in json_text(),
        sealed in any::<bool>(),
    ) {
        let thought = format!(r#",{{"type":"thinking","signature":"{}"}}"#, seal());
        let thought = if sealed { thought.as_str() } else { "" };
        let body = |model: &str, cap: u64, thought: &str| format!(
            r#"{{"x1": {before} ,"model":"{model}","x2":{between}, "max_tokens" :{cap},"messages":[{{"role":"assistant","content":[{{"type":"x","y":{inside}}}{thought}]}}]}}"#
        );
        let (sent, noted) = rewritten(&body("m", 9, thought), &TO);
        prop_assert_eq!(&sent, &body("n", 7, ""));
        prop_assert_eq!(noted.len(), usize::from(sealed));
        prop_assert!(serde_json::from_str::<Value>(&sent).is_ok());
    }
}
