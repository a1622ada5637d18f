//! A stream on its way back to a caller of the same dialect.
//!
//! Bytes pass as they came. Two things may change, both in usage events: one that
//! the caller did not ask for is taken out, one that it did ask for gets the cost.

pub(super) mod chunk;
mod watch;

use bytes::Bytes;

use super::Usage;
pub use crate::canonical::ProviderError;
use crate::openai::ErrorBody;
use crate::sse::{Event, Frame, Framer};
pub use watch::Progress;
use watch::{Fate, Watch};

/// Whether the caller asked for usage (`stream_options.include_usage`). The
/// upstream always is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A usage event passes, with the cost added.
    Yes,
    /// A usage event without choices is taken out.
    No,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// With `[DONE]`, or with a finish reason for every choice.
    Finished,
    /// Without: the caller must be told by an error event.
    Cut,
    /// With an error event of the provider, which has been passed on.
    Errored,
}

/// Names the price of a usage: a JSON number in USD, or `None` when unknown.
pub type Price<'a> = &'a mut dyn FnMut(&Usage) -> Option<String>;

/// Passes one stream on and watches it. Holds at most
/// [`MAX_EVENT`](crate::sse::MAX_EVENT) bytes.
#[derive(Debug)]
pub struct Relay {
    framer: Framer,
    watch: Watch,
    /// How many choices must finish.
    choices: u32,
    /// What was passed on last does not end in a blank line.
    mid_event: bool,
}

impl Relay {
    /// For a stream of `choices` choices (the request's `n`).
    #[must_use]
    pub fn new(asked: Asked, choices: u32) -> Self {
        Self {
            framer: Framer::default(),
            watch: Watch::new(asked),
            choices,
            mid_event: false,
        }
    }

    /// Takes one read from the upstream and appends to `out` what the caller gets
    /// for it: slices of `chunk`, joined where they touch, so a read of whole
    /// events that need no change is passed on as it is.
    pub fn push(&mut self, chunk: Bytes, price: Price<'_>, out: &mut Vec<Bytes>) {
        let Self {
            framer,
            watch,
            mid_event,
            ..
        } = self;
        let mut run = Run::new(&chunk, out);
        framer.push(chunk.clone(), |frame| match frame {
            Frame::Event(event) => pass(watch.event(&event, price), event, &mut run),
            Frame::Oversize { raw, last } => {
                watch.oversize(last);
                *mid_event = !last;
                run.pass(raw);
            }
        });
        run.flush();
    }

    /// The upstream has ended. An event that was cut in the middle is dropped: no
    /// client can read half of one.
    pub fn finish(&mut self, price: Price<'_>, out: &mut Vec<Bytes>) {
        let Self {
            framer,
            watch,
            mid_event,
            ..
        } = self;
        let nothing = Bytes::new();
        let mut run = Run::new(&nothing, out);
        framer.finish(|frame| match frame {
            Frame::Event(event) if event.is_complete() || chunk::is_whole(&event) => {
                *mid_event = !event.is_complete();
                pass(watch.event(&event, price), event, &mut run);
            }
            Frame::Event(_) => {}
            Frame::Oversize { last, .. } => watch.oversize(last),
        });
        run.flush();
    }

    /// What has been seen so far.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        self.watch.progress()
    }

    /// How the stream ended, if this is its end.
    #[must_use]
    pub fn ended(&self) -> Verdict {
        let progress = self.progress();
        if progress.error.is_some() {
            Verdict::Errored
        } else if progress.done || progress.finished_choices() >= self.choices {
            Verdict::Finished
        } else {
            Verdict::Cut
        }
    }

    /// The event that tells the caller of a failure after the first byte, to be
    /// sent after [`finish`](Self::finish) and as the last: no `[DONE]` follows.
    #[must_use]
    pub fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        let event = error_event(error);
        if self.mid_event {
            [b"\n\n", &event[..]].concat().into()
        } else {
            event
        }
    }

    /// Bytes that wait for the end of their event.
    #[must_use]
    pub fn held(&self) -> usize {
        self.framer.held()
    }
}

/// An error as an event of a chat stream, after whole events.
#[must_use]
pub fn error_event(error: &ErrorBody<'_>) -> Bytes {
    format!("data: {}\n\n", error.render()).into()
}

fn pass(fate: Fate, event: Event, run: &mut Run<'_>) {
    match fate {
        Fate::Pass => run.pass(event.raw().clone()),
        Fate::Drop => {}
        Fate::Change(raw) => run.pass(raw),
    }
}

/// Joins neighbouring slices of one read again.
struct Run<'a> {
    chunk: &'a Bytes,
    start: usize,
    end: usize,
    out: &'a mut Vec<Bytes>,
}

impl<'a> Run<'a> {
    fn new(chunk: &'a Bytes, out: &'a mut Vec<Bytes>) -> Self {
        Self {
            chunk,
            start: 0,
            end: 0,
            out,
        }
    }

    fn pass(&mut self, raw: Bytes) {
        if raw.is_empty() {
            return;
        }
        let offset = raw.as_ptr().addr().wrapping_sub(self.chunk.as_ptr().addr());
        if offset >= self.chunk.len() {
            self.flush();
            return self.out.push(raw);
        }
        if offset != self.end {
            self.flush();
            self.start = offset;
        }
        self.end = offset + raw.len();
    }

    fn flush(&mut self) {
        if self.start < self.end {
            self.out.push(self.chunk.slice(self.start..self.end));
        }
        self.start = self.end;
    }
}
