//! Gate 4: one governed call to a target of the plan.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use lattice_dialects::canonical::ErrorFacts;
use lattice_dialects::count::CountRequest;
use lattice_dialects::embed::{EmbedApi, EmbedRequest};
use lattice_dialects::{Api, Facts, Inbound};
use lattice_kernel::call::Target;
use lattice_kernel::gates::Execution;
use lattice_kernel::proof::{Departure, Dispatch};
use lattice_kernel::{Code, Ending, Gate, Intended, Outcome, Record, Refusal};
use uuid::Uuid;

use crate::kinds::{Asking, Forwarded, Prepared, Reads, wire};
use crate::memory::Memory;
use crate::provider::{Directory, Provider};
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

/// Calls the targets of a plan.
pub struct Remote<T> {
    transport: T,
    directory: Directory,
    /// How long a provider may stay silent before its head.
    first_byte: Duration,
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
    /// The reply.
    pub exchange: E,
    /// How it is read.
    pub reads: Reads,
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
    /// Calls the providers of `directory` over `transport`.
    pub fn new(
        transport: T,
        directory: Directory,
        first_byte: Duration,
        memory: Arc<Memory>,
    ) -> Self {
        Self {
            transport,
            directory,
            first_byte,
            memory,
        }
    }
}

/// One call, whichever target takes it.
struct Call {
    dispatch: Dispatch,
    body: Arc<Outbound>,
    /// The caller's key.
    scope: Uuid,
}

/// An exchange under way.
struct Opened<E> {
    target: Arc<Target>,
    exchange: E,
    noted: Vec<Box<str>>,
    reads: Reads,
}

/// An attempt that came to nothing.
struct Missed {
    refusal: Refusal,
    /// The target has seen nothing: another may be asked.
    unseen: bool,
}

impl Missed {
    fn before(refusal: Refusal) -> Self {
        Self {
            refusal,
            unseen: true,
        }
    }
}

impl<T: Transport> Execution for Remote<T> {
    type Body = Outbound;
    type Reply = Reply<T::Exchange>;

    async fn execute(&self, intended: Intended<Outbound>) -> Self::Reply {
        let Departure {
            dispatch,
            principal,
            plan,
            body,
            noted,
            mut record,
            ..
        } = intended.depart();
        let call = Call {
            dispatch,
            body: Arc::new(body),
            scope: principal.key.id,
        };
        let mut last = nothing_to_call();
        for target in plan.targets() {
            match self.attempt(&call, target, &mut record).await {
                Ok(opened) => return self.conclude(opened, &call, record, noted).await,
                Err(missed) => {
                    last = missed.refusal;
                    if !missed.unseen {
                        break;
                    }
                    record.unreached();
                }
            }
        }
        failed(record, last)
    }
}

impl<T: Transport> Remote<T> {
    async fn attempt(
        &self,
        call: &Call,
        target: &Arc<Target>,
        record: &mut Record,
    ) -> Result<Opened<T::Exchange>, Missed> {
        let Some(provider) = self.directory.get(&target.provider) else {
            let why = format!("no provider {:?}", target.provider);
            return Err(Missed::before(
                TransportError::Unreached(why).refusal(&target.provider),
            ));
        };
        let prepared = self.prepare(call, provider, target).await;
        let Prepared {
            payload,
            mut noted,
            reads,
        } = prepared.map_err(Missed::before)?;
        record.attempt(target.clone());
        let request = UpstreamRequest {
            payload,
            body: call.body.clone(),
            target: target.clone(),
            scope: call.scope,
        };
        let opened = self
            .transport
            .open(&call.dispatch, provider, request, self.first_byte)
            .await;
        let exchange = opened.map_err(|error| Missed {
            unseen: error.is_unseen(),
            refusal: error.refusal(&target.provider),
        })?;
        noted.extend(exchange.noted().iter().cloned());
        Ok(Opened {
            target: target.clone(),
            exchange,
            noted,
            reads,
        })
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

    async fn conclude(
        &self,
        opened: Opened<T::Exchange>,
        call: &Call,
        mut record: Record,
        mut noted: Vec<Box<str>>,
    ) -> Reply<T::Exchange> {
        let Opened {
            target,
            exchange,
            noted: translated,
            reads,
        } = opened;
        noted.extend(translated);
        let status = exchange.status();
        record.answered(status);
        if (200..=299).contains(&status) {
            return Reply::Answer(Box::new(Answer {
                target,
                exchange,
                reads,
                body: call.body.clone(),
                record,
                noted,
            }));
        }
        let headers = exchange.headers().clone();
        let body = error_body(exchange).await;
        let asked = &call.body.asked;
        let (api, facts) = (asked.api(), reads.error(asked, &body));
        match fault_of(&target.provider, status, &headers, facts.as_ref()) {
            Fault::Provider(refusal) => failed(record, refusal),
            Fault::Caller => Reply::Rejected(Box::new(Rejected {
                target,
                status,
                headers,
                api,
                body,
                facts,
                noted,
                outcome: record.close(Ending::Rejected),
            })),
        }
    }
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

fn nothing_to_call() -> Refusal {
    Refusal::new(
        Gate::Execution,
        Code::LatticeInternal,
        "The plan names no target; report the request id.",
    )
}
