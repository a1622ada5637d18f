//! Gate 4 behind the real pipeline, over a transport that plays a script, in time
//! that passes only where somebody waits.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod script;
mod stage;

mod breakers;
mod failover;
mod invoice;
mod money;
mod running;
mod tools;
mod waits;
