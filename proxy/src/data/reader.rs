//! How a reply is read on its way to the caller: as it comes where both speak one
//! dialect, else piece by piece through the canonical form; then past the firewall for
//! tool calls, whichever way it came.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use lattice_dialects::canonical::{Garbled, Kept, Usage};
use lattice_dialects::count;
use lattice_dialects::error::ErrorBody;
use lattice_dialects::firewall::{Fault, Firewall, Judge};
use lattice_dialects::gemini::generate::ArrayFraming;
use lattice_dialects::json;
use lattice_dialects::reply::{Labels, Price, Relay, Translator, Verdict};
use lattice_kernel::{Code, Draft, Gate, Refusal};
use lattice_providers::{Answer, Asked, Exchange, Outbound, Reads, TransportError};

/// Reads one reply.
pub struct Reader {
    way: Way,
    /// What was read and not judged yet.
    read: Vec<Bytes>,
    firewall: Firewall,
    /// A stream goes out as one JSON array.
    array: Option<ArrayFraming>,
}

enum Way {
    /// A generation of the caller's own dialect.
    Same(Relay, Arc<Outbound>),
    /// One of another.
    Translated(Box<Translator>),
    /// Something that always comes in one piece.
    Whole(Arc<Outbound>, Reads),
}

impl Reader {
    /// For the reply that is `answer`'s.
    pub fn of<E: Exchange>(draft: &Draft, answer: &Answer<E>) -> Self {
        let body = answer.body.clone();
        let way = match &body.asked {
            Asked::Generation(inbound) => {
                let choices = inbound.facts().n;
                match answer.reads.decoder(draft.request_id, choices) {
                    None => Way::Same(Relay::new(inbound.watch()), body),
                    Some(decoder) => {
                        let labels = labels(draft, &answer.target.model);
                        let writers = inbound.writers(labels, inbound.asked());
                        Way::Translated(Box::new(Translator::new(decoder, writers)))
                    }
                }
            }
            Asked::Count(_) | Asked::Embedding(_) => Way::Whole(body, answer.reads),
        };
        Self {
            way,
            read: Vec::new(),
            firewall: Firewall::new(answer.body.asked.api()),
            array: None,
        }
    }

    /// What comes of a stream goes out as the elements of one JSON array.
    pub fn as_array(&mut self) {
        self.array = Some(ArrayFraming::default());
    }

    /// Of a reply in one piece.
    pub fn content_type(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match &self.way {
            Way::Same(..) => headers.get(CONTENT_TYPE).cloned(),
            _ => Some(HeaderValue::from_static("application/json")),
        }
    }

    /// A reply in one piece, and the usage that it tells.
    pub fn whole(
        &mut self,
        body: Bytes,
        price: Price<'_>,
    ) -> Result<(Bytes, Option<Usage>), Garbled> {
        match &mut self.way {
            Way::Same(_, asked) => {
                let Asked::Generation(inbound) = &asked.asked else {
                    return Ok((body, None));
                };
                let usage = inbound.usage_of(&body);
                if usage.is_none() && !is_answer(&body) {
                    return Err(Garbled("an error in spite of its status".into()));
                }
                Ok((body, usage))
            }
            Way::Translated(translator) => translator.whole(&body, price),
            Way::Whole(asked, reads) => aside(&asked.asked, *reads, body),
        }
    }

    /// What the caller gets of a reply in one piece, once its tool calls are judged.
    pub fn judged(&mut self, body: Bytes, judge: Judge<'_>) -> Result<Bytes, Refusal> {
        match self.way {
            Way::Whole(..) => Ok(body),
            _ => self.firewall.whole(body, judge).map_err(unjudged),
        }
    }

    /// One read of a stream, which waits to be [released](Self::release).
    pub fn push(&mut self, chunk: Bytes, price: Price<'_>) {
        match &mut self.way {
            Way::Same(relay, _) => relay.push(chunk, price, &mut self.read),
            Way::Translated(translator) => translator.push(chunk, price, &mut self.read),
            Way::Whole(..) => {}
        }
    }

    /// The upstream has ended; the rest waits to be released.
    pub fn finish(&mut self, price: Price<'_>) {
        match &mut self.way {
            Way::Same(relay, _) => relay.finish(price, &mut self.read),
            Way::Translated(translator) => translator.finish(price, &mut self.read),
            Way::Whole(..) => {}
        }
    }

    /// Appends to `out` what the caller gets of what was read. `last`: no more will be.
    pub fn release(&mut self, last: bool, judge: Judge<'_>, out: &mut Vec<Bytes>) {
        let Self {
            read,
            firewall,
            array,
            ..
        } = self;
        let mut judged = Vec::new();
        let to = if array.is_some() {
            &mut judged
        } else {
            &mut *out
        };
        for piece in read.drain(..) {
            firewall.push(piece, judge, to);
        }
        if last {
            firewall.finish(judge, to);
        }
        for event in judged {
            if let Some(array) = array {
                array.push(event, out);
            }
        }
    }

    /// What stands behind the last event, of whatever kind that is.
    pub fn close(&mut self, out: &mut Vec<Bytes>) {
        if let Some(array) = &mut self.array {
            array.finish(out);
        }
    }

    /// How the stream ended, if this is its end.
    pub fn ended(&self) -> Verdict {
        match &self.way {
            // What the caller has is not the whole of it.
            _ if self.firewall.fault().is_some() => Verdict::Cut,
            Way::Same(relay, _) => relay.ended(),
            Way::Translated(translator) => translator.ended(),
            // Nothing of the kind is ever streamed.
            Way::Whole(..) => Verdict::Cut,
        }
    }

    /// Why nothing more can be read.
    pub fn fault(&self) -> Option<TransportError> {
        if let Some(fault) = self.firewall.fault() {
            return Some(TransportError::Refused(unjudged(fault)));
        }
        let Way::Translated(translator) = &self.way else {
            return None;
        };
        let garbled = translator.garbled()?;
        Some(if translator.exceeded() {
            TransportError::Refused(too_long())
        } else {
            TransportError::Broken(garbled.to_string())
        })
    }

    /// How many parts of the reply had no form in the caller's dialect.
    pub fn omitted(&self) -> u32 {
        match &self.way {
            Way::Translated(translator) => translator.omitted(),
            Way::Same(..) | Way::Whole(..) => 0,
        }
    }

    /// What a stream that was whole has used; a count that a broken one carried
    /// along falls short.
    pub fn usage(&self) -> Option<Usage> {
        match &self.way {
            Way::Same(relay, _) if relay.ended() == Verdict::Finished => relay.progress().usage,
            Way::Translated(translator) => translator.usage(),
            Way::Same(..) | Way::Whole(..) => None,
        }
    }

    /// The provider's error, where the caller has not had the provider's own event.
    pub fn untold_error(&self, provider: &str) -> Option<Refusal> {
        let Way::Translated(translator) = &self.way else {
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

    /// Appends the last event of a stream that failed.
    pub fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<Bytes>) {
        let event = match &self.way {
            Way::Same(relay, _) => relay.error_event(error),
            Way::Translated(translator) => translator.error_event(error),
            Way::Whole(..) => return,
        };
        if self.firewall.is_mid_event() {
            out.push(Bytes::from_static(b"\n\n"));
        }
        match &mut self.array {
            Some(array) => array.push(event, out),
            None => out.push(event),
        }
    }

    /// What the caller may lose of the reply.
    pub fn keepsakes(&mut self) -> Vec<Kept> {
        match &mut self.way {
            Way::Translated(translator) => translator.keepsakes(),
            Way::Same(..) | Way::Whole(..) => Vec::new(),
        }
    }
}

/// Whether a reply that tells no usage is one all the same: there are servers that
/// send errors and pages with the status of a success.
fn is_answer(body: &[u8]) -> bool {
    let text = std::str::from_utf8(body).unwrap_or_default();
    json::members(text).is_some_and(|members| {
        let error = members.get("error").copied();
        !members.is_empty() && error.is_none_or(|error| error == "null")
    })
}

/// A part of a reply, or a streamed reply, that is too long to be translated.
fn too_long() -> Refusal {
    Refusal::new(
        Gate::Execution,
        Code::LatticeOverloaded,
        "A part of this reply is longer than the gateway translates in a stream; ask for less, without a stream, or by the API of the model's own provider.",
    )
}

/// A reply whose tool calls cannot be judged; what was judged has passed.
fn unjudged(fault: Fault) -> Refusal {
    let message = format!("The reply was ended because {fault}; ask again, or without tools.");
    Refusal::new(Gate::Authorization, Code::PolicyTool, message)
}

/// The reply to something that is no generation.
fn aside(asked: &Asked, reads: Reads, body: Bytes) -> Result<(Bytes, Option<Usage>), Garbled> {
    match (asked, reads) {
        (Asked::Embedding(request), Reads::Embeddings(api)) => {
            let counted = lattice_limits::tokens(request.facts().prompt.texts());
            request.answer(api, &body, counted)
        }
        (Asked::Count(request), reads) => {
            let (own, theirs) = match reads {
                Reads::Of(api) => (false, api),
                _ => (true, request.api()),
            };
            let tokens = count::read(theirs, &body)
                .ok_or_else(|| Garbled("it holds no count of tokens".into()))?;
            let reply = if own {
                body
            } else {
                count::write(request.api(), tokens).into()
            };
            // Providers count for nothing.
            Ok((reply, Some(Usage::default())))
        }
        _ => Ok((body, None)),
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
