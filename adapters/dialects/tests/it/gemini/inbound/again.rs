//! Requests that reach Gemini through the canonical form.

use lattice_dialects::canonical::{Encoded, Target};
use lattice_dialects::gemini::generate::{GenerateRequest, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{parse, with};
use crate::support::json_text;

fn sent(request: &GenerateRequest, model: &str) -> (Value, Vec<String>) {
    let target = Target {
        model,
        output_cap: None,
    };
    let Encoded { body, noted } = encode(&request.canonical().unwrap(), &target).unwrap();
    (serde_json::from_slice(&body).unwrap(), noted)
}

#[test]
fn thinking_is_asked_for_as_the_model_takes_it() {
    let (flash, pro) = ("gemini-2.5-flash", "gemini-2.5-pro");
    let (new, old) = ("gemini-3-flash", "gemini-2.0-flash");
    for (model, asked, expected, notes) in [
        (
            flash,
            r#"{"thinkingBudget":300}"#,
            json!({"thinkingBudget": 300, "includeThoughts": true}),
            0,
        ),
        (
            flash,
            r#"{"thinkingBudget":300,"includeThoughts":false}"#,
            json!({"thinkingBudget": 300, "includeThoughts": false}),
            0,
        ),
        (
            pro,
            r#"{"thinkingBudget":7}"#,
            json!({"thinkingBudget": 128, "includeThoughts": true}),
            1,
        ),
        (
            flash,
            r#"{"thinkingBudget":0}"#,
            json!({"thinkingBudget": 0}),
            0,
        ),
        (
            pro,
            r#"{"thinkingBudget":0}"#,
            json!({"thinkingBudget": 128}),
            1,
        ),
        (flash, r#"{"thinkingBudget":-1}"#, Value::Null, 0),
        (
            flash,
            r#"{"includeThoughts":true}"#,
            json!({"includeThoughts": true}),
            0,
        ),
        (
            new,
            r#"{"thinkingBudget":300}"#,
            json!({"thinkingLevel": "LOW", "includeThoughts": true}),
            0,
        ),
        (
            new,
            r#"{"thinkingLevel":"HIGH","includeThoughts":false}"#,
            json!({"thinkingLevel": "HIGH", "includeThoughts": false}),
            0,
        ),
        (old, r#"{"includeThoughts":true}"#, Value::Null, 0),
        (old, r#"{"thinkingBudget":0}"#, Value::Null, 0),
        (old, r#"{"thinkingBudget":9}"#, Value::Null, 1),
    ] {
        let body = with(&format!(
            r#""generationConfig":{{"thinkingConfig":{asked}}}"#
        ));
        let (sent, noted) = sent(&parse(&body), model);
        let config = &sent["generationConfig"]["thinkingConfig"];
        assert_eq!(config, &expected, "{model} {asked}");
        assert_eq!(noted.len(), notes, "{model} {asked}: {noted:?}");
    }
}

#[test]
fn a_function_that_failed_has_failed_there_too() {
    let request = parse(
        r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f"}}]},
            {"parts":[{"functionResponse":{"name":"f","response":{"error":"no"}}}]}]}"#,
    );
    let (sent, _) = sent(&request, "gemini-3-flash");
    let response = &sent["contents"][1]["parts"][0]["functionResponse"]["response"];
    assert_eq!(response, &json!({"error": "no"}));
}

/// Turns of a conversation: questions, and answers with calls and their results.
fn contents() -> impl Strategy<Value = Vec<Value>> {
    let word = || "[a-z\"🦀]{1,5}";
    let ask = word().prop_map(|text| vec![json!({"role": "user", "parts": [{"text": text}]})]);
    let say = (word(), proptest::option::of("[A-Za-z]{4}")).prop_map(|(text, signature)| {
        let part = match signature {
            Some(signature) => json!({"text": text, "thoughtSignature": signature}),
            None => json!({"text": text}),
        };
        vec![json!({"role": "model", "parts": [part]})]
    });
    let call = (
        proptest::collection::vec((0..3_u8, json_text()), 1..4),
        any::<bool>(),
    );
    let call = call.prop_map(|(calls, failed)| {
        let of = |(name, json): &(u8, String)| {
            let args: Value = serde_json::from_str(json).unwrap();
            json!({"functionCall": {"name": format!("f{name}"), "args": {"a": args}}})
        };
        let results = |(index, (name, _)): (usize, &(u8, String))| {
            let key = if failed { "error" } else { "result" };
            json!({"functionResponse": {"name": format!("f{name}"), "response": {key: format!("r{index}")}}})
        };
        let parts: Vec<Value> = calls.iter().map(of).collect();
        let answers: Vec<Value> = calls.iter().enumerate().map(results).collect();
        vec![
            json!({"role": "model", "parts": parts}),
            json!({"role": "user", "parts": answers}),
        ]
    });
    let turns = proptest::collection::vec(prop_oneof![ask, say, call], 1..6);
    turns.prop_map(|turns| turns.concat())
}

proptest! {
    #[test]
    fn what_was_said_arrives_and_arrives_once(contents in contents()) {
        let first = parse(&json!({"contents": contents}).to_string());
        let (once, _) = sent(&first, "gemini-3-flash");
        let (twice, _) = sent(&parse(&once.to_string()), "gemini-3-flash");
        prop_assert_eq!(&once, &twice);
        // Neighbours of one role are one, and nothing else has changed.
        let parts = |contents: &Value| -> Vec<Value> {
            let all = contents.as_array().unwrap().iter();
            let all = all.flat_map(|it| it["parts"].as_array().unwrap().clone());
            all.filter(|part| part["text"] != "").collect()
        };
        let mut unsigned = parts(&json!(contents));
        for part in &mut unsigned {
            if part["text"].is_string() {
                part.as_object_mut().unwrap().remove("thoughtSignature");
            }
        }
        let sent = parts(&once["contents"]);
        // Results come before what is said in the same turn.
        let calls = |parts: &[Value], key: &str| -> Vec<Value> {
            parts.iter().filter(|part| part.get(key).is_some()).cloned().collect()
        };
        for key in ["text", "functionCall", "functionResponse"] {
            prop_assert_eq!(calls(&sent, key), calls(&unsigned, key));
        }
    }
}
