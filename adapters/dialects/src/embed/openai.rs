//! OpenAI's `embeddings`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::vector::Vector;
use super::{Answer, Canonical};
use crate::Facts;
use crate::canonical::{Encoded, Garbled, Unsupported, Usage};
use crate::fields::{Object, Path, elements, read as read_as};
use crate::json::{self, Complaint, Malformed, Reader, Scalar, Shape, Str, Writer};
use crate::prompt::Collected;
use crate::splice::Edits;

/// A request as the caller sent it: one text, a list of texts, token ids, or a list
/// of lists of them.
#[derive(Clone)]
pub struct OpenAiRequest {
    body: Bytes,
    model: Range<usize>,
    ids: bool,
    base64: bool,
    /// What the gates ask of it.
    pub facts: Facts,
}

/// What one pass over a body found.
#[derive(Default)]
struct Found {
    model: Option<String>,
    span: Range<usize>,
    texts: usize,
    /// Token ids that stand in `input` itself.
    bare: bool,
    /// Lists of token ids.
    lists: usize,
    base64: bool,
    prompt: Collected,
}

/// Where in the body a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Body,
    Model,
    Input,
    Item,
    Id,
    Format,
    /// Of no concern to the model.
    User,
    /// Anything else: a server may read it to the model.
    Other,
}

impl Reader for Found {
    type At = At;

    /// As for chat.
    fn name<'k>(&self, at: At, key: &'k str) -> Cow<'k, str> {
        if at == At::Body && key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(key.to_ascii_lowercase());
        }
        Cow::Borrowed(key)
    }

    fn member(&mut self, at: At, name: &str) -> At {
        match (at, name) {
            (At::Body, "model") => At::Model,
            (At::Body, "input") => At::Input,
            (At::Body, "encoding_format") => At::Format,
            (At::Body, "user") => At::User,
            _ => At::Other,
        }
    }

    fn element(&mut self, at: At) -> At {
        match at {
            At::Input => At::Item,
            At::Item => At::Id,
            _ => At::Other,
        }
    }

    fn open(&mut self, at: At, shape: Shape) -> Result<(), Complaint> {
        match (at, shape) {
            (At::Body, Shape::Array) | (At::Model | At::Id, _) => return Err(wrong(at)),
            (At::Input | At::Item, Shape::Object) => return Err(wrong(at)),
            (At::Item, Shape::Array) => self.lists += 1,
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, at: At, scalar: Scalar<'_>) -> Result<(), Complaint> {
        match (at, scalar) {
            (At::Model, Scalar::String(text)) if !text.decoded.is_empty() => {
                self.model = Some(text.decoded.to_owned());
            }
            (At::Input | At::Item, Scalar::String(text)) => {
                self.texts += 1;
                self.prompt.text(text);
            }
            (At::Item | At::Id, Scalar::Unsigned(_)) => {
                self.prompt.tokens += 1;
                self.bare |= at == At::Item;
            }
            (At::Body | At::Model | At::Input | At::Item | At::Id, _) => return Err(wrong(at)),
            (At::Format, Scalar::String(text)) => self.base64 = text.decoded == "base64",
            (At::Other, Scalar::String(text)) => self.prompt.text(text),
            _ => {}
        }
        Ok(())
    }

    fn wants_span(&self, at: At) -> bool {
        at == At::Model
    }

    fn span(&mut self, _: At, span: Range<usize>) {
        self.span = span;
    }
}

const MODEL: &str = "model must be a non-empty string";
const INPUT: &str = "input must be a string, an array of strings, an array of token ids or an array of such arrays, and not empty";

fn wrong(at: At) -> Complaint {
    let (field, what) = match at {
        At::Body => (None, "the body must be a JSON object"),
        At::Model => (Some("model"), MODEL),
        _ => (Some("input"), INPUT),
    };
    Complaint { field, what }
}

impl OpenAiRequest {
    /// Reads `body`, which stays shared and unchanged.
    ///
    /// # Errors
    /// [`Malformed`] for what [`walk`](crate::json::walk) refuses, and for a `model`
    /// or `input` that cannot be governed as it stands.
    pub fn parse(body: Bytes) -> Result<Self, Malformed> {
        let mut found = Found::default();
        json::walk(&body, At::Body, &mut found)?;
        let Some(model) = found.model else {
            return Err(Malformed::in_field("model", MODEL));
        };
        let inputs = match (found.texts, found.bare, found.lists) {
            (texts @ 1.., false, 0) => texts,
            (0, true, 0) => 1,
            (0, false, lists @ 1..) => lists,
            _ => return Err(Malformed::in_field("input", INPUT)),
        };
        Ok(Self {
            model: found.span,
            ids: found.texts == 0,
            base64: found.base64,
            facts: facts(model, inputs, found.prompt, &body),
            body,
        })
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn rewrite(&self, model: &str) -> Encoded {
        let mut edits = Edits::default();
        if model != self.facts.model {
            edits.replace(self.model.clone(), json::quote(model));
        }
        Encoded {
            body: edits.apply(&self.body),
            noted: Vec::new(),
        }
    }

    pub(super) fn canonical(&self) -> Result<Canonical<'_>, Unsupported> {
        if self.ids {
            let why = "holds token ids, which mean nothing to this model's provider; send the text";
            return Err(Path::Body.member("input").refuse(why));
        }
        let whole: &RawValue = serde_json::from_slice(&self.body)
            .map_err(|_| Path::Body.refuse("must be a JSON object"))?;
        let mut body = Object::read(whole, &Path::Body)?;
        body.take("model");
        let at = Path::Body.member("input");
        let texts = match body.take("input") {
            None => return Err(at.refuse("must be a string or an array of strings")),
            Some(json) if json.get().starts_with('"') => {
                vec![read_as::<Str<'_>>(json, &at, "a string")?.0]
            }
            Some(json) => {
                let texts = elements(json, &at)?.into_iter();
                let text = |json| read_as::<Str<'_>>(json, &at, "an array of strings");
                texts
                    .map(|json| Ok(text(json)?.0))
                    .collect::<Result<_, _>>()?
            }
        };
        let format = body.text("encoding_format")?;
        if !matches!(format.as_deref(), None | Some("float" | "base64")) {
            return Err(body.refuse("encoding_format", "must be float or base64"));
        }
        let dimensions = body.typed("dimensions", "a positive integer")?;
        let mut noted = Vec::new();
        if body.take("user").is_some() {
            noted.push("user".to_owned());
        }
        body.end()?;
        Ok(Canonical {
            texts,
            dimensions,
            noted,
        })
    }

    /// The reply of a server of the same dialect, as the caller asked for it: many
    /// compatible servers answer numbers to whoever asks for base64.
    pub(super) fn own(&self, answer: &Answer<'_>, body: &Bytes) -> Result<Bytes, Garbled> {
        let mut edits = Edits::default();
        for vector in &answer.vectors {
            if self.base64 && !vector.is_base64() {
                let start = vector.0.get().as_ptr().addr() - body.as_ptr().addr();
                edits.replace(start..start + vector.0.get().len(), vector.base64()?);
            }
        }
        Ok(edits.apply(body))
    }

    pub(super) fn reply(&self, answer: &Answer<'_>, counted: u64) -> Result<Bytes, Garbled> {
        let tokens = answer.usage.map_or(counted, |usage| usage.input);
        let mut out = Writer::default();
        out.open(b'{');
        out.member("object", "list");
        out.key("data");
        out.open(b'[');
        for (index, vector) in answer.vectors.iter().enumerate() {
            out.open(b'{');
            out.member("object", "embedding");
            out.key("index");
            out.scalar(index);
            out.key("embedding");
            out.raw(&match self.base64 {
                true => vector.base64()?,
                false => vector.numbers()?,
            });
            out.close(b'}');
        }
        out.close(b']');
        out.member("model", &self.facts.model);
        out.key("usage");
        out.raw(&format!(
            r#"{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}"#
        ));
        out.close(b'}');
        Ok(out.take())
    }
}

/// Shows no text of the request.
impl fmt::Debug for OpenAiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiRequest")
            .field("bytes", &self.body.len())
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// The facts of a request for so many vectors.
pub(super) fn facts(model: String, inputs: usize, prompt: Collected, body: &Bytes) -> Facts {
    Facts {
        model,
        stream: false,
        output_cap: None,
        n: 1,
        tools: Vec::new(),
        has_tools: false,
        has_schema: false,
        messages: inputs,
        prompt: prompt.build(body.clone()),
    }
}

/// The request for a provider of this dialect.
pub(super) fn write(request: Canonical<'_>, model: &str) -> Encoded {
    let mut out = Writer::default();
    out.open(b'{');
    out.member("model", model);
    out.key("input");
    out.open(b'[');
    for text in &request.texts {
        out.string(text);
    }
    out.close(b']');
    if let Some(dimensions) = request.dimensions {
        out.key("dimensions");
        out.scalar(dimensions);
    }
    out.member("encoding_format", "float");
    out.close(b'}');
    Encoded {
        body: out.take(),
        noted: request.noted,
    }
}

/// A reply of this dialect.
pub(super) fn read(body: &[u8]) -> Result<Answer<'_>, Garbled> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        data: Vec<Embedding<'a>>,
        usage: Option<Counts>,
    }
    #[derive(Deserialize)]
    struct Embedding<'a> {
        index: Option<usize>,
        #[serde(borrow)]
        embedding: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Counts {
        prompt_tokens: Option<u64>,
        total_tokens: Option<u64>,
    }
    let wire: Wire<'_> =
        serde_json::from_slice(body).map_err(|_| Garbled("not a list of embeddings".to_owned()))?;
    let mut data = wire.data;
    // Stable: those without an index keep their order.
    data.sort_by_key(|embedding| embedding.index);
    let mut placed = data.iter().enumerate();
    let in_order = placed.all(|(at, it)| it.index.is_none_or(|index| index == at));
    let count = wire
        .usage
        .and_then(|it| it.prompt_tokens.or(it.total_tokens));
    Ok(Answer {
        vectors: data.into_iter().map(|it| Vector(it.embedding)).collect(),
        in_order,
        usage: usage(count),
    })
}

pub(super) fn usage(input: Option<u64>) -> Option<Usage> {
    let input = input.filter(|count| *count <= Usage::ABSURD)?;
    Some(Usage {
        input,
        ..Usage::default()
    })
}
