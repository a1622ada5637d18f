//! Tokens before issuers, a directory and a clock that the tests hold in hand.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod authenticator;
mod counting;
mod refusing;
mod rotating;
mod signer;
mod speaking;
mod world;
