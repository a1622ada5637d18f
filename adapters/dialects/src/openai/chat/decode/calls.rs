//! Tool calls, whose pieces may alternate, as blocks that may not.

use std::borrow::Cow;

use super::arguments::Arguments;
use super::wire::{self, said};
use crate::canonical::{Block, Delta, Event, Garbled, Sink};

/// How much of a reply waits for something that must come before it, in bytes.
const MAX_HELD: usize = 1024 * 1024;

/// How the ids begin that are made for calls that came without one.
const MADE_ID: &str = "call_lat_";

/// What the calls of all choices share.
#[derive(Debug)]
pub(super) struct Shared {
    pub seed: String,
    pub made: u64,
    pub held: usize,
}

impl Shared {
    fn hold(&mut self, bytes: usize) -> Result<(), Garbled> {
        self.held += bytes;
        if self.held > MAX_HELD {
            let why = "more than 1 MiB of tool calls that alternate";
            return Err(Garbled(why.into()));
        }
        Ok(())
    }

    fn id(&mut self) -> String {
        let id = format!("{MADE_ID}{}_{}", self.seed, self.made);
        self.made += 1;
        id
    }
}

/// The calls of one choice, in the order of their first pieces.
#[derive(Debug, Default)]
pub(super) struct Calls {
    list: Vec<Call>,
    /// The first that has not been closed.
    current: usize,
    /// Whether that one's block is open.
    open: bool,
    /// Signatures that came before their calls, by the calls' ids.
    early: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Call {
    /// What the wire numbers it.
    key: Option<u32>,
    /// As it came; empty if it did not.
    id: String,
    name: String,
    arguments: Arguments,
    /// Of the arguments, what has not been told.
    held: String,
    signature: Option<String>,
    signed: bool,
}

/// What one element of `tool_calls` adds.
pub(super) struct Piece<'a> {
    key: Option<u32>,
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    arguments: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
}

impl<'a> From<wire::Call<'a>> for Piece<'a> {
    fn from(call: wire::Call<'a>) -> Self {
        let (name, arguments) = call.function.map_or((None, None), |it| {
            let arguments = it.arguments();
            (said(it.name), arguments)
        });
        Self {
            key: call.index,
            id: said(call.id),
            name,
            arguments,
            signature: call.extra_content.and_then(wire::Extra::signature),
        }
    }
}

impl<'a> From<wire::Function<'a>> for Piece<'a> {
    fn from(function: wire::Function<'a>) -> Self {
        Self {
            key: None,
            id: None,
            arguments: function.arguments(),
            name: said(function.name),
            signature: None,
        }
    }
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether there are any, none of them cut.
    pub(super) fn whole(&self) -> bool {
        !self.list.is_empty() && self.list.iter().all(|call| !call.arguments.cut())
    }

    /// Takes a piece, and tells what may be told. No other block may be open.
    pub(super) fn piece(
        &mut self,
        choice: u32,
        piece: Piece<'_>,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let at = self.find(&piece, shared)?;
        let call = &mut self.list[at];
        if let Some(id) = piece.id.filter(|_| call.id.is_empty()) {
            shared.hold(id.len())?;
            call.id = id.into_owned();
        }
        if let Some(name) = piece.name.filter(|_| call.name.is_empty()) {
            shared.hold(name.len())?;
            call.name = name.into_owned();
        }
        if let Some(arguments) = piece.arguments {
            if at < self.current && !arguments.trim().is_empty() {
                let why = "arguments for a tool call that had ended";
                return Err(Garbled(why.into()));
            }
            call.arguments.push(&arguments)?;
            if at == self.current && self.open {
                let delta = Delta::Arguments(arguments);
                sink(Event::Delta { choice, delta });
            } else if at >= self.current {
                shared.hold(arguments.len())?;
                call.held.push_str(&arguments);
            }
        }
        if let Some(signature) = piece.signature {
            self.sign(choice, at, &signature, shared, sink)?;
        }
        self.advance(choice, shared, sink);
        Ok(())
    }

    /// Which call a piece is of; a new one where it begins one.
    fn find(&mut self, piece: &Piece<'_>, shared: &mut Shared) -> Result<usize, Garbled> {
        // Servers have been seen that number all calls alike, or not at all.
        let found = self
            .list
            .iter()
            .rposition(|call| match (piece.key, &piece.id) {
                (Some(_), _) => call.key == piece.key,
                (None, Some(id)) => call.id == **id,
                (None, None) => true,
            });
        if let Some(at) = found {
            let call = &self.list[at];
            let another = match &piece.id {
                Some(id) => !call.id.is_empty() && *id != call.id,
                None => piece.key.is_none(),
            };
            let repeats = piece.arguments.is_none() || !call.arguments.complete();
            if piece.name.is_none() || (!another && repeats) {
                return Ok(at);
            }
        }
        shared.hold(size_of::<Call>())?;
        self.list.push(Call {
            key: piece.key,
            ..Call::default()
        });
        Ok(self.list.len() - 1)
    }

    /// A signature that names the call it belongs to.
    pub(super) fn signature(
        &mut self,
        choice: u32,
        id: &str,
        signature: &str,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        match self.list.iter().position(|call| call.id == id) {
            Some(at) => self.sign(choice, at, signature, shared, sink),
            None => {
                shared.hold(id.len() + signature.len() + size_of::<(String, String)>())?;
                self.early.push((id.to_owned(), signature.to_owned()));
                Ok(())
            }
        }
    }

    /// The signature of the first call that has none yet.
    pub(super) fn sign_first(
        &mut self,
        choice: u32,
        signature: &str,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        match self.list.iter().position(|call| !call.signed) {
            Some(at) => self.sign(choice, at, signature, shared, sink),
            None => Ok(()),
        }
    }

    /// Once for each call: it may be told in two places. One that comes after the
    /// end of its call is lost.
    fn sign(
        &mut self,
        choice: u32,
        at: usize,
        signature: &str,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let call = &mut self.list[at];
        if std::mem::replace(&mut call.signed, true) || at < self.current {
            return Ok(());
        }
        if at == self.current && self.open {
            let delta = Delta::Signature(signature.into());
            sink(Event::Delta { choice, delta });
        } else {
            shared.hold(signature.len())?;
            call.signature = Some(signature.to_owned());
        }
        Ok(())
    }

    /// Opens the current call once it has a name, and goes on to the next where
    /// there is one and the arguments of this one are complete.
    fn advance(&mut self, choice: u32, shared: &mut Shared, sink: Sink<'_>) {
        while let Some(call) = self.list.get(self.current) {
            if !self.open && call.name.is_empty() {
                return;
            }
            self.begin(choice, shared, sink);
            let call = &self.list[self.current];
            if !call.arguments.complete() || self.current + 1 == self.list.len() {
                return;
            }
            self.close(choice, sink);
        }
    }

    /// Opens the current call, unless it is open, and tells what was held of it.
    fn begin(&mut self, choice: u32, shared: &mut Shared, sink: Sink<'_>) {
        let call = &mut self.list[self.current];
        if self.open {
            return;
        }
        self.open = true;
        if call.id.is_empty() {
            call.id = shared.id();
        }
        let block = Block::ToolCall {
            id: call.id.as_str().into(),
            name: call.name.as_str().into(),
        };
        sink(Event::Open { choice, block });
        if let Some(early) = self.early.iter().position(|(id, _)| *id == call.id) {
            let (_, signature) = self.early.swap_remove(early);
            if !std::mem::replace(&mut call.signed, true) {
                call.signature = Some(signature);
            }
        }
        if let Some(signature) = call.signature.take() {
            let delta = Delta::Signature(signature.into());
            sink(Event::Delta { choice, delta });
        }
        let held = std::mem::take(&mut call.held);
        if !held.is_empty() {
            shared.held -= held.len();
            let delta = Delta::Arguments(held.into());
            sink(Event::Delta { choice, delta });
        }
    }

    fn close(&mut self, choice: u32, sink: Sink<'_>) {
        sink(Event::Close { choice });
        self.open = false;
        self.current += 1;
    }

    /// Tells all that is held and closes every call.
    pub(super) fn drain(
        &mut self,
        choice: u32,
        shared: &mut Shared,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        while let Some(call) = self.list.get(self.current) {
            if call.name.is_empty() {
                return Err(Garbled("a tool call without a name".into()));
            }
            self.begin(choice, shared, sink);
            self.close(choice, sink);
        }
        Ok(())
    }
}
