//! A canonical request as `generateContent` takes it.

mod config;
mod contents;
mod notes;
mod tools;

use contents::Contents;
use notes::Notes;

use super::models::Model;
use super::path::name;
use crate::canonical::{Encoded, Request, Target, Unsupported};
use crate::json::Writer;

/// Writes the body; the model and whether to stream are in the
/// [`path`](super::path).
///
/// # Errors
/// [`Unsupported`] for what Gemini cannot be given: media by URL outside
/// Google's storage, a tool result without its call, media in a tool result
/// before Gemini 3, a tool choice without tools, a conversation of system
/// messages alone.
pub fn encode(request: &Request<'_>, to: &Target<'_>) -> Result<Encoded, Unsupported> {
    let mut notes = Notes::new(request);
    let mut out = Writer::default();
    out.open(b'{');
    members(request, to, &mut out, &mut notes)?;
    out.close(b'}');
    Ok(Encoded {
        body: out.into_bytes().into(),
        noted: notes.finish(),
    })
}

/// Writes the body of `countTokens`, which asks what the request would cost.
///
/// # Errors
/// As [`encode`].
pub fn encode_count(request: &Request<'_>, to: &Target<'_>) -> Result<Encoded, Unsupported> {
    let mut notes = Notes::new(request);
    let mut out = Writer::default();
    out.open(b'{');
    out.key("generateContentRequest");
    out.open(b'{');
    out.member("model", &format!("models/{}", name(to.model)));
    members(request, to, &mut out, &mut notes)?;
    out.close(b'}');
    out.close(b'}');
    Ok(Encoded {
        body: out.into_bytes().into(),
        noted: notes.finish(),
    })
}

fn members(
    request: &Request<'_>,
    to: &Target<'_>,
    out: &mut Writer,
    notes: &mut Notes,
) -> Result<(), Unsupported> {
    let model = Model::of(to.model);
    Contents::write(request, &model, out, notes)?;
    contents::system(request, out, notes);
    tools::write(request, &model, out, notes)?;
    config::write(request, to, &model, out, notes);
    Ok(())
}

/// A member whose value is an array of strings.
fn strings<T: AsRef<str>>(out: &mut Writer, key: &str, texts: &[T]) {
    out.key(key);
    out.open(b'[');
    for text in texts {
        out.string(text.as_ref());
    }
    out.close(b']');
}
