//! Recorded replies, under judges that allow all, none and every second call.

use bytes::Bytes;
use lattice_dialects::Api;
use lattice_dialects::canonical::{Ended, Finish};
use serde_json::Value;

use super::cuts::{everywhere, in_pieces};
use super::{APIS, Law, all, decoder, every_second, none, once};
use crate::order::{Call, Choice, Told, decoded, decoded_whole};
use crate::recorded::{Recording, recordings};
use lattice_dialects::firewall::Firewall;

fn named(api: Api) -> &'static str {
    match api {
        Api::Chat => "openai.chat",
        Api::Responses => "openai.responses",
        Api::Messages => "anthropic.messages",
        Api::Generate => "gemini.generateContent",
    }
}

/// Successful replies of an API.
pub fn replies(api: Api, test: &str) -> Vec<Recording> {
    let mut replies = recordings(named(api), "", test).unwrap_or_default();
    replies.retain(|it| it.status() < 400 && !it.body().is_empty());
    replies
}

/// Which calls a judge lets pass, by the order in which it is asked.
type Passes = fn(usize) -> bool;

const JUDGES: [(Law, Passes); 3] = [
    (all, |_| true),
    (none, |_| false),
    (every_second, |at| at.is_multiple_of(2)),
];

/// What a judge must have been asked of a call.
fn asked(call: &Call) -> (String, Value) {
    let arguments = match call.arguments.trim() {
        "" => "{}",
        spelled => spelled,
    };
    (call.name.clone(), serde_json::from_str(arguments).unwrap())
}

/// The text without what was said in place of calls, and without line ends.
fn text(choice: &Choice) -> String {
    let mut text = choice.text.replace('\n', "");
    for call in &choice.calls {
        text = text.replace(&refusal(&call.name), "");
    }
    text
}

fn refusal(name: &str) -> String {
    format!("The call of the tool \"{name}\" was refused: Not here.")
}

#[track_caller]
fn compare(
    before: &Told,
    after: &Told,
    asked_of: &[(String, String, bool)],
    passes: Passes,
    finishes: bool,
) {
    assert_eq!(before.usage, after.usage);
    let calls: Vec<&Call> = before.choices.values().flat_map(|it| &it.calls).collect();
    let expected: Vec<_> = calls.iter().map(|call| asked(call)).collect();
    let told = asked_of.iter();
    let told = told.map(|(name, it, _)| (name.clone(), serde_json::from_str(it).unwrap()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let left = calls.iter().enumerate().filter(|(at, _)| passes(*at));
    let left: Vec<_> = left.map(|(_, call)| asked(call)).collect();
    let after_calls = after.choices.values().flat_map(|it| &it.calls);
    assert_eq!(after_calls.map(asked).collect::<Vec<_>>(), left);
    for (index, choice) in &before.choices {
        let now = &after.choices[index];
        let mut said = text(now);
        for call in &choice.calls {
            said = said.replace(&refusal(&call.name), "");
        }
        assert_eq!(said, text(choice));
        assert_eq!(now.reasoning, choice.reasoning);
        let finish = match choice.finish {
            Some(Finish::ToolCalls) if now.calls.is_empty() && finishes => Some(Finish::Stop),
            // A stream without a reason: to the reader of chat, calls were one.
            Some(Finish::ToolCalls) if now.calls.is_empty() => Some(Finish::Error),
            finish => finish,
        };
        assert_eq!(now.finish, finish);
    }
}

/// A stream without the events that only keep a connection alive.
fn without_pings(stream: &str) -> (String, usize) {
    let events = stream.split_inclusive("\n\n");
    let (pings, rest): (Vec<&str>, Vec<&str>) =
        events.partition(|event| event.starts_with("event: ping"));
    (rest.concat(), pings.len())
}

#[test]
fn recorded_streams_pass_byte_for_byte_where_all_is_allowed() {
    let (mut streams, mut with_calls) = (0, 0);
    for api in APIS {
        for reply in replies(
            api,
            "recorded_streams_pass_byte_for_byte_where_all_is_allowed",
        ) {
            if !reply.is_stream() {
                continue;
            }
            let body = reply.body();
            let stream = std::str::from_utf8(&body).unwrap();
            let got = once(api, stream, all);
            assert_eq!(got.fault, None, "{}", reply.file);
            // Pings may pass a call that is held.
            assert_eq!(
                without_pings(got.text()),
                without_pings(stream),
                "{}",
                reply.file
            );
            streams += 1;
            with_calls += usize::from(!got.asked.is_empty());
        }
    }
    println!("{streams} streams, {with_calls} with calls");
}

#[test]
fn recorded_streams_lose_the_calls_that_are_refused_and_nothing_else() {
    let mut streams = 0;
    for api in APIS {
        for reply in replies(api, "recorded_streams_lose_the_calls_that_are_refused") {
            if !reply.is_stream() {
                continue;
            }
            let body = reply.body();
            let stream = std::str::from_utf8(&body).unwrap();
            let choices = reply.choices();
            let (before, ended) = decoded(&body, &mut *decoder(api, choices)).unwrap();
            for (law, passes) in JUDGES {
                let got = once(api, stream, law);
                assert_eq!(got.fault, None);
                if ended != Ended::Whole || got.asked.is_empty() {
                    continue;
                }
                let (after, ended) = decoded(&got.out, &mut *decoder(api, choices)).unwrap();
                assert_eq!(ended, Ended::Whole);
                println!("{}", reply.file);
                let finishes = api != Api::Chat || stream.contains(r#""finish_reason":""#);
                compare(&before, &after, &got.asked, passes, finishes);
                streams += 1;
            }
        }
    }
    println!("{streams} streams with calls, times three judges");
}

#[test]
fn recorded_replies_in_one_piece_lose_the_same() {
    let mut count = 0;
    for api in APIS {
        for reply in replies(api, "recorded_replies_in_one_piece_lose_the_same") {
            let body = reply.body();
            if reply.is_stream() || (api == Api::Generate && body.starts_with(b"[")) {
                continue;
            }
            let Ok(before) = decoded_whole(&body, &mut *decoder(api, reply.choices())) else {
                continue;
            };
            for (law, passes) in JUDGES {
                let mut asked = Vec::new();
                let mut judge = |call: &lattice_dialects::firewall::Call<'_>| {
                    let ruling = law(call, asked.len());
                    asked.push((call.name.to_owned(), call.arguments.to_owned(), call.json));
                    ruling
                };
                let whole: Bytes = Firewall::new(api).whole(body.clone(), &mut judge).unwrap();
                if passes(1) {
                    assert_eq!(whole, body);
                }
                let after = decoded_whole(&whole, &mut *decoder(api, reply.choices())).unwrap();
                compare(&before, &after, &asked, passes, true);
                count += usize::from(!asked.is_empty());
            }
        }
    }
    println!("{count} replies with calls, times three judges");
}

#[test]
fn a_cut_of_a_recorded_stream_does_not_show() {
    let (mut streams, mut short) = (0, 0);
    for api in APIS {
        for reply in replies(api, "a_cut_of_a_recorded_stream_does_not_show") {
            let body = reply.body();
            let stream = std::str::from_utf8(&body).unwrap();
            if !reply.is_stream() || once(api, stream, all).asked.is_empty() {
                continue;
            }
            in_pieces(api, stream, every_second, 23);
            if body.len() <= 2_000 {
                everywhere(api, stream, every_second);
                short += 1;
            }
            streams += 1;
        }
    }
    println!("{streams} streams in pieces, {short} at every byte too");
}
