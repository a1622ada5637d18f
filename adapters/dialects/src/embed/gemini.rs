//! Gemini's `batchEmbedContents` and `embedContent`.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::openai::{facts, usage};
use super::vector::Vector;
use super::{Answer, Canonical};
use crate::Facts;
use crate::canonical::{Encoded, Garbled, Unsupported};
use crate::fields::{Dropped, Path, elements};
use crate::gemini::fields::{Object, list};
use crate::gemini::generate::facts::{At, Facts as Found};
use crate::gemini::generate::path::{name, path_of};
use crate::json::{self, Malformed, Writer};
use crate::splice::Edits;

/// How many texts a request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `batchEmbedContents`: any number.
    Batch,
    /// `embedContent`: one.
    One,
}

impl Verb {
    /// The path below the API's version that embeds with `model`.
    #[must_use]
    pub fn path(self, model: &str) -> String {
        let verb = match self {
            Self::Batch => "batchEmbedContents",
            Self::One => "embedContent",
        };
        path_of(model, verb)
    }
}

/// A request as the caller sent it.
#[derive(Clone)]
pub struct GeminiRequest {
    body: Bytes,
    verb: Verb,
    models: Vec<Range<usize>>,
    /// What the gates ask of it.
    pub facts: Facts,
}

impl GeminiRequest {
    /// Reads `body`, which stays shared and unchanged. `verb` and `model` (decoded,
    /// with or without `models/`) are what the path says.
    ///
    /// # Errors
    /// [`Malformed`] for what [`walk`](crate::json::walk) refuses, for a field that
    /// comes in both its spellings, for a `model` that is not the path's, and for
    /// `requests` that are none.
    pub fn parse(body: Bytes, verb: Verb, model: &str) -> Result<Self, Malformed> {
        let found = match verb {
            Verb::Batch => Found::read(&body, At::Batch)?,
            Verb::One => Found::read(&body, At::Embed)?,
        };
        let model = name(model);
        if model.is_empty() || found.models.iter().any(|it| name(it) != model) {
            let what = "model must be the one that the path names; leave it out of the body";
            return Err(Malformed::in_field("model", what));
        }
        if found.contents == 0 {
            let what = "requests must be a non-empty array";
            return Err(Malformed::in_field("requests", what));
        }
        Ok(Self {
            verb,
            models: found.spans.models,
            facts: facts(model.to_owned(), found.contents, found.prompt, &body),
            body,
        })
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn verb(&self) -> Verb {
        self.verb
    }

    pub(super) fn rewrite(&self, model: &str) -> Encoded {
        let mut edits = Edits::default();
        if name(model) != self.facts.model {
            let full = json::quote(&format!("models/{}", name(model)));
            for span in &self.models {
                edits.replace(span.clone(), &*full);
            }
        }
        Encoded {
            body: edits.apply(&self.body),
            noted: Vec::new(),
        }
    }

    pub(super) fn canonical(&self) -> Result<Canonical<'_>, Unsupported> {
        let whole: &RawValue = serde_json::from_slice(&self.body)
            .map_err(|_| Path::Body.refuse("must be a JSON object"))?;
        let mut canonical = Canonical {
            texts: Vec::new(),
            dimensions: None,
            noted: Vec::new(),
        };
        let mut dropped = Dropped::default();
        match self.verb {
            Verb::One => one(whole, &Path::Body, &mut canonical, &mut dropped)?,
            Verb::Batch => {
                let mut body = Object::read(whole, &Path::Body)?;
                let at = Path::Body.member("requests");
                let requests = body.take("requests");
                let requests = requests.ok_or_else(|| at.refuse("must be an array"))?;
                for (index, json) in elements(requests.json, &at)?.into_iter().enumerate() {
                    one(json, &at.element(index), &mut canonical, &mut dropped)?;
                }
                body.end()?;
            }
        }
        canonical.noted = dropped.0.into_iter().map(String::from).collect();
        Ok(canonical)
    }

    pub(super) fn reply(&self, answer: &Answer<'_>) -> Result<Bytes, Garbled> {
        if !answer.in_order {
            let what = "which embedding is of which text cannot be told";
            return Err(Garbled(what.to_owned()));
        }
        let mut out = Writer::default();
        out.open(b'{');
        match self.verb {
            Verb::One => out.key("embedding"),
            Verb::Batch => {
                out.key("embeddings");
                out.open(b'[');
            }
        }
        for vector in &answer.vectors {
            out.open(b'{');
            out.key("values");
            out.raw(&vector.numbers()?);
            out.close(b'}');
        }
        if self.verb == Verb::Batch {
            out.close(b']');
        }
        if let Some(usage) = &answer.usage {
            out.key("usageMetadata");
            out.raw(&format!(r#"{{"promptTokenCount":{}}}"#, usage.input));
        }
        out.close(b'}');
        Ok(out.take())
    }
}

/// Shows no text of the request.
impl fmt::Debug for GeminiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeminiRequest")
            .field("bytes", &self.body.len())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// Reads one request of a batch.
fn one<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    canonical: &mut Canonical<'a>,
    dropped: &mut Dropped,
) -> Result<(), Unsupported> {
    let mut request = Object::read(json, at)?;
    request.take("model");
    for (hint, note) in [
        ("taskType", "requests.taskType"),
        ("title", "requests.title"),
    ] {
        if request.take(hint).is_some() {
            dropped.note(note);
        }
    }
    let dimensions = request.typed("outputDimensionality", "a positive integer")?;
    if !canonical.texts.is_empty() && dimensions != canonical.dimensions {
        let why = "must be the same in all requests: the provider takes one for all";
        return Err(request.refuse("outputDimensionality", why));
    }
    canonical.dimensions = dimensions;
    let Some(content) = request.take("content") else {
        return Err(request.refuse("content", "must be an object with one part of text"));
    };
    let inner = at.member(&content.key);
    let mut content = Object::read(content.json, &inner)?;
    content.take("role");
    let parts = content.take("parts");
    let parts = parts.ok_or_else(|| content.refuse("parts", "must hold one part of text"))?;
    let place = inner.member(&parts.key);
    match list(parts.json, &place)?[..] {
        [(at, json)] => {
            let mut part = Object::read(json, &at)?;
            let text = part.text("text")?;
            let text = text.ok_or_else(|| part.refuse("text", "must be a string"))?;
            canonical.texts.push(text);
            part.end()?;
        }
        _ => return Err(place.refuse("must be one: the provider embeds a text by itself")),
    }
    content.end()?;
    request.end()
}

/// The request for a provider of this dialect.
pub(super) fn write(request: Canonical<'_>, model: &str) -> Encoded {
    let full = format!("models/{}", name(model));
    let mut out = Writer::default();
    out.open(b'{');
    out.key("requests");
    out.open(b'[');
    for text in &request.texts {
        out.open(b'{');
        out.member("model", &full);
        out.key("content");
        out.open(b'{');
        out.key("parts");
        out.open(b'[');
        out.open(b'{');
        out.member("text", text);
        out.close(b'}');
        out.close(b']');
        out.close(b'}');
        if let Some(dimensions) = request.dimensions {
            out.key("outputDimensionality");
            out.scalar(dimensions);
        }
        out.close(b'}');
    }
    out.close(b']');
    out.close(b'}');
    Encoded {
        body: out.take(),
        noted: request.noted,
    }
}

/// A reply of this dialect, to either verb.
pub(super) fn read(body: &[u8]) -> Result<Answer<'_>, Garbled> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        embeddings: Option<Vec<Embedding<'a>>>,
        #[serde(borrow)]
        embedding: Option<Embedding<'a>>,
        usage_metadata: Option<Counts>,
    }
    #[derive(Deserialize)]
    struct Embedding<'a> {
        #[serde(borrow)]
        values: &'a RawValue,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Counts {
        prompt_token_count: Option<u64>,
    }
    let wire: Wire<'_> =
        serde_json::from_slice(body).map_err(|_| Garbled("not a list of embeddings".to_owned()))?;
    let all = wire.embeddings.into_iter().flatten().chain(wire.embedding);
    Ok(Answer {
        vectors: all.map(|it| Vector(it.values)).collect(),
        in_order: true,
        usage: usage(wire.usage_metadata.and_then(|it| it.prompt_token_count)),
    })
}
