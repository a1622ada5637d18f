//! What is durable, what of it is shipped, and what may be deleted.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use crate::chain::{ChainHead, ChainInfo, Position};

/// A segment file, as far as it may be read.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub path: PathBuf,
    pub chain: Arc<ChainInfo>,
    /// Bytes on disk that are durable; whatever follows is void.
    pub durable: u64,
    /// Bytes that are shipped, the header among them.
    pub shipped: u64,
}

/// Bytes to ship next, all of one segment.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub path: PathBuf,
    pub chain: Arc<ChainInfo>,
    pub from: u64,
    pub to: u64,
}

/// How the chain of this process ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub run: u64,
    pub head: ChainHead,
    /// Some intents have no outcome: the next start must see them.
    pub open: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Oldest first. The last one is being written until the chain has ended.
    segments: VecDeque<Segment>,
    /// Durable leaves that are not shipped.
    pending: u64,
    /// Intents of earlier chains whose outcome is not durable yet, and whether
    /// it is on its way.
    unsettled: HashMap<Position, bool>,
    ended: Option<Ended>,
}

impl Progress {
    pub fn new(
        segments: VecDeque<Segment>,
        pending: u64,
        unsettled: HashMap<Position, bool>,
    ) -> Self {
        Self {
            segments,
            pending,
            unsettled,
            ended: None,
        }
    }

    pub fn pending(&self) -> u64 {
        self.pending
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// The writer begins `segment`; returns the bytes of a file of the same
    /// name that this replaces (it held no durable leaf).
    pub fn begin(&mut self, segment: Segment) -> u64 {
        let replaced = self.segments.pop_back_if(|last| last.path == segment.path);
        self.segments.push_back(segment);
        replaced.map_or(0, |old| old.durable)
    }

    /// The last segment has `leaves` more, all durable.
    pub fn grow(&mut self, bytes: u64, leaves: u64) {
        if let Some(last) = self.segments.back_mut() {
            last.durable += bytes;
        }
        self.pending += leaves;
    }

    /// True once for each intent that a crash left open.
    pub fn claim(&mut self, intent: &Position) -> bool {
        self.unsettled
            .get_mut(intent)
            .is_some_and(|claimed| !std::mem::replace(claimed, true))
    }

    /// The outcome of an earlier chain's intent is durable.
    pub fn settle(&mut self, intent: &Position) {
        self.unsettled.remove(intent);
    }

    pub fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }

    pub fn unshipped(&self) -> Option<Stretch> {
        let segment = self
            .segments
            .iter()
            .find(|segment| segment.shipped < segment.durable)?;
        Some(Stretch {
            path: segment.path.clone(),
            chain: segment.chain.clone(),
            from: segment.shipped,
            to: segment.durable,
        })
    }

    /// The store has the first `bytes` of what [`Self::unshipped`] named.
    pub fn acknowledge(&mut self, bytes: u64, leaves: u64) {
        let segment = self
            .segments
            .iter_mut()
            .find(|segment| segment.shipped < segment.durable);
        if let Some(segment) = segment {
            segment.shipped += bytes;
        }
        self.pending = self.pending.saturating_sub(leaves);
    }

    /// Takes out the segments that recovery will never need, oldest first:
    /// an outcome must not vanish before its intent, or the intent would be
    /// settled again. The last one stays, as the link to the next chain.
    pub fn spent(&mut self) -> Vec<Segment> {
        if !self.unsettled.is_empty() {
            return Vec::new();
        }
        let whole = self
            .segments
            .iter()
            .take_while(|segment| segment.shipped >= segment.durable);
        let count = whole.count().min(self.segments.len().saturating_sub(1));
        self.segments.drain(..count).collect()
    }

    /// After the end, when all is shipped and settled: the head to remember
    /// instead of the last segment.
    pub fn finish(&mut self) -> Option<(Ended, Vec<Segment>)> {
        let ended = self.ended.filter(|ended| !ended.open)?;
        if self.pending > 0 || !self.unsettled.is_empty() || self.segments.is_empty() {
            return None;
        }
        Some((ended, self.segments.drain(..).collect()))
    }
}
