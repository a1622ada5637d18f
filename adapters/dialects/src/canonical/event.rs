//! What a reply says, piece by piece.

use std::borrow::Cow;
use std::fmt;

use super::{Maker, Usage};

/// A piece of a reply. A decoder keeps this order: one [`Start`](Self::Start);
/// for each choice any number of blocks that do not overlap, each opened once,
/// then given deltas of its own kind, then closed once; after its last block one
/// [`Finish`](Self::Finish); at the end of all one [`Usage`](Self::Usage) at the
/// most. An [`Error`](Self::Error) is the last event. Choices may be interleaved.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// The reply begins.
    Start {
        /// The provider's name for the reply; may be empty.
        id: Cow<'a, str>,
        /// The model as the provider names it; may be empty.
        model: Cow<'a, str>,
    },
    /// A block begins.
    Open {
        /// Which choice, from 0.
        choice: u32,
        /// What it is.
        block: Block<'a>,
    },
    /// More of the open block.
    Delta {
        /// Which choice.
        choice: u32,
        /// What there is more of.
        delta: Delta<'a>,
    },
    /// The open block ends.
    Close {
        /// Which choice.
        choice: u32,
    },
    /// A choice is complete.
    Finish {
        /// Which choice.
        choice: u32,
        /// Why.
        finish: Finish,
        /// The provider's own word for it.
        native: Cow<'a, str>,
    },
    /// What the whole reply used.
    Usage(Usage),
    /// The provider failed after it had begun.
    Error(ProviderError),
}

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block<'a> {
    /// Text: [`Delta::Text`], and [`Delta::Signature`] from Gemini.
    Text,
    /// A refusal in words: [`Delta::Text`].
    Refusal,
    /// Thoughts: [`Delta::Text`], [`Delta::Signature`], [`Delta::Encrypted`].
    Reasoning {
        /// Who can read its signature.
        maker: Maker,
        /// The maker's own name for it, where it has one.
        id: Option<Cow<'a, str>>,
    },
    /// A call: [`Delta::Arguments`], and [`Delta::Signature`] from Gemini.
    ToolCall {
        /// Names the call in its result; not empty.
        id: Cow<'a, str>,
        /// The function.
        name: Cow<'a, str>,
    },
    /// Something of the provider's own (a server tool's call or result) that no
    /// other dialect has. It has no deltas.
    Native {
        /// The provider's word for it.
        kind: Cow<'a, str>,
    },
}

/// More of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta<'a> {
    /// Of its text.
    Text(Cow<'a, str>),
    /// A piece of the JSON text of its arguments; together they are an object, or
    /// nothing at all, which means `{}`.
    Arguments(Cow<'a, str>),
    /// Its signature, whole.
    Signature(Cow<'a, str>),
    /// Thoughts that only their maker can read, whole.
    Encrypted(Cow<'a, str>),
}

/// Why a choice is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model had said all, or came upon a stop text.
    Stop,
    /// The output cap, or the context window.
    Length,
    /// It calls tools.
    ToolCalls,
    /// Withheld: a safety rule, or the model's own refusal.
    ContentFilter,
    /// Anything else; never to be shown as success.
    Error,
}

/// What a provider said in an error event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderError {
    /// At most 512 characters.
    pub message: Option<String>,
    /// A word or a number, at most 64 characters.
    pub code: Option<String>,
}

/// Where a decoder's events go.
pub type Sink<'s> = &'s mut dyn FnMut(Event<'_>);

/// Reads the replies of one dialect; one value for each reply.
pub trait Decode: fmt::Debug + Send {
    /// One event of a stream: its `event:` name, if it has one, and its data.
    ///
    /// # Errors
    /// [`Garbled`]: what came is not of the dialect, or breaks its order. Nothing
    /// more is to be read then.
    fn event(&mut self, name: Option<&[u8]>, data: &[u8], sink: Sink<'_>) -> Result<(), Garbled>;

    /// A piece of an event that is too long to be held, as it came; `last`: its end,
    /// or that of the stream. Only a dialect that repeats itself can do without such
    /// an event.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    fn oversize(&mut self, piece: &[u8], last: bool, sink: Sink<'_>) -> Result<(), Garbled> {
        let _ = (piece, last, sink);
        Err(Garbled("an event that is too long to be held".into()))
    }

    /// A reply that came in one piece, the end of it included.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    fn whole(&mut self, body: &[u8], sink: Sink<'_>) -> Result<(), Garbled>;

    /// The stream has ended: closes and finishes what the dialect leaves open at
    /// its end, tells the usage, and says whether this was the stream's proper
    /// end. After a cut nothing is finished, and no usage is told.
    fn end(&mut self, sink: Sink<'_>) -> Ended;
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As the dialect says that it must.
    Whole,
    /// In the middle.
    Cut,
    /// With an [`Event::Error`].
    Errored,
}

/// What came is not what the dialect allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbled(pub String);

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the reply cannot be read: {}", self.0)
    }
}

impl std::error::Error for Garbled {}
