//! The same request without some of its tools.

use serde_json::value::RawValue;

use super::MessagesRequest;
use super::facts::{MCP, name_of};
use crate::json::folded;
use crate::json::layout::{Member, elements, members, text};
use crate::tools::{Choice, Found, Known, Removal, ToolNeeded};

impl MessagesRequest {
    /// As [`Inbound::without_tools`](crate::Inbound::without_tools).
    ///
    /// # Errors
    /// A [`ToolNeeded`] names the field that cannot do without one of them.
    pub fn without_tools(&self, gone: &[&str]) -> Result<Self, ToolNeeded> {
        let Some(mut removal) = Removal::of(&self.body, &self.facts, gone) else {
            return Ok(self.clone());
        };
        strip(&mut removal)?;
        // `max_tokens` is there, or was not asked for.
        removal.read_again("messages", Self::parse_count, |request| &request.facts)
    }
}

fn strip(removal: &mut Removal<'_>) -> Result<(), ToolNeeded> {
    let body = removal.layout.body();
    let mut found = Found::default();
    let mut going = Vec::with_capacity(body.len());
    for Member { key, value } in &body {
        going.push(match &*folded(key) {
            "tools" => removal.list(value, &mut found, known),
            "mcp_servers" => removal.list(value, &mut found, |_| vec![MCP.to_owned()].into()),
            "messages" => {
                definitions(removal, value, &mut found);
                false
            }
            _ => false,
        });
    }
    for (Member { key, value }, going) in body.iter().zip(&mut going) {
        *going |= match &*folded(key) {
            "tool_choice" => removal.choose("tool_choice", choice(value), &found)?,
            "messages" => {
                changes(removal, value, &found);
                false
            }
            _ => false,
        };
    }
    removal.cut(&removal.layout.members(&body), &going);
    Ok(())
}

/// A tool. Those of Anthropic's have a type that policy knows them by, and a name that
/// the model calls them by.
fn known(tool: &RawValue) -> Known {
    let names = name_of(tool.get());
    let called = of(&members(tool), "name").and_then(text);
    let calls = called.map_or_else(|| names.clone(), |name| vec![name.into_owned()]);
    Known { names, calls }
}

/// Notes the tools that messages define.
fn definitions(removal: &Removal<'_>, messages: &RawValue, found: &mut Found) {
    for message in elements(messages) {
        for block in blocks(message) {
            if let Some(Change::Defines(tool)) = change(block) {
                removal.takes(tool, found);
            }
        }
    }
}

/// Cuts out of messages what changes something about a tool that goes, and messages
/// that say nothing else.
fn changes<'a>(removal: &mut Removal<'a>, messages: &'a RawValue, found: &Found) {
    let messages = elements(messages);
    let mut emptied = Vec::with_capacity(messages.len());
    for message in &messages {
        let blocks = blocks(message);
        let going = blocks.iter().map(|block| match change(block) {
            Some(Change::Defines(tool)) => tool.names.iter().any(|name| removal.is_gone(name)),
            Some(Change::Names(tool)) => found.missing(&[tool]).is_some(),
            None => false,
        });
        let going: Vec<bool> = going.collect();
        let spans = removal.layout.spans(&blocks);
        emptied.push(removal.cut_some(&spans, &going));
    }
    let spans = removal.layout.spans(&messages);
    removal.cut(&spans, &emptied);
}

/// What a block changes about the tools on offer.
enum Change {
    Defines(Known),
    /// Adds or removes the tool that is called so.
    Names(String),
}

fn change(block: &RawValue) -> Option<Change> {
    let tool = members(of(&members(block), "tool")?);
    if let Some(definition) = of(&tool, "definition") {
        return Some(Change::Defines(known(definition)));
    }
    let name = of(&tool, "name").and_then(text)?;
    Some(Change::Names(name.into_owned()))
}

/// The blocks of a message; none where its content is a string.
fn blocks(message: &RawValue) -> Vec<&RawValue> {
    let content = of(&members(message), "content");
    content.map(elements).unwrap_or_default()
}

fn choice(json: &RawValue) -> Choice<'_> {
    if json.get() == "null" {
        return Choice::Free;
    }
    let choice = members(json);
    let kind = of(&choice, "type").and_then(text).unwrap_or_default();
    match &*kind {
        "auto" | "none" => Choice::Free,
        "tool" => {
            let name = of(&choice, "name").and_then(text);
            Choice::Named(name.into_iter().map(|name| name.into_owned()).collect())
        }
        _ => Choice::Any,
    }
}

/// The value of the member of this name, in whichever case it is spelled; `null` is as if absent.
fn of<'a>(members: &[Member<'a>], name: &str) -> Option<&'a RawValue> {
    let mut named = members.iter().filter(|member| member.is(name));
    let value = named.next().map(|member| member.value);
    value.filter(|value| value.get() != "null")
}
