//! Replies on their way back to a caller: through a [`Relay`] where caller and
//! provider speak one dialect, else through a [`Translator`].
//!
//! A dialect brings three things: a [`Watch`] that reads streams of its own as they
//! pass, and two writers of what a reply of another says, [`WriteStream`] and
//! [`WriteReply`].

mod relay;
mod run;
mod translate;

use std::fmt;

use bytes::Bytes;

use crate::canonical::{Event, ProviderError, Usage};
use crate::error::ErrorBody;
use crate::sse;

pub use relay::Relay;
pub(crate) use run::Run;
pub use translate::Translator;

/// Names the price of a usage: a JSON number in USD, or `None` when unknown.
pub type Price<'a> = &'a mut dyn FnMut(&Usage) -> Option<String>;

/// Whether the caller of a stream asked for its usage; the upstream always is
/// asked. Dialects that tell it unasked take no notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is told, with the cost added.
    Yes,
    /// What was told for the gateway alone is taken out.
    No,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As its dialect says that it must.
    Finished,
    /// Not so: the caller must be told by an error event.
    Cut,
    /// With an error event of the provider.
    Errored,
}

/// What has been seen of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Something of the answer has come, beyond a role.
    pub first_token_seen: bool,
    /// The events that may hold output. Providers send about a token in each, so
    /// a stream that was cut can be settled by it.
    pub output_events: u64,
    /// The last usage that was reported. Some servers count along in every event:
    /// unless the stream finished it may fall short.
    pub usage: Option<Usage>,
    /// The provider reported an error in the stream.
    pub error: Option<ProviderError>,
}

/// What becomes of an event that is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It passes as it came.
    Pass,
    /// It was made for the gateway alone.
    Drop,
    /// This takes its place.
    Change(Bytes),
}

/// Reads a stream of the caller's own dialect as it passes; one value for each.
pub trait Watch: fmt::Debug + Send {
    /// What becomes of an event.
    fn event(&mut self, event: &sse::Event, price: Price<'_>) -> Fate;

    /// A piece of an event that is too long to be held; `last`: its end. It passes.
    fn oversize(&mut self, piece: &[u8], last: bool);

    /// What has been seen so far.
    fn progress(&self) -> &Progress;

    /// How the stream ended, if this is its end.
    fn ended(&self) -> Verdict;

    /// The event that tells the caller of a failure after the first byte. It stands
    /// after whole events and is the last.
    fn error_event(&self, error: &ErrorBody<'_>) -> String;
}

/// Writes a stream of one dialect from canonical events. What it has written waits
/// to be [taken](Self::take). An [`Event::Error`] is not written: whoever drives
/// this writes the error event, with the gateway's mark in it.
pub trait WriteStream: fmt::Debug + Send {
    /// Writes what the event says. `price` is asked where a usage is written that
    /// the caller has asked for.
    fn event(&mut self, event: &Event<'_>, price: Price<'_>);

    /// The stream has ended as it must.
    fn end(&mut self, price: Price<'_>);

    /// What was written since it was last taken.
    fn take(&mut self) -> Bytes;

    /// How many blocks had no form here.
    fn omitted(&self) -> u32;

    /// Whether the reply has grown longer than this can hold, in a dialect that says
    /// the whole of it again: nothing more is written.
    fn is_full(&self) -> bool {
        false
    }

    /// As [`Watch::error_event`].
    fn error_event(&self, error: &ErrorBody<'_>) -> String;
}

/// Collects canonical events into one reply of one dialect. It holds the reply, so
/// whoever feeds it bounds what it reads.
pub trait WriteReply: fmt::Debug + Send {
    /// Takes what the event says. An [`Event::Error`] has no place in a reply: the
    /// caller of this answers with it instead.
    fn event(&mut self, event: &Event<'_>);

    /// The reply.
    fn finish(self: Box<Self>, price: Price<'_>) -> Bytes;

    /// How many blocks had no form here.
    fn omitted(&self) -> u32;
}

/// Writes one reply, whichever way it comes.
#[derive(Debug)]
pub struct Writers {
    /// For one that is streamed.
    pub stream: Box<dyn WriteStream>,
    /// For one that comes in one piece.
    pub whole: Box<dyn WriteReply>,
}

/// What a reply says of itself where its provider does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// A name for the reply, without the prefix that a dialect gives such names;
    /// letters and digits.
    pub id: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The model that was asked.
    pub model: String,
}
