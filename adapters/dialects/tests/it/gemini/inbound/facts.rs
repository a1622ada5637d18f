//! What is read from a request.

use bytes::Bytes;
use lattice_dialects::gemini::generate::GenerateRequest;

use super::{parse, with};

fn texts(request: &GenerateRequest) -> Vec<&str> {
    request.facts.prompt.texts().collect()
}

#[test]
fn a_plain_request_is_read_and_its_defaults_filled_in() {
    let body = Bytes::from(r#"{"contents":[{"parts":[{"text":"h\u0069"}]}]}"#);
    let request = GenerateRequest::parse(body, "gemini-x", true).unwrap();
    assert_eq!(request.facts.model, "gemini-x");
    assert_eq!((request.facts.messages, request.facts.n), (1, 1));
    assert!(request.facts.stream);
    assert!(!request.facts.has_tools && !request.facts.has_schema);
    assert_eq!(request.facts.output_cap, None);
    assert_eq!(texts(&request), ["hi"]);
}

#[test]
fn every_text_that_the_model_reads_is_found_and_payloads_are_counted_apart() {
    let request = parse(
        r#"{"model":"models/gemini-x","contents":[
          {"role":"user","parts":[
            {"text":"look"},
            {"inlineData":{"data":"AAAA","mimeType":"image/png"}},
            {"inline_data":{"mime_type":"audio/wav","data":"QUJDRA=="}},
            {"inlineData":{"mimeType":"application/pdf","data":"QQ=="}},
            {"inlineData":{"data":"QUI="}},
            {"file_data":{"file_uri":"https://example.com/a.png","mimeType":"image/png"}}]},
          {"role":"model","parts":[
            {"text":"hm","thought":true,"thoughtSignature":"S1"},
            {"functionCall":{"name":"f","args":{"data":"x","inlineData":{"data":"inside"}}}}]},
          {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"data":"y"},
            "parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}],
         "systemInstruction":{"parts":{"text":"be brief"}},
         "cachedContent":"cachedContents/1",
         "tools":[{"functionDeclarations":[{"name":"f","parameters":{"name":"not a tool"}}]},
                  {"google_search":{}},{"code_execution":null}],
         "generationConfig":{"maxOutputTokens":9,"candidateCount":2,"responseSchema":{"type":"OBJECT"},
                             "stopSequences":["not read"]},
         "labels":{"a":"not read"}}"#,
    );
    #[rustfmt::skip]
    assert_eq!(texts(&request), [
        "user", "look", "image/png", "audio/wav", "application/pdf", "image/png",
        "model", "hm", "S1", "f", "x", "inside",
        "user", "f", "y", "image/png",
        "be brief",
    ]);
    let prompt = &request.facts.prompt;
    assert_eq!((prompt.images(), prompt.documents()), (2, 2));
    assert_eq!((prompt.audio_bytes(), prompt.file_bytes()), (8, 8));
    // The URL, what is cached, and what the search finds.
    assert_eq!(prompt.references(), 3);
    let schemas: Vec<&str> = prompt.schemas().collect();
    assert_eq!(schemas.len(), 2);
    assert!(schemas[0].starts_with(r#"[{"functionDeclarations""#));
    assert_eq!(schemas[1], r#"{"type":"OBJECT"}"#);
    assert_eq!(
        request.facts.tool_names(),
        ["cachedContent", "f", "googleSearch"]
    );
    assert!(request.facts.has_tools && request.facts.has_schema);
    assert_eq!((request.facts.output_cap, request.facts.n), (Some(9), 2));
    assert_eq!(request.facts.messages, 3);
}

#[test]
fn text_in_the_place_of_a_payload_is_not_free() {
    for part in [
        r#"{"inlineData":"hidden"}"#,
        r#"{"inlineData":[{"data":"hidden"}]}"#,
        r#"{"inlineData":{"data":{"data":"hidden"}}}"#,
        r#"{"inlineData":{"data":["hidden"]}}"#,
        r#"{"fileData":{"fileUri":["hidden"]}}"#,
        r#"{"data":"hidden"}"#,
        r#"{"inline_data":{"mimeType":{"x":"hidden"}}}"#,
        r#"{"functionResponse":{"response":{"inlineData":{"data":"hidden"}}}}"#,
        r#"{"functionCall":{"args":{"fileData":{"fileUri":"hidden"}}}}"#,
    ] {
        let request = parse(&format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#));
        assert_eq!(texts(&request).last(), Some(&"hidden"), "{part}");
        assert_eq!(request.facts.prompt.images(), 0, "{part}");
    }
    let nested = parse(r#"{"contents":[[{"parts":[{"text":"hidden"}]}]]}"#);
    assert_eq!(texts(&nested), ["hidden"]);
    let flat = parse(r#"{"contents":["hidden"],"systemInstruction":"told"}"#);
    assert_eq!(texts(&flat), ["hidden", "told"]);
}

#[test]
fn both_spellings_are_read_and_lists_of_one_without_brackets() {
    let request = parse(
        r#"{"contents":{"parts":{"text":"q"}},
            "system_instruction":{"parts":{"text":"s"}},
            "tools":{"function_declarations":{"name":"f"}},
            "generation_config":{"max_output_tokens":7,"candidate_count":3,
                                 "response_json_schema":{}}}"#,
    );
    assert_eq!(texts(&request), ["q", "s"]);
    assert_eq!((request.facts.output_cap, request.facts.n), (Some(7), 3));
    assert_eq!(request.facts.tool_names(), ["f"]);
    assert!(request.facts.has_tools && request.facts.has_schema);
    assert_eq!(request.facts.messages, 1);
}

#[test]
fn a_field_that_comes_in_both_spellings_is_malformed() {
    for body in [
        with(r#""generationConfig":{},"generation_config":{}"#),
        with(r#""generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}"#),
        with(r#""tools":[{"functionDeclarations":[],"function_declarations":[]}]"#),
        r#"{"contents":[{"parts":[{"inlineData":{},"inline_data":{}}]}]}"#.to_owned(),
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"a","mime_type":"b"}}]}]}"#.to_owned(),
    ] {
        let error = GenerateRequest::parse(body.clone().into(), "m", false).unwrap_err();
        assert!(
            error.to_string().contains("duplicate key"),
            "{body}: {error}"
        );
    }
    // Arguments are the caller's own.
    parse(r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":{"aB":1,"a_b":2}}}]}]}"#);
}

#[test]
fn what_cannot_be_governed_is_refused_by_its_name() {
    for (body, field) in [
        (r#"{"contents":[]}"#.to_owned(), Some("contents")),
        (r#"{"contents":null}"#.to_owned(), Some("contents")),
        (r#"{"contents":"hi"}"#.to_owned(), Some("contents")),
        ("{}".to_owned(), Some("contents")),
        ("[]".to_owned(), None),
        (with(r#""model":"other""#), Some("model")),
        (with(r#""model":["gemini-x"]"#), Some("model")),
        (with(r#""generationConfig":[]"#), Some("generationConfig")),
        (
            with(r#""generationConfig":{"maxOutputTokens":0}"#),
            Some("generationConfig.maxOutputTokens"),
        ),
        (
            with(r#""generationConfig":{"max_output_tokens":"9"}"#),
            Some("generationConfig.maxOutputTokens"),
        ),
        (
            with(r#""generationConfig":{"candidateCount":129}"#),
            Some("generationConfig.candidateCount"),
        ),
    ] {
        let error = GenerateRequest::parse(body.clone().into(), "gemini-x", false).unwrap_err();
        assert_eq!(error.field(), field, "{body}: {error}");
    }
    let nameless = GenerateRequest::parse(with(r#""a":1"#).into(), "models/", false);
    assert_eq!(nameless.unwrap_err().field(), Some("model"));
}
