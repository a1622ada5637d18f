//! What is held is bounded, and what cannot hold a call is not held at all.

use std::time::Instant;

use bytes::Bytes;
use lattice_dialects::Api;
use lattice_dialects::firewall::{Call, Fault, Firewall, MAX_HELD, Ruling};
use lattice_dialects::openai::chat::ChatWatch;
use lattice_dialects::reply::{Asked, Relay};
use serde_json::Value;

use super::calls::read;
use super::native::{Form, PLAIN, call, calls, stream, text};
use super::{APIS, all, by_name, none, once, through};
use crate::support::cut;

/// A call with arguments of so many bytes.
fn long(name: &str, length: usize) -> super::native::Block {
    call(name, &format!(r#"{{"q":"{}"}}"#, "x".repeat(length)))
}

#[test]
fn a_call_that_is_too_long_is_a_fault_and_nothing_of_it_passes() {
    for api in APIS {
        let form = Form {
            piece: 50_000,
            ..PLAIN
        };
        let stream = stream(api, &[text("Hi."), long("yes", MAX_HELD + 1)], form);
        let mut firewall = Firewall::new(api);
        let mut out = Vec::new();
        for piece in cut(stream.as_bytes(), &[9_000]) {
            firewall.push(piece, &mut |_| Ruling::Release, &mut out);
            assert!(
                firewall.held() <= 2 * MAX_HELD + 60_000,
                "{}",
                firewall.held()
            );
        }
        assert_eq!(firewall.fault(), Some(Fault::Exceeded), "{api:?}");
        let out = String::from_utf8(out.concat()).unwrap();
        assert!(!out.contains("xxxxxx") && out.contains("Hi."), "{api:?}");
    }
}

/// Small pieces weigh a hundred times what they say.
#[test]
fn a_long_call_in_small_pieces_is_told_in_one() {
    for api in APIS {
        let form = Form { piece: 6, ..PLAIN };
        let blocks = [
            calls(&[("yes_a", r#"{"q":"a"}"#)]),
            long("yes_b", 18_000),
            call("yes_c", r#"{"q":"c"}"#),
        ];
        let stream = stream(api, &blocks, form);
        let got = once(api, &stream, all);
        let told = read(api, &got);
        let said = &told.choices[&0].calls;
        assert_eq!(said.len(), 3, "{api:?}");
        let arguments: Value = serde_json::from_str(&said[1].arguments).unwrap();
        assert_eq!(arguments["q"].as_str().unwrap().len(), 18_000);
        assert!(got.out.len() < stream.len() / 2, "{api:?}");
        let refused = once(api, &stream, none);
        assert_eq!(read(api, &refused).choices[&0].calls.len(), 0);
        assert!(!refused.text().contains("xxxxxx"));
    }
}

#[test]
fn too_many_calls_are_a_fault() {
    for api in APIS {
        let many = vec![("yes", r#"{"q":"a"}"#); 1025];
        let form = Form {
            alternate: true,
            ..PLAIN
        };
        let got = once(api, &stream(api, &[calls(&many)], form), by_name);
        assert_eq!(got.fault, Some(Fault::Exceeded), "{api:?}");
    }
}

#[test]
fn text_passes_a_call_that_is_held() {
    let begun = r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"yes","arguments":"{"}}]}}]}"#;
    let both = r#"data: {"choices":[{"index":0,"delta":{"content":"one","tool_calls":[{"index":0,"function":{"arguments":"\"q\":"}}]}}]}"#;
    let text = r#"data: {"choices":[{"index":0,"delta":{"content":"two"}}]}"#;
    let end = r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#;
    let mut firewall = Firewall::new(Api::Chat);
    let mut judge = |_: &Call<'_>| Ruling::Release;
    let mut told = Vec::new();
    for event in [begun, both, text, end] {
        let mut out = Vec::new();
        firewall.push(format!("{event}\n\n").into(), &mut judge, &mut out);
        told.push(String::from_utf8(out.concat()).unwrap());
    }
    assert_eq!(told[0], "");
    assert!(told[1].contains("one") && !told[1].contains("tool_calls"));
    assert_eq!(told[2], format!("{text}\n\n"));
    assert!(told[3].starts_with(begun) && told[3].ends_with(&format!("{end}\n\n")));
    assert!(!told[3].contains("one"));
}

#[test]
fn pings_and_blocks_that_had_begun_pass_a_call_that_is_held() {
    let event = |data: &str| format!("data: {data}\n\n");
    let first = event(
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    );
    let call = event(
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"yes","input":{}}}"#,
    );
    let ping = event(r#"{"type":"ping"}"#);
    let more = event(
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
    );
    let later = event(
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
    );
    let stop = event(r#"{"type":"content_block_stop","index":1}"#);
    let comment = ": still here\n\n".to_owned();
    let mut firewall = Firewall::new(Api::Messages);
    let mut tell = |event: &String| {
        let mut out = Vec::new();
        firewall.push(event.clone().into(), &mut |_| Ruling::Release, &mut out);
        String::from_utf8(out.concat()).unwrap()
    };
    assert_eq!(tell(&first), first);
    assert_eq!(tell(&call), "");
    for passes in [&ping, &more, &comment] {
        assert_eq!(tell(passes), *passes);
    }
    assert_eq!(tell(&later), "");
    assert_eq!(tell(&stop), [call, stop, later].concat());
}

#[test]
fn a_stream_that_is_cut_in_a_call_is_a_fault() {
    for api in APIS {
        let whole = stream(
            api,
            &[text("Hi."), call("yes", r#"{"q":"secret-1"}"#)],
            Form { piece: 50, ..PLAIN },
        );
        let middle = whole.find("secret").unwrap();
        let got = once(api, &whole[..middle], by_name);
        assert!(got.fault.is_some(), "{api:?}");
        assert!(got.text().contains("Hi.") && !got.text().contains("yes"));
    }
}

/// Events of each API around a long text in place of `@`: such as come without a call.
const LONG: [(Api, &str); 7] = [
    (
        Api::Chat,
        r#"{"choices":[{"index":0,"delta":{"content":"@","tool_calls":null}}]}"#,
    ),
    (
        Api::Messages,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"web_fetch_tool_result","tool_use_id":"srv_1","content":{"data":"@"}}}"#,
    ),
    (
        Api::Messages,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"@"}}"#,
    ),
    (
        Api::Responses,
        r#"{"type":"response.completed","response":{"parallel_tool_calls":true,"max_tool_calls":9,"output":[{"text":"@"}]}}"#,
    ),
    (
        Api::Responses,
        r#"{"type":"response.image_generation_call.partial_image","partial_image_b64":"@"}"#,
    ),
    (
        Api::Responses,
        r#"{"type":"response.output_item.done","item":{"result":"@","type":"image_generation_call"}}"#,
    ),
    (
        Api::Generate,
        r#"{"candidates":[{"content":{"parts":[{"inlineData":{"data":"@"}}]}}]}"#,
    ),
];

#[test]
fn a_long_event_without_a_call_passes_in_pieces() {
    for (api, event) in LONG {
        let long = "Call/call+aLLc".repeat(MAX_HELD / 14 + 1);
        let event = format!("data: {}\n\n", event.replace('@', &long));
        for size in [16_000, 16_001, 4_099, 5 * MAX_HELD] {
            let got = through(api, cut(event.as_bytes(), &[size]), none);
            assert_eq!(got.fault, None, "{event:.120}");
            assert_eq!(got.text(), event);
        }
    }
    // However its last bytes are cut.
    let long = "x".repeat(MAX_HELD);
    let end = LONG[5].1.replace('@', &long);
    for size in 1..60 {
        let (start, end) = end.split_at(end.len() - 60);
        let mut reads = vec![Bytes::from(format!("data: {start}"))];
        reads.extend(cut(format!("{end}\n\n").as_bytes(), &[size]));
        assert_eq!(through(Api::Responses, reads, none).fault, None, "{size}");
    }
}

/// What it is called with may have passed by then; that it is a call has not.
#[test]
fn a_long_event_is_cut_where_a_call_shows() {
    for (api, event) in [
        (
            Api::Messages,
            r#"{"type":"content_block_start","index":0,"content_block":{"input":{"q":"@"},"name":"no","type":"tool_use"}}"#,
        ),
        (
            Api::Responses,
            r#"{"item":{"arguments":"@","name":"no","type":"function_call"},"type":"response.output_item.done"}"#,
        ),
        (
            Api::Responses,
            r#"{"item":{"action":"@","type":"shell_c\u0061ll"},"type":"response.output_item.done"}"#,
        ),
        (
            Api::Chat,
            r#"{"choices":[{"index":0,"delta":{"content":"@","tool_calls":[{"index":0}]}}]}"#,
        ),
    ] {
        let event = format!("data: {}\n\n", event.replace('@', &"x".repeat(MAX_HELD)));
        let tail = event.len() - 120;
        for size in 1..121 {
            let mut reads = vec![Bytes::copy_from_slice(&event.as_bytes()[..tail])];
            reads.extend(cut(&event.as_bytes()[tail..], &[size]));
            let got = through(api, reads, all);
            assert_eq!(got.fault, Some(Fault::Exceeded), "{api:?} {size}");
            assert!(!got.text().contains("\n\n") && got.asked.is_empty());
        }
    }
}

#[test]
fn a_call_behind_a_long_picture_does_not_pass() {
    let picture = format!(
        r#"data: {{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"data":"{}"}}}}]}},"finishReason":"STOP"}}]}}"#,
        "Call/call+aLLc".repeat(100_000)
    ) + "\n\n";
    let got = through(Api::Generate, cut(picture.as_bytes(), &[16_000]), none);
    assert_eq!(got.fault, None);
    assert_eq!(got.text(), picture);
    let call = r#""}},{"functionCall":{"name":"no","args":{"q":"secret"}}}]}"#;
    let hidden = picture.replace(r#""}}]}"#, call);
    assert_ne!(hidden, picture);
    let mut firewall = Firewall::new(Api::Generate);
    let mut out = Vec::new();
    for piece in cut(hidden.as_bytes(), &[16_001]) {
        firewall.push(piece, &mut |_| Ruling::Release, &mut out);
    }
    assert_eq!(firewall.fault(), Some(Fault::Exceeded));
    assert!(firewall.is_mid_event());
    assert!(!String::from_utf8(out.concat()).unwrap().contains("secret"));
}

/// Prints what it costs; nothing is asserted of it.
#[test]
fn text_costs_little_beside_its_relay() {
    let words = "The quick brown fox, she said, jumps over a lazy dog. ".repeat(400);
    let form = Form { piece: 4, ..PLAIN };
    let stream = Bytes::from(stream(Api::Chat, &[text(&words)], form));
    let reads = cut(&stream, &[4096]);
    let rounds = 20;
    let mut relayed = Vec::new();
    let started = Instant::now();
    for _ in 0..rounds {
        relayed.clear();
        let mut relay = Relay::new(Box::new(ChatWatch::new(Asked::No, 1)));
        reads
            .iter()
            .for_each(|read| relay.push(read.clone(), &mut |_| None, &mut relayed));
    }
    let relay = started.elapsed();
    let started = Instant::now();
    let mut out = Vec::new();
    for _ in 0..rounds {
        out.clear();
        let mut firewall = Firewall::new(Api::Chat);
        reads
            .iter()
            .for_each(|read| firewall.push(read.clone(), &mut |_| Ruling::Release, &mut out));
    }
    let firewall = started.elapsed();
    assert_eq!(out.concat(), stream);
    let mib = (stream.len() * rounds) as f64 / (1 << 20) as f64;
    println!("{mib:.1} MiB of text: relay {relay:?}, firewall {firewall:?}");
}

#[test]
fn the_last_event_of_responses_may_say_a_long_reply_again() {
    let said = "word ".repeat(300_000);
    let stream = stream(
        Api::Responses,
        &[text(&said)],
        Form {
            piece: 50_000,
            ..PLAIN
        },
    );
    let got = once(Api::Responses, &stream, all);
    assert!(stream.len() > 2 * MAX_HELD);
    assert_eq!(got.text(), stream);
}
