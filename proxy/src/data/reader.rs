//! How a reply is read on its way to the caller: as it comes where both speak one
//! dialect, else piece by piece through the canonical form.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use lattice_dialects::canonical::{Garbled, Kept, Usage};
use lattice_dialects::error::ErrorBody;
use lattice_dialects::reply::{Labels, Price, Relay, Translator, Verdict};
use lattice_kernel::{Code, Draft, Gate, Refusal};
use lattice_providers::{Answer, Exchange, Outbound};

/// Reads one reply.
pub enum Reader {
    /// Of the caller's own dialect.
    Same(Relay, Arc<Outbound>),
    /// Of another.
    Translated(Box<Translator>),
}

impl Reader {
    /// For the reply that is `answer`'s.
    pub fn of<E: Exchange>(draft: &Draft, answer: &Answer<E>) -> Self {
        let inbound = answer.body.inbound();
        let choices = inbound.facts().n;
        match answer.reads.decoder(draft.request_id, choices) {
            None => Self::Same(Relay::new(inbound.watch()), answer.body.clone()),
            Some(decoder) => {
                let labels = labels(draft, &answer.target.model);
                let writers = inbound.writers(labels, inbound.asked());
                Self::Translated(Box::new(Translator::new(decoder, writers)))
            }
        }
    }

    /// Of a reply in one piece.
    pub fn content_type(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match self {
            Self::Same(..) => headers.get(CONTENT_TYPE).cloned(),
            Self::Translated(_) => Some(HeaderValue::from_static("application/json")),
        }
    }

    /// A reply in one piece, and the usage that it tells.
    pub fn whole(
        &mut self,
        body: Bytes,
        price: Price<'_>,
    ) -> Result<(Bytes, Option<Usage>), Garbled> {
        match self {
            Self::Same(_, asked) => {
                let usage = asked.inbound().usage_of(&body);
                Ok((body, usage))
            }
            Self::Translated(translator) => translator.whole(&body, price),
        }
    }

    /// One read of a stream; what the caller gets for it goes to `out`.
    pub fn push(&mut self, chunk: Bytes, price: Price<'_>, out: &mut Vec<Bytes>) {
        match self {
            Self::Same(relay, _) => relay.push(chunk, price, out),
            Self::Translated(translator) => translator.push(chunk, price, out),
        }
    }

    /// The upstream has ended.
    pub fn finish(&mut self, price: Price<'_>, out: &mut Vec<Bytes>) {
        match self {
            Self::Same(relay, _) => relay.finish(price, out),
            Self::Translated(translator) => translator.finish(price, out),
        }
    }

    /// How the stream ended, if this is its end.
    pub fn ended(&self) -> Verdict {
        match self {
            Self::Same(relay, _) => relay.ended(),
            Self::Translated(translator) => translator.ended(),
        }
    }

    /// Why nothing more can be read.
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::Same(..) => None,
            Self::Translated(translator) => translator.garbled().map(ToString::to_string),
        }
    }

    /// What a stream that was whole has used; a count that a broken one carried
    /// along falls short.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Self::Same(relay, _) if relay.ended() == Verdict::Finished => relay.progress().usage,
            Self::Same(..) => None,
            Self::Translated(translator) => translator.usage(),
        }
    }

    /// The provider's error, where the caller has not had the provider's own event.
    pub fn untold_error(&self, provider: &str) -> Option<Refusal> {
        let Self::Translated(translator) = self else {
            return None;
        };
        let error = translator.provider_error()?;
        let said = error.message.as_deref().unwrap_or("no reason given");
        Some(Refusal::new(
            Gate::Execution,
            Code::ProviderError,
            format!("Provider {provider:?} failed in the middle of the reply: {said}. Try again."),
        ))
    }

    /// The last event of a stream that failed.
    pub fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        match self {
            Self::Same(relay, _) => relay.error_event(error),
            Self::Translated(translator) => translator.error_event(error),
        }
    }

    /// What the caller may lose of the reply.
    pub fn keepsakes(&mut self) -> Vec<Kept> {
        match self {
            Self::Same(..) => Vec::new(),
            Self::Translated(translator) => translator.keepsakes(),
        }
    }
}

/// What a reply says of itself where its provider does not.
fn labels(draft: &Draft, model: &str) -> Labels {
    Labels {
        id: draft.request_id.simple().to_string(),
        created: u64::try_from(draft.at.unix_timestamp()).unwrap_or_default(),
        model: model.to_owned(),
    }
}
