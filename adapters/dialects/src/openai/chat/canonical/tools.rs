//! Functions on offer, which of them to call, and the shape of the answer.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::content::cache_control;
use crate::canonical::{Format, Schema, Tool, ToolChoice, Unsupported};
use crate::fields::{Dropped, Object, Path, elements, read};
use crate::json::{Str, quote};

pub(super) fn offered<'a>(body: &mut Object<'_, 'a>) -> Result<Vec<Tool<'a>>, Unsupported> {
    let at = Path::Body.member("tools");
    let Some(json) = body.take("tools") else {
        return Ok(Vec::new());
    };
    let tools = elements(json, &at)?.into_iter().enumerate();
    tools
        .map(|(index, json)| tool(json, &at, &at.element(index)))
        .collect()
}

fn tool<'a>(json: &'a RawValue, all: &Path<'_>, at: &Path<'_>) -> Result<Tool<'a>, Unsupported> {
    let mut tool = Object::read(json, at)?;
    if let Some(kind) = tool.text("type")?.filter(|kind| kind != "function") {
        let shown: String = kind.chars().take(64).collect();
        return Err(all.refuse(format!(
            "cannot hold one of type {}: this model's provider has functions only",
            quote(&shown)
        )));
    }
    let mut cache = cache_control(&mut tool, at)?;
    let inner = at.member("function");
    let function = tool.take("function");
    let function = function.ok_or_else(|| inner.refuse("must be an object with a name"))?;
    let mut function = Object::read(function, &inner)?;
    cache = cache.or(cache_control(&mut function, &inner)?);
    let read = Tool {
        name: function.needed("name")?,
        description: function.text("description")?,
        parameters: function.schema("parameters")?,
        strict: function.typed("strict", "true or false")?,
        cache,
    };
    function.end()?;
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
    let offered: HashSet<&str> = match names {
        [] => HashSet::new(),
        _ => tools.iter().map(|tool| &*tool.name).collect(),
    };
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
    let kind = choice.needed("type")?;
    let read = match &*kind {
        "function" => ToolChoice::Named(function_name(&mut choice, at)?),
        "allowed_tools" => {
            let inner = at.member("allowed_tools");
            let allowed = choice.take("allowed_tools");
            let allowed = allowed.ok_or_else(|| inner.refuse("must be an object"))?;
            allowed_tools(allowed, &inner)?
        }
        _ => {
            let why = "must be function or allowed_tools; the provider has no other kinds";
            return Err(choice.refuse("type", why));
        }
    };
    choice.end()?;
    Ok(read)
}

fn function_name<'a>(
    choice: &mut Object<'_, 'a>,
    at: &Path<'_>,
) -> Result<Cow<'a, str>, Unsupported> {
    let at = at.member("function");
    let function = choice.take("function");
    let function = function.ok_or_else(|| at.refuse("must be an object with a name"))?;
    let mut function = Object::read(function, &at)?;
    let name = function.needed("name")?;
    function.end()?;
    Ok(name)
}

fn allowed_tools<'a>(json: &'a RawValue, at: &Path<'_>) -> Result<ToolChoice<'a>, Unsupported> {
    let mut allowed = Object::read(json, at)?;
    let required = match &*allowed.needed("mode")? {
        "auto" => false,
        "required" => true,
        _ => return Err(allowed.refuse("mode", "must be auto or required")),
    };
    let at = at.member("tools");
    let tools = allowed.take("tools");
    let tools = tools.ok_or_else(|| at.refuse("must be an array of functions"))?;
    let mut names = Vec::new();
    for (index, json) in elements(tools, &at)?.into_iter().enumerate() {
        let at = at.element(index);
        let mut tool = Object::read(json, &at)?;
        if tool.needed("type")? != "function" {
            return Err(tool.refuse("type", "must be function"));
        }
        names.push(function_name(&mut tool, &at)?);
        tool.end()?;
    }
    allowed.end()?;
    Ok(ToolChoice::Allowed { required, names })
}

pub(super) fn format<'a>(
    body: &mut Object<'_, 'a>,
    dropped: &mut Dropped,
) -> Result<Format<'a>, Unsupported> {
    let at = Path::Body.member("response_format");
    let Some(json) = body.take("response_format") else {
        return Ok(Format::Text);
    };
    let mut format = Object::read(json, &at)?;
    let read = match &*format.needed("type")? {
        "text" => Format::Text,
        "json_object" => Format::JsonObject,
        "json_schema" => {
            let inner = at.member("json_schema");
            let json = format.take("json_schema");
            let json = json.ok_or_else(|| inner.refuse("must be an object with a schema"))?;
            Format::JsonSchema(schema(json, &inner, dropped)?)
        }
        _ => return Err(format.refuse("type", "must be text, json_object or json_schema")),
    };
    format.end()?;
    Ok(read)
}

fn schema<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Schema<'a>, Unsupported> {
    let mut wrapper = Object::read(json, at)?;
    if wrapper.text("description")?.is_some() {
        dropped.note("response_format.json_schema.description");
    }
    let schema = wrapper.schema("schema")?;
    let schema =
        schema.ok_or_else(|| wrapper.refuse("schema", "must be a JSON schema: an object"))?;
    let read = Schema {
        name: wrapper.text("name")?.unwrap_or_default(),
        schema,
        strict: wrapper.typed("strict", "true or false")?,
    };
    wrapper.end()?;
    Ok(read)
}
