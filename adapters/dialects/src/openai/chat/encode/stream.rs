//! Events as chunks.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::details::{self, Detail};
use super::{Names, finish};
use crate::canonical::{Block, Delta, Event, Finish, Maker};
use crate::error::ErrorBody;
use crate::json::Writer;
use crate::openai::chat::{error_event, usage};
use crate::reply::{Asked, Labels, Price, WriteStream};

/// Writes one stream of `chat.completion.chunk`s.
#[derive(Debug)]
pub struct StreamEncoder {
    names: Names,
    asked: Asked,
    /// What every chunk begins with.
    head: String,
    choices: BTreeMap<u32, Choice>,
    omitted: u32,
    out: Writer,
}

#[derive(Debug, Default)]
struct Choice {
    open: Option<Open>,
    /// Entries of `reasoning_details` so far.
    details: u32,
    /// Calls so far.
    calls: u32,
}

#[derive(Debug)]
enum Open {
    Text,
    Refusal,
    /// Its entry is counted with its first piece.
    Reasoning {
        maker: Maker,
        index: Option<u32>,
    },
    ToolCall {
        index: u32,
        id: String,
        empty: bool,
    },
}

impl StreamEncoder {
    /// For one stream.
    #[must_use]
    pub fn new(labels: Labels, asked: Asked) -> Self {
        Self {
            names: Names::new(labels),
            asked,
            head: String::new(),
            choices: BTreeMap::new(),
            omitted: 0,
            out: Writer::default(),
        }
    }
}

impl WriteStream for StreamEncoder {
    fn event(&mut self, event: &Event<'_>, price: Price<'_>) {
        match event {
            Event::Start { id, model } => {
                self.names.adopt(id, model);
                let mut head = Writer::default();
                head.verbatim("data: ");
                head.open(b'{');
                self.names.write("chat.completion.chunk", &mut head);
                self.head = String::from_utf8(head.into_bytes()).unwrap_or_default();
                self.begin(0);
            }
            Event::Open { choice, block } => self.open(*choice, block),
            Event::Delta { choice, delta } => self.delta(*choice, delta),
            Event::Close { choice } => self.close(*choice),
            Event::Finish {
                choice,
                finish,
                native,
            } => {
                self.begin(*choice);
                self.chunk(*choice, |_| {}, Some((*finish, native)));
            }
            Event::Usage(counts) => {
                if self.asked == Asked::Yes {
                    let cost = price(counts);
                    self.out.verbatim(&self.head);
                    self.out.raw("[]");
                    self.out.key("usage");
                    self.out.raw(&usage::render(counts, cost.as_deref()));
                    self.out.verbatim("}\n\n");
                }
            }
            Event::Error(_) => {}
        }
    }

    fn end(&mut self, _price: Price<'_>) {
        self.out.verbatim("data: [DONE]\n\n");
    }

    fn take(&mut self) -> Bytes {
        self.out.take()
    }

    fn omitted(&self) -> u32 {
        self.omitted
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> String {
        error_event(error)
    }
}

impl StreamEncoder {
    /// A choice's first chunk tells its role.
    fn begin(&mut self, choice: u32) {
        if self.choices.contains_key(&choice) {
            return;
        }
        self.choices.insert(choice, Choice::default());
        let role = |delta: &mut Writer| {
            delta.member("role", "assistant");
            delta.member("content", "");
        };
        self.chunk(choice, role, None);
    }

    fn open(&mut self, choice: u32, block: &Block<'_>) {
        self.begin(choice);
        let state = self.choices.entry(choice).or_default();
        state.open = match block {
            Block::Text => Some(Open::Text),
            Block::Refusal => Some(Open::Refusal),
            Block::Reasoning { maker, .. } => Some(Open::Reasoning {
                maker: *maker,
                index: None,
            }),
            Block::ToolCall { id, name } => {
                let index = state.calls;
                state.calls += 1;
                state.open = Some(Open::ToolCall {
                    index,
                    id: id.clone().into_owned(),
                    empty: true,
                });
                let begins = |call: &mut Writer| {
                    call.member("id", id);
                    call.member("type", "function");
                    function(Some(name), "", call);
                };
                return self.chunk(choice, |delta| tool_call(index, begins, delta), None);
            }
            Block::Native { .. } => {
                self.omitted += 1;
                None
            }
        };
    }

    fn delta(&mut self, choice: u32, delta: &Delta<'_>) {
        let state = self.choices.get_mut(&choice);
        // Taken out while the chunk is written, and put back.
        let Some(mut open) = state.and_then(|state| state.open.take()) else {
            return;
        };
        match (&mut open, delta) {
            (_, Delta::Text(text) | Delta::Arguments(text)) if text.is_empty() => {}
            (Open::Text, Delta::Text(text)) => {
                self.chunk(choice, |delta| delta.member("content", text), None);
            }
            (Open::Text, Delta::Signature(data)) => {
                let detail = Detail {
                    encrypted: Some(data),
                    index: self.next_detail(choice),
                    ..Detail::default()
                };
                self.detail(choice, Maker::Gemini, &detail);
            }
            (Open::Refusal, Delta::Text(text)) => {
                self.chunk(choice, |delta| delta.member("refusal", text), None);
            }
            (Open::Reasoning { maker, index }, _) => {
                let index = *index.get_or_insert_with(|| self.next_detail(choice));
                self.thought(choice, *maker, index, delta);
            }
            (Open::ToolCall { index, empty, .. }, Delta::Arguments(piece)) => {
                *empty &= piece.trim().is_empty();
                self.arguments(choice, *index, piece);
            }
            (Open::ToolCall { index, id, .. }, Delta::Signature(data)) => {
                self.signed_call(choice, *index, id, data);
            }
            _ => {}
        }
        self.choices.entry(choice).or_default().open = Some(open);
    }

    fn close(&mut self, choice: u32) {
        let state = self.choices.get_mut(&choice);
        let open = state.and_then(|state| state.open.take());
        if let Some(Open::ToolCall {
            index, empty: true, ..
        }) = open
        {
            self.arguments(choice, index, "{}");
        }
    }

    fn thought(&mut self, choice: u32, maker: Maker, index: u32, delta: &Delta<'_>) {
        let mut detail = Detail {
            index,
            ..Detail::default()
        };
        match delta {
            Delta::Text(text) => detail.text = Some(text),
            Delta::Signature(signature) => detail.signature = Some(signature),
            Delta::Encrypted(data) => detail.encrypted = Some(data),
            Delta::Arguments(_) => return,
        }
        let write = |delta: &mut Writer| {
            if let Some(text) = detail.text {
                delta.member("reasoning_content", text);
            }
            details::member(&detail, maker, delta);
        };
        self.chunk(choice, write, None);
    }

    /// Counts an entry of `reasoning_details`.
    fn next_detail(&mut self, choice: u32) -> u32 {
        let state = self.choices.entry(choice).or_default();
        state.details += 1;
        state.details - 1
    }

    fn detail(&mut self, choice: u32, maker: Maker, detail: &Detail<'_>) {
        self.chunk(choice, |delta| details::member(detail, maker, delta), None);
    }

    fn arguments(&mut self, choice: u32, index: u32, piece: &str) {
        let more = |call: &mut Writer| function(None, piece, call);
        self.chunk(choice, |delta| tool_call(index, more, delta), None);
    }

    /// Both places that clients give a signature back from.
    fn signed_call(&mut self, choice: u32, index: u32, id: &str, signature: &str) {
        let signed = |call: &mut Writer| {
            // There are clients that ask every piece for a function.
            function(None, "", call);
            details::extra_content(signature, call);
        };
        let detail = Detail {
            encrypted: Some(signature),
            call: Some(id),
            index: self.next_detail(choice),
            ..Detail::default()
        };
        let write = |delta: &mut Writer| {
            tool_call(index, signed, delta);
            details::member(&detail, Maker::Gemini, delta);
        };
        self.chunk(choice, write, None);
    }

    fn chunk(&mut self, choice: u32, delta: impl FnOnce(&mut Writer), end: Option<(Finish, &str)>) {
        let out = &mut self.out;
        out.verbatim(&self.head);
        out.open(b'[');
        out.open(b'{');
        out.key("index");
        out.scalar(choice);
        out.key("delta");
        out.open(b'{');
        delta(out);
        out.close(b'}');
        match end {
            Some((reason, native)) => finish(reason, native, out),
            None => {
                out.key("finish_reason");
                out.raw("null");
            }
        }
        out.verbatim("}]}\n\n");
    }
}

/// A member `tool_calls` of one entry.
fn tool_call(index: u32, rest: impl FnOnce(&mut Writer), delta: &mut Writer) {
    delta.key("tool_calls");
    delta.open(b'[');
    delta.open(b'{');
    delta.key("index");
    delta.scalar(index);
    rest(delta);
    delta.close(b'}');
    delta.close(b']');
}

fn function(name: Option<&str>, arguments: &str, call: &mut Writer) {
    call.key("function");
    call.open(b'{');
    if let Some(name) = name {
        call.member("name", name);
    }
    call.member("arguments", arguments);
    call.close(b'}');
}
