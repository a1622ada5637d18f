//! The same request without some of its tools.

use serde_json::value::RawValue;

use super::ChatRequest;
use super::facts::{At, Hosted, names_of};
use crate::json::folded;
use crate::json::layout::{Member, elements, members, text};
use crate::tools::{Choice, Found, Removal, ToolNeeded};

impl ChatRequest {
    /// As [`Inbound::without_tools`](crate::Inbound::without_tools).
    ///
    /// # Errors
    /// A [`ToolNeeded`] names the field that cannot do without one of them.
    pub fn without_tools(&self, gone: &[&str]) -> Result<Self, ToolNeeded> {
        let Some(mut removal) = Removal::of(&self.body, &self.facts, gone) else {
            return Ok(self.clone());
        };
        strip(&mut removal)?;
        removal.read_again("messages", Self::parse, |request| &request.facts)
    }
}

fn strip(removal: &mut Removal<'_>) -> Result<(), ToolNeeded> {
    let body = removal.layout.body();
    let (mut tools, mut functions) = (Found::default(), Found::default());
    let mut going = Vec::with_capacity(body.len());
    for Member { key, value } in &body {
        let known = |at| move |tool: &RawValue| names_of(tool.get(), at).into();
        going.push(match &*folded(key) {
            "tools" => removal.list(value, &mut tools, known(At::Tool)),
            "functions" => removal.list(value, &mut functions, known(At::Function)),
            field => Hosted::of(field).is_some_and(|tool| removal.is_gone(tool.name())),
        });
    }
    for (Member { key, value }, going) in body.iter().zip(&mut going) {
        *going |= match &*folded(key) {
            "tool_choice" => removal.choose("tool_choice", choice(value, At::Tool), &tools)?,
            "parallel_tool_calls" => tools.is_emptied(),
            "function_call" => {
                let choice = choice(value, At::Function);
                removal.choose("function_call", choice, &functions)?
            }
            _ => false,
        };
    }
    removal.cut(&removal.layout.members(&body), &going);
    Ok(())
}

/// What is to be called, of tools that are told apart as at `at`.
fn choice(json: &RawValue, at: At) -> Choice<'_> {
    if json.get() == "null" {
        return Choice::Free;
    }
    if let Some(word) = text(json) {
        return by_word(&word);
    }
    let choice = members(json);
    let kind = of(&choice, "type").and_then(text).unwrap_or_default();
    match &*kind {
        "auto" | "none" | "any" | "required" => by_word(&kind),
        "allowed_tools" => {
            let inner = of(&choice, "allowed_tools").map(members);
            // As for Responses, which some servers take here too.
            let listed = of(inner.as_deref().unwrap_or(&choice), "tools");
            let tools = listed.map(elements).unwrap_or_default().into_iter();
            let named = tools.map(|tool| (tool, names_of(tool.get(), at)));
            Choice::Allowed(named.collect())
        }
        _ => Choice::Named(names_of(json.get(), at)),
    }
}

fn by_word<'a>(word: &str) -> Choice<'a> {
    match word {
        "auto" | "none" => Choice::Free,
        _ => Choice::Any,
    }
}

/// The value of the member of this name, in whichever case it is spelled.
fn of<'a>(members: &[Member<'a>], name: &str) -> Option<&'a RawValue> {
    let named = members.iter().find(|member| member.is(name));
    named.map(|member| member.value)
}
