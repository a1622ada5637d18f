//! Everything beside the conversation and the tools.

use std::fmt::Display;

use super::server::Traits;
use crate::canonical::{Format, Request, Target, Unsupported};
use crate::json::Writer;
use crate::openai::outbound::notes::Notes;
use crate::openai::outbound::{note_budget, schema_name, user};

pub(super) fn write(
    request: &Request<'_>,
    to: &Target<'_>,
    traits: &Traits,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    let cap = to.output_cap.or(request.max_output_tokens);
    number(out, traits.cap, cap.as_ref());
    sampling(request, traits, out, notes)?;
    stop(request, out);
    format(&request.format, out);
    thinking(request, traits, out, notes);
    if let Some((field, name)) = user(request, traits.user, notes) {
        out.member(field, name);
    }
    if request.stream {
        out.key("stream");
        out.raw("true");
        if traits.asks_usage {
            out.key("stream_options");
            out.raw(r#"{"include_usage":true}"#);
        }
    }
    Ok(())
}

fn sampling(
    request: &Request<'_>,
    traits: &Traits,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    number(out, "temperature", request.temperature.as_ref());
    number(out, "top_p", request.top_p.as_ref());
    if request.top_k.is_some() {
        if !traits.top_k {
            let why = "this provider has no top_k; leave it out or use top_p";
            return Err(Unsupported::new("top_k", why));
        }
        notes.add("top_k: sent; the server may not know it");
        number(out, "top_k", request.top_k.as_ref());
    }
    number(out, traits.seed, request.seed.as_ref());
    number(out, "presence_penalty", request.presence_penalty.as_ref());
    number(out, "frequency_penalty", request.frequency_penalty.as_ref());
    number(out, "n", (request.n > 1).then_some(request.n).as_ref());
    Ok(())
}

fn number(out: &mut Writer, key: &str, value: Option<&impl Display>) {
    if let Some(value) = value {
        out.key(key);
        out.scalar(value);
    }
}

fn stop(request: &Request<'_>, out: &mut Writer) {
    if !request.stop.is_empty() {
        out.key("stop");
        out.open(b'[');
        for text in &request.stop {
            out.string(text);
        }
        out.close(b']');
    }
}

fn format(format: &Format<'_>, out: &mut Writer) {
    match format {
        Format::Text => {}
        Format::JsonObject => {
            out.key("response_format");
            out.raw(r#"{"type":"json_object"}"#);
        }
        Format::JsonSchema(schema) => {
            out.key("response_format");
            out.open(b'{');
            out.member("type", "json_schema");
            out.key("json_schema");
            out.open(b'{');
            out.member("name", schema_name(&schema.name));
            out.key("schema");
            out.raw(schema.schema.get());
            if let Some(strict) = schema.strict {
                out.key("strict");
                out.scalar(strict);
            }
            out.close(b'}');
            out.close(b'}');
        }
    }
}

fn thinking(request: &Request<'_>, traits: &Traits, out: &mut Writer, notes: &mut Notes) {
    note_budget(request, notes);
    if let Some(effort) = request.effort {
        out.member("reasoning_effort", effort.as_str());
        if !traits.efforts {
            notes.add("reasoning_effort: sent; the server may not know it");
        }
    }
    if request.show_thoughts == Some(!traits.tells_thoughts) {
        notes.add("show_thoughts");
    }
}
