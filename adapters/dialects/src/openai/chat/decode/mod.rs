//! A chat completion, whole or streamed, as canonical events.

mod arguments;
mod calls;
mod choice;
mod wire;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::watch::is_done;
use crate::canonical::{Decode, Ended, Event, Garbled, ProviderError, Sink, Usage};
pub(crate) use arguments::Arguments;
use calls::Shared;
use choice::Choice;
use wire::Chunk;

/// As many choices as can be asked for.
const MAX_CHOICES: u32 = 128;

/// Reads what OpenAI and the servers that follow it reply. A stream is whole with
/// `[DONE]`, or when every choice has a reason to be finished; a choice that
/// `[DONE]` leaves without one has called tools, if it has, or else finishes with an
/// error.
///
/// Holds at most 1 MiB of tool calls whose pieces alternate, and a few words for
/// each choice.
#[derive(Debug)]
pub struct Decoder {
    shared: Shared,
    /// How many choices there must be.
    wanted: u32,
    choices: BTreeMap<u32, Choice>,
    begun: bool,
    usage: Option<Usage>,
    ended: Option<Ended>,
}

impl Decoder {
    /// For one reply of `choices` choices (the request's `n`). Calls without an id
    /// get `call_lat_{seed}_0` and so on: the seed must differ from reply to reply
    /// within a conversation.
    #[must_use]
    pub fn new(seed: &str, choices: u32) -> Self {
        Self {
            shared: Shared {
                seed: seed.to_owned(),
                made: 0,
                held: 0,
            },
            wanted: choices,
            choices: BTreeMap::new(),
            begun: false,
            usage: None,
            ended: None,
        }
    }

    fn read(&mut self, json: &[u8], is_error: bool, sink: Sink<'_>) -> Result<(), Garbled> {
        // The error's own words may quote the reply.
        let unreadable = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            Garbled(format!("no chat completion at line {line} column {column}"))
        };
        let chunk: Chunk<'_> = serde_json::from_slice(json).map_err(unreadable)?;
        let bare = is_error || chunk.object.as_ref().is_some_and(|it| it.0 == "error");
        if let Some(error) = chunk.error {
            self.error(error, sink);
        } else if bare {
            let error: &RawValue = serde_json::from_slice(json).map_err(unreadable)?;
            self.error(error, sink);
        } else {
            self.chunk(chunk, sink)?;
        }
        Ok(())
    }

    fn error(&mut self, error: &RawValue, sink: Sink<'_>) {
        self.ended = Some(Ended::Errored);
        sink(Event::Error(ProviderError::read(error)));
    }

    fn chunk(&mut self, chunk: Chunk<'_>, sink: Sink<'_>) -> Result<(), Garbled> {
        let tier = chunk.service_tier;
        let usage = chunk
            .usage
            .and_then(|usage| Usage::served(usage.get(), tier));
        self.usage = usage.or(self.usage);
        let choices = chunk.choices.unwrap_or_default();
        if !self.begun && !choices.is_empty() {
            self.begun = true;
            sink(Event::Start {
                id: wire::said(chunk.id).unwrap_or_default(),
                model: wire::said(chunk.model).unwrap_or_default(),
            });
        }
        for choice in choices {
            let number = choice.index.unwrap_or(0);
            if number >= MAX_CHOICES {
                return Err(Garbled(format!("a choice of number {number}")));
            }
            let state = self.choices.entry(number);
            let state = state.or_insert_with(|| Choice::new(number));
            if let Some(message) = choice.delta.or(choice.message) {
                state.message(message, &mut self.shared, sink)?;
            }
            if let Some(reason) = wire::said(choice.finish_reason) {
                state.finish(&reason);
            }
        }
        Ok(())
    }

    /// The reply is complete.
    fn settle(&mut self, sink: Sink<'_>) -> Result<(), Garbled> {
        if self.choices.is_empty() {
            return Err(Garbled("the reply ends without a choice".into()));
        }
        for choice in self.choices.values_mut() {
            choice.close(&mut self.shared, sink)?;
        }
        for choice in self.choices.values_mut() {
            choice.end(sink);
        }
        if let Some(usage) = self.usage {
            sink(Event::Usage(usage));
        }
        self.ended = Some(Ended::Whole);
        Ok(())
    }
}

impl Decode for Decoder {
    fn event(&mut self, name: Option<&[u8]>, data: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        if self.ended.is_some() {
            Ok(())
        } else if is_done(data) {
            self.settle(sink)
        } else {
            self.read(data, name == Some(b"error"), sink)
        }
    }

    fn whole(&mut self, body: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        self.read(body, false, sink)?;
        match self.ended {
            None => self.settle(sink),
            Some(_) => Ok(()),
        }
    }

    fn end(&mut self, sink: Sink<'_>) -> Ended {
        let finished = self.choices.values().filter(|it| it.finished()).count();
        let all = finished == self.choices.len() && finished >= self.wanted as usize;
        if self.ended.is_none() && (!all || self.settle(sink).is_err()) {
            self.ended = Some(Ended::Cut);
        }
        self.ended.unwrap_or(Ended::Cut)
    }
}
