//! Recorded requests of every dialect, on their way to OpenAI.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::canonical::{Request, Unsupported};
use lattice_dialects::gemini::generate::GenerateRequest;
use lattice_dialects::openai::chat::{ChatRequest, Server, encode};
use lattice_dialects::openai::responses::ResponsesRequest;

use super::{TO, api, read};
use crate::recorded::{Recording, recordings};

/// What became of the requests of one API.
#[derive(Debug, Default)]
struct Tally {
    /// By the reader, which no target has a say in.
    unread: usize,
    /// To chat completions of each kind of server, and to Responses.
    sent: [usize; 5],
}

impl Tally {
    fn request(&mut self, file: &str, request: Result<Request<'_>, Unsupported>) {
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                println!("{file}: not read: {error}");
                self.unread += 1;
                return;
            }
        };
        let encoded = [
            encode(&request, &TO, Server::OpenAi),
            encode(&request, &TO, Server::Compatible),
            encode(&request, &TO, Server::Strict),
            encode(&request, &TO, Server::Mistral),
            api::encode(&request, &TO),
        ];
        for (encoded, sent) in encoded.into_iter().zip(&mut self.sent) {
            match encoded {
                Ok(encoded) => {
                    let (_, noted) = read(encoded);
                    println!("{file}: sent: {noted:?}");
                    *sent += 1;
                }
                Err(error) => {
                    println!("{file}: refused: {error}");
                    assert!(!error.field.is_empty() && !error.why.is_empty());
                }
            }
        }
    }
}

fn replay(api: &str, send: impl Fn(&Recording, Bytes, &mut Tally)) -> Option<Tally> {
    let test = format!("recorded requests of {api} to OpenAI");
    let mut tally = Tally::default();
    let all = recordings(api, "", &test)?;
    let all = all.iter().filter(|it| it.request().is_object());
    for recording in all {
        let body = Bytes::from(recording.request().to_string());
        send(recording, body, &mut tally);
    }
    println!("{api}: {tally:?}");
    Some(tally)
}

#[test]
fn requests_to_claude_reach_openai_or_are_refused_by_name() {
    let tally = replay("anthropic.messages", |recording, body, tally| {
        let request = MessagesRequest::parse(body).unwrap();
        tally.request(&recording.file, request.canonical());
    });
    assert!(tally.is_none_or(|it| it.sent.iter().all(|sent| *sent >= 20)));
}

#[test]
fn requests_to_gemini_reach_openai_or_are_refused_by_name() {
    let tally = replay("gemini.generateContent", |recording, body, tally| {
        let request = GenerateRequest::parse(body, "gemini-2.5-pro", true).unwrap();
        tally.request(&recording.file, request.canonical());
    });
    assert!(tally.is_none_or(|it| it.sent.iter().all(|sent| *sent >= 20)));
}

#[test]
fn requests_to_responses_reach_chat_or_are_refused_by_name() {
    let tally = replay("openai.responses", |recording, body, tally| {
        let Ok(request) = ResponsesRequest::parse(body) else {
            return;
        };
        tally.request(&recording.file, request.canonical());
    });
    assert!(tally.is_none_or(|it| it.sent.iter().all(|sent| *sent >= 20)));
}

#[test]
fn requests_to_chat_reach_openai_or_are_refused_by_name() {
    let tally = replay("openai.chat", |recording, body, tally| {
        let request = ChatRequest::parse(body).unwrap();
        tally.request(&recording.file, request.canonical());
    });
    assert!(tally.is_none_or(|it| it.sent.iter().all(|sent| *sent >= 20)));
}
