//! The open record of a call. Whatever happens to the call, its record is
//! closed exactly once: by [`Record::close`], or by being dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::call::Target;
use crate::draft::Draft;
use crate::gates::{Lease, Slot};
use crate::money::{NanoUsd, Usage};
use crate::outcome::{Ending, Outcome};

/// Whether the client is still there, as whoever watches its socket knows. It
/// tells a record that is dropped why.
#[derive(Debug, Clone, Default)]
pub struct Presence(Arc<AtomicBool>);

impl Presence {
    /// The client has left: what is dropped from here on is dropped for that.
    pub fn leave(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// How something ends that is dropped now.
    #[must_use]
    pub fn ending(&self) -> Ending {
        if self.0.load(Ordering::Relaxed) {
            Ending::ClientGone
        } else {
            Ending::Dropped
        }
    }
}

/// Lease and audit slot of one call, and what is known of it so far.
pub struct Record {
    closing: Option<Box<dyn Closing>>,
    presence: Presence,
    started: Instant,
    target: Option<Arc<Target>>,
    attempts: u32,
    /// Something may have reached the target that it will bill.
    billable: bool,
    status: Option<u16>,
    usage: Option<Usage>,
    first_byte: Option<Duration>,
}

impl Record {
    pub(crate) fn open<L: Lease, S: Slot>(draft: &Draft, lease: L, slot: S) -> Self {
        Self {
            closing: Some(Box::new(Open { lease, slot })),
            presence: draft.presence.clone(),
            started: draft.started,
            target: None,
            attempts: 0,
            billable: false,
            status: None,
            usage: None,
            first_byte: None,
        }
    }

    /// A call to `target` is about to leave: from here on it may be billed.
    pub fn attempt(&mut self, target: Arc<Target>) {
        self.target = Some(target);
        self.attempts += 1;
        self.billable = true;
    }

    /// The attempt is known not to have reached the target (no connection).
    pub fn unreached(&mut self) {
        self.billable = false;
    }

    /// The target answered. Most error statuses mean that nothing was generated,
    /// and so nothing is billed; not those with which something in front of the
    /// target says that it gave up waiting for it.
    pub fn answered(&mut self, status: u16) {
        self.first_byte
            .get_or_insert_with(|| self.started.elapsed());
        self.status = Some(status);
        let gave_up = matches!(status, 408 | 499 | 502 | 504 | 520..=524);
        if status >= 400 && !gave_up {
            self.billable = false;
        }
    }

    /// The usage that the target reported; the last one counts.
    pub fn used(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// What `usage` costs at the target that was called.
    #[must_use]
    pub fn cost_of(&self, usage: &Usage) -> Option<NanoUsd> {
        let cost = self.target.as_ref()?.price.as_ref()?.cost(usage)?;
        (cost <= NanoUsd::CALL).then_some(cost)
    }

    /// Calls that may have reached a target so far.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// From arrival to the first byte, once there was one.
    #[must_use]
    pub fn first_byte(&self) -> Option<Duration> {
        self.first_byte
    }

    /// Settles the lease and queues the outcome leaf.
    pub fn close(mut self, ending: Ending) -> Outcome {
        self.end(ending)
    }

    fn end(&mut self, ending: Ending) -> Outcome {
        let reserved = self.closing.as_ref().and_then(|closing| closing.reserved());
        let (cost, estimated) = self.charge(reserved);
        let outcome = Outcome {
            ending,
            status: self.status,
            provider: self.target.as_ref().map(|target| target.provider.clone()),
            model: self.target.as_ref().map(|target| target.model.clone()),
            attempts: self.attempts,
            usage: self.usage,
            cost,
            estimated,
            reserved,
            first_byte: self.first_byte,
            duration: self.started.elapsed(),
        };
        if let Some(closing) = self.closing.take() {
            closing.close(&outcome);
        }
        outcome
    }

    /// Nothing where nothing can have been billed; what the target reported
    /// where it did; else the whole reservation, marked as an estimate. The
    /// books may show more than the provider bills, never less.
    fn charge(&self, reserved: Option<NanoUsd>) -> (Option<NanoUsd>, bool) {
        if !self.billable {
            return (Some(NanoUsd::ZERO), false);
        }
        match &self.usage {
            Some(usage) => match self.cost_of(usage) {
                Some(cost) => (Some(cost), false),
                None => (reserved, reserved.is_some()),
            },
            None => (reserved, true),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.closing.is_some() {
            self.end(self.presence.ending());
        }
    }
}

trait Closing: Send {
    fn reserved(&self) -> Option<NanoUsd>;
    fn close(self: Box<Self>, outcome: &Outcome);
}

struct Open<L, S> {
    lease: L,
    slot: S,
}

impl<L: Lease, S: Slot> Closing for Open<L, S> {
    fn reserved(&self) -> Option<NanoUsd> {
        self.lease.reserved()
    }

    // The leaf first: if the process dies between the two, replay finds it.
    fn close(self: Box<Self>, outcome: &Outcome) {
        let Self { lease, slot } = *self;
        slot.close(outcome);
        lease.settle(outcome.cost.unwrap_or(NanoUsd::ZERO));
    }
}
