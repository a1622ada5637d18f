//! countTokens: requests, and counts in every dialect.

use bytes::Bytes;
use lattice_dialects::canonical::Target;
use lattice_dialects::gemini::generate::{CountRequest, count_path, encode_count};
use lattice_dialects::{Api, count};
use serde_json::{Value, json};

use super::{parse, with};

#[track_caller]
fn read(body: &str) -> CountRequest {
    CountRequest::parse(Bytes::copy_from_slice(body.as_bytes()), "gemini-x").unwrap()
}

const WRAPPED: &str = r#"{"generateContentRequest":{"model":"models/gemini-x","contents":[{"parts":[{"text":"q"}]}],"system_instruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f"}]}]}}"#;

#[test]
fn contents_are_counted_and_whole_requests_too() {
    let bare = read(r#"{"contents":[{"parts":[{"text":"q"}]}]}"#);
    let wrapped = read(WRAPPED);
    assert_eq!(bare.facts().prompt.texts().collect::<Vec<_>>(), ["q"]);
    assert_eq!(
        wrapped.facts().prompt.texts().collect::<Vec<_>>(),
        ["q", "s"]
    );
    assert_eq!(wrapped.facts().tool_names(), ["f"]);
    assert_eq!(bare.canonical().unwrap().turns.len(), 1);
    let request = wrapped.canonical().unwrap();
    assert_eq!((request.system.len(), request.tools.len()), (1, 1));
}

#[test]
fn it_is_refused_as_the_request_itself_would_be() {
    let empty = CountRequest::parse(Bytes::from("{}"), "gemini-x");
    assert_eq!(empty.unwrap_err().field(), Some("contents"));
    let other = CountRequest::parse(Bytes::from(WRAPPED), "gemini-y");
    assert_eq!(other.unwrap_err().field(), Some("model"));
    let odd = WRAPPED.replace(r#""name":"f""#, r#""name":"f","later":1"#);
    assert_eq!(
        read(&odd).canonical().unwrap_err().field,
        "generateContentRequest.tools[0].functionDeclarations[0].later"
    );
}

#[test]
fn the_model_inside_follows_that_of_the_path() {
    assert_eq!(read(WRAPPED).rewrite("gemini-x").body, WRAPPED);
    let renamed = WRAPPED.replace("models/gemini-x", "models/g2");
    assert_eq!(read(WRAPPED).rewrite("g2").body, renamed);
    assert_eq!(count_path("models/g 2"), "models/g%202:countTokens");
}

#[test]
fn a_canonical_request_is_counted_whole() {
    let request = parse(&with(r#""systemInstruction":{"parts":[{"text":"s"}]}"#));
    let target = Target {
        model: "g2",
        output_cap: None,
    };
    let body = encode_count(&request.canonical().unwrap(), &target)
        .unwrap()
        .body;
    let json: Value = serde_json::from_slice(&body).unwrap();
    let inner = &json["generateContentRequest"];
    assert_eq!(inner["model"], "models/g2");
    assert_eq!(
        inner["contents"],
        json!([{"role": "user", "parts": [{"text": "q"}]}])
    );
    assert_eq!(
        inner["systemInstruction"],
        json!({"parts": [{"text": "s"}]})
    );
}

#[test]
fn counts_survive_the_round_trip_and_nonsense_is_none() {
    for api in [Api::Chat, Api::Responses, Api::Messages, Api::Generate] {
        assert_eq!(count::read(api, count::write(api, 42).as_bytes()), Some(42));
        for nonsense in [
            "",
            "{}",
            "[]",
            r#"{"totalTokens":-1}"#,
            r#"{"input_tokens":18446744073709551615}"#,
        ] {
            assert_eq!(count::read(api, nonsense.as_bytes()), None, "{nonsense}");
        }
    }
}
