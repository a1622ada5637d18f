//! Everything beside the conversation and the tools.

use std::fmt::Display;

use crate::canonical::{Effort, Format, Request, Target, Unsupported};
use crate::json::Writer;
use crate::openai::outbound::notes::Notes;
use crate::openai::outbound::{note_budget, schema_name, user};
use crate::openai::responses::models::may_reason;

/// The least output cap that the API takes.
const LEAST: u64 = 16;

/// Refuses what the API does not have.
pub(super) fn refuse(request: &Request<'_>) -> Result<(), Unsupported> {
    let penalties = [
        ("presence_penalty", &request.presence_penalty),
        ("frequency_penalty", &request.frequency_penalty),
    ];
    for (field, penalty) in penalties {
        if penalty.as_ref().is_some_and(|it| it.as_f64() != Some(0.0)) {
            let why = "the Responses API has no penalties; leave it out or set it to 0";
            return Err(Unsupported::new(field, why));
        }
    }
    for (field, asked, why) in [
        (
            "stop",
            !request.stop.is_empty(),
            "the Responses API stops at no texts; leave it out",
        ),
        (
            "seed",
            request.seed.is_some(),
            "the Responses API repeats nothing; leave it out",
        ),
        (
            "top_k",
            request.top_k.is_some(),
            "the Responses API has no top_k; leave it out or use top_p",
        ),
        (
            "n",
            request.n > 1,
            "the Responses API gives one choice for each request; ask for 1",
        ),
    ] {
        if asked {
            return Err(Unsupported::new(field, why));
        }
    }
    Ok(())
}

/// Writes what shapes the reply.
pub(super) fn write(request: &Request<'_>, to: &Target<'_>, out: &mut Writer, notes: &mut Notes) {
    if let Some(cap) = to.output_cap.or(request.max_output_tokens) {
        if cap < LEAST {
            notes.add(format!("max_completion_tokens: {LEAST}"));
        }
        scalar(out, "max_output_tokens", cap.max(LEAST));
    }
    if let Some(temperature) = &request.temperature {
        scalar(out, "temperature", temperature);
    }
    if let Some(top_p) = &request.top_p {
        scalar(out, "top_p", top_p);
    }
    if let Some((field, name)) = user(request, Some("safety_identifier"), notes) {
        out.member(field, name);
    }
    scalar(out, "store", false);
    if may_reason(to.model) {
        out.key("include");
        out.raw(r#"["reasoning.encrypted_content"]"#);
    }
    if request.stream {
        scalar(out, "stream", true);
    }
}

fn scalar(out: &mut Writer, key: &str, value: impl Display) {
    out.key(key);
    out.scalar(value);
}

/// Writes `text`.
pub(super) fn format(format: &Format<'_>, out: &mut Writer) {
    if matches!(format, Format::Text) {
        return;
    }
    out.key("text");
    out.open(b'{');
    out.key("format");
    out.open(b'{');
    match format {
        Format::Text => {}
        Format::JsonObject => out.member("type", "json_object"),
        Format::JsonSchema(schema) => {
            out.member("type", "json_schema");
            out.member("name", schema_name(&schema.name));
            out.key("schema");
            out.raw(schema.schema.get());
            if let Some(strict) = schema.strict {
                scalar(out, "strict", strict);
            }
        }
    }
    out.close(b'}');
    out.close(b'}');
}

/// Writes `reasoning`. Summaries come only where they are asked for, which a model
/// that never thinks refuses.
pub(super) fn thinking(request: &Request<'_>, model: &str, out: &mut Writer, notes: &mut Notes) {
    note_budget(request, notes);
    let thinks = request.effort.is_some_and(|effort| effort != Effort::None);
    let mut shown = request.show_thoughts.unwrap_or(thinks);
    if shown && !thinks && !may_reason(model) {
        notes.add("show_thoughts");
        shown = false;
    }
    if request.effort.is_none() && !shown {
        return;
    }
    out.key("reasoning");
    out.open(b'{');
    if let Some(effort) = request.effort {
        out.member("effort", effort.as_str());
    }
    if shown {
        out.member("summary", "auto");
    }
    out.close(b'}');
}
