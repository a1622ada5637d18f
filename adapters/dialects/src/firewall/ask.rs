//! One call before the judge.

use super::{Call, Judge, Ruling};
use crate::json;

/// What has been decided of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is released as it came.
    Released,
    /// It is released with these arguments.
    Rewritten(String),
    /// This is said in its place.
    Refused(String),
}

/// The longest name that a refusal repeats, in characters: the model chose it.
const NAMED: usize = 64;

/// Decides a call of a function. Empty arguments are an object without members.
pub(super) fn function(name: &str, arguments: &str, judge: Judge<'_>) -> Decision {
    let arguments = match arguments.trim() {
        "" => "{}",
        spelled => spelled,
    };
    if !is_object(arguments) {
        return refused(name, "Its arguments are not one JSON object.");
    }
    let json = true;
    decide(
        &Call {
            name,
            arguments,
            json,
        },
        judge,
    )
}

/// Decides a call that was given free text.
pub(super) fn custom(name: &str, text: &str, judge: Judge<'_>) -> Decision {
    let json = false;
    decide(
        &Call {
            name,
            arguments: text,
            json,
        },
        judge,
    )
}

fn decide(call: &Call<'_>, judge: Judge<'_>) -> Decision {
    if call.name.is_empty() {
        return Decision::Refused("A call of a tool without a name was refused.".to_owned());
    }
    match judge(call) {
        Ruling::Release => Decision::Released,
        Ruling::Rewrite(arguments) if call.json && is_object(&arguments) => {
            Decision::Rewritten(arguments)
        }
        Ruling::Rewrite(_) => refused(call.name, "Its arguments cannot be replaced."),
        Ruling::Refuse(sentence) => refused(call.name, &sentence),
    }
}

pub(super) fn refused(name: &str, sentence: &str) -> Decision {
    let name: String = name.chars().take(NAMED).collect();
    let name = json::quote(&name);
    Decision::Refused(format!(
        "The call of the tool {name} was refused: {sentence}"
    ))
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && json::check(text.as_bytes()).is_ok()
}
