//! One choice: which block is open, and which the next piece asks for.

use std::borrow::Cow;

use super::calls::{Calls, Shared};
use super::wire::{Content, Detail, Extra, Message, said};
use crate::canonical::{Block, Delta, Event, Finish, Garbled, Maker, Sink};

#[derive(Debug)]
pub(super) struct Choice {
    number: u32,
    open: Option<Open>,
    calls: Calls,
    finish: Option<String>,
}

/// The open block, if it is not that of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Refusal,
    Reasoning {
        maker: Maker,
        index: Option<u64>,
        /// Its signature has come: what follows is another block.
        sealed: bool,
    },
}

/// A piece of reasoning.
struct Thought<'a> {
    maker: Maker,
    index: Option<u64>,
    text: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    encrypted: Option<Cow<'a, str>>,
}

impl<'a> Thought<'a> {
    /// Nobody signs what comes without details.
    fn plain(text: Cow<'a, str>) -> Self {
        Self {
            maker: Maker::Unknown,
            index: None,
            text: Some(text),
            signature: None,
            encrypted: None,
        }
    }
}

impl Choice {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            open: None,
            calls: Calls::default(),
            finish: None,
        }
    }

    pub(super) fn finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Notes why it ends; told at the end, because more may come beside it.
    pub(super) fn finish(&mut self, reason: &str) {
        if self.finish.is_none() {
            self.finish = Some(reason.chars().take(64).collect());
        }
    }

    pub(super) fn message(
        &mut self,
        message: Message<'_>,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let natives = message.natives();
        let mut details = message.reasoning_details.unwrap_or_default();
        let spelled = details
            .iter()
            .any(|it| it.text.is_some() || it.summary.is_some());
        let plain = said(message.reasoning_content).or(said(message.reasoning));
        if let Some(text) = plain.filter(|_| !spelled) {
            self.think(Thought::plain(text), shared, sink)?;
        }
        let of_calls = details.extract_if(.., |it| it.id.is_some() && is_google(it));
        let of_calls: Vec<Detail<'_>> = of_calls.collect();
        for detail in details {
            self.detail(detail, shared, sink)?;
        }
        if let Some(content) = message.content {
            self.content(content, shared, sink)?;
        }
        for kind in natives {
            self.native(Some(Cow::Borrowed(kind)), shared, sink)?;
        }
        if let Some(refusal) = said(message.refusal) {
            self.say(Open::Refusal, refusal, shared, sink)?;
        }
        let calls = message.tool_calls.unwrap_or_default().into_iter();
        let pieces = calls
            .map(Into::into)
            .chain(message.function_call.map(Into::into));
        for piece in pieces {
            self.leave(sink);
            self.calls.piece(self.number, piece, shared, sink)?;
        }
        for detail in of_calls {
            if let (Some(id), Some(data)) = (said(detail.id), said(detail.data)) {
                self.calls
                    .signature(self.number, &id, &data, shared, sink)?;
            }
        }
        if let Some(signature) = message.extra_content.and_then(Extra::signature) {
            self.sign(&signature, shared, sink)?;
        }
        Ok(())
    }

    fn content(
        &mut self,
        content: Content<'_>,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let parts = match content {
            Content::Text(text) => return self.say(Open::Text, text, shared, sink),
            Content::Parts(parts) => parts,
        };
        for part in parts {
            match part.thinking {
                Some(Content::Text(text)) => self.think(Thought::plain(text), shared, sink)?,
                Some(Content::Parts(thoughts)) => {
                    for text in thoughts.into_iter().filter_map(|it| said(it.text)) {
                        self.think(Thought::plain(text), shared, sink)?;
                    }
                }
                None => match (said(part.text), said(part.refusal)) {
                    (Some(text), _) => self.say(Open::Text, text, shared, sink)?,
                    (None, Some(text)) => self.say(Open::Refusal, text, shared, sink)?,
                    (None, None) => self.native(part.kind.map(|it| it.0), shared, sink)?,
                },
            }
        }
        Ok(())
    }

    fn native(
        &mut self,
        kind: Option<Cow<'_, str>>,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let Some(kind) = kind.filter(|kind| !matches!(&**kind, "text" | "refusal" | "thinking"))
        else {
            return Ok(());
        };
        let choice = self.number;
        self.close(shared, sink)?;
        let block = Block::Native { kind };
        sink(Event::Open { choice, block });
        sink(Event::Close { choice });
        Ok(())
    }

    fn detail(
        &mut self,
        detail: Detail<'_>,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let google = is_google(&detail);
        let data = said(detail.data);
        if let Some(signature) = data.as_ref().filter(|_| google)
            && self.open == Some(Open::Text)
        {
            let delta = Delta::Signature(signature.clone());
            let choice = self.number;
            sink(Event::Delta { choice, delta });
            return Ok(());
        }
        let maker = said(detail.format).map_or(Maker::Unknown, |it| Maker::of_format(&it));
        let (signature, encrypted) = if google { (data, None) } else { (None, data) };
        let thought = Thought {
            maker,
            index: detail.index,
            text: said(detail.text).or(said(detail.summary)),
            signature: said(detail.signature).or(signature),
            encrypted,
        };
        self.think(thought, shared, sink)
    }

    fn think(
        &mut self,
        thought: Thought<'_>,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let Thought {
            maker,
            index,
            text,
            signature,
            encrypted,
        } = thought;
        let deltas = [
            text.filter(|text| !text.is_empty()).map(Delta::Text),
            signature.map(Delta::Signature),
            encrypted.map(Delta::Encrypted),
        ];
        if deltas.iter().all(Option::is_none) {
            return Ok(());
        }
        let mut block = Open::Reasoning {
            maker,
            index,
            sealed: false,
        };
        // Thoughts in cipher are a block of their own.
        if self.open != Some(block) || deltas[2].is_some() {
            self.close(shared, sink)?;
            self.begin(block, sink);
        }
        if deltas[1].is_some() || deltas[2].is_some() {
            block = Open::Reasoning {
                maker,
                index,
                sealed: true,
            };
        }
        self.open = Some(block);
        let choice = self.number;
        for delta in deltas.into_iter().flatten() {
            sink(Event::Delta { choice, delta });
        }
        Ok(())
    }

    fn say(
        &mut self,
        block: Open,
        text: Cow<'_, str>,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        if text.is_empty() {
            return Ok(());
        }
        if self.open != Some(block) {
            self.close(shared, sink)?;
            self.begin(block, sink);
        }
        let choice = self.number;
        let delta = Delta::Text(text);
        sink(Event::Delta { choice, delta });
        Ok(())
    }

    /// Google's signature beside a message is of its first call, or else of its
    /// text.
    fn sign(
        &mut self,
        signature: &str,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        if !self.calls.is_empty() {
            return self.calls.sign_first(self.number, signature, shared, sink);
        }
        if self.open != Some(Open::Text) {
            self.close(shared, sink)?;
            self.begin(Open::Text, sink);
        }
        let choice = self.number;
        let delta = Delta::Signature(signature.into());
        sink(Event::Delta { choice, delta });
        Ok(())
    }

    fn begin(&mut self, block: Open, sink: Sink<'_>) {
        self.open = Some(block);
        let choice = self.number;
        let block = match block {
            Open::Text => Block::Text,
            Open::Refusal => Block::Refusal,
            Open::Reasoning { maker, .. } => Block::Reasoning { maker, id: None },
        };
        sink(Event::Open { choice, block });
    }

    /// Closes the open block, if it is not that of a call.
    fn leave(&mut self, sink: Sink<'_>) {
        if self.open.take().is_some() {
            let choice = self.number;
            sink(Event::Close { choice });
        }
    }

    /// Closes whatever is open or waits to be.
    pub(super) fn close(&mut self, shared: &mut Shared, sink: Sink<'_>) -> Result<(), Garbled> {
        self.leave(sink);
        self.calls.drain(self.number, shared, sink)
    }

    /// Tells why it ended; it is closed, and nothing more comes.
    pub(super) fn end(&mut self, sink: Sink<'_>) {
        let native = self.finish.take().unwrap_or_default();
        let finish = match (&*native, self.calls.is_empty()) {
            // OpenAI itself says so of a call that was forced by name.
            ("stop" | "tool_calls" | "function_call", false) => Finish::ToolCalls,
            // Recorded from OpenRouter, where what was behind it said nothing more.
            ("", false) if self.calls.whole() => Finish::ToolCalls,
            ("stop", true) => Finish::Stop,
            // The latter is Mistral's, of its context window.
            ("length" | "model_length", _) => Finish::Length,
            ("content_filter", _) => Finish::ContentFilter,
            _ => Finish::Error,
        };
        let choice = self.number;
        sink(Event::Finish {
            choice,
            finish,
            native: native.into(),
        });
    }
}

fn is_google(detail: &Detail<'_>) -> bool {
    detail
        .kind
        .as_ref()
        .is_some_and(|kind| kind.0 == "reasoning.encrypted")
        && detail
            .format
            .as_ref()
            .is_some_and(|format| Maker::of_format(&format.0) == Maker::Gemini)
}
