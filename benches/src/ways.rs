//! The ways between a caller that speaks OpenAI's chat and an upstream.

use std::hint::black_box;

use bytes::Bytes;
use lattice_dialects::anthropic::messages;
use lattice_dialects::canonical::{Decode, Encoded, Target, Usage};
use lattice_dialects::gemini::generate;
use lattice_dialects::openai::chat::{ChatRequest, ChatWatch, Rewrite};
use lattice_dialects::reply::{Asked, Labels, Relay, Translator, Verdict};

use crate::small_chat;

/// A request to an upstream of the same dialect: parsed and spliced.
#[must_use]
pub fn rewritten(body: &Bytes) -> Bytes {
    parsed(body).rewrite(&Rewrite {
        model: Some("gpt-5"),
        include_usage: true,
        output_cap: None,
    })
}

/// A request to Anthropic: parsed and written anew.
#[must_use]
pub fn to_anthropic(body: &Bytes) -> Encoded {
    let chat = parsed(body);
    let request = chat.canonical().expect("the sample can be carried");
    messages::encode(&request, &to("claude-sonnet-4-5")).expect("Claude can be asked that")
}

/// A request to Gemini: parsed and written anew.
#[must_use]
pub fn to_gemini(body: &Bytes) -> Encoded {
    let chat = parsed(body);
    let request = chat.canonical().expect("the sample can be carried");
    generate::encode(&request, &to("gemini-3-pro")).expect("Gemini can be asked that")
}

/// A stream of the same dialect.
#[must_use]
pub fn relayed(events: &[Bytes]) -> Verdict {
    let mut relay = Relay::new(Box::new(ChatWatch::new(Asked::Yes, 1)));
    let mut out = Vec::new();
    for event in events {
        relay.push(event.clone(), &mut price, &mut out);
        black_box(&out);
        out.clear();
    }
    relay.finish(&mut price, &mut out);
    relay.ended()
}

/// A stream of Anthropic's.
#[must_use]
pub fn from_anthropic(events: &[Bytes]) -> Verdict {
    translated(events, Box::<messages::Decoder>::default())
}

/// A stream of Gemini's.
#[must_use]
pub fn from_gemini(events: &[Bytes]) -> Verdict {
    translated(events, Box::new(generate::Decoder::new("0")))
}

fn translated(events: &[Bytes], decoder: Box<dyn Decode>) -> Verdict {
    let labels = Labels {
        id: "0".to_owned(),
        created: 1_760_000_000,
        model: "assistant".to_owned(),
    };
    let mut translator =
        Translator::new(decoder, parsed(&small_chat()).writers(labels, Asked::Yes));
    let mut out = Vec::new();
    for event in events {
        translator.push(event.clone(), &mut price, &mut out);
        black_box(&out);
        out.clear();
    }
    translator.finish(&mut price, &mut out);
    translator.ended()
}

fn parsed(body: &Bytes) -> ChatRequest {
    ChatRequest::parse(body.clone()).expect("the sample is a chat request")
}

fn to(model: &str) -> Target<'_> {
    Target {
        model,
        output_cap: None,
    }
}

fn price(_: &Usage) -> Option<String> {
    Some("0.0012".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EVENTS, anthropic_stream, chat_stream, gemini_stream, large_chat, small_chat};

    #[test]
    fn the_large_request_is_as_large_as_its_name_says() {
        let body = large_chat();
        assert!((165_000..175_000).contains(&body.len()), "{}", body.len());
        let chat = parsed(&body);
        assert_eq!(
            (chat.facts.messages, chat.facts.tool_names().len()),
            (40, 40)
        );
        assert!(small_chat().len() < 1000);
    }

    #[test]
    fn every_upstream_gets_the_whole_of_a_request() {
        for body in [small_chat(), large_chat()] {
            let least = body.len() / 2;
            assert!(rewritten(&body).len() > body.len());
            for encoded in [to_anthropic(&body), to_gemini(&body)] {
                assert!(encoded.body.len() > least, "{}", encoded.body.len());
            }
        }
    }

    #[test]
    fn every_stream_has_the_same_number_of_events_and_ends_as_it_must() {
        let (chat, claude, gemini) = (chat_stream(), anthropic_stream(), gemini_stream());
        for events in [&chat, &claude, &gemini] {
            assert_eq!(events.len(), EVENTS);
        }
        assert_eq!(relayed(&chat), Verdict::Finished);
        assert_eq!(from_anthropic(&claude), Verdict::Finished);
        assert_eq!(from_gemini(&gemini), Verdict::Finished);
        assert_eq!(from_gemini(&gemini[..EVENTS - 1]), Verdict::Cut);
    }
}
