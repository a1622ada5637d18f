//! Input items into system texts and turns.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use super::content::{self, Speaker};
use super::reasoning::{self, Thought};
use crate::canonical::{Dialogue, Part, Role, ToolCall, ToolResult, Unsupported, texts};
use crate::fields::{Dropped, Object, Path, elements, read};
use crate::json::{self, Str, quote};
use crate::openai::chat::canonical::content::plain;

/// The items, in the canonical order.
#[derive(Default)]
pub(super) struct Conversation<'a> {
    pub dialogue: Dialogue<'a>,
    /// Ids of the calls so far.
    called: HashSet<Cow<'a, str>>,
    /// Signatures of calls by their ids.
    signatures: HashMap<String, String>,
}

impl<'a> Conversation<'a> {
    pub(super) fn read(
        json: &'a RawValue,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<Self, Unsupported> {
        let mut conversation = Self::default();
        if json.get().starts_with('"') {
            let text = read::<Str<'a>>(json, at, "a string")?.0;
            conversation.dialogue.say(Role::User, vec![plain(text)]);
            return Ok(conversation);
        }
        for (index, item) in elements(json, at)?.into_iter().enumerate() {
            let at = at.element(index);
            conversation.item(Object::read(item, &at)?, &at, dropped)?;
        }
        conversation.settle(dropped);
        Ok(conversation)
    }

    fn item(
        &mut self,
        mut item: Object<'_, 'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<(), Unsupported> {
        let kind = item.text("type")?;
        let role = item.text("role")?;
        match (kind.as_deref(), role.as_deref()) {
            (None | Some("message"), Some(role)) => self.message(role, &mut item, at, dropped)?,
            (Some("message"), None) => {
                let why = "must be user, assistant, system or developer";
                return Err(item.refuse("role", why));
            }
            (Some("function_call"), _) => {
                let call = call(&mut item, at)?;
                self.called.insert(call.id.clone());
                self.dialogue
                    .say(Role::Assistant, vec![Part::ToolCall(call)]);
            }
            (Some("function_call_output"), _) => {
                let result = self.result(&mut item, at, dropped)?;
                self.dialogue
                    .say(Role::User, vec![Part::ToolResult(result)]);
            }
            (Some("reasoning"), _) => match reasoning::read(&mut item, at)? {
                Thought::Said(thought) => {
                    self.dialogue
                        .say(Role::Assistant, vec![Part::Reasoning(thought)]);
                }
                Thought::SignsCall { id, signature } => {
                    self.signatures.insert(id, signature);
                }
            },
            (None | Some("item_reference"), None) => {
                let why = "cannot be item_reference: the item is at OpenAI only; send it in full";
                return Err(item.refuse("type", why));
            }
            (kind, _) => {
                let shown: String = kind.unwrap_or_default().chars().take(64).collect();
                let why = format!(
                    "cannot be {}: this model's provider has messages, function calls with their outputs and reasoning only",
                    quote(&shown)
                );
                return Err(item.refuse("type", why));
            }
        }
        // What it was called where it came from, and how far it had come.
        item.text("id")?;
        item.text("status")?;
        item.end()
    }

    fn message(
        &mut self,
        role: &str,
        item: &mut Object<'_, 'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<(), Unsupported> {
        let (role, speaker) = match role {
            "user" => (Role::User, Speaker::User),
            "assistant" => (Role::Assistant, Speaker::Assistant),
            "system" | "developer" => (Role::System, Speaker::System),
            _ => {
                let why = "must be user, assistant, system or developer";
                return Err(item.refuse("role", why));
            }
        };
        if item.text("phase")?.is_some() {
            dropped.note("input.phase");
        }
        let parts = content::of(item, "content", at, speaker, dropped)?;
        if role == Role::System {
            self.dialogue.instruct(texts(parts));
        } else {
            self.dialogue.say(role, parts);
        }
        Ok(())
    }

    fn result(
        &self,
        item: &mut Object<'_, 'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<ToolResult<'a>, Unsupported> {
        let id = item.needed("call_id")?;
        if !self.called.contains(&id) {
            return Err(item.refuse(
                "call_id",
                "answers no function_call of an earlier item; send that item before it",
            ));
        }
        // The call has it too.
        item.text("name")?;
        refuse_program(item, at)?;
        let content = content::of(item, "output", at, Speaker::User, dropped)?;
        Ok(ToolResult {
            id,
            content,
            is_error: false,
        })
    }

    /// What can be done only once every item is known.
    fn settle(&mut self, dropped: &mut Dropped) {
        self.dialogue.settle();
        for turn in &mut self.dialogue.turns {
            for part in &mut turn.parts {
                if let Part::ToolCall(call) = part {
                    call.signature = self.signatures.remove(&*call.id).map(Cow::Owned);
                }
            }
        }
        if !self.signatures.is_empty() {
            dropped.note("input.encrypted_content");
        }
    }
}

fn call<'a>(item: &mut Object<'_, 'a>, at: &Path<'_>) -> Result<ToolCall<'a>, Unsupported> {
    if item.take("namespace").is_some() {
        let why = "cannot be carried: this model's provider has functions without namespaces only";
        return Err(item.refuse("namespace", why));
    }
    refuse_program(item, at)?;
    let id = item.needed("call_id")?;
    let name = item.needed("name")?;
    let mut arguments = item.text("arguments")?.unwrap_or_default();
    if arguments.trim().is_empty() {
        arguments = Cow::Borrowed("");
    } else if !arguments.trim_start().starts_with('{') || json::check(arguments.as_bytes()).is_err()
    {
        let why = "must be the JSON text of an object";
        return Err(item.refuse("arguments", why));
    }
    Ok(ToolCall {
        id,
        name,
        arguments,
        signature: None,
    })
}

/// `caller`: the model itself, or a program of its own that runs at OpenAI.
fn refuse_program(item: &mut Object<'_, '_>, at: &Path<'_>) -> Result<(), Unsupported> {
    let Some(json) = item.take("caller") else {
        return Ok(());
    };
    let at = at.member("caller");
    let mut caller = Object::read(json, &at)?;
    if caller.needed("type")? != "direct" {
        let why = "must be direct: this model's provider runs no programs that call functions";
        return Err(caller.refuse("type", why));
    }
    caller.end()
}
