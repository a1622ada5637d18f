//! Which values of a request matter, and what is kept of them.

use std::borrow::Cow;
use std::ops::Range;

use crate::gemini::fields::camel;
use crate::json::{self, Complaint, Malformed, Reader, Scalar, Shape};
use crate::prompt::Collected;
use crate::tools::Offered;

/// What one pass over a body found.
#[derive(Default)]
pub(crate) struct Facts {
    /// Beside that of the path, as often as the body repeats it.
    pub models: Vec<String>,
    pub output_cap: Option<u64>,
    pub candidates: Option<u32>,
    pub tools: Offered,
    pub has_tools: bool,
    pub has_schema: bool,
    pub contents: usize,
    pub prompt: Collected,
    pub spans: Spans,
    inline: Inline,
    /// The key of the last member of a tool that is no function.
    provided: String,
}

/// Byte spans of the values that a rewrite may replace, spelled `null` included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans {
    pub models: Vec<Range<usize>>,
    pub config: Option<Range<usize>>,
    /// Whether the config has any member.
    pub config_has_members: bool,
    pub cap: Option<Range<usize>>,
    /// Where the schemas in Google's older dialect begin, in rising order.
    pub old_schemas: Vec<usize>,
}

/// Media in the request, whose type may come after it.
#[derive(Default)]
struct Inline {
    media_type: Option<String>,
    base64: Option<u64>,
}

/// Where in a request a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Body,
    /// The body of `countTokens`, which may hold one of the above.
    Count,
    /// The body of `batchEmbedContents`.
    Batch,
    Requests,
    /// One of these, and the body of `embedContent`.
    Embed,
    Model,
    Contents,
    Content,
    Parts,
    Part,
    Inline,
    MediaType,
    Base64,
    FileData,
    FunctionResponse,
    /// Stands for something that is not here.
    Reference,
    /// Anything else under `contents`: its strings are read by the model.
    Spoken,
    Config,
    Cap,
    Candidates,
    Schema,
    OldSchema,
    Tools,
    Tool,
    /// What a tool that runs at the provider is told.
    Provided,
    Declarations,
    Declaration,
    FunctionName,
    OldParameters,
    /// Left to the upstream.
    Other,
}

impl Facts {
    /// Reads a body that is what `top` says.
    pub(crate) fn read(body: &[u8], top: At) -> Result<Self, Malformed> {
        let mut facts = Self::default();
        json::walk(body, top, &mut facts)?;
        facts.settle_inline();
        facts.spans.old_schemas.sort_unstable();
        Ok(facts)
    }

    /// Counts the inline media that was read last.
    fn settle_inline(&mut self) {
        let Inline { media_type, base64 } = std::mem::take(&mut self.inline);
        if let Some(base64) = base64 {
            self.prompt.inline(media_type.as_deref(), base64);
        }
    }

    /// A tool that runs at the provider, and reads what is not in the body.
    fn provided(&mut self) {
        let name = std::mem::take(&mut self.provided);
        // Calls of this one come to the caller, each under a name of its own.
        let hosted = name != "computerUse";
        self.tools.beside(&name, hosted);
        self.prompt.references += 1;
    }

    fn number(&mut self, at: At, scalar: Scalar<'_>) -> Result<(), Complaint> {
        match (at, scalar) {
            (_, Scalar::Null) => {}
            (At::Cap, Scalar::Unsigned(cap @ 1..)) => self.output_cap = Some(cap),
            (_, Scalar::Unsigned(n @ 1..=128)) => self.candidates = Some(n as u32),
            _ => return Err(wrong(at)),
        }
        Ok(())
    }
}

/// What a field that we must understand should have been.
fn wrong(at: At) -> Complaint {
    let (field, what) = match at {
        At::Model => ("model", "model must be a string"),
        At::Requests | At::Embed => ("requests", "requests must be an array of objects"),
        At::Contents => ("contents", "contents must be a non-empty array"),
        At::Tool | At::Declaration => ("tools", "tools must hold objects"),
        At::Config => ("generationConfig", "generationConfig must be an object"),
        At::Cap => (
            "generationConfig.maxOutputTokens",
            "maxOutputTokens must be an integer of at least 1",
        ),
        At::Candidates => (
            "generationConfig.candidateCount",
            "candidateCount must be an integer from 1 to 128",
        ),
        _ => {
            let what = "the body must be a JSON object";
            return Complaint { field: None, what };
        }
    };
    let field = Some(field);
    Complaint { field, what }
}

impl Reader for Facts {
    type At = At;

    fn name<'k>(&self, at: At, key: &'k str) -> Cow<'k, str> {
        match at {
            // Their keys are the caller's own, or only spelled one way.
            At::Spoken | At::Other | At::Schema | At::OldSchema | At::OldParameters => key.into(),
            _ => camel(key),
        }
    }

    fn member(&mut self, at: At, name: &str) -> At {
        match (at, name) {
            (At::Count, "generateContentRequest") => return At::Body,
            (At::Tool | At::Tools, "functionDeclarations") => return At::Declarations,
            (At::Tool | At::Tools, name) => {
                name.clone_into(&mut self.provided);
                return At::Provided;
            }
            (At::Config, _) => self.spans.config_has_members = true,
            _ => {}
        }
        match (at, name) {
            (At::Body | At::Count | At::Embed, "model") => At::Model,
            (At::Batch, "requests") => At::Requests,
            (At::Embed, "content") => At::Content,
            (At::Body | At::Count, "contents") => At::Contents,
            (At::Body | At::Count, "systemInstruction") => At::Content,
            (At::Body | At::Count, "generationConfig") => At::Config,
            (At::Body | At::Count, "tools") => At::Tools,
            (At::Body | At::Count, "cachedContent") => {
                // It may hold tools.
                self.tools.beside("cachedContent", true);
                At::Reference
            }
            (At::Contents | At::Content, "parts") => At::Parts,
            (At::Parts | At::Part, "inlineData") => At::Inline,
            (At::Parts | At::Part, "fileData") => At::FileData,
            (At::Parts | At::Part, "functionResponse") => At::FunctionResponse,
            (At::Inline, "mimeType") => At::MediaType,
            (At::Inline, "data") => At::Base64,
            (At::FileData, "fileUri") => At::Reference,
            (At::FunctionResponse, "parts") => At::Parts,
            (At::Config, "maxOutputTokens") => At::Cap,
            (At::Config, "candidateCount") => At::Candidates,
            (At::Config, "responseJsonSchema" | "responseFormat") => At::Schema,
            (At::Config, "responseSchema") => At::OldSchema,
            (At::Declarations | At::Declaration, "name") => At::FunctionName,
            (At::Declarations | At::Declaration, "parameters") => At::OldParameters,
            _ => inside(at),
        }
    }

    fn element(&mut self, at: At) -> At {
        match at {
            At::Contents => {
                self.contents += 1;
                At::Content
            }
            At::Parts => At::Part,
            At::Tools => {
                self.has_tools = true;
                At::Tool
            }
            At::Declarations => {
                self.tools.begin();
                At::Declaration
            }
            At::Requests => At::Embed,
            _ => inside(at),
        }
    }

    fn open(&mut self, at: At, shape: Shape) -> Result<(), Complaint> {
        match (at, shape) {
            (At::Body | At::Count | At::Batch | At::Embed | At::Config, Shape::Array)
            | (At::Requests, Shape::Object)
            | (At::Tool | At::Declaration, Shape::Array)
            | (At::Model | At::Cap | At::Candidates, _) => return Err(wrong(at)),
            (At::Contents | At::Embed, Shape::Object) => self.contents += 1,
            (At::Tools, Shape::Object) => self.has_tools = true,
            (At::Declarations, Shape::Object) => {
                self.tools.begin();
            }
            (At::Inline, _) => self.settle_inline(),
            (At::Provided, _) => self.provided(),
            (At::Schema | At::OldSchema, _) => self.has_schema = true,
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, at: At, scalar: Scalar<'_>) -> Result<(), Complaint> {
        match (at, scalar) {
            (At::Model, Scalar::String(text)) => self.models.push(text.decoded.to_owned()),
            (At::Model | At::Config | At::Contents | At::Provided, Scalar::Null) => {}
            (At::Cap | At::Candidates, number) => self.number(at, number)?,
            (At::Body | At::Count | At::Batch | At::Embed, _)
            | (At::Model | At::Config | At::Contents | At::Requests, _) => return Err(wrong(at)),
            (At::Provided, _) => self.provided(),
            (At::FunctionName, Scalar::String(name)) => {
                self.tools.name(self.tools.last(), name.decoded);
            }
            (At::MediaType, Scalar::String(text)) => {
                self.inline.media_type = Some(text.decoded.chars().take(64).collect());
                self.prompt.text(text);
            }
            (At::Base64, Scalar::String(data)) => {
                self.inline.base64 = Some(data.decoded.len() as u64);
            }
            (At::Reference, Scalar::String(text)) if !text.decoded.is_empty() => {
                self.prompt.references += 1;
            }
            (_, Scalar::String(text)) if spoken(at) => self.prompt.text(text),
            _ => {}
        }
        Ok(())
    }

    fn wants_span(&self, at: At) -> bool {
        matches!(
            at,
            At::Model
                | At::Config
                | At::Cap
                | At::Tools
                | At::Schema
                | At::OldSchema
                | At::OldParameters
        )
    }

    fn span(&mut self, at: At, span: Range<usize>) {
        if matches!(at, At::OldSchema | At::OldParameters) {
            self.spans.old_schemas.push(span.start);
        }
        match at {
            At::Model => self.spans.models.push(span),
            At::Config => self.spans.config = Some(span),
            At::Cap => self.spans.cap = Some(span),
            At::Tools | At::Schema | At::OldSchema => self.prompt.schema(span),
            _ => {}
        }
    }
}

/// The name of one function.
pub(super) fn names_of(declaration: &str) -> Vec<String> {
    let mut facts = Facts::default();
    facts.tools.begin();
    // What was read before is read again without an error.
    let _ = json::walk(declaration.as_bytes(), At::Declaration, &mut facts);
    facts.tools.split().0
}

/// Whether strings at `at` are text that the model reads. Only the exact places
/// of payloads are not: text hidden in a wrong place must not be free.
fn spoken(at: At) -> bool {
    matches!(
        at,
        At::Content
            | At::Parts
            | At::Part
            | At::Inline
            | At::FileData
            | At::FunctionResponse
            | At::Batch
            | At::Embed
            | At::Spoken
    )
}

/// Where a value without a meaning of its own is, inside what is at `at`.
fn inside(at: At) -> At {
    let payload = matches!(
        at,
        At::MediaType | At::Base64 | At::Reference | At::Contents | At::Requests
    );
    if spoken(at) || payload {
        At::Spoken
    } else {
        At::Other
    }
}
