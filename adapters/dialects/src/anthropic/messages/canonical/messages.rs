//! Messages into system texts and turns.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::{self, Inside};
use super::tools::Change;
use super::{assistant, thinking};
use crate::canonical::{Dialogue, Effort, Part, Role, Unsupported};
use crate::fields::{Dropped, Object, Path, elements};
use crate::json::quote;

/// The messages, in the canonical order.
#[derive(Default)]
pub(super) struct Conversation<'a> {
    pub dialogue: Dialogue<'a>,
    /// What a system message asks for in the turn that is to be answered.
    pub effort: Option<Effort>,
    /// Of the tools on offer, in order.
    pub changes: Vec<Change<'a>>,
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
        let messages = elements(json, at)?;
        let last_of_user = messages.iter().rposition(|message| is_users(message));
        for (index, message) in messages.into_iter().enumerate() {
            let at = at.element(index);
            let message = Object::read(message, &at)?;
            let is_past = last_of_user.is_some_and(|last| index < last);
            conversation.message(message, &at, is_past, dropped)?;
        }
        conversation.dialogue.settle();
        Ok(conversation)
    }

    /// `is_past`: a message of the user's comes later.
    fn message(
        &mut self,
        mut message: Object<'_, 'a>,
        at: &Path<'_>,
        is_past: bool,
        dropped: &mut Dropped,
    ) -> Result<(), Unsupported> {
        let role = message.needed("role")?;
        let content = message.take("content");
        let at_content = at.member("content");
        let needed =
            || content.ok_or_else(|| at_content.refuse("must be a string or an array of blocks"));
        match &*role {
            "user" => {
                let parts = content::of(needed()?, &at_content, Inside::User, dropped)?;
                self.check_results(&parts, &at_content)?;
                self.dialogue.say(Role::User, parts);
            }
            "assistant" => {
                let parts = assistant::parts(needed()?, &at_content, dropped)?;
                let calls = parts.iter().filter_map(|part| match part {
                    Part::ToolCall(call) => Some(call.id.clone()),
                    _ => None,
                });
                self.called.extend(calls);
                self.dialogue.say(Role::Assistant, parts);
            }
            "system" => self.system(&mut message, content, at, is_past, dropped)?,
            _ => return Err(message.refuse("role", "must be user, assistant or system")),
        }
        message.end()
    }

    /// Instructions that may hold for one turn only; they lead until anybody has
    /// spoken.
    fn system(
        &mut self,
        message: &mut Object<'_, 'a>,
        content: Option<&'a RawValue>,
        at: &Path<'_>,
        is_past: bool,
        dropped: &mut Dropped,
    ) -> Result<(), Unsupported> {
        if let Some(json) = message.take("output_config") {
            let effort = thinking::effort_alone(json, &at.member("output_config"))?;
            if !is_past {
                self.effort = effort;
            }
        }
        let has_ended = match message.text("clear_at")?.as_deref() {
            None | Some("never") => false,
            Some("next_user_message") => is_past,
            Some(_) => {
                return Err(message.refuse("clear_at", "must be never or next_user_message"));
            }
        };
        let Some(json) = content else { return Ok(()) };
        let texts = Change::split(json, &at.member("content"), &mut self.changes, dropped)?;
        if has_ended {
            return Ok(());
        }
        self.dialogue.instruct(texts);
        Ok(())
    }

    fn check_results(&self, parts: &[Part<'_>], at: &Path<'_>) -> Result<(), Unsupported> {
        for part in parts {
            if let Part::ToolResult(result) = part
                && !self.called.contains(&result.id)
            {
                let shown = quote(&result.id.chars().take(64).collect::<String>());
                return Err(at.refuse(format!(
                    "answers {shown}, which no earlier assistant message calls; send that message before it"
                )));
            }
        }
        Ok(())
    }
}

fn is_users(message: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
    }
    let message = serde_json::from_str::<Message<'_>>(message.get());
    message.is_ok_and(|message| message.role == "user")
}
