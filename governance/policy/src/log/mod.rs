//! The decision log: each decision as an event of the shape that OPA's have.
//!
//! A request hands its event over and goes on. What takes time (masking, which asks
//! the set, and writing) is done by whoever takes it: see [`Lines`].

mod event;
mod lines;
mod mask;

pub use event::Event;
pub use lines::{Lines, LinesOptions};
pub use mask::{BadPointer, Mask};

/// Takes events, on the thread of the request that they are about: must not block.
/// One that cannot be taken is counted.
pub trait Sink: Send + Sync {
    /// Takes the event, or counts that it could not.
    fn put(&self, event: Event);

    /// How many events were lost since the start.
    fn dropped(&self) -> u64;
}
