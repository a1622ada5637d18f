//! Calls in Gemini's replies: parts with a `functionCall`.
//!
//! Most calls are whole. Where arguments come leaf by leaf, from `willContinue` on to the
//! part without it, the events wait, and text passes by. A refused call becomes a part of
//! text in the same place.

mod edit;
mod wire;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::ask::{self, Decision};
use super::document::{self, Document};
use super::edit::Edit;
use super::{CONDENSED_AT, Fault, Held, Judge, MAX_CALLS, Machine, UNREADABLE, read};
use crate::gemini::generate::Partial;
use crate::splice::Edits;
use crate::sse::Event;
use wire::{Chunk, Piece};

#[derive(Debug, Default)]
pub(super) struct Generate {
    calls: Vec<Call>,
    /// Of each candidate, the call that goes on.
    open: BTreeMap<u64, usize>,
    queue: VecDeque<Waiting>,
    held: Held,
}

#[derive(Debug)]
struct Call {
    name: String,
    arguments: Partial,
    /// The arguments do not fit together.
    garbled: bool,
    /// The pieces are too many to be passed on one by one.
    condensed: bool,
    decision: Option<Decision>,
    /// Whether what was decided has been said.
    said: bool,
}

/// An event that waits.
#[derive(Debug)]
struct Waiting {
    event: Event,
    /// The calls of its pieces, in their order.
    calls: Vec<usize>,
    /// It only goes on with one of them.
    goes_on: bool,
}

impl Machine for Generate {
    fn is_busy(&self) -> bool {
        !self.queue.is_empty()
    }

    fn event(
        &mut self,
        event: &Event,
        suspect: bool,
        judge: Judge<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault> {
        let Some(document) = read(event, suspect)? else {
            out.push(event.raw().clone());
            return Ok(());
        };
        let chunk = Chunk::read(document.text())?;
        let before = self.calls.len();
        let calls = self.take(&chunk, judge)?;
        let waits = self.waits(&calls) || (self.is_busy() && (chunk.ends() || !calls.is_empty()));
        if !waits {
            out.extend(self.edit(&document, &chunk, &calls, true).event(event));
            return Ok(());
        }
        let goes_on = calls.iter().all(|call| *call < before) && !chunk.ends();
        let condensed = |call: &usize| self.calls.get(*call).is_some_and(|it| it.condensed);
        if goes_on && self.waits(&calls) && calls.iter().all(condensed) {
            return Ok(());
        }
        let mut event = event.copied();
        if let Some((text, rest)) = edit::split(&event, &document, &chunk) {
            out.push(text);
            event = rest;
        }
        self.held.add(event.raw().len())?;
        self.queue.push_back(Waiting {
            event,
            calls,
            goes_on,
        });
        self.flush(out)?;
        if self.held.0 > CONDENSED_AT {
            self.condense();
        }
        Ok(())
    }

    fn whole(&mut self, body: &Bytes, judge: Judge<'_>) -> Result<Bytes, Fault> {
        let document =
            Document::read(body).ok_or(Fault::Unreadable("the reply is not strict JSON"))?;
        let chunks = match document.text().trim_start().starts_with('[') {
            true => document::list(document.text())?,
            false => vec![document.text()],
        };
        let mut edits = Edits::default();
        for chunk in chunks {
            let chunk = Chunk::read(chunk)?;
            let calls = self.take(&chunk, judge)?;
            if self.waits(&calls) {
                return Err(Fault::Unreadable("a whole reply has half of a call"));
            }
            edits.append(self.edit(&document, &chunk, &calls, false).edits);
        }
        Ok(edits.apply(body))
    }

    fn held(&self) -> usize {
        self.held.0
    }

    fn is_open(&self) -> bool {
        !self.open.is_empty()
    }
}

impl Generate {
    /// Takes the pieces of an event to their calls: of each, which one.
    fn take(&mut self, chunk: &Chunk<'_>, judge: Judge<'_>) -> Result<Vec<usize>, Fault> {
        let mut calls = Vec::new();
        for candidate in &chunk.candidates {
            for piece in candidate
                .parts
                .iter()
                .filter_map(|part| part.piece.as_ref())
            {
                calls.push(self.piece(candidate.index, piece, judge)?);
            }
            if candidate.ends
                && let Some(open) = self.open.remove(&candidate.index)
                && let Some(call) = self.calls.get_mut(open)
            {
                call.decision = Some(ask::refused(&call.name, "It is not complete."));
            }
        }
        Ok(calls)
    }

    fn piece(
        &mut self,
        candidate: u64,
        piece: &Piece<'_>,
        judge: Judge<'_>,
    ) -> Result<usize, Fault> {
        let open = self.open.get(&candidate).copied();
        if open.is_some() && (piece.name.is_some() || piece.arguments.is_some()) {
            return Err(Fault::Unreadable("a call begins inside another"));
        }
        if self.calls.len() == MAX_CALLS {
            return Err(Fault::Exceeded);
        }
        let at = open.unwrap_or_else(|| {
            self.calls.push(Call {
                name: piece.name.as_deref().unwrap_or_default().to_owned(),
                arguments: Partial::default(),
                garbled: false,
                condensed: false,
                decision: None,
                said: false,
            });
            self.calls.len() - 1
        });
        let call = &mut self.calls[at];
        for leaf in &piece.leaves {
            self.held.add(leaf.len())?;
            let leaf = serde_json::from_str(leaf);
            let fits = leaf.is_ok_and(|leaf| call.arguments.put(leaf).is_ok());
            call.garbled |= !fits;
        }
        if piece.goes_on {
            if piece.arguments.is_some() {
                return Err(Fault::Unreadable("a call has two sets of arguments"));
            }
            self.open.insert(candidate, at);
            return Ok(at);
        }
        self.open.remove(&candidate);
        call.decide(piece.arguments, judge);
        Ok(at)
    }

    fn waits(&self, calls: &[usize]) -> bool {
        let undecided = |call: &usize| {
            self.calls
                .get(*call)
                .is_some_and(|it| it.decision.is_none())
        };
        calls.iter().any(undecided)
    }

    /// Forgets the pieces that go on with calls: their arguments will be told in one.
    fn condense(&mut self) {
        let Self {
            calls, queue, held, ..
        } = self;
        queue.retain(|waiting| {
            let undecided = |call: &usize| calls[*call].decision.is_none();
            if !waiting.goes_on || !waiting.calls.iter().all(undecided) {
                return true;
            }
            for call in &waiting.calls {
                calls[*call].condensed = true;
            }
            held.free(waiting.event.raw().len());
            false
        });
    }

    /// Lets pass what need not wait any longer.
    fn flush(&mut self, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        while let Some(first) = self.queue.pop_front() {
            if self.waits(&first.calls) {
                self.queue.push_front(first);
                return Ok(());
            }
            self.held.free(first.event.raw().len());
            let data = first.event.data().unwrap_or_default();
            let document = Document::read(&data).ok_or(UNREADABLE)?;
            let chunk = Chunk::read(document.text())?;
            let edit = self.edit(&document, &chunk, &first.calls, true);
            out.extend(edit.event(&first.event));
        }
        self.held = Held::default();
        Ok(())
    }

    /// What becomes of an event whose calls have been decided.
    fn edit<'d>(
        &mut self,
        document: &'d Document,
        chunk: &Chunk<'_>,
        calls: &[usize],
        streamed: bool,
    ) -> Edit<'d> {
        let mut edit = Edit::new(document, streamed);
        let mut calls = calls.iter();
        for candidate in &chunk.candidates {
            let pieces = candidate.parts.iter().filter(|part| part.piece.is_some());
            let of: Vec<usize> = calls.by_ref().take(pieces.count()).copied().collect();
            edit.candidate(candidate, &of, &mut self.calls);
        }
        edit.speaks |= chunk.speaks;
        edit
    }
}

impl Call {
    fn decide(&mut self, arguments: Option<&str>, judge: Judge<'_>) {
        let leaves = std::mem::take(&mut self.arguments).json();
        let arguments = match (arguments, leaves) {
            (Some(_), Some(_)) => None,
            (Some(arguments), None) => Some(arguments.to_owned()),
            (None, leaves) => Some(leaves.unwrap_or_default()),
        };
        let fits = arguments.filter(|_| !self.garbled);
        // What fits nowhere is no object.
        let arguments = fits.unwrap_or_else(|| "garbled".to_owned());
        let decision = ask::function(&std::mem::take(&mut self.name), &arguments, judge);
        self.decision = Some(match decision {
            Decision::Released if self.condensed => Decision::Rewritten(arguments),
            decision => decision,
        });
    }
}
