//! Gate 3: what the request can cost at the most, held under a hard budget of its
//! key and one of its team. As in the binary, but for one target.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use lattice_kernel::gates::{Constraints, Granted, Terms};
use lattice_kernel::principal::Named;
use lattice_kernel::{Ask, Draft, NanoUsd, Plan, Principal, Refusal, Usage};
use lattice_limits::{
    Amounts, Bank, Family, Hold, Ledger, Limit, Mode, Period, PromptSize, Scope, ScopeKind, Short,
    Taken, Unit, Wanted, Window, input_bound,
};
use time::OffsetDateTime;

use crate::request::Body;

/// Budgets that no run of the bench exhausts, in slices that no run uses up.
pub struct Budgets(Ledger);

impl Budgets {
    pub fn new() -> Self {
        let ledger = Ledger::default();
        let who = lattice_benches::principal();
        ledger.set_limits(scopes(&who).into_iter().map(|scope| Limit {
            kind: scope.kind,
            name: scope.name,
            unit: Unit::Usd,
            period: Period::calendar(Window::Month),
            amount: i64::MAX,
            mode: Mode::Hard,
        }));
        ledger.confirm(Instant::now() + Duration::from_secs(3600));
        Self(ledger)
    }
}

/// Shared books that give what is asked for.
pub struct Generous;

impl Bank for Generous {
    type Error = Infallible;
    type Turn = ();

    async fn turn(&self) {}

    async fn take(&self, short: &Short) -> Result<Taken, Infallible> {
        Ok(Taken::Granted {
            granted: short.want,
            total: short.want,
        })
    }

    async fn confirm(&self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl Constraints for Budgets {
    type Body = Body;
    type Lease = Hold;

    async fn constrain(
        &self,
        at: OffsetDateTime,
        who: &Principal,
        _: &Ask,
        plan: &Plan,
        body: Body,
    ) -> Result<Granted<Body, Hold>, Refusal> {
        let scopes = scopes(who);
        if !self.0.applying(&scopes).usd_hard {
            return Err(Draft::internal("the budgets do not apply"));
        }
        let Some(target) = plan.targets().first() else {
            return Err(Draft::internal("the plan is empty"));
        };
        let bound = bound(&body, Family::of(&target.model));
        let cap = body.facts.output_cap.unwrap_or(target.max_output_tokens);
        let most = Usage {
            input: bound,
            output: cap.saturating_mul(body.facts.n.into()),
            ..Usage::default()
        };
        let reserved = target.price.as_ref().and_then(|price| price.cost(&most));
        let usd: NanoUsd = reserved.ok_or_else(|| Draft::internal("the target has no price"))?;
        let amounts = Amounts {
            usd,
            tokens: most.input.saturating_add(most.output),
            requests: 1,
        };
        let wanted = Wanted {
            at,
            scopes: &scopes,
            least: amounts,
            wanted: amounts,
        };
        let held = self.0.reserve(&Generous, &wanted).await;
        let held = held.map_err(|why| Draft::internal(format!("{why:?}")))?;
        let terms = Terms {
            input_tokens_bound: Some(bound),
            output_cap: Some(cap),
            reserved,
            ..Terms::default()
        };
        Ok(Granted {
            body,
            lease: held.hold,
            terms,
        })
    }
}

fn scopes(who: &Principal) -> Vec<Scope> {
    let scope = |kind, named: &Named| Scope {
        kind,
        id: named.id,
        name: named.name.clone(),
    };
    let team = who.team.as_ref().map(|team| scope(ScopeKind::Team, team));
    let key = who.key.as_ref().map(|key| scope(ScopeKind::Key, key));
    team.into_iter().chain(key).collect()
}

fn bound(body: &Body, family: Family) -> u64 {
    let prompt = &body.facts.prompt;
    let size = PromptSize {
        messages: body.facts.messages as u64,
        tools: body.facts.has_tools,
        schema: body.facts.has_schema,
        body_bytes: body.body().len() as u64,
        ..PromptSize::default()
    };
    input_bound(family, prompt.texts().chain(prompt.schemas()), size)
}
