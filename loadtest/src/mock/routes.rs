//! What is answered where.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;

use super::behaviour::Behaviour;
use super::chat::Completion;
use super::fault::Fault;
use super::ledger::{Arrival, Ending, Ledger, Received, Ticket};
use super::reply::{self, ReplyBody};
use super::request::ChatRequest;
use super::stream::ChatStream;
use super::wire::Breaker;

pub(super) struct Upstream {
    behaviour: Behaviour,
    ledger: Arc<Ledger>,
}

impl Upstream {
    pub(super) fn new(behaviour: Behaviour, ledger: Arc<Ledger>) -> Self {
        Self { behaviour, ledger }
    }

    /// Answers one request. An error breaks the connection off.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        breaker: Breaker,
    ) -> io::Result<Response<ReplyBody>> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/v1/chat/completions") => self.chat(request, breaker).await,
            (&Method::POST, "/v1/embeddings") => self.embeddings(request).await,
            (&Method::GET, "/v1/models") => Ok(models()),
            (&Method::GET, "/__mock/state") => {
                Ok(reply::json(StatusCode::OK, &self.ledger.state()))
            }
            (&Method::POST, "/__mock/reset") => {
                self.ledger.reset();
                Ok(reply::json(StatusCode::OK, &json!({"reset": true})))
            }
            (method, path) => {
                let message = format!("the mock has no {method} {path}");
                Ok(reply::error(StatusCode::NOT_FOUND, &message))
            }
        }
    }

    async fn chat(
        &self,
        request: Request<Incoming>,
        breaker: Breaker,
    ) -> io::Result<Response<ReplyBody>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        self.ledger.keep(Received {
            headers: head.headers.clone(),
            body: body.clone(),
        });
        let request_id = header(&head.headers, "x-request-id");
        let request: ChatRequest<'_> = match serde_json::from_slice(&body) {
            Ok(request) => request,
            Err(error) => {
                let message = format!("malformed: {error}");
                return Ok(self.refuse(StatusCode::BAD_REQUEST, &message, request_id, None));
            }
        };
        let behaviour = match self.behaviour_of(&request, &head.headers) {
            Ok(behaviour) => behaviour,
            Err(message) => {
                let status = StatusCode::BAD_REQUEST;
                return Ok(self.refuse(status, &message, request_id, Some(&request)));
            }
        };
        if let Some(Fault::Status(code)) = behaviour.fault {
            let status = StatusCode::from_u16(code).map_err(io::Error::other)?;
            return Ok(self.refuse(status, "ordered fault", request_id, Some(&request)));
        }
        let ticket = self.ledger.arrive(Arrival {
            request_id,
            model: request.model.clone().into_owned(),
            stream: request.streamed(),
            input_tokens: request.prompt_tokens(),
        });
        serve(&request, behaviour, ticket, breaker).await
    }

    /// One vector for one text, billed by its words.
    async fn embeddings(&self, request: Request<Incoming>) -> io::Result<Response<ReplyBody>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let request_id = header(&head.headers, "x-request-id");
        let asked: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let (Some(model), Some(input)) = (asked["model"].as_str(), asked["input"].as_str()) else {
            let message = "the mock takes a model and one text as input";
            return Ok(self.refuse(StatusCode::BAD_REQUEST, message, request_id, None));
        };
        let tokens = input.split_whitespace().count() as u64;
        let mut ticket = self.ledger.arrive(Arrival {
            request_id,
            model: model.to_owned(),
            stream: false,
            input_tokens: tokens,
        });
        ticket.end(Ending::Finished);
        let vector = json!({"object": "embedding", "index": 0, "embedding": [0.5, -0.5]});
        Ok(reply::json(
            StatusCode::OK,
            &json!({
                "object": "list",
                "model": model,
                "data": [vector],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }),
        ))
    }

    fn behaviour_of(
        &self,
        request: &ChatRequest<'_>,
        headers: &HeaderMap,
    ) -> Result<Behaviour, String> {
        let model_query = request.model.split_once('?').map_or("", |(_, query)| query);
        let ordered = header(headers, "x-mock-behaviour").unwrap_or_default();
        self.behaviour.overlaid(model_query)?.overlaid(&ordered)
    }

    fn refuse(
        &self,
        status: StatusCode,
        message: &str,
        request_id: Option<String>,
        request: Option<&ChatRequest<'_>>,
    ) -> Response<ReplyBody> {
        let mut ticket = self.ledger.arrive(Arrival {
            request_id,
            model: request.map_or_else(String::new, |request| request.model.clone().into_owned()),
            stream: request.is_some_and(ChatRequest::streamed),
            input_tokens: 0,
        });
        ticket.end(Ending::Refused);
        reply::error(status, message)
    }
}

async fn serve(
    request: &ChatRequest<'_>,
    behaviour: Behaviour,
    mut ticket: Ticket,
    breaker: Breaker,
) -> io::Result<Response<ReplyBody>> {
    if !behaviour.latency.is_zero() {
        tokio::time::sleep(behaviour.latency).await;
    }
    match behaviour.fault {
        Some(Fault::HangHeader) => std::future::pending().await,
        Some(Fault::ResetHeader) => {
            ticket.end(Ending::Faulted);
            breaker.trip();
            return Err(io::Error::other("ordered fault"));
        }
        _ => {}
    }
    let completion = Completion::new(request, &behaviour, ticket.sequence());
    if request.streamed() {
        let body = ChatStream::new(completion, behaviour, ticket, breaker);
        return Ok(reply::stream(body));
    }
    let fault = generate(&completion, &behaviour, &ticket).await;
    let object: Bytes = completion.object();
    Ok(match fault {
        Some(Fault::HangAfter(_)) => std::future::pending().await,
        Some(Fault::ErrorEventAfter(_)) => {
            ticket.end(Ending::Faulted);
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "ordered fault")
        }
        Some(Fault::ResetAfter(_)) => reply::torn(&object, Some(breaker), ticket),
        Some(Fault::TruncateAfter(_)) => reply::torn(&object, None, ticket),
        _ => reply::completion(object, ticket),
    })
}

/// Takes the time and bills the tokens of a reply that is sent in one piece.
/// Returns the fault that ended the generation.
async fn generate(
    completion: &Completion,
    behaviour: &Behaviour,
    ticket: &Ticket,
) -> Option<Fault> {
    let total = completion.completion_tokens();
    let fault = behaviour
        .fault
        .filter(|fault| fault.after().is_some_and(|limit| limit <= total));
    let tokens = fault.and_then(Fault::after).unwrap_or(total);
    for token in 0..tokens {
        let wait = behaviour.wait_before(token, completion.choices);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        ticket.bill_output(1);
    }
    fault
}

fn models() -> Response<ReplyBody> {
    let model = json!({"id": "mock", "object": "model", "created": 0, "owned_by": "lattice"});
    reply::json(StatusCode::OK, &json!({"object": "list", "data": [model]}))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
