//! Functions on offer, which of them to call, and the shape of the answer.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::canonical::{Format, Schema, Tool, ToolChoice, Unsupported};
use crate::fields::{Dropped, Object, Path, elements, read};
use crate::json::{Str, quote};

pub(super) fn offered<'a>(
    body: &mut Object<'_, 'a>,
    dropped: &mut Dropped,
) -> Result<Vec<Tool<'a>>, Unsupported> {
    let at = Path::Body.member("tools");
    let Some(json) = body.take("tools") else {
        return Ok(Vec::new());
    };
    let tools = elements(json, &at)?.into_iter().enumerate();
    tools
        .map(|(index, json)| tool(json, &at.element(index), dropped))
        .collect()
}

fn tool<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Tool<'a>, Unsupported> {
    let mut tool = Object::read(json, at)?;
    let kind = tool.needed("type")?;
    if kind != "function" {
        let shown: String = kind.chars().take(64).collect();
        let why = format!(
            "cannot be {}: this model's provider has functions only",
            quote(&shown)
        );
        return Err(tool.refuse("type", why));
    }
    if tool.typed("defer_loading", "true or false")? == Some(true) {
        let why =
            "must be false: this model's provider has no tool search; offer the function itself";
        return Err(tool.refuse("defer_loading", why));
    }
    for (key, name) in [
        ("allowed_callers", "tools.allowed_callers"),
        ("output_schema", "tools.output_schema"),
    ] {
        if tool.take(key).is_some() {
            dropped.note(name);
        }
    }
    let read = Tool {
        name: tool.needed("name")?,
        description: tool.text("description")?,
        parameters: tool.schema("parameters")?,
        strict: tool.typed("strict", "true or false")?,
        cache: None,
    };
    tool.end()?;
    Ok(read)
}

pub(super) fn choice<'a>(
    body: &mut Object<'_, 'a>,
    tools: &[Tool<'a>],
) -> Result<Option<ToolChoice<'a>>, Unsupported> {
    let Some(json) = body.take("tool_choice") else {
        return Ok(None);
    };
    let at = Path::Body.member("tool_choice");
    let choice = if json.get().starts_with('"') {
        word(&read::<Str<'_>>(json, &at, "a string")?.0, &at)?
    } else {
        object(json, &at)?
    };
    let names = match &choice {
        ToolChoice::Named(name) => std::slice::from_ref(name),
        ToolChoice::Allowed { names, .. } => names,
        _ => &[],
    };
    let offered: HashSet<&str> = tools.iter().map(|tool| &*tool.name).collect();
    if names.iter().all(|name| offered.contains(&**name)) {
        Ok(Some(choice))
    } else {
        Err(at.refuse("names a function that tools does not offer"))
    }
}

fn word<'a>(word: &str, at: &Path<'_>) -> Result<ToolChoice<'a>, Unsupported> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        _ => Err(at.refuse("must be none, auto, required or an object that names a function")),
    }
}

fn object<'a>(json: &'a RawValue, at: &Path<'_>) -> Result<ToolChoice<'a>, Unsupported> {
    let mut choice = Object::read(json, at)?;
    let read = match &*choice.needed("type")? {
        "function" => ToolChoice::Named(choice.needed("name")?),
        "allowed_tools" => allowed_tools(&mut choice, at)?,
        _ => {
            let why = "must be function or allowed_tools; the provider has no other kinds";
            return Err(choice.refuse("type", why));
        }
    };
    choice.end()?;
    Ok(read)
}

fn allowed_tools<'a>(
    choice: &mut Object<'_, 'a>,
    at: &Path<'_>,
) -> Result<ToolChoice<'a>, Unsupported> {
    let required = match &*choice.needed("mode")? {
        "auto" => false,
        "required" => true,
        _ => return Err(choice.refuse("mode", "must be auto or required")),
    };
    let at = at.member("tools");
    let tools = choice.take("tools");
    let tools = tools.ok_or_else(|| at.refuse("must be an array of functions"))?;
    let mut names: Vec<Cow<'a, str>> = Vec::new();
    for (index, json) in elements(tools, &at)?.into_iter().enumerate() {
        let at = at.element(index);
        let mut tool = Object::read(json, &at)?;
        if tool.needed("type")? != "function" {
            return Err(tool.refuse("type", "must be function"));
        }
        names.push(tool.needed("name")?);
        tool.end()?;
    }
    Ok(ToolChoice::Allowed { required, names })
}

/// `text`: the format, and a hint how much to say.
pub(super) fn format<'a>(
    body: &mut Object<'_, 'a>,
    dropped: &mut Dropped,
) -> Result<Format<'a>, Unsupported> {
    let at = Path::Body.member("text");
    let Some(json) = body.take("text") else {
        return Ok(Format::Text);
    };
    let mut text = Object::read(json, &at)?;
    if text
        .text("verbosity")?
        .is_some_and(|verbosity| verbosity != "medium")
    {
        dropped.note("text.verbosity");
    }
    let inner = at.member("format");
    let read = match text.take("format") {
        None => Format::Text,
        Some(json) => shape(Object::read(json, &inner)?, dropped)?,
    };
    text.end()?;
    Ok(read)
}

fn shape<'a>(mut format: Object<'_, 'a>, dropped: &mut Dropped) -> Result<Format<'a>, Unsupported> {
    let read = match &*format.needed("type")? {
        "text" => Format::Text,
        "json_object" => Format::JsonObject,
        "json_schema" => {
            if format.text("description")?.is_some() {
                dropped.note("text.format.description");
            }
            let schema = format.schema("schema")?;
            let schema = schema
                .ok_or_else(|| format.refuse("schema", "must be a JSON schema: an object"))?;
            Format::JsonSchema(Schema {
                name: format.text("name")?.unwrap_or_default(),
                schema,
                strict: format.typed("strict", "true or false")?,
            })
        }
        _ => return Err(format.refuse("type", "must be text, json_object or json_schema")),
    };
    format.end()?;
    Ok(read)
}
