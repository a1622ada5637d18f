//! Events as one reply.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::details::{self, Detail};
use super::{Names, finish};
use crate::canonical::{Block, Delta, Event, Finish, Maker, Usage};
use crate::json::Writer;
use crate::openai::chat::usage;
use crate::reply::{Labels, Price, WriteReply};

/// Collects the events of a reply into one `chat.completion`.
#[derive(Debug)]
pub struct ReplyEncoder {
    names: Names,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
    omitted: u32,
}

#[derive(Debug, Default)]
struct Choice {
    open: Option<Open>,
    text: Option<String>,
    refusal: Option<String>,
    reasoning: String,
    details: Details,
    /// Elements of `tool_calls`.
    calls: Writer,
    finish: Option<(Finish, String)>,
}

#[derive(Debug)]
enum Open {
    Text,
    Refusal,
    Reasoning(Thought),
    ToolCall(Call),
}

#[derive(Debug)]
struct Thought {
    maker: Maker,
    text: String,
    signature: Option<String>,
    encrypted: Option<String>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

/// Elements of `reasoning_details`.
#[derive(Debug, Default)]
struct Details {
    count: u32,
    written: Writer,
}

impl Details {
    fn add(&mut self, detail: Detail<'_>, maker: Maker) {
        let index = self.count;
        Detail { index, ..detail }.write(maker, &mut self.written);
        self.count += 1;
    }
}

impl ReplyEncoder {
    /// For one reply.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        Self {
            names: Names::new(labels),
            choices: BTreeMap::new(),
            usage: None,
            omitted: 0,
        }
    }
}

impl WriteReply for ReplyEncoder {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { id, model } => self.names.adopt(id, model),
            Event::Open { choice, block } => {
                if matches!(block, Block::Native { .. }) {
                    self.omitted += 1;
                }
                self.choices.entry(*choice).or_default().open(block);
            }
            Event::Delta { choice, delta } => {
                self.choices.entry(*choice).or_default().delta(delta);
            }
            Event::Close { choice } => self.choices.entry(*choice).or_default().close(),
            Event::Finish {
                choice,
                finish,
                native,
            } => {
                let finish = (*finish, native.clone().into_owned());
                self.choices.entry(*choice).or_default().finish = Some(finish);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(_) => {}
        }
    }

    fn omitted(&self) -> u32 {
        self.omitted
    }

    fn finish(self: Box<Self>, price: Price<'_>) -> Bytes {
        let mut out = Writer::default();
        out.open(b'{');
        self.names.write("chat.completion", &mut out);
        out.open(b'[');
        for (index, choice) in self.choices {
            choice.write(index, &mut out);
        }
        out.close(b']');
        if let Some(counts) = &self.usage {
            out.key("usage");
            out.raw(&usage::render(counts, price(counts).as_deref()));
        }
        out.close(b'}');
        out.take()
    }
}

impl Choice {
    fn open(&mut self, block: &Block<'_>) {
        self.open = match block {
            Block::Text => {
                self.text.get_or_insert_default();
                Some(Open::Text)
            }
            Block::Refusal => {
                self.refusal.get_or_insert_default();
                Some(Open::Refusal)
            }
            Block::Reasoning { maker, .. } => Some(Open::Reasoning(Thought {
                maker: *maker,
                text: String::new(),
                signature: None,
                encrypted: None,
            })),
            Block::ToolCall { id, name } => Some(Open::ToolCall(Call {
                id: id.clone().into_owned(),
                name: name.clone().into_owned(),
                arguments: String::new(),
                signature: None,
            })),
            Block::Native { .. } => None,
        };
    }

    fn delta(&mut self, delta: &Delta<'_>) {
        match (&mut self.open, delta) {
            (Some(Open::Text), Delta::Text(more)) => {
                self.text.get_or_insert_default().push_str(more);
            }
            (Some(Open::Text), Delta::Signature(data)) => {
                let detail = Detail {
                    encrypted: Some(data),
                    ..Detail::default()
                };
                self.details.add(detail, Maker::Gemini);
            }
            (Some(Open::Refusal), Delta::Text(more)) => {
                self.refusal.get_or_insert_default().push_str(more);
            }
            (Some(Open::Reasoning(thought)), delta) => match delta {
                Delta::Text(more) => {
                    thought.text.push_str(more);
                    self.reasoning.push_str(more);
                }
                Delta::Signature(data) => thought.signature = Some(data.clone().into_owned()),
                Delta::Encrypted(data) => thought.encrypted = Some(data.clone().into_owned()),
                Delta::Arguments(_) => {}
            },
            (Some(Open::ToolCall(call)), Delta::Arguments(more)) => call.arguments.push_str(more),
            (Some(Open::ToolCall(call)), Delta::Signature(data)) => {
                call.signature = Some(data.clone().into_owned());
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        match self.open.take() {
            Some(Open::Reasoning(thought)) => thought.write(&mut self.details),
            Some(Open::ToolCall(call)) => call.write(&mut self.calls, &mut self.details),
            _ => {}
        }
    }

    fn write(self, index: u32, out: &mut Writer) {
        let (calls, details) = (self.calls.into_bytes(), self.details.written.into_bytes());
        out.open(b'{');
        out.key("index");
        out.scalar(index);
        out.key("message");
        out.open(b'{');
        out.member("role", "assistant");
        let silent = calls.is_empty() && self.refusal.is_none();
        optional("content", self.text.or(silent.then(String::new)), out);
        optional("refusal", self.refusal, out);
        if !self.reasoning.is_empty() {
            out.member("reasoning_content", &self.reasoning);
        }
        for (key, elements) in [("reasoning_details", details), ("tool_calls", calls)] {
            if !elements.is_empty() {
                out.key(key);
                out.open(b'[');
                out.raw(&String::from_utf8_lossy(&elements));
                out.close(b']');
            }
        }
        out.close(b'}');
        out.key("logprobs");
        out.raw("null");
        match &self.finish {
            Some((reason, native)) => finish(*reason, native, out),
            None => {
                out.key("finish_reason");
                out.raw("null");
            }
        }
        out.close(b'}');
    }
}

fn optional(key: &str, text: Option<String>, out: &mut Writer) {
    match text {
        Some(text) => out.member(key, &text),
        None => {
            out.key(key);
            out.raw("null");
        }
    }
}

impl Thought {
    fn write(&self, details: &mut Details) {
        let detail = Detail {
            text: Some(self.text.as_str()).filter(|text| !text.is_empty()),
            signature: self.signature.as_deref(),
            ..Detail::default()
        };
        if detail.text.is_some() || detail.signature.is_some() {
            details.add(detail, self.maker);
        }
        if let Some(data) = &self.encrypted {
            let detail = Detail {
                encrypted: Some(data),
                ..Detail::default()
            };
            details.add(detail, self.maker);
        }
    }
}

impl Call {
    fn write(self, calls: &mut Writer, details: &mut Details) {
        calls.open(b'{');
        calls.member("id", &self.id);
        calls.member("type", "function");
        calls.key("function");
        calls.open(b'{');
        calls.member("name", &self.name);
        let arguments = match self.arguments.trim() {
            "" => "{}",
            _ => &self.arguments,
        };
        calls.member("arguments", arguments);
        calls.close(b'}');
        if let Some(signature) = &self.signature {
            details::extra_content(signature, calls);
            let detail = Detail {
                encrypted: Some(signature),
                call: Some(&self.id),
                ..Detail::default()
            };
            details.add(detail, Maker::Gemini);
        }
        calls.close(b'}');
    }
}
