//! A Responses request as the canonical one, for an upstream of another dialect.
//!
//! Strict rather than lossy: what is neither understood nor a harmless hint is
//! refused by the name of its field.

mod content;
mod items;
mod reasoning;
mod tools;

use serde_json::value::RawValue;

use super::ResponsesRequest;
use crate::canonical::{Effort, Request, Text, Unsupported};
use crate::fields::{Dropped, Object, Path};
use crate::json::Str;
use items::Conversation;

/// Hints to a provider that change nothing of what is asked for. `max_tool_calls`
/// is one, since it counts calls of OpenAI's own tools alone.
const HINTS: [&str; 11] = [
    "metadata",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "client_metadata",
    "max_tool_calls",
    "context_management",
    "truncation",
    "background_options",
    "image",
];

impl ResponsesRequest {
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
        hints(&mut body, &mut dropped)?;
        // Read by `parse`.
        for known in ["model", "stream", "max_output_tokens"] {
            body.take(known);
        }
        include(&mut body, &mut dropped)?;

        let instructions = body.text("instructions")?;
        let at = Path::Body.member("input");
        let conversation = match body.take("input") {
            Some(input) => Conversation::read(input, &at, &mut dropped)?,
            None => return Err(at.refuse("must be a string or a non-empty array of items")),
        };
        let leading = instructions.map(|text| Text { text, cache: None });
        let tools = tools::offered(&mut body, &mut dropped)?;
        let tool_choice = tools::choice(&mut body, &tools)?;
        let (effort, show_thoughts) = thinking(&mut body, &mut dropped)?;
        let (user, safety) = (body.text("user")?, body.text("safety_identifier")?);
        let request = Request {
            model: self.facts.model.as_str().into(),
            system: leading
                .into_iter()
                .chain(conversation.dialogue.system)
                .collect(),
            turns: conversation.dialogue.turns,
            tools,
            tool_choice,
            parallel_tool_calls: body.typed("parallel_tool_calls", "true or false")?,
            max_output_tokens: self.facts.output_cap,
            temperature: body.typed("temperature", "a number")?,
            top_p: body.typed("top_p", "a number")?,
            n: 1,
            format: tools::format(&mut body, &mut dropped)?,
            effort,
            show_thoughts,
            user: safety.or(user),
            stream: self.facts.stream,
            dropped: dropped.0,
            ..Request::default()
        };
        body.end()?;
        Ok(request)
    }
}

/// What only OpenAI has, and what is to be done instead.
fn refuse_foreign(body: &mut Object<'_, '_>) -> Result<(), Unsupported> {
    if body.typed("background", "true or false")? == Some(true) {
        return Err(body.refuse(
            "background",
            "must be false: this model's provider answers at once or not at all",
        ));
    }
    if body
        .typed::<u64>("top_logprobs", "a non-negative integer")?
        .is_some_and(|count| count > 0)
    {
        return Err(body.refuse(
            "top_logprobs",
            "cannot be carried: this model's provider tells no log probabilities; leave it out",
        ));
    }
    for (field, why) in [
        (
            "previous_response_id",
            "cannot be carried: the earlier response is at OpenAI only, and the gateway keeps no history; send its items in input",
        ),
        (
            "conversation",
            "cannot be carried: the conversation is at OpenAI only, and the gateway keeps no history; send its items in input",
        ),
        (
            "prompt",
            "cannot be carried: the template is at OpenAI only; send its text in instructions",
        ),
    ] {
        if body.take(field).is_some() {
            return Err(body.refuse(field, why));
        }
    }
    Ok(())
}

fn hints(body: &mut Object<'_, '_>, dropped: &mut Dropped) -> Result<(), Unsupported> {
    for hint in HINTS {
        let default = matches!(hint, "truncation").then_some(r#""disabled""#);
        let said = body.take(hint).map(RawValue::get);
        if said.is_some() && said != default {
            dropped.note(hint);
        }
    }
    // OpenAI keeps what it is not told to forget; nobody else keeps anything.
    if body.typed("store", "true or false")? != Some(false) {
        dropped.note("store");
    }
    let Some(json) = body.take("stream_options") else {
        return Ok(());
    };
    let at = Path::Body.member("stream_options");
    let mut options = Object::read(json, &at)?;
    if options.take("include_obfuscation").is_some() {
        dropped.note("stream_options.include_obfuscation");
    }
    options.end()
}

/// What more is to be told. Enciphered thoughts always are; the rest is of tools
/// that are refused anyway, or of the request itself.
fn include(body: &mut Object<'_, '_>, dropped: &mut Dropped) -> Result<(), Unsupported> {
    let names: Option<Vec<Str<'_>>> = body.typed("include", "an array of strings")?;
    for name in names.unwrap_or_default() {
        match &*name.0 {
            "reasoning.encrypted_content" => {}
            "message.output_text.logprobs" => {
                return Err(body.refuse(
                    "include",
                    "cannot hold message.output_text.logprobs: this model's provider tells no log probabilities; leave it out",
                ));
            }
            _ => dropped.note("include"),
        }
    }
    Ok(())
}

/// `reasoning`: how hard to think, and whether it is shown.
fn thinking(
    body: &mut Object<'_, '_>,
    dropped: &mut Dropped,
) -> Result<(Option<Effort>, Option<bool>), Unsupported> {
    let Some(json) = body.take("reasoning") else {
        return Ok((None, None));
    };
    let at = Path::Body.member("reasoning");
    let mut reasoning = Object::read(json, &at)?;
    let effort = match reasoning.text("effort")? {
        None => None,
        Some(name) => Some(Effort::parse(&name).ok_or_else(|| {
            let why = "must be none, minimal, low, medium, high, xhigh or max";
            reasoning.refuse("effort", why)
        })?),
    };
    let old_name = reasoning.text("generate_summary")?;
    let summary = reasoning.text("summary")?.or(old_name);
    if reasoning
        .text("context")?
        .is_some_and(|context| context != "auto")
    {
        dropped.note("reasoning.context");
    }
    if reasoning
        .text("mode")?
        .is_some_and(|mode| mode != "standard")
    {
        let why = "must be standard: this model's provider has no other modes";
        return Err(reasoning.refuse("mode", why));
    }
    reasoning.end()?;
    Ok((effort, summary.map(|_| true)))
}
