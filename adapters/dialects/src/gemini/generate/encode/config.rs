//! `generationConfig`: sampling, the answer's shape, and thinking.

use std::fmt::Display;
use std::ops::RangeInclusive;

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
    thinking(request, &model.thinking, out, notes);
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

fn thinking(request: &Request<'_>, thinking: &Thinking, out: &mut Writer, notes: &mut Notes) {
    let told = match (thinking, request.effort) {
        // It does not think anyway.
        (Thinking::Never, None | Some(Effort::None)) => return,
        (Thinking::Never, Some(_)) => return notes.add("reasoning_effort"),
        (_, None) if request.show_thoughts.is_none() => return,
        (_, None) => None,
        (Thinking::Budget { can_be_off, tokens }, Some(effort)) => {
            let (budget, exact) = budget(effort, request.thinking_budget, *can_be_off, tokens);
            Some(("thinkingBudget", budget.to_string(), exact))
        }
        (Thinking::Levels(levels), Some(effort)) => {
            let level = nearest(effort, levels);
            let name = level.as_str().to_ascii_uppercase();
            Some(("thinkingLevel", format!("\"{name}\""), level == effort))
        }
    };
    out.key("thinkingConfig");
    out.open(b'{');
    if let Some((key, value, exact)) = told {
        out.key(key);
        out.raw(&value);
        if !exact {
            let value = value.trim_matches('"');
            notes.add(&format!("reasoning_effort: {key} is {value}"));
        }
    }
    let thinks = request.effort.is_some_and(|effort| effort != Effort::None);
    if let Some(shown) = request.show_thoughts.or(thinks.then_some(true)) {
        scalar(out, "includeThoughts", shown);
    }
    out.close(b'}');
}

/// Tokens to think for, and whether they are what was asked for.
fn budget(
    effort: Effort,
    asked: Option<u64>,
    can_be_off: bool,
    tokens: &RangeInclusive<u64>,
) -> (u64, bool) {
    // What Google's own OpenAI endpoint makes of an effort.
    match (effort, asked) {
        (Effort::None, _) if can_be_off => (0, true),
        (Effort::None, _) => (*tokens.start(), false),
        (_, Some(asked)) => {
            let budget = asked.clamp(*tokens.start(), *tokens.end());
            (budget, budget == asked)
        }
        (Effort::Minimal | Effort::Low, None) => (1024, true),
        (Effort::Medium, None) => (8192, true),
        (Effort::High, None) => (24_576, true),
        (Effort::ExtraHigh | Effort::Max, None) => (*tokens.end(), false),
    }
}

/// The least of the rising `levels` that is not below `effort`, or the highest.
fn nearest(effort: Effort, levels: &[Effort]) -> Effort {
    let enough = levels.iter().find(|level| **level >= effort);
    *enough.or(levels.last()).unwrap_or(&effort)
}
