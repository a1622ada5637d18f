//! What each gate must offer. Gates return plain values; the pipeline turns
//! them into proofs.

use std::future::Future;
use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::call::{Ask, Head, Plan, Target};
use crate::draft::Draft;
use crate::money::NanoUsd;
use crate::outcome::Outcome;
use crate::principal::Principal;
use crate::proof::Intended;
use crate::record::Presence;
use crate::refusal::{Code, Gate, Refusal};

/// The five gates of one gateway.
pub struct Gates<I, Z, C, A, X> {
    /// Gate 1.
    pub identity: I,
    /// Gate 2.
    pub authorization: Z,
    /// Gate 3.
    pub constraints: C,
    /// Gate 5: the intent before gate 4, the outcome after it.
    pub audit: A,
    /// Gate 4.
    pub execution: X,
}

/// Gate 1: who asks?
pub trait Identity: Send + Sync {
    /// # Errors
    /// An `identity_*` refusal, or `store_unavailable` where the key is not in
    /// memory and the store cannot be asked.
    fn identify(&self, head: &Head)
    -> impl Future<Output = Result<Arc<Principal>, Refusal>> + Send;
}

/// Gate 2: may they? Asked once for each target; pure computation.
pub trait Authorization: Send + Sync {
    /// The decision on one target. An evaluation that fails is a denial.
    /// `at` is the time of arrival, for rules about the time of day.
    fn decide(&self, at: OffsetDateTime, who: &Principal, ask: &Ask, target: &Target) -> Verdict;
}

/// Gate 3: within which limits?
pub trait Constraints: Send + Sync {
    /// What is sent to the target.
    type Body: Send;
    /// What is held on the budgets.
    type Lease: Lease;

    /// Checks the body and reserves for the dearest target of the plan, in the
    /// windows that `at` lies in: as often as [`Terms::spare_attempts`] says, and
    /// once more.
    ///
    /// # Errors
    /// A `limit_*` refusal.
    fn constrain(
        &self,
        at: OffsetDateTime,
        who: &Principal,
        ask: &Ask,
        plan: &Plan,
        body: Self::Body,
    ) -> impl Future<Output = Result<Granted<Self::Body, Self::Lease>, Refusal>> + Send;
}

/// Gate 4: the call itself.
pub trait Execution: Send + Sync {
    /// What is sent.
    type Body: Send;
    /// What the listener gets; a failure is a reply too.
    type Reply: Send;

    /// Calls a target of the plan. The record must be closed by the reply, or dropped.
    fn execute(&self, intended: Intended<Self::Body>) -> impl Future<Output = Self::Reply> + Send;
}

/// Gate 5: the record.
pub trait Audit: Send + Sync {
    /// The room that was reserved for the outcome.
    type Slot: Slot;

    /// Resolves once the intent is as durable as the audit mode asks. Where it is
    /// dropped before that, the intent may be on record all the same: then so must
    /// be an outcome that cost nothing.
    ///
    /// # Errors
    /// `audit_unavailable`.
    fn intend(
        &self,
        facts: &IntentFacts<'_>,
    ) -> impl Future<Output = Result<Self::Slot, Refusal>> + Send;

    /// Queues the leaf of a refusal.
    ///
    /// # Errors
    /// `audit_unavailable`, which then takes the place of the refusal.
    fn refuse(&self, facts: &RefusalFacts<'_>) -> Result<(), Refusal>;
}

/// Money held on the budgets until the call has ended.
pub trait Lease: Send + 'static {
    /// What is held: the most that the call can cost, spare attempts included.
    /// `None` where no budget applies and nothing was reckoned.
    fn reserved(&self) -> Option<NanoUsd>;
    /// Replaces the hold by the true cost. Never blocks for long, never fails.
    fn settle(self, cost: NanoUsd);
}

/// Room in the journal for one outcome. Never blocks for long, never fails.
pub trait Slot: Send + 'static {
    /// Queues the outcome leaf.
    fn close(self, outcome: &Outcome);
}

/// What gate 3 grants.
pub struct Granted<B, L> {
    /// The body as it will be sent.
    pub body: B,
    /// The hold on the budgets.
    pub lease: L,
    /// What was agreed.
    pub terms: Terms,
}

/// The limits under which a call goes out; recorded with the intent.
#[derive(Debug, Default)]
pub struct Terms {
    /// Upper bound of the input, tokens; `None` where nothing had to be reckoned.
    pub input_tokens_bound: Option<u64>,
    /// Output tokens of one choice at the most; `None` where nothing caps it.
    pub output_cap: Option<u64>,
    /// What the lease holds: the most that one attempt can cost, once for the attempt
    /// that answers and once for each spare one.
    pub reserved: Option<NanoUsd>,
    /// Attempts that may be given up although they may have been billed.
    pub spare_attempts: u32,
    /// What was changed or dropped, for `x-lattice-noted`.
    pub noted: Vec<Box<str>>,
}

/// A policy's answer for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What the set's `allow` said.
    pub allow: bool,
    /// Reasons against; any one denies.
    pub deny: Vec<Denial>,
    /// What must be done if it is allowed, as canonical JSON objects.
    pub obligations: Vec<Box<str>>,
}

/// One reason against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// One of the `policy_*` codes.
    pub code: Code,
    /// For the caller.
    pub message: Box<str>,
}

impl Decision {
    /// Allowed means: said so, nothing said against it, and nothing asked in
    /// return. No gate fulfils obligations yet, and to serve in spite of one would
    /// be to serve what the policy did not allow.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.allow && self.deny.is_empty() && self.obligations.is_empty()
    }

    /// The refusal that this denial amounts to.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self.deny.first() {
            Some(denial) => {
                Refusal::new(Gate::Authorization, denial.code, denial.message.to_string())
            }
            None if self.allow && !self.obligations.is_empty() => Refusal::new(
                Gate::Authorization,
                Code::PolicyDenied,
                "The policy allows this request under an obligation that this gateway cannot fulfil; tell whoever administers it.",
            ),
            None => Refusal::new(
                Gate::Authorization,
                Code::PolicyDenied,
                "No policy rule allows this request; ask whoever administers the gateway.",
            ),
        }
    }
}

/// A decision and where it came from.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The decision.
    pub decision: Arc<Decision>,
    /// Revision of the policy set that made it.
    pub revision: Arc<str>,
    /// Whether the cache answered.
    pub cached: bool,
}

/// What is recorded before anything leaves the house.
pub struct IntentFacts<'a> {
    /// The request.
    pub request_id: Uuid,
    /// Its arrival.
    pub at: OffsetDateTime,
    /// Who asks.
    pub principal: &'a Principal,
    /// What is asked.
    pub ask: &'a Ask,
    /// The targets that policy left.
    pub plan: &'a Plan,
    /// The decision on the first of them.
    pub verdict: &'a Verdict,
    /// What gate 3 agreed to.
    pub terms: &'a Terms,
    /// Whether the client waits for this to be recorded.
    pub presence: &'a Presence,
}

/// What is recorded of a refusal.
pub struct RefusalFacts<'a> {
    /// What was known.
    pub draft: &'a Draft,
    /// Why it was refused.
    pub refusal: &'a Refusal,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(allow: bool, deny: &[Code], obligations: &[&str]) -> Decision {
        let deny = deny.iter().map(|code| Denial {
            code: *code,
            message: "no".into(),
        });
        Decision {
            allow,
            deny: deny.collect(),
            obligations: obligations.iter().map(|it| (*it).into()).collect(),
        }
    }

    #[test]
    fn only_an_unconditional_yes_allows() {
        assert!(decision(true, &[], &[]).allows());
        assert!(!decision(false, &[], &[]).allows());
        assert!(!decision(true, &[Code::PolicyTool], &[]).allows());
        assert!(!decision(true, &[], &[r#"{"type":"mask"}"#]).allows());
    }

    #[test]
    fn a_refusal_says_what_is_missing() {
        let code = |decision: Decision| decision.refusal().code;
        assert_eq!(
            code(decision(false, &[Code::PolicyModel], &[])),
            Code::PolicyModel
        );
        assert_eq!(code(decision(false, &[], &[])), Code::PolicyDenied);
        let obliged = decision(true, &[], &[r#"{"type":"mask"}"#]).refusal();
        assert!(
            obliged.message.contains("obligation"),
            "{}",
            obliged.message
        );
    }
}
