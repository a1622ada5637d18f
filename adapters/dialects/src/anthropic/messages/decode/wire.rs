//! The objects of a reply, as far as they are read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{Finish, Garbled};

/// An event of a stream. Its parts are read once its type is known: those that
/// Anthropic will add may have parts of the same names.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub delta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// A reply, what a stream begins with, or an error in place of either.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub model: Cow<'a, str>,
    #[serde(borrow, default)]
    pub content: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub stop_reason: Option<Word<'a>>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// The type of a block or of a delta.
#[derive(Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
}

/// A block of content of a type that is read, or the beginning of one.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(borrow, default)]
    pub text: Cow<'a, str>,
    #[serde(borrow, default)]
    pub thinking: Cow<'a, str>,
    #[serde(borrow, default)]
    pub signature: Cow<'a, str>,
    #[serde(borrow, default)]
    pub data: Cow<'a, str>,
    #[serde(borrow, default)]
    pub id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
}

/// More of a block.
#[derive(Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    pub text: Cow<'a, str>,
    #[serde(borrow, default)]
    pub thinking: Cow<'a, str>,
    #[serde(borrow, default)]
    pub signature: Cow<'a, str>,
    #[serde(borrow, default)]
    pub partial_json: Cow<'a, str>,
}

/// What `message_delta` says of the message.
#[derive(Deserialize)]
pub(super) struct Ending<'a> {
    #[serde(borrow)]
    pub stop_reason: Option<Word<'a>>,
}

/// A string that is borrowed where it can be; serde does so for `Cow` only where
/// it is a field itself.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Word<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'a> Block<'a> {
    /// The arguments of a call as they were spelled; `None` where they are `{}`,
    /// as they are before the first delta.
    pub(super) fn arguments(&self) -> Result<Option<&'a str>, Garbled> {
        let Some(input) = self.input.map(RawValue::get) else {
            return Ok(None);
        };
        let inside = input.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        match inside.map(str::trim_ascii) {
            Some("") => Ok(None),
            Some(_) => Ok(Some(input)),
            None => Err(Garbled("the input of a tool_use is no object".to_owned())),
        }
    }
}

/// What a `stop_reason` means. `pause_turn` waits for a tool on Anthropic's side,
/// which is not offered through other dialects: that no answer came is an error.
pub(super) fn finish(stop_reason: &str) -> Finish {
    match stop_reason {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        _ => Finish::Error,
    }
}
