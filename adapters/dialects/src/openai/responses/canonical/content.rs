//! What an item says: a string, or parts.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::canonical::{Cache, Media, Part, Source, Text, Unsupported};
use crate::fields::{Dropped, Object, Path, elements, read};
use crate::json::{Str, quote};
use crate::openai::chat::canonical::content::{data_url, has_prefix, is_of, plain};

/// Who says it, and so what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Text.
    System,
    /// Text and media; tools too.
    User,
    /// Text and refusals.
    Assistant,
}

/// The member `key` of `item`.
pub(super) fn of<'a>(
    item: &mut Object<'_, 'a>,
    key: &str,
    at: &Path<'_>,
    speaker: Speaker,
    dropped: &mut Dropped,
) -> Result<Vec<Part<'a>>, Unsupported> {
    let at = at.member(key);
    let what = "a string or an array of parts";
    let json = item.take(key);
    let json = json.ok_or_else(|| at.refuse(format!("must be {what}")))?;
    match json.get().as_bytes().first() {
        Some(b'"') => Ok(vec![plain(read::<Str<'a>>(json, &at, what)?.0)]),
        Some(b'[') => {
            let parts = elements(json, &at)?.into_iter().enumerate();
            parts
                .map(|(index, json)| part(json, &at.element(index), speaker, dropped))
                .collect()
        }
        _ => Err(at.refuse(format!("must be {what}"))),
    }
}

fn part<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    speaker: Speaker,
    dropped: &mut Dropped,
) -> Result<Part<'a>, Unsupported> {
    let mut part = Object::read(json, at)?;
    let kind = part.needed("type")?;
    let cache = cache(&mut part, at)?;
    let read = match (&*kind, speaker) {
        ("input_text" | "output_text" | "text", _) => {
            let text = part.text("text")?;
            let text = text.ok_or_else(|| part.refuse("text", "must be a string"))?;
            for (key, name) in [
                ("annotations", "input.content.annotations"),
                ("logprobs", "input.content.logprobs"),
            ] {
                if part.take(key).is_some_and(|json| json.get() != "[]") {
                    dropped.note(name);
                }
            }
            Part::Text(Text { text, cache })
        }
        ("refusal", Speaker::Assistant) => {
            let text = part.text("refusal")?.unwrap_or_default();
            Part::Text(Text { text, cache })
        }
        ("input_image", Speaker::User) => image(&mut part, cache, dropped)?,
        ("input_file", Speaker::User) => file(&mut part, cache, dropped)?,
        ("input_audio", Speaker::User) => audio(&mut part, at, cache)?,
        (other, _) => {
            let can = match speaker {
                Speaker::System => "input_text",
                Speaker::Assistant => "output_text or refusal",
                Speaker::User => "input_text, input_image, input_file or input_audio",
            };
            let shown: String = other.chars().take(64).collect();
            let why = format!("cannot be {} here; send {can}", quote(&shown));
            return Err(part.refuse("type", why));
        }
    };
    part.end()?;
    Ok(read)
}

fn image<'a>(
    part: &mut Object<'_, 'a>,
    cache: Option<Cache>,
    dropped: &mut Dropped,
) -> Result<Part<'a>, Unsupported> {
    by_id(part, "send the image in image_url")?;
    if part.text("detail")?.is_some_and(|detail| detail != "auto") {
        dropped.note("input.content.detail");
    }
    let url = part.needed("image_url")?;
    let source = if is_web(&url) {
        Source::Url(url)
    } else {
        let source = data_url(url).filter(|source| is_of(source, &["image/"]));
        source.ok_or_else(|| {
            part.refuse("image_url", "must be an image: a data: URL in base64 (data:image/png;base64,…) or an http(s) URL")
        })?
    };
    Ok(Part::Media(Media {
        source,
        field: "input.content.image_url",
        name: None,
        cache,
    }))
}

fn file<'a>(
    part: &mut Object<'_, 'a>,
    cache: Option<Cache>,
    dropped: &mut Dropped,
) -> Result<Part<'a>, Unsupported> {
    by_id(part, "send its content in file_data")?;
    if part.text("detail")?.is_some_and(|detail| detail != "auto") {
        dropped.note("input.content.detail");
    }
    let name = part.text("filename")?;
    let (source, field) = match part.text("file_url")? {
        Some(url) if is_web(&url) && is_pdf(&url) => (Source::Url(url), "input.content.file_url"),
        Some(_) => {
            let why = "must be the http(s) URL of a .pdf: nobody else takes other files from where they are; send the content in file_data";
            return Err(part.refuse("file_url", why));
        }
        None => (document(part)?, "input.content.file_data"),
    };
    Ok(Part::Media(Media {
        source,
        field,
        name,
        cache,
    }))
}

/// Sound and film are priced by their length, which nobody here can tell.
fn document<'a>(part: &mut Object<'_, 'a>) -> Result<Source<'a>, Unsupported> {
    let source = data_url(part.needed("file_data")?);
    let source = source.filter(|source| is_of(source, &["application/", "text/", "image/"]));
    source.ok_or_else(|| {
        part.refuse(
            "file_data",
            "must be a document: a data: URL in base64 (data:application/pdf;base64,…)",
        )
    })
}

fn audio<'a>(
    part: &mut Object<'_, 'a>,
    at: &Path<'_>,
    cache: Option<Cache>,
) -> Result<Part<'a>, Unsupported> {
    let at = at.member("input_audio");
    let json = part.take("input_audio");
    let json = json.ok_or_else(|| at.refuse("must be an object with data and format"))?;
    let mut audio = Object::read(json, &at)?;
    let data = audio.needed("data")?;
    let media_type = match &*audio.needed("format")? {
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        _ => return Err(audio.refuse("format", "must be wav or mp3")),
    };
    audio.end()?;
    Ok(Part::Media(Media {
        source: Source::Base64 {
            media_type: Cow::Borrowed(media_type),
            data,
        },
        field: "input.content.input_audio",
        name: None,
        cache,
    }))
}

fn by_id(part: &mut Object<'_, '_>, mend: &str) -> Result<(), Unsupported> {
    if part.take("file_id").is_none() {
        return Ok(());
    }
    let why = format!("cannot be carried: the file is at OpenAI only; {mend}");
    Err(part.refuse("file_id", why))
}

fn is_web(url: &str) -> bool {
    has_prefix(url, "https://") || has_prefix(url, "http://")
}

fn is_pdf(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let end = path.len().checked_sub(4).and_then(|at| path.get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(".pdf"))
}

/// `prompt_cache_breakpoint`. A time that is asked for is longer than the default
/// of others, so it becomes their longer one.
fn cache(part: &mut Object<'_, '_>, at: &Path<'_>) -> Result<Option<Cache>, Unsupported> {
    let Some(json) = part.take("prompt_cache_breakpoint") else {
        return Ok(None);
    };
    let at = at.member("prompt_cache_breakpoint");
    let mut mark = Object::read(json, &at)?;
    if mark.needed("mode")? != "explicit" {
        return Err(mark.refuse("mode", "must be explicit"));
    }
    let ttl = mark.text("ttl")?;
    mark.end()?;
    Ok(Some(ttl.map_or(Cache::FiveMinutes, |_| Cache::OneHour)))
}
