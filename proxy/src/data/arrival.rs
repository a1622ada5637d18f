//! A request whose body is still on the client's socket.
//!
//! The pipeline asks for the body once gate 1 has passed; [`Conduit`] reads it
//! and from then on watches the socket, so that a client that leaves while the
//! upstream thinks is noticed. The two run side by side in one task and speak
//! through a pair of channels, because only one of them can hold the socket.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::count::CountRequest;
use lattice_dialects::embed::{EmbedRequest, GeminiRequest, OpenAiRequest};
use lattice_dialects::gemini::generate::{self, GenerateRequest};
use lattice_dialects::json::Malformed;
use lattice_dialects::openai::chat::ChatRequest;
use lattice_dialects::openai::responses::ResponsesRequest;
use lattice_dialects::{Api, Inbound};
use lattice_kernel::Draft;
use lattice_kernel::call::Arrival;
use lattice_kernel::{Ask, Body as _, Call, Code, Gate, Head, Plan, Presence, Principal, Refusal};
use lattice_limits::Mode;
use lattice_providers::{Asked, Forwarded, Outbound};
use pingora::protocols::http::ServerSession;
use tokio::sync::oneshot;

use crate::books::Books;
use crate::catalog::Catalog;
use crate::data::routes::{Embed, What};

/// Bodies above this are parsed on a thread that may block, bytes.
const PARSED_INLINE: usize = 256 * 1024;
/// Policy sees every name, and a stranger must not decide how many.
const MOST_TOOLS: usize = 2048;

type Delivery = oneshot::Sender<Result<Bytes, Refusal>>;

/// What is known of a request from its head alone.
pub struct Opening {
    /// For the gates.
    pub head: Head,
    /// What is asked.
    pub what: What,
    /// The model, where the path names it.
    pub model: Option<String>,
    /// The path asks for a stream.
    pub stream: bool,
    /// What the caller says that its data are classified as.
    pub classification: Option<Box<str>>,
    /// What goes along to a provider of the same dialect.
    pub forwarded: Forwarded,
}

/// The pipeline's end.
pub struct Incoming<'a> {
    opening: Opening,
    body: oneshot::Sender<Delivery>,
    catalog: &'a Catalog,
    books: &'a Books,
}

/// The socket's end.
pub struct Conduit<'a> {
    session: &'a mut ServerSession,
    wanted: oneshot::Receiver<Delivery>,
    max_body: usize,
    presence: Presence,
}

/// The two ends of one request.
pub fn connect<'a>(
    session: &'a mut ServerSession,
    opening: Opening,
    (catalog, books): (&'a Catalog, &'a Books),
    max_body: usize,
    presence: Presence,
) -> (Incoming<'a>, Conduit<'a>) {
    let (body, wanted) = oneshot::channel();
    (
        Incoming {
            opening,
            body,
            catalog,
            books,
        },
        Conduit {
            session,
            wanted,
            max_body,
            presence,
        },
    )
}

/// The client has left.
#[derive(Debug)]
pub struct Gone;

impl Conduit<'_> {
    /// Delivers the body when it is asked for; ends when the client leaves.
    ///
    /// # Errors
    /// Always: [`Gone`].
    pub async fn run(self) -> Result<Infallible, Gone> {
        let Self {
            session,
            wanted,
            max_body,
            presence,
        } = self;
        let Ok(delivery) = wanted.await else {
            return std::future::pending().await;
        };
        let body = read_body(session, max_body).await;
        let refused = body.is_err();
        // A receiver that is gone has stopped waiting; nothing is lost by that.
        drop(delivery.send(body));
        if refused {
            // pingora takes a body that it cannot read for one that has ended.
            session.set_keepalive(None);
            // The client waits for the answer; what it still sends, or its having
            // sent all that it will, says nothing about that.
            return std::future::pending().await;
        }
        loop {
            if session.read_body_or_idle(true).await.is_err() {
                presence.leave();
                return Err(Gone);
            }
        }
    }
}

/// The model that is served in place of the one that was asked for, where a budget that
/// says so is spent. Policy decides on that one, as on any other.
fn stand_in(
    catalog: &Catalog,
    books: &Books,
    who: &Principal,
    draft: &mut Draft,
    asked: (Arc<str>, Plan),
) -> (Arc<str>, Plan) {
    let Some(limit) = books.downgrade(draft.at, who, &asked.0) else {
        return asked;
    };
    let Mode::Downgrade(model) = &limit.mode else {
        return asked;
    };
    if **model == *asked.0 {
        return asked;
    }
    let Some(cheaper) = catalog.plan(model) else {
        return asked;
    };
    draft.noted.push(
        format!(
            "model {} in place of {} (downgrade budget of {} {})",
            cheaper.0,
            asked.0,
            limit.kind.as_str(),
            limit.name
        )
        .into(),
    );
    cheaper
}

impl Arrival for Incoming<'_> {
    type Body = Outbound;

    fn head(&self) -> &Head {
        &self.opening.head
    }

    async fn read(self, who: &Principal, draft: &mut Draft) -> Result<Call<Outbound>, Refusal> {
        let (delivery, body) = oneshot::channel();
        let lost = || Draft::internal("the conduit ended before the body was read");
        self.body.send(delivery).map_err(|_| lost())?;
        let body = body.await.map_err(|_| lost())??;
        let Opening {
            head,
            what,
            model,
            stream,
            classification,
            forwarded,
        } = self.opening;
        let asked = parse(what, model, stream, body).await?;
        let body = Outbound {
            asked,
            forwarded,
            cap_output: false,
        };
        let facts = body.facts();
        draft.asks_for(&facts.model);
        let (model, plan) = self
            .catalog
            .plan(&facts.model)
            .ok_or_else(|| Refusal::unknown_model(&facts.model))?;
        let (model, plan) = stand_in(self.catalog, self.books, who, draft, (model, plan));
        let ask = Ask {
            action: what.action(),
            model,
            dialect: draft.dialect,
            stream: facts.stream,
            tools: body.tools(),
            classification,
            source: head.source,
        };
        Ok(Call { ask, plan, body })
    }
}

/// A large body takes its time to parse, and other requests need the thread.
async fn parse(
    what: What,
    model: Option<String>,
    stream: bool,
    body: Bytes,
) -> Result<Asked, Refusal> {
    let parsed = if body.len() <= PARSED_INLINE {
        read(what, model, stream, body)
    } else {
        tokio::task::spawn_blocking(move || read(what, model, stream, body))
            .await
            .map_err(|error| Draft::internal(error.to_string()))?
    };
    let asked = parsed.map_err(malformed)?;
    if asked.facts().tools.len() > MOST_TOOLS {
        let message = format!("tools names more than {MOST_TOOLS} tools; offer fewer.");
        return Err(Refusal::new(Gate::Intake, Code::CallerUnsupported, message).field("tools"));
    }
    Ok(asked)
}

fn read(what: What, model: Option<String>, stream: bool, body: Bytes) -> Result<Asked, Malformed> {
    let model = model.unwrap_or_default();
    let generation = match what {
        What::Generate(Api::Chat) => Inbound::Chat(ChatRequest::parse(body)?),
        What::Generate(Api::Responses) => Inbound::Responses(ResponsesRequest::parse(body)?),
        What::Generate(Api::Messages) => Inbound::Messages(MessagesRequest::parse(body)?),
        What::Generate(Api::Generate) => {
            Inbound::Generate(GenerateRequest::parse(body, &model, stream)?)
        }
        What::Count(Api::Generate) => {
            let request = generate::CountRequest::parse(body, &model)?;
            return Ok(Asked::Count(CountRequest::Generate(request)));
        }
        What::Count(_) => {
            let request = MessagesRequest::parse_count(body)?;
            return Ok(Asked::Count(CountRequest::Messages(request)));
        }
        What::Embed(Embed::OpenAi) => {
            let request = OpenAiRequest::parse(body)?;
            return Ok(Asked::Embedding(EmbedRequest::OpenAi(request)));
        }
        What::Embed(Embed::Gemini(verb)) => {
            let request = GeminiRequest::parse(body, verb, &model)?;
            return Ok(Asked::Embedding(EmbedRequest::Gemini(request)));
        }
    };
    Ok(Asked::Generation(generation))
}

async fn read_body(session: &mut ServerSession, max_body: usize) -> Result<Bytes, Refusal> {
    let announced = session
        .get_header(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max_body) {
        return Err(too_large(max_body));
    }
    if session.get_header(EXPECT).is_some() {
        session
            .write_continue_response()
            .await
            .map_err(|error| cut(&error))?;
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = session
        .read_request_body()
        .await
        .map_err(|error| cut(&error))?
    {
        if body.is_empty() && announced == Some(chunk.len()) {
            return finish(session, chunk).await;
        }
        if body.len() + chunk.len() > max_body {
            return Err(too_large(max_body));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The usual small body came in one read: no copy, and the end is known.
async fn finish(session: &mut ServerSession, only: Bytes) -> Result<Bytes, Refusal> {
    match session
        .read_request_body()
        .await
        .map_err(|error| cut(&error))?
    {
        None => Ok(only),
        Some(_) => Err(Draft::internal("more bytes than Content-Length")),
    }
}

fn too_large(max_body: usize) -> Refusal {
    Refusal::new(
        Gate::Intake,
        Code::CallerTooLarge,
        format!(
            "The body is larger than {} MiB; send less, or have server.max_body_mib raised.",
            max_body >> 20
        ),
    )
}

fn cut(error: &pingora::Error) -> Refusal {
    Refusal::new(
        Gate::Intake,
        Code::CallerMalformed,
        "The body ended before it was complete, or its chunks are malformed; send it again, with a Content-Length that is right.",
    )
    .because(error.to_string())
}

fn malformed(malformed: Malformed) -> Refusal {
    let refusal = Refusal::new(Gate::Intake, Code::CallerMalformed, malformed.to_string());
    match malformed.field() {
        Some(field) => refusal.field(field),
        None => refusal,
    }
}
