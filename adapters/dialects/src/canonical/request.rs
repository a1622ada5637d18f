//! What a request asks for, whatever dialect it came in.

use std::borrow::Cow;
use std::fmt;

use serde_json::Number;
use serde_json::value::RawValue;

/// A request to generate.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The model as the caller named it.
    pub model: Cow<'a, str>,
    /// System and developer texts that lead the conversation, in order. Later ones
    /// are turns of [`Role::System`].
    pub system: Vec<Text<'a>>,
    /// The conversation. Neighbouring turns of one role are already joined, and
    /// tool results are parts of the user turn that follows their calls.
    pub turns: Vec<Turn<'a>>,
    /// Functions on offer.
    pub tools: Vec<Tool<'a>>,
    /// `None`: the dialect's default, which is `Auto` everywhere.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several calls may come at once; `None`: the target's default (yes).
    pub parallel_tool_calls: Option<bool>,
    /// Output tokens of one choice, reasoning included; at least 1.
    pub max_output_tokens: Option<u64>,
    /// Texts that end the output.
    pub stop: Vec<Cow<'a, str>>,
    /// 0 to 2, as spelled.
    pub temperature: Option<Number>,
    /// 0 to 1, as spelled.
    pub top_p: Option<Number>,
    /// How many candidates are drawn from.
    pub top_k: Option<u64>,
    /// For repeatable sampling, where the target can.
    pub seed: Option<i64>,
    /// −2 to 2, as spelled.
    pub presence_penalty: Option<Number>,
    /// −2 to 2, as spelled.
    pub frequency_penalty: Option<Number>,
    /// How many choices; at least 1.
    pub n: u32,
    /// The shape that the answer must have.
    pub format: Format<'a>,
    /// How hard to think; `None`: the target's default.
    pub effort: Option<Effort>,
    /// Tokens that it may think for, where the caller put it so; `effort` is then
    /// what comes nearest, for targets that have no budgets.
    pub thinking_budget: Option<u64>,
    /// Whether the caller is to see what was thought; `None`: the target's default.
    pub show_thoughts: Option<bool>,
    /// The end user, as the caller names them.
    pub user: Option<Cow<'a, str>>,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// Names of fields that were harmless hints to another provider and were left
    /// out; for `x-lattice-noted`.
    pub dropped: Vec<Cow<'a, str>>,
}

/// One turn of a conversation.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order; not empty.
    pub parts: Vec<Part<'a>>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions in the middle of the conversation.
    System,
    /// The user, and the results of tools.
    User,
    /// The model.
    Assistant,
}

/// A piece of a turn.
#[derive(Debug, Clone)]
pub enum Part<'a> {
    /// Text.
    Text(Text<'a>),
    /// An image, a document or audio.
    Media(Media<'a>),
    /// What the model thought, to be given back as it came.
    Reasoning(Reasoning<'a>),
    /// A call that the model made.
    ToolCall(ToolCall<'a>),
    /// What came of a call.
    ToolResult(ToolResult<'a>),
}

/// Text, perhaps the end of what a provider is asked to cache.
#[derive(Debug, Clone, Default)]
pub struct Text<'a> {
    /// May be empty.
    pub text: Cow<'a, str>,
    /// Cache everything up to here.
    pub cache: Option<Cache>,
}

/// How long a provider is asked to keep a prompt prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// The default: five minutes.
    FiveMinutes,
    /// One hour, which costs more to write.
    OneHour,
}

/// Something that is not text.
#[derive(Debug, Clone)]
pub struct Media<'a> {
    /// Where it is.
    pub source: Source<'a>,
    /// The field of the caller's request that it came in, for refusals.
    pub field: &'static str,
    /// A document's name.
    pub name: Option<Cow<'a, str>>,
    /// Cache everything up to here.
    pub cache: Option<Cache>,
}

/// Where media is.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// In the request.
    Base64 {
        /// `image/png`, `application/pdf`, `audio/wav`, …
        media_type: Cow<'a, str>,
        /// Base64.
        data: Cow<'a, str>,
    },
    /// Elsewhere; the provider fetches it, the gateway never does.
    Url(Cow<'a, str>),
}

/// What a model thought, with what proves it to its maker.
#[derive(Debug, Clone)]
pub struct Reasoning<'a> {
    /// May be empty beside a signature: that is normal, and must not be dropped.
    pub text: Cow<'a, str>,
    /// Opaque; valid only at its maker.
    pub signature: Option<Cow<'a, str>>,
    /// Thoughts that only their maker can read, in place of text or beside a summary
    /// of them.
    pub encrypted: Option<Cow<'a, str>>,
    /// The maker's own name for it; OpenAI asks for it back.
    pub id: Option<Cow<'a, str>>,
    /// Who signed it.
    pub maker: Maker,
}

/// Who a signature is valid at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Maker {
    /// Anthropic.
    Anthropic,
    /// Google.
    Gemini,
    /// OpenAI, over its Responses API.
    OpenAi,
    /// Nobody said so: it can be given back to nobody.
    Unknown,
}

impl Maker {
    /// The `format` of a `reasoning_details` entry, as OpenRouter names them.
    #[must_use]
    pub fn format(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic-claude-v1",
            Self::Gemini => "google-gemini-v1",
            Self::OpenAi => "openai-responses-v1",
            Self::Unknown => "unknown",
        }
    }

    /// Whose format this is. OpenAI's own clients string the pieces of a stream
    /// together, this word of every piece too.
    #[must_use]
    pub fn of_format(format: &str) -> Self {
        let repeats = |maker: &Self| format.trim_start_matches(maker.format()).is_empty();
        let mut known = [Self::Anthropic, Self::Gemini, Self::OpenAi].into_iter();
        let found = known.find(repeats).filter(|_| !format.is_empty());
        found.unwrap_or(Self::Unknown)
    }
}

/// A function on offer.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// What the model calls it by.
    pub name: Cow<'a, str>,
    /// What it is for.
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of its arguments as it was spelled; `None`: it takes none.
    pub parameters: Option<&'a RawValue>,
    /// Whether the arguments must fit the schema.
    pub strict: Option<bool>,
    /// Cache everything up to here.
    pub cache: Option<Cache>,
}

/// Which functions the model may or must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// As it likes.
    Auto,
    /// None of them.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(Cow<'a, str>),
    /// One of these (`required`), or none or some of these.
    Allowed {
        /// At least one must be called.
        required: bool,
        /// Their names.
        names: Vec<Cow<'a, str>>,
    },
}

/// A call that the model made.
#[derive(Debug, Clone)]
pub struct ToolCall<'a> {
    /// Names it in its result.
    pub id: Cow<'a, str>,
    /// The function.
    pub name: Cow<'a, str>,
    /// JSON text of an object; empty means `{}`.
    pub arguments: Cow<'a, str>,
    /// Gemini's thought signature on this call.
    pub signature: Option<Cow<'a, str>>,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub struct ToolResult<'a> {
    /// The call's id.
    pub id: Cow<'a, str>,
    /// Texts and media.
    pub content: Vec<Part<'a>>,
    /// The caller says that the call failed.
    pub is_error: bool,
}

/// The shape that an answer must have.
#[derive(Debug, Clone, Default)]
pub enum Format<'a> {
    /// Any.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema(Schema<'a>),
}

/// A JSON schema for the answer.
#[derive(Debug, Clone)]
pub struct Schema<'a> {
    /// What the caller calls it.
    pub name: Cow<'a, str>,
    /// The schema as it was spelled.
    pub schema: &'a RawValue,
    /// Whether the answer must fit it; `None`: the provider's default.
    pub strict: Option<bool>,
}

/// How hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// `minimal`.
    Minimal,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
    /// `xhigh`.
    ExtraHigh,
    /// `max`.
    Max,
}

impl Effort {
    /// As OpenAI spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::ExtraHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::None,
            Self::Minimal,
            Self::Low,
            Self::Medium,
            Self::High,
            Self::ExtraHigh,
            Self::Max,
        ];
        all.into_iter().find(|effort| effort.as_str() == name)
    }
}

/// What a request asks for and a target cannot be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The field of the caller's request, as the caller spells it.
    pub field: Cow<'static, str>,
    /// A sentence that names the reason and what to do instead.
    pub why: String,
}

impl Unsupported {
    /// `field` cannot be carried, because `why`.
    #[must_use]
    pub fn new(field: impl Into<Cow<'static, str>>, why: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

impl std::error::Error for Unsupported {}
