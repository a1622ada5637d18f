//! Texts, images and documents.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::string_or;
use crate::anthropic::messages::{ids, media};
use crate::canonical::{Cache, Media, Part, Source, Text, ToolResult, Unsupported};
use crate::fields::{Dropped, Object, Path, elements};
use crate::json::quote;

/// Where a content is, and so what it may hold beside text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Nothing.
    System,
    /// Images, documents and results of tools.
    User,
    /// Images, documents and names of tools.
    Result,
    /// Images.
    Document,
}

/// What a refusal says that media came in.
const FIELD: &str = "messages.content.source";

/// A string or blocks of text.
pub(super) fn texts<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<Text<'a>>, Unsupported> {
    Ok(only_texts(of(json, at, Inside::System, dropped)?))
}

pub(super) fn only_texts(parts: Vec<Part<'_>>) -> Vec<Text<'_>> {
    let texts = parts.into_iter().filter_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

/// A string or blocks.
pub(super) fn of<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    inside: Inside,
    dropped: &mut Dropped,
) -> Result<Vec<Part<'a>>, Unsupported> {
    let blocks = || {
        let mut parts = Vec::new();
        for (index, json) in elements(json, at)?.into_iter().enumerate() {
            block(json, &at.element(index), inside, dropped, &mut parts)?;
        }
        Ok(parts)
    };
    string_or(json, at, |text| vec![Part::Text(text)], blocks)
}

/// One block, as parts.
pub(super) fn block<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    inside: Inside,
    dropped: &mut Dropped,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), Unsupported> {
    let mut block = Object::read(json, at)?;
    let kind = block.needed("type")?;
    let cache = cache_control(&mut block, at, dropped)?;
    let before = parts.len();
    match (&*kind, inside) {
        ("text", _) => parts.push(Part::Text(text(&mut block, dropped)?)),
        ("image", Inside::User | Inside::Result | Inside::Document) => {
            parts.push(image(&mut block, at, dropped)?);
        }
        ("document", Inside::User | Inside::Result) => document(&mut block, at, dropped, parts)?,
        ("tool_result", Inside::User) => parts.push(result(&mut block, at, dropped)?),
        ("tool_reference", Inside::Result) => {
            dropped.note("messages.content.tool_reference: sent as text");
            let text = block.needed("tool_name")?;
            parts.push(Part::Text(Text { text, cache: None }));
        }
        (other, _) => {
            let can = match inside {
                Inside::System => "text",
                Inside::User => "text, image, document or tool_result",
                Inside::Result => "text, image or document",
                Inside::Document => "text or image",
            };
            return Err(refuse_kind(&block, other, can));
        }
    }
    block.end()?;
    match parts[before..].last_mut() {
        Some(last) if cache.is_some() => mark(last, cache, dropped),
        _ => {}
    }
    Ok(())
}

pub(super) fn refuse_kind(block: &Object<'_, '_>, kind: &str, can: &str) -> Unsupported {
    let shown = quote(&kind.chars().take(64).collect::<String>());
    let why = format!("cannot be {shown} at the provider of this model; send {can}");
    block.refuse("type", why)
}

/// Ends what is to be cached with `part`.
fn mark(part: &mut Part<'_>, cache: Option<Cache>, dropped: &mut Dropped) {
    match part {
        Part::Text(text) => text.cache = cache,
        Part::Media(media) => media.cache = cache,
        Part::ToolResult(result) => match result.content.last_mut() {
            Some(last) => mark(last, cache, dropped),
            None => dropped.note("cache_control"),
        },
        Part::Reasoning(_) | Part::ToolCall(_) => dropped.note("cache_control"),
    }
}

/// `cache_control`: a hint, of which only the time to live is known elsewhere.
pub(super) fn cache_control(
    object: &mut Object<'_, '_>,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Option<Cache>, Unsupported> {
    let Some(json) = object.take("cache_control") else {
        return Ok(None);
    };
    let at = at.member("cache_control");
    let mut control = Object::read(json, &at)?;
    control.needed("type")?;
    let cache = match control.text("ttl")?.as_deref() {
        Some("1h") => Cache::OneHour,
        _ => Cache::FiveMinutes,
    };
    if control.end().is_err() {
        dropped.note("cache_control");
    }
    Ok(Some(cache))
}

pub(super) fn text<'a>(
    block: &mut Object<'_, 'a>,
    dropped: &mut Dropped,
) -> Result<Text<'a>, Unsupported> {
    if block.take("citations").is_some_and(|it| it.get() != "[]") {
        dropped.note("messages.content.citations");
    }
    let text = block.text("text")?;
    let text = text.ok_or_else(|| block.refuse("text", "must be a string"))?;
    Ok(Text { text, cache: None })
}

fn image<'a>(
    block: &mut Object<'_, 'a>,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Part<'a>, Unsupported> {
    if block.take("transformations").is_some() {
        dropped.note("messages.content.transformations");
    }
    let at = at.member("source");
    let mut source = source(block, &at)?;
    let kind = source.needed("type")?;
    let read = match &*kind {
        "base64" => base64(&mut source, "image/")?,
        "url" => Source::Url(source.needed("url")?),
        _ => return Err(refuse_source(&source, &kind, "base64 or url")),
    };
    source.end()?;
    Ok(inline(read, None))
}

/// A document in the parts that other providers have: what is said about it goes
/// before it.
fn document<'a>(
    block: &mut Object<'_, 'a>,
    at: &Path<'_>,
    dropped: &mut Dropped,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), Unsupported> {
    citations(block, at)?;
    let title = block.text("title")?.filter(|it| !it.is_empty());
    let context = block.text("context")?.filter(|it| !it.is_empty());
    let at = at.member("source");
    let mut source = source(block, &at)?;
    let kind = source.needed("type")?;
    let named = matches!(&*kind, "base64" | "url");
    let mut said = |text: Option<Cow<'a, str>>, note| {
        if let Some(text) = text {
            dropped.note(note);
            parts.push(Part::Text(Text { text, cache: None }));
        }
    };
    let name = if named {
        title
    } else {
        said(title, "messages.content.title: sent as text");
        None
    };
    said(context, "messages.content.context: sent as text");
    match &*kind {
        "base64" => parts.push(inline(base64(&mut source, "application/")?, name)),
        "url" => {
            let url = source.needed("url")?;
            if !media::is_pdf(&url) {
                let why = "must end in .pdf: nothing else tells other providers that it is a document; or send it in base64";
                return Err(source.refuse("url", why));
            }
            parts.push(inline(Source::Url(url), name));
        }
        "text" => {
            source.take("media_type");
            let text = source.needed("data")?;
            parts.push(Part::Text(Text { text, cache: None }));
        }
        "content" => {
            let at = at.member("content");
            let json = source.take("content");
            let json = json.ok_or_else(|| at.refuse("must be a string or an array of blocks"))?;
            parts.extend(of(json, &at, Inside::Document, dropped)?);
        }
        _ => {
            return Err(refuse_source(
                &source,
                &kind,
                "base64, url, text or content",
            ));
        }
    }
    source.end()
}

/// Who asks for citations waits for them in the answer.
fn citations(block: &mut Object<'_, '_>, at: &Path<'_>) -> Result<(), Unsupported> {
    let at = at.member("citations");
    let Some(json) = block.take("citations") else {
        return Ok(());
    };
    let mut citations = Object::read(json, &at)?;
    if citations.typed("enabled", "true or false")? == Some(true) {
        let why = "must be false: this model's provider cites nothing; leave citations out";
        return Err(citations.refuse("enabled", why));
    }
    citations.end()
}

fn source<'p, 'a>(
    block: &mut Object<'_, 'a>,
    at: &'p Path<'p>,
) -> Result<Object<'p, 'a>, Unsupported> {
    let source = block.take("source");
    Object::read(
        source.ok_or_else(|| at.refuse("must be an object with a type"))?,
        at,
    )
}

fn refuse_source(source: &Object<'_, '_>, kind: &str, can: &str) -> Unsupported {
    match kind {
        "file" => source.refuse(
            "type",
            "cannot be file: the file is at Anthropic only; send its content in base64",
        ),
        _ => source.refuse("type", format!("must be {can}")),
    }
}

fn base64<'a>(source: &mut Object<'_, 'a>, kinds: &str) -> Result<Source<'a>, Unsupported> {
    let media_type = source.needed("media_type")?;
    if !media_type.starts_with(kinds) {
        let why = format!("must begin with {kinds} here");
        return Err(source.refuse("media_type", why));
    }
    let data = source.needed("data")?;
    Ok(Source::Base64 { media_type, data })
}

fn inline<'a>(source: Source<'a>, name: Option<Cow<'a, str>>) -> Part<'a> {
    Part::Media(Media {
        source,
        field: FIELD,
        name,
        cache: None,
    })
}

fn result<'a>(
    block: &mut Object<'_, 'a>,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Part<'a>, Unsupported> {
    let id = ids::read(block.needed("tool_use_id")?);
    let at = at.member("content");
    let content = match block.take("content") {
        Some(json) => of(json, &at, Inside::Result, dropped)?,
        None => Vec::new(),
    };
    let is_error = block.typed("is_error", "true or false")?;
    Ok(Part::ToolResult(ToolResult {
        id,
        content,
        is_error: is_error.unwrap_or(false),
    }))
}
