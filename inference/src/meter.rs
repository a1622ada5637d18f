//! What an engine counts, readable while it works.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::engine::Stats;

/// Written by the engine's thread alone.
#[derive(Debug, Default)]
pub struct Meter {
    running: AtomicU32,
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    output_tokens: AtomicU64,
    /// Milliseconds that a request holds its slot, of late.
    span: AtomicU64,
}

impl Meter {
    /// So many requests have a slot.
    pub fn running(&self, running: usize) {
        let running = u32::try_from(running).unwrap_or(u32::MAX);
        self.running.store(running, Relaxed);
    }

    /// A prompt has a slot.
    pub fn admitted(&self, prompt_tokens: usize, cached_tokens: usize) {
        self.prompt_tokens.fetch_add(prompt_tokens as u64, Relaxed);
        self.cached_tokens.fetch_add(cached_tokens as u64, Relaxed);
    }

    /// One token was made.
    pub fn made(&self) {
        self.output_tokens.fetch_add(1, Relaxed);
    }

    /// A request has held its slot for so long.
    pub fn ended(&self, span: Duration) {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let before = self.span.load(Relaxed);
        let after = if before == 0 {
            span
        } else {
            before - before / 8 + span / 8
        };
        self.span.store(after, Relaxed);
    }

    /// When one of `waiting` requests may have left the queue: 1 s to 60 s.
    pub fn retry_after(&self, waiting: u32, slots: u32) -> Duration {
        let rounds = u64::from(waiting / slots.max(1)) + 1;
        let millis = self.span.load(Relaxed).saturating_mul(rounds);
        Duration::from_millis(millis).clamp(Duration::from_secs(1), Duration::from_secs(60))
    }

    /// All of it.
    pub fn stats(&self, waiting: u32) -> Stats {
        Stats {
            running: self.running.load(Relaxed),
            waiting,
            prompt_tokens: self.prompt_tokens.load(Relaxed),
            cached_tokens: self.cached_tokens.load(Relaxed),
            output_tokens: self.output_tokens.load(Relaxed),
        }
    }
}
