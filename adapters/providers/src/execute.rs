//! Gate 4: one governed call to a target of the plan.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use lattice_dialects::canonical::ErrorFacts;
use lattice_dialects::count::CountRequest;
use lattice_dialects::embed::{EmbedApi, EmbedRequest};
use lattice_dialects::{Api, Facts, Inbound, ToolNeeded};
use lattice_kernel::call::Target;
use lattice_kernel::gates::Execution;
use lattice_kernel::proof::{Departure, Dispatch};
use lattice_kernel::{Ask, Body, Code, Ending, Gate, Intended, Outcome, Record, Refusal, Tool};
use tokio::time::Instant;
use uuid::Uuid;

use crate::attempts::{Missed, Step, Walk, attempted};
use crate::kinds::{Asking, Forwarded, Prepared, Reads, wire};
use crate::memory::Memory;
use crate::provider::{Directory, Provider};
use crate::resilience::{Attempted, Bounded, Flight, Health};
use crate::transport::{Exchange, Transport, TransportError, UpstreamRequest};
use crate::verdict::{Fault, fault_of, unsupported};

/// Bodies above this are translated on a thread that may block, bytes.
const TRANSLATED_INLINE: usize = 256 * 1024;
/// How much of an error's body is read.
const ERROR_BODY: usize = 64 * 1024;
/// How long it may take to come.
const ERROR_PATIENCE: Duration = Duration::from_secs(10);

/// The body that gate 3 has passed.
#[derive(Debug)]
pub struct Outbound {
    /// The request as it came.
    pub asked: Asked,
    /// What goes along with it to a provider of the same dialect.
    pub forwarded: Forwarded,
    /// A hard budget applies: the request must carry a cap in the field that the
    /// target reads, the caller's or else the target's own.
    pub cap_output: bool,
}

/// What a caller asks for.
#[derive(Debug)]
pub enum Asked {
    /// That a model generates.
    Generation(Inbound),
    /// How many tokens a model would read.
    Count(CountRequest),
    /// Vectors that stand for texts.
    Embedding(EmbedRequest),
}

impl Asked {
    /// What the gates ask of the request.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        match self {
            Self::Generation(inbound) => inbound.facts(),
            Self::Count(request) => request.facts(),
            Self::Embedding(request) => request.facts(),
        }
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Generation(inbound) => inbound.body(),
            Self::Count(request) => request.body(),
            Self::Embedding(request) => request.body(),
        }
    }

    /// As [`Inbound::without_tools`]; embeddings have none.
    ///
    /// # Errors
    /// As there.
    pub fn without_tools(self, gone: &[&str]) -> Result<Self, ToolNeeded> {
        match self {
            Self::Generation(inbound) => inbound.without_tools(gone).map(Self::Generation),
            Self::Count(request) => request.without_tools(gone).map(Self::Count),
            Self::Embedding(request) => Ok(Self::Embedding(request)),
        }
    }

    /// An API with the errors of the caller's dialect.
    #[must_use]
    pub fn api(&self) -> Api {
        match self {
            Self::Generation(inbound) => inbound.api(),
            Self::Count(request) => request.api(),
            Self::Embedding(request) => match request.api() {
                EmbedApi::OpenAi => Api::Chat,
                EmbedApi::Gemini => Api::Generate,
            },
        }
    }
}

impl Outbound {
    /// What the gates ask of the request.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        self.asked.facts()
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.asked.body()
    }
}

impl Body for Outbound {
    fn tools(&self) -> Vec<Tool> {
        let tools = self.facts().tools.iter();
        let tools = tools.map(|tool| Tool {
            name: tool.name.as_str().into(),
            kind: tool.kind.as_str().into(),
            hosted: tool.hosted,
        });
        tools.collect()
    }

    fn without_tools(self, names: &[Box<str>]) -> Result<Self, Refusal> {
        let gone: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        match self.asked.without_tools(&gone) {
            Ok(asked) => Ok(Self { asked, ..self }),
            Err(needed) => {
                let message = format!("{needed}.");
                Err(Refusal::new(Gate::Authorization, Code::PolicyTool, message)
                    .field(needed.field))
            }
        }
    }
}

/// Calls the targets of a plan.
pub struct Remote<T> {
    transport: T,
    directory: Directory,
    /// What is known of every target.
    pub health: Health,
    /// What callers lose between two requests.
    pub memory: Arc<Memory>,
}

/// What came of a call.
pub enum Reply<E> {
    /// The target answered.
    Answer(Box<Answer<E>>),
    /// It says that the request is at fault. The record is closed.
    Rejected(Box<Rejected>),
    /// It did not answer, or with a status that is its own fault. The record is
    /// closed.
    Failed(Box<Failure>),
}

/// A reply that runs.
pub struct Answer<E> {
    /// Who answers.
    pub target: Arc<Target>,
    /// The reply, under the time limits of its provider.
    pub exchange: Bounded<E>,
    /// How it is read.
    pub reads: Reads,
    /// What was asked, as far as policy looks at it.
    pub ask: Ask,
    /// What was asked.
    pub body: Arc<Outbound>,
    /// The open record; closing it settles.
    pub record: Record,
    /// For `x-lattice-noted`.
    pub noted: Vec<Box<str>>,
}

/// A call that the target refused, with the target's own words.
pub struct Rejected {
    /// Who refused.
    pub target: Arc<Target>,
    /// With which status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The API that the caller asked by.
    pub api: Api,
    /// The text as it came, as far as it came.
    pub body: Bytes,
    /// What it says, where it is not in the caller's dialect.
    pub facts: Option<ErrorFacts>,
    /// For `x-lattice-noted`.
    pub noted: Vec<Box<str>>,
    /// What was recorded.
    pub outcome: Outcome,
}

/// A call that failed before anything could be passed on.
pub struct Failure {
    /// What the caller is told.
    pub refusal: Refusal,
    /// What was recorded.
    pub outcome: Outcome,
}

impl<T> Remote<T> {
    /// Calls the providers of `directory` over `transport`, and keeps an eye on each
    /// of `targets`.
    pub fn new<'a>(
        transport: T,
        directory: Directory,
        targets: impl IntoIterator<Item = &'a Arc<Target>>,
        memory: Arc<Memory>,
    ) -> Self {
        Self {
            health: Health::new(directory.names().cloned(), targets),
            transport,
            directory,
            memory,
        }
    }
}

/// One call, whichever target takes it.
struct Call {
    dispatch: Dispatch,
    ask: Ask,
    body: Arc<Outbound>,
    /// The caller.
    scope: Uuid,
}

/// An exchange under way.
struct Opened<E> {
    step: Step,
    flight: Flight,
    exchange: Bounded<E>,
    noted: Vec<Box<str>>,
    reads: Reads,
}

impl<T: Transport> Execution for Remote<T> {
    type Body = Outbound;
    type Reply = Reply<T::Exchange>;

    async fn execute(&self, intended: Intended<Outbound>) -> Self::Reply {
        let Departure {
            dispatch,
            principal,
            ask,
            plan,
            body,
            noted,
            mut record,
        } = intended.depart();
        let call = Call {
            dispatch,
            ask,
            body: Arc::new(body),
            scope: principal.subject.named.id,
        };
        let mut walk = Walk::of(&plan, &self.directory, &self.health, Instant::now());
        while record.affords_attempt()
            && let Some((step, flight)) = walk.next().await
        {
            let missed = match self.attempt(&call, step, flight, &mut record).await {
                Ok(opened) if opened.is_success() => {
                    return answer(opened, call, record, noted);
                }
                Ok(opened) => match judge(opened, &call.body.asked).await {
                    Ok(objection) => return rejected(objection, &call, record, noted),
                    Err(missed) => missed,
                },
                Err(missed) => missed,
            };
            walk.missed(missed, Instant::now());
        }
        failed(record, walk.given_up(Instant::now()))
    }
}

impl<T: Transport> Remote<T> {
    async fn attempt(
        &self,
        call: &Call,
        step: Step,
        mut flight: Flight,
        record: &mut Record,
    ) -> Result<Opened<T::Exchange>, Missed> {
        let (provider, target) = (&step.provider, &step.target);
        let Prepared {
            payload,
            mut noted,
            reads,
        } = match self.prepare(call, provider, target).await {
            Ok(prepared) => prepared,
            Err(refusal) => {
                flight.call_off();
                return Err(Missed::lasting(refusal));
            }
        };
        record.attempt(target.clone());
        let request = UpstreamRequest {
            payload,
            body: call.body.clone(),
            target: target.clone(),
            scope: call.scope,
        };
        let opened = self.transport.open(&call.dispatch, provider, request);
        let opened = tokio::time::timeout_at(step.deadline, opened);
        match opened.await.unwrap_or_else(|_| Err(overdue(provider))) {
            Ok(exchange) => {
                noted.extend(exchange.noted().iter().cloned());
                record.answered(exchange.status());
                let exchange = Bounded::new(exchange, provider.timeouts, step.deadline);
                Ok(Opened {
                    step,
                    flight,
                    exchange,
                    noted,
                    reads,
                })
            }
            Err(error) => {
                let now = Instant::now();
                // Cut short because others had taken its time: nothing was learnt.
                if now < step.deadline || record.attempts() == 1 {
                    flight.tell(attempted(&error), now);
                }
                if error.is_unseen() {
                    record.unreached();
                }
                // An engine in this process has a queue of its own to wait in.
                // And what egress forbids stays forbidden until somebody allows it.
                let passes = !matches!(
                    error,
                    TransportError::Refused(_) | TransportError::Forbidden(_)
                );
                let refusal = error.refusal(&target.provider);
                Err(Missed { refusal, passes })
            }
        }
    }

    /// A large body takes its time to translate, and other requests need the thread.
    async fn prepare(
        &self,
        call: &Call,
        provider: &Arc<Provider>,
        target: &Arc<Target>,
    ) -> Result<Prepared, Refusal> {
        let (provider, target) = (provider.clone(), target.clone());
        let (body, memory, scope) = (call.body.clone(), self.memory.clone(), call.scope);
        let large = body.body().len() > TRANSLATED_INLINE;
        let prepare = move || {
            let asking = Asking {
                provider: &provider,
                target: &target,
                body: &body,
                recall: &|id| memory.recall(scope, id),
            };
            let prepared = wire::prepare(&asking);
            prepared.map_err(|error| unsupported(&provider.name, error))
        };
        if !large {
            return prepare();
        }
        tokio::task::spawn_blocking(prepare)
            .await
            .unwrap_or_else(|error| Err(lattice_kernel::Draft::internal(error.to_string())))
    }
}

impl<E: Exchange> Opened<E> {
    fn is_success(&self) -> bool {
        (200..=299).contains(&self.exchange.status())
    }
}

/// A reply begins: from here on nobody else is asked.
fn answer<E>(
    opened: Opened<E>,
    call: Call,
    mut record: Record,
    mut noted: Vec<Box<str>>,
) -> Reply<E> {
    let Opened {
        step,
        mut flight,
        exchange,
        noted: translated,
        reads,
    } = opened;
    noted.extend(translated);
    flight.tell(Attempted::Answered, Instant::now());
    let deadline = step.deadline;
    record.on_end(move |ending| {
        let now = Instant::now();
        // A reply that was still running then was ended by us.
        if now < deadline {
            flight.ended(ending, now);
        }
    });
    Reply::Answer(Box::new(Answer {
        target: step.target,
        exchange,
        reads,
        ask: call.ask,
        body: call.body,
        record,
        noted,
    }))
}

/// A target's objection to the request itself.
struct Objection {
    target: Arc<Target>,
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    facts: Option<ErrorFacts>,
    noted: Vec<Box<str>>,
}

/// Reads an error, and says whose fault it is.
async fn judge<E: Exchange>(opened: Opened<E>, asked: &Asked) -> Result<Objection, Missed> {
    let Opened {
        step,
        mut flight,
        exchange,
        noted,
        reads,
    } = opened;
    let target = step.target;
    let status = exchange.status();
    let headers = exchange.headers().clone();
    let body = error_body(exchange).await;
    let (api, across) = reads.errors(asked);
    let facts = wire::read_error(api, &body);
    let fault = fault_of(&target.provider, status, &headers, facts.as_ref());
    flight.tell(fault.attempted(), Instant::now());
    match fault {
        Fault::Account(refusal) => Err(Missed::lasting(refusal)),
        Fault::Limit(refusal) => {
            flight.cool(Instant::now(), refusal.retry_after.unwrap_or_default());
            Err(Missed::passing(refusal))
        }
        Fault::Provider(refusal) => Err(Missed::passing(refusal)),
        Fault::Caller => Ok(Objection {
            target,
            status,
            headers,
            body,
            facts: facts.filter(|_| across),
            noted,
        }),
    }
}

fn rejected<E>(
    objection: Objection,
    call: &Call,
    record: Record,
    mut noted: Vec<Box<str>>,
) -> Reply<E> {
    let Objection {
        target,
        status,
        headers,
        body,
        facts,
        noted: translated,
    } = objection;
    noted.extend(translated);
    Reply::Rejected(Box::new(Rejected {
        target,
        status,
        headers,
        api: call.body.asked.api(),
        body,
        facts,
        noted,
        outcome: record.close(Ending::Rejected),
    }))
}

/// The text of an error, as far as it comes in time and has room.
async fn error_body<E: Exchange>(mut exchange: E) -> Bytes {
    let mut body = BytesMut::new();
    let read = async {
        while let Ok(Some(chunk)) = exchange.next().await {
            let room = ERROR_BODY - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == ERROR_BODY {
                return false;
            }
        }
        true
    };
    let ended = tokio::time::timeout(ERROR_PATIENCE, read).await;
    if matches!(ended, Ok(true)) {
        exchange.finish().await;
    }
    body.freeze()
}

fn failed<E>(record: Record, refusal: Refusal) -> Reply<E> {
    let outcome = record.close(Ending::Failed(refusal.code));
    Reply::Failed(Box::new(Failure { refusal, outcome }))
}

fn overdue(provider: &Provider) -> TransportError {
    let total = provider.timeouts.total;
    TransportError::TimedOut(format!("the request took longer than {total:?}"))
}
