//! Media of a part, or of a function's response.

use crate::canonical::{Media, Source, Unsupported};
use crate::fields::{Dropped, Path};
use crate::gemini::fields::{Field, Object, standard};

/// The media in `part`, if that is what it holds.
pub(super) fn of<'a>(
    part: &mut Object<'_, 'a>,
    at: &Path<'_>,
    dropped: &mut Dropped,
) -> Result<Option<Media<'a>>, Unsupported> {
    // How finely it is looked at.
    if part.take("mediaResolution").is_some() {
        dropped.note("contents.parts.mediaResolution");
    }
    if let Some(field) = part.take("inlineData") {
        return inline(&field, &at.member(&field.key)).map(Some);
    }
    match part.take("fileData") {
        Some(field) => file(&field, &at.member(&field.key)).map(Some),
        None => Ok(None),
    }
}

fn inline<'a>(field: &Field<'a>, at: &Path<'_>) -> Result<Media<'a>, Unsupported> {
    let mut blob = Object::read(field.json, at)?;
    let media_type = blob.needed("mimeType")?;
    // Its price is a matter of its length, which nobody here can tell.
    let known = ["image/", "audio/", "application/", "text/"];
    if !known.iter().any(|kind| has_prefix(&media_type, kind)) {
        let why = "must be an image, a document or audio: only Gemini takes other media";
        return Err(blob.refuse("mimeType", why));
    }
    let data = standard(blob.needed("data")?);
    let name = blob.text("displayName")?;
    blob.end()?;
    Ok(Media {
        source: Source::Base64 { media_type, data },
        field: "contents.parts.inlineData",
        name,
        cache: None,
    })
}

fn file<'a>(field: &Field<'a>, at: &Path<'_>) -> Result<Media<'a>, Unsupported> {
    let mut file = Object::read(field.json, at)?;
    let url = file.needed("fileUri")?;
    let is_web = has_prefix(&url, "https://") || has_prefix(&url, "http://");
    if !is_web || is_googles(&url) {
        let why = "cannot be carried: the file is at Google only; send its content as inlineData";
        return Err(file.refuse("fileUri", why));
    }
    // The URL alone is what others get, and a name is all they can tell by.
    let media_type = file.text("mimeType")?.unwrap_or_default();
    let kind = if is_pdf(&url) {
        "application/pdf"
    } else {
        "image/"
    };
    if !has_prefix(&media_type, kind) {
        let why = "must be image/…, or application/pdf for a URL that ends in .pdf; \
                   send other files as inlineData";
        return Err(file.refuse("mimeType", why));
    }
    let name = file.text("displayName")?;
    file.end()?;
    Ok(Media {
        source: Source::Url(url),
        field: "contents.parts.fileData",
        name,
        cache: None,
    })
}

fn has_prefix(text: &str, prefix: &str) -> bool {
    let start = text.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A file that was uploaded there.
fn is_googles(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    host.ends_with("generativelanguage.googleapis.com")
}

fn is_pdf(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.to_ascii_lowercase().ends_with(".pdf")
}
