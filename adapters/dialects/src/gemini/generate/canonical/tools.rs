//! Functions on offer, and which of them to call.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

use super::schema::Schemas;
use crate::canonical::{Tool, ToolChoice, Unsupported};
use crate::fields::{Dropped, Path};
use crate::gemini::fields::{Field, Object, list};
use crate::json::Str;

pub(super) fn offered<'a>(
    body: &mut Object<'_, 'a>,
    at: &Path<'_>,
    schemas: &Schemas<'a>,
    dropped: &mut Dropped,
) -> Result<Vec<Tool<'a>>, Unsupported> {
    let mut functions = Vec::new();
    let Some(tools) = body.take("tools") else {
        return Ok(functions);
    };
    for (at, json) in list(tools.json, &at.member(&tools.key))? {
        let mut tool = Object::read(json, &at)?;
        if let Some(declared) = tool.take("functionDeclarations") {
            for (at, json) in list(declared.json, &at.member(&declared.key))? {
                functions.push(function(json, &at, schemas, dropped)?);
            }
        }
        tool.end()?;
    }
    Ok(functions)
}

fn function<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    schemas: &Schemas<'a>,
    dropped: &mut Dropped,
) -> Result<Tool<'a>, Unsupported> {
    let mut function = Object::read(json, at)?;
    // What it answers is for the model to know, and no other takes it.
    for hint in ["response", "responseJsonSchema"] {
        if function.take(hint).is_some() {
            dropped.note("tools.functionDeclarations.response");
        }
    }
    if function
        .text("behavior")?
        .is_some_and(|it| it != "BLOCKING")
    {
        return Err(function.refuse("behavior", "must be BLOCKING: no other provider goes on"));
    }
    let parameters = schema(
        (function.take("parameters"), "parameters"),
        function.take("parametersJsonSchema"),
        at,
        schemas,
        dropped,
    )?;
    let read = Tool {
        name: function.needed("name")?,
        description: function.text("description")?,
        parameters,
        strict: None,
        cache: None,
    };
    function.end()?;
    Ok(read)
}

/// The schema that is spelled in one of two dialects.
pub(super) fn schema<'a>(
    (old, name): (Option<Field<'a>>, &str),
    modern: Option<Field<'a>>,
    at: &Path<'_>,
    schemas: &Schemas<'a>,
    dropped: &mut Dropped,
) -> Result<Option<&'a RawValue>, Unsupported> {
    match (old, modern) {
        (None, None) => Ok(None),
        (Some(_), Some(modern)) => {
            let why = format!("contradicts {name}; send one of the two");
            Err(at.member(&modern.key).refuse(why))
        }
        (Some(old), None) => schemas
            .modern(&old, &at.member(&old.key), dropped)
            .map(Some),
        (None, Some(modern)) if modern.json.get().starts_with('{') => Ok(Some(modern.json)),
        (None, Some(modern)) => {
            let why = "must be a JSON schema: an object";
            Err(at.member(&modern.key).refuse(why))
        }
    }
}

pub(super) fn choice<'a>(
    body: &mut Object<'_, 'a>,
    at: &Path<'_>,
    tools: &[Tool<'a>],
    dropped: &mut Dropped,
) -> Result<Option<ToolChoice<'a>>, Unsupported> {
    let Some(field) = body.take("toolConfig") else {
        return Ok(None);
    };
    let at = at.member(&field.key);
    let mut config = Object::read(field.json, &at)?;
    // What tools that run at Google are told of the user, and tell.
    for hint in ["retrievalConfig", "includeServerSideToolInvocations"] {
        if config.take(hint).is_some() {
            dropped.note("toolConfig");
        }
    }
    let choice = match config.take("functionCallingConfig") {
        None => None,
        Some(field) => calling(&field, &at.member(&field.key), tools, dropped)?,
    };
    config.end()?;
    Ok(choice)
}

fn calling<'a>(
    field: &Field<'a>,
    at: &Path<'_>,
    tools: &[Tool<'a>],
    dropped: &mut Dropped,
) -> Result<Option<ToolChoice<'a>>, Unsupported> {
    let mut config = Object::read(field.json, at)?;
    if config.take("streamFunctionCallArguments").is_some() {
        dropped.note("toolConfig.functionCallingConfig.streamFunctionCallArguments");
    }
    let names = config.typed::<Vec<Str<'a>>>("allowedFunctionNames", "an array of strings")?;
    let names = names.into_iter().flatten().map(|name| name.0);
    let mut names: Vec<Cow<'a, str>> = names.collect();
    let offered: HashSet<&str> = match names[..] {
        [] => HashSet::new(),
        _ => tools.iter().map(|tool| &*tool.name).collect(),
    };
    if !names.iter().all(|name| offered.contains(&**name)) {
        let why = "names a function that tools does not offer";
        return Err(config.refuse("allowedFunctionNames", why));
    }
    let mode = config.text("mode")?.unwrap_or_default();
    let choice = match (&*mode.to_ascii_uppercase(), names.len()) {
        ("NONE", _) => Some(ToolChoice::None),
        ("ANY", 0) => Some(ToolChoice::Required),
        ("ANY", 1) => names.pop().map(ToolChoice::Named),
        ("ANY", _) => Some(ToolChoice::Allowed {
            required: true,
            names,
        }),
        (mode @ ("" | "MODE_UNSPECIFIED" | "AUTO" | "VALIDATED"), allowed) => {
            if mode == "VALIDATED" {
                dropped.note("toolConfig.functionCallingConfig.mode: AUTO");
            }
            let required = false;
            match allowed {
                0 => Some(ToolChoice::Auto).filter(|_| !mode.is_empty()),
                _ => Some(ToolChoice::Allowed { required, names }),
            }
        }
        _ => return Err(config.refuse("mode", "must be AUTO, ANY, NONE or VALIDATED")),
    };
    config.end()?;
    Ok(choice)
}
