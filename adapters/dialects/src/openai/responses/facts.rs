//! Which values of a Responses request matter, and what is kept of them.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{self, Complaint, Malformed, Reader, Scalar, Shape};
use crate::prompt::Collected;
use crate::tools::Offered;

/// What one pass over a body found.
pub(super) struct Facts {
    pub model: Option<String>,
    pub stream: bool,
    pub max_output_tokens: Option<u64>,
    /// Of tools that hold others (`namespace`) their own name too.
    pub tools: Offered,
    pub has_tools: bool,
    pub has_schema: bool,
    /// Input items, and the instructions.
    pub messages: usize,
    /// The conversation, or a part of it, is at OpenAI.
    pub stateful: bool,
    pub prompt: Collected,
    pub spans: Spans,
    item: Item,
}

/// Byte spans of the values that a rewrite may replace, spelled `null` included.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    pub model: Range<usize>,
    pub max_output_tokens: Option<Range<usize>>,
}

/// What is known of the input item that is being read.
#[derive(Default)]
struct Item {
    named: bool,
    kind: Kind,
    enciphered: bool,
    /// Which of the texts its `result` is.
    result: Option<usize>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Neither a type nor a role, which an `item_reference` may lack.
    #[default]
    Unsaid,
    Reference,
    Reasoning,
    /// What a tool of OpenAI's found, which OpenAI has and the body has not.
    Hosted,
    /// What OpenAI painted: the picture is the result, or it is at OpenAI.
    Painted,
    Whole,
}

/// Where in a Responses request a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Body,
    Model,
    Stream,
    Cap,
    Input,
    Item,
    ItemType,
    ItemRole,
    ItemId,
    /// `encrypted_content`: the model reads it, in cipher.
    Cipher,
    /// `result`: text, or a picture in base64.
    Result,
    /// Of an item, its content or output: one string, parts, or one part.
    Content,
    Part,
    InputAudio,
    Instructions,
    /// Anything else that the model reads.
    Spoken,
    /// A string that is not text, and how the estimate counts it.
    Image,
    AudioData,
    FileData,
    Reference,
    /// What the whole conversation, or a part of it, is at OpenAI by.
    Stored,
    Prompt,
    Variables,
    Tools,
    /// `tools` of a tool; each tool has a number of its own.
    MoreTools(u32),
    Tool(u32),
    ToolType(u32),
    ToolName(u32),
    /// Where a shell runs.
    Place(u32),
    PlaceType(u32),
    /// A tool that names a model of its own.
    ToolModel,
    Text,
    Format,
    Schema,
    /// Left to the upstream.
    Other,
}

impl Facts {
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut facts = Self::new();
        json::walk(body, At::Body, &mut facts)?;
        facts.end_item();
        Ok(facts)
    }

    fn new() -> Self {
        Self {
            model: None,
            stream: false,
            max_output_tokens: None,
            tools: Offered::default(),
            has_tools: false,
            has_schema: false,
            messages: 0,
            stateful: false,
            prompt: Collected::default(),
            spans: Spans::default(),
            item: Item::default(),
        }
    }

    /// Whether the item that was read stands for more than it says.
    fn end_item(&mut self) {
        let Item {
            named,
            kind,
            enciphered,
            result,
        } = std::mem::take(&mut self.item);
        if let (Kind::Painted, Some(picture)) = (kind, result) {
            self.prompt.take(picture);
            self.prompt.images += 1;
        }
        let elsewhere = match kind {
            Kind::Reference => true,
            Kind::Unsaid | Kind::Hosted => named,
            Kind::Reasoning => named && !enciphered,
            Kind::Painted => named && result.is_none(),
            Kind::Whole => false,
        };
        self.prompt.references += usize::from(elsewhere);
    }
}

/// What a field that we must understand should have been.
fn wrong(at: At) -> Complaint {
    let (field, what) = match at {
        At::Model => ("model", "model must be a non-empty string"),
        At::Stream => ("stream", "stream must be true or false"),
        At::Cap => (
            "max_output_tokens",
            "max_output_tokens must be an integer of at least 1",
        ),
        At::Input => ("input", "input must be a string or an array of items"),
        At::Tools | At::MoreTools(_) => ("tools", "tools must be an array"),
        At::ToolModel => (
            "tools.model",
            "a tool that names a model of its own cannot be governed; leave the model to the provider",
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
                | At::Item
                | At::Content
                | At::Part
                | At::InputAudio
                | At::Prompt
                | At::Stored
                | At::Tool(_)
                | At::Text
                | At::Format
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
            (At::Body, "max_output_tokens") => At::Cap,
            (At::Body, "input") => At::Input,
            (At::Body, "instructions") => At::Instructions,
            (At::Body, "previous_response_id" | "conversation") => At::Stored,
            (At::Body, "prompt") => At::Prompt,
            (At::Body | At::Item, "tools") => At::Tools,
            (At::Body, "text") => At::Text,
            (At::Item, "type") => At::ItemType,
            (At::Item, "role") => At::ItemRole,
            (At::Item, "id") => At::ItemId,
            (At::Item, "encrypted_content") => At::Cipher,
            (At::Item, "result") => At::Result,
            (At::Item, "content" | "output") => At::Content,
            (At::Content | At::Part | At::Variables, "image_url") => At::Image,
            (At::Content | At::Part | At::Variables, "file_data") => At::FileData,
            (At::Content | At::Part | At::Variables, "file_id" | "file_url") => At::Reference,
            (At::Part, "input_audio") => At::InputAudio,
            (At::InputAudio, "data") => At::AudioData,
            (At::Stored | At::Prompt, "id") => At::Stored,
            (At::Prompt, "variables") => At::Variables,
            // Each is a string or a part.
            (At::Variables, _) => At::Part,
            (At::Tool(tool), "type") => At::ToolType(tool),
            (At::Tool(tool), "name") => At::ToolName(tool),
            (At::Tool(_), "model") => At::ToolModel,
            (At::Tool(tool), "tools") => At::MoreTools(tool),
            (At::Tool(tool), "environment") => At::Place(tool),
            (At::Place(tool), "type") => At::PlaceType(tool),
            // As for chat, which some servers take here too.
            (At::Tool(tool), "function" | "custom") => At::Tool(tool),
            (At::Text, "format") => At::Format,
            (At::Format, "schema") => At::Schema,
            _ => inside(at),
        }
    }

    fn element(&mut self, at: At) -> At {
        match at {
            At::Input => {
                self.end_item();
                self.messages += 1;
                At::Item
            }
            At::Content => At::Part,
            At::MoreTools(tool) => {
                // Known by those, each of which is named.
                self.tools.excuse(tool);
                At::Tool(self.tools.begin())
            }
            At::Tools => {
                self.has_tools = true;
                At::Tool(self.tools.begin())
            }
            _ => inside(at),
        }
    }

    fn open(&mut self, at: At, shape: Shape) -> Result<(), Complaint> {
        match (at, shape) {
            (At::Body, Shape::Array)
            | (At::Input | At::Tools | At::MoreTools(_), Shape::Object)
            | (At::Model | At::Stream | At::Cap | At::ToolModel, _) => Err(wrong(at)),
            // What is stored there may hold tools of its own.
            (At::Prompt, _) => {
                self.tools.beside("prompt", true);
                Ok(())
            }
            (At::Schema, _) => {
                self.has_schema = true;
                Ok(())
            }
            (At::Instructions, _) => {
                self.messages += 1;
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
            (At::Cap, Scalar::Unsigned(cap)) if cap > 0 => self.max_output_tokens = Some(cap),
            (At::Stream | At::Cap | At::Input | At::ToolModel, Scalar::Null) => {}
            (At::Input, Scalar::String(text)) => {
                self.messages += 1;
                self.prompt.text(text);
            }
            (At::Body | At::Model | At::Stream | At::Cap | At::Input | At::ToolModel, _) => {
                return Err(wrong(at));
            }
            (At::Instructions, Scalar::String(text)) => {
                self.messages += 1;
                self.prompt.text(text);
            }
            (At::ToolName(tool), Scalar::String(name)) => self.tools.name(tool, name.decoded),
            (At::ToolType(tool), Scalar::String(kind)) => self.typed(tool, kind.decoded),
            (At::PlaceType(tool), Scalar::String(place)) if place.decoded != "local" => {
                self.tools.host(tool);
            }
            (At::Image, Scalar::String(url)) => self.prompt.picture(url.decoded),
            (At::AudioData, Scalar::String(data)) => {
                self.prompt.audio_bytes += data.decoded.len() as u64;
            }
            (At::FileData, Scalar::String(data)) => {
                self.prompt.documents += 1;
                self.prompt.file_bytes += data.decoded.len() as u64;
            }
            (At::Reference, Scalar::String(_)) => self.prompt.references += 1,
            (At::Stored, Scalar::String(_)) => {
                self.stateful = true;
                self.prompt.references += 1;
            }
            (_, Scalar::String(text)) if spoken(at) => {
                self.of_item(at, text.decoded);
                self.prompt.text(text);
            }
            _ => {}
        }
        Ok(())
    }

    fn wants_span(&self, at: At) -> bool {
        matches!(at, At::Model | At::Cap | At::Tools | At::Format)
    }

    fn span(&mut self, at: At, span: Range<usize>) {
        match at {
            At::Model => self.spans.model = span,
            At::Cap => self.spans.max_output_tokens = Some(span),
            _ => self.prompt.schema(span),
        }
    }
}

impl Facts {
    fn typed(&mut self, tool: u32, kind: &str) {
        let (_, placed) = self.tools.kind_of(tool);
        let hosted = !is_named(kind) && !is_of_callers(kind);
        self.tools.kind(tool, kind, hosted || placed);
        if !is_named(kind) {
            self.tools.name(tool, called(kind));
            // What it finds is read, and is not here.
            self.prompt.references += 1;
        }
    }

    fn of_item(&mut self, at: At, text: &str) {
        match at {
            At::ItemId => self.item.named = true,
            At::Cipher => self.item.enciphered = true,
            At::Result if !text.is_empty() => self.item.result = Some(self.prompt.texts()),
            At::ItemRole if self.item.kind == Kind::Unsaid => self.item.kind = Kind::Whole,
            At::ItemType => {
                self.item.kind = match text {
                    "item_reference" => Kind::Reference,
                    "reasoning" => Kind::Reasoning,
                    "web_search_call" | "file_search_call" | "code_interpreter_call" => {
                        Kind::Hosted
                    }
                    "image_generation_call" => Kind::Painted,
                    _ => Kind::Whole,
                }
            }
            _ => {}
        }
    }
}

/// The names of one tool, or of what names it in a choice; and those of the tools that
/// it holds.
pub(super) fn names_of(tool: &str) -> (Vec<String>, Vec<String>) {
    let mut facts = Facts::new();
    let at = At::Tool(facts.tools.begin());
    // What was read before is read again without an error.
    let _ = json::walk(tool.as_bytes(), at, &mut facts);
    facts.tools.split()
}

/// Whether tools of this type are known by a name, not by their type.
fn is_named(kind: &str) -> bool {
    matches!(kind, "function" | "custom" | "namespace")
}

/// Whether the caller runs tools of this type, unless they say otherwise.
fn is_of_callers(kind: &str) -> bool {
    let kinds = [
        "apply_patch",
        "computer",
        "computer_use_preview",
        "local_shell",
        "shell",
    ];
    kinds.contains(&kind)
}

/// What a tool of this type is called by: as the items are that call it, without their
/// `_call`.
fn called(kind: &str) -> &str {
    match kind {
        "computer_use_preview" => "computer",
        kind => kind,
    }
}

/// Whether strings at `at` are text that the model reads. Only the exact places
/// of payloads are not: text hidden in a wrong place must not be free.
fn spoken(at: At) -> bool {
    matches!(
        at,
        At::Item
            | At::ItemType
            | At::ItemRole
            | At::ItemId
            | At::Cipher
            | At::Result
            | At::Content
            | At::Part
            | At::InputAudio
            | At::Instructions
            | At::Spoken
            | At::Prompt
            | At::Variables
    )
}

/// Where a value without a meaning of its own is, inside what is at `at`.
fn inside(at: At) -> At {
    let payload = matches!(
        at,
        At::Image | At::AudioData | At::FileData | At::Reference | At::Stored
    );
    if spoken(at) || payload {
        At::Spoken
    } else {
        At::Other
    }
}
