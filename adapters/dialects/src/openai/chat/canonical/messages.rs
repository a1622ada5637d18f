//! Messages into system texts and turns.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::assistant;
use super::content::{self, Allow};
use crate::canonical::{Dialogue, Part, Role, ToolResult, Unsupported, texts};
use crate::fields::{Dropped, Object, Path, elements};

/// The messages, in the canonical order.
#[derive(Default)]
pub(super) struct Conversation<'a> {
    pub dialogue: Dialogue<'a>,
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
        conversation.dialogue.settle();
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
                self.dialogue.instruct(texts(parts));
            }
            "user" => {
                let parts = content::of(&mut message, at, Allow::Media, dropped)?;
                self.dialogue.say(Role::User, parts);
            }
            "assistant" => {
                let parts = assistant::parts(&mut message, at, dropped)?;
                for part in &parts {
                    if let Part::ToolCall(call) = part {
                        self.called.insert(call.id.clone());
                    }
                }
                self.dialogue.say(Role::Assistant, parts);
            }
            "tool" => {
                let result = self.result(&mut message, at, dropped)?;
                self.dialogue
                    .say(Role::User, vec![Part::ToolResult(result)]);
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
