//! Every recording of three dialects, through the canonical form and out again.

use bytes::Bytes;
use lattice_dialects::canonical::{Decode, Encoded, Ended, Target, Unsupported, Usage};
use lattice_dialects::openai::chat::{ChatRequest, Decoder, ReplyEncoder, StreamEncoder};
use lattice_dialects::reply::Asked;
use lattice_dialects::reply::{Labels, Translator, Verdict, Writers};
use lattice_dialects::{anthropic, gemini, openai};
use serde_json::Value;

use crate::order::{Told, check_chat_stream, decoded, decoded_whole};
use crate::recorded::{Recording, recordings};

pub fn labels() -> Labels {
    Labels {
        id: "1".into(),
        created: 1_700_000_000,
        model: "asked".into(),
    }
}

/// Writes replies for a chat client.
pub fn writers(asked: Asked) -> Writers {
    Writers {
        stream: Box::new(StreamEncoder::new(labels(), asked)),
        whole: Box::new(ReplyEncoder::new(labels())),
    }
}

/// A dialect of the recordings.
struct Dialect {
    api: &'static str,
    without: &'static str,
    /// As many recordings as there are to be.
    count: usize,
    decoder: fn(&Recording) -> Box<dyn Decode>,
    /// The words of an error reply.
    error: fn(&[u8]) -> Option<String>,
}

const CHAT: Dialect = Dialect {
    api: "openai.chat",
    without: "",
    count: 80,
    decoder: |recording| Box::new(Decoder::new("s", recording.choices())),
    error: |body| openai::read_error(body)?.message,
};

/// One of the replies is that of a request in the background, which is never made.
const RESPONSES: Dialect = Dialect {
    api: "openai.responses",
    without: "",
    count: 47,
    decoder: |_| Box::new(openai::responses::Decoder::default()),
    error: |body| openai::read_error(body)?.message,
};

const ANTHROPIC: Dialect = Dialect {
    api: "anthropic.messages",
    without: "",
    count: 56,
    decoder: |_| Box::new(anthropic::messages::Decoder::default()),
    error: |body| anthropic::messages::read_error(body)?.message,
};

const GEMINI: Dialect = Dialect {
    api: "gemini.generateContent",
    without: "vertex",
    count: 42,
    decoder: |_| Box::new(gemini::generate::Decoder::new("s")),
    error: |body| gemini::generate::read_error(body)?.message,
};

impl Dialect {
    fn replay(&self) {
        let test = format!("replay of {}", self.api);
        let Some(recordings) = recordings(self.api, self.without, &test) else {
            return;
        };
        let (mut streams, mut wholes, mut errors, mut usages) = (0, 0, 0, 0);
        for recording in &recordings {
            let file = &recording.file;
            println!("{file}");
            if recording.request()["background"] == true && !recording.is_stream() {
                continue;
            }
            let told = if recording.status() >= 400 {
                let words = (self.error)(&recording.body());
                assert!(words.is_some_and(|words| !words.is_empty()), "{file}");
                errors += 1;
                continue;
            } else if recording.is_stream() {
                streams += 1;
                self.stream(recording)
            } else {
                wholes += 1;
                self.whole(recording)
            };
            usages += usize::from(told.usage.is_some());
        }
        println!(
            "{}: {streams} streams, {wholes} replies, {errors} errors; {usages} tell their usage",
            self.api
        );
        let all = streams + wholes + errors;
        assert!(all >= self.count, "{all} of {} recordings", self.count);
    }

    fn stream(&self, recording: &Recording) -> Told {
        let body = recording.body();
        let (told, ended) = decoded(&body, &mut *(self.decoder)(recording)).unwrap();
        let mut translator = Translator::new((self.decoder)(recording), writers(Asked::Yes));
        let mut out = Vec::new();
        translator.push(body, &mut |_| None, &mut out);
        translator.finish(&mut |_| None, &mut out);
        assert_eq!(translator.garbled(), None);
        if ended == Ended::Errored {
            assert_eq!(translator.ended(), Verdict::Errored);
            assert_eq!(
                translator.provider_error().unwrap().message,
                told.error,
                "the provider's words"
            );
            return told;
        }
        assert_eq!(ended, Ended::Whole);
        assert_eq!(translator.ended(), Verdict::Finished);
        assert_eq!(translator.usage(), told.usage);
        let out = String::from_utf8(out.concat()).unwrap();
        check_chat_stream(&out);
        let choices = told.choices.len() as u32;
        let again = decoded(out.as_bytes(), &mut Decoder::new("t", choices));
        let (again, ended) = again.unwrap();
        assert_eq!(ended, Ended::Whole);
        same(&told, &again);
        told
    }

    fn whole(&self, recording: &Recording) -> Told {
        let body = recording.body();
        let told = decoded_whole(&body, &mut *(self.decoder)(recording)).unwrap();
        let mut translator = Translator::new((self.decoder)(recording), writers(Asked::No));
        let (reply, usage) = translator.whole(&body, &mut |_| None).unwrap();
        assert_eq!(usage, told.usage);
        let again = decoded_whole(&reply, &mut Decoder::new("t", 1)).unwrap();
        same(&told, &again);
        told
    }
}

/// 1 if it could be sent; else the refusal names a field.
fn sent(file: &str, encoded: Result<Encoded, Unsupported>) -> usize {
    match encoded {
        Ok(encoded) => {
            let body: Value = serde_json::from_slice(&encoded.body).unwrap();
            assert!(body.is_object(), "{file}");
            1
        }
        Err(error) => {
            println!("{file}: not sent: {error}");
            assert!(!error.field.is_empty(), "{file}");
            0
        }
    }
}

/// As far as a chat completion has room for it.
fn in_chat(usage: Usage) -> Usage {
    Usage {
        cache_write_1h: 0,
        web_searches: 0,
        tier: None,
        ..usage
    }
}

fn same(told: &Told, again: &Told) {
    assert_eq!(told.essence(), again.essence());
    assert_eq!(told.usage.map(in_chat), again.usage, "usage to the token");
}

#[test]
fn recorded_chat_replies_survive_the_canonical_form() {
    CHAT.replay();
}

#[test]
fn recorded_responses_reach_a_chat_client() {
    RESPONSES.replay();
}

#[test]
fn recorded_claude_replies_reach_a_chat_client() {
    ANTHROPIC.replay();
}

#[test]
fn recorded_gemini_replies_reach_a_chat_client() {
    GEMINI.replay();
}

#[test]
fn recorded_chat_requests_are_sent_elsewhere_or_refused_by_name() {
    let test = "recorded_chat_requests_are_sent_elsewhere_or_refused_by_name";
    let Some(recordings) = recordings(CHAT.api, CHAT.without, test) else {
        return;
    };
    let (mut to_claude, mut to_gemini, mut to_openai, mut refused) = (0, 0, [0; 3], 0);
    for recording in &recordings {
        let file = &recording.file;
        let body = Bytes::from(recording.request().to_string());
        let request = ChatRequest::parse(body).unwrap();
        let request = match request.canonical() {
            Ok(request) => request,
            Err(error) => {
                println!("{file}: refused: {error}");
                assert!(!error.field.is_empty(), "{file}");
                refused += 1;
                continue;
            }
        };
        let to = |model| Target {
            model,
            output_cap: Some(1024),
        };
        to_claude += sent(
            file,
            anthropic::messages::encode(&request, &to("claude-sonnet-4-5")),
        );
        to_gemini += sent(
            file,
            gemini::generate::encode(&request, &to("gemini-2.5-pro")),
        );
        let to = to("gpt-5");
        for (sends, encoded) in to_openai.iter_mut().zip([
            openai::chat::encode(&request, &to, openai::chat::Server::OpenAi),
            openai::chat::encode(&request, &to, openai::chat::Server::Compatible),
            openai::responses::encode(&request, &to),
        ]) {
            *sends += sent(file, encoded);
        }
    }
    let all = recordings.len();
    println!(
        "{all} requests: {refused} refused, {to_claude} sent to Claude, {to_gemini} to Gemini, {to_openai:?} to OpenAI's chat, servers like it, Responses"
    );
    assert!(all >= CHAT.count);
    assert!(to_claude > 40 && to_gemini > 40, "most can be sent");
    assert!(
        to_openai.iter().all(|sends| *sends > 40),
        "most can be sent"
    );
}
