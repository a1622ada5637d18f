//! Event streams (`text/event-stream`), cut into events whose bytes stay exact.

mod event;
mod framer;
mod long;

pub use event::Event;
pub use framer::{Frame, Framer, MAX_EVENT};
pub(crate) use long::LongEvent;
