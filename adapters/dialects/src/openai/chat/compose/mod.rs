//! A canonical request as a body for chat completions.

mod messages;
mod server;
mod settings;
mod tools;

use crate::canonical::{Encoded, Request, Target, Unsupported};
use crate::json::Writer;
use crate::openai::outbound::ids::Ids;
use crate::openai::outbound::notes::Notes;
use messages::Messages;

pub use server::Server;

/// Writes the body of `POST /v1/chat/completions` for a server of this kind. A
/// stream always asks for its usage.
///
/// What only some models of a server take (sampling, efforts, files) is sent: the
/// server is the judge of it.
///
/// # Errors
/// [`Unsupported`] for what the server cannot be given; the fields are named as
/// OpenAI's chat API names them.
pub fn encode(
    request: &Request<'_>,
    to: &Target<'_>,
    server: Server,
) -> Result<Encoded, Unsupported> {
    let traits = server.traits();
    let mut notes = Notes::new(&request.dropped);
    let mut out = Writer::default();
    out.open(b'{');
    out.member("model", to.model);
    let ids = Ids::new(request, traits.ids);
    Messages::write(request, traits, &ids, &mut out, &mut notes)?;
    tools::write(request, traits, &mut out, &mut notes)?;
    settings::write(request, to, traits, &mut out, &mut notes)?;
    out.close(b'}');
    Ok(Encoded {
        body: out.into_bytes().into(),
        noted: notes.finish(),
    })
}
