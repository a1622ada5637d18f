//! A reply on its way to the client: metered, settled, and slowed to the pace
//! at which the client reads.

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use lattice_dialects::canonical;
use lattice_dialects::error::{Mark, annotate, translate};
use lattice_dialects::reply::Verdict;
use lattice_kernel::{Code, Dialect, Draft, Ending, Gate, NanoUsd, Record, Refusal, Target};
use lattice_providers::{Answer, Exchange, Rejected, TransportError, used};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use crate::data::ratelimits;
use crate::data::reader::Reader;
use crate::data::respond;
use crate::data::routes;
use crate::data::serve::{After, end_of};
use crate::data::tools::Bench;
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
    let passed = Passed {
        status: answer.exchange.status(),
        headers: answer.exchange.headers(),
        target: &answer.target,
        attempts: answer.record.attempts(),
        noted: &answer.noted,
    };
    let head = passed.head(draft)?;
    if is_compressed(answer.exchange.headers()) {
        compressed(gateway, session, draft, answer).await
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
pub async fn reject(
    session: &mut ServerSession,
    draft: &Draft,
    rejected: &Rejected,
) -> pingora::Result<After> {
    let passed = Passed {
        status: rejected.status,
        headers: &rejected.headers,
        target: &rejected.target,
        attempts: rejected.outcome.attempts,
        noted: &rejected.noted,
    };
    let head = passed.head(draft)?;
    let id = draft.request_id.to_string();
    let mark = Mark {
        gate: Gate::Execution.as_str(),
        code: Code::ProviderRejected.as_str(),
        request_id: &id,
    };
    let body = match &rejected.facts {
        None => annotate(rejected.api, &rejected.body, rejected.status, &mark),
        Some(facts) => translate(rejected.api, facts, rejected.status, mark),
    };
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
    let mut reader = Reader::of(draft, &answer);
    let Answer {
        mut exchange,
        mut record,
        target,
        ask,
        ..
    } = answer;
    let content_type = reader.content_type(exchange.headers());
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
    if collected.is_ok() {
        exchange.finish().await;
    }
    let bench = Bench {
        gateway,
        draft,
        ask,
        target,
    };
    let told = tell(&mut reader, collected, &mut record, &bench);
    remember(gateway, draft, &mut reader);
    let (body, cost) = match told {
        Ok(told) => told,
        Err((ending, refusal)) => {
            close(gateway, draft, record, ending);
            respond::refusal(session, draft, &refusal).await?;
            return Ok(end_of(session));
        }
    };
    if reader.omitted() > 0 {
        let note = format!("{} parts of the reply have no form here", reader.omitted());
        head.append_header(LATTICE_NOTED, note)?;
    }
    if let Some(cost) = cost {
        head.insert_header(LATTICE_COST_USD, cost)?;
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

/// What the client gets of a reply in one piece, and what it cost; or how it went wrong.
fn tell(
    reader: &mut Reader,
    collected: Result<Bytes, (TransportError, Bytes)>,
    record: &mut Record,
    bench: &Bench<'_>,
) -> Result<(Bytes, Option<String>), (Ending, Refusal)> {
    let read = match collected {
        Ok(body) => reader
            .whole(body, &mut |usage| price(record, usage))
            .map_err(|garbled| TransportError::Broken(garbled.to_string()))
            .map_err(|why| (why, "sent a reply that cannot be read; try again.")),
        Err((why @ TransportError::TimedOut(_), _)) => {
            Err((why, "did not end its reply in time; try again."))
        }
        Err((why, _)) => Err((why, "broke its reply off; try again.")),
    };
    let (body, usage) = read.map_err(|(why, did)| {
        tracing::warn!(request_id = %bench.draft.request_id, %why, "reply cut");
        unfinished(&bench.target.provider, &why, did)
    })?;
    record_usage(record, usage.as_ref());
    let cost = usage.and_then(|usage| price(record, &usage));
    match reader.judged(body, &mut |call| bench.ruling(record, call)) {
        Ok(body) => Ok((body, cost)),
        Err(refusal) => Err((Ending::Failed(refusal.code), refusal)),
    }
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
    let mut reader = Reader::of(draft, &answer);
    let mut content_type = "text/event-stream; charset=utf-8";
    if routes::wants_array(&session.req_header().uri) {
        reader.as_array();
        content_type = "application/json; charset=utf-8";
    }
    let Answer {
        mut exchange,
        record,
        target,
        ask,
        ..
    } = answer;
    head.insert_header(CONTENT_TYPE, content_type)?;
    head.insert_header(CACHE_CONTROL, "no-cache")?;
    head.insert_header(ACCEL_BUFFERING, "no")?;
    if session.req_header().version == http::Version::HTTP_11 {
        head.insert_header(TRANSFER_ENCODING, "chunked")?;
    } else if !session.is_http2() {
        session.set_keepalive(None);
    }
    let provider = target.provider.clone();
    let bench = Bench {
        gateway,
        draft,
        ask,
        target,
    };
    let mut pump = Pump {
        reader,
        bench,
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
    let ending = match ended {
        Ended::Client => Ending::ClientGone,
        Ended::Upstream(fault) => pump.verdict(draft, &provider, fault),
        Ended::Stopping => {
            pump.last_words(draft, &respond::stopping());
            Ending::Failed(Code::LatticeStopping)
        }
    };
    pump.reader.close(&mut pump.out);
    let last = join(&mut pump.out);
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

/// One stream: what it holds is bounded by the reader and by [`GATHER`].
struct Pump<'a> {
    reader: Reader,
    bench: Bench<'a>,
    record: Record,
    out: Vec<Bytes>,
}

enum Ended {
    /// The client left.
    Client,
    /// The upstream's body ended, or broke for the reason given.
    Upstream(Option<TransportError>),
    /// The gateway stops.
    Stopping,
}

impl Pump<'_> {
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
                Err(error) => Some(Ended::Upstream(Some(error))),
            };
            if let Some(Ended::Upstream(_)) = ended {
                self.flush();
            } else if let Some(fault) = self.reader.fault() {
                // Nothing more can be read from it: let go of the upstream.
                ended = Some(Ended::Upstream(Some(fault)));
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
                Some(Err(error)) => return Some(Ended::Upstream(Some(error))),
            }
        }
        None
    }

    fn push(&mut self, chunk: Bytes) {
        let record = &self.record;
        self.reader.push(chunk, &mut |usage| price(record, usage));
        self.release(false);
    }

    fn flush(&mut self) {
        let record = &self.record;
        self.reader.finish(&mut |usage| price(record, usage));
        self.release(true);
    }

    /// Lets out what was read, save for the tool calls that may not pass.
    fn release(&mut self, last: bool) {
        let Self {
            reader,
            bench,
            record,
            out,
        } = self;
        reader.release(last, &mut |call| bench.ruling(record, call), out);
    }

    /// How a stream whose upstream is through has ended, and what the client is
    /// told if that was not its proper end.
    fn verdict(&mut self, draft: &Draft, provider: &str, fault: Option<TransportError>) -> Ending {
        match self.reader.ended() {
            Verdict::Finished => Ending::Finished,
            // The provider's own error event has been passed on, or is said anew.
            Verdict::Errored => {
                if let Some(refusal) = self.reader.untold_error(provider) {
                    self.last_words(draft, &refusal);
                }
                Ending::Failed(Code::ProviderError)
            }
            Verdict::Cut => {
                let unmarked = || "the stream ended without its end mark".to_owned();
                let why = fault
                    .or_else(|| self.reader.fault())
                    .unwrap_or_else(|| TransportError::Broken(unmarked()));
                tracing::warn!(request_id = %draft.request_id, %why, "stream cut");
                let did = match why {
                    TransportError::TimedOut(_) => {
                        "did not end the stream in time; what has come so far is incomplete. Try again."
                    }
                    _ => "broke the stream off; what has come so far is incomplete. Try again.",
                };
                let (ending, refusal) = unfinished(provider, &why, did);
                self.last_words(draft, &refusal);
                ending
            }
        }
    }

    /// Appends the error event that a stream ends with.
    fn last_words(&mut self, draft: &Draft, refusal: &Refusal) {
        let id = draft.request_id.to_string();
        let error = respond::error_body(refusal, refusal.code.status(), &id);
        self.reader.fail(&error, &mut self.out);
    }

    /// Usage counts if the stream was whole; a count that a broken stream
    /// carried along falls short.
    fn end(mut self, gateway: &Gateway, draft: &Draft, ending: Ending) {
        record_usage(&mut self.record, self.reader.usage().as_ref());
        remember(gateway, draft, &mut self.reader);
        let omitted = self.reader.omitted();
        if omitted > 0 {
            // Its head was sent before they came.
            tracing::warn!(request_id = %draft.request_id, omitted, "parts of the reply have no form in the caller's dialect");
        }
        close(gateway, draft, self.record, ending);
    }
}

/// Keeps what the caller may lose of the reply, for that caller.
fn remember(gateway: &Gateway, draft: &Draft, reader: &mut Reader) {
    if let Some(who) = &draft.principal {
        for kept in reader.keepsakes() {
            gateway
                .gates
                .execution
                .memory
                .keep(who.subject.named.id, kept);
        }
    }
}

fn price(record: &Record, usage: &canonical::Usage) -> Option<String> {
    record
        .cost_of(&used(usage))
        .map(|cost: NanoUsd| cost.to_string())
}

fn record_usage(record: &mut Record, usage: Option<&canonical::Usage>) {
    if let Some(usage) = usage {
        record.used(used(usage));
    }
}

/// How a reply that its upstream did not end goes on record, and what the client is
/// told that the provider `did`.
fn unfinished(provider: &str, why: &TransportError, did: &str) -> (Ending, Refusal) {
    let (code, ending) = match why {
        // Not the provider's doing.
        TransportError::Refused(refusal) => {
            return (Ending::Failed(refusal.code), refusal.clone());
        }
        TransportError::TimedOut(_) => {
            let code = Code::ProviderTimeout;
            (code, Ending::Failed(code))
        }
        _ => (Code::ProviderError, Ending::Cut),
    };
    let message = format!("Provider {provider:?} {did}");
    (ending, Refusal::new(Gate::Execution, code, message))
}

fn too_large() -> Refusal {
    Refusal::new(
        Gate::Execution,
        Code::LatticeOverloaded,
        "The reply is larger than this gateway reads in one piece; ask for a stream or for less, or have server.max_body_mib raised.",
    )
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
async fn collect<E: Exchange>(
    exchange: &mut E,
    most: usize,
) -> Result<Bytes, (TransportError, Bytes)> {
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
                    return Err((TransportError::Refused(too_large()), body.freeze()));
                }
            }
            Err(error) => return Err((error, only.unwrap_or_else(|| body.freeze()))),
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

/// What the head of a provider's reply is made from.
struct Passed<'a> {
    status: u16,
    headers: &'a HeaderMap,
    target: &'a Target,
    attempts: u32,
    noted: &'a [Box<str>],
}

impl Passed<'_> {
    /// The provider's own limits and names, then ours.
    fn head(&self, draft: &Draft) -> pingora::Result<ResponseHeader> {
        let mut head = respond::head(self.status, draft.request_id)?;
        // Ours and the provider's would contradict each other.
        let told = if draft.allowances.is_empty() {
            ratelimits::told(self.headers, draft.dialect, draft.at)
        } else {
            ratelimits::own(&draft.allowances, draft.dialect, draft.at)
        };
        for (name, value) in told {
            head.append_header(name, value)?;
        }
        let own: &[&str] = match draft.dialect {
            Dialect::OpenAi => &["openai-"],
            Dialect::Anthropic => &["anthropic-organization-id"],
            Dialect::Gemini => &[],
        };
        for (name, value) in self.headers {
            if own.iter().any(|own| name.as_str().starts_with(own)) {
                head.append_header(name.clone(), value.clone())?;
            }
        }
        head.insert_header(LATTICE_PROVIDER, &*self.target.provider)?;
        if let Ok(model) = HeaderValue::from_str(&self.target.model) {
            head.insert_header(LATTICE_MODEL, model)?;
        }
        head.insert_header(LATTICE_ATTEMPTS, self.attempts)?;
        let gates: u128 = draft
            .laps()
            .filter(|(gate, _)| *gate != Gate::Intake)
            .map(|(_, lap)| lap.as_micros())
            .sum();
        head.insert_header(LATTICE_OVERHEAD_US, gates.to_string())?;
        if !self.noted.is_empty() {
            head.insert_header(LATTICE_NOTED, header_text(&self.noted.join(", ")))?;
        }
        Ok(head)
    }
}

/// Notes may quote what a caller wrote; a header holds visible ASCII.
fn header_text(text: &str) -> String {
    let visible = |char: char| {
        if char.is_ascii_graphic() || char == ' ' {
            char
        } else {
            '_'
        }
    };
    text.chars().map(visible).collect()
}
