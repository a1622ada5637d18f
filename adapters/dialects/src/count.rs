//! How many tokens a request would cost, as each API tells it.

use bytes::Bytes;
use serde::Deserialize;

use crate::anthropic::messages::{self, MessagesRequest};
use crate::canonical::{Encoded, Request, Target, Unsupported, Usage};
use crate::gemini::generate;
use crate::openai::responses;
use crate::{Api, Facts, ToolNeeded};

/// A request whose tokens are to be counted, read once.
#[derive(Debug, Clone)]
pub enum CountRequest {
    /// Anthropic's `messages/count_tokens`.
    Messages(MessagesRequest),
    /// Gemini's `countTokens`.
    Generate(generate::CountRequest),
}

impl CountRequest {
    /// The API that it came by.
    #[must_use]
    pub fn api(&self) -> Api {
        match self {
            Self::Messages(_) => Api::Messages,
            Self::Generate(_) => Api::Generate,
        }
    }

    /// What the gates ask of it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        match self {
            Self::Messages(request) => &request.facts,
            Self::Generate(request) => request.facts(),
        }
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Messages(request) => request.body(),
            Self::Generate(request) => request.body(),
        }
    }

    /// The request that is to be counted.
    ///
    /// # Errors
    /// As [`Inbound::canonical`](crate::Inbound::canonical).
    pub fn canonical(&self) -> Result<Request<'_>, Unsupported> {
        match self {
            Self::Messages(request) => request.canonical(),
            Self::Generate(request) => request.canonical(),
        }
    }

    /// As [`Inbound::without_tools`](crate::Inbound::without_tools).
    ///
    /// # Errors
    /// As there.
    pub fn without_tools(&self, gone: &[&str]) -> Result<Self, ToolNeeded> {
        match self {
            Self::Messages(request) => request.without_tools(gone).map(Self::Messages),
            Self::Generate(request) => request.without_tools(gone).map(Self::Generate),
        }
    }

    /// The request for a provider of the caller's own dialect and its name of the
    /// model.
    #[must_use]
    pub fn rewrite(&self, model: &str) -> Encoded {
        match self {
            Self::Messages(request) => request.rewrite(&messages::Rewrite {
                model: Some(model),
                output_cap: None,
            }),
            Self::Generate(request) => request.rewrite(model),
        }
    }
}

/// The body that asks the counter of `api`: OpenAI's counts for its Responses.
///
/// # Errors
/// [`Unsupported`] for what that API cannot be given, and for chat completions,
/// which have no counter.
pub fn encode(api: Api, request: &Request<'_>, to: &Target<'_>) -> Result<Encoded, Unsupported> {
    match api {
        Api::Responses => responses::count::encode(request, to),
        Api::Messages => messages::encode_count(request, to),
        Api::Generate => generate::encode_count(request, to),
        Api::Chat => Err(Unsupported::new(
            "model",
            "this model's provider counts no tokens",
        )),
    }
}

/// The count in a reply of the API that counts for `api`; `None` where there is
/// none, or none that makes sense.
#[must_use]
pub fn read(api: Api, body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Wire {
        input_tokens: Option<u64>,
        #[serde(rename = "totalTokens")]
        total_tokens: Option<u64>,
    }
    let wire: Wire = serde_json::from_slice(body).ok()?;
    let count = match api {
        Api::Chat | Api::Responses | Api::Messages => wire.input_tokens,
        Api::Generate => wire.total_tokens,
    };
    count.filter(|count| *count <= Usage::ABSURD)
}

/// The reply that [`read`] reads back.
#[must_use]
pub fn write(api: Api, tokens: u64) -> String {
    match api {
        // Chat has none of its own.
        Api::Chat | Api::Responses => {
            format!(r#"{{"object":"response.input_tokens","input_tokens":{tokens}}}"#)
        }
        Api::Messages => format!(r#"{{"input_tokens":{tokens}}}"#),
        Api::Generate => format!(r#"{{"totalTokens":{tokens}}}"#),
    }
}
