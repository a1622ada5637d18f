//! A caller's request as a provider's API wants it, and how what comes back is read.

use http::HeaderMap;
use lattice_dialects::anthropic::messages;
use lattice_dialects::canonical::{Decode, Encoded, ErrorFacts, Unsupported};
use lattice_dialects::count::{self, CountRequest};
use lattice_dialects::embed::{EmbedApi, EmbedRequest};
use lattice_dialects::gemini::generate;
use lattice_dialects::openai::{self, chat, responses};
use lattice_dialects::{Api, Inbound};
use uuid::Uuid;

use super::{Asking, Payload, Place, Prepared, boxed, respell};
use crate::execute::Asked;

/// The request that goes to the provider of `asking`.
///
/// # Errors
/// A field of the caller's that it cannot be given.
pub(crate) fn prepare(asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
    let Asking { provider, body, .. } = asking;
    match (&body.asked, provider.kind.place()) {
        // An engine takes the request as it is and answers in the caller's dialect.
        (Asked::Generation(_), Place::InProcess) => Ok(Prepared {
            payload: Payload::InProcess,
            noted: Vec::new(),
            reads: Reads::Same,
        }),
        (Asked::Generation(inbound), Place::Remote { .. }) => generation(asking, inbound),
        (Asked::Count(request), _) => count(asking, request),
        (Asked::Embedding(request), _) => embedding(asking, request),
    }
}

fn generation(asking: &Asking<'_>, inbound: &Inbound) -> Result<Prepared, Unsupported> {
    let kind = asking.provider.kind;
    let api = kind.api(inbound.api());
    let path = kind.path(api, &asking.target.model, inbound.facts().stream);
    if api == inbound.api() {
        let encoded = respell::respell(asking, inbound);
        return Ok(post(asking, &path, encoded, Reads::Same));
    }
    let (request, to) = (asking.canonical(inbound.canonical()?), asking.encode_for());
    let encoded = match api {
        Api::Chat => {
            let server = kind.server(&asking.provider.host);
            chat::encode(&request, &to, server)
        }
        Api::Responses => responses::encode(&request, &to),
        Api::Messages => messages::encode(&request, &to),
        Api::Generate => generate::encode(&request, &to),
    };
    let encoded = spelled(inbound.api(), encoded)?;
    Ok(post(asking, &path, encoded, Reads::Of(api)))
}

/// What is told of fields, in the words of the caller's API.
fn spelled(api: Api, encoded: Result<Encoded, Unsupported>) -> Result<Encoded, Unsupported> {
    match encoded {
        Ok(Encoded { body, noted }) => Ok(Encoded {
            body,
            noted: noted
                .iter()
                .map(|note| api.spell(note).into_owned())
                .collect(),
        }),
        Err(Unsupported { field, why }) => {
            Err(Unsupported::new(api.spell(&field).into_owned(), why))
        }
    }
}

fn count(asking: &Asking<'_>, request: &CountRequest) -> Result<Prepared, Unsupported> {
    let (kind, model) = (asking.provider.kind, &asking.target.model);
    let Some(api) = kind.counter() else {
        return Err(Unsupported::new(
            "model",
            "this model's provider counts no tokens; estimate them, or ask for a model of another",
        ));
    };
    let encoded = if api == request.api() {
        request.rewrite(model)
    } else {
        let canonical = asking.canonical(request.canonical()?);
        let encoded = count::encode(api, &canonical, &asking.encode_for());
        spelled(request.api(), encoded)?
    };
    let path = match api {
        Api::Messages => "messages/count_tokens".to_owned(),
        Api::Generate => generate::count_path(model),
        Api::Responses | Api::Chat => "responses/input_tokens".to_owned(),
    };
    let reads = if api == request.api() {
        Reads::Same
    } else {
        Reads::Of(api)
    };
    Ok(post(asking, &path, encoded, reads))
}

fn embedding(asking: &Asking<'_>, request: &EmbedRequest) -> Result<Prepared, Unsupported> {
    let (kind, model) = (asking.provider.kind, &asking.target.model);
    let Some(api) = kind.embeds() else {
        return Err(Unsupported::new(
            "model",
            "this model's provider makes no embeddings; ask for a model of another",
        ));
    };
    let encoded = request.encode(api, model)?;
    let reads = Reads::Embeddings(api);
    Ok(post(asking, &request.path(api, model), encoded, reads))
}

/// A POST of JSON to a path below the provider's.
fn post(asking: &Asking<'_>, path: &str, encoded: Encoded, reads: Reads) -> Prepared {
    let Asking { provider, body, .. } = asking;
    let mut headers = provider.kind.headers();
    let mut query = "";
    if reads == Reads::Same {
        // The caller's versions take the place of ours.
        for name in body.forwarded.headers.keys() {
            headers.remove(name);
        }
        headers.extend(body.forwarded.headers.clone());
        query = body.forwarded.query;
    }
    Prepared {
        payload: Payload::Http {
            path: format!("{}/{path}{query}", provider.base_path).into(),
            headers,
            body: encoded.body,
        },
        noted: boxed(encoded.noted),
        reads,
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
    /// It holds vectors, as this API tells them.
    Embeddings(EmbedApi),
}

impl Reads {
    /// Reads a generation of another dialect. `request_id` makes names that it must
    /// make up its own; `choices` must finish.
    #[must_use]
    pub fn decoder(self, request_id: Uuid, choices: u32) -> Option<Box<dyn Decode>> {
        let seed = || request_id.simple().to_string();
        let Self::Of(api) = self else {
            return None;
        };
        Some(match api {
            Api::Chat => Box::new(chat::Decoder::new(&seed(), choices)),
            Api::Responses => Box::<responses::Decoder>::default(),
            Api::Messages => Box::<messages::Decoder>::default(),
            Api::Generate => Box::new(generate::Decoder::new(&seed()).of(choices)),
        })
    }

    /// The API whose errors come back to `asked`, and whether that is of another
    /// dialect than the caller's.
    pub(crate) fn errors(self, asked: &Asked) -> (Api, bool) {
        match (self, asked) {
            (Self::Same, _) => (asked.api(), false),
            (Self::Of(api), _) => (api, true),
            (Self::Embeddings(theirs), Asked::Embedding(request)) if request.api() == theirs => {
                (asked.api(), false)
            }
            (Self::Embeddings(EmbedApi::OpenAi), _) => (Api::Chat, true),
            (Self::Embeddings(EmbedApi::Gemini), _) => (Api::Generate, true),
        }
    }
}

/// What the body of an error reply of `api` says; `None` where it is not to be
/// understood.
pub(crate) fn read_error(api: Api, body: &[u8]) -> Option<ErrorFacts> {
    match api {
        Api::Chat | Api::Responses => openai::read_error(body),
        Api::Messages => messages::read_error(body),
        Api::Generate => generate::read_error(body),
    }
}
