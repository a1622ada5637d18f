//! A stream on its way back to a caller of the same dialect: bytes pass as they
//! came, save for what the dialect's [`Watch`] takes out or changes.

use bytes::Bytes;

use super::{Fate, Price, Progress, Run, Verdict, Watch};
use crate::error::ErrorBody;
use crate::sse::{Event, Frame, Framer};

/// Passes one stream on and watches it. Holds at most
/// [`MAX_EVENT`](crate::sse::MAX_EVENT) bytes.
#[derive(Debug)]
pub struct Relay {
    framer: Framer,
    watch: Box<dyn Watch>,
    /// What was passed on last does not end in a blank line.
    mid_event: bool,
}

impl Relay {
    /// For a stream that `watch` can read.
    #[must_use]
    pub fn new(watch: Box<dyn Watch>) -> Self {
        Self {
            framer: Framer::default(),
            watch,
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
                watch.oversize(&raw, last);
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
            Frame::Event(event) if event.is_complete() || event.is_whole() => {
                *mid_event = !event.is_complete();
                pass(watch.event(&event, price), event, &mut run);
            }
            Frame::Event(_) => {}
            Frame::Oversize { raw, last } => watch.oversize(&raw, last),
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
        self.watch.ended()
    }

    /// The event that tells the caller of a failure after the first byte, to be
    /// sent after [`finish`](Self::finish) and as the last.
    #[must_use]
    pub fn error_event(&self, error: &ErrorBody<'_>) -> Bytes {
        let event = self.watch.error_event(error);
        if self.mid_event {
            format!("\n\n{event}").into()
        } else {
            event.into()
        }
    }

    /// Bytes that wait for the end of their event.
    #[must_use]
    pub fn held(&self) -> usize {
        self.framer.held()
    }
}

fn pass(fate: Fate, event: Event, run: &mut Run<'_>) {
    match fate {
        Fate::Pass => run.pass(event.raw().clone()),
        Fate::Drop => {}
        Fate::Change(raw) => run.pass(raw),
    }
}
