//! One candidate: which block is open, and what a part does to it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Ids;
use super::finish::finish;
use super::partial::Partial;
use super::wire::{Call, Part, Str};
use crate::canonical::{Block, Delta, Event, Finish, Garbled, Maker, Sink};

#[derive(Debug)]
pub(super) struct Choice {
    pub index: u32,
    open: Option<Kind>,
    called: bool,
    ending: Option<Ending>,
}

/// What the open block holds.
#[derive(Debug)]
enum Kind {
    Text,
    Thought,
    Call(Partial),
}

#[derive(Debug)]
enum Ending {
    Finished(String),
    /// The prompt was refused.
    Blocked(String),
}

impl Choice {
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            open: None,
            called: false,
            ending: None,
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.ending.is_some()
    }

    /// Kept until the end: more may come after it. Vertex used to send the
    /// unspecified reason along with every chunk.
    pub(super) fn finished(&mut self, reason: &str) {
        if !matches!(reason, "" | "FINISH_REASON_UNSPECIFIED") {
            self.ending = Some(Ending::Finished(word(reason)));
        }
    }

    pub(super) fn blocked(&mut self, reason: &str) {
        self.ending = Some(Ending::Blocked(word(reason)));
    }

    pub(super) fn part(
        &mut self,
        part: Part<'_>,
        ids: &mut Ids,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        if let Some(call) = part.call {
            return self.call(call, part.signature, ids, sink);
        }
        if let (None, Some(Str(kind))) = (&part.text, part.native) {
            self.close(sink);
            self.begin(Block::Native { kind }, sink);
            self.end_block(sink);
            return Ok(());
        }
        let text = part.text.unwrap_or_default().0;
        self.text(text, part.thought, part.signature, sink);
        Ok(())
    }

    fn text(
        &mut self,
        text: Cow<'_, str>,
        thought: bool,
        signature: Option<Str<'_>>,
        sink: Sink<'_>,
    ) {
        if text.is_empty() && signature.is_none() {
            return;
        }
        let goes_on = match self.open {
            Some(Kind::Text) => !thought,
            Some(Kind::Thought) => thought,
            _ => false,
        };
        if !goes_on {
            self.close(sink);
            let (kind, block) = match thought {
                true => (
                    Kind::Thought,
                    Block::Reasoning {
                        maker: Maker::Gemini,
                        id: None,
                    },
                ),
                false => (Kind::Text, Block::Text),
            };
            self.begin(block, sink);
            self.open = Some(kind);
        }
        if !text.is_empty() {
            self.delta(Delta::Text(text), sink);
        }
        // A signature is of what came before it, so nothing may be added.
        if let Some(Str(signature)) = signature {
            self.delta(Delta::Signature(signature), sink);
            self.close(sink);
        }
    }

    fn call(
        &mut self,
        call: Call<'_>,
        signature: Option<Str<'_>>,
        ids: &mut Ids,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let name = call.name.map(|name| name.0).filter(|name| !name.is_empty());
        let goes_on = name.is_none() && matches!(self.open, Some(Kind::Call(_)));
        match name {
            None if goes_on => {}
            None => return Err(Garbled("a function call has no name".to_owned())),
            Some(name) => {
                self.close(sink);
                let id = call.id.map(|id| id.0).filter(|id| !id.is_empty());
                let id = id.unwrap_or_else(|| ids.make().into());
                self.begin(Block::ToolCall { id, name }, sink);
                self.open = Some(Kind::Call(Partial::default()));
                self.called = true;
            }
        }
        if let Some(Str(signature)) = signature {
            self.delta(Delta::Signature(signature), sink);
        }
        let in_pieces = goes_on || call.will_continue == Some(true) || call.partial_args.is_some();
        match call.args.map(RawValue::get) {
            Some("{}") if in_pieces => {}
            Some(args) if !in_pieces && args.starts_with('{') => {
                self.delta(Delta::Arguments(args.into()), sink);
            }
            None => {}
            Some(_) => return Err(Garbled("a call's arguments are no object".to_owned())),
        }
        if let Some(Kind::Call(partial)) = &mut self.open {
            for leaf in call.partial_args.into_iter().flatten() {
                partial.put(leaf)?;
            }
        }
        if call.will_continue != Some(true) {
            self.close(sink);
        }
        Ok(())
    }

    /// Ends whatever block is open.
    fn close(&mut self, sink: Sink<'_>) {
        match self.open.take() {
            None => return,
            Some(Kind::Text | Kind::Thought) => {}
            Some(Kind::Call(partial)) => {
                if let Some(arguments) = partial.json() {
                    self.delta(Delta::Arguments(arguments.into()), sink);
                }
            }
        }
        self.end_block(sink);
    }

    /// Ends the choice; only once it [`is_finished`](Self::is_finished).
    pub(super) fn end(&mut self, sink: Sink<'_>) {
        self.close(sink);
        let (finish, native) = match self.ending.take() {
            Some(Ending::Finished(reason)) => (finish(&reason, self.called), reason),
            Some(Ending::Blocked(reason)) => (Finish::ContentFilter, reason),
            None => return,
        };
        sink(Event::Finish {
            choice: self.index,
            finish,
            native: native.into(),
        });
    }

    fn begin(&self, block: Block<'_>, sink: Sink<'_>) {
        let choice = self.index;
        sink(Event::Open { choice, block });
    }

    fn delta(&self, delta: Delta<'_>, sink: Sink<'_>) {
        let choice = self.index;
        sink(Event::Delta { choice, delta });
    }

    fn end_block(&self, sink: Sink<'_>) {
        let choice = self.index;
        sink(Event::Close { choice });
    }
}

/// A reason, bounded: it is kept.
fn word(reason: &str) -> String {
    reason.chars().take(64).collect()
}
