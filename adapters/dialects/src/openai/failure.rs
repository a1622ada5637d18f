//! Errors as OpenAI's servers word them, and those that follow it, each in its own
//! shape.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::ErrorFacts;

/// What may be in the body, and in its `error`.
#[derive(Deserialize, Default)]
struct Wire<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// FastAPI's servers have nothing else.
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// What OpenRouter adds: the words of the provider behind it.
#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    raw: Option<&'a RawValue>,
}

/// What FastAPI finds wrong with one field.
#[derive(Deserialize)]
struct Invalid<'a> {
    #[serde(borrow)]
    loc: Option<&'a RawValue>,
    msg: Option<String>,
}

/// What the body of an error reply says; `None` where it is not an error of this
/// kind. `kind` is the code where that is a word, else the type.
#[must_use]
pub fn read_error(body: &[u8]) -> Option<ErrorFacts> {
    // Google's endpoint for OpenAI's clients puts it into an array.
    let body: &RawValue = match body.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice::<Vec<_>>(body).ok()?.pop()?,
        _ => serde_json::from_slice(body).ok()?,
    };
    let outer: Wire<'_> = serde_json::from_str(body.get()).ok()?;
    let inner: Wire<'_> = outer.error.map_or_else(Wire::default, |error| {
        serde_json::from_str(error.get()).unwrap_or(Wire {
            message: Some(error),
            ..Wire::default()
        })
    });
    let said = inner.message.or(outer.message).or(outer.detail);
    let codes = [inner.code, outer.code, inner.kind, outer.kind];
    if said.is_none() && outer.error.is_none() {
        return None;
    }
    let mut message = said.map(|said| words(said, 0)).unwrap_or_default();
    if let Some(raw) = inner.metadata.and_then(raw) {
        message = format!("{message}: {raw}");
    }
    let codes: Vec<String> = codes.into_iter().flatten().filter_map(code).collect();
    let is_word = |code: &&String| code.parse::<i64>().is_err();
    let kind = codes.iter().find(is_word).or(codes.first());
    Some(ErrorFacts {
        context_length: codes.iter().any(|code| is_too_long_by(code)) || is_too_long(&message),
        credential: codes.iter().any(|code| blames_credential(code))
            || message.starts_with("Incorrect API key provided"),
        retry_after: wait(&message),
        kind: kind.map(|kind| kind.chars().take(64).collect()),
        message: (!message.is_empty()).then(|| message.chars().take(512).collect()),
    })
}

/// The sentence that a message is, however deep it is wrapped.
fn words(json: &RawValue, depth: u8) -> String {
    if let Ok(text) = serde_json::from_str::<String>(json.get()) {
        return text;
    }
    if let Ok(list) = serde_json::from_str::<Vec<Invalid<'_>>>(json.get()) {
        let told = list.into_iter().map(|invalid| {
            let place: Vec<serde_json::Value> = invalid
                .loc
                .and_then(|loc| serde_json::from_str(loc.get()).ok())
                .unwrap_or_default();
            let place: Vec<String> = place
                .iter()
                .map(|step| {
                    step.as_str()
                        .map_or_else(|| step.to_string(), str::to_owned)
                })
                .collect();
            let said = invalid.msg.unwrap_or_default();
            format!("{}: {said}", place.join("."))
        });
        return told.collect::<Vec<_>>().join("; ");
    }
    let inner = serde_json::from_str::<Wire<'_>>(json.get()).ok();
    match inner.and_then(|inner| inner.detail.or(inner.message)) {
        Some(inner) if depth < 3 => words(inner, depth + 1),
        _ => json.get().to_owned(),
    }
}

fn raw(metadata: &RawValue) -> Option<String> {
    let metadata: Metadata<'_> = serde_json::from_str(metadata.get()).ok()?;
    Some(words(metadata.raw?, 0))
}

/// A code or a type: a word or a number.
fn code(json: &RawValue) -> Option<String> {
    let text = json.get();
    match serde_json::from_str::<String>(text) {
        Ok(word) => Some(word).filter(|word| !word.is_empty()),
        Err(_) if text.starts_with(['{', '[']) || text == "null" => None,
        Err(_) => Some(text.to_owned()),
    }
}

fn is_too_long_by(code: &str) -> bool {
    matches!(
        code,
        "context_length_exceeded" | "exceed_context_size_error" | "model_context_window_exceeded"
    )
}

/// Servers without a code for it tell it in words: vLLM, Ollama, Mistral, xAI,
/// OpenRouter, llama-server, Groq.
fn is_too_long(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "maximum context length",
        "max context length",
        "model's context length",
        "exceeds context length",
        "exceed context limit",
        "exceeds the context",
        "available context size",
        "context window",
        "maximum prompt length",
        "prompt too long",
        "prompt is too long",
        "reduce the length of the messages",
    ]
    .iter()
    .any(|words| message.contains(words))
}

fn blames_credential(code: &str) -> bool {
    matches!(
        code,
        "invalid_api_key" | "authentication_error" | "invalid_authentication" | "401"
    )
}

/// OpenAI and Groq say how long to wait in their sentence: `try again in 1m2.5s`.
fn wait(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("try again in ")?;
    let mut seconds = 0.0;
    let mut rest = rest;
    loop {
        let digits = rest.find(|it: char| !it.is_ascii_digit() && it != '.');
        let (number, after) = rest.split_at(digits.unwrap_or(rest.len()));
        let Ok(number) = number.trim_end_matches('.').parse::<f64>() else {
            break;
        };
        let unit = after.find(|it: char| !it.is_ascii_alphabetic());
        let (unit, after) = after.split_at(unit.unwrap_or(after.len()));
        seconds += number
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => break,
            };
        rest = after;
    }
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|wait| !wait.is_zero())
}
