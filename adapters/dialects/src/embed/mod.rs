//! Embeddings: texts in, one vector for each out.
//!
//! Two APIs know them, OpenAI's and Gemini's. Where caller and provider speak the
//! same, requests and replies pass as they came, save for the model's name and for
//! servers that answer numbers to clients that asked for base64.

mod gemini;
mod openai;
mod vector;

use bytes::Bytes;

use crate::Facts;
use crate::canonical::{Encoded, Garbled, Unsupported, Usage};
pub use gemini::{GeminiRequest, Verb};
pub use openai::OpenAiRequest;

/// An API for embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbedApi {
    /// OpenAI's `embeddings`.
    OpenAi,
    /// Gemini's `batchEmbedContents` and `embedContent`.
    Gemini,
}

/// A request to embed, read once.
#[derive(Debug, Clone)]
pub enum EmbedRequest {
    /// For [`EmbedApi::OpenAi`].
    OpenAi(OpenAiRequest),
    /// For [`EmbedApi::Gemini`].
    Gemini(GeminiRequest),
}

/// What is asked for, whatever dialect it came in.
struct Canonical<'a> {
    /// Not empty.
    texts: Vec<std::borrow::Cow<'a, str>>,
    dimensions: Option<u64>,
    noted: Vec<String>,
}

/// A reply, whatever dialect it came in.
struct Answer<'a> {
    /// In the order of the texts.
    vectors: Vec<vector::Vector<'a>>,
    /// Whether their indexes are those of the texts, each once.
    in_order: bool,
    usage: Option<Usage>,
}

impl EmbedRequest {
    /// The API that it came by.
    #[must_use]
    pub fn api(&self) -> EmbedApi {
        match self {
            Self::OpenAi(_) => EmbedApi::OpenAi,
            Self::Gemini(_) => EmbedApi::Gemini,
        }
    }

    /// What the gates ask of it. It makes no output, and `messages` are the texts,
    /// for each of which one vector must come.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        match self {
            Self::OpenAi(request) => &request.facts,
            Self::Gemini(request) => &request.facts,
        }
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        match self {
            Self::OpenAi(request) => request.body(),
            Self::Gemini(request) => request.body(),
        }
    }

    /// The path below the API's version that this goes to at a provider with `api`.
    #[must_use]
    pub fn path(&self, api: EmbedApi, model: &str) -> String {
        match (api, self) {
            (EmbedApi::OpenAi, _) => "embeddings".to_owned(),
            (EmbedApi::Gemini, Self::Gemini(request)) => request.verb().path(model),
            (EmbedApi::Gemini, Self::OpenAi(_)) => Verb::Batch.path(model),
        }
    }

    /// The request for a provider with `api` and its name of the model. For one of
    /// the caller's own dialect all bytes but the model's are the caller's.
    ///
    /// # Errors
    /// [`Unsupported`] for what one of another dialect cannot be given: token ids,
    /// media, and fields that it does not know.
    pub fn encode(&self, api: EmbedApi, model: &str) -> Result<Encoded, Unsupported> {
        match (self, api) {
            (Self::OpenAi(request), EmbedApi::OpenAi) => Ok(request.rewrite(model)),
            (Self::Gemini(request), EmbedApi::Gemini) => Ok(request.rewrite(model)),
            (Self::OpenAi(request), EmbedApi::Gemini) => {
                Ok(gemini::write(request.canonical()?, model))
            }
            (Self::Gemini(request), EmbedApi::OpenAi) => {
                Ok(openai::write(request.canonical()?, model))
            }
        }
    }

    /// The reply for the caller, made of that of a provider with `api`, and the usage
    /// that the provider tells. Where it tells none and the caller's dialect must
    /// have one, the caller is told `counted` tokens, by the gateway's own count.
    ///
    /// # Errors
    /// [`Garbled`] when it cannot be read, or does not have one vector for each text.
    pub fn answer(
        &self,
        api: EmbedApi,
        body: &Bytes,
        counted: u64,
    ) -> Result<(Bytes, Option<Usage>), Garbled> {
        let answer = match api {
            EmbedApi::OpenAi => openai::read(body)?,
            EmbedApi::Gemini => gemini::read(body)?,
        };
        let (came, due) = (answer.vectors.len(), self.facts().messages);
        if came != due {
            return Err(Garbled(format!("{came} embeddings came for {due} texts")));
        }
        let usage = answer.usage;
        let bytes = match (self, api) {
            (Self::OpenAi(request), EmbedApi::OpenAi) => request.own(&answer, body)?,
            (Self::Gemini(_), EmbedApi::Gemini) => body.clone(),
            (Self::OpenAi(request), EmbedApi::Gemini) => request.reply(&answer, counted)?,
            (Self::Gemini(request), EmbedApi::OpenAi) => request.reply(&answer)?,
        };
        Ok((bytes, usage))
    }
}
