//! `tools` and `toolConfig`.

use std::collections::HashSet;

use super::notes::Notes;
use super::strings;
use crate::canonical::{Request, Tool, ToolChoice, Unsupported};
use crate::gemini::generate::models::Model;
use crate::json::Writer;

pub(super) fn write(
    request: &Request<'_>,
    model: &Model,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    let tools = offered(request, notes)?;
    if tools.is_empty() {
        return Ok(());
    }
    out.key("tools");
    out.open(b'[');
    out.open(b'{');
    out.key("functionDeclarations");
    out.open(b'[');
    for tool in &tools {
        declaration(tool, out, notes);
    }
    out.close(b']');
    out.close(b'}');
    out.close(b']');
    if request.parallel_tool_calls == Some(false) {
        // Noted rather than refused: clients send it as a matter of course along
        // with one forced tool, and a second call would not be hidden from them.
        notes.add("parallel_tool_calls");
    }
    let strict = tools.iter().any(|tool| tool.strict == Some(true));
    config(request.tool_choice.as_ref(), strict, model, out, notes);
    Ok(())
}

/// The tools that the choice leaves.
fn offered<'r, 'a>(
    request: &'r Request<'a>,
    notes: &mut Notes,
) -> Result<Vec<&'r Tool<'a>>, Unsupported> {
    let all = request.tools.iter();
    let (tools, must_be_there): (Vec<_>, bool) = match &request.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => (all.collect(), false),
        Some(ToolChoice::Required | ToolChoice::Named(_)) => (all.collect(), true),
        Some(ToolChoice::Allowed { required: true, .. }) => (all.collect(), true),
        Some(ToolChoice::Allowed {
            required: false,
            names,
        }) => {
            let names: HashSet<&str> = names.iter().map(AsRef::as_ref).collect();
            let tools = all.filter(|tool| names.contains(&*tool.name));
            notes.add("tool_choice: only the allowed tools were sent");
            (tools.collect(), true)
        }
    };
    if must_be_there && tools.is_empty() {
        let why = "it asks for functions that tools does not have: add them there";
        return Err(Unsupported::new("tool_choice", why));
    }
    Ok(tools)
}

fn declaration(tool: &Tool<'_>, out: &mut Writer, notes: &mut Notes) {
    notes.cache(tool.cache);
    out.open(b'{');
    out.member("name", &tool.name);
    if let Some(description) = &tool.description {
        out.member("description", description);
    }
    // Full JSON Schema; the older `parameters` knows a part of it only.
    if let Some(schema) = tool.parameters {
        out.key("parametersJsonSchema");
        out.raw(schema.get());
    }
    out.close(b'}');
}

fn config(
    choice: Option<&ToolChoice<'_>>,
    strict: bool,
    model: &Model,
    out: &mut Writer,
    notes: &mut Notes,
) {
    // Arguments of a call that is forced fit their schema in any case.
    let free = matches!(
        choice,
        None | Some(
            ToolChoice::Auto
                | ToolChoice::Allowed {
                    required: false,
                    ..
                }
        )
    );
    let validated = free && strict && model.validates;
    if free && strict && !validated {
        notes.add("tools.function.strict");
    }
    let (mode, names) = match choice {
        _ if validated => ("VALIDATED", None),
        None => return,
        Some(
            ToolChoice::Auto
            | ToolChoice::Allowed {
                required: false, ..
            },
        ) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some(std::slice::from_ref(name))),
        Some(ToolChoice::Allowed { names, .. }) => ("ANY", Some(&**names)),
    };
    out.key("toolConfig");
    out.open(b'{');
    out.key("functionCallingConfig");
    out.open(b'{');
    out.member("mode", mode);
    if let Some(names) = names {
        strings(out, "allowedFunctionNames", names);
    }
    out.close(b'}');
    out.close(b'}');
}
