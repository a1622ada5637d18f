//! Gate 4: one governed call to a target of the plan.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use lattice_dialects::openai::chat::{ChatRequest, OutputCap, Rewrite};
use lattice_kernel::call::Target;
use lattice_kernel::gates::Execution;
use lattice_kernel::proof::{Departure, Dispatch};
use lattice_kernel::{Code, Ending, Gate, Intended, Outcome, Record, Refusal};

use crate::provider::{Directory, Kind, Provider};
use crate::transport::{Exchange, Transport, TransportError, UpstreamRequest};
use crate::verdict::{Fault, fault_of};

/// The body that gate 3 has passed.
#[derive(Debug)]
pub struct Outbound {
    /// The request as it came.
    pub chat: ChatRequest,
    /// A hard budget applies: the request must carry a cap in the field that the
    /// target reads, the caller's or else the target's own.
    pub cap_output: bool,
}

/// Calls remote providers.
pub struct Remote<T> {
    transport: T,
    directory: Directory,
    /// How long a provider may stay silent before its head.
    first_byte: Duration,
}

/// What came of a call.
pub enum Reply<E> {
    /// The target answered.
    Answer(Box<Answer<E>>),
    /// It did not, or with a status that is its own fault. The record is closed.
    Failed(Box<Failure>),
}

/// A reply that runs.
pub struct Answer<E> {
    /// Who answers.
    pub target: Arc<Target>,
    /// The reply.
    pub exchange: E,
    /// The open record; closing it settles.
    pub record: Record,
    /// For `x-lattice-noted`.
    pub noted: Vec<Box<str>>,
    /// The caller asked for usage in the stream.
    pub usage_asked: bool,
    /// How many choices the caller asked for.
    pub choices: u32,
    /// The status says that the request is at fault; the provider's text passes.
    pub rejected: bool,
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
    pub fn new(transport: T, directory: Directory, first_byte: Duration) -> Self {
        Self {
            transport,
            directory,
            first_byte,
        }
    }
}

impl<T: Transport> Execution for Remote<T> {
    type Body = Outbound;
    type Reply = Reply<T::Exchange>;

    async fn execute(&self, intended: Intended<Outbound>) -> Self::Reply {
        let departure = intended.depart();
        let Departure {
            dispatch,
            plan,
            body,
            mut noted,
            mut record,
            ..
        } = departure;
        let mut last = nothing_to_call();
        // The next target is tried only where the one before has seen nothing.
        for target in plan.targets() {
            match self.attempt(&dispatch, target, &body, &mut record).await {
                Ok(exchange) => {
                    noted.extend(self.note(target, &body));
                    return conclude(exchange, target, record, &body, noted);
                }
                Err(error) => {
                    last = error.refusal(&target.provider);
                    if !matches!(error, TransportError::Unreached(_)) {
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
    /// What gate 3 could not note, because it depends on the target: the caller's
    /// cap was written once more, under the name that this target reads.
    fn note(&self, target: &Target, body: &Outbound) -> Option<Box<str>> {
        body.chat.output_cap()?;
        let added = output_cap(self.directory.get(&target.provider)?, target, body)?;
        Some(format!("{}={} (hard budget)", added.field.name(), added.tokens).into())
    }

    async fn attempt(
        &self,
        dispatch: &Dispatch,
        target: &Arc<Target>,
        body: &Outbound,
        record: &mut Record,
    ) -> Result<T::Exchange, TransportError> {
        let provider = self.directory.get(&target.provider).ok_or_else(|| {
            TransportError::Unreached(format!("no provider {:?}", target.provider))
        })?;
        record.attempt(target.clone());
        let request = UpstreamRequest {
            headers: HeaderMap::new(),
            body: body.chat.rewrite(&rewrite(provider, target, body)),
            request_id: dispatch.request_id(),
        };
        self.transport
            .open(dispatch, provider, request, self.first_byte)
            .await
    }
}

fn rewrite<'a>(provider: &Provider, target: &'a Target, body: &Outbound) -> Rewrite<'a> {
    Rewrite {
        model: (*target.model != *body.chat.model).then_some(&*target.model),
        include_usage: body.chat.stream,
        output_cap: output_cap(provider, target, body),
    }
}

fn output_cap(provider: &Provider, target: &Target, body: &Outbound) -> Option<OutputCap> {
    let field = provider.kind.cap_field();
    let named = body.chat.output_cap();
    let is_read = match provider.kind {
        // OpenAI reads both names, and refuses a request that has both.
        Kind::OpenAi => named.is_some(),
        Kind::OpenAiCompatible | Kind::Mlx => body.chat.cap(field).is_some(),
    };
    (body.cap_output && !is_read).then(|| OutputCap {
        field,
        tokens: named.unwrap_or(target.max_output_tokens),
    })
}

fn conclude<E: Exchange>(
    exchange: E,
    target: &Arc<Target>,
    mut record: Record,
    body: &Outbound,
    noted: Vec<Box<str>>,
) -> Reply<E> {
    let status = exchange.status();
    record.answered(status);
    let rejected = match status {
        200..=299 => false,
        _ => match fault_of(&target.provider, status, exchange.headers()) {
            Fault::Caller => true,
            Fault::Provider(refusal) => return failed(record, refusal),
        },
    };
    Reply::Answer(Box::new(Answer {
        target: target.clone(),
        exchange,
        record,
        noted,
        usage_asked: body.chat.include_usage,
        choices: body.chat.n,
        rejected,
    }))
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
