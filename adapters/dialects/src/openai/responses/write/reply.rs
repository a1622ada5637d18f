//! Events as one response.

use bytes::Bytes;

use super::output::Output;
use super::response::{Head, Status};
use crate::canonical::Event;
use crate::json::Writer;
use crate::reply::{Price, WriteReply};

/// Collects the events of a reply into one response.
#[derive(Debug)]
pub struct ReplyWriter {
    head: Head,
    output: Output,
}

impl ReplyWriter {
    /// For one reply.
    pub(super) fn new(head: Head) -> Self {
        let output = Output::new(head.id());
        Self { head, output }
    }
}

impl WriteReply for ReplyWriter {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { model, .. } => self.head.adopt(model),
            // A response has one choice.
            Event::Open { choice: 0, block } => {
                self.output.open(block);
            }
            Event::Delta { choice: 0, delta } => {
                self.output.add(delta);
            }
            Event::Close { choice: 0 } => {
                self.output.close();
            }
            Event::Open { .. } => self.output.omitted += 1,
            Event::Delta { .. } | Event::Close { .. } => {}
            Event::Finish { .. } | Event::Usage(_) | Event::Error(_) => self.output.note(event),
        }
    }

    fn finish(self: Box<Self>, price: Price<'_>) -> Bytes {
        let ending = self.output.ending();
        let cost = ending.usage.as_ref().and_then(price);
        let mut out = Writer::default();
        let status = Status::Ended(&ending);
        self.head
            .write(status, &self.output.done, cost.as_deref(), &mut out);
        out.take()
    }

    fn omitted(&self) -> u32 {
        self.output.omitted
    }
}
