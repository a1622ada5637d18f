//! What an event of a chat stream says, as far as it concerns us.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;

/// A `chat.completion.chunk`, or an error in place of one.
#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
}

/// One entry of `choices`.
#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub index: u32,
    #[serde(borrow)]
    pub finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// `None` when the choices are missing or not what we know.
    pub(super) fn choices(&self) -> Option<Vec<Choice<'a>>> {
        serde_json::from_str(self.choices?.get()).ok()
    }
}

impl Choice<'_> {
    /// Whether the delta holds anything of the answer: text, reasoning, a
    /// refusal, a tool call, or what a later server may call it.
    pub(super) fn speaks(&self) -> bool {
        let members = self.delta.and_then(|delta| json::members(delta.get()));
        members.is_some_and(|members| {
            members.iter().any(|(key, value)| {
                key != "role" && !matches!(*value, "null" | r#""""# | "[]" | "{}")
            })
        })
    }
}

pub(in crate::openai::chat) fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// Whether `data` may hold a usage, an error or a finish reason. Almost no event
/// does, and most spell out that they do not (`"usage":null`), so this spares
/// them the parse. It never overlooks a member that is spelled without escapes.
pub(super) fn matters(data: &[u8]) -> bool {
    static MEMBERS: LazyLock<[Finder<'static>; 3]> =
        LazyLock::new(|| [r#""finish_reason""#, r#""usage""#, r#""error""#].map(Finder::new));
    MEMBERS.iter().any(|member| {
        member.find_iter(data).any(|at| {
            let value = data[at + member.needle().len()..].trim_ascii_start();
            let value = value.strip_prefix(b":").unwrap_or(b"?");
            !value.trim_ascii_start().starts_with(b"null")
        })
    })
}
