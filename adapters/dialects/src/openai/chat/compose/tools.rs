//! `tools`, `tool_choice` and `parallel_tool_calls`.

use super::server::Traits;
use crate::canonical::{Request, Tool, Unsupported};
use crate::json::Writer;
use crate::openai::outbound::notes::Notes;
use crate::openai::outbound::tools::{Choice, Offer};

pub(super) fn write(
    request: &Request<'_>,
    traits: &Traits,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    let offer = Offer::of(request, traits.choices, notes)?;
    if offer.tools.is_empty() {
        return Ok(());
    }
    out.key("tools");
    out.open(b'[');
    for offered in offer.tools {
        tool(offered, traits, out, notes);
    }
    out.close(b']');
    if let Some(chosen) = offer.choice {
        out.key("tool_choice");
        choice(&chosen, traits, out);
    }
    if let Some(parallel) = request.parallel_tool_calls {
        out.key("parallel_tool_calls");
        out.scalar(parallel);
    }
    Ok(())
}

fn tool(tool: &Tool<'_>, traits: &Traits, out: &mut Writer, notes: &mut Notes) {
    notes.cache(tool.cache);
    out.open(b'{');
    out.member("type", "function");
    out.key("function");
    out.open(b'{');
    out.member("name", &tool.name);
    if let Some(description) = &tool.description {
        out.member("description", description);
    }
    let parameters = tool.parameters.map(|schema| schema.get());
    let none = (!traits.bare_functions).then_some(r#"{"type":"object","properties":{}}"#);
    if let Some(schema) = parameters.or(none) {
        out.key("parameters");
        out.raw(schema);
    }
    if let Some(strict) = tool.strict {
        out.key("strict");
        out.scalar(strict);
    }
    out.close(b'}');
    out.close(b'}');
}

fn choice(choice: &Choice<'_>, traits: &Traits, out: &mut Writer) {
    match choice {
        Choice::Auto => out.string("auto"),
        Choice::None => out.string("none"),
        Choice::Required => out.string(traits.required),
        Choice::Named(name) => function(name, out),
        Choice::Allowed { required, names } => {
            out.open(b'{');
            out.member("type", "allowed_tools");
            out.key("allowed_tools");
            out.open(b'{');
            out.member("mode", if *required { "required" } else { "auto" });
            out.key("tools");
            out.open(b'[');
            for name in names {
                function(name, out);
            }
            out.close(b']');
            out.close(b'}');
            out.close(b'}');
        }
    }
}

fn function(name: &str, out: &mut Writer) {
    out.open(b'{');
    out.member("type", "function");
    out.key("function");
    out.open(b'{');
    out.member("name", name);
    out.close(b'}');
    out.close(b'}');
}
