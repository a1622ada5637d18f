//! What clients send, whichever API they chose.

use std::fmt;

use bytes::Bytes;

use crate::Api;
use crate::anthropic::messages::{self, MessagesRequest};
use crate::canonical::{Request, Unsupported, Usage};
use crate::firewall::Firewall;
use crate::gemini::generate::{self, GenerateRequest, GenerateWatch};
use crate::openai::chat::{self, ChatRequest};
use crate::openai::responses::{self, ResponsesRequest};
use crate::prompt::Prompt;
use crate::reply::{Asked, Labels, Watch, Writers};
use crate::tools::{Offer, ToolNeeded};

/// What the gates ask of a request, whatever API it is for.
#[derive(Clone)]
pub struct Facts {
    /// The model that the caller asks for, decoded; not empty.
    pub model: String,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// The most output tokens of one choice, reasoning included, as far as the
    /// caller said; at least 1.
    pub output_cap: Option<u64>,
    /// How many choices are asked for; at least 1.
    pub n: u32,
    /// The tools on offer, in the order of the body. One that has several names is
    /// there with each.
    pub tools: Vec<Offer>,
    /// Whether any tool is on offer, named or not.
    pub has_tools: bool,
    /// Whether the answer is to fit a JSON schema.
    pub has_schema: bool,
    /// How many messages there are; at least 1.
    pub messages: usize,
    /// What the model will read, for the token estimate.
    pub prompt: Prompt,
}

impl Facts {
    /// The names of the tools on offer.
    #[must_use]
    pub fn tool_names(&self) -> Vec<&str> {
        self.tools.iter().map(|tool| tool.name.as_str()).collect()
    }
}

/// Shows no text of the request.
impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("stream", &self.stream)
            .field("messages", &self.messages)
            .field("prompt", &self.prompt)
            .finish_non_exhaustive()
    }
}

/// A request to generate, read once.
#[derive(Debug, Clone)]
pub enum Inbound {
    /// For [`Api::Chat`].
    Chat(ChatRequest),
    /// For [`Api::Responses`].
    Responses(ResponsesRequest),
    /// For [`Api::Messages`].
    Messages(MessagesRequest),
    /// For [`Api::Generate`].
    Generate(GenerateRequest),
}

impl Inbound {
    /// The API that it came by.
    #[must_use]
    pub fn api(&self) -> Api {
        match self {
            Self::Chat(_) => Api::Chat,
            Self::Responses(_) => Api::Responses,
            Self::Messages(_) => Api::Messages,
            Self::Generate(_) => Api::Generate,
        }
    }

    /// What the gates ask of it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        match self {
            Self::Chat(request) => &request.facts,
            Self::Responses(request) => &request.facts,
            Self::Messages(request) => &request.facts,
            Self::Generate(request) => &request.facts,
        }
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Chat(request) => request.body(),
            Self::Responses(request) => request.body(),
            Self::Messages(request) => request.body(),
            Self::Generate(request) => request.body(),
        }
    }

    /// The same request without the tools of these names, which are spelled as
    /// [`Facts::tools`] has them; read again, so that all that it tells agrees.
    /// Without any of them on offer it is the same `Bytes`, not a copy.
    ///
    /// All tools of a name go, and a tool that has several names goes with any of
    /// them; what holds nothing else goes with its last tool. Names are taken out of
    /// the lists of what the model may choose from. Where nothing is left to choose
    /// from, so goes what providers refuse without: the choice, and whether calls may
    /// come together. All other bytes are the caller's. Calls that were made before
    /// stay, with their results: what the model said and was told is no offer.
    ///
    /// # Errors
    /// [`ToolNeeded`] names the first field that cannot do without one of them: a
    /// choice that demands it, or any where none is left; a list that would allow
    /// nothing; or what is kept at a provider and may hold it.
    pub fn without_tools(&self, gone: &[&str]) -> Result<Self, ToolNeeded> {
        match self {
            Self::Chat(request) => request.without_tools(gone).map(Self::Chat),
            Self::Responses(request) => request.without_tools(gone).map(Self::Responses),
            Self::Messages(request) => request.without_tools(gone).map(Self::Messages),
            Self::Generate(request) => request.without_tools(gone).map(Self::Generate),
        }
    }

    /// What it asks for, whatever provider it goes to. Texts and media are borrowed
    /// from the body.
    ///
    /// # Errors
    /// [`Unsupported`] names the first field that no other dialect can carry, or
    /// that is not what the dialect's documentation says it is.
    pub fn canonical(&self) -> Result<Request<'_>, Unsupported> {
        match self {
            Self::Chat(request) => request.canonical(),
            Self::Responses(request) => request.canonical(),
            Self::Messages(request) => request.canonical(),
            Self::Generate(request) => request.canonical(),
        }
    }

    /// Whether the caller asked to be told the usage of a stream.
    #[must_use]
    pub fn asked(&self) -> Asked {
        match self {
            Self::Chat(request) => request.asked(),
            Self::Responses(request) => request.asked(),
            Self::Messages(_) => Asked::No,
            Self::Generate(_) => Asked::Yes,
        }
    }

    /// Reads the stream that answers it, where that is of its own dialect.
    #[must_use]
    pub fn watch(&self) -> Box<dyn Watch> {
        match self {
            Self::Chat(request) => Box::new(request.watch()),
            Self::Responses(request) => Box::new(request.watch()),
            Self::Messages(request) => Box::new(request.watch()),
            Self::Generate(request) => Box::new(GenerateWatch::new(request.facts.n)),
        }
    }

    /// Writes the reply to it, where that is of another dialect.
    #[must_use]
    pub fn writers(&self, labels: Labels, asked: Asked) -> Writers {
        match self {
            Self::Chat(request) => request.writers(labels, asked),
            Self::Responses(request) => request.writers(labels),
            Self::Messages(request) => request.writers(labels),
            Self::Generate(request) => request.writers(labels),
        }
    }

    /// Judges the tool calls in the reply to it, as the caller is about to get them.
    #[must_use]
    pub fn firewall(&self) -> Firewall {
        Firewall::new(self.api())
    }

    /// The usage that a reply in one piece reports, where it is of this request's own
    /// dialect; `None` where it reports none, or is anything else.
    #[must_use]
    pub fn usage_of(&self, body: &[u8]) -> Option<Usage> {
        match self {
            Self::Chat(_) => chat::usage_of(body),
            Self::Responses(_) => responses::usage_of(body),
            Self::Messages(_) => messages::usage_of(body),
            Self::Generate(_) => generate::usage_of(body),
        }
    }
}
