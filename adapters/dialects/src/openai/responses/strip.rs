//! The same request without some of its tools.

use serde_json::value::RawValue;

use super::ResponsesRequest;
use super::facts::names_of;
use crate::json::folded;
use crate::json::layout::{Member, elements, members, text};
use crate::tools::{Choice, Found, Need, Removal, ToolNeeded, needs};

impl ResponsesRequest {
    /// As [`Inbound::without_tools`](crate::Inbound::without_tools).
    ///
    /// # Errors
    /// A [`ToolNeeded`] names the field that cannot do without one of them.
    pub fn without_tools(&self, gone: &[&str]) -> Result<Self, ToolNeeded> {
        let Some(mut removal) = Removal::of(&self.body, &self.facts, gone) else {
            return Ok(self.clone());
        };
        strip(&mut removal)?;
        removal.read_again("input", Self::parse, |request| &request.facts)
    }
}

fn strip(removal: &mut Removal<'_>) -> Result<(), ToolNeeded> {
    let body = removal.layout.body();
    let mut found = Found::default();
    let mut going = Vec::with_capacity(body.len());
    for Member { key, value } in &body {
        going.push(match &*folded(key) {
            "tools" => list(removal, value, &mut found),
            "input" => {
                input(removal, value, &mut found);
                false
            }
            "prompt" if value.get().starts_with('{') => {
                if removal.is_gone("prompt") {
                    return Err(needs("prompt", Need::Stored, "prompt"));
                }
                // It may hold what a choice means.
                found.leave(["prompt".to_owned()]);
                false
            }
            _ => false,
        });
    }
    for (Member { key, value }, going) in body.iter().zip(&mut going) {
        *going |= match &*folded(key) {
            "tool_choice" => removal.choose("tool_choice", choice(value), &found)?,
            "parallel_tool_calls" => found.is_emptied(),
            _ => false,
        };
    }
    removal.cut(&removal.layout.members(&body), &going);
    Ok(())
}

/// Cuts out of an array of tools, and of those that they hold; whether all of them go,
/// and the array is to be cut instead.
fn list<'a>(removal: &mut Removal<'a>, tools: &'a RawValue, found: &mut Found) -> bool {
    let tools = elements(tools);
    let going = tools.iter().map(|tool| goes(removal, tool, found));
    let going: Vec<bool> = going.collect();
    let spans = removal.layout.spans(&tools);
    removal.cut_some(&spans, &going)
}

/// Whether a tool goes: by itself, or since nothing is left in it.
fn goes<'a>(removal: &mut Removal<'a>, tool: &'a RawValue, found: &mut Found) -> bool {
    let (own, held) = names_of(tool.get());
    if let Some(name) = own.iter().find(|name| removal.is_gone(name)) {
        found.take(own.iter().cloned().chain(held), name);
        return true;
    }
    let members = members(tool);
    let more = members.iter().find(|member| member.is("tools"));
    if let Some(more) = more
        && list(removal, more.value, found)
    {
        let gone = held.iter().find(|name| removal.is_gone(name));
        found.take(own, gone.map_or("", |name| name));
        return true;
    }
    found.leave(own);
    false
}

/// Cuts tools out of items of the input. An item that does nothing but offer them goes
/// with its last; what tells of tools is told without.
fn input<'a>(removal: &mut Removal<'a>, input: &'a RawValue, found: &mut Found) {
    let items = elements(input);
    let mut going = Vec::with_capacity(items.len());
    for item in &items {
        let item = members(item);
        let of = |name: &str| item.iter().find(|member| member.is(name));
        going.push(match of("tools") {
            Some(tools) if list(removal, tools.value, found) => {
                let offers = of("type").and_then(|kind| text(kind.value));
                let offers = offers.is_some_and(|kind| kind == "additional_tools");
                if !offers {
                    let all = removal.layout.spans(&elements(tools.value));
                    removal.cut(&all, &vec![true; all.len()]);
                }
                offers
            }
            _ => false,
        });
    }
    let spans = removal.layout.spans(&items);
    removal.cut(&spans, &going);
}

fn choice(json: &RawValue) -> Choice<'_> {
    if json.get() == "null" {
        return Choice::Free;
    }
    if let Some(word) = text(json) {
        return match &*word {
            "auto" | "none" => Choice::Free,
            _ => Choice::Any,
        };
    }
    let members = members(json);
    let of = |name: &str| members.iter().find(|member| member.is(name));
    let kind = of("type").and_then(|kind| text(kind.value));
    if kind.is_some_and(|kind| kind == "allowed_tools") {
        let tools = of("tools").map(|tools| elements(tools.value));
        let tools = tools.unwrap_or_default().into_iter();
        return Choice::Allowed(tools.map(|tool| (tool, names_of(tool.get()).0)).collect());
    }
    Choice::Named(names_of(json.get()).0)
}
