//! The functions on offer, and which of them must be called.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::content::cache;
use super::notes::Notes;
use super::shown;
use super::thinking::Plan;
use crate::anthropic::messages::models::{ForcedTools, Traits};
use crate::canonical::{Request, Tool, ToolChoice, Unsupported};
use crate::json::{self, Writer};

/// Writes `tools` and `tool_choice`.
pub(super) fn write(
    request: &Request<'_>,
    traits: &Traits,
    thinking: &Plan,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    let choice = Choice::of(request, notes)?;
    if matches!(choice.kind, "any" | "tool") {
        check_forced(traits, thinking)?;
    }
    let allowed = |tool: &&Tool<'_>| {
        let names = choice.allowed.as_ref();
        names.is_none_or(|names| names.contains(&*tool.name))
    };
    if request.tools.is_empty() {
        return Ok(());
    }
    out.key("tools");
    out.open(b'[');
    for offered in request.tools.iter().filter(allowed) {
        tool(offered, traits, out, notes)?;
    }
    out.close(b']');
    choice.write(request.parallel_tool_calls == Some(false), out);
    Ok(())
}

/// `tool_choice` as Anthropic has it.
struct Choice<'r> {
    /// Its type; empty where nothing is asked for.
    kind: &'static str,
    /// The one tool.
    name: Option<&'r str>,
    /// The only tools that are offered.
    allowed: Option<BTreeSet<&'r str>>,
}

impl<'r> Choice<'r> {
    fn of(request: &'r Request<'r>, notes: &mut Notes) -> Result<Self, Unsupported> {
        let choice = |kind| Self {
            kind,
            name: None,
            allowed: None,
        };
        let choice = match &request.tool_choice {
            None => choice(""),
            Some(ToolChoice::Auto) => choice("auto"),
            Some(ToolChoice::None) => choice("none"),
            Some(ToolChoice::Required) => choice("any"),
            Some(ToolChoice::Named(name)) => Self {
                name: Some(name),
                ..choice("tool")
            },
            Some(ToolChoice::Allowed { required, names }) => {
                notes.add("tool_choice.allowed_tools: only these tools are sent");
                Self {
                    allowed: Some(names.iter().map(AsRef::as_ref).collect()),
                    ..choice(if *required { "any" } else { "auto" })
                }
            }
        };
        choice.check(&request.tools)?;
        Ok(choice)
    }

    /// Whether every tool that it names is offered, and any is that must be called.
    fn check(&self, tools: &[Tool<'_>]) -> Result<(), Unsupported> {
        let refuse = |why: String| Err(Unsupported::new("tool_choice", why));
        let offered: BTreeSet<&str> = tools.iter().map(|tool| &*tool.name).collect();
        let named = self.name.iter().chain(self.allowed.iter().flatten());
        for name in named {
            if !offered.contains(name) {
                let name = shown(name);
                return refuse(format!(
                    "{name} is not among the tools; offer it or do not name it"
                ));
            }
        }
        let none_is_allowed = self.allowed.as_ref().is_some_and(BTreeSet::is_empty);
        if none_is_allowed || self.kind == "any" && tools.is_empty() {
            let why = "it leaves no tool to call; offer one or leave it out";
            return refuse(why.to_owned());
        }
        Ok(())
    }

    fn write(&self, one_at_a_time: bool, out: &mut Writer) {
        let kind = match self.kind {
            "" if one_at_a_time => "auto",
            "" => return,
            kind => kind,
        };
        out.key("tool_choice");
        out.open(b'{');
        out.member("type", kind);
        if let Some(name) = self.name {
            out.member("name", name);
        }
        if one_at_a_time && kind != "none" {
            out.key("disable_parallel_tool_use");
            out.raw("true");
        }
        out.close(b'}');
    }
}

fn check_forced(traits: &Traits, thinking: &Plan) -> Result<(), Unsupported> {
    let why = match traits.forced_tools {
        ForcedTools::Always => return Ok(()),
        ForcedTools::WithoutThinking if !thinking.is_on => return Ok(()),
        ForcedTools::WithoutThinking => {
            "this model cannot be made to call a tool while it thinks; use auto or set reasoning_effort to none"
        }
        ForcedTools::Never => {
            "this model cannot be made to call a tool; use auto or allowed_tools in mode auto"
        }
    };
    Err(Unsupported::new("tool_choice", why))
}

fn tool(
    tool: &Tool<'_>,
    traits: &Traits,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    check_name(&tool.name, "tools.function.name")?;
    out.open(b'{');
    out.member("name", &tool.name);
    if let Some(description) = &tool.description {
        out.member("description", description);
    }
    out.key("input_schema");
    match tool.parameters.map(|schema| schema.get()) {
        None => out.raw(r#"{"type":"object"}"#),
        Some(schema) => out.raw(&input_schema(schema, &tool.name)?),
    }
    match tool.strict {
        Some(strict) if traits.structured => {
            out.key("strict");
            out.scalar(strict);
        }
        Some(true) => notes.add("tools.function.strict"),
        _ => {}
    }
    cache(tool.cache, out, notes);
    out.close(b'}');
    Ok(())
}

/// Anthropic wants it said that the arguments are an object, as they always are.
fn input_schema<'s>(schema: &'s str, tool: &str) -> Result<Cow<'s, str>, Unsupported> {
    let Some(members) = json::members(schema) else {
        let why = format!("the parameters of {} must be a JSON object", shown(tool));
        return Err(Unsupported::new("tools.function.parameters", why));
    };
    if members.contains_key("type") {
        return Ok(Cow::Borrowed(schema));
    }
    let inside = schema.strip_prefix('{').unwrap_or_default();
    let comma = if members.is_empty() { "" } else { "," };
    Ok(Cow::Owned(format!(r#"{{"type":"object"{comma}{inside}"#)))
}

/// Refuses a name that Anthropic does not take.
pub(super) fn check_name(name: &str, field: &'static str) -> Result<(), Unsupported> {
    const LONGEST: usize = 128;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=LONGEST).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let why = format!(
        "Claude takes names of 1 to {LONGEST} letters, digits, _ and -; rename {}",
        shown(name)
    );
    Err(Unsupported::new(field, why))
}
