//! What each gate must offer. Gates return plain values; the pipeline turns
//! them into proofs.

use std::future::Future;
use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::allowance::Allowances;
use crate::call::{Ask, Body, Head, Plan, Target, ToolCall};
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
    /// What decisions are made by.
    type Rules;

    /// The rules in force. Taken once for all targets of a request: two that are half
    /// this set and half the next would be a plan that neither allows.
    fn rules(&self) -> Self::Rules;

    /// The decision of `rules` on one target. An evaluation that fails is a denial.
    /// `at` is the time of arrival, for rules about the time of day.
    fn decide(
        &self,
        rules: &Self::Rules,
        at: OffsetDateTime,
        who: &Principal,
        ask: &Ask,
        target: &Target,
    ) -> Verdict;

    /// The decision on a tool call in the reply of `target`, by the rules that are in
    /// force now: a reply may run for minutes, and a tool that is taken back meanwhile
    /// is not to be called. An evaluation that fails is a denial.
    fn judge(
        &self,
        at: OffsetDateTime,
        who: &Principal,
        ask: &Ask,
        target: &Target,
        call: &ToolCall<'_>,
    ) -> Verdict;
}

/// Gate 3: within which limits?
pub trait Constraints: Send + Sync {
    /// What is sent to the target.
    type Body: Body;
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
    /// Replaces the hold by what the call came to. Never blocks for long, never fails.
    fn settle(self, spent: Spent);
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// What it cost.
    pub cost: NanoUsd,
    /// Input and output tokens; `None` where they were not counted.
    pub tokens: Option<u64>,
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
    /// The tokens that the lease holds; `None` where none had to be reckoned.
    pub reserved_tokens: Option<u64>,
    /// Attempts that may be given up although they may have been billed.
    pub spare_attempts: u32,
    /// What is left of the caller's rates.
    pub allowances: Allowances,
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
    /// What must be done if it is allowed.
    pub obligations: Vec<Obligation>,
}

/// One reason against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// One of the `policy_*` codes.
    pub code: Code,
    /// For the caller.
    pub message: Box<str>,
}

/// What a policy asks for in return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obligation {
    /// Of a request: the tool of this name is taken out.
    DropTool(Box<str>),
    /// Of a tool call: it is passed on with these arguments, a JSON object.
    SetArguments(Box<str>),
    /// Something that no gate fulfils, as canonical JSON.
    Unknown(Box<str>),
}

/// What becomes of a tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is passed on as it is.
    Release,
    /// It is passed on with these arguments, a JSON object.
    Rewrite(Box<str>),
    /// It does not reach the caller, who is told this.
    Refuse(Box<str>),
}

impl Decision {
    /// Allowed means: said so, nothing said against it, and nothing asked in
    /// return that the gates cannot do. To serve in spite of such an obligation
    /// would be to serve what the policy did not allow.
    #[must_use]
    pub fn allows(&self) -> bool {
        let drops = |obligation| matches!(obligation, &Obligation::DropTool(_));
        self.allow && self.deny.is_empty() && self.obligations.iter().all(drops)
    }

    /// The tools that are taken out of the request.
    pub fn dropped_tools(&self) -> impl Iterator<Item = &str> {
        self.obligations
            .iter()
            .filter_map(|obligation| match obligation {
                Obligation::DropTool(name) => Some(&**name),
                Obligation::SetArguments(_) | Obligation::Unknown(_) => None,
            })
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
                "The policy allows this under an obligation that this gateway cannot fulfil; tell whoever administers it.",
            ),
            None => Refusal::new(
                Gate::Authorization,
                Code::PolicyDenied,
                "No policy rule allows this; ask whoever administers the gateway.",
            ),
        }
    }

    /// What this means for a tool call: it may be passed on, with other arguments
    /// where that is asked for once.
    #[must_use]
    pub fn ruling(&self) -> Ruling {
        match (&*self.obligations, self.allow && self.deny.is_empty()) {
            ([], true) => Ruling::Release,
            ([Obligation::SetArguments(arguments)], true) => Ruling::Rewrite(arguments.clone()),
            _ => Ruling::Refuse(self.refusal().message),
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

    fn decision(allow: bool, deny: &[Code], obligations: &[Obligation]) -> Decision {
        let deny = deny.iter().map(|code| Denial {
            code: *code,
            message: "no".into(),
        });
        Decision {
            allow,
            deny: deny.collect(),
            obligations: obligations.to_vec(),
        }
    }

    fn drop_tool() -> Obligation {
        Obligation::DropTool("shell".into())
    }

    fn set_arguments() -> Obligation {
        Obligation::SetArguments("{}".into())
    }

    fn unknown() -> Obligation {
        Obligation::Unknown(r#"{"type":"mask"}"#.into())
    }

    #[test]
    fn only_a_yes_with_nothing_against_it_allows() {
        assert!(decision(true, &[], &[]).allows());
        assert!(!decision(false, &[], &[]).allows());
        assert!(!decision(true, &[Code::PolicyTool], &[]).allows());
    }

    #[test]
    fn an_obligation_that_cannot_be_fulfilled_refuses() {
        let named = decision(true, &[], &[drop_tool()]);
        assert!(named.allows());
        assert_eq!(named.dropped_tools().collect::<Vec<_>>(), ["shell"]);
        assert!(!decision(true, &[], &[drop_tool(), unknown()]).allows());
        assert!(!decision(true, &[], &[set_arguments()]).allows());
    }

    #[test]
    fn a_tool_call_is_released_rewritten_or_refused() {
        let ruling = |allow, deny: &[Code], obligations: &[Obligation]| {
            decision(allow, deny, obligations).ruling()
        };
        assert_eq!(ruling(true, &[], &[]), Ruling::Release);
        assert_eq!(
            ruling(true, &[], &[set_arguments()]),
            Ruling::Rewrite("{}".into())
        );
        let refused = |ruling| matches!(ruling, Ruling::Refuse(_));
        for obligation in [drop_tool(), unknown()] {
            assert!(refused(ruling(true, &[], &[obligation])));
        }
        let twice = [set_arguments(), set_arguments()];
        assert!(refused(ruling(true, &[], &twice)), "which of the two?");
        assert!(refused(ruling(false, &[], &[set_arguments()])));
        assert!(refused(ruling(true, &[Code::PolicyTool], &[])));
    }

    #[test]
    fn a_refusal_says_what_is_missing() {
        let code = |decision: Decision| decision.refusal().code;
        assert_eq!(
            code(decision(false, &[Code::PolicyModel], &[])),
            Code::PolicyModel
        );
        assert_eq!(code(decision(false, &[], &[])), Code::PolicyDenied);
        let obliged = decision(true, &[], &[unknown()]).refusal();
        assert!(
            obliged.message.contains("obligation"),
            "{}",
            obliged.message
        );
    }
}
