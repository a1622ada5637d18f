//! A canonical request as the Messages API takes it.

mod base64;
mod content;
mod notes;
mod settings;
mod thinking;
mod tools;
mod turns;

use self::notes::Notes;
use self::thinking::Plan;
use super::models::Traits;
use crate::canonical::{Encoded, Request, Target, Unsupported};
use crate::json::{Writer, quote};

/// Writes the body of `POST /v1/messages`.
///
/// # Errors
/// [`Unsupported`] for what Claude, or this model, cannot be given; the fields
/// are named as OpenAI's chat API names them.
pub fn encode(request: &Request<'_>, to: &Target<'_>) -> Result<Encoded, Unsupported> {
    write(request, to, Purpose::Generate)
}

/// Writes the body of `POST /v1/messages/count_tokens`: the same without what has
/// no tokens.
///
/// # Errors
/// As [`encode`].
pub fn encode_count(request: &Request<'_>, to: &Target<'_>) -> Result<Encoded, Unsupported> {
    write(request, to, Purpose::Count)
}

/// What is asked of Anthropic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Generate,
    Count,
}

fn write(request: &Request<'_>, to: &Target<'_>, purpose: Purpose) -> Result<Encoded, Unsupported> {
    let traits = Traits::of(to.model);
    let mut notes = Notes::new(&request.dropped);
    let named = to.output_cap.or(request.max_output_tokens);
    // Anthropic generates nothing without a cap.
    let max_tokens = named.unwrap_or(traits.output_cap);
    if named.is_none() && purpose == Purpose::Generate {
        notes.add(format!("max_tokens: {max_tokens}"));
    }
    let messages = turns::arrange(request, &traits, &mut notes)?;
    let thinking = Plan::of(request, max_tokens, &messages, &traits, &mut notes)?;

    let mut out = Writer::default();
    out.open(b'{');
    out.member("model", to.model);
    if purpose == Purpose::Generate {
        out.key("max_tokens");
        out.scalar(max_tokens);
        if request.stream {
            out.key("stream");
            out.raw("true");
        }
    }
    content::system(&request.system, &mut out, &mut notes);
    content::messages(&messages, &mut out, &mut notes)?;
    tools::write(request, &traits, &thinking, &mut out, &mut notes)?;
    thinking.write(&mut out);
    settings::output(request, &traits, &thinking, &mut out, &mut notes)?;
    if purpose == Purpose::Generate {
        settings::sampling(request, to.model, &traits, &thinking, &mut out)?;
        settings::rest(request, &mut out, &mut notes)?;
    }
    out.close(b'}');
    Ok(Encoded {
        body: out.into_bytes().into(),
        noted: notes.finish(),
    })
}

/// Enough of a name or an id to find it.
fn shown(text: &str) -> String {
    quote(&text.chars().take(64).collect::<String>())
}
