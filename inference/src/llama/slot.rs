//! One of the sequences that a context decodes side by side, and who has it.

use std::time::Instant;

use llama_cpp_2::token::LlamaToken;
use tokio::sync::mpsc;

use crate::engine::{GenEvent, Sampling, Scope, StopReason};
use crate::error::EngineError;
use crate::queue::Waiting;
use crate::text::TextStream;

use super::sampler::Sampler;

/// Events that a slow reader may lag behind.
pub const EVENTS: usize = 64;

/// A request that waits for a slot.
pub struct Job {
    pub prompt: Vec<LlamaToken>,
    /// At least 1; fits the context together with the prompt.
    pub max_new: u32,
    pub sampling: Sampling,
    pub stop: Vec<String>,
    pub scope: Scope,
    pub events: mpsc::Sender<GenEvent>,
    pub submitted: Instant,
}

impl Waiting for Job {
    fn events(&self) -> &mpsc::Sender<GenEvent> {
        &self.events
    }
}

/// A sequence of the context.
pub struct Slot {
    /// Its number in llama.cpp.
    pub sequence: i32,
    /// What its cache holds: position and token.
    pub cached: Vec<LlamaToken>,
    /// Whose that is; `None`: it is empty.
    pub scope: Option<Scope>,
    /// When it was last given to somebody.
    pub taken: u64,
    /// Who has it.
    pub run: Option<Run>,
}

/// A request that has a slot.
pub struct Run {
    pub prompt: Vec<LlamaToken>,
    /// Picked, and not read by the model yet.
    pub next: Option<LlamaToken>,
    pub made: u32,
    pub max_new: u32,
    pub sampler: Sampler,
    pub text: TextStream,
    pub events: mpsc::Sender<GenEvent>,
    pub since: Instant,
    /// Since when its reader has left no room.
    pub stalled: Option<Instant>,
}

impl Slot {
    pub fn new(sequence: i32) -> Self {
        Self {
            sequence,
            cached: Vec::new(),
            scope: None,
            taken: 0,
            run: None,
        }
    }

    /// How much of `prompt` it holds for this scope. The last token is always read
    /// anew: what follows is picked from its row.
    pub fn shared(&self, scope: Scope, prompt: &[LlamaToken]) -> usize {
        if self.scope != Some(scope) {
            return 0;
        }
        let pairs = self.cached.iter().zip(&prompt[..prompt.len() - 1]);
        pairs.take_while(|(a, b)| a == b).count()
    }
}

impl Run {
    pub fn new(job: Job, sampler: Sampler) -> Self {
        Self {
            prompt: job.prompt,
            next: None,
            made: 0,
            max_new: job.max_new,
            sampler,
            text: TextStream::new(job.stop),
            events: job.events,
            since: Instant::now(),
            stalled: None,
        }
    }

    /// What of the prompt a slot that holds `cached` tokens has not read; nothing once
    /// there is an answer.
    pub fn unread(&self, cached: usize) -> &[LlamaToken] {
        self.prompt.get(cached..).unwrap_or_default()
    }

    /// Whether the reader has room for all that one token can bring: text and an end.
    pub fn has_room(&self) -> bool {
        self.events.capacity() >= 2
    }

    /// What a token of these bytes shows, and whether it ends the answer.
    pub fn take(&mut self, bytes: &[u8]) -> (String, Option<StopReason>) {
        let shown = self.text.push(bytes);
        let end = match (shown.stopped, self.made >= self.max_new) {
            (true, _) => Some(StopReason::Stop),
            (false, true) => Some(StopReason::Length),
            (false, false) => None,
        };
        (shown.text, end)
    }

    /// Sends; a reader that has left or lags is dealt with at the next step.
    pub fn send(&self, event: GenEvent) {
        let _ = self.events.try_send(event);
    }

    /// Shows text, if there is any.
    pub fn show(&self, text: String) {
        if !text.is_empty() {
            self.send(GenEvent::Text(text));
        }
    }

    /// Ends well, with `text` and what was held back as its last.
    pub fn done(mut self, mut text: String, reason: StopReason) {
        text += &self.text.finish();
        self.show(text);
        self.send(GenEvent::Done {
            reason,
            output_tokens: self.made,
        });
    }

    /// Ends badly.
    pub fn failed(self, why: &str) {
        self.send(GenEvent::Failed(EngineError(why.to_owned())));
    }
}

/// Which idle slot a prompt gets, and how many of its tokens are there already: the
/// one of its scope that holds most of it, else an empty one, else the one that was
/// given away longest ago.
pub fn choose(slots: &[Slot], scope: Scope, prompt: &[LlamaToken]) -> Option<(usize, usize)> {
    let idle = slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.run.is_none());
    let ranked = idle.map(|(index, slot)| (index, slot.shared(scope, prompt), slot));
    let best = ranked.max_by_key(|(_, shared, slot)| {
        (*shared, slot.scope.is_none(), std::cmp::Reverse(slot.taken))
    });
    best.map(|(index, shared, _)| (index, shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(sequence: i32, scope: Option<u128>, cached: &[i32], taken: u64) -> Slot {
        Slot {
            cached: cached.iter().copied().map(LlamaToken::new).collect(),
            scope: scope.map(Scope),
            taken,
            ..Slot::new(sequence)
        }
    }

    fn chosen(slots: &[Slot], scope: u128, prompt: &[i32]) -> Option<(usize, usize)> {
        let prompt: Vec<_> = prompt.iter().copied().map(LlamaToken::new).collect();
        choose(slots, Scope(scope), &prompt)
    }

    #[test]
    fn the_longest_prefix_of_the_same_scope_is_reused() {
        let slots = [
            slot(0, Some(1), &[1, 2], 1),
            slot(1, Some(1), &[1, 2, 3], 2),
            slot(2, None, &[], 0),
        ];
        assert_eq!(chosen(&slots, 1, &[1, 2, 3, 4]), Some((1, 3)));
        assert_eq!(chosen(&slots, 1, &[9]), Some((2, 0)));
    }

    #[test]
    fn the_last_token_is_read_anew() {
        let slots = [slot(0, Some(1), &[1, 2, 3], 1)];
        assert_eq!(chosen(&slots, 1, &[1, 2, 3]), Some((0, 2)));
    }

    #[test]
    fn a_strangers_prefix_is_not_reused() {
        let slots = [slot(0, Some(1), &[1, 2, 3], 1), slot(1, None, &[], 0)];
        assert_eq!(chosen(&slots, 2, &[1, 2, 3, 4]), Some((1, 0)));
    }

    #[test]
    fn where_none_is_empty_the_oldest_goes() {
        let slots = [slot(0, Some(1), &[1], 5), slot(1, Some(2), &[1], 4)];
        assert_eq!(chosen(&slots, 3, &[1, 2]), Some((1, 0)));
    }
}
