//! Events as one reply.

use bytes::Bytes;

use super::Told;
use crate::canonical::Event;
use crate::json::Writer;
use crate::reply::{Labels, Price, WriteReply};

/// Collects the events of a reply into one `GenerateContentResponse`.
#[derive(Debug)]
pub struct ReplyWriter(Told);

impl ReplyWriter {
    /// For one reply.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        Self(Told::new(labels, false))
    }
}

impl WriteReply for ReplyWriter {
    fn event(&mut self, event: &Event<'_>) {
        self.0.event(event);
    }

    fn finish(mut self: Box<Self>, _price: Price<'_>) -> Bytes {
        let mut out = Writer::default();
        self.0.write(None, true, &mut out);
        out.take()
    }

    fn omitted(&self) -> u32 {
        self.0.omitted()
    }
}
