//! A chat request as the canonical one, for an upstream of another dialect.
//!
//! Strict rather than lossy: what is neither understood nor a harmless hint is
//! refused by the name of its field.

mod assistant;
pub(in crate::openai) mod content;
mod messages;
mod tools;

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::ChatRequest;
use crate::canonical::{Effort, Request, Unsupported};
use crate::fields::{self, Dropped, Object, Path};
use crate::json::Str;
use messages::Conversation;

/// Hints to a provider that change nothing of what is asked for.
const HINTS: [&str; 8] = [
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "prediction",
    "verbosity",
];

impl ChatRequest {
    /// What the request asks for, whatever provider it goes to. Texts and media
    /// are borrowed from the body.
    ///
    /// # Errors
    /// [`Unsupported`] names the first field that no other dialect can carry, or
    /// that is not what OpenAI's documentation says it is.
    pub fn canonical(&self) -> Result<Request<'_>, Unsupported> {
        let whole: &RawValue = serde_json::from_slice(self.body())
            .map_err(|_| Path::Body.refuse("must be a JSON object"))?;
        let mut body = Object::read(whole, &Path::Body)?;
        let mut dropped = Dropped::default();
        refuse_foreign(&mut body)?;
        for hint in HINTS {
            if body.take(hint).is_some() {
                dropped.note(hint);
            }
        }
        // Read by `parse`, or spelled there as they must be.
        for known in [
            "model",
            "stream",
            "n",
            "max_tokens",
            "max_completion_tokens",
        ] {
            body.take(known);
        }
        stream_options(&mut body, &mut dropped)?;

        let at = Path::Body.member("messages");
        let conversation = match body.take("messages") {
            Some(messages) => Conversation::read(messages, &at, &mut dropped)?,
            None => return Err(at.refuse("must be a non-empty array")),
        };
        let tools = tools::offered(&mut body)?;
        let tool_choice = tools::choice(&mut body, &tools)?;
        let (user, safety) = (body.text("user")?, body.text("safety_identifier")?);
        let request = Request {
            model: self.facts.model.as_str().into(),
            system: conversation.dialogue.system,
            turns: conversation.dialogue.turns,
            tools,
            tool_choice,
            parallel_tool_calls: body.typed("parallel_tool_calls", "true or false")?,
            max_output_tokens: self.max_completion_tokens.or(self.max_tokens),
            stop: stop(&mut body)?,
            temperature: body.typed("temperature", "a number")?,
            top_p: body.typed("top_p", "a number")?,
            top_k: body.typed("top_k", "a non-negative integer")?,
            seed: body.typed("seed", "an integer")?,
            presence_penalty: body.typed("presence_penalty", "a number")?,
            frequency_penalty: body.typed("frequency_penalty", "a number")?,
            n: self.facts.n,
            format: tools::format(&mut body, &mut dropped)?,
            effort: effort(&mut body)?,
            thinking_budget: None,
            show_thoughts: None,
            user: safety.or(user),
            stream: self.facts.stream,
            dropped: dropped.0,
        };
        body.end()?;
        Ok(request)
    }
}

/// What only OpenAI has, and what is to be done instead.
fn refuse_foreign(body: &mut Object<'_, '_>) -> Result<(), Unsupported> {
    if body.typed("logprobs", "true or false")? == Some(true) {
        return Err(body.refuse(
            "logprobs",
            "cannot be carried: this model's provider tells no log probabilities; leave it out",
        ));
    }
    let bias = body.take("logit_bias");
    if bias.is_some_and(|bias| !is_empty(bias)) {
        return Err(body.refuse(
            "logit_bias",
            "cannot be carried: token ids mean nothing to this model's provider; leave it out",
        ));
    }
    let modalities: Option<Vec<Str<'_>>> = body.typed("modalities", "an array of strings")?;
    if modalities.is_some_and(|names| names.iter().any(|name| name.0 != "text")) {
        return Err(body.refuse(
            "modalities",
            "must be [\"text\"]: the answer can be text only",
        ));
    }
    for (field, why) in [
        (
            "top_logprobs",
            "cannot be carried: this model's provider tells no log probabilities; leave it out",
        ),
        (
            "audio",
            "cannot be carried: the answer can be text only; leave it out",
        ),
        (
            "web_search_options",
            "cannot be carried: web search is not mapped between providers; offer a function tool instead",
        ),
        ("functions", "is deprecated; use tools"),
        ("function_call", "is deprecated; use tool_choice"),
    ] {
        if body.take(field).is_some() {
            return Err(body.refuse(field, why));
        }
    }
    Ok(())
}

fn is_empty(json: &RawValue) -> bool {
    let inside = json.get().trim_start_matches(['{', '[']);
    inside.trim_start().starts_with(['}', ']'])
}

fn stream_options(body: &mut Object<'_, '_>, dropped: &mut Dropped) -> Result<(), Unsupported> {
    let Some(json) = body.take("stream_options") else {
        return Ok(());
    };
    let at = Path::Body.member("stream_options");
    let mut options = Object::read(json, &at)?;
    options.take("include_usage");
    if options.take("include_obfuscation").is_some() {
        dropped.note("stream_options.include_obfuscation");
    }
    options.end()
}

fn stop<'a>(body: &mut Object<'_, 'a>) -> Result<Vec<Cow<'a, str>>, Unsupported> {
    let Some(json) = body.take("stop") else {
        return Ok(Vec::new());
    };
    let at = Path::Body.member("stop");
    let what = "a string or an array of strings";
    if json.get().starts_with('"') {
        return Ok(vec![fields::read::<Str<'a>>(json, &at, what)?.0]);
    }
    let texts: Vec<Str<'a>> = fields::read(json, &at, what)?;
    Ok(texts.into_iter().map(|text| text.0).collect())
}

/// `reasoning_effort`, or what OpenRouter's clients send for it.
fn effort(body: &mut Object<'_, '_>) -> Result<Option<Effort>, Unsupported> {
    let parse = |name: Option<Cow<'_, str>>, at: Path<'_>| {
        let known = |name: Cow<'_, str>| {
            Effort::parse(&name)
                .ok_or_else(|| at.refuse("must be none, minimal, low, medium, high, xhigh or max"))
        };
        name.map(known).transpose()
    };
    let asked = parse(
        body.text("reasoning_effort")?,
        Path::Body.member("reasoning_effort"),
    )?;
    let Some(json) = body.take("reasoning") else {
        return Ok(asked);
    };
    let at = Path::Body.member("reasoning");
    let mut reasoning = Object::read(json, &at)?;
    let also = parse(reasoning.text("effort")?, at.member("effort"))?;
    reasoning.end()?;
    match (asked, also) {
        (Some(one), Some(other)) if one != other => Err(at
            .member("effort")
            .refuse("contradicts reasoning_effort; send one of the two")),
        _ => Ok(asked.or(also)),
    }
}
