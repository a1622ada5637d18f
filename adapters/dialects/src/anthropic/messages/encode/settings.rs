//! The answer's shape, sampling, and the rest of the fields.

use std::fmt::Display;

use serde_json::Number;

use super::notes::Notes;
use super::thinking::Plan;
use crate::anthropic::messages::models::Traits;
use crate::canonical::{Format, Request, Unsupported};
use crate::json::Writer;

/// Writes `output_config`.
pub(super) fn output(
    request: &Request<'_>,
    traits: &Traits,
    thinking: &Plan,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    let refuse = |why| Err(Unsupported::new("response_format", why));
    let schema = match &request.format {
        Format::Text => None,
        Format::JsonObject => {
            return refuse("Claude has no mode for JSON of any shape; use json_schema");
        }
        Format::JsonSchema(_) if !traits.structured => {
            return refuse(
                "this model cannot be held to a schema; use Claude Opus 4.1, Claude 4.5 or a later one, or describe the shape in a message",
            );
        }
        Format::JsonSchema(schema) if !schema.schema.get().starts_with('{') => {
            return refuse("the schema must be a JSON object");
        }
        Format::JsonSchema(schema) => Some(schema),
    };
    if schema.is_none() && thinking.effort.is_none() {
        return Ok(());
    }
    out.key("output_config");
    out.open(b'{');
    if let Some(effort) = thinking.effort {
        out.member("effort", effort);
    }
    if let Some(schema) = schema {
        if !schema.name.is_empty() {
            notes.add("response_format.json_schema.name");
        }
        out.key("format");
        out.open(b'{');
        out.member("type", "json_schema");
        out.key("schema");
        out.raw(schema.schema.get());
        out.close(b'}');
    }
    out.close(b'}');
    Ok(())
}

/// Writes `temperature`, `top_p` and `top_k`. A temperature or `top_p` of 1 is
/// what Claude does unasked, and is left out: some models refuse even that, and
/// others refuse the two together.
pub(super) fn sampling(
    request: &Request<'_>,
    model: &str,
    traits: &Traits,
    thinking: &Plan,
    out: &mut Writer,
) -> Result<(), Unsupported> {
    let settable = |field: &'static str, while_thinking: bool| {
        if !traits.sampling {
            let why = format!("{model} has no sampling parameters; leave {field} out");
            return Err(Unsupported::new(field, why));
        }
        if thinking.is_on && !while_thinking {
            let why = format!(
                "Claude takes no {field} while it thinks; leave it out or set reasoning_effort to none"
            );
            return Err(Unsupported::new(field, why));
        }
        Ok(())
    };
    let said = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
    if let Some(temperature) = said(&request.temperature).filter(|it| *it != 1.0) {
        if temperature > 1.0 {
            let why = "Claude's temperature ends at 1; ask for 1 or less";
            return Err(Unsupported::new("temperature", why));
        }
        settable("temperature", false)?;
        number(out, "temperature", &request.temperature);
    }
    if said(&request.top_p).is_some_and(|it| it != 1.0) {
        // Anthropic takes some values while thinking, and says which.
        settable("top_p", true)?;
        number(out, "top_p", &request.top_p);
    }
    if request.top_k.is_some() {
        settable("top_k", false)?;
        number(out, "top_k", &request.top_k);
    }
    Ok(())
}

fn number(out: &mut Writer, key: &str, value: &Option<impl Display>) {
    if let Some(value) = value {
        out.key(key);
        out.scalar(value);
    }
}

/// Writes `stop_sequences` and `metadata`, and refuses what Claude does not have.
pub(super) fn rest(
    request: &Request<'_>,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    let penalties = [
        ("presence_penalty", &request.presence_penalty),
        ("frequency_penalty", &request.frequency_penalty),
    ];
    for (field, penalty) in penalties {
        if penalty.as_ref().is_some_and(|it| it.as_f64() != Some(0.0)) {
            let why = "Claude has no penalties; leave it out or set it to 0";
            return Err(Unsupported::new(field, why));
        }
    }
    if request.n > 1 {
        let why = "Claude gives one choice for each request; ask for 1";
        return Err(Unsupported::new("n", why));
    }
    if request.seed.is_some() {
        notes.add("seed");
    }
    if !request.stop.is_empty() {
        out.key("stop_sequences");
        out.open(b'[');
        for text in &request.stop {
            if text.trim().is_empty() {
                let why = "Claude does not stop at white space alone; leave that text out";
                return Err(Unsupported::new("stop", why));
            }
            out.string(text);
        }
        out.close(b']');
    }
    if let Some(user) = &request.user {
        out.key("metadata");
        out.open(b'{');
        out.member("user_id", user);
        out.close(b'}');
    }
    Ok(())
}
