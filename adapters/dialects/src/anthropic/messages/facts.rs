//! Which values of a request matter, and what is kept of them.

use std::borrow::Cow;
use std::ops::Range;

use super::media::Media;
use crate::json::{self, Complaint, Malformed, Reader, Scalar, Shape};
use crate::prompt::Collected;
use crate::tools::Offered;

/// What one pass over a body found.
#[derive(Default)]
pub(super) struct Facts {
    pub model: Option<String>,
    pub stream: bool,
    pub max_tokens: Option<u64>,
    pub tools: Offered,
    pub has_schema: bool,
    pub messages: usize,
    pub prompt: Collected,
    pub spans: Spans,
    media: Media,
}

/// Byte spans of the values that a rewrite may replace.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    pub model: Range<usize>,
    pub max_tokens: Option<Range<usize>>,
}

/// The name of an MCP server, whose tools are in no body: Anthropic's own word for one
/// that is.
pub(super) const MCP: &str = "mcp_toolset";

/// Where in a request a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Body,
    Model,
    Stream,
    MaxTokens,
    Fallbacks,
    /// A tool that asks a model of its own.
    ToolModel,
    Messages,
    Message,
    /// Content of a message or of a part (a string, or parts), or a part: each has
    /// a number of its own.
    Part(u32),
    PartType(u32),
    /// A part's `source`, by its number there.
    Source(u32),
    SourceType(u32),
    MediaType(u32),
    Data(u32),
    Url(u32),
    /// A string that stands for something that is not here.
    Reference,
    Container,
    Skills,
    /// An object whose `previous_message_id` stands for a conversation.
    Thread,
    McpServers,
    /// Anything else that the model reads: its strings are text.
    Spoken,
    Tools,
    Tool(u32),
    ToolName(u32),
    ToolType(u32),
    /// A part's `tool`, which may bring one.
    ToolChange,
    /// A tool in the middle of the conversation.
    Definition(u32),
    OutputConfig,
    Schema,
    /// Left to the upstream.
    Other,
}

impl Facts {
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut facts = Self::default();
        json::walk(body, At::Body, &mut facts)?;
        facts.media.count(&mut facts.prompt);
        Ok(facts)
    }

    /// The name takes the place of the type, unless a caller could call so what it is
    /// not.
    fn tool_named(&mut self, tool: u32, name: &str) {
        match self.tools.kind_of(tool) {
            (Some(kind), true) if !is_named_so(kind, name) => {}
            _ => self.tools.rename(tool, name),
        }
    }

    fn tool_typed(&mut self, tool: u32, kind: &str) {
        let hosted = looks_up(kind);
        self.tools.kind(tool, kind, hosted);
        if kind == "custom" {
            return;
        }
        let name = self.tools.last_name(tool);
        if name.is_none_or(|name| hosted && !is_named_so(kind, name)) {
            self.tools.rename(tool, kind);
        }
    }
}

/// What a field that we must understand should have been.
fn wrong(at: At) -> Complaint {
    let (field, what) = match at {
        At::Model => ("model", "model must be a non-empty string"),
        At::Stream => ("stream", "stream must be true or false"),
        At::MaxTokens => ("max_tokens", "max_tokens must be an integer of at least 1"),
        At::Messages => ("messages", "messages must be a non-empty array"),
        At::Tools => ("tools", "tools must be an array"),
        At::McpServers => ("mcp_servers", "mcp_servers must be an array"),
        At::ToolModel => (
            "tools.model",
            "a tool that asks a model of its own cannot be governed; offer it without one",
        ),
        At::Fallbacks => (
            "fallbacks",
            "fallbacks must be left out: which models stand in for another is set by routes",
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

    /// As for chat: a key must not say one thing here and another at a server that takes
    /// it in any case.
    fn name<'k>(&self, at: At, key: &'k str) -> Cow<'k, str> {
        let governed = matches!(
            at,
            At::Body
                | At::Message
                | At::Part(_)
                | At::Source(_)
                | At::Container
                | At::Thread
                | At::Tool(_)
                | At::ToolChange
                | At::Definition(_)
                | At::OutputConfig
        );
        if governed {
            json::folded(key)
        } else {
            Cow::Borrowed(key)
        }
    }

    fn member(&mut self, at: At, key: &str) -> At {
        match (at, key) {
            (At::Body, "model") => At::Model,
            (At::Body, "stream") => At::Stream,
            (At::Body, "max_tokens") => At::MaxTokens,
            (At::Body, "fallbacks") => At::Fallbacks,
            (At::Body, "messages") => At::Messages,
            // Instructions for a summary may be among them.
            (At::Body, "system" | "context_management" | "compaction") => At::Spoken,
            (At::Body, "tools") => At::Tools,
            (At::Body, "output_config") => At::OutputConfig,
            (At::Body, "output_format") | (At::OutputConfig, "format") => At::Schema,
            (At::Body, "container") => At::Container,
            (At::Body, "thread") => At::Thread,
            (At::Body, "mcp_servers") => At::McpServers,
            (At::Container, "id") | (At::Thread, "previous_message_id") => At::Reference,
            (At::Container, "skills") => At::Skills,
            (At::Message | At::Part(_), "content") => At::Part(self.media.part()),
            (At::Part(part), "type") => At::PartType(part),
            (At::Part(_), "tool") => At::ToolChange,
            (At::ToolChange, "definition") => At::Definition(self.tools.begin()),
            (At::Part(part), "source") => At::Source(self.media.source(part)),
            (At::Part(_) | At::Source(_), "file_id") => At::Reference,
            (At::Source(source), "type") => At::SourceType(source),
            (At::Source(source), "media_type") => At::MediaType(source),
            (At::Source(source), "data") => At::Data(source),
            (At::Source(source), "url") => At::Url(source),
            (At::Source(_), "content") => At::Part(self.media.part()),
            (At::Tool(tool) | At::Definition(tool), "name") => At::ToolName(tool),
            (At::Tool(tool) | At::Definition(tool), "type") => At::ToolType(tool),
            (At::Tool(_) | At::Definition(_), "model") => At::ToolModel,
            _ => inside(at),
        }
    }

    fn element(&mut self, at: At) -> At {
        match at {
            At::Messages => {
                self.messages += 1;
                At::Message
            }
            At::Part(_) => At::Part(self.media.part()),
            At::Tools => At::Tool(self.tools.begin()),
            At::McpServers => {
                let server = self.tools.begin();
                self.tools.kind(server, MCP, true);
                self.tools.name(server, MCP);
                self.prompt.references += 1;
                At::Other
            }
            At::Skills => {
                self.prompt.references += 1;
                At::Other
            }
            _ => inside(at),
        }
    }

    fn open(&mut self, at: At, shape: Shape) -> Result<(), Complaint> {
        match (at, shape) {
            (At::Body, Shape::Array)
            | (At::Messages | At::Tools | At::McpServers, Shape::Object)
            | (At::Model | At::Stream | At::MaxTokens | At::Fallbacks | At::ToolModel, _) => {
                Err(wrong(at))
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
            (At::MaxTokens, Scalar::Unsigned(cap @ 1..)) => self.max_tokens = Some(cap),
            (At::Stream | At::MaxTokens | At::Fallbacks | At::ToolModel, Scalar::Null) => {}
            (
                At::Body
                | At::Model
                | At::Stream
                | At::MaxTokens
                | At::Fallbacks
                | At::ToolModel
                | At::Messages,
                _,
            ) => {
                return Err(wrong(at));
            }
            (At::ToolName(tool), Scalar::String(name)) => self.tool_named(tool, name.decoded),
            (At::ToolType(tool), Scalar::String(kind)) => {
                self.tool_typed(tool, kind.decoded);
                self.prompt.references += usize::from(looks_up(kind.decoded));
            }
            (At::Definition(tool), Scalar::Null) => self.tools.excuse(tool),
            (At::Reference | At::Container, Scalar::String(_)) => self.prompt.references += 1,
            (_, Scalar::String(text)) if spoken(at) && !text.decoded.is_empty() => {
                // Texts are fewer than bytes, of which there are less than 2^31.
                let place = self.prompt.texts() as u32;
                match at {
                    At::PartType(part) => self.media.is(part, text.decoded),
                    At::SourceType(source) => self.media.source_is(source, text.decoded),
                    At::MediaType(source) => self.media.holds(source, text.decoded),
                    At::Data(source) => self.media.data(source, place),
                    At::Url(source) => self.media.url(source, place, text.decoded),
                    _ => {}
                }
                self.prompt.text(text);
            }
            _ => {}
        }
        Ok(())
    }

    fn wants_span(&self, at: At) -> bool {
        matches!(
            at,
            At::Model | At::MaxTokens | At::Tools | At::Definition(_) | At::Schema
        )
    }

    fn span(&mut self, at: At, span: Range<usize>) {
        match at {
            At::Model => self.spans.model = span,
            At::MaxTokens => self.spans.max_tokens = Some(span),
            _ => self.prompt.schema(span),
        }
    }
}

/// The name of one tool.
pub(super) fn name_of(tool: &str) -> Vec<String> {
    let mut facts = Facts::default();
    let at = At::Tool(facts.tools.begin());
    // What was read before is read again without an error.
    let _ = json::walk(tool.as_bytes(), at, &mut facts);
    facts.tools.split().0
}

/// Whether a tool of this type runs at Anthropic, where the model reads what it
/// finds, and not at the caller.
fn looks_up(kind: &str) -> bool {
    let of_callers = [
        "custom",
        "bash",
        "browser",
        "computer",
        "memory",
        "text_editor",
    ];
    !of_callers.iter().any(|tool| kind.starts_with(tool))
}

/// Whether a tool of this type has this name at Anthropic: the type is the name and a date.
fn is_named_so(kind: &str, name: &str) -> bool {
    let date = kind.strip_prefix(name).and_then(|it| it.strip_prefix('_'));
    date.is_some_and(|date| date.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Whether strings at `at` are text that the model reads, until [`Media`] knows
/// better.
fn spoken(at: At) -> bool {
    matches!(
        at,
        At::Message
            | At::Part(_)
            | At::PartType(_)
            | At::Source(_)
            | At::SourceType(_)
            | At::MediaType(_)
            | At::Data(_)
            | At::Url(_)
            | At::ToolChange
            | At::Spoken
    )
}

/// Where a value without a meaning of its own is, inside what is at `at`.
fn inside(at: At) -> At {
    if spoken(at) || at == At::Reference {
        At::Spoken
    } else {
        At::Other
    }
}
