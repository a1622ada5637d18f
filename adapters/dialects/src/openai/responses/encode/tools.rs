//! `tools`, `tool_choice` and `parallel_tool_calls`.

use crate::canonical::{Request, Tool, Unsupported};
use crate::json::Writer;
use crate::openai::outbound::notes::Notes;
use crate::openai::outbound::tools::{Choice, Choices, Offer};

pub(super) fn write(
    request: &Request<'_>,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    let offer = Offer::of(request, Choices::All, notes)?;
    if offer.tools.is_empty() {
        return Ok(());
    }
    out.key("tools");
    out.open(b'[');
    for offered in offer.tools {
        tool(offered, out, notes);
    }
    out.close(b']');
    if let Some(chosen) = offer.choice {
        out.key("tool_choice");
        choice(&chosen, out);
    }
    if let Some(parallel) = request.parallel_tool_calls {
        out.key("parallel_tool_calls");
        out.scalar(parallel);
    }
    Ok(())
}

/// All members but the description are needed here, and what is not said to be
/// lax is strict: the other way round than in every other API.
fn tool(tool: &Tool<'_>, out: &mut Writer, notes: &mut Notes) {
    notes.cache(tool.cache);
    out.open(b'{');
    out.member("type", "function");
    out.member("name", &tool.name);
    if let Some(description) = &tool.description {
        out.member("description", description);
    }
    out.key("parameters");
    let schema = tool.parameters.map(|schema| schema.get());
    out.raw(schema.unwrap_or(r#"{"type":"object","properties":{}}"#));
    out.key("strict");
    out.scalar(tool.strict.unwrap_or(false));
    out.close(b'}');
}

fn choice(choice: &Choice<'_>, out: &mut Writer) {
    match choice {
        Choice::Auto => out.string("auto"),
        Choice::None => out.string("none"),
        Choice::Required => out.string("required"),
        Choice::Named(name) => function(name, out),
        Choice::Allowed { required, names } => {
            out.open(b'{');
            out.member("type", "allowed_tools");
            out.member("mode", if *required { "required" } else { "auto" });
            out.key("tools");
            out.open(b'[');
            for name in names {
                function(name, out);
            }
            out.close(b']');
            out.close(b'}');
        }
    }
}

fn function(name: &str, out: &mut Writer) {
    out.open(b'{');
    out.member("type", "function");
    out.member("name", name);
    out.close(b'}');
}
