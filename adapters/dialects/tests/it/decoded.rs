//! Chat replies and streams with the habits of the servers that send them.

use lattice_dialects::canonical::{Decode, Ended, Finish, Garbled, Usage};
use lattice_dialects::openai::chat::Decoder;
use proptest::prelude::*;

use crate::order::{Told, decoded, decoded_whole};
use crate::support::json_text;

/// A chunk of choice 0.
fn chunk(delta: &str, finish: &str) -> String {
    format!(
        r#"{{"id":"r","model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
    )
}

fn stream(chunks: &[String]) -> String {
    chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect()
}

fn read(stream: &str) -> Result<(Told, Ended), Garbled> {
    decoded(stream.as_bytes(), &mut Decoder::new("s", 1))
}

/// What deltas of choice 0 say, finished for the reason given.
#[track_caller]
fn told(deltas: &[&str], reason: &str) -> Told {
    let mut chunks: Vec<String> = deltas.iter().map(|delta| chunk(delta, "null")).collect();
    chunks.push(chunk("{}", &format!("{reason:?}")));
    chunks.push("[DONE]".into());
    let (told, ended) = read(&stream(&chunks)).unwrap();
    assert_eq!(ended, Ended::Whole);
    told
}

fn calls(told: &Told) -> Vec<(&str, &str, &str)> {
    let calls = told.choices[&0].calls.iter();
    calls
        .map(|call| (&*call.id, &*call.name, &*call.arguments))
        .collect()
}

fn garbled(deltas: &[&str]) -> String {
    let mut chunks: Vec<String> = deltas.iter().map(|delta| chunk(delta, "null")).collect();
    chunks.push("[DONE]".into());
    read(&stream(&chunks)).unwrap_err().0
}

#[test]
fn everything_in_one_chunk_is_read_in_order() {
    let all = r#"{"role":"assistant","reasoning_content":"hm","content":"a","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}"#;
    let usage = chunk(all, r#""tool_calls""#).replace(
        r#""id":"r","#,
        r#""id":"r","usage":{"prompt_tokens":3,"completion_tokens":2},"#,
    );
    let (told, ended) = read(&stream(&[usage, "[DONE]".into()])).unwrap();
    assert_eq!(ended, Ended::Whole);
    let choice = &told.choices[&0];
    assert_eq!(choice.blocks, ["reasoning", "text", "call"]);
    assert_eq!((&*choice.reasoning, &*choice.text), ("hm", "a"));
    assert_eq!(calls(&told), [("c", "f", r#"{"a":1}"#)]);
    let counted = Usage {
        input: 3,
        output: 2,
        ..Usage::default()
    };
    assert_eq!(told.usage, Some(counted));
}

#[test]
fn a_first_chunk_without_choices_is_no_start() {
    let azure = r#"{"id":"","model":"","choices":[],"prompt_filter_results":[]}"#.to_owned();
    let chunks = [
        azure,
        chunk(r#"{"content":"a"}"#, r#""stop""#),
        "[DONE]".into(),
    ];
    let (told, _) = read(&stream(&chunks)).unwrap();
    assert_eq!(told.choices[&0].text, "a");
    assert_eq!(told.choices[&0].finish, Some(Finish::Stop));
}

#[test]
fn both_names_of_reasoning_are_one() {
    for delta in [
        r#"{"reasoning":"a"}"#,
        r#"{"reasoning_content":"a"}"#,
        r#"{"reasoning":"a","reasoning_content":"a"}"#,
        r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}"#,
        r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.summary","summary":"a"}]}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}"#,
        r#"{"content":[{"type":"thinking","thinking":"a"}]}"#,
    ] {
        let told = told(&[delta, r#"{"content":"b"}"#], "stop");
        let choice = &told.choices[&0];
        assert_eq!((&*choice.reasoning, &*choice.text), ("a", "b"), "{delta}");
    }
}

#[test]
fn signatures_end_the_block_that_they_are_of() {
    let entry = |index: u32, rest: &str| {
        format!(
            r#"{{"reasoning_details":[{{"type":"reasoning.text","format":"anthropic-claude-v1","index":{index},{rest}}}]}}"#
        )
    };
    let deltas = [
        entry(0, r#""text":"a""#),
        entry(0, r#""text":"b""#),
        entry(0, r#""signature":"s0""#),
        entry(1, r#""signature":"s1""#),
        r#"{"reasoning_details":[{"type":"reasoning.encrypted","format":"anthropic-claude-v1","data":"e","index":2}]}"#.to_owned(),
    ];
    let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
    let told = told(&deltas, "stop");
    let choice = &told.choices[&0];
    assert_eq!(choice.blocks, ["reasoning"; 3]);
    assert_eq!(choice.reasoning, "ab");
    assert_eq!(choice.proofs, ["s0", "s1", "e"]);
}

#[test]
fn googles_signature_beside_a_message_is_of_its_first_call_or_its_text() {
    let extra = r#""extra_content":{"google":{"thought":true,"thought_signature":"x"}}"#;
    for (message, blocks) in [
        (format!(r#"{{"content":"t",{extra}}}"#), ["text"]),
        (
            format!(
                r#"{{"tool_calls":[{{"id":"","function":{{"name":"f","arguments":"{{}}"}}}}],{extra}}}"#
            ),
            ["call"],
        ),
    ] {
        let told = told(&[&message], "stop");
        assert_eq!(told.choices[&0].blocks, blocks);
        assert_eq!(told.choices[&0].proofs, ["x"]);
    }
}

#[test]
fn a_signature_that_comes_before_its_call_waits_for_it() {
    let told = told(
        &[
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","format":"google-gemini-v1","id":"c","data":"x"}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"x"}}}]}"#,
        ],
        "tool_calls",
    );
    assert_eq!(told.choices[&0].blocks, ["call"]);
    assert_eq!(told.choices[&0].proofs, ["x"]);
}

#[test]
fn calls_whose_pieces_alternate_are_told_one_after_the_other() {
    let told = told(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":"{\"y\":"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"\"}\"}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
            r#"{"tool_calls":[{"index":2,"id":"c","function":{"name":"h"}}]}"#,
        ],
        "tool_calls",
    );
    assert_eq!(
        calls(&told),
        [
            ("a", "f", r#"{"x":1}"#),
            ("b", "g", r#"{"y":"}"}"#),
            ("c", "h", "")
        ]
    );
}

#[test]
fn pieces_of_a_call_are_told_as_they_come_once_the_call_before_is_complete() {
    let deltas = [
        (
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            3,
        ),
        (
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}"#,
            1,
        ),
        (
            r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}"#,
            2,
        ),
        (
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"{"}}]}"#,
            1,
        ),
        (
            r#"{"tool_calls":[{"index":2,"id":"c","function":{"name":"h","arguments":"{}"}}]}"#,
            0,
        ),
        (
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"}"}}]}"#,
            4,
        ),
    ];
    let mut decoder = Decoder::new("s", 1);
    for (delta, expected) in deltas {
        let mut events = 0;
        let data = chunk(delta, "null");
        let read = decoder.event(None, data.as_bytes(), &mut |_| events += 1);
        assert_eq!((read, events), (Ok(()), expected), "{delta}");
    }
}

#[test]
fn calls_that_are_numbered_alike_or_not_at_all_are_told_apart() {
    let alike = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]}"#;
    let bare = r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":"{}"}}]}"#;
    for delta in [alike, bare] {
        let told = told(&[delta], "tool_calls");
        assert_eq!(
            calls(&told),
            [("a", "f", "{}"), ("b", "g", "{}")],
            "{delta}"
        );
    }
    let nameless = bare.replace(r#""id":"a","#, "").replace(r#""id":"b","#, "");
    let told = told(&[&nameless], "tool_calls");
    assert_eq!(
        calls(&told),
        [("call_lat_s_0", "f", "{}"), ("call_lat_s_1", "g", "{}")]
    );
}

#[test]
fn a_server_that_repeats_id_and_name_makes_one_call() {
    let piece = |arguments: &str| {
        format!(
            r#"{{"tool_calls":[{{"index":0,"id":"a","function":{{"name":"f","arguments":{arguments:?}}}}}]}}"#
        )
    };
    let pieces = [piece("{\"a\""), piece(":1}"), piece("")];
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let told = told(&pieces, "tool_calls");
    assert_eq!(calls(&told), [("a", "f", r#"{"a":1}"#)]);
}

#[test]
fn arguments_may_be_the_object_itself() {
    let told = told(
        &[r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":{"x": [1]}}}]}"#],
        "tool_calls",
    );
    assert_eq!(calls(&told), [("a", "f", r#"{"x": [1]}"#)]);
}

#[test]
fn what_is_drawn_or_spoken_is_a_block_of_its_own_kind() {
    let told = told(
        &[
            r#"{"content":"See:","images":[],"audio":null}"#,
            r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]}"#,
            r#"{"audio":{"id":"audio_1","data":"aGk="}}"#,
        ],
        "stop",
    );
    assert_eq!(told.choices[&0].blocks, ["text", "native", "native"]);
}

#[test]
fn a_detail_of_no_type_is_a_thought_all_the_same() {
    let told = told(&[r#"{"reasoning_details":[{"text":"hm"}]}"#], "stop");
    assert_eq!(told.choices[&0].reasoning, "hm");
}

#[test]
fn the_old_function_call_is_a_call() {
    let told = told(
        &[
            r#"{"function_call":{"name":"f","arguments":"{"}}"#,
            r#"{"function_call":{"arguments":"}"}}"#,
        ],
        "function_call",
    );
    assert_eq!(calls(&told), [("call_lat_s_0", "f", "{}")]);
    assert_eq!(told.choices[&0].finish, Some(Finish::ToolCalls));
}

#[test]
fn reasons_to_finish_are_read_and_unknown_ones_are_no_success() {
    for (reason, expected) in [
        ("stop", Finish::Stop),
        ("length", Finish::Length),
        ("model_length", Finish::Length),
        ("content_filter", Finish::ContentFilter),
        ("error", Finish::Error),
        ("tool_calls", Finish::Error),
        ("brand_new", Finish::Error),
    ] {
        let told = told(&[r#"{"content":"a"}"#], reason);
        assert_eq!(told.choices[&0].finish, Some(expected), "{reason}");
    }
    let call = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#;
    for reason in ["stop", "tool_calls"] {
        let told = told(&[call], reason);
        assert_eq!(told.choices[&0].finish, Some(Finish::ToolCalls), "{reason}");
    }
}

#[test]
fn interleaved_choices_are_kept_apart() {
    let of = |index: u32, delta: &str, finish: &str| {
        chunk(delta, finish).replace(r#""index":0"#, &format!(r#""index":{index}"#))
    };
    let chunks = [
        of(1, r#"{"content":"b1"}"#, "null"),
        of(0, r#"{"content":"a1"}"#, "null"),
        of(1, r#"{"content":"b2"}"#, r#""length""#),
        of(0, r#"{"content":"a2"}"#, r#""stop""#),
    ];
    let (told, ended) = decoded(stream(&chunks).as_bytes(), &mut Decoder::new("s", 2)).unwrap();
    assert_eq!(ended, Ended::Whole);
    assert_eq!(told.choices[&0].text, "a1a2");
    assert_eq!(told.choices[&1].text, "b1b2");
    assert_eq!(told.choices[&1].finish, Some(Finish::Length));
    for short in [stream(&chunks[..3]), stream(&chunks[3..])] {
        let (_, ended) = decoded(short.as_bytes(), &mut Decoder::new("s", 2)).unwrap();
        assert_eq!(ended, Ended::Cut, "{short}");
    }
}

#[test]
fn errors_in_a_stream_end_it_whatever_their_shape() {
    for (event, words) in [
        (r#"data: {"error":{"message":"m","code":502}}"#, "m"),
        (r#"data: {"code":"x","error":"m"}"#, "m"),
        (r#"data: {"object":"error","message":"m","code":400}"#, "m"),
        ("event: error\ndata: {\"message\":\"m\"}", "m"),
    ] {
        let text = stream(&[chunk(r#"{"content":"a"}"#, "null")]);
        let (told, ended) = read(&format!("{text}{event}\n\n{text}data: [DONE]\n\n")).unwrap();
        assert_eq!(ended, Ended::Errored, "{event}");
        assert_eq!(told.error.as_deref(), Some(words), "{event}");
        assert_eq!(told.choices[&0].text, "a");
    }
    let whole = decoded_whole(br#"{"error":"m"}"#, &mut Decoder::new("s", 1)).unwrap();
    assert_eq!(whole.error.as_deref(), Some("m"));
}

#[test]
fn handwritten_a_stream_that_is_cut_finishes_nothing() {
    let text = chunk(r#"{"content":"a"}"#, "null");
    let call = chunk(
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
        "null",
    );
    let chunks = [text.clone(), call];
    for chunks in [&chunks[..0], &chunks[..1], &chunks] {
        let (told, ended) = read(&stream(chunks)).unwrap();
        assert_eq!(ended, Ended::Cut);
        assert!(told.choices.values().all(|choice| choice.finish.is_none()));
        assert_eq!(told.usage, None);
    }
    let done = stream(&[text, "[DONE]".into()]);
    let (told, ended) = read(&done).unwrap();
    assert_eq!(ended, Ended::Whole);
    assert_eq!(told.choices[&0].finish, Some(Finish::Error));
}

#[test]
fn what_breaks_the_dialect_is_garbled() {
    let call = |arguments: &str| {
        format!(
            r#"{{"tool_calls":[{{"index":0,"id":"a","function":{{"name":"f","arguments":{arguments:?}}}}}]}}"#
        )
    };
    let open = call("{");
    for (deltas, why) in [
        (vec![r#"{"content":5}"#], "no chat completion"),
        (vec![&*call("[1]")], "no object"),
        (vec![&*call("{}{}")], "after their end"),
        (vec![&*open, r#"{"content":"x"}"#, &*open], "had ended"),
        (vec![r#"{"tool_calls":[{"index":0}]}"#], "without a name"),
    ] {
        let told = garbled(&deltas);
        assert!(told.contains(why), "{deltas:?}: {told}");
    }
    assert!(read("data: hello\n\n").is_err());
    assert!(read("data: [DONE]\n\n").is_err());
    let far = chunk("{}", "null").replace(r#""index":0"#, r#""index":128"#);
    assert!(read(&stream(&[far])).is_err());
}

#[test]
fn calls_that_wait_are_bounded() {
    let first = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}"#;
    let begin =
        r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{\"a\":\""}}]}"#;
    let long = format!(
        r#"{{"tool_calls":[{{"index":1,"function":{{"arguments":"{}"}}}}]}}"#,
        "x".repeat(300_000)
    );
    assert!(garbled(&[first, begin, &long, &long, &long, &long]).contains("1 MiB"));
    let more: String = (1..20_000)
        .map(|index| format!(r#"{{"index":{index},"function":{{"name":"f"}}}},"#))
        .collect();
    let more = format!(r#"{{"tool_calls":[{}]}}"#, more.trim_end_matches(','));
    let chunks = [chunk(first, "null"), chunk(&more, "null")];
    let mut decoder = Decoder::new("s", 1);
    let told = chunks
        .iter()
        .try_for_each(|chunk| decoder.event(None, chunk.as_bytes(), &mut |_| {}));
    assert!(told.unwrap_err().0.contains("1 MiB"));
}

/// Deltas of any mixture.
fn likely() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("\"a\""),
        Just("\"{\""),
        Just("\"}\""),
        Just("\"\""),
        Just("null")
    ];
    let index = prop_oneof![Just("0"), Just("1"), Just("2"), Just("null")];
    let call = (index.clone(), word.clone(), word.clone(), word.clone()).prop_map(
        |(index, id, name, arguments)| {
            format!(
                r#"{{"index":{index},"id":{id},"function":{{"name":{name},"arguments":{arguments}}}}}"#
            )
        },
    );
    let detail = (index, word.clone(), word.clone(), any::<bool>()).prop_map(
        |(index, text, id, cipher)| {
            let kind = if cipher { "encrypted" } else { "text" };
            format!(
                r#"{{"type":"reasoning.{kind}","text":{text},"data":{text},"signature":{text},"id":{id},"index":{index},"format":"google-gemini-v1"}}"#
            )
        },
    );
    let member = prop_oneof![
        1 => (prop_oneof![Just("content"), Just("refusal"), Just("reasoning")], word)
            .prop_map(|(key, word)| format!("\"{key}\":{word}")),
        3 => proptest::collection::vec(call, 0..4)
            .prop_map(|calls| format!("\"tool_calls\":[{}]", calls.join(","))),
        1 => proptest::collection::vec(detail, 0..3)
            .prop_map(|details| format!("\"reasoning_details\":[{}]", details.join(","))),
        1 => json_text().prop_map(|json| format!("\"other\":{json}")),
    ];
    member.prop_map(|member| format!("{{{member}}}"))
}

proptest! {
    /// `Told` panics where the order is broken. All end at the cap, because
    /// arguments are cut here as no server cuts them.
    #[test]
    fn any_mixture_of_deltas_keeps_the_order_or_is_garbled(
        deltas in proptest::collection::vec((likely(), 0..2_u32), 0..12),
    ) {
        let of = |index: u32, delta: &str, finish: &str| {
            chunk(delta, finish).replacen(r#""index":0"#, &format!(r#""index":{index}"#), 1)
        };
        let mut chunks: Vec<String> = deltas
            .iter()
            .map(|(delta, index)| of(*index, delta, "null"))
            .collect();
        chunks.extend([0, 1].map(|index| of(index, "{}", r#""length""#)));
        chunks.push("[DONE]".into());
        if let Ok((told, ended)) = read(&stream(&chunks)) {
            prop_assert_eq!(ended, Ended::Whole);
            prop_assert_eq!(told.choices.len(), 2);
        }
    }

    #[test]
    fn any_json_is_read_or_garbled(json in json_text()) {
        let _ = Decoder::new("s", 1).event(None, json.as_bytes(), &mut |_| {});
        let _ = Decoder::new("s", 1).whole(json.as_bytes(), &mut |_| {});
        let _ = Decoder::new("s", 1).event(None, chunk(&json, "null").as_bytes(), &mut |_| {});
    }
}
