//! Events as the events of a response.

use bytes::Bytes;

use super::item::{Item, Said, part, summary};
use super::output::{Closed, Output};
use super::response::{Head, Status};
use crate::canonical::Event;
use crate::error::ErrorBody;
use crate::json::Writer;
use crate::openai::responses::error_event;
use crate::reply::{Price, WriteStream};

/// The longest output that a stream is written of, in bytes.
pub const MAX_OUTPUT: usize = 8 * 1024 * 1024;

/// Writes one stream of a response.
///
/// It holds all that the model has said, since the events that end an item and the
/// response say it again; beyond [`MAX_OUTPUT`] it writes no more and is
/// [full](WriteStream::is_full).
#[derive(Debug)]
pub struct StreamWriter {
    head: Head,
    output: Output,
    events: Events,
}

/// Events as they are written, numbered from 0.
#[derive(Debug, Default)]
struct Events {
    written: u64,
    out: Writer,
}

impl Events {
    fn write(&mut self, kind: &str, rest: impl FnOnce(&mut Writer)) {
        let out = &mut self.out;
        out.verbatim("event: ");
        out.verbatim(kind);
        out.verbatim("\ndata: ");
        out.open(b'{');
        out.member("type", kind);
        out.key("sequence_number");
        out.scalar(self.written);
        rest(out);
        out.verbatim("}\n\n");
        self.written += 1;
    }

    /// An event about an item.
    fn of_item(&mut self, kind: &str, item: &Item, rest: impl FnOnce(&mut Writer)) {
        self.write(kind, |out| {
            out.key("output_index");
            out.scalar(item.index);
            out.member("item_id", &item.id);
            // Every item has one part at the most.
            match &item.said {
                Said::Message { .. } => index("content_index", out),
                Said::Thought(_) => index("summary_index", out),
                Said::Call { .. } => {}
            }
            rest(out);
        });
    }

    fn item(&mut self, kind: &str, item: &Item, json: impl FnOnce(&mut Writer)) {
        self.write(kind, |out| {
            out.key("output_index");
            out.scalar(item.index);
            out.key("item");
            json(out);
        });
    }

    fn open(&mut self, item: &Item) {
        self.item("response.output_item.added", item, |out| {
            item.write(false, out);
        });
        if let Said::Message { refusal, .. } = item.said {
            self.of_item("response.content_part.added", item, |out| {
                out.key("part");
                part("", refusal, out);
            });
        }
    }

    fn delta(&mut self, item: &Item, more: &str) {
        let kind = match &item.said {
            Said::Message { refusal: true, .. } => "response.refusal.delta",
            Said::Message { .. } => "response.output_text.delta",
            Said::Call { .. } => "response.function_call_arguments.delta",
            Said::Thought(thought) => {
                if thought.text.len() == more.len() {
                    self.of_item("response.reasoning_summary_part.added", item, |out| {
                        out.key("part");
                        summary("", out);
                    });
                }
                "response.reasoning_summary_text.delta"
            }
        };
        self.of_item(kind, item, |out| {
            out.member("delta", more);
            no_logprobs(item, out);
        });
    }

    fn close(&mut self, closed: &Closed) {
        let Closed { item, json } = closed;
        match &item.said {
            Said::Message { text, refusal, .. } => {
                let (kind, key) = if *refusal {
                    ("response.refusal.done", "refusal")
                } else {
                    ("response.output_text.done", "text")
                };
                self.of_item(kind, item, |out| {
                    out.member(key, text);
                    no_logprobs(item, out);
                });
                self.of_item("response.content_part.done", item, |out| {
                    out.key("part");
                    part(text, *refusal, out);
                });
            }
            Said::Call {
                name, arguments, ..
            } => {
                self.of_item("response.function_call_arguments.done", item, |out| {
                    out.member("name", name);
                    out.member("arguments", arguments);
                });
            }
            Said::Thought(thought) if !thought.text.is_empty() => {
                self.of_item("response.reasoning_summary_text.done", item, |out| {
                    out.member("text", &thought.text);
                });
                self.of_item("response.reasoning_summary_part.done", item, |out| {
                    out.key("part");
                    summary(&thought.text, out);
                });
            }
            Said::Thought(_) => {}
        }
        self.item("response.output_item.done", item, |out| out.raw(json));
    }
}

fn index(key: &str, out: &mut Writer) {
    out.key(key);
    out.scalar(0);
}

/// The clients' types want a list beside all text.
fn no_logprobs(item: &Item, out: &mut Writer) {
    if matches!(item.said, Said::Message { refusal: false, .. }) {
        out.key("logprobs");
        out.raw("[]");
    }
}

impl StreamWriter {
    /// For one stream.
    pub(super) fn new(head: Head) -> Self {
        Self {
            output: Output::new(head.id()),
            head,
            events: Events::default(),
        }
    }

    fn response(&mut self, kind: &str, status: Status<'_>, cost: Option<&str>) {
        let (head, done) = (&self.head, &self.output.done);
        self.events.write(kind, |out| {
            out.key("response");
            head.write(status, done, cost, out);
        });
    }

    fn close(&mut self) {
        let open = self.output.open.as_ref();
        let unsaid = |arguments: &str| arguments.trim().is_empty();
        // No arguments are an object all the same, which is to be said once.
        if let Some(item) = open
            && matches!(&item.said, Said::Call { arguments, .. } if unsaid(arguments))
        {
            self.events.delta(item, "{}");
        }
        for (place, closed) in self.output.close().iter().enumerate() {
            if place > 0 {
                self.events.open(&closed.item);
            }
            self.events.close(closed);
        }
    }
}

impl WriteStream for StreamWriter {
    fn event(&mut self, event: &Event<'_>, _price: Price<'_>) {
        if self.is_full() {
            return;
        }
        match event {
            Event::Start { model, .. } => {
                self.head.adopt(model);
                for kind in ["response.created", "response.in_progress"] {
                    self.response(kind, Status::InProgress, None);
                }
            }
            // A response has one choice.
            Event::Open { choice: 0, block } => {
                if let Some(item) = self.output.open(block) {
                    self.events.open(item);
                }
            }
            Event::Delta { choice: 0, delta } => {
                if let Some((item, more)) = self.output.add(delta) {
                    self.events.delta(item, more);
                }
            }
            Event::Close { choice: 0 } => self.close(),
            Event::Open { .. } => self.output.omitted += 1,
            Event::Delta { .. } | Event::Close { .. } => {}
            // Told by the event that ends the response.
            Event::Finish { .. } | Event::Usage(_) | Event::Error(_) => self.output.note(event),
        }
    }

    fn end(&mut self, price: Price<'_>) {
        if self.is_full() {
            return;
        }
        let ending = self.output.ending();
        let cost = ending.usage.as_ref().and_then(price);
        self.response(ending.event(), Status::Ended(&ending), cost.as_deref());
    }

    fn take(&mut self) -> Bytes {
        self.events.out.take()
    }

    fn omitted(&self) -> u32 {
        self.output.omitted
    }

    fn is_full(&self) -> bool {
        self.output.held() > MAX_OUTPUT
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> String {
        error_event(error, self.events.written)
    }
}
