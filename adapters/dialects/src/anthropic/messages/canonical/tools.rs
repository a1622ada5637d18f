//! Tools on offer, which of them to call, and what becomes of them on the way.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::content::{self, Inside, cache_control};
use super::string_or;
use crate::canonical::{Part, Text, Tool, ToolChoice, Unsupported};
use crate::fields::{Dropped, Object, Path, elements};
use crate::json::{Str, quote};

/// A change of the tools on offer in the middle of a conversation.
pub(super) enum Change<'a> {
    /// Of one that is known.
    Add(Cow<'a, str>),
    Define(Tool<'a>),
    Remove(Cow<'a, str>),
}

impl<'a> Change<'a> {
    /// The texts of a system message; the changes in it go to `changes`.
    pub(super) fn split(
        json: &'a RawValue,
        at: &Path<'_>,
        changes: &mut Vec<Self>,
        dropped: &mut Dropped,
    ) -> Result<Vec<Text<'a>>, Unsupported> {
        let blocks = || {
            let mut texts = Vec::new();
            for (index, json) in elements(json, at)?.into_iter().enumerate() {
                let at = at.element(index);
                let mut block = Object::read(json, &at)?;
                let kind = block.needed("type")?;
                if matches!(&*kind, "tool_addition" | "tool_removal") {
                    dropped.note(
                        "messages.content.tool_addition: the tools at the end are offered throughout",
                    );
                    cache_control(&mut block, &at, dropped)?;
                    changes.push(Self::read(&mut block, &kind, &at, dropped)?);
                    block.end()?;
                } else {
                    content::block(json, &at, Inside::System, dropped, &mut texts)?;
                }
            }
            Ok(texts)
        };
        let parts = string_or(json, at, |text| vec![Part::Text(text)], blocks)?;
        Ok(content::only_texts(parts))
    }

    fn read(
        block: &mut Object<'_, 'a>,
        kind: &str,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<Self, Unsupported> {
        let at = at.member("tool");
        let json = block.take("tool");
        let json = json.ok_or_else(|| at.refuse("must be an object with a type"))?;
        let mut tool = Object::read(json, &at)?;
        let change = match (&*tool.needed("type")?, kind) {
            ("tool_reference", "tool_addition") => Self::Add(tool.needed("name")?),
            ("tool_reference", _) => Self::Remove(tool.needed("name")?),
            ("tool_definition", "tool_addition") => {
                let at = at.member("definition");
                let json = tool.take("definition");
                let json = json.ok_or_else(|| at.refuse("must be a tool"))?;
                Self::Define(self::tool(json, &at, dropped)?)
            }
            _ => {
                let why = "must be tool_reference: MCP servers are called from Anthropic only";
                return Err(tool.refuse("type", why));
            }
        };
        tool.end()?;
        Ok(change)
    }
}

/// The tools that the model may call in the turn that is to be answered.
pub(super) fn offered<'a>(
    body: &mut Object<'_, 'a>,
    changes: Vec<Change<'a>>,
    dropped: &mut Dropped,
) -> Result<Vec<Tool<'a>>, Unsupported> {
    let at = Path::Body.member("tools");
    let mut offered: Vec<(Tool<'a>, bool)> = Vec::new();
    if let Some(json) = body.take("tools") {
        for (index, json) in elements(json, &at)?.into_iter().enumerate() {
            offered.push((tool(json, &at.element(index), dropped)?, true));
        }
    }
    for change in changes {
        let (name, is_on) = match change {
            Change::Define(tool) => {
                offered.retain(|(known, _)| known.name != tool.name);
                offered.push((tool, true));
                continue;
            }
            Change::Add(name) => (name, true),
            Change::Remove(name) => (name, false),
        };
        let mut known = offered.iter_mut().filter(|(tool, _)| tool.name == name);
        match known.next() {
            Some((_, on)) => *on = is_on,
            None => return Err(at.refuse("must hold every tool that a message adds or removes")),
        }
    }
    let on = offered.into_iter().filter(|(_, on)| *on);
    Ok(on.map(|(tool, _)| tool).collect())
}

fn tool<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Tool<'a>, Unsupported> {
    let mut tool = Object::read(json, at)?;
    if let Some(kind) = tool.text("type")?.filter(|kind| kind != "custom") {
        let shown = quote(&kind.chars().take(64).collect::<String>());
        let why = format!(
            "cannot be {shown}: this model's provider has no tools of Anthropic's; offer one of your own, with an input_schema"
        );
        return Err(tool.refuse("type", why));
    }
    callers(&mut tool)?;
    for (hint, note) in [
        ("eager_input_streaming", "tools.eager_input_streaming"),
        ("input_examples", "tools.input_examples"),
    ] {
        if tool.take(hint).is_some() {
            dropped.note(note);
        }
    }
    if tool.typed("defer_loading", "true or false")? == Some(true) {
        dropped.note("tools.defer_loading: offered from the start");
    }
    let cache = cache_control(&mut tool, at, dropped)?;
    let schema = tool.schema("input_schema")?;
    let read = Tool {
        name: tool.needed("name")?,
        description: tool.text("description")?,
        parameters: Some(
            schema
                .ok_or_else(|| tool.refuse("input_schema", "must be a JSON schema: an object"))?,
        ),
        strict: tool.typed("strict", "true or false")?,
        cache,
    };
    tool.end()?;
    Ok(read)
}

/// Code that calls tools runs at Anthropic only.
fn callers(tool: &mut Object<'_, '_>) -> Result<(), Unsupported> {
    let what = "an array of strings";
    let callers: Option<Vec<Str<'_>>> = tool.typed("allowed_callers", what)?;
    if callers.is_some_and(|callers| callers.iter().any(|caller| caller.0 != "direct")) {
        let why = "must be [\"direct\"]: this model's provider runs no code that calls tools";
        return Err(tool.refuse("allowed_callers", why));
    }
    Ok(())
}

/// `tool_choice`: which tools, and whether several calls may come at once.
pub(super) fn choice<'a>(
    body: &mut Object<'_, 'a>,
    tools: &[Tool<'a>],
) -> Result<(Option<ToolChoice<'a>>, Option<bool>), Unsupported> {
    let at = Path::Body.member("tool_choice");
    let Some(json) = body.take("tool_choice") else {
        return Ok((None, None));
    };
    let mut choice = Object::read(json, &at)?;
    let read = match &*choice.needed("type")? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => {
            let name = choice.needed("name")?;
            if !tools.iter().any(|tool| tool.name == name) {
                return Err(choice.refuse("name", "names a tool that tools does not offer"));
            }
            ToolChoice::Named(name)
        }
        _ => return Err(choice.refuse("type", "must be auto, any, tool or none")),
    };
    let one: Option<bool> = choice.typed("disable_parallel_tool_use", "true or false")?;
    choice.end()?;
    Ok((Some(read), one.map(|one| !one)))
}
