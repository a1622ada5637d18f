//! What the model said earlier: thoughts, text and calls, in this order.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::content::{self, Allow, plain};
use crate::canonical::{Maker, Part, Reasoning, ToolCall, Unsupported};
use crate::fields::{Dropped, Object, Path, elements};
use crate::json;

pub(super) fn parts<'a>(
    message: &mut Object<'_, 'a>,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<Part<'a>>, Unsupported> {
    if message.take("audio").is_some() {
        let why = "cannot be carried; send the transcript as content";
        return Err(message.refuse("audio", why));
    }
    if message.take("function_call").is_some() {
        let why = "is deprecated; use tool_calls";
        return Err(message.refuse("function_call", why));
    }
    // What OpenAI's own client has made of the reply, and gives back with it.
    message.take("parsed");
    if message
        .take("annotations")
        .is_some_and(|it| it.get() != "[]")
    {
        dropped.note("messages.annotations");
    }
    let mut texts = content::of(message, at, Allow::Refusal, dropped)?;
    texts.extend(message.text("refusal")?.map(plain));
    let mut calls = Vec::new();
    if let Some(json) = message.take("tool_calls") {
        let at = at.member("tool_calls");
        for (index, json) in elements(json, &at)?.into_iter().enumerate() {
            calls.push(call(json, &at.element(index))?);
        }
    }
    let details = message.take("reasoning_details");
    let thoughts = match details {
        Some(json) => thoughts(json, &at.member("reasoning_details"), &mut calls)?,
        None => Vec::new(),
    };
    for (key, name) in [
        ("reasoning_content", "messages.reasoning_content"),
        ("reasoning", "messages.reasoning"),
    ] {
        let text = message.text(key)?;
        if details.is_none() && text.is_some_and(|text| !text.is_empty()) {
            // Nobody signed it, so no provider takes it back.
            dropped.note(name);
        }
    }
    let thoughts = thoughts.into_iter().map(|it| Part::Reasoning(it.reasoning));
    let calls = calls.into_iter().map(Part::ToolCall);
    Ok(thoughts.chain(texts).chain(calls).collect())
}

fn call<'a>(json: &'a RawValue, at: &Path<'_>) -> Result<ToolCall<'a>, Unsupported> {
    let mut call = Object::read(json, at)?;
    // Where it stood in a stream; some clients leave it in.
    call.take("index");
    if call.text("type")?.is_some_and(|kind| kind != "function") {
        let why = "must be function: this model's provider has no other calls";
        return Err(call.refuse("type", why));
    }
    let id = call.needed("id")?;
    let signature = match call.take("extra_content") {
        Some(json) => google_signature(json, &at.member("extra_content"))?,
        None => None,
    };
    let inner = at.member("function");
    let function = call.take("function");
    let function = function.ok_or_else(|| inner.refuse("must be an object with a name"))?;
    let mut function = Object::read(function, &inner)?;
    // OpenAI's own client leaves its reading of the arguments in.
    function.take("parsed_arguments");
    let name = function.needed("name")?;
    let mut arguments = function.text("arguments")?.unwrap_or_default();
    if arguments.trim().is_empty() {
        arguments = Cow::Borrowed("");
    } else if !arguments.trim_start().starts_with('{') || json::check(arguments.as_bytes()).is_err()
    {
        let why = "must be the JSON text of an object";
        return Err(function.refuse("arguments", why));
    }
    function.end()?;
    call.end()?;
    Ok(ToolCall {
        id,
        name,
        arguments,
        signature,
    })
}

/// `extra_content.google.thought_signature`, as Google's own endpoint for
/// OpenAI's clients spells it.
fn google_signature<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
) -> Result<Option<Cow<'a, str>>, Unsupported> {
    let mut extra = Object::read(json, at)?;
    let inner = at.member("google");
    let signature = match extra.take("google") {
        None => None,
        Some(json) => {
            let mut google = Object::read(json, &inner)?;
            let signature = google.text("thought_signature")?;
            google.end()?;
            signature
        }
    };
    extra.end()?;
    Ok(signature)
}

/// A thought, and which block of the reply it was of.
struct Thought<'a> {
    index: Option<u64>,
    reasoning: Reasoning<'a>,
}

/// `reasoning_details`, as OpenRouter has them. Clients that collect a stream may
/// hold one entry for each of its pieces: neighbours of one `index` are one
/// block, up to and including its signature.
fn thoughts<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    calls: &mut [ToolCall<'a>],
) -> Result<Vec<Thought<'a>>, Unsupported> {
    let ids = calls.iter().enumerate();
    let ids: HashMap<_, _> = ids.map(|(at, call)| (call.id.clone(), at)).collect();
    let mut thoughts: Vec<Thought<'a>> = Vec::new();
    for (index, json) in elements(json, at)?.into_iter().enumerate() {
        let (id, mut thought) = thought(json, &at.element(index))?;
        // Google encrypts no thoughts: what it has are signatures, of a call or
        // of what the model said.
        if thought.reasoning.maker == Maker::Gemini
            && let Some(signature) = thought.reasoning.encrypted.take()
        {
            if let Some(at) = id.and_then(|id| ids.get(&id)) {
                calls[*at].signature.get_or_insert(signature);
                continue;
            }
            thought.reasoning.signature = Some(signature);
        }
        push(&mut thoughts, thought);
    }
    Ok(thoughts)
}

/// One entry, and the id that it names.
fn thought<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
) -> Result<(Option<Cow<'a, str>>, Thought<'a>), Unsupported> {
    let mut entry = Object::read(json, at)?;
    let kind = entry.needed("type")?;
    let format = entry.text("format")?;
    let id = entry.text("id")?;
    let index = entry.typed("index", "a non-negative integer")?;
    let mut reasoning = Reasoning {
        text: Cow::Borrowed(""),
        signature: None,
        encrypted: None,
        id: None,
        maker: format.map_or(Maker::Unknown, |format| maker(&format)),
    };
    match &*kind {
        "reasoning.text" => {
            reasoning.text = entry.text("text")?.unwrap_or_default();
            reasoning.signature = entry.text("signature")?.filter(|it| !it.is_empty());
        }
        "reasoning.summary" => reasoning.text = entry.text("summary")?.unwrap_or_default(),
        "reasoning.encrypted" => reasoning.encrypted = Some(entry.needed("data")?),
        _ => {
            let why = "must be reasoning.text, reasoning.summary or reasoning.encrypted";
            return Err(entry.refuse("type", why));
        }
    }
    entry.end()?;
    Ok((id, Thought { index, reasoning }))
}

/// Whose format this is. OpenAI's own clients join the strings of an entry's
/// pieces, so a name that each of them had comes back several times over.
fn maker(format: &str) -> Maker {
    let signers = [Maker::Anthropic, Maker::Gemini, Maker::OpenAi];
    let mut named = signers.into_iter().filter(|_| !format.is_empty());
    let named = named.find(|maker| format.replace(maker.format(), "").is_empty());
    named.unwrap_or(Maker::Unknown)
}

fn push<'a>(thoughts: &mut Vec<Thought<'a>>, next: Thought<'a>) {
    if let Some(last) = thoughts.last_mut()
        && last.index.is_some()
        && last.index == next.index
        && last.reasoning.maker == next.reasoning.maker
        && last.reasoning.signature.is_none()
        && last.reasoning.encrypted.is_none()
        && next.reasoning.encrypted.is_none()
    {
        last.reasoning.text.to_mut().push_str(&next.reasoning.text);
        last.reasoning.signature = next.reasoning.signature;
    } else {
        thoughts.push(next);
    }
}
