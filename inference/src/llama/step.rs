//! One step: a batch of everybody's tokens, and what comes of it.

use llama_cpp_2::DecodeError;
use llama_cpp_2::llama_batch::BatchAddError;
use llama_cpp_2::token::LlamaToken;

use crate::engine::StopReason;

use super::context::CHUNK;
use super::slot::Slot;
use super::worker::Worker;

/// Prompt tokens of one step while anybody is being answered: it bounds the pause
/// between two tokens.
const SHARED_CHUNK: usize = 256;

/// What a step found to do.
pub enum Step {
    Worked,
    /// All readers lag.
    Stalled,
    /// Nobody has a slot.
    Idle,
}

/// The tokens of one slot in a batch.
struct Piece {
    slot: usize,
    tokens: usize,
    /// Where the next token is to be picked.
    row: Option<i32>,
}

impl Worker<'_> {
    pub fn step(&mut self) -> Step {
        self.batch.clear();
        let pieces = match self.fill() {
            Ok(pieces) => pieces,
            Err(error) => {
                self.fail_all(&format!("the batch is too small: {error}"));
                return Step::Worked;
            }
        };
        if pieces.is_empty() {
            return match self.running() {
                0 => Step::Idle,
                _ => Step::Stalled,
            };
        }
        if self.decode(&pieces) {
            for piece in &pieces {
                self.advance(piece);
            }
        }
        Step::Worked
    }

    /// One token of everybody who is being answered, then as much of the prompts as
    /// there is room for, oldest first.
    fn fill(&mut self) -> Result<Vec<Piece>, BatchAddError> {
        let mut pieces = Vec::new();
        for index in 0..self.slots.len() {
            let run = self.slots[index].run.as_ref();
            let run = run.filter(|run| run.has_room());
            if let Some(token) = run.and_then(|run| run.next) {
                pieces.push(self.add(index, &[token], true)?);
            }
        }
        let chunk = if pieces.is_empty() {
            CHUNK
        } else {
            SHARED_CHUNK
        };
        let mut left = chunk.min(self.room - pieces.len());
        let mut oldest: Vec<usize> = (0..self.slots.len()).collect();
        oldest.sort_by_key(|&index| self.slots[index].taken);
        for index in oldest {
            let slot = &self.slots[index];
            let unread = slot
                .run
                .as_ref()
                .map_or(&[][..], |run| run.unread(slot.cached.len()));
            let tokens = unread[..unread.len().min(left)].to_vec();
            if !tokens.is_empty() {
                left -= tokens.len();
                let whole = tokens.len() == unread.len();
                pieces.push(self.add(index, &tokens, whole)?);
            }
        }
        Ok(pieces)
    }

    /// Puts the next tokens of a slot into the batch; after the last one another is
    /// picked where `pick`.
    fn add(
        &mut self,
        index: usize,
        tokens: &[LlamaToken],
        pick: bool,
    ) -> Result<Piece, BatchAddError> {
        let slot = &self.slots[index];
        let from = i32::try_from(slot.cached.len()).unwrap_or(i32::MAX);
        let last = tokens.len() - 1;
        for (position, (offset, &token)) in (from..).zip(tokens.iter().enumerate()) {
            let row = pick && offset == last;
            self.batch.add(token, position, &[slot.sequence], row)?;
        }
        Ok(Piece {
            slot: index,
            tokens: tokens.len(),
            row: pick.then(|| self.batch.n_tokens() - 1),
        })
    }

    /// Whether the batch was read. Where it was not, somebody has made room for the
    /// next step.
    fn decode(&mut self, pieces: &[Piece]) -> bool {
        let mut result = self.context.decode(&mut self.batch);
        if result == Err(DecodeError::NoKvCacheSlot) && self.evict() {
            result = self.context.decode(&mut self.batch);
        }
        let Err(error) = result else { return true };
        if error == DecodeError::NoKvCacheSlot {
            let taken = |piece: &&Piece| self.slots[piece.slot].taken;
            if let Some(youngest) = pieces.iter().max_by_key(taken) {
                self.fail(youngest.slot, "the model's cache is full; try again later");
            }
        } else {
            for piece in pieces {
                self.fail(piece.slot, &format!("llama.cpp failed: {error}"));
            }
        }
        false
    }

    /// Empties the slots that nobody has; whether there were any.
    fn evict(&mut self) -> bool {
        let held = |slot: &Slot| slot.run.is_none() && slot.scope.is_some();
        let indices = 0..self.slots.len();
        let idle: Vec<usize> = indices.filter(|&index| held(&self.slots[index])).collect();
        for &index in &idle {
            self.forget(index);
        }
        !idle.is_empty()
    }

    /// Notes what a slot has read, and picks what comes next.
    fn advance(&mut self, piece: &Piece) {
        let slot = &mut self.slots[piece.slot];
        let Some(run) = &mut slot.run else { return };
        match run.next.take() {
            Some(token) => slot.cached.push(token),
            None => {
                let read = &run.unread(slot.cached.len())[..piece.tokens];
                slot.cached.extend_from_slice(read);
            }
        }
        let Some(row) = piece.row else { return };
        let token = run.sampler.sample(&self.context, row);
        run.made += 1;
        self.meter.made();
        let vocabulary = self.model.vocab();
        let (text, end) = if vocabulary.is_eog(token) {
            (String::new(), Some(StopReason::Stop))
        } else {
            run.take(&vocabulary.token_to_piece(token, false, None))
        };
        let Some(reason) = end else {
            run.next = Some(token);
            run.show(text);
            return;
        };
        if let Some(run) = slot.run.take() {
            self.meter.ended(run.since.elapsed());
            run.done(text, reason);
        }
    }
}
