//! What the model said earlier, in the order in which it said it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::content::{cache_control, refuse_kind, text};
use super::string_or;
use crate::anthropic::messages::ids;
use crate::canonical::{Maker, Part, Proves, Reasoning, Sealed, Text, ToolCall, Unsupported};
use crate::fields::{Dropped, Object, Path, elements};

/// The parts of an assistant's message.
pub(super) fn parts<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<Part<'a>>, Unsupported> {
    let blocks = || {
        let mut said = Said::default();
        for (index, json) in elements(json, at)?.into_iter().enumerate() {
            said.block(json, &at.element(index), dropped)?;
        }
        Ok(said.finish(dropped))
    };
    string_or(json, at, |text| vec![Part::Text(text)], blocks)
}

#[derive(Default)]
struct Said<'a> {
    parts: Vec<Part<'a>>,
    /// Gemini's signatures of calls, by the calls' ids.
    signatures: Vec<(String, String)>,
}

impl<'a> Said<'a> {
    fn block(
        &mut self,
        json: &'a RawValue,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<(), Unsupported> {
        let mut block = Object::read(json, at)?;
        let kind = block.needed("type")?;
        let cache = cache_control(&mut block, at, dropped)?;
        match &*kind {
            "text" => {
                let text = text(&mut block, dropped)?;
                self.parts.push(Part::Text(Text { cache, ..text }));
            }
            "thinking" => self.thinking(&mut block)?,
            "redacted_thinking" => self.redacted(&mut block)?,
            "tool_use" => {
                if cache.is_some() {
                    dropped.note("cache_control");
                }
                let call = call(&mut block, at)?;
                self.parts.push(Part::ToolCall(call));
            }
            other => {
                let can = "text, thinking, redacted_thinking or tool_use";
                return Err(refuse_kind(&block, other, can));
            }
        }
        block.end()
    }

    fn thinking(&mut self, block: &mut Object<'_, 'a>) -> Result<(), Unsupported> {
        let text = block.text("thinking")?.unwrap_or_default();
        let signature = block.text("signature")?.filter(|it| !it.is_empty());
        match signature.as_deref().and_then(Sealed::open) {
            Some(sealed) => self.sealed(sealed, text),
            None => self.thought(Reasoning {
                text,
                maker: match signature {
                    Some(_) => Maker::Anthropic,
                    None => Maker::Unknown,
                },
                signature,
                encrypted: None,
                id: None,
            }),
        }
        Ok(())
    }

    fn redacted(&mut self, block: &mut Object<'_, 'a>) -> Result<(), Unsupported> {
        let data = block.needed("data")?;
        match Sealed::open(&data) {
            Some(sealed) => self.sealed(sealed, Cow::Borrowed("")),
            None => self.thought(Reasoning {
                text: Cow::Borrowed(""),
                signature: None,
                encrypted: Some(data),
                id: None,
                maker: Maker::Anthropic,
            }),
        }
        Ok(())
    }

    fn thought(&mut self, reasoning: Reasoning<'a>) {
        self.parts.push(Part::Reasoning(reasoning));
    }

    /// What another maker thought, or signed.
    fn sealed(&mut self, sealed: Sealed, text: Cow<'a, str>) {
        let data = Some(sealed.data).filter(|data| !data.is_empty());
        let (signature, encrypted) = match sealed.proves {
            Proves::Text => (data, None),
            Proves::Cipher => (None, data),
            Proves::Call => {
                let id = sealed.id.unwrap_or_default();
                return self.signatures.push((id, data.unwrap_or_default()));
            }
        };
        self.thought(Reasoning {
            text,
            signature: signature.map(Cow::Owned),
            encrypted: encrypted.map(Cow::Owned),
            id: sealed.id.map(Cow::Owned),
            maker: sealed.maker,
        });
    }

    fn finish(mut self, dropped: &mut Dropped) -> Vec<Part<'a>> {
        for (id, signature) in self.signatures {
            let mut calls = self.parts.iter_mut().filter_map(|part| match part {
                Part::ToolCall(call) => Some(call),
                _ => None,
            });
            match calls.find(|call| call.id == id) {
                Some(call) => call.signature = Some(Cow::Owned(signature)),
                None => dropped.note("messages.content.thinking: the signature of a missing call"),
            }
        }
        self.parts
    }
}

fn call<'a>(block: &mut Object<'_, 'a>, at: &Path<'_>) -> Result<ToolCall<'a>, Unsupported> {
    if let Some(json) = block.take("caller") {
        let at = at.member("caller");
        let mut caller = Object::read(json, &at)?;
        if caller.needed("type")? != "direct" {
            let why = "must be direct: this model's provider runs no code that calls tools";
            return Err(caller.refuse("type", why));
        }
        caller.end()?;
    }
    let input = block.take("input");
    let input = input.filter(|json| json.get().starts_with('{'));
    let input = input.ok_or_else(|| block.refuse("input", "must be an object"))?;
    Ok(ToolCall {
        id: ids::read(block.needed("id")?),
        name: block.needed("name")?,
        arguments: Cow::Borrowed(input.get()),
        signature: None,
    })
}
