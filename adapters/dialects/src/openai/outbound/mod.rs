//! What requests to both of OpenAI's generating APIs have in common.

pub(super) mod ids;
pub(super) mod media;
pub(super) mod notes;
pub(super) mod tools;

use crate::canonical::{Request, Unsupported};
use crate::json::quote;
use notes::Notes;

/// The longest name of an end user that OpenAI takes, in characters.
const LONGEST_USER: usize = 128;

/// The end user, unless the name is too long: Claude Code's has been seen to be.
pub(super) fn user<'r>(
    request: &'r Request<'_>,
    field: Option<&'static str>,
    notes: &mut Notes,
) -> Option<(&'static str, &'r str)> {
    let user = request.user.as_deref()?;
    let fits = user.chars().count() <= LONGEST_USER;
    let told = field.filter(|_| fits).map(|field| (field, user));
    if told.is_none() {
        notes.add("user");
    }
    told
}

/// A name for the schema of an answer, which both APIs want and not every caller
/// gives.
pub(super) fn schema_name(name: &str) -> &str {
    if name.is_empty() { "response" } else { name }
}

/// The arguments of a call; without any, `{}`.
pub(super) fn arguments(arguments: &str) -> &str {
    if arguments.trim().is_empty() {
        "{}"
    } else {
        arguments
    }
}

/// Notes what a budget of thoughts became: an effort.
pub(super) fn note_budget(request: &Request<'_>, notes: &mut Notes) {
    if request.thinking_budget.is_some() {
        let effort = request.effort.map_or("unset", |effort| effort.as_str());
        notes.add(format!("thinking_budget: reasoning_effort is {effort}"));
    }
}

/// A message that holds what its role cannot say.
pub(super) fn misplaced<T>() -> Result<T, Unsupported> {
    let why = "a message holds what its role cannot say; tool calls and reasoning are the assistant's, tool results and media the user's";
    Err(Unsupported::new("messages", why))
}

/// Enough of a name to find it.
pub(super) fn shown(text: &str) -> String {
    quote(&text.chars().take(64).collect::<String>())
}
