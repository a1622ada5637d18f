//! Messages into system texts and turns.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::assistant;
use super::content::{self, Allow};
use crate::canonical::{Part, Role, Text, ToolResult, Turn, Unsupported};
use crate::fields::{Dropped, Object, Path, elements};

/// The messages, in the canonical order.
#[derive(Default)]
pub(super) struct Conversation<'a> {
    pub system: Vec<Text<'a>>,
    pub turns: Vec<Turn<'a>>,
    /// Ids of the calls so far.
    called: HashSet<Cow<'a, str>>,
}

impl<'a> Conversation<'a> {
    pub(super) fn read(
        json: &'a RawValue,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<Self, Unsupported> {
        let mut conversation = Self::default();
        for (index, message) in elements(json, at)?.into_iter().enumerate() {
            let at = at.element(index);
            conversation.message(Object::read(message, &at)?, &at, dropped)?;
        }
        for turn in &mut conversation.turns {
            if turn.role == Role::User {
                // Stable: the rest keeps its order.
                turn.parts
                    .sort_by_key(|part| !matches!(part, Part::ToolResult(_)));
            }
        }
        Ok(conversation)
    }

    fn message(
        &mut self,
        mut message: Object<'_, 'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<(), Unsupported> {
        let role = message.needed("role")?;
        if message.text("name")?.is_some() {
            dropped.note("messages.name");
        }
        match &*role {
            "system" | "developer" => {
                let parts = content::of(&mut message, at, Allow::Text, dropped)?;
                self.system(parts);
            }
            "user" => {
                let parts = content::of(&mut message, at, Allow::Media, dropped)?;
                self.say(Role::User, parts);
            }
            "assistant" => {
                let parts = assistant::parts(&mut message, at, dropped)?;
                for part in &parts {
                    if let Part::ToolCall(call) = part {
                        self.called.insert(call.id.clone());
                    }
                }
                self.say(Role::Assistant, parts);
            }
            "tool" => {
                let result = self.result(&mut message, at, dropped)?;
                self.say(Role::User, vec![Part::ToolResult(result)]);
            }
            "function" => {
                let why = "cannot be function, which is deprecated; use tools and role tool";
                return Err(message.refuse("role", why));
            }
            _ => {
                let why = "must be system, developer, user, assistant or tool";
                return Err(message.refuse("role", why));
            }
        }
        message.end()
    }

    /// System texts lead until anybody has spoken.
    fn system(&mut self, parts: Vec<Part<'a>>) {
        if !self.turns.is_empty() {
            return self.say(Role::System, parts);
        }
        self.system
            .extend(parts.into_iter().filter_map(|part| match part {
                Part::Text(text) => Some(text),
                _ => None,
            }));
    }

    fn say(&mut self, role: Role, parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.extend(parts),
            _ => self.turns.push(Turn { role, parts }),
        }
    }

    fn result(
        &self,
        message: &mut Object<'_, 'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<ToolResult<'a>, Unsupported> {
        let id = message.needed("tool_call_id")?;
        if !self.called.contains(&id) {
            return Err(message.refuse(
                "tool_call_id",
                "answers no tool call of an earlier assistant message; send that message before it",
            ));
        }
        let content = content::of(message, at, Allow::Media, dropped)?;
        Ok(ToolResult {
            id,
            content,
            is_error: false,
        })
    }
}
