//! How a reply is read on its way to the caller: as it comes where both speak one
//! dialect, else piece by piece through the canonical form.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use lattice_dialects::canonical::{Garbled, Kept, Usage};
use lattice_dialects::openai::ErrorBody;
use lattice_dialects::openai::chat::{Asked, Labels, Price, Relay, Translator, Verdict, usage_of};
use lattice_kernel::{Code, Draft, Gate, Refusal};
use lattice_providers::{Answer, Exchange};

/// Reads one reply.
pub enum Reader {
    /// Of the caller's own dialect.
    Same(Relay),
    /// Of another.
    Translated(Box<Translator>),
}

impl Reader {
    /// For the reply that is `answer`'s.
    pub fn of<E: Exchange>(draft: &Draft, answer: &mut Answer<E>) -> Self {
        let asked = if answer.usage_asked {
            Asked::Yes
        } else {
            Asked::No
        };
        match answer.decoder.take() {
            None => Self::Same(Relay::new(asked, answer.choices)),
            Some(decoder) => {
                let labels = labels(draft, &answer.target.model);
                Self::Translated(Box::new(Translator::new(decoder, labels, asked)))
            }
        }
    }

    /// Of a reply in one piece.
    pub fn content_type(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match self {
            Self::Same(_) => headers.get(CONTENT_TYPE).cloned(),
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
            Self::Same(_) => {
                let usage = usage_of(&body);
                Ok((body, usage))
            }
            Self::Translated(translator) => translator.whole(&body, price),
        }
    }

    /// One read of a stream; what the caller gets for it goes to `out`.
    pub fn push(&mut self, chunk: Bytes, price: Price<'_>, out: &mut Vec<Bytes>) {
        match self {
            Self::Same(relay) => relay.push(chunk, price, out),
            Self::Translated(translator) => translator.push(chunk, price, out),
        }
    }

    /// The upstream has ended.
    pub fn finish(&mut self, price: Price<'_>, out: &mut Vec<Bytes>) {
        match self {
            Self::Same(relay) => relay.finish(price, out),
            Self::Translated(translator) => translator.finish(price, out),
        }
    }

    /// How the stream ended, if this is its end.
    pub fn ended(&self) -> Verdict {
        match self {
            Self::Same(relay) => relay.ended(),
            Self::Translated(translator) => translator.ended(),
        }
    }

    /// Why nothing more can be read.
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::Same(_) => None,
            Self::Translated(translator) => translator.garbled().map(ToString::to_string),
        }
    }

    /// What a stream that was whole has used; a count that a broken one carried
    /// along falls short.
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Self::Same(relay) if relay.ended() == Verdict::Finished => relay.progress().usage,
            Self::Same(_) => None,
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
            Self::Same(relay) => relay.error_event(error),
            Self::Translated(translator) => translator.error_event(error),
        }
    }

    /// What the caller may lose of the reply.
    pub fn keepsakes(&mut self) -> Vec<Kept> {
        match self {
            Self::Same(_) => Vec::new(),
            Self::Translated(translator) => translator.keepsakes(),
        }
    }
}

/// What a reply says of itself where its provider does not.
fn labels(draft: &Draft, model: &str) -> Labels {
    Labels {
        id: format!("chatcmpl-{}", draft.request_id.simple()),
        created: u64::try_from(draft.at.unix_timestamp()).unwrap_or_default(),
        model: model.to_owned(),
    }
}
