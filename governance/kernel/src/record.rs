//! The open record of a call. Whatever happens to the call, its record is
//! closed exactly once: by [`Record::close`], or by being dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::call::Target;
use crate::draft::Draft;
use crate::gates::{Lease, Ruling, Slot, Spent};
use crate::money::{Bill, NanoUsd};
use crate::outcome::{Ending, Outcome, Rulings};
use crate::usage::Usage;

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

/// Told how a call ended.
type Witness = Box<dyn FnOnce(Ending) + Send>;

/// Lease and audit slot of one call, and what is known of it so far.
pub struct Record {
    closing: Option<Box<dyn Closing>>,
    witness: Option<Witness>,
    presence: Presence,
    started: Instant,
    /// Wall-clock time of arrival: prices are those of then.
    at: OffsetDateTime,
    /// Attempts that may be given up although they may have been billed.
    spare: u32,
    /// Attempts that were.
    sunk: u32,
    attempts: u32,
    /// The last of them.
    last: Attempt,
    /// What became of the tool calls of the reply.
    rulings: Rulings,
}

/// What is known of one attempt; before the first, nothing.
#[derive(Default)]
struct Attempt {
    target: Option<Arc<Target>>,
    /// Something may have reached the target that it will bill.
    billable: bool,
    status: Option<u16>,
    usage: Option<Usage>,
    first_byte: Option<Duration>,
}

impl Record {
    pub(crate) fn open<L: Lease, S: Slot>(draft: &Draft, lease: L, slot: S, spare: u32) -> Self {
        Self {
            closing: Some(Box::new(Open { lease, slot })),
            witness: None,
            presence: draft.presence.clone(),
            started: draft.started,
            at: draft.at,
            spare,
            sunk: 0,
            attempts: 0,
            last: Attempt::default(),
            rulings: Rulings::default(),
        }
    }

    /// Whether another attempt may leave: there was none yet, the last one cannot
    /// have been billed, or the money for one that may have been is held.
    #[must_use]
    pub fn affords_attempt(&self) -> bool {
        !self.last.billable || self.sunk < self.spare
    }

    /// A call to `target` is about to leave: from here on it may be billed. The
    /// attempt before it is over; what it may have cost stays on the bill.
    pub fn attempt(&mut self, target: Arc<Target>) {
        self.sunk += u32::from(self.last.billable);
        self.attempts += 1;
        self.last = Attempt {
            target: Some(target),
            billable: true,
            ..Attempt::default()
        };
    }

    /// The attempt is known not to have reached the target (no connection).
    pub fn unreached(&mut self) {
        self.last.billable = false;
    }

    /// The target answered. Most error statuses mean that nothing was generated,
    /// and so nothing is billed; not those with which something in front of the
    /// target says that it gave up waiting for it.
    pub fn answered(&mut self, status: u16) {
        self.last
            .first_byte
            .get_or_insert_with(|| self.started.elapsed());
        self.last.status = Some(status);
        let gave_up = matches!(status, 408 | 499 | 502 | 504 | 520..=524);
        if status >= 400 && !gave_up {
            self.last.billable = false;
        }
    }

    /// The usage that the target reported; the last one counts.
    pub fn used(&mut self, usage: Usage) {
        self.last.usage = Some(usage);
    }

    /// What became of a call of the tool `name`.
    pub(crate) fn judged(&mut self, name: &str, ruling: &Ruling) {
        self.rulings.count(name, ruling);
    }

    /// What has become of the calls of tools so far.
    #[must_use]
    pub fn rulings(&self) -> &Rulings {
        &self.rulings
    }

    /// What `usage` costs at the target that was called.
    #[must_use]
    pub fn cost_of(&self, usage: &Usage) -> Option<NanoUsd> {
        self.bill_of(usage).map(|bill| bill.total)
    }

    /// By the price that the target had when the call began, however often there was
    /// another since.
    fn bill_of(&self, usage: &Usage) -> Option<Bill> {
        let price = self.last.target.as_ref()?.price.as_ref()?;
        let bill = price.bill(usage, self.at)?;
        (bill.total <= NanoUsd::CALL).then_some(bill)
    }

    /// Calls that may have reached a target so far.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// From arrival to the first byte, once there was one.
    #[must_use]
    pub fn first_byte(&self) -> Option<Duration> {
        self.last.first_byte
    }

    /// `witness` is told how the call ends, once: when the record is closed or
    /// dropped. Takes the place of an earlier one, which is told nothing.
    pub fn on_end(&mut self, witness: impl FnOnce(Ending) + Send + 'static) {
        self.witness = Some(Box::new(witness));
    }

    /// Settles the lease and queues the outcome leaf.
    pub fn close(mut self, ending: Ending) -> Outcome {
        self.end(ending)
    }

    fn end(&mut self, ending: Ending) -> Outcome {
        let reserved = self.closing.as_ref().and_then(|closing| closing.reserved());
        let Charge {
            bill,
            cost,
            given_up,
            estimated,
        } = self.charge(reserved);
        let target = self.last.target.as_ref();
        let outcome = Outcome {
            ending,
            status: self.last.status,
            provider: target.map(|target| target.provider.clone()),
            model: target.map(|target| target.model.clone()),
            attempts: self.attempts,
            abandoned: self.sunk,
            usage: self.last.usage,
            bill,
            given_up,
            cost,
            estimated,
            reserved,
            first_byte: self.last.first_byte,
            duration: self.started.elapsed(),
            rulings: std::mem::take(&mut self.rulings),
        };
        if let Some(closing) = self.closing.take() {
            closing.close(&outcome);
        }
        if let Some(witness) = self.witness.take() {
            witness(ending);
        }
        outcome
    }

    /// What the last attempt cost, and the bound of each that was given up before
    /// it. The books may show more than the providers bill, never less.
    fn charge(&self, reserved: Option<NanoUsd>) -> Charge {
        let bound = reserved.map(|reserved| self.bound(reserved));
        let last = self.charge_of_last(bound);
        if self.sunk == 0 {
            return last;
        }
        let given_up = bound.map(|bound| bound.saturating_mul(self.sunk));
        let cost = match given_up {
            Some(given_up) => last.cost.map(|last| last.saturating_add(given_up)),
            // Nothing bounds the ones given up: what is known is on the bill, but
            // a call that may have cost something is never said to be free.
            None => last.cost.filter(|last| *last > NanoUsd::ZERO),
        };
        Charge {
            cost,
            given_up,
            estimated: true,
            ..last
        }
    }

    /// Nothing where nothing can have been billed; what the target reported where
    /// it did; else the most that it can be, marked as an estimate.
    fn charge_of_last(&self, bound: Option<NanoUsd>) -> Charge {
        if !self.last.billable {
            return Charge {
                cost: Some(NanoUsd::ZERO),
                ..Charge::default()
            };
        }
        let Some(usage) = &self.last.usage else {
            return Charge {
                cost: bound,
                estimated: true,
                ..Charge::default()
            };
        };
        match self.bill_of(usage) {
            Some(bill) => Charge {
                cost: Some(bill.total),
                estimated: bill.estimated,
                bill: Some(bill),
                given_up: None,
            },
            None => Charge {
                cost: bound,
                estimated: bound.is_some(),
                ..Charge::default()
            },
        }
    }

    /// The most that one attempt can cost, of what is reserved for all.
    fn bound(&self, reserved: NanoUsd) -> NanoUsd {
        reserved.div_ceil(self.spare.saturating_add(1))
    }
}

/// What a call comes to.
#[derive(Default)]
struct Charge {
    /// The last attempt's, where it was reckoned.
    bill: Option<Bill>,
    /// For the attempts before it.
    given_up: Option<NanoUsd>,
    /// All of it.
    cost: Option<NanoUsd>,
    estimated: bool,
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
        lease.settle(Spent {
            cost: outcome.cost.unwrap_or(NanoUsd::ZERO),
            tokens: outcome.tokens(),
        });
    }
}
