//! A rewritten request differs where it must and nowhere else.

use std::collections::BTreeMap;

use bytes::Bytes;
use lattice_dialects::openai::chat::{CapField, ChatRequest, OutputCap, Rewrite};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::json_text;

fn rewritten(body: &str, rewrite: &Rewrite<'_>) -> String {
    let request = ChatRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    String::from_utf8(request.rewrite(rewrite).to_vec()).unwrap()
}

const ASK: Rewrite<'_> = Rewrite {
    model: None,
    include_usage: true,
    output_cap: None,
};

#[test]
fn the_usage_request_is_spliced_into_whatever_is_there() {
    let cases = [
        ("", r#","stream_options":{"include_usage":true}"#),
        (
            r#","stream_options":null"#,
            r#","stream_options":{"include_usage":true}"#,
        ),
        (
            r#","stream_options":{}"#,
            r#","stream_options":{"include_usage":true}"#,
        ),
        (
            r#","stream_options": { }"#,
            r#","stream_options": {"include_usage":true}"#,
        ),
        (
            r#","stream_options":{"include_obfuscation" :false }"#,
            r#","stream_options":{"include_obfuscation" :false ,"include_usage":true}"#,
        ),
        (
            r#","stream_options":{"include_usage" : false,"b":1}"#,
            r#","stream_options":{"include_usage" : true,"b":1}"#,
        ),
        (
            r#","stream_options":{"b":1,"include_usage":null}"#,
            r#","stream_options":{"b":1,"include_usage":true}"#,
        ),
        (
            r#","stream\u005foptions":{"\u0069nclude_usage":false}"#,
            r#","stream\u005foptions":{"\u0069nclude_usage":true}"#,
        ),
        (
            r#","stream_options":{"x":{"include_usage":false}}"#,
            r#","stream_options":{"x":{"include_usage":false},"include_usage":true}"#,
        ),
    ];
    for (before, after) in cases {
        let head = r#"  {"model":"m", "messages":[{}],"stream":true"#;
        let body = format!("{head}{before}}} \n");
        assert_eq!(rewritten(&body, &ASK), format!("{head}{after}}} \n"));
    }
}

#[test]
fn model_and_cap_are_replaced_in_place_or_added_at_the_end() {
    let rewrite = Rewrite {
        model: Some("a\"b"),
        include_usage: true,
        output_cap: Some(OutputCap {
            field: CapField::MaxTokens,
            tokens: 7,
        }),
    };
    assert_eq!(
        rewritten(
            r#"{"max_tokens": null ,"model":"\u006d","x":1.0e0,"messages":[{}]}"#,
            &rewrite
        ),
        r#"{"max_tokens": 7 ,"model":"a\"b","x":1.0e0,"messages":[{}]}"#
    );
    assert_eq!(
        rewritten(
            r#"{"model":"m","messages":[{}],"stream":true,"max_completion_tokens":9}"#,
            &rewrite
        ),
        r#"{"model":"a\"b","messages":[{}],"stream":true,"max_completion_tokens":9,"stream_options":{"include_usage":true},"max_tokens":7}"#
    );
}

#[test]
fn without_a_change_the_body_is_shared_and_not_copied() {
    let body = Bytes::from(
        r#"{"model":"m","messages":[{}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":5}"#,
    );
    let request = ChatRequest::parse(body.clone()).unwrap();
    let cap = OutputCap {
        field: CapField::MaxTokens,
        tokens: 5,
    };
    for rewrite in [
        Rewrite::default(),
        Rewrite {
            model: Some("m"),
            include_usage: true,
            output_cap: Some(cap),
        },
    ] {
        assert_eq!(request.rewrite(&rewrite).as_ptr(), body.as_ptr());
    }
    let whole = Bytes::from(r#"{"model":"m","messages":[{}]}"#);
    let request = ChatRequest::parse(whole.clone()).unwrap();
    assert_eq!(request.rewrite(&ASK).as_ptr(), whole.as_ptr());
}

/// The top-level members, each as it was spelled.
fn members(body: &str) -> BTreeMap<String, String> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(body).unwrap();
    members
        .into_iter()
        .map(|(key, value)| (key, value.get().to_owned()))
        .collect()
}

prop_compose! {
    fn requests()(
        extra in proptest::collection::btree_map("x_[a-z]{1,4}", json_text(), 0..6),
        options in prop_oneof![
            Just(None), Just(Some("null".to_owned())), Just(Some("{ }".to_owned())),
            json_text().prop_map(|value| Some(format!(r#"{{"x": {value} }}"#))),
            json_text().prop_map(|value| Some(format!(r#"{{"x":{value}, "include_usage" :false}}"#))),
            Just(Some(r#"{"include_usage":true}"#.to_owned())),
        ],
        cap in proptest::option::of(prop_oneof![Just("null".to_owned()), (1_u64..).prop_map(|cap| cap.to_string())]),
        stream in any::<bool>(),
        front in any::<bool>(),
    ) -> String {
        let mut members: Vec<String> =
            extra.iter().map(|(key, value)| format!("\"{key}\" :\t{value}")).collect();
        members.extend(options.map(|it| format!(r#""stream_options": {it}"#)));
        members.extend(cap.map(|it| format!(r#""max_completion_tokens":{it}"#)));
        let ours = format!(r#""model" : "old","messages":[ {{"content":"\u0061"}} ],"stream":{stream}"#);
        members.insert(if front { 0 } else { members.len() }, ours);
        format!("\n{{ {} }} ", members.join(" ,\n"))
    }
}

proptest! {
    #[test]
    fn the_rest_of_a_request_is_untouched(
        body in requests(),
        model in proptest::option::of("\\PC{1,12}"),
        include_usage in any::<bool>(),
        tokens in proptest::option::of(1_u64..),
    ) {
        let cap = tokens.map(|tokens| OutputCap { field: CapField::MaxCompletionTokens, tokens });
        let rewrite = Rewrite { model: model.as_deref(), include_usage, output_cap: cap };
        let after = rewritten(&body, &rewrite);

        let mut expected: Value = serde_json::from_str(&body).unwrap();
        let mut touched = Vec::new();
        if let Some(model) = model {
            expected["model"] = json!(model);
            touched.push("model");
        }
        if include_usage && expected["stream"] == json!(true) {
            if !expected["stream_options"].is_object() {
                expected["stream_options"] = json!({});
            }
            expected["stream_options"]["include_usage"] = json!(true);
            touched.push("stream_options");
        }
        if let Some(tokens) = tokens {
            expected["max_completion_tokens"] = json!(tokens);
            touched.push("max_completion_tokens");
        }
        prop_assert_eq!(&expected, &serde_json::from_str::<Value>(&after).unwrap());

        let (mut before, mut rest) = (members(&body), members(&after));
        for key in touched {
            before.remove(key);
            rest.remove(key);
        }
        prop_assert_eq!(before, rest);
        ChatRequest::parse(Bytes::from(after)).unwrap();
    }
}
