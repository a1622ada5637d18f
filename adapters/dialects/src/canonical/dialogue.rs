//! A conversation in the canonical order, as the reader of a dialect hears it.

use super::{Part, Role, Text, Turn};

/// System texts and turns so far.
#[derive(Debug, Default)]
pub(crate) struct Dialogue<'a> {
    /// What leads the conversation.
    pub system: Vec<Text<'a>>,
    /// What was said then.
    pub turns: Vec<Turn<'a>>,
}

impl<'a> Dialogue<'a> {
    /// System texts lead until anybody has spoken.
    pub fn instruct(&mut self, texts: impl IntoIterator<Item = Text<'a>>) {
        if self.turns.is_empty() {
            self.system.extend(texts);
        } else {
            self.say(Role::System, texts.into_iter().map(Part::Text).collect());
        }
    }

    /// What one role says one after the other is one turn.
    pub fn say(&mut self, role: Role, parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.extend(parts),
            _ => self.turns.push(Turn { role, parts }),
        }
    }

    /// The conversation is complete: in each turn of the user's the results of tools
    /// come first.
    pub fn settle(&mut self) {
        for turn in &mut self.turns {
            if turn.role == Role::User {
                // Stable: the rest keeps its order.
                turn.parts
                    .sort_by_key(|part| !matches!(part, Part::ToolResult(_)));
            }
        }
    }
}

/// The texts among these parts, where nothing else can be.
pub(crate) fn texts<'a>(parts: Vec<Part<'a>>) -> impl Iterator<Item = Text<'a>> {
    parts.into_iter().filter_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    })
}
