//! Which values of a chat request matter, and what is kept of them.

use std::borrow::Cow;
use std::ops::Range;

use super::CapField;
use crate::json::{self, Complaint, Malformed, Reader, Scalar, Shape};
use crate::prompt::Collected;
use crate::tools::Offered;

/// What one pass over a body found.
pub(super) struct Facts {
    pub model: Option<String>,
    pub stream: bool,
    pub include_usage: bool,
    pub max_tokens: Option<u64>,
    pub max_completion_tokens: Option<u64>,
    pub n_predict: Option<u64>,
    pub n: u32,
    pub tools: Offered,
    pub has_tools: bool,
    pub has_schema: bool,
    pub messages: usize,
    pub prompt: Collected,
    pub spans: Spans,
}

/// Byte spans of the values that a rewrite may replace, spelled `null` included.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    pub model: Range<usize>,
    pub stream_options: Option<StreamOptions>,
    pub max_tokens: Option<Range<usize>>,
    pub max_completion_tokens: Option<Range<usize>>,
}

#[derive(Debug, Clone)]
pub(super) struct StreamOptions {
    pub span: Range<usize>,
    pub shape: OptionsShape,
}

#[derive(Debug, Clone)]
pub(super) enum OptionsShape {
    Null,
    Empty,
    Members { include_usage: Option<Range<usize>> },
}

/// Where in a chat request a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Body,
    Model,
    Stream,
    StreamOptions,
    IncludeUsage,
    Cap(CapField),
    /// llama-server's own cap, which takes the place of the others there.
    Predict,
    N,
    /// A name of other models than the one that is governed.
    Models,
    /// Something that the provider looks up or runs, and then reads.
    Hosted(Hosted),
    Messages,
    Message,
    /// Of a message: one string, or parts.
    Content,
    Part,
    ImageUrl,
    InputAudio,
    File,
    /// An object whose `id` or `url` stands for something that is not here.
    Elsewhere,
    /// Anything else under `messages`: its strings are read by the model.
    Spoken,
    /// A string that is not text, and how the estimate counts it.
    Image,
    AudioData,
    FileData,
    Reference,
    Tools,
    Tool,
    ToolType,
    Functions,
    Function,
    FunctionName,
    ResponseFormat,
    Schema,
    /// Left to the upstream.
    Other,
}

// It is handed on for every key and value: larger, it takes a third of the pass more.
const _: () = assert!(size_of::<At>() <= 2);

impl Facts {
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut facts = Self::new();
        json::walk(body, At::Body, &mut facts)?;
        Ok(facts)
    }

    fn new() -> Self {
        Self {
            model: None,
            stream: false,
            include_usage: false,
            max_tokens: None,
            max_completion_tokens: None,
            n_predict: None,
            n: 1,
            tools: Offered::default(),
            has_tools: false,
            has_schema: false,
            messages: 0,
            prompt: Collected::default(),
            spans: Spans::default(),
        }
    }

    fn number(&mut self, at: At, scalar: Scalar<'_>) -> Result<(), Complaint> {
        let (at_least_one, absent) = match scalar {
            Scalar::Unsigned(number) => ((number > 0).then_some(number), false),
            Scalar::Null => (None, true),
            _ => (None, false),
        };
        match (at, at_least_one) {
            (_, None) if absent => return Ok(()),
            (At::Cap(CapField::MaxTokens), Some(cap)) => self.max_tokens = Some(cap),
            (At::Cap(CapField::MaxCompletionTokens), Some(cap)) => {
                self.max_completion_tokens = Some(cap);
            }
            (At::Predict, Some(cap)) => self.n_predict = Some(cap),
            (At::N, Some(n @ 1..=128)) => self.n = n as u32,
            _ => return Err(wrong(at)),
        }
        Ok(())
    }
}

/// What a provider looks up or runs by a field of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosted {
    WebSearch,
    Search,
    Plugins,
}

impl Hosted {
    /// The field's own, in lower case.
    pub(super) fn of(field: &str) -> Option<Self> {
        match field {
            "web_search_options" => Some(Self::WebSearch),
            "search_parameters" => Some(Self::Search),
            "plugins" => Some(Self::Plugins),
            _ => None,
        }
    }

    /// As policy sees it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WebSearch => "web_search",
            Self::Search => "search",
            Self::Plugins => "plugins",
        }
    }
}

impl Facts {
    /// A member that has the provider look something up: what it finds is read, and is
    /// not here.
    fn hosted(&mut self, tool: Hosted) {
        self.has_tools = true;
        self.tools.beside(tool.name(), true);
        self.prompt.references += 1;
    }
}

/// The names of one tool, an element of `tools` or of `functions`, or of what names it
/// in a choice.
pub(super) fn names_of(tool: &str, at: At) -> Vec<String> {
    let mut facts = Facts::new();
    facts.tools.begin();
    // What was read before is read again without an error.
    let _ = json::walk(tool.as_bytes(), at, &mut facts);
    facts.tools.split().0
}

/// What a field that we must understand should have been.
fn wrong(at: At) -> Complaint {
    let (field, what) = match at {
        At::Model => ("model", "model must be a non-empty string"),
        At::Stream => ("stream", "stream must be true or false"),
        At::StreamOptions => ("stream_options", "stream_options must be an object"),
        At::IncludeUsage => (
            "stream_options.include_usage",
            "stream_options.include_usage must be true or false",
        ),
        At::Cap(CapField::MaxTokens) => {
            ("max_tokens", "max_tokens must be an integer of at least 1")
        }
        At::Cap(CapField::MaxCompletionTokens) => (
            "max_completion_tokens",
            "max_completion_tokens must be an integer of at least 1",
        ),
        At::Predict => ("n_predict", "n_predict must be an integer of at least 1"),
        At::N => ("n", "n must be an integer from 1 to 128"),
        At::Models => (
            "models",
            "models, route and preset choose models that nobody has governed; ask for one by model",
        ),
        At::Messages => ("messages", "messages must be a non-empty array"),
        At::Tools => ("tools", "tools must be an array"),
        At::Functions => ("functions", "functions must be an array"),
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

    /// Servers written in Go take a key in any case, so that it must not say one thing
    /// here and another there.
    fn name<'k>(&self, at: At, key: &'k str) -> Cow<'k, str> {
        let governed = matches!(
            at,
            At::Body | At::StreamOptions | At::Tool | At::Function | At::Message
        );
        if governed {
            json::folded(key)
        } else {
            Cow::Borrowed(key)
        }
    }

    fn member(&mut self, at: At, key: &str) -> At {
        if at == At::StreamOptions
            && let Some(options) = &mut self.spans.stream_options
            && matches!(options.shape, OptionsShape::Empty)
        {
            options.shape = OptionsShape::Members {
                include_usage: None,
            };
        }
        match (at, key) {
            (At::Body, "model") => At::Model,
            (At::Body, "stream") => At::Stream,
            (At::Body, "stream_options") => At::StreamOptions,
            (At::Body, "max_tokens") => At::Cap(CapField::MaxTokens),
            (At::Body, "max_completion_tokens") => At::Cap(CapField::MaxCompletionTokens),
            (At::Body, "n_predict") => At::Predict,
            (At::Body, "n") => At::N,
            (At::Body, "models" | "route" | "preset") => At::Models,
            (At::Body, "messages") => At::Messages,
            (At::Body, "tools") => At::Tools,
            (At::Body, "functions") => At::Functions,
            (At::Body, "response_format") => At::ResponseFormat,
            (At::StreamOptions, "include_usage") => At::IncludeUsage,
            (At::Message, "content") => At::Content,
            (At::Message, "audio") => At::Elsewhere,
            (At::Part, "image_url") => At::ImageUrl,
            (At::Part, "input_audio") => At::InputAudio,
            (At::Part, "file") => At::File,
            (At::Part, "audio_url" | "video_url") => At::Elsewhere,
            (At::ImageUrl, "url") => At::Image,
            (At::InputAudio, "data") => At::AudioData,
            (At::File, "file_data") => At::FileData,
            (At::File, "file_id") | (At::Elsewhere, "id" | "url") => At::Reference,
            (At::Tool, "type") => At::ToolType,
            (At::Tool, "function" | "custom") => At::Function,
            // As for Responses, which some servers take here too.
            (At::Tool | At::Function, "name") => At::FunctionName,
            (At::ResponseFormat, "json_schema" | "schema") => At::Schema,
            (At::Body, field) => Hosted::of(field).map_or(At::Other, At::Hosted),
            _ => inside(at),
        }
    }

    fn element(&mut self, at: At) -> At {
        match at {
            At::Messages => {
                self.messages += 1;
                At::Message
            }
            At::Content => At::Part,
            At::Tools | At::Functions => {
                self.has_tools = true;
                self.tools.begin();
                if at == At::Tools {
                    At::Tool
                } else {
                    At::Function
                }
            }
            _ => inside(at),
        }
    }

    fn open(&mut self, at: At, shape: Shape) -> Result<(), Complaint> {
        match (at, shape) {
            (At::Body | At::StreamOptions, Shape::Array)
            | (At::Messages | At::Tools | At::Functions, Shape::Object)
            | (At::Model | At::Stream | At::IncludeUsage | At::Models, _)
            | (At::Cap(_) | At::Predict | At::N, _) => Err(wrong(at)),
            (At::Hosted(tool), _) => {
                self.hosted(tool);
                Ok(())
            }
            (At::Schema, _) => {
                self.has_schema = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, at: At, scalar: Scalar<'_>) -> Result<(), Complaint> {
        match (at, scalar) {
            (At::Model, Scalar::String(text)) if !text.decoded.is_empty() => {
                self.model = Some(text.decoded.to_owned());
            }
            (At::Stream, Scalar::Bool(stream)) => self.stream = stream,
            (At::IncludeUsage, Scalar::Bool(asked)) => self.include_usage = asked,
            (At::StreamOptions, Scalar::Null) => {
                if let Some(options) = &mut self.spans.stream_options {
                    options.shape = OptionsShape::Null;
                }
            }
            (At::Stream | At::IncludeUsage | At::Models, Scalar::Null) => {}
            (At::Cap(_) | At::Predict | At::N, number) => self.number(at, number)?,
            (At::ToolType, Scalar::String(kind)) => {
                let tool = self.tools.last();
                let hosted = !matches!(kind.decoded, "function" | "custom");
                self.tools.kind(tool, kind.decoded, hosted);
                if hosted {
                    self.tools.name(tool, kind.decoded);
                    // What it finds is read, and is not here.
                    self.prompt.references += 1;
                }
            }
            (At::Hosted(_), Scalar::Null) => {}
            (At::Hosted(tool), _) => self.hosted(tool),
            (At::Body | At::Model | At::Stream | At::IncludeUsage | At::Models, _)
            | (At::StreamOptions | At::Messages, _) => return Err(wrong(at)),
            (At::FunctionName, Scalar::String(name)) => {
                self.tools.name(self.tools.last(), name.decoded);
            }
            (At::Image | At::ImageUrl, Scalar::String(url)) => self.prompt.picture(url.decoded),
            (At::AudioData, Scalar::String(data)) => {
                self.prompt.audio_bytes += data.decoded.len() as u64;
            }
            (At::FileData, Scalar::String(data)) => {
                self.prompt.documents += 1;
                self.prompt.file_bytes += data.decoded.len() as u64;
            }
            (At::Reference, Scalar::String(_)) => self.prompt.references += 1,
            (_, Scalar::String(text)) if spoken(at) => self.prompt.text(text),
            _ => {}
        }
        Ok(())
    }

    fn wants_span(&self, at: At) -> bool {
        matches!(
            at,
            At::Model
                | At::StreamOptions
                | At::IncludeUsage
                | At::Cap(_)
                | At::Tools
                | At::Functions
                | At::ResponseFormat
        )
    }

    fn span(&mut self, at: At, span: Range<usize>) {
        match at {
            At::Model => self.spans.model = span,
            At::Cap(CapField::MaxTokens) => self.spans.max_tokens = Some(span),
            At::Cap(CapField::MaxCompletionTokens) => {
                self.spans.max_completion_tokens = Some(span);
            }
            At::StreamOptions => {
                self.spans.stream_options = Some(StreamOptions {
                    span,
                    shape: OptionsShape::Empty,
                });
            }
            At::IncludeUsage => {
                if let Some(options) = &mut self.spans.stream_options {
                    options.shape = OptionsShape::Members {
                        include_usage: Some(span),
                    };
                }
            }
            _ => self.prompt.schema(span),
        }
    }
}

/// Whether strings at `at` are text that the model reads. Only the exact places
/// of payloads are not: text hidden in a wrong place must not be free.
fn spoken(at: At) -> bool {
    matches!(
        at,
        At::Message
            | At::Content
            | At::Part
            | At::InputAudio
            | At::File
            | At::Elsewhere
            | At::Spoken
    )
}

/// Where a value without a meaning of its own is, inside what is at `at`.
fn inside(at: At) -> At {
    let payload = matches!(
        at,
        At::Image | At::ImageUrl | At::AudioData | At::FileData | At::Reference
    );
    if spoken(at) || payload {
        At::Spoken
    } else {
        At::Other
    }
}
