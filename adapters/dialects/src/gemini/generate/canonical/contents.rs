//! `systemInstruction` and `contents` into system texts and turns.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::calls::Calls;
use super::media;
use crate::canonical::{
    Dialogue, Maker, Part, Proves, Reasoning, Role, Sealed, Text, ToolCall, ToolResult, Unsupported,
};
use crate::fields::{Dropped, Path, read};
use crate::gemini::fields::{Field, Object, list, standard};
use crate::json::{Str, quote};

/// The texts of `systemInstruction`.
pub(super) fn system<'a>(
    body: &mut Object<'_, 'a>,
    at: &Path<'_>,
) -> Result<Vec<Text<'a>>, Unsupported> {
    let Some(field) = body.take("systemInstruction") else {
        return Ok(Vec::new());
    };
    let at = at.member(&field.key);
    let mut content = Object::read(field.json, &at)?;
    content.take("role");
    let mut texts = Vec::new();
    if let Some(parts) = content.take("parts") {
        for (at, json) in list(parts.json, &at.member(&parts.key))? {
            let mut part = Object::read(json, &at)?;
            let text = part.text("text")?;
            let text = text.ok_or_else(|| part.refuse("text", "must be a string"))?;
            texts.push(Text { text, cache: None });
            part.end()?;
        }
    }
    content.end()?;
    Ok(texts)
}

/// The contents, in the canonical order.
#[derive(Default)]
pub(super) struct Conversation<'a> {
    pub dialogue: Dialogue<'a>,
    calls: Calls<'a>,
    /// Pieces of a thought whose signature has not come.
    thought: Option<Cow<'a, str>>,
}

impl<'a> Conversation<'a> {
    pub(super) fn read(
        body: &mut Object<'_, 'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<Self, Unsupported> {
        let mut conversation = Self::default();
        let Some(contents) = body.take("contents") else {
            return Err(body.refuse("contents", "must be a non-empty array"));
        };
        for (at, json) in list(contents.json, &at.member(&contents.key))? {
            conversation.content(Object::read(json, &at)?, &at, dropped)?;
        }
        conversation.settle(dropped);
        conversation.dialogue.settle();
        Ok(conversation)
    }

    fn content(
        &mut self,
        mut content: Object<'_, 'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<(), Unsupported> {
        let role = match content.text("role")? {
            None => Role::User,
            Some(role) => match &*role.to_ascii_lowercase() {
                "user" | "function" => Role::User,
                "model" => Role::Assistant,
                _ => return Err(content.refuse("role", "must be user or model")),
            },
        };
        if let Some(parts) = content.take("parts") {
            for (at, json) in list(parts.json, &at.member(&parts.key))? {
                self.part(role, Object::read(json, &at)?, &at, dropped)?;
            }
        }
        content.end()
    }

    fn part(
        &mut self,
        role: Role,
        mut part: Object<'_, 'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<(), Unsupported> {
        if part.take("partMetadata").is_some() {
            dropped.note("contents.parts.partMetadata");
        }
        let thought = part.typed("thought", "true or false")? == Some(true);
        let signature = part.text("thoughtSignature")?.map(standard);
        let signature = signature.filter(|it| !it.is_empty());
        if thought && role == Role::Assistant {
            let text = part.text("text")?.unwrap_or_default();
            self.thought(text, signature);
            return part.end();
        }
        self.settle(dropped);
        if let Some(field) = part.take("functionCall") {
            let call = self.call(role, &field, &at.member(&field.key), signature, dropped)?;
            self.say(role, Part::ToolCall(call));
        } else if let Some(field) = part.take("functionResponse") {
            let result = self.result(&field, &at.member(&field.key), dropped)?;
            self.say(Role::User, Part::ToolResult(result));
        } else if let Some(media) = media::of(&mut part, at, dropped)? {
            if role == Role::Assistant {
                let why = "cannot hold media of the model's: only Gemini draws and speaks";
                return Err(at.refuse(why));
            }
            self.say(role, Part::Media(media));
        } else if let Some(text) = part.text("text")? {
            self.say(role, Part::Text(Text { text, cache: None }));
            if let Some(signature) = signature {
                self.signed_text(signature, dropped);
            }
        } else if thought {
            return Err(part.refuse("thought", "can only be the model's"));
        } else {
            part.end()?;
            return Err(at.refuse("must hold text, a function call, its response or media"));
        }
        part.end()
    }

    /// Takes a piece of a thought. Clients that stream give each piece back by
    /// itself, and the signature, which proves all of them, with the last.
    fn thought(&mut self, text: Cow<'a, str>, signature: Option<Cow<'a, str>>) {
        let text = match self.thought.take() {
            Some(begun) if text.is_empty() => begun,
            Some(mut begun) => {
                begun.to_mut().push_str(&text);
                begun
            }
            None => text,
        };
        match signature {
            None => self.thought = Some(text),
            Some(signature) => {
                let reasoning = reasoning(text, signature);
                self.say(Role::Assistant, Part::Reasoning(reasoning));
            }
        }
    }

    /// A thought that nobody signed: no provider takes it back.
    fn settle(&mut self, dropped: &mut Dropped) {
        if self.thought.take().is_some_and(|text| !text.is_empty()) {
            dropped.note("contents.parts.thought");
        }
    }

    /// Gemini signs what it says too; it takes that back with an empty part.
    fn signed_text(&mut self, signature: Cow<'a, str>, dropped: &mut Dropped) {
        if Sealed::open(&signature).is_some() {
            dropped.note("contents.parts.thoughtSignature");
        } else {
            let reasoning = reasoning("".into(), signature);
            self.say(Role::Assistant, Part::Reasoning(reasoning));
        }
    }

    fn say(&mut self, role: Role, part: Part<'a>) {
        self.dialogue.say(role, vec![part]);
    }

    fn call(
        &mut self,
        role: Role,
        field: &Field<'a>,
        at: &Path<'_>,
        signature: Option<Cow<'a, str>>,
        dropped: &mut Dropped,
    ) -> Result<ToolCall<'a>, Unsupported> {
        if role != Role::Assistant {
            return Err(at.refuse("can only be the model's"));
        }
        let mut call = Object::read(field.json, at)?;
        let name = call.needed("name")?;
        let id = call.text("id")?.filter(|id| !id.is_empty());
        let arguments = match call.take("args") {
            None => Cow::Borrowed(""),
            Some(args) if args.json.get().starts_with('{') => args.json.get().into(),
            Some(_) => return Err(call.refuse("args", "must be an object")),
        };
        call.end()?;
        let signature = signature.and_then(|it| match Sealed::open(&it) {
            None => Some(it),
            Some(seal) if seal.maker == Maker::Gemini => Some(seal.data.into()),
            Some(_) => {
                dropped.note("contents.parts.thoughtSignature");
                None
            }
        });
        Ok(ToolCall {
            id: self.calls.call(id, &name),
            name,
            arguments,
            signature,
        })
    }

    fn result(
        &mut self,
        field: &Field<'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<ToolResult<'a>, Unsupported> {
        let mut result = Object::read(field.json, at)?;
        let name = result.needed("name")?;
        let id = result.text("id")?.filter(|id| !id.is_empty());
        let Some(id) = self.calls.answer(id, &name) else {
            let shown: String = name.chars().take(64).collect();
            let why = format!(
                "answers no functionCall of {} that waits for an answer; \
                 send the content with the call before it",
                quote(&shown)
            );
            return Err(at.refuse(why));
        };
        if result.typed("willContinue", "true or false")? == Some(true) {
            let why = "cannot be carried: other providers take one answer to a call";
            return Err(result.refuse("willContinue", why));
        }
        let (text, is_error) = match result.take("response") {
            Some(response) => said(response.json, &at.member(&response.key))?,
            None => ("".into(), false),
        };
        let mut content = vec![Part::Text(Text { text, cache: None })];
        if let Some(parts) = result.take("parts") {
            for (at, json) in list(parts.json, &at.member(&parts.key))? {
                let mut part = Object::read(json, &at)?;
                let media = media::of(&mut part, &at, dropped)?;
                part.end()?;
                let media = media.ok_or_else(|| at.refuse("must hold media"))?;
                content.push(Part::Media(media));
            }
        }
        result.end()?;
        Ok(ToolResult {
            id,
            content,
            is_error,
        })
    }
}

/// Whose thought it is: Gemini's own, unless its signature is a seal.
fn reasoning<'a>(text: Cow<'a, str>, signature: Cow<'a, str>) -> Reasoning<'a> {
    let (maker, id, signature, encrypted) = match Sealed::open(&signature) {
        None => (Maker::Gemini, None, Some(signature), None),
        Some(seal) => {
            let data = Some(Cow::Owned(seal.data));
            let (signature, encrypted) = match seal.proves {
                Proves::Cipher => (None, data),
                Proves::Text | Proves::Call => (data, None),
            };
            (seal.maker, seal.id.map(Cow::Owned), signature, encrypted)
        }
    };
    Reasoning {
        text,
        signature,
        encrypted,
        id,
        maker,
    }
}

/// What a function said, and whether it failed. A response must be an object
/// there, so a text is the one member of it, by one of these names; any other is
/// told as it was spelled.
fn said<'a>(response: &'a RawValue, at: &Path<'_>) -> Result<(Cow<'a, str>, bool), Unsupported> {
    let members: BTreeMap<Str<'a>, &'a RawValue> = read(response, at, "an object")?;
    let mut rest = members.into_iter();
    let (Some((name, json)), None) = (rest.next(), rest.next()) else {
        return Ok((response.get().into(), false));
    };
    let text = serde_json::from_str::<Str<'a>>(json.get());
    Ok(match (&*name.0, text) {
        ("result" | "output", Ok(text)) => (text.0, false),
        ("error", Ok(text)) => (text.0, true),
        (name, _) => {
            let failed = name == "error" && json.get().starts_with(['{', '[']);
            (response.get().into(), failed)
        }
    })
}
