//! Replies of other dialects, as a client of Responses gets them.

use bytes::Bytes;
use lattice_dialects::canonical::{
    Block, Delta, Ended, Event, Finish, Maker, Part, ProviderError, Sealed, Usage,
};
use lattice_dialects::error::{ErrorBody, Mark};
use lattice_dialects::openai::responses::{Decoder, MAX_OUTPUT, ResponsesRequest};
use lattice_dialects::reply::{Labels, Translator, Verdict, Writers};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::order::{check, complete};
use super::request::parsed;
use crate::order::{Told, decoded, decoded_whole};
use crate::support::cut;
use crate::translated::{BARE_CALL, CALL, SEALED, TEXT, THOUGHT, claude, claudes};

const LABELS: fn() -> Labels = || Labels {
    id: "abc".into(),
    created: 1_700_000_000,
    model: "asked".into(),
};

pub fn writers() -> Writers {
    parsed(r#"{"model":"asked","input":"x"}"#).writers(LABELS())
}

fn start<'a>() -> Event<'a> {
    Event::Start {
        id: "msg_theirs".into(),
        model: "claude-x".into(),
    }
}

fn open(block: Block<'_>) -> Event<'_> {
    Event::Open { choice: 0, block }
}

fn delta(delta: Delta<'_>) -> Event<'_> {
    Event::Delta { choice: 0, delta }
}

const CLOSE: Event<'_> = Event::Close { choice: 0 };

fn finish<'a>(finish: Finish) -> Event<'a> {
    Event::Finish {
        choice: 0,
        finish,
        native: "why".into(),
    }
}

const USAGE: Usage = Usage {
    input: 10,
    cached_input: 4,
    cache_write: 3,
    output: 7,
    reasoning: 2,
    ..Usage::NONE
};

fn streamed(events: &[Event<'_>], writers: Writers) -> String {
    let mut writer = writers.stream;
    for event in events {
        writer.event(event, &mut |_| None);
    }
    writer.end(&mut |_| Some("0.25".into()));
    String::from_utf8(writer.take().to_vec()).unwrap()
}

fn whole(events: &[Event<'_>], writers: Writers) -> Value {
    let mut writer = writers.whole;
    for event in events {
        writer.event(event);
    }
    serde_json::from_slice(&writer.finish(&mut |_| Some("0.25".into()))).unwrap()
}

fn reply<'a>() -> Vec<Event<'a>> {
    vec![
        start(),
        open(Block::Reasoning {
            maker: Maker::Anthropic,
            id: None,
        }),
        delta(Delta::Text("h".into())),
        delta(Delta::Text("".into())),
        delta(Delta::Text("m".into())),
        delta(Delta::Signature("sig".into())),
        CLOSE,
        open(Block::Text),
        delta(Delta::Text("so \n".into())),
        delta(Delta::Text("\"be\"".into())),
        CLOSE,
        open(Block::ToolCall {
            id: "toolu_1".into(),
            name: "f".into(),
        }),
        delta(Delta::Arguments("{\"a\"".into())),
        delta(Delta::Arguments(":1}".into())),
        CLOSE,
        open(Block::ToolCall {
            id: "toolu_2".into(),
            name: "g".into(),
        }),
        CLOSE,
        open(Block::Native {
            kind: "server_tool_use".into(),
        }),
        CLOSE,
        finish(Finish::ToolCalls),
        Event::Usage(USAGE),
    ]
}

#[test]
fn a_stream_has_every_event_in_its_order() {
    let events = check(&streamed(&reply(), writers()));
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| {
            event["type"]
                .as_str()
                .unwrap()
                .strip_prefix("response.")
                .unwrap()
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["id"], "resp_abc");
    assert_eq!(response["model"], "claude-x");
    let output = &response["output"];
    let ids: Vec<&Value> = output
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["id"])
        .collect();
    assert_eq!(ids, ["rs_abc_0", "msg_abc_1", "fc_abc_2", "fc_abc_3"]);
    assert_eq!(output[2]["call_id"], "toolu_1");
    assert_eq!(output[3]["arguments"], "{}");
    let seal = Sealed::open(output[0]["encrypted_content"].as_str().unwrap()).unwrap();
    assert_eq!((seal.maker, &*seal.data), (Maker::Anthropic, "sig"));
    assert_eq!(
        response["usage"],
        json!({
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 17,
            "lattice_cost_usd": 0.25,
        })
    );
}

#[test]
fn a_whole_reply_says_what_the_stream_of_it_ends_with() {
    let events = check(&streamed(&reply(), writers()));
    let response = whole(&reply(), writers());
    complete(&response);
    assert_eq!(response, events.last().unwrap()["response"]);
}

#[test]
fn blocks_without_a_form_are_counted() {
    let Writers {
        mut stream,
        mut whole,
    } = writers();
    for event in reply() {
        stream.event(&event, &mut |_| None);
        whole.event(&event);
    }
    assert_eq!((stream.omitted(), whole.omitted()), (1, 1));
}

#[test]
fn what_was_asked_for_is_said_again() {
    let body = r#"{"model":"m","input":"x","instructions":"be\nkind","tools":[
        {"type":"function","name":"f",
         "parameters":{}, "strict":false}
    ],"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,"temperature":0.10,"top_p":null,"metadata":{"a":"b"},"reasoning":{"effort":"low"},"text":{"verbosity":"low"},"store":true,"max_output_tokens":50}"#;
    let events = check(&streamed(&reply(), parsed(body).writers(LABELS())));
    let asked: Value = serde_json::from_str(body).unwrap();
    for event in [&events[0], &events[1], events.last().unwrap()] {
        let response = &event["response"];
        for key in [
            "instructions",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "temperature",
            "metadata",
            "reasoning",
            "text",
            "max_output_tokens",
        ] {
            assert_eq!(response[key], asked[key], "{key}");
        }
        assert!(response["top_p"].is_null());
        assert_eq!(response["store"], false, "nothing is kept");
    }
}

#[test]
fn what_is_long_is_not_said_three_times() {
    let long = "x".repeat(70_000);
    let body = format!(
        r#"{{"model":"m","input":"x","instructions":"{long}","tools":[{{"type":"function","name":"{long}"}}]}}"#
    );
    let stream = streamed(&reply(), parsed(&body).writers(LABELS()));
    assert!(stream.len() < 20_000);
    let events = check(&stream);
    assert_eq!(events[0]["response"]["tools"], json!([]));
}

#[test]
fn every_finish_has_its_ending() {
    let text = [open(Block::Text), delta(Delta::Text("x".into())), CLOSE];
    let refusal = [open(Block::Refusal), delta(Delta::Text("no".into())), CLOSE];
    for (block, end, status, reason) in [
        (&text, Finish::Stop, "completed", Value::Null),
        (
            &text,
            Finish::Length,
            "incomplete",
            "max_output_tokens".into(),
        ),
        (
            &text,
            Finish::ContentFilter,
            "incomplete",
            "content_filter".into(),
        ),
        (&refusal, Finish::ContentFilter, "completed", Value::Null),
        (&text, Finish::Error, "failed", Value::Null),
    ] {
        let mut events = vec![start()];
        events.extend(block.iter().cloned());
        events.extend([finish(end), Event::Usage(USAGE)]);
        let written = check(&streamed(&events, writers()));
        let response = &written.last().unwrap()["response"];
        assert_eq!(response["status"], status, "{end:?}");
        assert_eq!(
            response
                .pointer("/incomplete_details/reason")
                .unwrap_or(&Value::Null),
            &reason
        );
        if end == Finish::Error {
            let message = response["error"]["message"].as_str().unwrap();
            assert!(message.contains("why"), "the provider's word: {message}");
        }
        assert_eq!(response["usage"]["total_tokens"], 17);
        assert_eq!(whole(&events, writers())["status"], status);
    }
}

#[test]
fn a_signature_without_a_place_gets_an_item_of_its_own() {
    let events = [
        start(),
        open(Block::Text),
        delta(Delta::Text("x".into())),
        delta(Delta::Signature("on text".into())),
        CLOSE,
        open(Block::ToolCall {
            id: "c1".into(),
            name: "f".into(),
        }),
        delta(Delta::Signature("on call".into())),
        CLOSE,
        open(Block::Reasoning {
            maker: Maker::Anthropic,
            id: None,
        }),
        delta(Delta::Signature("both".into())),
        delta(Delta::Encrypted("dark".into())),
        CLOSE,
        finish(Finish::ToolCalls),
    ];
    let written = check(&streamed(&events, writers()));
    let output = written.last().unwrap()["response"]["output"].clone();
    let body = json!({"model": "m", "input": output}).to_string();
    let request = parsed(&body);
    let request = request.canonical().unwrap();
    let parts: Vec<String> = request.turns[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.text.to_string(),
            Part::ToolCall(call) => format!("{}~{:?}", call.id, call.signature.as_deref()),
            Part::Reasoning(it) => format!("{:?} {:?} {:?}", it.maker, it.signature, it.encrypted),
            _ => "?".to_owned(),
        })
        .collect();
    assert_eq!(
        parts,
        [
            "x",
            "Gemini Some(\"on text\") None",
            "c1~Some(\"on call\")",
            "Anthropic Some(\"both\") None",
            "Anthropic None Some(\"dark\")",
        ]
    );
}

#[test]
fn openais_own_thoughts_keep_their_name_and_cipher() {
    let events = [
        start(),
        open(Block::Reasoning {
            maker: Maker::OpenAi,
            id: Some("rs_theirs".into()),
        }),
        delta(Delta::Encrypted("gAAAA".into())),
        CLOSE,
        finish(Finish::Stop),
    ];
    let written = check(&streamed(&events, writers()));
    let item = &written.last().unwrap()["response"]["output"][0];
    assert_eq!(item["id"], "rs_theirs");
    assert_eq!(item["encrypted_content"], "gAAAA");
    assert_eq!(item["summary"], json!([]));
}

/// Of any maker but OpenAI the item can be told, and cut out before OpenAI sees it.
#[test]
fn thoughts_that_nobody_signed_are_sealed_all_the_same() {
    let events = [
        start(),
        open(Block::Reasoning {
            maker: Maker::Unknown,
            id: None,
        }),
        delta(Delta::Text("hm".into())),
        CLOSE,
        finish(Finish::Stop),
    ];
    let output = whole(&events, writers())["output"].clone();
    let body = json!({"model": "m", "input": output}).to_string();
    let encoded = parsed(&body).rewrite(&Default::default());
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(sent["input"], json!([]));
}

#[test]
fn a_reply_that_is_too_long_ends_with_an_error() {
    let mut translator = Translator::new(claude(), writers());
    let mut out = Vec::new();
    let mut written = 0;
    let piece = "x".repeat(500_000);
    let block = format!(
        r#"{{"type":"text","text":""}}|{}"#,
        vec![format!(r#"{{"type":"text_delta","text":"{piece}"}}"#); 30].join("|")
    );
    for chunk in claudes(&[&block], "end_turn").into_bytes().chunks(100_000) {
        translator.push(Bytes::copy_from_slice(chunk), &mut |_| None, &mut out);
        written += out.drain(..).map(|bytes| bytes.len()).sum::<usize>();
    }
    translator.finish(&mut |_| None, &mut out);
    assert_eq!(translator.ended(), Verdict::Cut);
    assert!(translator.garbled().unwrap().0.contains("longer"));
    assert_eq!(translator.usage(), None);
    assert!(written < MAX_OUTPUT + 2_000_000 && out.is_empty());
    let error = ErrorBody {
        status: 502,
        message: "too long",
        param: None,
        code: None,
        retry_after: None,
        mark: Mark {
            gate: "execution",
            code: "provider_error",
            request_id: "r",
        },
    };
    let event = translator.error_event(&error);
    let data = std::str::from_utf8(&event).unwrap().lines().nth(1).unwrap();
    let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    // created, in_progress, an item, its part, and what there was room for
    assert_eq!(data["sequence_number"], 4 + MAX_OUTPUT / 500_000 + 1);
}

/// A stream of Claude's as it reaches the caller, however it was cut.
fn claude_in(reads: Vec<Bytes>) -> String {
    let mut translator = Translator::new(claude(), writers());
    let mut out = Vec::new();
    for read in reads {
        translator.push(read, &mut |_| None, &mut out);
    }
    translator.finish(&mut |_| None, &mut out);
    assert_eq!(translator.ended(), Verdict::Finished);
    String::from_utf8(out.concat()).unwrap()
}

/// litellm#38809.
#[test]
fn a_signature_without_a_thought_reaches_the_client() {
    let stream = claudes(&[THOUGHT, SEALED, TEXT, CALL], "tool_use");
    let events = check(&claude_in(vec![stream.into()]));
    let response = &events.last().unwrap()["response"];
    let kinds: Vec<&Value> = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["type"])
        .collect();
    assert_eq!(
        kinds,
        ["reasoning", "reasoning", "message", "function_call"]
    );
    let sealed = response["output"][1]["encrypted_content"].as_str().unwrap();
    assert_eq!(Sealed::open(sealed).unwrap().data, "s2");
}

/// bifrost#6342, litellm#37852.
#[test]
fn thoughts_between_calls_stay_there_and_no_item_is_closed_unopened() {
    let stream = claudes(&[THOUGHT, CALL, SEALED, TEXT, BARE_CALL], "tool_use");
    let events = check(&claude_in(vec![stream.into()]));
    let output = &events.last().unwrap()["response"]["output"];
    let kinds: Vec<&Value> = output
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["type"])
        .collect();
    assert_eq!(
        kinds,
        [
            "reasoning",
            "function_call",
            "reasoning",
            "message",
            "function_call"
        ]
    );
    let body = json!({"model": "m", "input": output}).to_string();
    let request = parsed(&body);
    let request = request.canonical().unwrap();
    let signatures: Vec<Option<&str>> = request.turns[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Reasoning(it) => it.signature.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(signatures, [Some("s1"), None, Some("s2"), None, None]);
}

/// A block and its deltas.
fn block() -> impl Strategy<Value = Vec<Event<'static>>> {
    let text = || "[a-z \"\\\\\n{é🦀]{1,6}";
    let texts = proptest::collection::vec(text(), 1..4);
    let said = |block: Block<'static>, texts: Vec<String>| {
        let mut events = vec![open(block)];
        events.extend(
            texts
                .into_iter()
                .map(|text| delta(Delta::Text(text.into()))),
        );
        events
    };
    let proof = proptest::option::of("[A-Za-z0-9+/]{1,8}");
    prop_oneof![
        texts
            .clone()
            .prop_map(move |texts| said(Block::Text, texts)),
        texts
            .clone()
            .prop_map(move |texts| said(Block::Refusal, texts)),
        (texts, proof.clone(), any::<bool>()).prop_map(move |(texts, proof, dark)| {
            let makers = [Maker::Anthropic, Maker::OpenAi];
            let maker = makers[usize::from(dark)];
            let id = dark.then(|| "rs_7".into());
            let mut events = said(Block::Reasoning { maker, id }, texts);
            events.extend(proof.map(|proof| {
                delta(if dark {
                    Delta::Encrypted(proof.into())
                } else {
                    Delta::Signature(proof.into())
                })
            }));
            events
        }),
        ("[a-z]{1,4}", "[a-z]{1,4}", 0..3_usize, any::<i64>()).prop_map(
            move |(id, name, cut, number)| {
                let arguments = format!("{{\"a\": {number}}}");
                let (one, other) = arguments.split_at(cut * 3);
                vec![
                    open(Block::ToolCall {
                        id: format!("call_{id}").into(),
                        name: name.into(),
                    }),
                    delta(Delta::Arguments(one.to_owned().into())),
                    delta(Delta::Arguments(other.to_owned().into())),
                ]
            }
        ),
    ]
}

fn replies() -> impl Strategy<Value = Vec<Event<'static>>> {
    let blocks = proptest::collection::vec(block(), 0..6);
    let end = prop_oneof![Just(Finish::Stop), Just(Finish::Length)];
    (blocks, end).prop_map(|(mut blocks, end)| {
        // Ids of calls are their own.
        for (index, block) in blocks.iter_mut().enumerate() {
            if let Event::Open {
                block: Block::ToolCall { id, .. },
                ..
            } = &mut block[0]
            {
                *id = format!("{id}_{index}").into();
            }
        }
        let is_call = |block: &Vec<Event<'_>>| {
            matches!(
                &block[0],
                Event::Open {
                    block: Block::ToolCall { .. },
                    ..
                }
            )
        };
        let end = if end == Finish::Stop && blocks.iter().any(is_call) {
            Finish::ToolCalls
        } else {
            end
        };
        let mut events = vec![start()];
        for block in blocks {
            events.extend(block);
            events.push(CLOSE);
        }
        events.extend([finish(end), Event::Usage(USAGE)]);
        events
    })
}

/// What events say, proofs of other makers unsealed.
fn unsealed(mut told: Told) -> Told {
    for choice in told.choices.values_mut() {
        for proof in &mut choice.proofs {
            if let Some(sealed) = Sealed::open(proof) {
                *proof = sealed.data;
            }
        }
        choice.proofs.retain(|proof| !proof.is_empty());
    }
    told
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(events in replies()) {
        let mut said = Told::default();
        for event in &events {
            said.event(event);
        }
        let refused = said.choices[&0].blocks.contains(&"refusal");
        let stream = streamed(&events, writers());
        check(&stream);
        let (told, ended) = decoded(stream.as_bytes(), &mut Decoder::default()).unwrap();
        prop_assert_eq!(ended, Ended::Whole);
        let whole = whole(&events, writers()).to_string();
        let again = decoded_whole(whole.as_bytes(), &mut Decoder::default()).unwrap();
        for told in [unsealed(told), unsealed(again)] {
            let (read, wrote) = (&told.choices[&0], &said.choices[&0]);
            prop_assert_eq!(&read.text, &wrote.text);
            prop_assert_eq!(&read.refusal, &wrote.refusal);
            prop_assert_eq!(&read.reasoning, &wrote.reasoning);
            prop_assert_eq!(&read.proofs, &wrote.proofs);
            prop_assert_eq!(&read.calls, &wrote.calls);
            prop_assert_eq!(&read.blocks, &wrote.blocks);
            prop_assert!(refused || read.finish == wrote.finish, "{:?} {:?}", read.finish, wrote.finish);
            prop_assert_eq!(told.usage, Some(USAGE));
        }
    }

    #[test]
    fn any_cut_of_a_foreign_stream_gives_the_same(
        cuts in proptest::collection::vec(1..400_usize, 1..6),
    ) {
        let stream = claudes(&[THOUGHT, TEXT, CALL, BARE_CALL], "tool_use");
        let whole = claude_in(vec![stream.clone().into()]);
        prop_assert_eq!(claude_in(cut(stream.as_bytes(), &cuts)), whole);
    }

    #[test]
    fn what_a_client_gives_back_is_what_was_said(events in replies()) {
        let output = whole(&events, writers())["output"].clone();
        prop_assume!(output != json!([]));
        let body = json!({"model": "m", "input": output}).to_string();
        let request = ResponsesRequest::parse(body.into()).unwrap();
        let request = request.canonical().unwrap();
        let mut said = Told::default();
        for event in &events {
            said.event(event);
        }
        let wrote = &said.choices[&0];
        let parts = request.turns[0].parts.iter();
        let blocks: Vec<&str> = parts.clone().map(|part| match part {
            Part::ToolCall(_) => "call",
            Part::Reasoning(_) => "reasoning",
            _ => "text",
        }).collect();
        let expected: Vec<&str> = wrote.blocks.iter().map(|block| match *block {
            "refusal" => "text",
            other => other,
        }).collect();
        prop_assert_eq!(blocks, expected);
        let mut proofs = Vec::new();
        let mut reasoning = String::new();
        for part in parts {
            if let Part::Reasoning(it) = part {
                reasoning.push_str(&it.text);
                proofs.extend(it.signature.iter().chain(&it.encrypted).map(|it| it.to_string()));
            }
        }
        prop_assert_eq!(&reasoning, &wrote.reasoning);
        prop_assert_eq!(&proofs, &wrote.proofs);
    }
}

#[test]
fn an_error_of_the_provider_is_left_to_whoever_drives() {
    let Writers { mut stream, .. } = writers();
    stream.event(&start(), &mut |_| None);
    stream.take();
    stream.event(&Event::Error(ProviderError::default()), &mut |_| None);
    assert!(stream.take().is_empty());
}
