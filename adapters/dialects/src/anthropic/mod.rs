//! Anthropic.

pub mod messages;
