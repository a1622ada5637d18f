//! What stands in the sources of images and documents. Members come in any order,
//! so whether a string is a payload is known only at the end: until then it is
//! text, and only what is surely none is taken out again.

use crate::prompt::Collected;

/// The sources of one request.
#[derive(Default)]
pub(super) struct Media {
    parts: u32,
    /// Parts that say so.
    images: Vec<u32>,
    documents: Vec<u32>,
    sources: Vec<Source>,
}

#[derive(Default)]
struct Source {
    part: u32,
    kind: Kind,
    /// `media_type` is that of an image.
    of_image: bool,
    /// The place among the texts.
    data: Option<u32>,
    url: Option<u32>,
    /// The URL is that of an image, as far as its name tells.
    to_image: bool,
}

#[derive(Default, PartialEq, Eq)]
enum Kind {
    Base64,
    Url,
    #[default]
    Other,
}

impl Media {
    /// A number for the next part.
    pub(super) fn part(&mut self) -> u32 {
        self.parts = self.parts.saturating_add(1);
        self.parts
    }

    /// A number for the source of a part.
    pub(super) fn source(&mut self, part: u32) -> u32 {
        self.sources.push(Source {
            part,
            ..Source::default()
        });
        (self.sources.len() - 1) as u32
    }

    pub(super) fn is(&mut self, part: u32, kind: &str) {
        match kind {
            "image" => self.images.push(part),
            "document" => self.documents.push(part),
            _ => {}
        }
    }

    pub(super) fn source_is(&mut self, source: u32, kind: &str) {
        self.edit(source).kind = match kind {
            "base64" => Kind::Base64,
            "url" => Kind::Url,
            _ => Kind::Other,
        };
    }

    pub(super) fn holds(&mut self, source: u32, media_type: &str) {
        self.edit(source).of_image = media_type.starts_with("image/");
    }

    pub(super) fn data(&mut self, source: u32, place: u32) {
        self.edit(source).data = Some(place);
    }

    pub(super) fn url(&mut self, source: u32, place: u32, url: &str) {
        let source = self.edit(source);
        source.url = Some(place);
        source.to_image = !is_pdf(url);
    }

    fn edit(&mut self, source: u32) -> &mut Source {
        &mut self.sources[source as usize]
    }

    /// Takes the payloads out of the texts of `prompt`, and counts them as what
    /// they are.
    pub(super) fn count(&mut self, prompt: &mut Collected) {
        self.images.sort_unstable();
        self.documents.sort_unstable();
        for source in &self.sources {
            let is_image = self.images.binary_search(&source.part).is_ok();
            let is_document = self.documents.binary_search(&source.part).is_ok();
            if !is_image && !is_document {
                continue;
            }
            match (&source.kind, source.data, source.url) {
                (Kind::Base64, Some(data), _) => {
                    let length = prompt.take(data as usize);
                    if is_image && source.of_image {
                        prompt.images += 1;
                    } else {
                        prompt.documents += 1;
                        prompt.file_bytes += length;
                    }
                }
                (Kind::Url, _, Some(url)) => {
                    prompt.take(url as usize);
                    if is_image && source.to_image {
                        prompt.images += 1;
                    } else {
                        // Nobody here can tell how many pages it has.
                        prompt.references += 1;
                    }
                }
                _ => {}
            }
        }
    }
}

/// Nothing but the name tells: a URL comes without its type.
pub(super) fn is_pdf(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.len() >= 4 && path.as_bytes()[path.len() - 4..].eq_ignore_ascii_case(b".pdf")
}
