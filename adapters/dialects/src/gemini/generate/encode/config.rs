//! `generationConfig`: sampling, the answer's shape, and thinking.

use std::fmt::Display;

use super::notes::Notes;
use super::strings;
use crate::canonical::{Effort, Format, Request, Target};
use crate::gemini::generate::models::{Model, Thinking};
use crate::json::Writer;

pub(super) fn write(
    request: &Request<'_>,
    to: &Target<'_>,
    model: &Model,
    out: &mut Writer,
    notes: &mut Notes,
) {
    out.key("generationConfig");
    out.open(b'{');
    if let Some(cap) = to.output_cap.or(request.max_output_tokens) {
        scalar(out, "maxOutputTokens", cap);
    }
    sampling(request, out, notes);
    format(&request.format, out, notes);
    if let Some(effort) = request.effort {
        thinking(effort, &model.thinking, out, notes);
    }
    out.close(b'}');
}

fn sampling(request: &Request<'_>, out: &mut Writer, notes: &mut Notes) {
    let numbers = [
        ("temperature", &request.temperature),
        ("topP", &request.top_p),
        ("presencePenalty", &request.presence_penalty),
        ("frequencyPenalty", &request.frequency_penalty),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            scalar(out, name, number);
        }
    }
    if let Some(top_k) = request.top_k {
        scalar(out, "topK", top_k);
    }
    match request.seed.map(i32::try_from) {
        Some(Ok(seed)) => scalar(out, "seed", seed),
        // The field has 32 bits there.
        Some(Err(_)) => notes.add("seed"),
        None => {}
    }
    if request.n > 1 {
        scalar(out, "candidateCount", request.n);
    }
    if !request.stop.is_empty() {
        strings(out, "stopSequences", &request.stop);
    }
}

fn scalar(out: &mut Writer, key: &str, value: impl Display) {
    out.key(key);
    out.scalar(value);
}

fn format(format: &Format<'_>, out: &mut Writer, notes: &mut Notes) {
    if !matches!(format, Format::Text) {
        out.member("responseMimeType", "application/json");
    }
    if let Format::JsonSchema(schema) = format {
        out.key("responseJsonSchema");
        out.raw(schema.schema.get());
        notes.add("response_format.json_schema.name");
    }
}

fn thinking(effort: Effort, thinking: &Thinking, out: &mut Writer, notes: &mut Notes) {
    let (key, value, exact) = match thinking {
        // It does not think anyway.
        Thinking::Never if effort == Effort::None => return,
        Thinking::Never => return notes.add("reasoning_effort"),
        Thinking::Budget { can_be_off, tokens } => {
            // What Google's own OpenAI endpoint makes of an effort.
            let (budget, exact) = match effort {
                Effort::None if *can_be_off => (0, true),
                Effort::None => (*tokens.start(), false),
                Effort::Minimal | Effort::Low => (1024, true),
                Effort::Medium => (8192, true),
                Effort::High => (24_576, true),
                Effort::ExtraHigh | Effort::Max => (*tokens.end(), false),
            };
            ("thinkingBudget", budget.to_string(), exact)
        }
        Thinking::Levels(levels) => {
            let level = nearest(effort, levels);
            let name = level.as_str().to_ascii_uppercase();
            ("thinkingLevel", format!("\"{name}\""), level == effort)
        }
    };
    if !exact {
        notes.add(&format!(
            "reasoning_effort: {key} is {}",
            value.trim_matches('"')
        ));
    }
    out.key("thinkingConfig");
    out.open(b'{');
    out.key(key);
    out.raw(&value);
    if effort != Effort::None {
        scalar(out, "includeThoughts", true);
    }
    out.close(b'}');
}

/// The least of the rising `levels` that is not below `effort`, or the highest.
fn nearest(effort: Effort, levels: &[Effort]) -> Effort {
    let enough = levels.iter().find(|level| **level >= effort);
    *enough.or(levels.last()).unwrap_or(&effort)
}
