//! Gates that let everything pass and keep nothing.

use std::sync::Arc;

use lattice_benches::principal;
use lattice_kernel::gates::{
    Audit, Authorization, Constraints, Decision, Granted, Identity, IntentFacts, Lease,
    RefusalFacts, Slot, Spent, Terms, Verdict,
};
use lattice_kernel::{Ask, Head, NanoUsd, Outcome, Plan, Principal, Refusal, Target, ToolCall};
use time::OffsetDateTime;

use crate::request::Body;

/// Any gate but the fourth.
pub struct Idle {
    principal: Arc<Principal>,
    verdict: Verdict,
}

impl Idle {
    pub fn new() -> Self {
        let decision = Decision {
            allow: true,
            deny: Vec::new(),
            obligations: Vec::new(),
        };
        Self {
            principal: Arc::new(principal()),
            verdict: Verdict {
                decision: Arc::new(decision),
                revision: "0123456789abcdef".into(),
                cached: true,
            },
        }
    }
}

impl Identity for Idle {
    async fn identify(&self, _: &Head) -> Result<Arc<Principal>, Refusal> {
        Ok(self.principal.clone())
    }
}

impl Authorization for Idle {
    type Rules = ();

    fn rules(&self) {}

    fn decide(&self, (): &(), _: OffsetDateTime, _: &Principal, _: &Ask, _: &Target) -> Verdict {
        self.verdict.clone()
    }

    fn judge(
        &self,
        at: OffsetDateTime,
        who: &Principal,
        ask: &Ask,
        target: &Target,
        _: &ToolCall<'_>,
    ) -> Verdict {
        self.decide(&(), at, who, ask, target)
    }
}

impl Constraints for Idle {
    type Body = Body;
    type Lease = Nothing;

    async fn constrain(
        &self,
        _: OffsetDateTime,
        _: &Principal,
        _: &Ask,
        _: &Plan,
        body: Body,
    ) -> Result<Granted<Body, Nothing>, Refusal> {
        Ok(Granted {
            body,
            lease: Nothing,
            terms: Terms::default(),
        })
    }
}

impl Audit for Idle {
    type Slot = Nothing;

    async fn intend(&self, _: &IntentFacts<'_>) -> Result<Nothing, Refusal> {
        Ok(Nothing)
    }

    fn refuse(&self, _: &RefusalFacts<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Holds nothing, records nothing.
pub struct Nothing;

impl Lease for Nothing {
    fn reserved(&self) -> Option<NanoUsd> {
        None
    }

    fn settle(self, _: Spent) {}
}

impl Slot for Nothing {
    fn close(self, _: &Outcome) {}
}
