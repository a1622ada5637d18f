//! A rewritten request differs where it must and nowhere else.

use bytes::Bytes;
use lattice_dialects::canonical::{Maker, Proves, Sealed};
use lattice_dialects::openai::responses::Rewrite;
use proptest::prelude::*;
use serde_json::Value;

use super::request::parsed;
use crate::support::json_text;

fn rewritten(body: &str, rewrite: &Rewrite<'_>) -> (String, Vec<String>) {
    let encoded = parsed(body).rewrite(rewrite);
    (
        String::from_utf8(encoded.body.to_vec()).unwrap(),
        encoded.noted,
    )
}

#[test]
fn what_needs_no_change_is_the_same_bytes() {
    let body = Bytes::from_static(br#" {"input" : "x", "model":"m" } "#);
    let request = lattice_dialects::openai::responses::ResponsesRequest::parse(body.clone());
    let same = request.unwrap().rewrite(&Rewrite {
        model: Some("m"),
        output_cap: None,
    });
    assert_eq!(same.body.as_ptr(), body.as_ptr());
    assert_eq!(same.noted, Vec::<String>::new());
}

#[test]
fn model_and_cap_are_spliced_in() {
    let rewrite = Rewrite {
        model: Some("gpt-5-\"x\""),
        output_cap: Some(64),
    };
    let cases = [
        (
            r#"{"model":"m", "input":"x" }"#,
            r#"{"model":"gpt-5-\"x\"", "input":"x" ,"max_output_tokens":64}"#,
        ),
        (
            r#"{"max_output_tokens" : null,"input":"x","model" :"m"}"#,
            r#"{"max_output_tokens" : 64,"input":"x","model" :"gpt-5-\"x\""}"#,
        ),
        (
            r#"{"max_output_tokens":9000,"input":[{"model":"m"}],"model":"m"}"#,
            r#"{"max_output_tokens":64,"input":[{"model":"m"}],"model":"gpt-5-\"x\""}"#,
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(rewritten(body, &rewrite), (expected.to_owned(), Vec::new()));
    }
}

fn seal(maker: Maker) -> String {
    Sealed {
        maker,
        proves: Proves::Text,
        id: None,
        data: "sig".into(),
    }
    .render()
}

#[test]
fn thoughts_of_other_makers_do_not_reach_openai() {
    let foreign = format!(
        r#"{{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"{}"}}"#,
        seal(Maker::Anthropic)
    );
    let own = r#"{"type":"reasoning","encrypted_content":"gAAAA","summary":[]}"#;
    let said = r#"{"role":"user","content":"AGxhdHRpY2Ux is no seal here"}"#;
    let cases = [
        (vec![&*foreign], vec![]),
        (vec![&foreign, &foreign], vec![]),
        (vec![&foreign, said], vec![said]),
        (vec![said, &foreign], vec![said]),
        (vec![said, &foreign, own], vec![said, own]),
        (
            vec![&foreign, said, &foreign, &foreign, own, &foreign],
            vec![said, own],
        ),
        (vec![said, own], vec![said, own]),
    ];
    for (sent, kept) in cases {
        for comma in [",", " ,\n "] {
            let body =
                |items: &[&str]| format!("{{\"model\":\"m\",\"input\":[ {} ]}}", items.join(comma));
            let (got, noted) = rewritten(&body(&sent), &Rewrite::default());
            let same = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(same(&got), same(&body(&kept)), "{got}");
            assert_eq!(noted.len(), usize::from(sent.len() != kept.len()));
        }
    }
}

proptest! {
    #[test]
    fn fields_that_nobody_knows_survive_byte_for_byte(
        unknown in json_text(),
        item in json_text(),
        cap in proptest::option::of(1_u64..),
    ) {
        let body = format!(r#"{{"x" : {unknown}, "model":"m" ,"input":[ {item} ], "max_output_tokens":7 }}"#);
        let rewrite = Rewrite { model: Some("other"), output_cap: cap };
        let (got, _) = rewritten(&body, &rewrite);
        let expected = body
            .replace(r#""model":"m""#, r#""model":"other""#)
            .replace(
                r#""max_output_tokens":7"#,
                &format!(r#""max_output_tokens":{}"#, cap.unwrap_or(7)),
            );
        prop_assert_eq!(got, expected);
    }
}
