//! Events as chunks.

use bytes::Bytes;

use super::Told;
use crate::canonical::Event;
use crate::error::ErrorBody;
use crate::gemini::generate::error;
use crate::json::Writer;
use crate::reply::{Labels, Price, WriteStream};

/// Writes one stream of `GenerateContentResponse`s as server-sent events: a chunk
/// for each piece of text, one for each whole call, and a last one with the reasons
/// to be finished and the usage. Thoughts of other makers go out sealed.
#[derive(Debug)]
pub struct StreamWriter {
    told: Told,
    out: Writer,
}

impl StreamWriter {
    /// For one stream.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        Self {
            told: Told::new(labels, true),
            out: Writer::default(),
        }
    }

    fn chunk(&mut self, only: Option<u32>, end: bool) {
        self.out.verbatim("data: ");
        self.told.write(only, end, &mut self.out);
        self.out.verbatim("\r\n\r\n");
    }
}

impl WriteStream for StreamWriter {
    fn event(&mut self, event: &Event<'_>, _price: Price<'_>) {
        if let Some(choice) = self.told.event(event)
            && self.told.has_parts(choice)
        {
            self.chunk(Some(choice), false);
        }
    }

    fn end(&mut self, _price: Price<'_>) {
        self.chunk(None, true);
    }

    fn take(&mut self) -> Bytes {
        self.out.take()
    }

    fn omitted(&self) -> u32 {
        self.told.omitted()
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> String {
        error::event(error)
    }
}
