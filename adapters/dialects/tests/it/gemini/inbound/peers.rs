//! Mistakes that other gateways have made between Gemini's clients and others, each
//! a test of what must happen instead.

use lattice_dialects::anthropic;
use lattice_dialects::canonical::Target;
use lattice_dialects::gemini::generate;
use serde_json::{Value, json};

use super::parse;
use super::write::chunks;
use crate::translated::{CALL, SEALED, TEXT, THOUGHT, claude, claudes, google, stream};

const TARGET: Target<'_> = Target {
    model: "m",
    output_cap: None,
};

/// The next request of a client that keeps every chunk as a content of its own, as
/// Google's does, and then answers the calls.
fn next(chunks: &[Value]) -> String {
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "q"}]})];
    let said = chunks
        .iter()
        .map(|chunk| chunk["candidates"][0]["content"].clone());
    contents.extend(said);
    let parts = contents
        .iter()
        .flat_map(|it| it["parts"].as_array().unwrap());
    let calls = parts
        .map(|part| &part["functionCall"])
        .filter(|it| it.is_object());
    let answers = calls.map(|call| {
        json!({"functionResponse": {"id": call["id"], "name": call["name"], "response": {"result": "r"}}})
    });
    let answers: Vec<Value> = answers.collect();
    contents.push(json!({"role": "user", "parts": answers}));
    // Google's client reads bytes, and writes them in the alphabet for URLs.
    let body = json!({ "contents": contents }).to_string();
    body.replace("+", "-")
}

#[test]
fn claudes_thoughts_come_back_through_a_client_of_geminis_to_the_byte_and_in_order() {
    let told = chunks(
        claude(),
        &claudes(&[THOUGHT, SEALED, TEXT, CALL], "tool_use"),
    );
    let request = parse(&next(&told));
    let request = request.canonical().unwrap();
    let sent = anthropic::messages::encode(&request, &TARGET).unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(
        sent["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "hm", "signature": "s1"},
            {"type": "thinking", "thinking": "", "signature": "s2"},
            {"type": "text", "text": "Hello"},
            {"type": "text", "text": " you"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        ])
    );
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], "toolu_1");
}

const TWO_CALLS: &str = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"sig"},{"functionCall":{"name":"g","args":{}}}]},"finishReason":"STOP"}]}"#;

#[test]
fn a_signature_on_a_call_goes_to_the_client_and_back() {
    let told = chunks(google(), &stream(&[TWO_CALLS]));
    let request = parse(&next(&told));
    let sent = generate::encode(&request.canonical().unwrap(), &TARGET).unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    let parts = &sent["contents"][1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "sig");
    assert_eq!(parts[1].get("thoughtSignature"), None);
    // Ids that Gemini has never seen are not told it.
    assert_eq!(parts[0]["functionCall"].get("id"), None);
    assert_eq!(
        sent["contents"][2]["parts"][1]["functionResponse"]["name"],
        "g"
    );
}

#[test]
fn a_reference_in_what_a_function_answered_is_text() {
    let answer = r##"{"$ref":"#/$defs/a"}"##;
    let request = parse(&format!(
        r#"{{"contents":[{{"parts":[{{"text":"q"}}]}},
          {{"role":"model","parts":[{{"functionCall":{{"name":"f","args":{{}}}}}}]}},
          {{"role":"user","parts":[{{"functionResponse":{{"name":"f","response":{answer}}}}}]}}]}}"#
    ));
    let request = request.canonical().unwrap();
    let sent = generate::encode(&request, &TARGET).unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    let response = &sent["contents"][2]["parts"][0]["functionResponse"]["response"];
    assert_eq!(response, &json!({"result": answer}));
}
