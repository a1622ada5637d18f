//! A caller's request as a provider's API wants it, and how what comes back is read.

use http::HeaderMap;
use lattice_dialects::canonical::{Decode, Encoded, ErrorFacts, Unsupported};
use lattice_dialects::openai::chat;
use lattice_dialects::{Api, Inbound, anthropic, gemini};
use uuid::Uuid;

use super::{Asking, Payload, Place, Prepared, boxed, respell};
use crate::execute::Asked;

/// The request that goes to the provider of `asking`.
///
/// # Errors
/// A field of the caller's that it cannot be given.
pub(crate) fn prepare(asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
    if asking.provider.kind.place() == Place::InProcess {
        return in_process(asking);
    }
    match &asking.body.asked {
        Asked::Generation(inbound) => generation(asking, inbound),
    }
}

/// An engine takes the request as it is and answers in the caller's dialect.
fn in_process(asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
    match &asking.body.asked {
        Asked::Generation(_) => Ok(Prepared {
            payload: Payload::InProcess,
            noted: Vec::new(),
            reads: Reads::Same,
        }),
    }
}

fn generation(asking: &Asking<'_>, inbound: &Inbound) -> Result<Prepared, Unsupported> {
    let provider = asking.provider;
    let api = provider.kind.api(inbound.api());
    let same = api == inbound.api();
    let Encoded { body, noted } = if same {
        respell::respell(asking, inbound)
    } else {
        encode(api, asking)?
    };
    let model = &asking.target.model;
    let path = provider.kind.path(api, model, inbound.facts().stream);
    let mut headers = provider.kind.headers();
    let mut query = "";
    if same {
        headers.extend(asking.body.forwarded.headers.clone());
        query = asking.body.forwarded.query;
    }
    Ok(Prepared {
        payload: Payload::Http {
            path: format!("{}/{path}{query}", provider.base_path).into(),
            headers,
            body,
        },
        noted: boxed(noted),
        reads: if same { Reads::Same } else { Reads::Of(api) },
    })
}

fn encode(api: Api, asking: &Asking<'_>) -> Result<Encoded, Unsupported> {
    let (request, target) = (asking.canonical()?, asking.encode_for());
    match api {
        Api::Messages => anthropic::messages::encode(&request, &target),
        Api::Generate => gemini::generate::encode(&request, &target),
        Api::Chat | Api::Responses => Err(Unsupported::new("model", "not yet")),
    }
}

/// What of a caller's head goes along to a provider of the same dialect.
#[derive(Debug, Default)]
pub struct Forwarded {
    /// Versions and betas of the dialect.
    pub headers: HeaderMap,
    /// With its question mark; empty where there is none.
    pub query: &'static str,
}

/// How a reply is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// It is in the caller's own dialect, and passes as it comes.
    Same,
    /// It is of this API.
    Of(Api),
}

impl Reads {
    /// Reads a reply of another dialect. `request_id` makes names that it must make
    /// up its own; `choices` must finish.
    #[must_use]
    pub fn decoder(self, request_id: Uuid, choices: u32) -> Option<Box<dyn Decode>> {
        let seed = || request_id.simple().to_string();
        match self {
            Self::Same => None,
            Self::Of(Api::Chat | Api::Responses) => {
                Some(Box::new(chat::Decoder::new(&seed(), choices)))
            }
            Self::Of(Api::Messages) => Some(Box::<anthropic::messages::Decoder>::default()),
            Self::Of(Api::Generate) => Some(Box::new(gemini::generate::Decoder::new(&seed()))),
        }
    }
}

/// What the body of an error reply of `api` says; `None` where it is not to be
/// understood.
pub(crate) fn read_error(api: Api, body: &[u8]) -> Option<ErrorFacts> {
    match api {
        Api::Chat | Api::Responses => None,
        Api::Messages => anthropic::messages::read_error(body),
        Api::Generate => gemini::generate::read_error(body),
    }
}
