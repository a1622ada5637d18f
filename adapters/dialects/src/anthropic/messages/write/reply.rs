//! Events as one message.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::blocks::{Blocks, Kind, More, Step};
use super::ending::{Ending, Reason};
use super::head;
use crate::canonical::Event;
use crate::json::Writer;
use crate::reply::{Labels, Price, WriteReply};

/// Collects the events of a reply into one message.
#[derive(Debug)]
pub struct ReplyWriter {
    labels: Labels,
    model: String,
    blocks: Blocks,
    ending: Ending,
    content: Content,
}

#[derive(Debug, Default)]
struct Content {
    /// Elements of `content`; the last one lacks its end while a block is open.
    written: Writer,
    open: Open,
    /// Of the open block.
    text: String,
    signature: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    #[default]
    Text,
    Thinking,
    Redacted,
    ToolUse,
}

impl ReplyWriter {
    /// For one reply.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        Self {
            labels,
            model: String::new(),
            blocks: Blocks::default(),
            ending: Ending::default(),
            content: Content::default(),
        }
    }
}

impl WriteReply for ReplyWriter {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Start { model, .. } = event {
            model.as_ref().clone_into(&mut self.model);
        }
        let content = &mut self.content;
        self.blocks.event(event, &mut |step| content.step(&step));
        self.ending.event(event);
    }

    /// A model that failed has not ended its turn, and no word of Anthropic's says
    /// so: the reason is the provider's own word.
    fn finish(self: Box<Self>, _price: Price<'_>) -> Bytes {
        let mut out = Writer::default();
        out.open(b'{');
        head(&self.labels, &self.model, &mut out);
        out.key("content");
        out.open(b'[');
        let content = self.content.written.into_bytes();
        if !content.is_empty() {
            out.raw(&String::from_utf8_lossy(&content));
        }
        out.close(b']');
        let reason = match self.ending.reason(&self.blocks) {
            Reason::Stop(reason) => reason,
            Reason::Failed("") => "error",
            Reason::Failed(native) => native,
        };
        Ending::write(reason, &mut out);
        out.key("usage");
        out.raw(&self.ending.usage());
        out.close(b'}');
        out.take()
    }

    fn omitted(&self) -> u32 {
        self.blocks.omitted
    }
}

impl Content {
    fn step(&mut self, step: &Step<'_>) {
        match step {
            Step::Open(kind) => self.open(kind),
            Step::More(More::Signature(data)) => (*data).clone_into(&mut self.signature),
            Step::More(More::Text(more) | More::Thinking(more) | More::Input(more)) => {
                self.text.push_str(more);
            }
            Step::Close => self.close(),
        }
    }

    fn open(&mut self, kind: &Kind<'_>) {
        let out = &mut self.written;
        out.open(b'{');
        self.open = match kind {
            Kind::Text => {
                out.member("type", "text");
                Open::Text
            }
            Kind::Thinking => {
                out.member("type", "thinking");
                Open::Thinking
            }
            Kind::Redacted(data) => {
                out.member("type", "redacted_thinking");
                out.member("data", data);
                Open::Redacted
            }
            Kind::ToolUse { id, name } => {
                out.member("type", "tool_use");
                out.member("id", id);
                out.member("name", name);
                Open::ToolUse
            }
        };
    }

    fn close(&mut self) {
        let text = std::mem::take(&mut self.text);
        let signature = std::mem::take(&mut self.signature);
        let out = &mut self.written;
        match self.open {
            Open::Text => out.member("text", &text),
            Open::Thinking => {
                out.member("thinking", &text);
                out.member("signature", &signature);
            }
            Open::Redacted => {}
            Open::ToolUse => {
                // The output cap may have cut it: what is left of it is no JSON, and
                // `stop_reason` says why.
                let input = serde_json::from_str::<&RawValue>(&text).map(RawValue::get);
                out.key("input");
                out.raw(input.unwrap_or("{}"));
            }
        }
        out.close(b'}');
    }
}
