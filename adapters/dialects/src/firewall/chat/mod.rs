//! Calls in chat replies: `tool_calls` and the older `function_call` of deltas and
//! messages.
//!
//! A call has no end of its own here: it is complete when the braces of its arguments
//! are closed, and otherwise where its choice finishes. Events with pieces of calls wait
//! in one queue, so that calls keep their order; text passes by. A refused call becomes
//! content, and the calls after it move up.

mod call;
mod edit;
mod wire;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::document::Document;
use super::edit::Edit;
use super::queue::{self, Share};
use super::{CONDENSED_AT, Fault, Held, Judge, MAX_CALLS, Machine, UNREADABLE, read};
use crate::sse::Event;
use call::{Choice, Place};
use wire::Chunk;

#[derive(Debug, Default)]
pub(super) struct Chat {
    choices: BTreeMap<u64, Choice>,
    queue: VecDeque<Waiting>,
    held: Held,
    /// Calls so far, of all choices.
    calls: usize,
}

/// An event that waits for the calls that it has pieces of, or behind another.
#[derive(Debug)]
struct Waiting {
    event: Event,
    /// Of its pieces, in their order.
    places: Vec<Place>,
    /// It only goes on with one of them.
    goes_on: bool,
}

impl Machine for Chat {
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
        let data = event.data().unwrap_or_default();
        if data.trim_ascii() == b"[DONE]" {
            return self.done(event, judge, out);
        }
        let Some(document) = read(event, suspect)? else {
            out.push(event.raw().clone());
            return Ok(());
        };
        let chunk = Chunk::read(&document)?;
        let before = self.calls;
        let places = self.take(&chunk, judge)?;
        let begins = self.calls > before;
        let finishes = chunk.choices.iter().any(|choice| choice.finish.is_some());
        let waits = self.waits(&places) || (self.is_busy() && (finishes || !places.is_empty()));
        if !waits {
            out.extend(self.edit(&document, &chunk, &places, true)?.event(event));
            return Ok(());
        }
        let goes_on = !begins && !finishes && chunk.goes_on();
        if goes_on && self.waits(&places) && places.iter().all(|place| self.is_condensed(*place)) {
            return Ok(());
        }
        let mut event = event.copied();
        if let Some((text, calls)) = edit::split(&event, &document, &chunk)? {
            out.push(text);
            event = calls;
        }
        self.held.add(event.raw().len())?;
        self.queue.push_back(Waiting {
            event,
            places,
            goes_on,
        });
        self.flush(out)?;
        if self.held.0 > CONDENSED_AT {
            self.condense();
        }
        Ok(())
    }

    fn whole(&mut self, body: &Bytes, judge: Judge<'_>) -> Result<Bytes, Fault> {
        let document = Document::read(body).ok_or(UNREADABLE)?;
        let chunk = Chunk::read(&document)?;
        let places = self.take(&chunk, judge)?;
        self.conclude_all(judge);
        let edit = self.edit(&document, &chunk, &places, false)?;
        Ok(edit.edits.apply(body))
    }

    fn held(&self) -> usize {
        self.held.0
    }

    fn is_open(&self) -> bool {
        self.choices.values().any(Choice::is_open)
    }
}

impl Chat {
    /// Takes the pieces of an event to their calls, and concludes the calls of choices
    /// that finish.
    fn take(&mut self, chunk: &Chunk<'_>, judge: Judge<'_>) -> Result<Vec<Place>, Fault> {
        let mut places = Vec::new();
        for told in &chunk.choices {
            for piece in &told.pieces {
                let choice = self.choices.entry(told.index).or_default();
                let (call, new) = choice.take(piece, &mut self.held, judge)?;
                self.calls += usize::from(new);
                if self.calls > MAX_CALLS {
                    return Err(Fault::Exceeded);
                }
                places.push(Place {
                    choice: told.index,
                    call,
                });
            }
            if told.finish.is_some()
                && let Some(choice) = self.choices.get_mut(&told.index)
            {
                choice.conclude(&mut self.held, judge);
            }
        }
        Ok(places)
    }

    fn is_condensed(&self, place: Place) -> bool {
        let choice = self.choices.get(&place.choice);
        choice.is_some_and(|choice| choice.is_condensed(place.call))
    }

    /// Forgets the pieces that go on with calls: their arguments will be told in one.
    fn condense(&mut self) {
        let Self {
            choices,
            queue,
            held,
            ..
        } = self;
        queue.retain(|waiting| {
            let open = |place: &Place| {
                choices
                    .get(&place.choice)
                    .is_some_and(|it| it.waits(place.call))
            };
            if !waiting.goes_on || !waiting.places.iter().all(open) {
                return true;
            }
            for place in &waiting.places {
                if let Some(call) = choices
                    .get_mut(&place.choice)
                    .and_then(|it| it.call(place.call))
                {
                    call.condensed = true;
                }
            }
            held.free(waiting.event.raw().len());
            false
        });
    }

    fn conclude_all(&mut self, judge: Judge<'_>) {
        for choice in self.choices.values_mut() {
            choice.conclude(&mut self.held, judge);
        }
    }

    /// The mark that ends a stream, whether its choices have finished or not.
    fn done(&mut self, event: &Event, judge: Judge<'_>, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        self.conclude_all(judge);
        self.flush(out)?;
        out.push(event.raw().clone());
        Ok(())
    }

    /// Whether one of the calls has not been decided.
    fn waits(&self, places: &[Place]) -> bool {
        places.iter().any(|place| {
            let choice = self.choices.get(&place.choice);
            choice.is_some_and(|choice| choice.waits(place.call))
        })
    }

    /// Lets pass what need not wait any longer.
    fn flush(&mut self, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        while let Some(first) = self.queue.front() {
            if self.waits(&first.places) {
                return Ok(());
            }
            let call = first.places.first().copied();
            let of_call = |waiting: &Waiting| {
                let mut places = waiting.places.iter().map(|place| Some(*place) == call);
                match (places.clone().all(|of| of), places.any(|of| of)) {
                    (true, true) => Share::All,
                    (false, true) => Share::Some,
                    (_, false) => Share::None,
                }
            };
            for Waiting { event, places, .. } in queue::take(&mut self.queue, of_call) {
                self.held.free(event.raw().len());
                let data = event.data().unwrap_or_default();
                let document = Document::read(&data).ok_or(UNREADABLE)?;
                let chunk = Chunk::read(&document)?;
                out.extend(self.edit(&document, &chunk, &places, true)?.event(&event));
            }
        }
        Ok(())
    }

    /// What becomes of an event whose calls have been decided.
    fn edit<'d>(
        &mut self,
        document: &'d Document,
        chunk: &Chunk<'_>,
        places: &[Place],
        streamed: bool,
    ) -> Result<Edit<'d>, Fault> {
        let mut edit = Edit::new(document, streamed);
        let mut places = places.iter();
        for told in &chunk.choices {
            let Some(choice) = self.choices.get_mut(&told.index) else {
                edit.speaks |= told.speaks();
                continue;
            };
            let calls = places.by_ref().take(told.pieces.len());
            let calls: Vec<usize> = calls.map(|place| place.call).collect();
            edit.choice(told, choice, &calls)?;
        }
        edit.speaks |= chunk.counts || chunk.choices.is_empty();
        Ok(edit)
    }
}
