//! Replies and streams, piece by piece.

use lattice_dialects::canonical::Ended;
use serde_json::{Value, json};

use super::told::{events, whole};

/// A chunk of candidate 0.
fn chunk(parts: &str, finish: &str) -> String {
    let finish = match finish {
        "" => String::new(),
        reason => format!(r#","finishReason":"{reason}""#),
    };
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{parts}],"role":"model"}}{finish}}}],"responseId":"r","modelVersion":"m"}}"#
    )
}

/// The lines between the start and the finish.
fn blocks(chunks: &[&str]) -> Vec<String> {
    let last = chunks.len() - 1;
    let finish = |at| if at == last { "STOP" } else { "" };
    let chunks: Vec<String> = chunks
        .iter()
        .enumerate()
        .map(|(at, parts)| chunk(parts, finish(at)))
        .collect();
    let (told, ended) = events(&chunks).unwrap();
    assert_eq!(ended, Ended::Whole);
    assert_eq!(told.lines[0], "start r m");
    let inner = &told.lines[1..told.lines.len() - 1];
    inner.to_vec()
}

#[test]
fn pieces_of_one_kind_are_one_block() {
    let told = blocks(&[
        r#"{"text":"a","thought":true},{"text":"b","thought":true}"#,
        r#"{"text":"c"}"#,
        r#"{"text":""},{"text":"d","thought":false}"#,
        r#"{"text":"e","thought":true}"#,
    ]);
    let expected = [
        "0 reasoning Gemini",
        "0 +a",
        "0 +b",
        "0 close",
        "0 text",
        "0 +c",
        "0 +d",
        "0 close",
        "0 reasoning Gemini",
        "0 +e",
        "0 close",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_signature_stays_with_its_part() {
    let cases: [(&[&str], &[&str]); 6] = [
        (
            &[r#"{"text":"a"}"#, r#"{"text":"","thoughtSignature":"S"}"#],
            &["0 text", "0 +a", "0 signature S", "0 close"],
        ),
        (
            &[r#"{"thoughtSignature":"S"}"#],
            &["0 text", "0 signature S", "0 close"],
        ),
        (
            &[r#"{"text":"a","thoughtSignature":"S"},{"text":"b","thoughtSignature":"T"}"#],
            &[
                "0 text",
                "0 +a",
                "0 signature S",
                "0 close",
                "0 text",
                "0 +b",
                "0 signature T",
                "0 close",
            ],
        ),
        (
            &[r#"{"text":"a","thought":true,"thoughtSignature":"S"}"#],
            &["0 reasoning Gemini", "0 +a", "0 signature S", "0 close"],
        ),
        (
            &[
                r#"{"text":"a","thought":true}"#,
                r#"{"text":"","thoughtSignature":"S"}"#,
            ],
            &[
                "0 reasoning Gemini",
                "0 +a",
                "0 close",
                "0 text",
                "0 signature S",
                "0 close",
            ],
        ),
        (
            &[
                r#"{"functionCall":{"name":"f","args":{}},"thoughtSignature":"S"},{"functionCall":{"name":"g","args":{ "x" : 1 }}}"#,
            ],
            &[
                "0 call call_lat_s_0 f",
                "0 signature S",
                "0 args {}",
                "0 close",
                "0 call call_lat_s_1 g",
                r#"0 args { "x" : 1 }"#,
                "0 close",
            ],
        ),
    ];
    for (chunks, expected) in cases {
        assert_eq!(blocks(chunks), expected, "{chunks:?}");
    }
}

#[test]
fn a_call_keeps_its_id_and_gets_one_where_it_has_none() {
    let told = blocks(&[
        r#"{"functionCall":{"id":"abc","name":"f"}}"#,
        r#"{"functionCall":{"id":"","name":"f","args":null}}"#,
        r#"{"functionCall":{"name":"f"}}"#,
    ]);
    let opened: Vec<_> = told.iter().filter(|line| line.contains("call ")).collect();
    let expected = [
        "0 call abc f",
        "0 call call_lat_s_0 f",
        "0 call call_lat_s_1 f",
    ];
    assert_eq!(opened, expected);
    assert!(!told.iter().any(|line| line.contains("args")), "{told:?}");
}

#[test]
fn arguments_that_come_leaf_by_leaf_are_put_together() {
    let leaf = |json: &str| {
        format!(r#"{{"functionCall":{{"partialArgs":[{json}],"willContinue":true}}}}"#)
    };
    let chunks = [
        r#"{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"S"}"#.to_owned(),
        leaf(r#"{"jsonPath":"$.text","stringValue":"a\"","willContinue":true}"#),
        leaf(r#"{"jsonPath":"$.text","stringValue":"b"}"#),
        leaf(
            r#"{"jsonPath":"$.list[0].n","numberValue":1.5},{"jsonPath":"$.list[1]['m']","boolValue":true}"#,
        ),
        leaf(r#"{"jsonPath":"$[\"odd.key\"]","nullValue":"NULL_VALUE"}"#),
        r#"{"functionCall":{}}"#.to_owned(),
        r#"{"text":"then"}"#.to_owned(),
    ];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let expected = [
        "0 call call_lat_s_0 f",
        "0 signature S",
        "0 close",
        "0 text",
        "0 +then",
        "0 close",
    ];
    let mut told = blocks(&chunks);
    // The order of an object's members means nothing.
    let arguments: Value =
        serde_json::from_str(told.remove(2).strip_prefix("0 args ").unwrap()).unwrap();
    assert_eq!(
        arguments,
        json!({ "list": [{ "n": 1.5 }, { "m": true }], "odd.key": null, "text": "a\"b" })
    );
    assert_eq!(told, expected);
}

#[test]
fn arguments_that_do_not_fit_together_are_garbled() {
    let deep = format!("${}", ".a".repeat(200));
    let paths = [
        "",
        "x",
        "$",
        "$[0]",
        "$.a[1]",
        "$.a[",
        "$['a",
        "$.a[x]",
        deep.as_str(),
    ];
    for path in paths {
        let chunk = chunk(
            &format!(
                r#"{{"functionCall":{{"name":"f","partialArgs":[{{"jsonPath":"{path}","stringValue":"x"}}]}}}}"#
            ),
            "STOP",
        );
        assert!(events(&[chunk]).is_err(), "{path}");
    }
    let clash = r#"{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a","numberValue":1},{"jsonPath":"$.a.b","numberValue":1}]}}"#;
    assert!(events(&[chunk(clash, "STOP")]).is_err());
}

#[test]
fn arguments_leaf_by_leaf_are_bounded() {
    let begin = chunk(r#"{"functionCall":{"name":"f","willContinue":true}}"#, "");
    let more = |path: &str, text: &str| {
        let leaf = format!(r#"{{"jsonPath":"{path}","stringValue":"{text}"}}"#);
        chunk(
            &format!(r#"{{"functionCall":{{"partialArgs":[{leaf}],"willContinue":true}}}}"#),
            "",
        )
    };
    let mut long = vec![begin.clone()];
    long.extend((0..40).map(|_| more("$.a", &"x".repeat(30_000))));
    assert!(events(&long).is_err());
    let mut wide = vec![begin];
    wide.extend((0..2000).map(|at| more(&format!("$.a{at}.b"), "")));
    assert!(events(&wide).is_err());
}

#[test]
fn what_only_gemini_has_is_named() {
    let told = blocks(&[
        r#"{"text":"a"},{"executableCode":{"code":"1"},"thoughtSignature":"S"},{"codeExecutionResult":{"output":"1"}}"#,
        r#"{"videoMetadata":{},"inlineData":{"data":"AA=="}},{"toolCall":{}},{"future":{"x":[1]},"mediaResolution":{}}"#,
        r#"{},{"text":null,"other":null}"#,
    ]);
    let natives: Vec<_> = told
        .iter()
        .filter_map(|line| line.strip_prefix("0 native "))
        .collect();
    let expected = [
        "executableCode",
        "codeExecutionResult",
        "inlineData",
        "toolCall",
        "future",
    ];
    assert_eq!(natives, expected);
    assert_eq!(told.len(), 3 + 2 * expected.len());
}

#[test]
fn finish_reasons_are_told_and_unknown_ones_are_errors() {
    let text = r#"{"text":"a"}"#;
    let call = r#"{"functionCall":{"name":"f"}}"#;
    let cases = [
        (text, "STOP", "Stop"),
        (call, "STOP", "ToolCalls"),
        (call, "MAX_TOKENS", "Length"),
        (text, "MAX_TOKENS", "Length"),
        (text, "SAFETY", "ContentFilter"),
        (text, "RECITATION", "ContentFilter"),
        (text, "BLOCKLIST", "ContentFilter"),
        (text, "PROHIBITED_CONTENT", "ContentFilter"),
        (text, "SPII", "ContentFilter"),
        (text, "MODEL_ARMOR", "ContentFilter"),
        (text, "IMAGE_SAFETY", "ContentFilter"),
        (text, "IMAGE_RECITATION", "ContentFilter"),
        (text, "MALFORMED_FUNCTION_CALL", "Error"),
        (call, "UNEXPECTED_TOOL_CALL", "Error"),
        (text, "MISSING_THOUGHT_SIGNATURE", "Error"),
        (text, "LANGUAGE", "Error"),
        (text, "OTHER", "Error"),
        (text, "CONTINUATION", "Error"),
        (text, "stop", "Error"),
        (text, "INVENTED_TOMORROW", "Error"),
    ];
    for (part, reason, finish) in cases {
        let (told, ended) = events(&[chunk(part, reason)]).unwrap();
        assert_eq!(ended, Ended::Whole);
        let expected = format!("0 {finish} {reason}");
        assert_eq!(told.lines.last(), Some(&expected));
    }
}

/// maximhq/bifrost#1489
#[test]
fn a_reply_in_one_piece_has_a_finish() {
    let told = whole(chunk(r#"{"text":"a"}"#, "STOP").as_bytes()).unwrap();
    let expected = ["start r m", "0 text", "0 +a", "0 close", "0 Stop STOP"];
    assert_eq!(told.lines, expected);
    for unfinished in [chunk(r#"{"text":"a"}"#, ""), "{}".into(), "[]".into()] {
        assert!(whole(unfinished.as_bytes()).is_err(), "{unfinished}");
    }
}

/// Portkey-AI/gateway#1534, envoyproxy/ai-gateway#1486, api7/aisix#170,
/// maximhq/bifrost#1961
#[test]
fn a_stream_that_stops_with_calls_has_them_all_and_says_so() {
    let one = r#"{"functionCall":{"name":"f","args":{"n":1}}}"#;
    let two = r#"{"functionCall":{"name":"f","args":{"n":2}}}"#;
    let chunks = [
        chunk(one, ""),
        chunk(two, ""),
        chunk(r#"{"text":""}"#, "STOP"),
    ];
    let (told, _) = events(&chunks).unwrap();
    let expected = [
        "start r m",
        "0 call call_lat_s_0 f",
        r#"0 args {"n":1}"#,
        "0 close",
        "0 call call_lat_s_1 f",
        r#"0 args {"n":2}"#,
        "0 close",
        "0 ToolCalls STOP",
    ];
    assert_eq!(told.lines, expected);
}

/// BerriAI/litellm#16893, Portkey-AI/gateway#1442
#[test]
fn a_streamed_thought_signature_is_told() {
    let call = r#"{"functionCall":{"name":"f"},"thoughtSignature":"S"}"#;
    let (told, _) = events(&[chunk(call, "STOP")]).unwrap();
    assert!(told.lines.contains(&"0 signature S".to_owned()));
}

/// agentjido/req_llm#638
#[test]
fn the_last_event_may_have_a_reason_and_no_parts() {
    for last in [
        r#"{"candidates":[{"finishReason":"MAX_TOKENS"}]}"#,
        r#"{"candidates":[{"finishReason":"MAX_TOKENS","content":{}}]}"#,
        r#"{"candidates":[{"finishReason":"MAX_TOKENS","content":{"role":"model","parts":null}}]}"#,
        r#"{"candidates":[{"finishReason":"MAX_TOKENS","content":{"parts":[]}}]}"#,
    ] {
        let chunks = [chunk(r#"{"text":"a"}"#, ""), last.to_owned()];
        let (told, ended) = events(&chunks).unwrap();
        assert_eq!(ended, Ended::Whole);
        let lines = &told.lines[1..];
        assert_eq!(lines, ["0 text", "0 +a", "0 close", "0 Length MAX_TOKENS"]);
    }
}

#[test]
fn more_may_come_after_the_reason() {
    let chunks = [
        chunk(r#"{"text":"a"}"#, "STOP"),
        chunk(r#"{"functionCall":{"name":"f"}}"#, ""),
        chunk("", "FINISH_REASON_UNSPECIFIED"),
        r#"{"usageMetadata":{"promptTokenCount":3,"totalTokenCount":5}}"#.to_owned(),
    ];
    let (told, ended) = events(&chunks).unwrap();
    assert_eq!(ended, Ended::Whole);
    let end = &told.lines[told.lines.len() - 2..];
    assert_eq!(end, ["0 ToolCalls STOP", "usage 3 0 0 2 0"]);
}

#[test]
fn choices_may_be_interleaved() {
    let of = |index: u32, text: &str, finish: &str| {
        format!(r#"{{"index":{index},"content":{{"parts":[{{"text":"{text}"}}]}}{finish}}}"#)
    };
    let stop = r#","finishReason":"STOP""#;
    let chunks = [
        format!(
            r#"{{"candidates":[{},{}]}}"#,
            of(1, "b", ""),
            of(0, "a", "")
        ),
        format!(
            r#"{{"candidates":[{},{}]}}"#,
            of(1, "d", stop),
            of(0, "c", stop)
        ),
    ];
    let (told, ended) = events(&chunks).unwrap();
    assert_eq!(ended, Ended::Whole);
    assert_eq!(
        (told.joined("0 +"), told.joined("1 +")),
        ("ac".into(), "bd".into())
    );
    let expected = ["0 close", "0 Stop STOP", "1 close", "1 Stop STOP"];
    assert_eq!(told.lines[told.lines.len() - 4..], expected);

    let (_, ended) = events(&chunks[..1]).unwrap();
    assert_eq!(ended, Ended::Cut);
    let half = [
        chunks[0].clone(),
        format!(r#"{{"candidates":[{}]}}"#, of(0, "c", stop)),
    ];
    assert_eq!(events(&half).unwrap().1, Ended::Cut);
    assert!(events(&[r#"{"candidates":[{"index":128}]}"#]).is_err());
}

#[test]
fn after_a_cut_nothing_is_finished_and_no_usage_told() {
    let usage = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":3}}"#;
    let (told, ended) = events(&[usage]).unwrap();
    assert_eq!(ended, Ended::Cut);
    assert_eq!(told.lines, ["start  ", "0 text", "0 +a"]);
    let (told, ended) = events::<&str>(&[]).unwrap();
    assert_eq!((told.lines.len(), ended), (0, Ended::Cut));
}

#[test]
fn a_refused_prompt_is_one_filtered_choice() {
    let body = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"m"}"#;
    let expected = [
        "start  m",
        "0 ContentFilter PROHIBITED_CONTENT",
        "usage 9 0 0 0 0",
    ];
    assert_eq!(whole(body.as_bytes()).unwrap().lines, expected);
    let (told, ended) = events(&[body]).unwrap();
    assert_eq!(
        (&told.lines[..], ended),
        (&expected.map(String::from)[..], Ended::Whole)
    );
    assert!(whole(br#"{"promptFeedback":{"safetyRatings":[]}}"#).is_err());
}

#[test]
fn an_error_is_the_last_event() {
    let error = r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#;
    let told = "error UNAVAILABLE overloaded";
    let text = chunk(r#"{"text":"a"}"#, "");
    for error in [error.to_owned(), format!("[{error}]")] {
        assert_eq!(whole(error.as_bytes()).unwrap().lines, [told]);
        let after = [text.clone(), error, text.clone(), "not JSON".into()];
        let (lines, ended) = events(&after[..3]).unwrap();
        assert_eq!(
            (lines.lines.last().unwrap().as_str(), ended),
            (told, Ended::Errored)
        );
        assert_eq!(lines.lines.len(), 4);
    }
    let (odd, _) = events(&[r#"{"error":{"code":500}}"#]).unwrap();
    assert_eq!(odd.lines, ["error 500 "]);
    let (odd, _) = events(&[r#"{"error":"gone"}"#]).unwrap();
    assert_eq!(odd.lines, ["error  gone"]);
}

#[test]
fn what_is_no_reply_is_garbled_and_not_quoted() {
    for data in [
        "",
        "secret",
        "[DONE]",
        "5",
        r#""secret""#,
        r#"{"candidates":"secret"}"#,
        r#"{"candidates":[{"content":{"parts":["secret"]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":5}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[]}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1},"willContinue":true}}]}}]}"#,
        r#"{"candidates":[{"index":-1}]}"#,
        r#"{"candidates":[]} {}"#,
    ] {
        let garbled = events(&[data]).unwrap_err();
        assert!(!garbled.to_string().contains("secret"), "{garbled}");
    }
}
