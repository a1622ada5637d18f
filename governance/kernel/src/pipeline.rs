//! The one pipeline. Identity → Authorization → Constraints → Audit (the
//! intent) → Execute → Audit (the outcome, wherever the reply ends).
//!
//! Every governed action goes through [`govern`]. The proofs in [`crate::proof`]
//! are made here and nowhere else.

use crate::call::{Arrival, Ask, Body, Call, Head, Plan, Target, ToolCall};
use crate::draft::Draft;
use crate::gates::{
    Audit, Authorization, Constraints, Execution, Gates, Identity, IntentFacts, RefusalFacts,
    Ruling,
};
use crate::proof::{Authorized, Constrained, Identified, Intended};
use crate::record::Record;
use crate::refusal::{Gate, Refusal};

/// Walks one action through the five gates.
///
/// # Errors
/// The refusal of the first gate that says no, after its audit leaf was queued.
/// A failure of the call itself is not an error here: it is a reply, with an
/// outcome on record.
pub async fn govern<I, Z, C, A, X, R>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &mut Draft,
    arrival: R,
) -> Result<X::Reply, Refusal>
where
    I: Identity,
    Z: Authorization,
    C: Constraints<Body = R::Body>,
    A: Audit,
    X: Execution<Body = R::Body>,
    R: Arrival,
{
    match walk(gates, draft, arrival).await {
        Ok(reply) => Ok(reply),
        Err(refusal) => Err(refused(gates, draft, refusal)),
    }
}

async fn walk<I, Z, C, A, X, R>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &mut Draft,
    arrival: R,
) -> Result<X::Reply, Refusal>
where
    I: Identity,
    Z: Authorization,
    C: Constraints<Body = R::Body>,
    A: Audit,
    X: Execution<Body = R::Body>,
    R: Arrival,
{
    let who = identify(gates, draft, arrival.head()).await?;
    let call = arrival.read(&who.principal, draft).await?;
    draft.pass(Gate::Intake);
    let allowed = authorize(gates, draft, who, call)?;
    let granted = constrain(gates, draft, allowed).await?;
    let intended = intend(gates, draft, granted).await?;
    Ok(gates.execution.execute(intended).await)
}

/// The models that the caller may ask for, of those offered: gates 1 and 2
/// only, because nothing leaves the house.
///
/// # Errors
/// The refusal of the identity gate.
pub async fn list<'a, I, Z, C, A, X>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &mut Draft,
    head: &Head,
    offered: impl Iterator<Item = (&'a str, &'a Plan)> + Send,
) -> Result<Vec<&'a str>, Refusal>
where
    I: Identity,
    Z: Authorization,
    C: Constraints,
    A: Audit,
    X: Execution,
{
    match identify(gates, draft, head).await {
        Ok(who) => {
            let listing = Listing::new(&gates.authorization, draft, &who);
            Ok(offered
                .filter(|(model, plan)| listing.holds(model, plan))
                .map(|(model, _)| model)
                .collect())
        }
        Err(refusal) => Err(refused(gates, draft, refusal)),
    }
}

/// Gate 2 once more, for a tool call in the reply that `target` gives to `ask`. What
/// becomes of it goes on record with the outcome.
pub fn judge<I, Z: Authorization, C, A, X>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &Draft,
    ask: &Ask,
    target: &Target,
    call: &ToolCall<'_>,
    record: &mut Record,
) -> Ruling {
    // Without a principal nothing was asked, and so nothing can be answered.
    let ruling = draft.principal.as_deref().map_or_else(
        || Ruling::Refuse("Nobody asked for it.".into()),
        |who| {
            let verdict = gates.authorization.judge(draft.at, who, ask, target, call);
            verdict.decision.ruling()
        },
    );
    record.judged(call.name, &ruling);
    ruling
}

async fn identify<I: Identity, Z, C, A, X>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &mut Draft,
    head: &Head,
) -> Result<Identified, Refusal> {
    let principal = gates.identity.identify(head).await?;
    draft.principal = Some(principal.clone());
    draft.pass(Gate::Identity);
    Ok(Identified { principal })
}

fn authorize<I, Z: Authorization, C, A, X, B: Body>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &mut Draft,
    who: Identified,
    call: Call<B>,
) -> Result<Authorized<B>, Refusal> {
    let Call {
        mut ask,
        plan,
        body,
    } = call;
    let rules = gates.authorization.rules();
    let mut denied = None;
    let mut verdict = None;
    let mut dropped: Vec<Box<str>> = Vec::new();
    let plan = plan.filter(|target| {
        let decided = gates
            .authorization
            .decide(&rules, draft.at, &who.principal, &ask, target);
        let allowed = decided.decision.allows();
        if allowed {
            // Which target answers is not known yet: what one of them must not be
            // offered, none of them is.
            dropped.extend(decided.decision.dropped_tools().map(Into::into));
            verdict.get_or_insert(decided);
        } else if denied.is_none() {
            denied = Some(decided);
        }
        allowed
    });
    draft.pass(Gate::Authorization);
    match (verdict, denied) {
        (Some(verdict), _) => {
            let (body, dropped) = without_tools(body, &mut ask, &dropped)?;
            Ok(Authorized {
                principal: who.principal,
                ask,
                plan,
                verdict,
                body,
                dropped,
            })
        }
        // A model that this caller never sees is unknown to it, whatever the
        // reason: the answer must not tell that it exists.
        (None, denied) => {
            let listing = Listing {
                authorization: &gates.authorization,
                rules,
                draft,
                who: &who,
            };
            let listed = listing.holds(&ask.model, &plan.offered());
            Err(denied.filter(|_| listed).map_or_else(
                || Refusal::unknown_model(&ask.model),
                |decided| decided.decision.refusal(),
            ))
        }
    }
}

/// Takes tools out of the request, and says which went: some take others along.
fn without_tools<B: Body>(
    body: B,
    ask: &mut Ask,
    gone: &[Box<str>],
) -> Result<(B, Vec<Box<str>>), Refusal> {
    if !ask.tools.iter().any(|tool| gone.contains(&tool.name)) {
        return Ok((body, Vec::new()));
    }
    let body = body.without_tools(gone)?;
    let offered = std::mem::replace(&mut ask.tools, body.tools());
    let went = offered
        .into_iter()
        .filter(|tool| !ask.tools.contains(tool))
        .map(|tool| tool.name)
        .collect();
    Ok((body, went))
}

/// Which models somebody may use at all, by one set of rules.
struct Listing<'a, Z: Authorization> {
    authorization: &'a Z,
    rules: Z::Rules,
    draft: &'a Draft,
    who: &'a Identified,
}

impl<'a, Z: Authorization> Listing<'a, Z> {
    /// By the rules in force.
    fn new(authorization: &'a Z, draft: &'a Draft, who: &'a Identified) -> Self {
        Self {
            rules: authorization.rules(),
            authorization,
            draft,
            who,
        }
    }

    fn holds(&self, model: &str, plan: &Plan) -> bool {
        let ask = Ask::listing(self.draft.dialect, model);
        let (at, who) = (self.draft.at, &self.who.principal);
        plan.targets().iter().any(|target| {
            let decided = self
                .authorization
                .decide(&self.rules, at, who, &ask, target);
            decided.decision.allows()
        })
    }
}

async fn constrain<I, Z, C: Constraints, A, X>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &mut Draft,
    allowed: Authorized<C::Body>,
) -> Result<Constrained<C::Body, C::Lease>, Refusal> {
    let Authorized {
        principal,
        ask,
        plan,
        verdict,
        body,
        dropped,
    } = allowed;
    let mut granted = gates
        .constraints
        .constrain(draft.at, &principal, &ask, &plan, body)
        .await
        .inspect_err(|refusal| draft.allowances = refusal.told_allowances())?;
    draft.allowances = granted.terms.allowances;
    granted.terms.noted.append(&mut draft.noted);
    let noted = dropped
        .iter()
        .map(|name| format!("tool {name} is not open to this caller").into());
    granted.terms.noted.extend(noted);
    draft.pass(Gate::Constraints);
    Ok(Constrained {
        principal,
        ask,
        plan,
        verdict,
        granted,
    })
}

async fn intend<I, Z, C: Constraints, A: Audit, X>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &mut Draft,
    constrained: Constrained<C::Body, C::Lease>,
) -> Result<Intended<C::Body>, Refusal> {
    let facts = IntentFacts {
        request_id: draft.request_id,
        at: draft.at,
        principal: &constrained.principal,
        ask: &constrained.ask,
        plan: &constrained.plan,
        verdict: &constrained.verdict,
        terms: &constrained.granted.terms,
        presence: &draft.presence,
    };
    let slot = gates.audit.intend(&facts).await?;
    draft.pass(Gate::Audit);
    Ok(Intended::new(draft, constrained, slot))
}

/// Every refusal leaves one leaf; one that cannot be recorded becomes the
/// refusal of the audit gate. Public for what a listener refuses after [`list`].
pub fn refused<I, Z, C, A: Audit, X>(
    gates: &Gates<I, Z, C, A, X>,
    draft: &Draft,
    refusal: Refusal,
) -> Refusal {
    let facts = RefusalFacts {
        draft,
        refusal: &refusal,
    };
    match gates.audit.refuse(&facts) {
        Ok(()) => refusal,
        Err(unrecorded) => unrecorded,
    }
}
