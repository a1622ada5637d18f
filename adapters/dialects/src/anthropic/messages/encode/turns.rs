//! The conversation in Anthropic's order: turns alternate, results come first in
//! the turn after their calls, and no turn is empty.

use std::collections::BTreeSet;

use super::content::says_something;
use super::notes::Notes;
use super::shown;
use crate::anthropic::messages::models::{Thinking, Traits};
use crate::canonical::{
    Maker, Media, Part, Reasoning, Request, Role, Text, ToolCall, ToolResult, Turn, Unsupported,
};

/// A turn as it is written.
pub(super) struct Message<'r> {
    pub role: Role,
    /// Never empty.
    pub pieces: Vec<Piece<'r>>,
}

/// A block of a turn.
pub(super) enum Piece<'r> {
    Text(&'r Text<'r>),
    /// A system text in a user turn.
    SystemText(&'r Text<'r>),
    Media(&'r Media<'r>),
    /// What Claude itself thought, with the proof of it.
    Reasoning(&'r Reasoning<'r>),
    Call(&'r ToolCall<'r>),
    Result(&'r ToolResult<'r>),
}

/// Arranges the turns of `request`.
pub(super) fn arrange<'r>(
    request: &'r Request<'r>,
    traits: &Traits,
    notes: &mut Notes,
) -> Result<Vec<Message<'r>>, Unsupported> {
    let turns = &request.turns;
    let mut messages: Vec<Message<'r>> = Vec::with_capacity(turns.len());
    for (index, turn) in turns.iter().enumerate() {
        let native = traits.system_turns && system_may_stand(turns, index);
        let role = match turn.role {
            Role::System if !native => Role::User,
            role => role,
        };
        let mut pieces = Vec::with_capacity(turn.parts.len());
        for part in &turn.parts {
            pieces.extend(piece(part, turn.role, role, traits, notes)?);
        }
        if pieces.is_empty() {
            let why = format!(
                "turn {} says nothing that Claude can be given; leave it out or put text into it",
                index + 1
            );
            return Err(Unsupported::new("messages", why));
        }
        match messages.last_mut() {
            Some(last) if last.role == role && role != Role::System => last.pieces.extend(pieces),
            _ => messages.push(Message { role, pieces }),
        }
    }
    for message in messages.iter_mut().filter(|it| it.role == Role::User) {
        // Stable: beside results, the order is the caller's.
        let is_result = |piece: &Piece<'_>| matches!(piece, Piece::Result(_));
        message.pieces.sort_by_key(|piece| !is_result(piece));
    }
    check_calls(&messages)?;
    match messages.last() {
        None => refuse("Claude needs a user message beside the system messages; add one"),
        Some(last) if last.role == Role::Assistant && !traits.prefill => refuse(
            "this model does not carry on an assistant message; end with a user or tool message",
        ),
        Some(_) => Ok(messages),
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Unsupported> {
    Err(Unsupported::new("messages", why))
}

/// Anthropic's rule of place: right after a user turn, at the end or before an
/// assistant turn.
fn system_may_stand(turns: &[Turn<'_>], index: usize) -> bool {
    let role = |index: usize| turns.get(index).map(|turn| turn.role);
    let before = index.checked_sub(1).and_then(role);
    before == Some(Role::User) && matches!(role(index + 1), None | Some(Role::Assistant))
}

/// `None` for what is left out: blank texts, which Anthropic refuses, and the
/// thoughts of others, which it cannot read.
fn piece<'r>(
    part: &'r Part<'r>,
    speaker: Role,
    role: Role,
    traits: &Traits,
    notes: &mut Notes,
) -> Result<Option<Piece<'r>>, Unsupported> {
    let piece = match (part, speaker) {
        (Part::Text(text), _) if !says_something(text, notes) => return Ok(None),
        (Part::Text(text), Role::System) if role == Role::User => {
            notes.add("messages.role: system text sent in a user message");
            Piece::SystemText(text)
        }
        (Part::Text(text), _) => Piece::Text(text),
        (Part::Media(media), Role::User) => Piece::Media(media),
        (Part::Media(media), _) => {
            let why = "Claude takes media from the user only; move it to a user message";
            return Err(Unsupported::new(media.field, why));
        }
        (Part::Reasoning(reasoning), Role::Assistant) => {
            let proven = reasoning.signature.is_some() || reasoning.encrypted.is_some();
            let readable = reasoning.maker == Maker::Anthropic && proven;
            if !readable || traits.thinking == Thinking::Never {
                notes.add("reasoning_details");
                return Ok(None);
            }
            Piece::Reasoning(reasoning)
        }
        (Part::ToolCall(call), Role::Assistant) => {
            if call.signature.is_some() {
                notes.add("thought_signature");
            }
            Piece::Call(call)
        }
        (Part::ToolResult(result), Role::User) => Piece::Result(result),
        _ => {
            return refuse(
                "a message holds what its role cannot say; tool calls and reasoning are the assistant's, tool results the user's",
            );
        }
    };
    Ok(Some(piece))
}

/// Every call of a turn is answered in the next one, and nothing else is.
fn check_calls(messages: &[Message<'_>]) -> Result<(), Unsupported> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        for piece in &message.pieces {
            if let Piece::Result(result) = piece
                && !open.remove(&*result.id)
            {
                let id = shown(&result.id);
                return refuse(format!(
                    "the result of tool call {id} does not follow that call, or comes twice; put it right behind the assistant message that made the call"
                ));
            }
        }
        unanswered(&open)?;
        for piece in &message.pieces {
            if let Piece::Call(call) = piece
                && !open.insert(&call.id)
            {
                let id = shown(&call.id);
                return refuse(format!(
                    "the tool call id {id} comes twice in one message; make it unique"
                ));
            }
        }
    }
    unanswered(&open)
}

fn unanswered(open: &BTreeSet<&str>) -> Result<(), Unsupported> {
    match open.first() {
        None => Ok(()),
        Some(id) => {
            let id = shown(id);
            refuse(format!(
                "tool call {id} is not answered by the next message; add a message of role tool with its id"
            ))
        }
    }
}
