//! A canonical request as `generateContent` takes it.

mod config;
mod contents;
mod notes;
mod tools;

use contents::Contents;
use notes::Notes;

use super::models::Model;
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
    let model = Model::of(to.model);
    let mut notes = Notes::new(request);
    let mut out = Writer::default();
    out.open(b'{');
    Contents::write(request, &model, &mut out, &mut notes)?;
    contents::system(request, &mut out, &mut notes);
    tools::write(request, &model, &mut out, &mut notes)?;
    config::write(request, to, &model, &mut out, &mut notes);
    out.close(b'}');
    Ok(Encoded {
        body: out.into_bytes().into(),
        noted: notes.finish(),
    })
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
