//! The same request for Gemini itself.

use lattice_dialects::canonical::{Encoded, Maker, Proves, Sealed, Target};

use super::{parse, with, with_model};

const SAME: Target<'_> = Target {
    model: "gemini-x",
    output_cap: None,
};

#[track_caller]
fn rewritten(body: &str, model: &str, output_cap: Option<u64>) -> String {
    let Encoded { body, noted } = parse(body).rewrite(&Target { model, output_cap });
    assert_eq!(noted, [""; 0]);
    String::from_utf8(body.to_vec()).unwrap()
}

fn sealed(proves: Proves) -> String {
    let seal = Sealed {
        maker: Maker::Anthropic,
        proves,
        id: None,
        data: "EqQB".to_owned(),
    };
    seal.render()
}

#[test]
fn nothing_to_change_is_the_same_bytes_not_a_copy() {
    let body = with(r#" "model" : "models/gemini-x", "later_field":{ "x":1e5 } "#);
    let request = parse(&body);
    let same = request.rewrite(&SAME);
    assert_eq!(same.body.as_ptr(), request.body().as_ptr());
    assert_eq!(same.body, request.body());
}

#[test]
fn the_models_name_is_replaced_where_the_body_repeats_it() {
    let body = with(r#" "model" : "gemini-x" "#);
    let expected = with(r#" "model" : "models/g\"2" "#);
    assert_eq!(rewritten(&body, "g\"2", None), expected);
    assert_eq!(rewritten(&with(r#""a":1"#), "g2", None), with(r#""a":1"#));
}

#[test]
fn the_output_cap_goes_where_it_is_spelled_or_where_it_belongs() {
    for (members, expected) in [
        (
            r#""a":1"#,
            r#""a":1,"generationConfig":{"maxOutputTokens":5}"#,
        ),
        (
            r#""generationConfig":{"maxOutputTokens": 9 }"#,
            r#""generationConfig":{"maxOutputTokens": 5 }"#,
        ),
        (
            r#""generation_config":{"max_output_tokens":null,"topK":1}"#,
            r#""generation_config":{"max_output_tokens":5,"topK":1}"#,
        ),
        (
            r#""generationConfig":{"topK":1 }"#,
            r#""generationConfig":{"topK":1 ,"maxOutputTokens":5}"#,
        ),
        (
            r#""generationConfig": { } "#,
            r#""generationConfig": {"maxOutputTokens":5} "#,
        ),
        (
            r#""generationConfig":null"#,
            r#""generationConfig":{"maxOutputTokens":5}"#,
        ),
        (
            r#""generationConfig":{"maxOutputTokens":5}"#,
            r#""generationConfig":{"maxOutputTokens":5}"#,
        ),
    ] {
        let out = rewritten(&with(members), "gemini-x", Some(5));
        assert_eq!(out, with(expected), "{members}");
    }
}

#[test]
fn thoughts_of_other_makers_are_cut_out_and_noted() {
    let seal = sealed(Proves::Text);
    let thought = format!(r#"{{"text":"hm","thought":true,"thoughtSignature":"{seal}"}}"#);
    let piece = r#"{ "text":"h", "thought": true }"#;
    let text = r#"{"text":"a"}"#;
    let own = r#"{"text":"b","thought":true,"thought_signature":"AbCd"}"#;
    for (parts, left) in [
        (format!("{thought} , {text}"), text.to_owned()),
        (format!("{text} , {thought}"), text.to_owned()),
        (
            format!("{piece},{thought},{piece}, {thought} ,{text}"),
            text.to_owned(),
        ),
        (
            format!("{text},{piece},{thought},{own}"),
            format!("{text},{own}"),
        ),
        (
            format!("{piece},{own},{thought},{text}"),
            format!("{piece},{own},{text}"),
        ),
    ] {
        let out = parse(&with_model(&parts)).rewrite(&SAME);
        let out_body = String::from_utf8(out.body.to_vec()).unwrap();
        assert_eq!(out_body, with_model(&left), "{parts}");
        assert_eq!(out.noted.len(), 1);
    }
}

#[test]
fn a_content_of_nothing_but_foreign_thoughts_goes_with_them() {
    let seal = sealed(Proves::Cipher);
    let ask = r#"{"role":"user","parts":[{"text":"q"}]}"#;
    let piece = r#"{"role":"model","parts":[{"text":"h","thought":true}]}"#;
    let thought = format!(
        r#"{{"role":"model","parts":{{"text":"","thought":true,"thought_signature":"{seal}"}}}}"#
    );
    let body = format!(r#"{{"contents":[ {ask} ,{piece}, {thought} ,{ask}]}}"#);
    let out = parse(&body).rewrite(&SAME);
    assert_eq!(
        out.body,
        format!(r#"{{"contents":[ {ask} ,{ask}]}}"#).as_bytes()
    );
}

#[test]
fn of_other_parts_only_the_seal_goes() {
    let seal = sealed(Proves::Call);
    let call = r#""functionCall":{"name":"f","args":{}}"#;
    for (part, left) in [
        (
            format!(r#"{{{call} , "thoughtSignature":"{seal}" }}"#),
            format!(r"{{{call} }}"),
        ),
        (
            format!(r#"{{"thought_signature" : "{seal}", {call}}}"#),
            format!(r"{{{call}}}"),
        ),
        (
            format!(r#"{{"x\"y":1,"thoughtSignature":"{seal}",{call}}}"#),
            format!(r#"{{"x\"y":1,{call}}}"#),
        ),
        (
            format!(r#"{{"thoughtSignature":"{seal}","x\"y\\":1}}"#),
            r#"{"x\"y\\":1}"#.to_owned(),
        ),
    ] {
        let out = parse(&with_model(&part)).rewrite(&SAME);
        let out_body = String::from_utf8(out.body.to_vec()).unwrap();
        assert_eq!(out_body, with_model(&left), "{part}");
    }
}
