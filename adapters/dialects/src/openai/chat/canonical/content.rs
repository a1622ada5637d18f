//! The content of a message: a string, or parts.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::canonical::{Cache, Media, Part, Source, Text, Unsupported};
use crate::fields::{Dropped, Object, Path, elements, read};
use crate::json::{Str, quote};

/// What a message may hold beside text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allow {
    /// Nothing.
    Text,
    /// Refusals; and the content may be missing.
    Refusal,
    /// Images, files and audio.
    Media,
}

/// The `content` of `message`, whose `cache_control`, if it has one of its own,
/// is that of its last part.
pub(super) fn of<'a>(
    message: &mut Object<'_, 'a>,
    at: &Path<'_>,
    allow: Allow,
    dropped: &mut Dropped,
) -> Result<Vec<Part<'a>>, Unsupported> {
    let cache = cache_control(message, at)?;
    let at = at.member("content");
    let mut parts = match message.take("content") {
        None if allow == Allow::Refusal => Vec::new(),
        None => return Err(at.refuse("must be a string or an array of parts")),
        Some(json) => content(json, &at, allow, dropped)?,
    };
    if cache.is_some() {
        match parts.last_mut() {
            Some(Part::Text(text)) => text.cache = cache,
            Some(Part::Media(media)) => media.cache = cache,
            _ => {}
        }
    }
    Ok(parts)
}

fn content<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    allow: Allow,
    dropped: &mut Dropped,
) -> Result<Vec<Part<'a>>, Unsupported> {
    let what = "a string or an array of parts";
    match json.get().as_bytes().first() {
        Some(b'"') => Ok(vec![plain(read::<Str<'a>>(json, at, what)?.0)]),
        Some(b'[') => {
            let parts = elements(json, at)?.into_iter().enumerate();
            parts
                .map(|(index, json)| part(json, &at.element(index), allow, dropped))
                .collect()
        }
        _ => Err(at.refuse(format!("must be {what}"))),
    }
}

pub(in crate::openai) fn plain(text: Cow<'_, str>) -> Part<'_> {
    Part::Text(Text { text, cache: None })
}

fn part<'a>(
    json: &'a RawValue,
    at: &Path<'_>,
    allow: Allow,
    dropped: &mut Dropped,
) -> Result<Part<'a>, Unsupported> {
    let mut part = Object::read(json, at)?;
    let kind = part.needed("type")?;
    let cache = cache_control(&mut part, at)?;
    let read = match (&*kind, allow) {
        ("text", _) => {
            let text = part.text("text")?;
            let text = text.ok_or_else(|| part.refuse("text", "must be a string"))?;
            Part::Text(Text { text, cache })
        }
        ("refusal", Allow::Refusal) => {
            let text = part.text("refusal")?.unwrap_or_default();
            Part::Text(Text { text, cache })
        }
        ("image_url", Allow::Media) => image(&mut part, at, cache, dropped)?,
        ("input_audio", Allow::Media) => audio(&mut part, at, cache)?,
        ("file", Allow::Media) => file(&mut part, at, cache)?,
        (other, _) => {
            let can = match allow {
                Allow::Text => "text",
                Allow::Refusal => "text or refusal",
                Allow::Media => "text, image_url, file or input_audio",
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
    at: &Path<'_>,
    cache: Option<Cache>,
    dropped: &mut Dropped,
) -> Result<Part<'a>, Unsupported> {
    let at = at.member("image_url");
    let json = part.take("image_url");
    let json = json.ok_or_else(|| at.refuse("must be an object with a url"))?;
    let (url, at) = if json.get().starts_with('"') {
        (read::<Str<'a>>(json, &at, "a URL")?.0, at)
    } else {
        let mut image = Object::read(json, &at)?;
        if image.text("detail")?.is_some_and(|detail| detail != "auto") {
            dropped.note("image_url.detail");
        }
        let url = image.needed("url")?;
        image.end()?;
        (url, at.member("url"))
    };
    let is_web = |url: &str| has_prefix(url, "https://") || has_prefix(url, "http://");
    let source = if is_web(&url) {
        Source::Url(url)
    } else {
        let source = data_url(url).filter(|source| is_of(source, &["image/"]));
        source.ok_or_else(|| {
            at.refuse("must be an image: a data: URL in base64 (data:image/png;base64,…) or an http(s) URL")
        })?
    };
    Ok(Part::Media(Media {
        source,
        field: "messages.content.image_url",
        name: None,
        cache,
    }))
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
            media_type: media_type.into(),
            data,
        },
        field: "messages.content.input_audio",
        name: None,
        cache,
    }))
}

fn file<'a>(
    part: &mut Object<'_, 'a>,
    at: &Path<'_>,
    cache: Option<Cache>,
) -> Result<Part<'a>, Unsupported> {
    let at = at.member("file");
    let json = part.take("file");
    let json = json.ok_or_else(|| at.refuse("must be an object with file_data"))?;
    let mut file = Object::read(json, &at)?;
    if file.take("file_id").is_some() {
        let why = "cannot be carried: the file is at OpenAI only; send its content in file_data";
        return Err(file.refuse("file_id", why));
    }
    // Sound and film are priced by their length, which nobody here can tell.
    let document = data_url(file.needed("file_data")?)
        .filter(|source| is_of(source, &["application/", "text/", "image/"]));
    let source = document.ok_or_else(|| {
        file.refuse(
            "file_data",
            "must be a document: a data: URL in base64 (data:application/pdf;base64,…)",
        )
    })?;
    let name = file.text("filename")?;
    file.end()?;
    Ok(Part::Media(Media {
        source,
        field: "messages.content.file",
        name,
        cache,
    }))
}

/// Whether inline media is of one of these kinds.
pub(in crate::openai) fn is_of(source: &Source<'_>, kinds: &[&str]) -> bool {
    match source {
        Source::Base64 { media_type, .. } => kinds.iter().any(|kind| has_prefix(media_type, kind)),
        Source::Url(_) => false,
    }
}

pub(in crate::openai) fn has_prefix(text: &str, prefix: &str) -> bool {
    let start = text.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The media type and the base64 of a data: URL; parameters of the type go.
pub(in crate::openai) fn data_url(url: Cow<'_, str>) -> Option<Source<'_>> {
    if !has_prefix(&url, "data:") {
        return None;
    }
    let comma = memchr::memchr(b',', url.as_bytes())?;
    let mut head = url["data:".len()..comma].split(';');
    let kind = head.next().unwrap_or_default().len();
    if kind == 0 || !head.any(|word| word.trim().eq_ignore_ascii_case("base64")) {
        return None;
    }
    let (media_type, data) = match url {
        Cow::Borrowed(url) => (
            Cow::Borrowed(url["data:".len()..].get(..kind)?),
            Cow::Borrowed(&url[comma + 1..]),
        ),
        Cow::Owned(mut url) => {
            let data = url.split_off(comma + 1);
            let media_type = url["data:".len()..].get(..kind)?.to_owned();
            (Cow::Owned(media_type), Cow::Owned(data))
        }
    };
    Some(Source::Base64 { media_type, data })
}

/// `cache_control` as OpenRouter's and LiteLLM's clients send it.
pub(super) fn cache_control(
    object: &mut Object<'_, '_>,
    at: &Path<'_>,
) -> Result<Option<Cache>, Unsupported> {
    let Some(json) = object.take("cache_control") else {
        return Ok(None);
    };
    let at = at.member("cache_control");
    let mut control = Object::read(json, &at)?;
    if control.needed("type")? != "ephemeral" {
        return Err(control.refuse("type", "must be \"ephemeral\""));
    }
    let cache = match control.text("ttl")?.as_deref() {
        None | Some("5m") => Cache::FiveMinutes,
        Some("1h") => Cache::OneHour,
        Some(_) => return Err(control.refuse("ttl", "must be \"5m\" or \"1h\"")),
    };
    control.end()?;
    Ok(Some(cache))
}
