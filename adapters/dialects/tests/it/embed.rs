//! Embeddings: requests, and replies across dialects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lattice_dialects::embed::{EmbedApi, EmbedRequest, GeminiRequest, OpenAiRequest, Verb};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::recorded::recordings;
use crate::support::json_text;

#[track_caller]
fn openai(body: &str) -> EmbedRequest {
    EmbedRequest::OpenAi(OpenAiRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap())
}

#[track_caller]
fn gemini(body: &str, verb: Verb) -> EmbedRequest {
    let body = Bytes::copy_from_slice(body.as_bytes());
    EmbedRequest::Gemini(GeminiRequest::parse(body, verb, "m").unwrap())
}

fn texts(request: &EmbedRequest) -> Vec<&str> {
    request.facts().prompt.texts().collect()
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

const BATCH: &str = r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"output_dimensionality":2,"taskType":"X"},{"content":{"role":"user","parts":{"text":"b"}},"outputDimensionality":2,"title":"t"}]}"#;

#[test]
fn every_kind_of_input_is_counted() {
    for (input, inputs, expected, tokens) in [
        (r#""a""#, 1, &["a"][..], 0),
        (r#"["a","\u0062",""]"#, 3, &["a", "b"], 0),
        ("[1,2,3]", 1, &[], 3),
        ("[[1,2],[3]]", 2, &[], 3),
    ] {
        let request = openai(&format!(r#"{{"model":"m","input":{input},"user":"u"}}"#));
        assert_eq!(request.facts().messages, inputs, "{input}");
        assert_eq!(texts(&request), expected, "{input}");
        assert_eq!(request.facts().prompt.tokens(), tokens, "{input}");
        assert_eq!(request.facts().output_cap, None);
    }
    let more = openai(r#"{"model":"m","input":"a","prompt":{"x":"a server may read it"}}"#);
    assert_eq!(texts(&more), ["a", "a server may read it"]);
    let batch = gemini(BATCH, Verb::Batch);
    assert_eq!(batch.facts().messages, 2);
    assert_eq!(texts(&batch), ["a", "X", "user", "b", "t"]);
    let one = gemini(r#"{"content":{"parts":[{"text":"a"}]}}"#, Verb::One);
    assert_eq!((one.facts().messages, texts(&one)), (1, vec!["a"]));
}

#[test]
fn what_cannot_be_governed_is_refused_by_its_name() {
    for (body, field) in [
        (r#"{"input":"a"}"#, Some("model")),
        (r#"{"model":"","input":"a"}"#, Some("model")),
        (r#"{"model":"m"}"#, Some("input")),
        (r#"{"model":"m","input":[]}"#, Some("input")),
        (r#"{"model":"m","input":["a",1]}"#, Some("input")),
        (r#"{"model":"m","input":[1,[2]]}"#, Some("input")),
        (r#"{"model":"m","input":[["a"]]}"#, Some("input")),
        (r#"{"model":"m","input":[-1]}"#, Some("input")),
        (r#"{"model":"m","input":{"text":"a"}}"#, Some("input")),
        (r#"{"model":"m","input":[{"text":"a"}]}"#, Some("input")),
        ("[]", None),
    ] {
        let error = OpenAiRequest::parse(Bytes::from(body)).unwrap_err();
        assert_eq!(error.field(), field, "{body}");
    }
    for (body, field) in [
        (r#"{"requests":[]}"#, Some("requests")),
        (r#"{"requests":{}}"#, Some("requests")),
        (r#"{"requests":["a"]}"#, Some("requests")),
        (r#"{"requests":[{"model":"other"}]}"#, Some("model")),
        (r#"{"requests":[{"task_type":"a","taskType":"b"}]}"#, None),
    ] {
        let error = GeminiRequest::parse(Bytes::from(body), Verb::Batch, "m").unwrap_err();
        assert_eq!(error.field(), field, "{body}");
    }
}

#[test]
fn in_the_same_dialect_only_the_models_name_changes() {
    let body = r#"{ "model" : "m", "input":["a"], "later_field":{ "x":1e5 } }"#;
    let request = openai(body);
    let out = request.encode(EmbedApi::OpenAi, "n").unwrap().body;
    assert_eq!(out, body.replace("\"m\"", "\"n\""));
    assert_eq!(request.encode(EmbedApi::OpenAi, "m").unwrap().body, body);
    let out = gemini(BATCH, Verb::Batch)
        .encode(EmbedApi::Gemini, "n")
        .unwrap()
        .body;
    assert_eq!(out, BATCH.replace("models/m", "models/n"));
}

#[test]
fn texts_go_to_the_other_dialect() {
    let request = openai(
        r#"{"model":"m","input":["a","b"],"dimensions":2,"encoding_format":"base64","user":"u"}"#,
    );
    let out = request.encode(EmbedApi::Gemini, "n").unwrap();
    let one = |text: &str| json!({"model": "models/n", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2});
    assert_eq!(
        json_of(&out.body),
        json!({"requests": [one("a"), one("b")]})
    );
    assert_eq!(out.noted, ["user"]);
    assert_eq!(
        request.path(EmbedApi::Gemini, "n"),
        "models/n:batchEmbedContents"
    );

    let request = gemini(BATCH, Verb::Batch);
    let out = request.encode(EmbedApi::OpenAi, "n").unwrap();
    assert_eq!(
        json_of(&out.body),
        json!({"model": "n", "input": ["a", "b"], "dimensions": 2, "encoding_format": "float"})
    );
    assert_eq!(out.noted, ["requests.taskType", "requests.title"]);
    assert_eq!(request.path(EmbedApi::OpenAi, "n"), "embeddings");
}

#[test]
fn what_the_other_dialect_cannot_be_given_is_refused() {
    for (body, field) in [
        (r#"{"model":"m","input":[1,2]}"#, "input"),
        (r#"{"model":"m","input":[[1,2]]}"#, "input"),
        (r#"{"model":"m","input":"a","later":1}"#, "later"),
        (
            r#"{"model":"m","input":"a","encoding_format":"int8"}"#,
            "encoding_format",
        ),
    ] {
        let refused = openai(body).encode(EmbedApi::Gemini, "n").unwrap_err();
        assert_eq!(refused.field, field, "{body}");
    }
    for (requests, field) in [
        (
            r#"[{"content":{"parts":[{"inlineData":{}}]}}]"#,
            "requests[0].content.parts[0].text",
        ),
        (
            r#"[{"content":{"parts":[{"text":"a"},{"text":"b"}]}}]"#,
            "requests[0].content.parts",
        ),
        (
            r#"[{"content":{"parts":[{"text":"a"}]},"auto_truncate":true}]"#,
            "requests[0].auto_truncate",
        ),
        (
            r#"[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"a"}]},"output_dimensionality":7}]"#,
            "requests[1].output_dimensionality",
        ),
    ] {
        let request = gemini(&format!(r#"{{"requests":{requests}}}"#), Verb::Batch);
        let refused = request.encode(EmbedApi::OpenAi, "n").unwrap_err();
        assert_eq!(refused.field, field, "{requests}");
    }
}

fn base64(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    STANDARD.encode(bytes)
}

const GOOGLES: &str = r#"{ "embeddings": [ {"values":[0.10, -2]}, {"values":[1e-3,4]} ] }"#;

#[test]
fn geminis_vectors_are_written_as_an_openai_client_asked_for_them() {
    let ask = r#"{"model":"m","input":["a","b"]"#;
    let body = Bytes::from(GOOGLES);
    let (reply, usage) = openai(&format!("{ask}}}"))
        .answer(EmbedApi::Gemini, &body, 5)
        .unwrap();
    assert_eq!(usage, None, "Gemini tells none");
    assert_eq!(
        String::from_utf8(reply.to_vec()).unwrap(),
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10, -2]},{"object":"embedding","index":1,"embedding":[1e-3,4]}],"model":"m","usage":{"prompt_tokens":5,"total_tokens":5}}"#
    );
    let asked = openai(&format!(r#"{ask},"encoding_format":"base64"}}"#));
    let (reply, _) = asked.answer(EmbedApi::Gemini, &body, 5).unwrap();
    let data = &json_of(&reply)["data"];
    assert_eq!(data[0]["embedding"], base64(&[0.1, -2.0]));
    assert_eq!(data[1]["embedding"], base64(&[0.001, 4.0]));
}

#[test]
fn openais_vectors_are_written_for_geminis_clients_in_the_order_of_the_texts() {
    let reply = format!(
        r#"{{"data":[{{"index":1,"embedding":"{}"}},{{"index":0,"embedding":[0.10,2]}}],"usage":{{"prompt_tokens":3,"total_tokens":3}}}}"#,
        base64(&[0.5, 1.5])
    );
    let request = gemini(BATCH, Verb::Batch);
    let (out, usage) = request.answer(EmbedApi::OpenAi, &reply.into(), 9).unwrap();
    assert_eq!(
        String::from_utf8(out.to_vec()).unwrap(),
        r#"{"embeddings":[{"values":[0.10,2]},{"values":[0.5,1.5]}],"usageMetadata":{"promptTokenCount":3}}"#
    );
    let usage = usage.unwrap();
    assert_eq!((usage.input, usage.output), (3, 0));
    let one = gemini(r#"{"content":{"parts":[{"text":"a"}]}}"#, Verb::One);
    let reply = r#"{"data":[{"embedding":[1]}]}"#;
    let (out, usage) = one.answer(EmbedApi::OpenAi, &reply.into(), 9).unwrap();
    assert_eq!(
        (out, usage),
        (r#"{"embedding":{"values":[1]}}"#.into(), None)
    );
}

#[test]
fn the_same_dialect_passes_and_numbers_become_the_base64_that_was_asked_for() {
    let reply = r#"{ "object":"list", "data":[ {"embedding":[0.5,1], "index":0 }, {"embedding":"AAAAPw=="} ], "x":1e5 }"#;
    let body = Bytes::from(reply);
    let floats = openai(r#"{"model":"m","input":["a","b"]}"#);
    let (out, usage) = floats.answer(EmbedApi::OpenAi, &body, 0).unwrap();
    assert_eq!((out.as_ptr(), usage), (body.as_ptr(), None));
    let asked = openai(r#"{"model":"m","input":["a","b"],"encoding_format":"base64"}"#);
    let (out, _) = asked.answer(EmbedApi::OpenAi, &body, 0).unwrap();
    let expected = reply.replace("[0.5,1]", &format!("\"{}\"", base64(&[0.5, 1.0])));
    assert_eq!(out, expected);
}

#[test]
fn one_vector_for_each_text_or_none_at_all() {
    let two = openai(r#"{"model":"m","input":["a","b"]}"#);
    for reply in [
        r#"{"data":[{"embedding":[1]}]}"#,
        r#"{"data":[]}"#,
        r#"{"error":{}}"#,
        "no JSON",
    ] {
        assert!(
            two.answer(EmbedApi::OpenAi, &reply.into(), 0).is_err(),
            "{reply}"
        );
    }
    let batch = gemini(BATCH, Verb::Batch);
    for indexes in [[0, 0], [1, 2], [7, 7]] {
        let [one, other] = indexes;
        let reply = format!(
            r#"{{"data":[{{"index":{one},"embedding":[1]}},{{"index":{other},"embedding":[2]}}]}}"#
        );
        let answer = batch.answer(EmbedApi::OpenAi, &reply.into(), 0);
        assert!(answer.is_err(), "{indexes:?}");
    }
    let pairs = [r#""x""#, "{}", r#"[1,"x"]"#, r#""AAA=""#, r#""AADAfw==""#];
    for garbled in pairs {
        let reply = format!(r#"{{"embeddings":[{{"values":[1]}},{{"values":{garbled}}}]}}"#);
        assert!(
            two.answer(EmbedApi::Gemini, &reply.into(), 0).is_err(),
            "{garbled}"
        );
    }
}

#[test]
fn recorded_embeddings_pass_and_translate() {
    let test = "recorded_embeddings_pass_and_translate";
    let Some(all) = recordings("openai.embeddings", "", test) else {
        return;
    };
    // Ollama's old path has another shape.
    let mut count = 0;
    for recording in all
        .iter()
        .filter(|it| it.json["request"]["path"] != "/api/embeddings")
    {
        count += 1;
        let request = openai(&recording.request().to_string());
        let answer = request.answer(EmbedApi::OpenAi, &recording.body(), 0);
        assert_eq!(
            answer.is_ok(),
            recording.status() == 200,
            "{}",
            recording.file
        );
        if let Ok((body, usage)) = answer {
            assert_eq!(body, recording.body(), "{}", recording.file);
            assert!(usage.unwrap().input > 0, "{}", recording.file);
        }
    }
    for recording in recordings("gemini.embed", "", test).unwrap() {
        count += 1;
        let model = recording.request()["requests"][0]["model"]
            .as_str()
            .unwrap()
            .to_owned();
        let body = recording.request().to_string();
        let request = GeminiRequest::parse(body.into(), Verb::Batch, &model).unwrap();
        let request = EmbedRequest::Gemini(request);
        let answer = request.answer(EmbedApi::Gemini, &recording.body(), 0);
        assert_eq!(
            answer.is_ok(),
            recording.status() == 200,
            "{}",
            recording.file
        );
        if recording.status() == 200 {
            assert_eq!(answer.unwrap().0, recording.body(), "{}", recording.file);
            let client = openai(r#"{"model":"m","input":"a","encoding_format":"base64"}"#);
            let (reply, _) = client
                .answer(EmbedApi::Gemini, &recording.body(), 7)
                .unwrap();
            let embedding = &json_of(&reply)["data"][0]["embedding"];
            let bytes = STANDARD.decode(embedding.as_str().unwrap()).unwrap();
            let sent = json_of(&recording.body());
            let sent = sent["embeddings"][0]["values"].as_array().unwrap();
            assert_eq!(bytes.len(), 4 * sent.len());
            let first = f32::from_le_bytes(bytes[..4].try_into().unwrap());
            assert_eq!(first, sent[0].as_f64().unwrap() as f32);
        }
    }
    println!("{count} recorded embeddings");
    assert!(count >= 7, "only {count}");
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(json in json_text()) {
        for body in [
            format!(r#"{{"model":"m","input":{json}}}"#),
            format!(r#"{{"model":"m","input":"a","dimensions":{json},"encoding_format":{json}}}"#),
        ] {
            if let Ok(request) = OpenAiRequest::parse(body.into()) {
                let request = EmbedRequest::OpenAi(request);
                let _ = request.encode(EmbedApi::Gemini, "n");
                let reply = format!(r#"{{"embeddings":[{{"values":{json}}}]}}"#);
                let _ = request.answer(EmbedApi::Gemini, &reply.into(), 0);
                let reply = format!(r#"{{"data":[{{"embedding":{json}}}],"usage":{json}}}"#);
                let _ = request.answer(EmbedApi::OpenAi, &reply.into(), 0);
            }
        }
        for body in [format!(r#"{{"requests":[{json}]}}"#), format!(r#"{{"requests":{json}}}"#)] {
            if let Ok(request) = GeminiRequest::parse(body.into(), Verb::Batch, "m") {
                let _ = EmbedRequest::Gemini(request).encode(EmbedApi::OpenAi, "n");
            }
        }
    }
}
