//! Reads Claude's replies.

mod wire;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::wire::Word;
use super::error::provider_error;
use super::usage::Counts;
use crate::canonical::{Block, Decode, Delta, Ended, Event, Finish, Garbled, Maker, Sink};

/// A message has one choice.
const CHOICE: u32 = 0;

/// Reads one reply of the Messages API.
#[derive(Debug, Default)]
pub struct Decoder {
    phase: Phase,
    /// How many blocks have been opened.
    blocks: u64,
    counts: Counts,
    stop_reason: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing has come.
    #[default]
    Fresh,
    /// Between blocks.
    Between,
    /// In a block.
    In(Open),
    /// The end has come.
    Done,
    /// An error has come instead.
    Errored,
    /// Nothing more can be read.
    Broken,
}

/// What may come in the open block.
#[derive(Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    /// Arguments that came with the block: they hold if no deltas come.
    Call(Option<String>),
    /// Whatever it likes: nothing of it is passed on.
    Native,
}

fn garbled<T>(what: impl Into<String>) -> Result<T, Garbled> {
    Err(Garbled(what.into()))
}

impl Decode for Decoder {
    fn event(&mut self, name: Option<&[u8]>, data: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        let told = self.read_event(name, data, sink);
        if told.is_err() {
            self.phase = Phase::Broken;
        }
        told
    }

    fn whole(&mut self, body: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        let told = self.read_whole(body, sink);
        if told.is_err() {
            self.phase = Phase::Broken;
        }
        told
    }

    fn end(&mut self, _sink: Sink<'_>) -> Ended {
        match self.phase {
            Phase::Done => Ended::Whole,
            Phase::Errored => Ended::Errored,
            _ => Ended::Cut,
        }
    }
}

impl Decoder {
    fn read_event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let mut event: wire::Event<'_> = parse(data)?;
        if let ("", Some(name)) = (event.kind.as_ref(), name) {
            event.kind = String::from_utf8_lossy(name);
        }
        match event.kind.as_ref() {
            "message_start" => self.start(&member(event.message, "message")?, sink),
            "content_block_start" => {
                if member::<u64>(event.index, "index")? != self.blocks {
                    return garbled("the index of a block does not follow");
                }
                self.open(event.content_block, sink)
            }
            "content_block_delta" => {
                self.in_open_block(event.index)?;
                self.delta(event.delta, sink)
            }
            "content_block_stop" => {
                self.in_open_block(event.index)?;
                self.close(sink)
            }
            "message_delta" => {
                let ending: wire::Ending<'_> = member(event.delta, "delta")?;
                self.ending(ending.stop_reason, event.usage)
            }
            "message_stop" => self.stop(sink),
            "error" => self.error(event.error, sink),
            // `ping`, and whatever Anthropic adds.
            _ => Ok(()),
        }
    }

    fn read_whole(&mut self, body: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        let message: wire::Message<'_> = parse(body)?;
        match message.kind.as_ref() {
            "error" => return self.error(message.error, sink),
            "message" => self.start(&message, sink)?,
            _ => return garbled("it is no message"),
        }
        for block in message.content {
            self.open(Some(block), sink)?;
            self.close(sink)?;
        }
        self.ending(message.stop_reason, None)?;
        self.stop(sink)
    }

    fn start(&mut self, message: &wire::Message<'_>, sink: Sink<'_>) -> Result<(), Garbled> {
        if self.phase != Phase::Fresh {
            return garbled("message_start does not come first");
        }
        self.phase = Phase::Between;
        self.count(message.usage);
        sink(Event::Start {
            id: Cow::Borrowed(&message.id),
            model: Cow::Borrowed(&message.model),
        });
        Ok(())
    }

    fn open(&mut self, block: Option<&RawValue>, sink: Sink<'_>) -> Result<(), Garbled> {
        if self.phase != Phase::Between {
            return garbled("a block begins where none may");
        }
        self.blocks += 1;
        let wire::Kind { kind } = member(block, "content_block")?;
        let open = match kind.as_ref() {
            "text" => open_text(&member(block, "text")?, sink),
            "thinking" | "redacted_thinking" => open_thinking(&member(block, "thinking")?, sink),
            "tool_use" => open_call(&member(block, "tool_use")?, sink)?,
            _ => {
                tell_open(Block::Native { kind }, sink);
                Open::Native
            }
        };
        self.phase = Phase::In(open);
        Ok(())
    }

    fn in_open_block(&self, index: Option<&RawValue>) -> Result<(), Garbled> {
        let index = member::<u64>(index, "index")?;
        match self.phase {
            Phase::In(_) if self.blocks.checked_sub(1) == Some(index) => Ok(()),
            _ => garbled("what comes is of no open block"),
        }
    }

    fn delta(&mut self, delta: Option<&RawValue>, sink: Sink<'_>) -> Result<(), Garbled> {
        let Phase::In(open) = &mut self.phase else {
            return garbled("no block is open");
        };
        let wire::Kind { kind } = member(delta, "delta")?;
        let read = || member::<wire::Delta<'_>>(delta, "delta");
        let delta = match (kind.as_ref(), open) {
            (_, Open::Native) => return Ok(()),
            ("text_delta", Open::Text) => Delta::Text(read()?.text),
            ("thinking_delta", Open::Thinking) => Delta::Text(read()?.thinking),
            ("signature_delta", Open::Thinking) => Delta::Signature(read()?.signature),
            ("input_json_delta", Open::Call(held)) => {
                let piece = read()?.partial_json;
                if !piece.is_empty() {
                    *held = None;
                }
                Delta::Arguments(piece)
            }
            ("text_delta" | "thinking_delta" | "signature_delta" | "input_json_delta", _) => {
                return garbled(format!("{kind} in a block of another kind"));
            }
            // `citations_delta`, and whatever Anthropic adds.
            _ => return Ok(()),
        };
        tell(delta, sink);
        Ok(())
    }

    fn close(&mut self, sink: Sink<'_>) -> Result<(), Garbled> {
        let Phase::In(open) = std::mem::replace(&mut self.phase, Phase::Between) else {
            return garbled("no block is open");
        };
        if let Open::Call(Some(arguments)) = open {
            tell(Delta::Arguments(arguments.into()), sink);
        }
        sink(Event::Close { choice: CHOICE });
        Ok(())
    }

    fn ending(
        &mut self,
        stop_reason: Option<Word<'_>>,
        usage: Option<&RawValue>,
    ) -> Result<(), Garbled> {
        if self.phase != Phase::Between {
            return garbled("the message ends where it may not");
        }
        if let Some(Word(stop_reason)) = stop_reason {
            self.stop_reason = Some(stop_reason.into_owned());
        }
        self.count(usage);
        Ok(())
    }

    fn stop(&mut self, sink: Sink<'_>) -> Result<(), Garbled> {
        if self.phase != Phase::Between {
            return garbled("message_stop where it may not come");
        }
        self.phase = Phase::Done;
        let native = self.stop_reason.take();
        sink(Event::Finish {
            choice: CHOICE,
            finish: native.as_deref().map_or(Finish::Error, wire::finish),
            native: native.unwrap_or_default().into(),
        });
        if let Some(usage) = self.counts.usage() {
            sink(Event::Usage(usage));
        }
        Ok(())
    }

    fn error(&mut self, error: Option<&RawValue>, sink: Sink<'_>) -> Result<(), Garbled> {
        if matches!(self.phase, Phase::Done | Phase::Errored | Phase::Broken) {
            return garbled("an error after the end");
        }
        self.phase = Phase::Errored;
        let error = error.and_then(provider_error);
        sink(Event::Error(error.unwrap_or_default()));
        Ok(())
    }

    fn count(&mut self, usage: Option<&RawValue>) {
        if let Some(usage) = usage {
            self.counts.merge(usage.get());
        }
    }
}

fn open_text(block: &wire::Block<'_>, sink: Sink<'_>) -> Open {
    tell_open(Block::Text, sink);
    tell(Delta::Text(Cow::Borrowed(&block.text)), sink);
    Open::Text
}

fn open_thinking(block: &wire::Block<'_>, sink: Sink<'_>) -> Open {
    let maker = Maker::Anthropic;
    tell_open(Block::Reasoning { maker, id: None }, sink);
    tell(Delta::Text(Cow::Borrowed(&block.thinking)), sink);
    tell(Delta::Signature(Cow::Borrowed(&block.signature)), sink);
    tell(Delta::Encrypted(Cow::Borrowed(&block.data)), sink);
    Open::Thinking
}

fn open_call(block: &wire::Block<'_>, sink: Sink<'_>) -> Result<Open, Garbled> {
    if block.id.is_empty() || block.name.is_empty() {
        return garbled("a tool_use without id or name");
    }
    let call = Block::ToolCall {
        id: Cow::Borrowed(&block.id),
        name: Cow::Borrowed(&block.name),
    };
    tell_open(call, sink);
    Ok(Open::Call(block.arguments()?.map(str::to_owned)))
}

fn tell_open(block: Block<'_>, sink: Sink<'_>) {
    let choice = CHOICE;
    sink(Event::Open { choice, block });
}

/// Says nothing where there is nothing to say.
fn tell(delta: Delta<'_>, sink: Sink<'_>) {
    let (Delta::Text(text)
    | Delta::Signature(text)
    | Delta::Arguments(text)
    | Delta::Encrypted(text)) = &delta;
    if !text.is_empty() {
        let choice = CHOICE;
        sink(Event::Delta { choice, delta });
    }
}

/// The reader's own words are left out: they quote what came.
fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Garbled> {
    let unlike = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        Garbled(format!("not as expected at line {line} column {column}"))
    };
    serde_json::from_slice(json).map_err(unlike)
}

fn member<'a, T: Deserialize<'a>>(json: Option<&'a RawValue>, name: &str) -> Result<T, Garbled> {
    match json {
        Some(json) => parse(json.get().as_bytes()),
        None => garbled(format!("no {name}")),
    }
}
