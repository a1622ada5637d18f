//! Events as the events of a stream.

use bytes::Bytes;

use super::blocks::{Blocks, Kind, More, Step};
use super::ending::{Ending, Reason};
use super::head;
use crate::anthropic::messages::error::{error_event, failed_event};
use crate::anthropic::messages::usage;
use crate::canonical::{Event, Usage};
use crate::error::ErrorBody;
use crate::json::Writer;
use crate::reply::{Labels, Price, WriteStream};

/// Writes one stream of a message.
#[derive(Debug)]
pub struct StreamWriter {
    labels: Labels,
    blocks: Blocks,
    ending: Ending,
    /// Blocks that were opened so far.
    opened: u32,
    out: Writer,
}

impl StreamWriter {
    /// For one stream.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        Self {
            labels,
            blocks: Blocks::default(),
            ending: Ending::default(),
            opened: 0,
            out: Writer::default(),
        }
    }
}

impl WriteStream for StreamWriter {
    fn event(&mut self, event: &Event<'_>, _price: Price<'_>) {
        let Self {
            labels,
            blocks,
            ending,
            opened,
            out,
        } = self;
        if let Event::Start { model, .. } = event {
            start(labels, model, out);
        }
        blocks.event(event, &mut |taken| step(&taken, opened, out));
        ending.event(event);
    }

    /// A model that failed has not ended its turn, and no word of Anthropic's says
    /// so: the stream ends in an error.
    fn end(&mut self, _price: Price<'_>) {
        let reason = match self.ending.reason(&self.blocks) {
            Reason::Stop(reason) => reason,
            Reason::Failed(native) => {
                let message = match native {
                    "" => "The model stopped before its answer was complete.".to_owned(),
                    word => format!("The model stopped before its answer was complete: {word}."),
                };
                return self.out.verbatim(&failed_event(&message));
            }
        };
        let usage = self.ending.usage();
        event("message_delta", &mut self.out, |out| {
            out.key("delta");
            out.open(b'{');
            Ending::write(reason, out);
            out.close(b'}');
            out.key("usage");
            out.raw(&usage);
        });
        event("message_stop", &mut self.out, |_| {});
    }

    fn take(&mut self) -> Bytes {
        self.out.take()
    }

    fn omitted(&self) -> u32 {
        self.blocks.omitted
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> String {
        error_event(error)
    }
}

/// One event; `rest` is what it has beside its type.
fn event(kind: &str, out: &mut Writer, rest: impl FnOnce(&mut Writer)) {
    out.verbatim("event: ");
    out.verbatim(kind);
    out.verbatim("\ndata: ");
    out.open(b'{');
    out.member("type", kind);
    rest(out);
    out.close(b'}');
    out.verbatim("\n\n");
}

/// The prompt's tokens are known at the end only; a client that lacks a count here
/// fails.
fn start(labels: &Labels, model: &str, out: &mut Writer) {
    event("message_start", out, |out| {
        out.key("message");
        out.open(b'{');
        head(labels, model, out);
        out.key("content");
        out.raw("[]");
        for nothing in ["stop_reason", "stop_sequence", "stop_details"] {
            out.key(nothing);
            out.raw("null");
        }
        out.key("usage");
        out.raw(&usage::render(&Usage::default()));
        out.close(b'}');
    });
}

fn step(step: &Step<'_>, opened: &mut u32, out: &mut Writer) {
    match step {
        Step::Open(kind) => {
            event("content_block_start", out, |out| {
                index(*opened, out);
                out.key("content_block");
                open(kind, out);
            });
            *opened += 1;
        }
        Step::More(more) => event("content_block_delta", out, |out| {
            index(*opened - 1, out);
            out.key("delta");
            out.open(b'{');
            let (kind, key, text) = match more {
                More::Text(text) => ("text_delta", "text", text),
                More::Thinking(text) => ("thinking_delta", "thinking", text),
                More::Signature(text) => ("signature_delta", "signature", text),
                More::Input(text) => ("input_json_delta", "partial_json", text),
            };
            out.member("type", kind);
            out.member(key, text);
            out.close(b'}');
        }),
        Step::Close => event("content_block_stop", out, |out| index(*opened - 1, out)),
    }
}

fn index(index: u32, out: &mut Writer) {
    out.key("index");
    out.scalar(index);
}

/// A block before anything has come of it.
fn open(kind: &Kind<'_>, out: &mut Writer) {
    out.open(b'{');
    match kind {
        Kind::Text => {
            out.member("type", "text");
            out.member("text", "");
        }
        Kind::Thinking => {
            out.member("type", "thinking");
            out.member("thinking", "");
            out.member("signature", "");
        }
        Kind::Redacted(data) => {
            out.member("type", "redacted_thinking");
            out.member("data", data);
        }
        Kind::ToolUse { id, name } => {
            out.member("type", "tool_use");
            out.member("id", id);
            out.member("name", name);
            out.key("input");
            out.raw("{}");
        }
    }
    out.close(b'}');
}
