//! Texts, media, calls and results as blocks.

use serde_json::value::RawValue;

use super::base64;
use super::notes::Notes;
use super::shown;
use super::tools::check_name;
use super::turns::{Message, Piece};
use crate::anthropic::messages::ids;
use crate::canonical::{
    Cache, Media, Part, Reasoning, Role, Source, Text, ToolCall, ToolResult, Unsupported,
};
use crate::json::Writer;

/// Writes `system`: a string when there is nothing to it but one text.
pub(super) fn system(texts: &[Text<'_>], out: &mut Writer, notes: &mut Notes) {
    let said = texts.iter().filter(|text| says_something(text, notes));
    let said: Vec<&Text<'_>> = said.collect();
    match said[..] {
        [] => {}
        [text] if text.cache.is_none() => out.member("system", &text.text),
        _ => {
            out.key("system");
            out.open(b'[');
            for block in said {
                text(&block.text, block.cache, out, notes);
            }
            out.close(b']');
        }
    }
}

/// Anthropic refuses blank texts. One that ends what is to be cached takes that
/// with it.
pub(super) fn says_something(text: &Text<'_>, notes: &mut Notes) -> bool {
    let says = !text.text.trim().is_empty();
    if !says && text.cache.is_some() {
        notes.add("cache_control");
    }
    says
}

/// Writes `messages`.
pub(super) fn messages(
    messages: &[Message<'_>],
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    out.key("messages");
    out.open(b'[');
    for message in messages {
        out.open(b'{');
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        out.member("role", role);
        match message.pieces[..] {
            [Piece::Text(text)] if text.cache.is_none() => out.member("content", &text.text),
            _ => {
                out.key("content");
                out.open(b'[');
                for piece in &message.pieces {
                    block(piece, out, notes)?;
                }
                out.close(b']');
            }
        }
        out.close(b'}');
    }
    out.close(b']');
    Ok(())
}

fn block(piece: &Piece<'_>, out: &mut Writer, notes: &mut Notes) -> Result<(), Unsupported> {
    match piece {
        Piece::Text(block) => text(&block.text, block.cache, out, notes),
        Piece::SystemText(block) => {
            let marked = format!("<system>\n{}\n</system>", block.text);
            text(&marked, block.cache, out, notes);
        }
        Piece::Media(block) => media(block, out, notes)?,
        Piece::Reasoning(block) => reasoning(block, out),
        Piece::Call(block) => call(block, out)?,
        Piece::Result(block) => result(block, out, notes)?,
    }
    Ok(())
}

fn text(text: &str, cached: Option<Cache>, out: &mut Writer, notes: &mut Notes) {
    out.open(b'{');
    out.member("type", "text");
    out.member("text", text);
    cache(cached, out, notes);
    out.close(b'}');
}

/// Writes `cache_control`. An hour's writes cost more than is reckoned for, so
/// five minutes are asked for instead.
pub(super) fn cache(cache: Option<Cache>, out: &mut Writer, notes: &mut Notes) {
    if cache == Some(Cache::OneHour) {
        notes.add("cache_control.ttl: 5m");
    }
    if cache.is_some() {
        out.key("cache_control");
        out.raw(r#"{"type":"ephemeral"}"#);
    }
}

fn media(media: &Media<'_>, out: &mut Writer, notes: &mut Notes) -> Result<(), Unsupported> {
    let refuse = |why: &str| Err(Unsupported::new(media.field, why));
    let kind = match &media.source {
        Source::Url(url) if !is_web(url) => {
            return refuse("Claude fetches https addresses only; send the data itself");
        }
        Source::Url(url) if is_pdf(url) => "document",
        Source::Url(_) => "image",
        Source::Base64 { media_type, .. } => match essence(media_type).as_str() {
            "image/jpeg" | "image/png" | "image/gif" | "image/webp" => "image",
            "application/pdf" | "text/plain" => "document",
            it if it.starts_with("audio/") => {
                return refuse("Claude does not hear; send a transcript as text");
            }
            _ => {
                return refuse(
                    "Claude reads JPEG, PNG, GIF, WebP, PDF and plain text; convert it to one of these",
                );
            }
        },
    };
    out.open(b'{');
    out.member("type", kind);
    if let (Some(name), "document") = (&media.name, kind) {
        out.member("title", name);
    }
    out.key("source");
    out.open(b'{');
    match &media.source {
        Source::Url(url) => {
            out.member("type", "url");
            out.member("url", url);
        }
        Source::Base64 { media_type, data } => {
            let media_type = essence(media_type);
            if media_type == "text/plain" {
                let Some(text) = base64::decode(data) else {
                    return refuse("the text is no base64 of UTF-8; send it as a text part");
                };
                out.member("type", "text");
                out.member("media_type", &media_type);
                out.member("data", &text);
            } else {
                out.member("type", "base64");
                out.member("media_type", &media_type);
                out.member("data", data);
            }
        }
    }
    out.close(b'}');
    cache(media.cache, out, notes);
    out.close(b'}');
    Ok(())
}

/// A media type without parameters, in lower case.
fn essence(media_type: &str) -> String {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn is_web(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|it| it.eq_ignore_ascii_case("https") || it.eq_ignore_ascii_case("http"))
}

/// Nothing but the name tells: a URL comes without its type.
fn is_pdf(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.to_ascii_lowercase().ends_with(".pdf")
}

/// As it came, to the byte: Anthropic checks.
fn reasoning(reasoning: &Reasoning<'_>, out: &mut Writer) {
    out.open(b'{');
    if let Some(data) = &reasoning.encrypted {
        out.member("type", "redacted_thinking");
        out.member("data", data);
    } else {
        out.member("type", "thinking");
        out.member("thinking", &reasoning.text);
        out.member(
            "signature",
            reasoning.signature.as_deref().unwrap_or_default(),
        );
    }
    out.close(b'}');
}

fn call(call: &ToolCall<'_>, out: &mut Writer) -> Result<(), Unsupported> {
    check_name(&call.name, "messages.tool_calls.function.name")?;
    out.open(b'{');
    out.member("type", "tool_use");
    out.member("id", &ids::spell(&call.id));
    out.member("name", &call.name);
    out.key("input");
    out.raw(object(&call.arguments).ok_or_else(|| {
        let name = shown(&call.name);
        let why = format!("the arguments of the call to {name} are not the JSON text of an object");
        Unsupported::new("messages.tool_calls.function.arguments", why)
    })?);
    out.close(b'}');
    Ok(())
}

/// The arguments as they were spelled; without any, `{}`.
fn object(arguments: &str) -> Option<&str> {
    if arguments.trim().is_empty() {
        return Some("{}");
    }
    let object: &RawValue = serde_json::from_str(arguments).ok()?;
    object.get().starts_with('{').then_some(object.get())
}

fn result(result: &ToolResult<'_>, out: &mut Writer, notes: &mut Notes) -> Result<(), Unsupported> {
    out.open(b'{');
    out.member("type", "tool_result");
    out.member("tool_use_id", &ids::spell(&result.id));
    if result.is_error {
        out.key("is_error");
        out.raw("true");
    }
    let mut said = Vec::with_capacity(result.content.len());
    for part in &result.content {
        match part {
            Part::Text(text) if !says_something(text, notes) => {}
            Part::Text(_) | Part::Media(_) => said.push(part),
            _ => {
                let why = "a tool result holds texts and media only";
                return Err(Unsupported::new("messages.content", why));
            }
        }
    }
    match said[..] {
        [] => {}
        [Part::Text(text)] if text.cache.is_none() => out.member("content", &text.text),
        _ => {
            out.key("content");
            out.open(b'[');
            for part in said {
                match part {
                    Part::Text(block) => text(&block.text, block.cache, out, notes),
                    Part::Media(block) => media(block, out, notes)?,
                    _ => {}
                }
            }
            out.close(b']');
        }
    }
    out.close(b'}');
    Ok(())
}
