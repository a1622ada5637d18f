//! Media in the forms that OpenAI's APIs have for it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::notes::Notes;
use crate::canonical::{Media, Source, Unsupported};

/// Clients leave the padding out, or not.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One piece of media.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::openai) enum Form<'m> {
    /// The URL of an image, `data:` or https.
    Image(String),
    /// A document, as a `data:` URL.
    File {
        /// Both APIs want one.
        name: &'m str,
        data: String,
    },
    /// The https URL of a document.
    FileUrl(&'m str),
    Audio {
        /// `wav` or `mp3`.
        format: &'static str,
        data: &'m str,
    },
    /// A document that is nothing but text: as a file, OpenAI refuses it.
    Text(String),
}

impl<'m> Form<'m> {
    pub(in crate::openai) fn of(
        media: &'m Media<'_>,
        notes: &mut Notes,
    ) -> Result<Self, Unsupported> {
        notes.cache(media.cache);
        let refuse = |why: &str| Err(Unsupported::new(media.field, why));
        let (media_type, data) = match &media.source {
            Source::Url(url) if !is_web(url) => {
                return refuse("OpenAI fetches https addresses only; send the data itself");
            }
            Source::Url(url) if is_pdf(url) => return Ok(Self::FileUrl(url)),
            Source::Url(url) => return Ok(Self::Image(url.clone().into_owned())),
            Source::Base64 { media_type, data } => (media_type, data),
        };
        let kind = essence(media_type);
        let url = || format!("data:{kind};base64,{data}");
        match kind.split('/').next().unwrap_or_default() {
            "image" => Ok(Self::Image(url())),
            "audio" => match kind.as_str() {
                "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Ok(Self::Audio {
                    format: "wav",
                    data,
                }),
                "audio/mpeg" | "audio/mp3" => Ok(Self::Audio {
                    format: "mp3",
                    data,
                }),
                _ => refuse("OpenAI hears WAV and MP3; convert it to one of these"),
            },
            "video" => refuse("OpenAI sees no films; send images of it"),
            "text" => {
                let bytes = TOLERANT.decode(data.as_bytes()).ok();
                match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                    Some(text) => {
                        notes.add(format!("{}: sent as text", media.field));
                        Ok(Self::Text(text))
                    }
                    None => refuse("the text is no base64 of UTF-8; send it as a text part"),
                }
            }
            _ => Ok(Self::File {
                name: media.name.as_deref().unwrap_or(match kind.as_str() {
                    "application/pdf" => "document.pdf",
                    _ => "document",
                }),
                data: url(),
            }),
        }
    }
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
