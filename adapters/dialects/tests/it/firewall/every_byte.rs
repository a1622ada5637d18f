//! Streams cut at every byte, on every way that a reply takes: read in its own dialect, or
//! translated, and then judged.

use std::time::Instant;

use bytes::Bytes;
use lattice_dialects::canonical::Finish;
use lattice_dialects::firewall::{Call, Fault, Firewall, Ruling};
use lattice_dialects::reply::{Asked, Relay, Translator, Verdict};
use lattice_dialects::{Api, Inbound};
use serde_json::{Value, json};

use super::abroad::asking;
use super::calls::read;
use super::native::{Form, calls, stream};
use super::recorded::replies;
use super::{APIS, Got, Law, all, by_name, decoder, every_second, none};
use crate::order::{Choice, decoded, decoded_whole};
use crate::recorded::Recording;
use crate::support::cut;

/// A refused call's arguments: none of their signs is in anything else that a client may
/// get, however they are escaped.
const SECRET: &str = r#"{"X":"Z\"K\\✗"}"#;
const SIGNS: [&str; 5] = ["X", "Z", "K", "✗", r"\u2717"];

const FIRST: &str = r#"{"q":"a\"b"}"#;
const LAST: &str = r#"{"p":"é"}"#;

/// Calls that are made in parallel.
struct Case {
    made: &'static [(&'static str, &'static str)],
    /// Those that come through, whole.
    left: &'static [(&'static str, &'static str)],
    finish: Finish,
}

const CASES: [Case; 3] = [
    Case {
        made: &[("yes_a", FIRST), ("yes_b", LAST)],
        left: &[("yes_a", FIRST), ("yes_b", LAST)],
        finish: Finish::ToolCalls,
    },
    Case {
        made: &[("no_a", SECRET), ("no_b", SECRET)],
        left: &[],
        finish: Finish::Stop,
    },
    Case {
        made: &[("no_a", SECRET), ("yes_b", FIRST)],
        left: &[("yes_b", FIRST)],
        finish: Finish::ToolCalls,
    },
];

#[track_caller]
fn keeps_secrets(out: &[u8], what: &str) {
    let out = String::from_utf8_lossy(out);
    for sign in SIGNS {
        assert!(!out.contains(sign), "{sign:?} leaks, {what}: {out}");
    }
}

/// What a provider of one dialect sends, on its way to a client of one.
struct Way {
    inbound: Inbound,
    from: Api,
    to: Api,
    choices: u32,
}

enum Reads {
    Same(Box<Relay>),
    Other(Box<Translator>),
}

impl Reads {
    fn push(&mut self, read: Bytes, out: &mut Vec<Bytes>) {
        match self {
            Self::Same(relay) => relay.push(read, &mut |_| None, out),
            Self::Other(translator) => translator.push(read, &mut |_| None, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> Verdict {
        match self {
            Self::Same(relay) => {
                relay.finish(&mut |_| None, out);
                relay.ended()
            }
            Self::Other(translator) => {
                translator.finish(&mut |_| None, out);
                translator.ended()
            }
        }
    }
}

impl Way {
    fn new(from: Api, to: Api) -> Self {
        let inbound = asking(to);
        Self {
            inbound,
            from,
            to,
            choices: 1,
        }
    }

    fn translator(&self) -> Translator {
        let labels = crate::replay::labels();
        let writers = self.inbound.writers(labels, Asked::Yes);
        Translator::new(decoder(self.from, self.choices), writers)
    }

    /// What the client gets, and how the stream ended.
    fn through(&self, reads: Vec<Bytes>, law: Law) -> (Got, Verdict) {
        let mut first = match self.from == self.to {
            true => Reads::Same(Box::new(Relay::new(self.inbound.watch()))),
            false => Reads::Other(Box::new(self.translator())),
        };
        let mut firewall = Firewall::new(self.to);
        let mut asked = Vec::new();
        let mut judge = |call: &Call<'_>| {
            let ruling = law(call, asked.len());
            asked.push((call.name.to_owned(), call.arguments.to_owned(), call.json));
            ruling
        };
        let (mut read, mut out) = (Vec::new(), Vec::new());
        for piece in reads {
            first.push(piece, &mut read);
            for piece in read.drain(..) {
                firewall.push(piece, &mut judge, &mut out);
            }
        }
        let verdict = first.finish(&mut read);
        for piece in read {
            firewall.push(piece, &mut judge, &mut out);
        }
        firewall.finish(&mut judge, &mut out);
        let out = out.concat();
        let fault = firewall.fault();
        (Got { out, fault, asked }, verdict)
    }

    /// The same for a reply in one piece.
    fn whole(&self, body: &Bytes, law: Law) -> Result<Bytes, Fault> {
        let told = match self.from == self.to {
            true => body.clone(),
            false => self.translator().whole(body, &mut |_| None).unwrap().0,
        };
        let mut count = 0;
        let mut judge = |call: &Call<'_>| {
            count += 1;
            law(call, count - 1)
        };
        Firewall::new(self.to).whole(told, &mut judge)
    }
}

#[track_caller]
fn check(case: &Case, choice: &Choice, what: &str) {
    let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    let told = choice.calls.iter();
    let told: Vec<_> = told.map(|it| (&*it.name, value(&it.arguments))).collect();
    let left: Vec<_> = case
        .left
        .iter()
        .map(|(name, it)| (*name, value(it)))
        .collect();
    assert_eq!(told, left, "{what}");
    assert_eq!(choice.finish, Some(case.finish), "{what}");
    let refused = case.made.len() - case.left.len();
    assert_eq!(
        choice.text.matches("was refused").count(),
        refused,
        "{what}"
    );
}

/// How many streams were cut, and where.
#[derive(Default)]
struct Count {
    streams: usize,
    bytes: usize,
}

/// Length of reads that are begun at every offset.
const PIECE: usize = 13;

/// In two at every byte, in many reads of a few bytes each, and one byte after the other;
/// and ends that come too early.
#[track_caller]
fn cut_everywhere(way: &Way, stream: &str, case: &Case, count: &mut Count) {
    let Way { from, to, .. } = way;
    let bytes = Bytes::copy_from_slice(stream.as_bytes());
    let (whole, verdict) = way.through(vec![bytes.clone()], by_name);
    let what = format!("{from:?} to {to:?}");
    assert_eq!(verdict, Verdict::Finished, "{what}");
    assert_eq!(whole.asked.len(), case.made.len(), "{what}");
    keeps_secrets(&whole.out, &what);
    check(case, &read(*to, &whole).choices[&0], &what);
    let same = |reads: Vec<Bytes>, at: usize| {
        let (got, verdict) = way.through(reads, by_name);
        assert!(got == whole, "{what}, cut at {at}: {}", got.text());
        assert_eq!(verdict, Verdict::Finished, "{what}, cut at {at}");
    };
    for at in 1..bytes.len() {
        same(vec![bytes.slice(..at), bytes.slice(at..)], at);
    }
    for first in 1..=PIECE {
        let rest = cut(&bytes[first..], &[PIECE]);
        same([vec![bytes.slice(..first)], rest].concat(), first);
    }
    same(cut(&bytes, &[1]), 0);
    for at in (1..bytes.len()).step_by(PIECE) {
        let (got, _) = way.through(vec![bytes.slice(..at)], by_name);
        keeps_secrets(&got.out, &format!("{what}, ended at {at}"));
    }
    count.streams += 1;
    count.bytes += bytes.len() - 1;
}

/// What no reader needs: the time goes with the square of the length.
const NEEDLESS: [&str; 5] = [
    r#""object":"chat.completion.chunk","created":1,"model":"m","#,
    r#""object":"response","created_at":1,"#,
    r#""parallel_tool_calls":true,"#,
    r#""usageMetadata":{"promptTokenCount":5,"totalTokenCount":5},"#,
    r#""stop_reason":null,"stop_sequence":null,"#,
];

/// The calls of a case as a provider streams them, by turns or in a row.
fn short(from: Api, case: &Case, alternate: bool, end: &'static str) -> String {
    let form = Form {
        piece: 8,
        alternate,
        end,
    };
    let stream = stream(from, &[calls(case.made)], form);
    let slim = |stream: String, part: &&str| stream.replace(*part, "");
    NEEDLESS.iter().fold(stream, slim)
}

/// Streams of all providers, cut at every byte, to the clients of one API.
#[track_caller]
fn to_clients_of(to: Api) {
    let begun = Instant::now();
    let mut count = Count::default();
    for from in APIS {
        let way = Way::new(from, to);
        for (number, case) in CASES.iter().enumerate() {
            // Claude's blocks do not overlap.
            let alternate = number != 1 && from != Api::Messages;
            let end = ["\r\n\r\n", "\r\r", "\n\n"][number];
            let stream = short(from, case, alternate, end);
            let (open, _) = way.through(vec![stream.clone().into()], all);
            let has_secret = case.left.len() < case.made.len();
            assert_eq!(open.text().contains('✗'), has_secret, "it can be seen");
            cut_everywhere(&way, &stream, case, &mut count);
        }
    }
    let Count { streams, bytes } = count;
    let took = begun.elapsed();
    println!("to {to:?}: {streams} streams, cut in two at each of {bytes} bytes, {took:.1?}");
}

#[test]
fn a_cut_at_any_byte_leaks_nothing_to_a_client_of_chat() {
    to_clients_of(Api::Chat);
}

#[test]
fn a_cut_at_any_byte_leaks_nothing_to_a_client_of_responses() {
    to_clients_of(Api::Responses);
}

#[test]
fn a_cut_at_any_byte_leaks_nothing_to_a_client_of_messages() {
    to_clients_of(Api::Messages);
}

#[test]
fn a_cut_at_any_byte_leaks_nothing_to_a_client_of_generate() {
    to_clients_of(Api::Generate);
}

/// A reply in one piece that makes the calls of a case.
fn one_piece(api: Api, case: &Case) -> Bytes {
    let made = case.made.iter().enumerate();
    let calls = made.map(|(at, (name, arguments))| {
        let (id, item) = (format!("call_{at}"), format!("fc_{at}"));
        let value: Value = serde_json::from_str(arguments).unwrap();
        match api {
            Api::Chat => json!({"id": id, "type": "function",
                "function": {"name": name, "arguments": arguments}}),
            Api::Responses => json!({"type": "function_call", "id": item, "call_id": id,
                "name": name, "arguments": arguments, "status": "completed"}),
            Api::Messages => json!({"type": "tool_use", "id": id, "name": name, "input": value}),
            Api::Generate => json!({"functionCall": {"name": name, "args": value}}),
        }
    });
    let calls: Value = calls.collect();
    let body = match api {
        Api::Chat => json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": null, "tool_calls": calls}}]}),
        Api::Responses => json!({"id": "resp", "object": "response", "created_at": 1,
            "status": "completed", "model": "m", "output": calls}),
        Api::Messages => json!({"id": "msg", "type": "message", "role": "assistant", "model": "m",
            "content": calls, "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1}}),
        Api::Generate => json!({"candidates": [{"index": 0, "finishReason": "STOP",
            "content": {"role": "model", "parts": calls}}]}),
    };
    body.to_string().into()
}

#[test]
fn a_reply_in_one_piece_leaks_nothing_to_any_client() {
    for (from, to) in ways() {
        let way = Way::new(from, to);
        for case in &CASES {
            let what = format!("{from:?} to {to:?}");
            let body = one_piece(from, case);
            let open = way.whole(&body, all).unwrap();
            let has_secret = case.left.len() < case.made.len();
            let open = String::from_utf8_lossy(&open);
            assert_eq!(open.contains('✗'), has_secret, "it can be seen");
            let got = way.whole(&body, by_name).unwrap();
            keeps_secrets(&got, &what);
            let told = decoded_whole(&got, &mut *decoder(to, 1)).unwrap();
            check(case, &told.choices[&0], &what);
        }
    }
}

fn ways() -> impl Iterator<Item = (Api, Api)> {
    APIS.into_iter()
        .flat_map(|from| APIS.into_iter().map(move |to| (from, to)))
}

/// How far cuts of a recorded stream are apart, for its length.
fn stride(length: usize) -> usize {
    (length / 12).max(1)
}

#[test]
fn a_recorded_stream_leaks_nothing_to_any_client() {
    let begun = Instant::now();
    let (mut streams, mut cuts, mut secrets) = (0, 0, 0);
    for (from, to) in ways() {
        for reply in replies(from, "a_recorded_stream_leaks_nothing_to_any_client") {
            let body = reply.body();
            let way = Way {
                choices: reply.choices(),
                ..Way::new(from, to)
            };
            if !reply.is_stream() || reply.choices() > 1 {
                continue;
            }
            let (open, verdict) = way.through(vec![body.clone()], all);
            if open.asked.is_empty() || verdict != Verdict::Finished {
                continue;
            }
            for law in [none as Law, every_second] {
                let (whole, _) = way.through(vec![body.clone()], law);
                assert_eq!(whole.fault, None, "{}", reply.file);
                assert_eq!(whole.asked, open.asked, "{}", reply.file);
                let step = stride(body.len());
                for at in (1..body.len()).step_by(step) {
                    let reads = vec![body.slice(..at), body.slice(at..)];
                    let (got, _) = way.through(reads, law);
                    assert!(got == whole, "{} to {to:?} cut at {at}", reply.file);
                    cuts += 1;
                }
                streams += 1;
                secrets += hidden(&reply, &open, &whole, law, to);
            }
        }
    }
    let took = begun.elapsed();
    println!(
        "{streams} recorded streams and ways, {cuts} cuts in two (12 to a stream, whatever its length), {secrets} words that must not pass, {took:.1?}"
    );
}

/// How many words of refused calls are in nothing else; none of them came through.
#[track_caller]
fn hidden(reply: &Recording, open: &Got, got: &Got, law: Law, to: Api) -> usize {
    let calls = open.asked.iter().enumerate();
    let (refused, left): (Vec<_>, Vec<_>) = calls.partition(|(at, (name, arguments, json))| {
        let (name, arguments, json) = (name.as_str(), arguments.as_str(), *json);
        let call = Call {
            name,
            arguments,
            json,
        };
        law(&call, *at) != Ruling::Release
    });
    let (told, _) = decoded(&open.out, &mut *decoder(to, 1)).unwrap();
    // Replies repeat what was asked.
    let mut elsewhere = reply.request().to_string();
    for choice in told.choices.values() {
        elsewhere.extend([&*choice.text, &*choice.reasoning]);
        elsewhere.extend(choice.calls.iter().flat_map(|it| [&*it.id, &*it.name]));
    }
    elsewhere.extend(left.iter().map(|(_, (_, arguments, _))| arguments.as_str()));
    let arguments = refused.iter().map(|(_, call)| call.1.as_str());
    let words = arguments.flat_map(|it| it.split(|letter: char| !letter.is_ascii_alphanumeric()));
    let words = words.filter(|word| word.len() > 2 && !elsewhere.contains(word));
    let mut count = 0;
    for word in words {
        let told = got.text().contains(word);
        assert!(!told, "{} to {to:?}: {word}", reply.file);
        count += 1;
    }
    count
}
