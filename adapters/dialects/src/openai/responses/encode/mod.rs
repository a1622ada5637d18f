//! A canonical request as the Responses API takes it.

mod input;
mod settings;
mod tools;

use crate::canonical::{Encoded, Request, Target, Unsupported};
use crate::json::Writer;
use crate::openai::outbound::ids::{Ids, Shape};
use crate::openai::outbound::notes::Notes;
use input::Input;

/// Writes the body of `POST /v1/responses`. Nothing is stored at the provider:
/// what the model thought comes back in cipher instead, and is given back with the
/// conversation.
///
/// What only some models take (sampling, efforts, summaries of thoughts) is sent:
/// the provider is the judge of it.
///
/// # Errors
/// [`Unsupported`] for what the API has no form for: stop texts, a seed, penalties,
/// `top_k`, more than one choice, audio. The fields are named as OpenAI's chat API
/// names them.
pub fn encode(request: &Request<'_>, to: &Target<'_>) -> Result<Encoded, Unsupported> {
    settings::refuse(request)?;
    write(request, to, |out, notes| {
        settings::write(request, to, out, notes);
    })
}

/// Writes what the model reads of a request, and nothing that only shapes the reply.
pub(super) fn prompt(request: &Request<'_>, to: &Target<'_>) -> Result<Encoded, Unsupported> {
    write(request, to, |_, _| {})
}

fn write(
    request: &Request<'_>,
    to: &Target<'_>,
    rest: impl FnOnce(&mut Writer, &mut Notes),
) -> Result<Encoded, Unsupported> {
    let mut notes = Notes::new(&request.dropped);
    let mut out = Writer::default();
    out.open(b'{');
    out.member("model", to.model);
    let ids = Ids::new(request, Shape::Short);
    Input::write(request, &ids, &mut out, &mut notes)?;
    tools::write(request, &mut out, &mut notes)?;
    settings::format(&request.format, &mut out);
    settings::thinking(request, to.model, &mut out, &mut notes);
    rest(&mut out, &mut notes);
    out.close(b'}');
    Ok(Encoded {
        body: out.into_bytes().into(),
        noted: notes.finish(),
    })
}
