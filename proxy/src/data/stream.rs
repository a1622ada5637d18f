//! A reply on its way to the client: metered, settled, and slowed to the pace
//! at which the client reads.

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use lattice_dialects::openai::chat::{Asked, Relay, Verdict, usage_of};
use lattice_dialects::openai::{Mark, annotate, chat};
use lattice_kernel::Draft;
use lattice_kernel::{Code, Ending, Gate, NanoUsd, Record, Refusal, Usage};
use lattice_providers::{Answer, Exchange};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use crate::data::respond;
use crate::data::serve::{After, end_of};
use crate::gateway::{Gateway, Patience};
use crate::metrics::RequestEnded;

const LATTICE_COST_USD: HeaderName = HeaderName::from_static("x-lattice-cost-usd");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const LATTICE_PROVIDER: HeaderName = HeaderName::from_static("x-lattice-provider");
const LATTICE_MODEL: HeaderName = HeaderName::from_static("x-lattice-model");
const LATTICE_ATTEMPTS: HeaderName = HeaderName::from_static("x-lattice-attempts");
const LATTICE_OVERHEAD_US: HeaderName = HeaderName::from_static("x-lattice-overhead-us");
const LATTICE_NOTED: HeaderName = HeaderName::from_static("x-lattice-noted");

/// The most that one write gathers from reads that are already there.
const GATHER: usize = 64 * 1024;

/// Passes an answer on, closes its record and says what becomes of the connection.
pub async fn pass_on<E: Exchange>(
    gateway: &Gateway,
    session: &mut ServerSession,
    draft: &Draft,
    answer: Answer<E>,
) -> pingora::Result<After> {
    let head = head(draft, &answer)?;
    if is_compressed(answer.exchange.headers()) {
        compressed(gateway, session, draft, answer).await
    } else if answer.rejected {
        rejected(gateway, session, draft, head, answer).await
    } else if is_event_stream(answer.exchange.headers()) {
        event_stream(gateway, session, draft, head, answer).await
    } else {
        whole(gateway, session, draft, head, answer).await
    }
}

/// A body that was compressed although nobody asked for that: it could be
/// passed on, but not metered.
async fn compressed<E: Exchange>(
    gateway: &Gateway,
    session: &mut ServerSession,
    draft: &Draft,
    answer: Answer<E>,
) -> pingora::Result<After> {
    let refusal = Refusal::new(
        Gate::Execution,
        Code::ProviderError,
        format!(
            "Provider {:?} compressed its reply unasked, so that its usage cannot be read; have that switched off there.",
            answer.target.provider
        ),
    );
    close(gateway, draft, answer.record, Ending::Failed(refusal.code));
    respond::refusal(session, draft, &refusal).await?;
    Ok(end_of(session))
}

/// The provider's 4xx: its status and text, with our mark beside them.
async fn rejected<E: Exchange>(
    gateway: &Gateway,
    session: &mut ServerSession,
    draft: &Draft,
    head: ResponseHeader,
    mut answer: Answer<E>,
) -> pingora::Result<After> {
    // A text that cannot be read whole is passed as far as it came.
    let (Ok(body) | Err((_, body))) = collect(&mut answer.exchange, gateway.max_body).await;
    let id = draft.request_id.to_string();
    let mark = Mark {
        gate: Gate::Execution.as_str(),
        code: Code::ProviderRejected.as_str(),
        request_id: &id,
    };
    let body = annotate(&body, answer.exchange.status(), &mark);
    close(gateway, draft, answer.record, Ending::Rejected);
    respond::json(session, head, body).await?;
    Ok(end_of(session))
}

/// A reply in one piece: metered before its head is written, so that the cost
/// can stand in a header.
async fn whole<E: Exchange>(
    gateway: &Gateway,
    session: &mut ServerSession,
    draft: &Draft,
    mut head: ResponseHeader,
    answer: Answer<E>,
) -> pingora::Result<After> {
    let Answer {
        mut exchange,
        mut record,
        target,
        ..
    } = answer;
    let content_type = exchange.headers().get(CONTENT_TYPE).cloned();
    let collected = tokio::select! {
        biased;
        collected = collect(&mut exchange, gateway.max_body) => collected,
        _ = session.read_body_or_idle(true) => {
            close(gateway, draft, record, Ending::ClientGone);
            return Ok(After::Close);
        }
        () = gateway.until(Patience::Over) => {
            close(gateway, draft, record, Ending::Failed(Code::LatticeStopping));
            respond::refusal(session, draft, &respond::stopping()).await?;
            return Ok(After::Close);
        }
    };
    let body = match collected {
        Ok(body) => body,
        Err((why, _)) => {
            let refusal = Refusal::new(
                Gate::Execution,
                Code::ProviderError,
                format!(
                    "Provider {:?} broke its reply off; try again.",
                    target.provider
                ),
            );
            tracing::warn!(request_id = %draft.request_id, why, "reply cut");
            close(gateway, draft, record, Ending::Cut);
            respond::refusal(session, draft, &refusal).await?;
            return Ok(end_of(session));
        }
    };
    exchange.finish().await;
    if let Some(usage) = usage_of(&body) {
        let usage = canonical(&usage);
        record.used(usage);
        if let Some(cost) = record.cost_of(&usage) {
            head.insert_header(LATTICE_COST_USD, cost.to_string())?;
        }
    }
    if let Some(content_type) = content_type {
        head.insert_header(CONTENT_TYPE, content_type)?;
    }
    head.insert_header(http::header::CONTENT_LENGTH, body.len())?;
    let written = write_whole(session, head, body).await;
    close(
        gateway,
        draft,
        record,
        if written.is_ok() {
            Ending::Finished
        } else {
            Ending::ClientGone
        },
    );
    written.map(|()| end_of(session))
}

async fn write_whole(
    session: &mut ServerSession,
    head: ResponseHeader,
    body: Bytes,
) -> pingora::Result<()> {
    session.write_response_header(Box::new(head)).await?;
    // In slices, because the time limit is one for each write.
    for start in (0..body.len()).step_by(GATHER) {
        let slice = body.slice(start..body.len().min(start + GATHER));
        session.write_response_body(slice, false).await?;
    }
    session.write_response_body(Bytes::new(), true).await
}

async fn event_stream<E: Exchange>(
    gateway: &Gateway,
    session: &mut ServerSession,
    draft: &Draft,
    mut head: ResponseHeader,
    answer: Answer<E>,
) -> pingora::Result<After> {
    let Answer {
        mut exchange,
        record,
        usage_asked,
        choices,
        target,
        ..
    } = answer;
    head.insert_header(CONTENT_TYPE, "text/event-stream; charset=utf-8")?;
    head.insert_header(CACHE_CONTROL, "no-cache")?;
    head.insert_header(ACCEL_BUFFERING, "no")?;
    if session.req_header().version == http::Version::HTTP_11 {
        head.insert_header(TRANSFER_ENCODING, "chunked")?;
    } else if !session.is_http2() {
        session.set_keepalive(None);
    }
    let asked = if usage_asked { Asked::Yes } else { Asked::No };
    let mut pump = Pump {
        relay: Relay::new(asked, choices),
        record,
        out: Vec::new(),
    };
    let _streaming = gateway.metrics.stream_started();
    if let Err(error) = session.write_response_header(Box::new(head)).await {
        pump.end(gateway, draft, Ending::ClientGone);
        return Err(error);
    }
    let ended = pump.run(gateway, &mut exchange, session).await;
    if matches!(ended, Ended::Upstream(None)) {
        exchange.finish().await;
    }
    let (ending, last) = match ended {
        Ended::Client => (Ending::ClientGone, None),
        Ended::Upstream(fault) => pump.verdict(draft, &target.provider, fault),
        Ended::Stopping => {
            let event = pump.last_words(draft, &respond::stopping());
            pump.out.push(event);
            (Ending::Failed(Code::LatticeStopping), join(&mut pump.out))
        }
    };
    let written = match (ending, last) {
        (Ending::ClientGone, _) => {
            pump.end(gateway, draft, ending);
            return Ok(After::Close);
        }
        (_, Some(event)) => session.write_response_body(event, true).await,
        (_, None) => session.write_response_body(Bytes::new(), true).await,
    };
    let ending = if written.is_err() {
        Ending::ClientGone
    } else {
        ending
    };
    pump.end(gateway, draft, ending);
    written.map(|()| end_of(session))
}

/// One stream: what it holds is bounded by the relay and by [`GATHER`].
struct Pump {
    relay: Relay,
    record: Record,
    out: Vec<Bytes>,
}

enum Ended {
    /// The client left.
    Client,
    /// The upstream's body ended, or broke for the reason given.
    Upstream(Option<String>),
    /// The gateway stops.
    Stopping,
}

impl Pump {
    async fn run<E: Exchange>(
        &mut self,
        gateway: &Gateway,
        exchange: &mut E,
        session: &mut ServerSession,
    ) -> Ended {
        let mut stopping = std::pin::pin!(gateway.until(Patience::Over));
        loop {
            let read = tokio::select! {
                biased;
                read = exchange.next() => read,
                _ = session.read_body_or_idle(true) => return Ended::Client,
                () = &mut stopping => {
                    self.flush();
                    return Ended::Stopping;
                }
            };
            let mut ended = match read {
                Ok(Some(chunk)) => self.gather(chunk, exchange),
                Ok(None) => Some(Ended::Upstream(None)),
                Err(error) => Some(Ended::Upstream(Some(error.to_string()))),
            };
            if let Some(Ended::Upstream(_)) = ended {
                self.flush();
            }
            if let Some(bytes) = join(&mut self.out)
                && session.write_response_body(bytes, false).await.is_err()
            {
                ended = Some(Ended::Client);
            }
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// Takes what has already arrived along, so that a burst costs one write.
    fn gather<E: Exchange>(&mut self, first: Bytes, exchange: &mut E) -> Option<Ended> {
        let mut gathered = first.len();
        self.push(first);
        while gathered < GATHER {
            match exchange.next().now_or_never() {
                None => return None,
                Some(Ok(Some(chunk))) => {
                    gathered += chunk.len();
                    self.push(chunk);
                }
                Some(Ok(None)) => return Some(Ended::Upstream(None)),
                Some(Err(error)) => return Some(Ended::Upstream(Some(error.to_string()))),
            }
        }
        None
    }

    fn push(&mut self, chunk: Bytes) {
        let record = &self.record;
        self.relay
            .push(chunk, &mut |usage| price(record, usage), &mut self.out);
    }

    fn flush(&mut self) {
        let record = &self.record;
        self.relay
            .finish(&mut |usage| price(record, usage), &mut self.out);
    }

    /// How a stream whose upstream is through has ended, and what the client is
    /// told if that was not its proper end.
    fn verdict(
        &self,
        draft: &Draft,
        provider: &str,
        fault: Option<String>,
    ) -> (Ending, Option<Bytes>) {
        match self.relay.ended() {
            Verdict::Finished => (Ending::Finished, None),
            // The provider's own error event has been passed on.
            Verdict::Errored => (Ending::Failed(Code::ProviderError), None),
            Verdict::Cut => {
                let why = fault.unwrap_or_else(|| "the stream ended without its end mark".into());
                tracing::warn!(request_id = %draft.request_id, why, "stream cut");
                let refusal = Refusal::new(
                    Gate::Execution,
                    Code::ProviderError,
                    format!(
                        "Provider {provider:?} broke the stream off; what has come so far is incomplete. Try again."
                    ),
                );
                (Ending::Cut, Some(self.last_words(draft, &refusal)))
            }
        }
    }

    /// The error event that a stream ends with.
    fn last_words(&self, draft: &Draft, refusal: &Refusal) -> Bytes {
        let id = draft.request_id.to_string();
        self.relay
            .error_event(&respond::error_body(refusal, refusal.code.status(), &id))
    }

    /// Usage counts if the stream was whole; a count that a broken stream
    /// carried along falls short.
    fn end(mut self, gateway: &Gateway, draft: &Draft, ending: Ending) {
        let progress = self.relay.progress();
        if let Some(usage) = &progress.usage
            && self.relay.ended() == Verdict::Finished
        {
            self.record.used(canonical(usage));
        }
        close(gateway, draft, self.record, ending);
    }
}

fn price(record: &Record, usage: &chat::Usage) -> Option<String> {
    record
        .cost_of(&canonical(usage))
        .map(|cost: NanoUsd| cost.to_string())
}

fn canonical(usage: &chat::Usage) -> Usage {
    Usage {
        input: usage.input,
        cached_input: usage.cached_input,
        cache_write: usage.cache_write,
        output: usage.output,
        reasoning: usage.reasoning,
    }
}

fn close(gateway: &Gateway, draft: &Draft, record: Record, ending: Ending) {
    let outcome = record.close(ending);
    gateway
        .metrics
        .request_ended(&RequestEnded::with_outcome(draft, &outcome));
}

/// One write for all that is there.
fn join(out: &mut Vec<Bytes>) -> Option<Bytes> {
    match out.len() {
        0 => None,
        1 => out.pop(),
        _ => {
            let mut joined = BytesMut::with_capacity(out.iter().map(Bytes::len).sum());
            out.drain(..)
                .for_each(|bytes| joined.extend_from_slice(&bytes));
            Some(joined.freeze())
        }
    }
}

/// A body that is read whole, or why not with what there is of it.
async fn collect<E: Exchange>(exchange: &mut E, most: usize) -> Result<Bytes, (String, Bytes)> {
    let mut body = BytesMut::new();
    let mut only: Option<Bytes> = None;
    loop {
        match exchange.next().await {
            Ok(None) => return Ok(only.unwrap_or_else(|| body.freeze())),
            Ok(Some(chunk)) if body.is_empty() && only.is_none() => only = Some(chunk),
            Ok(Some(chunk)) => {
                if let Some(first) = only.take() {
                    body.extend_from_slice(&first);
                }
                body.extend_from_slice(&chunk);
                if body.len() > most {
                    return Err((
                        "the reply is larger than server.max_body_mib".into(),
                        body.freeze(),
                    ));
                }
            }
            Err(error) => return Err((error.to_string(), only.unwrap_or_else(|| body.freeze()))),
        }
    }
}

fn is_event_stream(headers: &http::HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with("text/event-stream"))
}

fn is_compressed(headers: &http::HeaderMap) -> bool {
    headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
}

/// The head of a reply: the provider's own limits and names, then ours.
fn head<E: Exchange>(draft: &Draft, answer: &Answer<E>) -> pingora::Result<ResponseHeader> {
    let mut head = respond::head(answer.exchange.status(), draft.request_id)?;
    for (name, value) in answer.exchange.headers() {
        let passes =
            name.as_str().starts_with("x-ratelimit-") || name.as_str().starts_with("openai-");
        if passes {
            head.append_header(name.clone(), value.clone())?;
        }
    }
    head.insert_header(LATTICE_PROVIDER, &*answer.target.provider)?;
    if let Ok(model) = HeaderValue::from_str(&answer.target.model) {
        head.insert_header(LATTICE_MODEL, model)?;
    }
    head.insert_header(LATTICE_ATTEMPTS, answer.record.attempts())?;
    let gates: u128 = draft
        .laps()
        .filter(|(gate, _)| *gate != Gate::Intake)
        .map(|(_, lap)| lap.as_micros())
        .sum();
    head.insert_header(LATTICE_OVERHEAD_US, gates.to_string())?;
    if !answer.noted.is_empty() {
        head.insert_header(LATTICE_NOTED, answer.noted.join(", "))?;
    }
    Ok(head)
}
