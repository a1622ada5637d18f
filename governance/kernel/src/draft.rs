//! A request that is not on record yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::allowance::Allowances;
use crate::call::{Action, Dialect};
use crate::principal::Principal;
use crate::record::Presence;
use crate::refusal::{Code, Gate, Refusal};

/// What is known of a request before it may be recorded: in memory only, so
/// that a stranger cannot fill the journal.
#[derive(Debug)]
pub struct Draft {
    /// Minted here (UUID v7), never taken from the caller.
    pub request_id: Uuid,
    /// Wall-clock time of arrival; every window and record uses this one.
    pub at: OffsetDateTime,
    /// Monotonic time of arrival.
    pub started: Instant,
    /// The dialect of the route.
    pub dialect: Dialect,
    /// What the route is for.
    pub action: Action,
    /// Known once gate 1 has passed.
    pub principal: Option<Arc<Principal>>,
    /// The model asked for, once the body was read; at most 256 bytes of it.
    pub model: Option<Box<str>>,
    /// Whether the client is still there.
    pub presence: Presence,
    /// What was changed before gate 3, for `x-lattice-noted`.
    pub noted: Vec<Box<str>>,
    /// What is left of the caller's rates, once gate 3 has looked.
    pub allowances: Allowances,
    laps: [Option<Instant>; Gate::COUNT],
}

impl Draft {
    /// A draft of a request that arrived at `at` (wall) and `started` (monotonic).
    #[must_use]
    pub fn new(dialect: Dialect, at: OffsetDateTime, started: Instant) -> Self {
        Self {
            request_id: Uuid::now_v7(),
            at,
            started,
            dialect,
            action: Action::Infer,
            principal: None,
            model: None,
            presence: Presence::default(),
            noted: Vec::new(),
            allowances: Allowances::default(),
            laps: [None; Gate::COUNT],
        }
    }

    /// Notes the model that the caller names, cut to a length that is safe to keep.
    pub fn asks_for(&mut self, model: &str) {
        let mut end = model.len().min(256);
        while !model.is_char_boundary(end) {
            end -= 1;
        }
        self.model = model.get(..end).map(Into::into);
    }

    pub(crate) fn pass(&mut self, gate: Gate) {
        self.laps[gate as usize] = Some(Instant::now());
    }

    /// The time that each passed gate took, in the order of the walk.
    pub fn laps(&self) -> impl Iterator<Item = (Gate, Duration)> + '_ {
        let mut from = self.started;
        Gate::WALK.into_iter().filter_map(move |gate| {
            let passed = self.laps[gate as usize]?;
            let took = passed.saturating_duration_since(from);
            from = passed;
            Some((gate, took))
        })
    }

    /// The refusal that stands for "the pipeline itself is at fault".
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Refusal {
        Refusal::new(
            Gate::Intake,
            Code::LatticeInternal,
            "The gateway failed; try again, and report the request id if it persists.",
        )
        .because(detail)
    }
}
