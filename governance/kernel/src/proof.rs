//! Proofs that a gate was passed. Their fields are private to the kernel and
//! only [`crate::pipeline`] makes them; `tests/ui` shows that nobody else can.

use std::sync::Arc;

use uuid::Uuid;

use crate::call::{Ask, Plan};
use crate::draft::Draft;
use crate::gates::{Granted, Lease, Slot, Verdict};
use crate::principal::Principal;
use crate::record::Record;

/// Gate 1 was passed: it is known who asks. The body has not been read yet.
pub struct Identified {
    pub(crate) principal: Arc<Principal>,
}

/// Gate 2 was passed: policy has left these targets in the plan, and these tools in
/// the body.
pub struct Authorized<B> {
    pub(crate) principal: Arc<Principal>,
    pub(crate) ask: Ask,
    pub(crate) plan: Plan,
    pub(crate) verdict: Verdict,
    pub(crate) body: B,
    /// The names of the tools that were taken out.
    pub(crate) dropped: Vec<Box<str>>,
}

/// Gate 3 was passed. Owns the body that was checked, which is the one that is
/// sent, and the lease on the budgets.
pub struct Constrained<B, L> {
    pub(crate) principal: Arc<Principal>,
    pub(crate) ask: Ask,
    pub(crate) plan: Plan,
    pub(crate) verdict: Verdict,
    pub(crate) granted: Granted<B, L>,
}

/// The intent is on record. Whoever holds it may depart, once.
pub struct Intended<B> {
    request_id: Uuid,
    principal: Arc<Principal>,
    ask: Ask,
    plan: Plan,
    body: B,
    noted: Vec<Box<str>>,
    record: Record,
}

impl<B> Intended<B> {
    pub(crate) fn new<L: Lease, S: Slot>(
        draft: &Draft,
        constrained: Constrained<B, L>,
        slot: S,
    ) -> Self {
        let Constrained {
            principal,
            ask,
            plan,
            granted,
            ..
        } = constrained;
        Self {
            request_id: draft.request_id,
            principal,
            ask,
            plan,
            body: granted.body,
            record: Record::open(draft, granted.lease, slot, granted.terms.spare_attempts),
            noted: granted.terms.noted,
        }
    }

    /// Spends the proof: the token that opens an upstream or an engine, and
    /// what is needed to do so.
    #[must_use]
    pub fn depart(self) -> Departure<B> {
        let Self {
            request_id,
            principal,
            ask,
            plan,
            body,
            noted,
            record,
        } = self;
        Departure {
            dispatch: Dispatch { request_id },
            principal,
            ask,
            plan,
            body,
            noted,
            record,
        }
    }
}

/// What gate 4 works with.
pub struct Departure<B> {
    /// The token.
    pub dispatch: Dispatch,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// What was asked.
    pub ask: Ask,
    /// The targets that are left, best first; execution picks only from these.
    pub plan: Plan,
    /// The body that gate 3 checked.
    pub body: B,
    /// What was changed or dropped, for `x-lattice-noted`.
    pub noted: Vec<Box<str>>,
    /// The open record; dropping it closes it.
    pub record: Record,
}

/// The right to call a target for one request. Not `Clone`, no constructor
/// outside the kernel: transports and engines ask for it.
#[derive(Debug)]
pub struct Dispatch {
    request_id: Uuid,
}

impl Dispatch {
    /// The request that this token was minted for.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        self.request_id
    }
}
