//! What a model thought, in OpenAI's form, and whose it is.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::canonical::{Maker, Proves, Reasoning, Sealed, Unsupported};
use crate::fields::{Object, Path, elements};

/// What a reasoning item turns out to be.
pub(super) enum Thought<'a> {
    /// A thought.
    Said(Reasoning<'a>),
    /// What another maker signed a call with.
    SignsCall {
        /// The call.
        id: String,
        /// Its signature.
        signature: String,
    },
}

pub(super) fn read<'a>(
    item: &mut Object<'_, 'a>,
    at: &Path<'_>,
) -> Result<Thought<'a>, Unsupported> {
    let summary = texts(item, "summary", at)?;
    let content = texts(item, "content", at)?;
    let text = if summary.is_empty() { content } else { summary };
    let cipher = item.text("encrypted_content")?.filter(|it| !it.is_empty());
    let id = item.text("id")?.filter(|id| !id.is_empty());
    let Some(sealed) = cipher.as_deref().and_then(Sealed::open) else {
        return Ok(Thought::Said(Reasoning {
            text,
            signature: None,
            encrypted: cipher,
            id,
            maker: Maker::OpenAi,
        }));
    };
    let Sealed {
        maker,
        proves,
        id,
        data,
    } = sealed;
    let proof =
        |data: String| Some(Cow::Owned(data)).filter(|data: &Cow<'_, str>| !data.is_empty());
    let mut thought = Reasoning {
        text,
        signature: None,
        encrypted: None,
        id: None,
        maker,
    };
    match (proves, id) {
        (Proves::Call, Some(id)) => {
            let signature = data;
            return Ok(Thought::SignsCall { id, signature });
        }
        (Proves::Cipher, id) => {
            thought.encrypted = proof(data);
            thought.id = id.map(Cow::Owned);
        }
        (Proves::Text | Proves::Call, id) => {
            thought.signature = proof(data);
            thought.id = id.map(Cow::Owned);
        }
    }
    Ok(Thought::Said(thought))
}

/// The texts of a list of parts, as paragraphs.
fn texts<'a>(
    item: &mut Object<'_, 'a>,
    key: &str,
    at: &Path<'_>,
) -> Result<Cow<'a, str>, Unsupported> {
    let Some(json) = item.take(key) else {
        return Ok(Cow::Borrowed(""));
    };
    let at = at.member(key);
    let mut whole: Option<Cow<'a, str>> = None;
    for (index, json) in elements(json, &at)?.into_iter().enumerate() {
        let text = text(json, &at.element(index))?;
        whole = Some(match whole {
            None => text,
            Some(before) => Cow::Owned(format!("{before}\n\n{text}")),
        });
    }
    Ok(whole.unwrap_or_default())
}

fn text<'a>(json: &'a RawValue, at: &Path<'_>) -> Result<Cow<'a, str>, Unsupported> {
    let mut part = Object::read(json, at)?;
    let kind = part.needed("type")?;
    if !matches!(&*kind, "summary_text" | "reasoning_text") {
        return Err(part.refuse("type", "must be summary_text or reasoning_text"));
    }
    let text = part.text("text")?;
    let text = text.ok_or_else(|| part.refuse("text", "must be a string"))?;
    part.end()?;
    Ok(text)
}
