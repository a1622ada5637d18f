//! A request as the canonical one, for an upstream of another dialect.
//!
//! Strict rather than lossy: what is neither understood nor a harmless hint is
//! refused by the name of its field.

mod assistant;
mod content;
mod messages;
mod thinking;
mod tools;

use std::borrow::Cow;

use serde_json::value::RawValue;

use self::messages::Conversation;
use self::thinking::{Answer, Thinking};
use super::MessagesRequest;
use crate::canonical::{Request, Text, Unsupported};
use crate::fields::{Dropped, Object, Path, read};
use crate::json::Str;

/// Hints to Anthropic that change nothing of what is asked for; the last three
/// are headers elsewhere.
const HINTS: [&str; 9] = [
    "cache_control",
    "context_management",
    "diagnostics",
    "fallback_credit_token",
    "service_tier",
    "user_profile_id",
    "anthropic_beta",
    "anthropic_version",
    "betas",
];

impl MessagesRequest {
    /// What the request asks for, whatever provider it goes to. Texts and media
    /// are borrowed from the body.
    ///
    /// # Errors
    /// [`Unsupported`] names the first field that no other dialect can carry, or
    /// that is not what Anthropic's documentation says it is.
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
        if body.text("speed")?.is_some_and(|speed| speed != "standard") {
            dropped.note("speed");
        }
        // Read by `parse`.
        for known in ["model", "stream", "max_tokens"] {
            body.take(known);
        }
        let mut system = system(&mut body, &mut dropped)?;
        let at = Path::Body.member("messages");
        let conversation = match body.take("messages") {
            Some(messages) => Conversation::read(messages, &at, &mut dropped)?,
            None => return Err(at.refuse("must be a non-empty array")),
        };
        system.extend(conversation.dialogue.system);
        let tools = tools::offered(&mut body, conversation.changes, &mut dropped)?;
        let (tool_choice, parallel_tool_calls) = tools::choice(&mut body, &tools)?;
        let Answer { format, effort } = Answer::read(&mut body, &mut dropped)?;
        let effort = conversation.effort.or(effort);
        let thinking = Thinking::read(&mut body, effort, &mut dropped)?;
        let request = Request {
            model: self.facts.model.as_str().into(),
            system,
            turns: conversation.dialogue.turns,
            tools,
            tool_choice,
            parallel_tool_calls,
            max_output_tokens: self.facts.output_cap,
            stop: stop(&mut body)?,
            temperature: body.typed("temperature", "a number")?,
            top_p: body.typed("top_p", "a number")?,
            top_k: body.typed("top_k", "a non-negative integer")?,
            n: 1,
            format,
            effort: thinking.effort,
            thinking_budget: thinking.budget,
            show_thoughts: thinking.show,
            user: user(&mut body)?,
            stream: self.facts.stream,
            dropped: dropped.0,
            ..Request::default()
        };
        body.end()?;
        Ok(request)
    }
}

/// What only Anthropic has, and what is to be done instead.
fn refuse_foreign(body: &mut Object<'_, '_>) -> Result<(), Unsupported> {
    let servers: Option<Vec<&RawValue>> = body.typed("mcp_servers", "an array")?;
    if servers.is_some_and(|servers| !servers.is_empty()) {
        return Err(body.refuse(
            "mcp_servers",
            "cannot be carried: MCP servers are called from Anthropic only; offer their tools as tools",
        ));
    }
    for (field, why) in [
        (
            "container",
            "cannot be carried: containers and skills are at Anthropic only; leave it out",
        ),
        (
            "thread",
            "cannot be carried: the conversation is at Anthropic only; send all of its messages",
        ),
        (
            "compaction",
            "cannot be carried: conversations are compacted at Anthropic only; ask for a summary in a message",
        ),
        (
            "inference_geo",
            "cannot be carried: this model's provider is told no region; leave it out, or choose a model whose route is in that region",
        ),
    ] {
        if body.take(field).is_some() {
            return Err(body.refuse(field, why));
        }
    }
    Ok(())
}

fn system<'a>(
    body: &mut Object<'_, 'a>,
    dropped: &mut Dropped,
) -> Result<Vec<Text<'a>>, Unsupported> {
    let at = Path::Body.member("system");
    match body.take("system") {
        Some(json) => content::texts(json, &at, dropped),
        None => Ok(Vec::new()),
    }
}

fn stop<'a>(body: &mut Object<'_, 'a>) -> Result<Vec<Cow<'a, str>>, Unsupported> {
    let texts: Option<Vec<Str<'a>>> = body.typed("stop_sequences", "an array of strings")?;
    Ok(texts.into_iter().flatten().map(|text| text.0).collect())
}

fn user<'a>(body: &mut Object<'_, 'a>) -> Result<Option<Cow<'a, str>>, Unsupported> {
    let at = Path::Body.member("metadata");
    let Some(json) = body.take("metadata") else {
        return Ok(None);
    };
    let mut metadata = Object::read(json, &at)?;
    let user = metadata.text("user_id")?;
    metadata.end()?;
    Ok(user)
}

/// A string, or what `other` makes of an array.
fn string_or<'a, T>(
    json: &'a RawValue,
    at: &Path<'_>,
    string: impl FnOnce(Text<'a>) -> T,
    other: impl FnOnce() -> Result<T, Unsupported>,
) -> Result<T, Unsupported> {
    let what = "a string or an array of blocks";
    match json.get().as_bytes().first() {
        Some(b'"') => {
            let text = read::<Str<'a>>(json, at, what)?.0;
            Ok(string(Text { text, cache: None }))
        }
        Some(b'[') => other(),
        _ => Err(at.refuse(format!("must be {what}"))),
    }
}
