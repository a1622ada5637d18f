//! Calls that are released, rewritten and refused, in streams of each API.

use std::collections::BTreeSet;

use lattice_dialects::Api;
use lattice_dialects::canonical::{Ended, Finish};
use proptest::prelude::*;
use serde_json::Value;

use super::native::{Block, Form, PLAIN, call, calls, stream, text};
use super::{APIS, Got, OTHER, by_name, decoder, once};
use crate::order::{Choice, Told, decoded};

/// What a client makes of a stream that came through.
#[track_caller]
pub fn read(api: Api, got: &Got) -> Told {
    assert_eq!(got.fault, None, "{api:?}");
    numbered(api, got.text());
    let (told, ended) = match decoded(&got.out, &mut *decoder(api, 1)) {
        Ok(read) => read,
        Err(garbled) => panic!("{garbled}: {}", got.text()),
    };
    assert_eq!(ended, Ended::Whole, "{}", got.text());
    told
}

/// Events and blocks are counted as clients count them.
#[track_caller]
fn numbered(api: Api, stream: &str) {
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let lines = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let events = lines.filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let (mut items, mut calls) = (0, BTreeSet::new());
    for (number, event) in events.enumerate() {
        let begins = ["response.output_item.added", "content_block_start"];
        match api {
            Api::Chat => {
                let told = event.pointer("/choices/0/delta/tool_calls");
                for call in told.and_then(Value::as_array).into_iter().flatten() {
                    let index = call["index"].as_u64().unwrap();
                    calls.insert(index);
                    assert!(index < calls.len() as u64, "calls are counted from 0");
                }
            }
            Api::Responses | Api::Messages => {
                if begins.contains(&event["type"].as_str().unwrap()) {
                    let index = event.get("index").or(event.get("output_index"));
                    assert_eq!(*index.unwrap(), items, "items are counted from 0");
                    items += 1;
                }
                if api == Api::Responses {
                    assert_eq!(event["sequence_number"], number, "events have no gaps");
                }
            }
            Api::Generate => {}
        }
    }
}

fn named(choice: &Choice) -> Vec<(&str, Value)> {
    let calls = choice.calls.iter();
    calls
        .map(|call| {
            let arguments = serde_json::from_str(&call.arguments);
            (call.name.as_str(), arguments.unwrap_or(Value::Null))
        })
        .collect()
}

/// The text without the lines between it and what is said in place of calls.
fn joined(choice: &Choice) -> String {
    choice.text.replace('\n', "")
}

fn refusal(name: &str) -> String {
    format!("The call of the tool \"{name}\" was refused: Not here.")
}

const MIXED: [(&str, &str); 4] = [
    ("yes_a", r#"{"q":"alpha-11"}"#),
    ("no_b", r#"{"q":"beta-2222"}"#),
    ("new_c", r#"{"q":"gamma-333333","r":"x"}"#),
    ("yes_d", r#"{"q":"delta-4"}"#),
];

#[test]
fn a_call_that_is_released_comes_byte_for_byte() {
    for api in APIS {
        let blocks = [text("Let me see."), call("yes", r#"{"q":"a b c d e f"}"#)];
        let stream = stream(api, &blocks, PLAIN);
        let got = once(api, &stream, by_name);
        assert_eq!(got.fault, None);
        assert_eq!(got.text(), stream, "{api:?}");
        assert_eq!(got.asked.len(), 1);
        let (name, arguments, json) = &got.asked[0];
        assert_eq!((name.as_str(), *json), ("yes", true));
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        assert_eq!(arguments["q"], "a b c d e f");
    }
}

#[test]
fn a_call_that_is_refused_becomes_text_and_the_reply_stops() {
    for api in APIS {
        let blocks = [text("Let me see."), call("no", r#"{"q":"a b c d e f"}"#)];
        let got = once(api, &stream(api, &blocks, PLAIN), by_name);
        let told = read(api, &got);
        let choice = &told.choices[&0];
        assert!(choice.calls.is_empty(), "{api:?}");
        assert_eq!(joined(choice), format!("Let me see.{}", refusal("no")));
        assert_eq!(choice.finish, Some(Finish::Stop));
        assert_eq!(told.usage.unwrap().output, 7);
        assert!(!got.text().contains("a b c"), "{api:?}");
    }
}

#[test]
fn a_call_that_is_rewritten_has_its_new_arguments_alone() {
    for api in APIS {
        let got = once(
            api,
            &stream(api, &[call("new", r#"{"q":"a b c d e f"}"#)], PLAIN),
            by_name,
        );
        let told = read(api, &got);
        let other: Value = serde_json::from_str(OTHER).unwrap();
        assert_eq!(named(&told.choices[&0]), [("new", other)], "{api:?}");
        assert_eq!(told.choices[&0].finish, Some(Finish::ToolCalls));
        assert!(!got.text().contains("a b c"), "{api:?}");
    }
}

#[test]
fn parallel_calls_are_judged_one_by_one() {
    for api in APIS {
        for alternate in [false, true] {
            let form = Form { alternate, ..PLAIN };
            let blocks = [text("Hello."), calls(&MIXED), text("Bye.")];
            let got = once(api, &stream(api, &blocks, form), by_name);
            let told = read(api, &got);
            let choice = &told.choices[&0];
            let names: Vec<&str> = choice.calls.iter().map(|call| call.name.as_str()).collect();
            assert_eq!(names, ["yes_a", "new_c", "yes_d"], "{api:?} {alternate}");
            assert_eq!(named(choice)[1].1["other"][1], "two");
            assert_eq!(named(choice)[2].1["q"], "delta-4");
            assert_eq!(joined(choice).matches(&refusal("no_b")).count(), 1);
            assert_eq!(choice.finish, Some(Finish::ToolCalls), "{api:?}");
            assert_eq!(got.asked.len(), 4);
            assert!(!got.text().contains("beta-2"), "{api:?}");
            assert!(!got.text().contains("gamma"), "{api:?}");
        }
    }
}

#[test]
fn empty_arguments_are_an_object_and_what_never_parses_is_refused() {
    for api in [Api::Chat, Api::Responses, Api::Messages] {
        let blocks = [
            call("yes_a", ""),
            call("yes_b", r#"{"a":1,"\u0061":2}"#),
            call("yes_c", r#"{"a":"#),
            call("yes_d", "[1]"),
        ];
        let got = once(api, &stream(api, &blocks, PLAIN), by_name);
        let asked: Vec<_> = got
            .asked
            .iter()
            .map(|(name, it, _)| (&**name, &**it))
            .collect();
        assert_eq!(asked, [("yes_a", "{}")], "{api:?}");
        let told = read(api, &got);
        assert_eq!(told.choices[&0].calls.len(), 1, "{api:?}");
        let objects = "Its arguments are not one JSON object.";
        assert_eq!(told.choices[&0].text.matches(objects).count(), 3);
    }
}

/// Blocks whose arguments can be told apart from all else.
pub fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let name = prop_oneof![Just("yes"), Just("no"), Just("new")];
    let one = (name, "[a-z]{1,9}", "[0-9]{14,24}");
    let one = one.prop_map(|(verdict, name, digits)| {
        // What is not to be told has signs of its own, so that nothing else tells it.
        let secret: String = match verdict {
            "yes" => digits,
            _ => digits
                .bytes()
                .map(|digit| char::from(digit - b'0' + b'A'))
                .collect(),
        };
        (
            format!("{verdict}_{name}"),
            format!(r#"{{"q":"{secret}"}}"#),
        )
    });
    let block = prop_oneof![
        "[A-Za-z \"é🦀]{1,20}".prop_map(Block::Text),
        proptest::collection::vec(one, 1..4).prop_map(Block::Calls),
    ];
    proptest::collection::vec(block, 1..5)
}

pub fn forms() -> impl Strategy<Value = Form> {
    let end = prop_oneof![Just("\n\n"), Just("\r\n\r\n"), Just("\r\r")];
    (1..12_usize, any::<bool>(), end).prop_map(|(piece, alternate, end)| Form {
        piece,
        alternate,
        end,
    })
}

fn all_calls(blocks: &[Block]) -> Vec<&(String, String)> {
    let calls = blocks.iter().filter_map(|block| match block {
        Block::Calls(calls) => Some(calls),
        Block::Text(_) => None,
    });
    calls.flatten().collect()
}

/// Whether some six bytes of what is not to be told are.
pub fn leaks(out: &[u8], secret: &str) -> bool {
    let mut runs = secret.as_bytes().windows(6);
    runs.any(|run| memchr::memmem::find(out, run).is_some())
}

proptest! {
    #[test]
    fn what_is_left_is_what_was_allowed(blocks in blocks(), form in forms(), api in 0..4_usize) {
        let api = APIS[api];
        let whole = stream(api, &blocks, form);
        let got = once(api, &whole, by_name);
        let told = read(api, &got);
        let choice = &told.choices[&0];
        let calls = all_calls(&blocks);
        let left = calls.iter().filter(|(name, _)| !name.starts_with("no"));
        let left: Vec<(&str, Value)> = left.map(|(name, arguments)| {
            let arguments = if name.starts_with("new") { OTHER } else { arguments };
            (name.as_str(), serde_json::from_str(arguments).unwrap())
        }).collect();
        let count = left.len();
        prop_assert_eq!(named(choice), left);
        let finish = if count > 0 { Finish::ToolCalls } else { Finish::Stop };
        prop_assert_eq!(choice.finish, Some(finish));
        prop_assert_eq!(told.usage.unwrap().output, 7);
        let mut text = joined(choice);
        for (name, secret) in &calls {
            if name.starts_with("no") {
                prop_assert!(text.contains(&refusal(name)));
                text = text.replacen(&refusal(name), "", 1);
            }
            if !name.starts_with("yes") {
                prop_assert!(!leaks(&got.out, &secret[6..secret.len() - 2]));
            }
        }
        let said: String = blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            Block::Calls(_) => None,
        }).collect();
        prop_assert_eq!(text, said);
    }

    #[test]
    fn nothing_of_a_call_is_told_before_it_is_complete(
        blocks in blocks(),
        form in forms(),
        api in 0..4_usize,
        at in any::<proptest::sample::Index>(),
    ) {
        let api = APIS[api];
        let whole = stream(api, &blocks, form);
        let mut at = at.index(whole.len());
        while !whole.is_char_boundary(at) {
            at -= 1;
        }
        let got = once(api, &whole[..at], by_name);
        let judged: BTreeSet<&str> = got.asked.iter().map(|(_, arguments, _)| arguments.as_str()).collect();
        for (name, arguments) in all_calls(&blocks) {
            if !name.starts_with("yes") || !judged.contains(arguments.as_str()) {
                prop_assert!(!leaks(&got.out, &arguments[6..arguments.len() - 2]));
            }
        }
    }
}
