//! Gate 3: what a request can cost at the most, and whether there is room
//! for that.

use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::gates::{Constraints, Granted, Lease as _, Terms};
use lattice_kernel::principal::Named;
use lattice_kernel::{Ask, Code, Gate, NanoUsd, Plan, Principal, Refusal};
use lattice_limits::{Exhausted, Family, Hold, Mode, PromptSize, Scope, ScopeKind, input_bound};
use lattice_providers::{Asked, Memory, Outbound};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::background::in_time;
use crate::books::Books;
use crate::gates::dearest::{Extras, most};

/// Prompts above this are counted on a thread that may block, bytes.
const COUNTED_INLINE: usize = 64 * 1024;

/// The smallest output cap that OpenAI's Responses takes; a smaller one is raised.
const LEAST_CAP: u64 = 16;

/// Budgets over requests.
pub struct Budgets {
    books: Arc<Books>,
    memory: Arc<Memory>,
}

impl Budgets {
    /// Gate 3 over these books. What `memory` gives back to a provider is read there,
    /// and paid for.
    pub fn new(books: Arc<Books>, memory: Arc<Memory>) -> Self {
        Self { books, memory }
    }
}

impl Constraints for Budgets {
    type Body = Outbound;
    type Lease = Hold;

    async fn constrain(
        &self,
        at: OffsetDateTime,
        who: &Principal,
        _ask: &Ask,
        plan: &Plan,
        body: Outbound,
    ) -> Result<Granted<Outbound, Hold>, Refusal> {
        if let Some(key) = &who.key {
            in_time(self.books.cover(key.id))
                .await
                .map_err(unknown_budgets)?;
        }
        let scopes = scopes_of(who);
        if matches!(body.asked, Asked::Count(_)) {
            // Providers count for nothing.
            let reserved = self.reserve(at, &scopes, Some(NanoUsd::ZERO), plan)?;
            return Ok(Granted {
                body,
                lease: reserved.lease,
                terms: Terms {
                    reserved: Some(NanoUsd::ZERO),
                    spare_attempts: reserved.spare_attempts,
                    ..Terms::default()
                },
            });
        }
        let Some(mode) = self.books.ledger.applies(&scopes) else {
            let reserved = self.reserve(at, &scopes, None, plan)?;
            return Ok(Granted {
                body,
                lease: reserved.lease,
                terms: Terms {
                    spare_attempts: reserved.spare_attempts,
                    ..Terms::default()
                },
            });
        };
        let families = families_of(plan);
        let recalled = self
            .memory
            .size(who.subject.named.id, body.facts().prompt.texts());
        let (mut body, bound) = bound_of(body, families, recalled).await?;
        let mut terms = Terms {
            input_tokens_bound: Some(bound),
            ..Terms::default()
        };
        terms.output_cap = body.facts().output_cap;
        let generates = matches!(body.asked, Asked::Generation(_));
        // Also where the caller names a cap: a target may know it by another name.
        body.cap_output = mode == Mode::Hard && generates;
        if body.cap_output && terms.output_cap.is_none() {
            terms.output_cap = plan
                .targets()
                .iter()
                .map(|target| target.max_output_tokens)
                .max();
        }
        let dearest = reckon(plan, &body, bound)?;
        if dearest.is_none() && mode == Mode::Hard {
            return Err(unpriced(plan));
        }
        let Reserved {
            lease,
            spare_attempts,
            over,
        } = self.reserve(at, &scopes, dearest, plan)?;
        terms.reserved = lease.reserved();
        terms.spare_attempts = spare_attempts;
        terms.noted = notes(plan, &body, &over);
        Ok(Granted { body, lease, terms })
    }
}

/// What is held for one call.
struct Reserved {
    lease: Hold,
    /// Attempts that may be given up although they may have been billed.
    spare_attempts: u32,
    /// Soft budgets over their limit.
    over: Vec<Exhausted>,
}

impl Budgets {
    /// Holds `dearest` for the attempt that answers and, where there is a second
    /// target to ask and no budget minds, once more for one that is given up. `None`:
    /// what an attempt costs was not reckoned.
    fn reserve(
        &self,
        at: OffsetDateTime,
        scopes: &[Scope],
        dearest: Option<NanoUsd>,
        plan: &Plan,
    ) -> Result<Reserved, Refusal> {
        let spare = u32::from(plan.targets().len() > 1);
        let least = dearest.unwrap_or(NanoUsd::ZERO);
        let wanted = least.saturating_mul(spare + 1);
        let reserved = self.books.ledger.reserve_up_to(at, scopes, wanted, least);
        let (hold, over) = reserved.map_err(|exhausted| spent(at, least, &exhausted))?;
        let has_spare = hold.reserved() == Some(wanted);
        Ok(Reserved {
            lease: match dearest {
                Some(_) => hold,
                None => hold.unreckoned(),
            },
            spare_attempts: if has_spare { spare } else { 0 },
            over,
        })
    }
}

fn scopes_of(who: &Principal) -> Vec<Scope> {
    let scope = |kind, named: &Named| Scope {
        kind,
        id: named.id,
        name: named.name.clone(),
    };
    let team = who.team.as_ref().map(|team| scope(ScopeKind::Team, team));
    let key = who.key.as_ref().map(|key| scope(ScopeKind::Key, key));
    team.into_iter().chain(key).collect()
}

/// The tokenizers of the plan, each once.
fn families_of(plan: &Plan) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::with_capacity(1);
    for target in plan.targets() {
        let family = Family::of(&target.model);
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families
}

/// The largest input that any target of the plan may count.
async fn bound_of(
    body: Outbound,
    families: Vec<Family>,
    recalled: u64,
) -> Result<(Outbound, u64), Refusal> {
    let count = move |body: Outbound| {
        let bound = families
            .iter()
            .map(|family| count_input(&body, *family).saturating_add(recalled))
            .max()
            .unwrap_or(u64::MAX);
        (body, bound)
    };
    if body.body().len() <= COUNTED_INLINE {
        return Ok(count(body));
    }
    tokio::task::spawn_blocking(move || count(body))
        .await
        .map_err(|error| lattice_kernel::Draft::internal(error.to_string()))
}

fn count_input(body: &Outbound, family: Family) -> u64 {
    let facts = body.facts();
    let prompt = &facts.prompt;
    let size = PromptSize {
        messages: facts.messages as u64,
        images: prompt.images() as u64,
        documents: prompt.documents() as u64,
        inline_bytes: prompt.audio_bytes().saturating_add(prompt.file_bytes()),
        opaque: prompt.references() as u64,
        tools: facts.has_tools,
        schema: facts.has_schema,
        body_bytes: body.body().len() as u64,
    };
    let texts = input_bound(family, prompt.texts().chain(prompt.schemas()), size);
    texts.saturating_add(prompt.tokens())
}

/// The most that the call can cost at the dearest target; `None` where one of
/// them has no price.
fn reckon(plan: &Plan, body: &Outbound, input: u64) -> Result<Option<NanoUsd>, Refusal> {
    let extras = Extras::of(body.body());
    let mut dearest = NanoUsd::ZERO;
    for target in plan.targets() {
        let Some(price) = &target.price else {
            return Ok(None);
        };
        let cap = match body.asked {
            Asked::Generation(_) => body.facts().output_cap,
            Asked::Count(_) | Asked::Embedding(_) => Some(0),
        };
        let cap = match cap {
            Some(0) => 0,
            // A target may be asked for this much where the caller asked for less.
            cap => cap.unwrap_or(target.max_output_tokens).max(LEAST_CAP),
        };
        let most = cap
            .checked_mul(u64::from(body.facts().n))
            .and_then(|output| most(price.as_ref(), input, output, extras))
            .filter(|cost| *cost <= NanoUsd::CALL);
        dearest = dearest.max(most.ok_or_else(beyond_reason)?);
    }
    Ok(Some(dearest))
}

fn beyond_reason() -> Refusal {
    Refusal::new(
        Gate::Constraints,
        Code::LimitBudget,
        format!(
            "With these max_tokens and n the request may cost more than {} USD, which no budget holds; ask for less.",
            NanoUsd::CALL
        ),
    )
    .field("max_tokens")
}

fn notes(plan: &Plan, body: &Outbound, over: &[Exhausted]) -> Vec<Box<str>> {
    let mut notes: Vec<Box<str>> = Vec::new();
    if body.cap_output
        && body.facts().output_cap.is_none()
        && let Some(target) = plan.targets().first()
    {
        notes.push(
            format!(
                "max_output_tokens={} (hard budget)",
                target.max_output_tokens
            )
            .into(),
        );
    }
    for exhausted in over {
        let budget = &exhausted.budget;
        notes.push(
            format!(
                "soft budget of {} {} exceeded",
                budget.kind.as_str(),
                ascii(&budget.name)
            )
            .into(),
        );
    }
    notes
}

/// A name that may stand in a header.
fn ascii(name: &str) -> String {
    name.chars()
        .map(|char| if char.is_ascii_graphic() { char } else { '_' })
        .collect()
}

fn unknown_budgets(why: String) -> Refusal {
    Refusal::new(
        Gate::Constraints,
        Code::StoreUnavailable,
        "The budgets of this key are not in memory and the database cannot be asked for them; try again.",
    )
    .retry_after(Duration::from_secs(2))
    .because(why)
}

fn unpriced(plan: &Plan) -> Refusal {
    let target = plan.targets().iter().find(|target| target.price.is_none());
    let shown = target.map_or_else(String::new, |target| {
        format!(" ({}/{})", target.provider, target.model)
    });
    Refusal::new(
        Gate::Constraints,
        Code::LimitUnpriced,
        format!(
            "A hard budget applies and a target of this model{shown} has no price, so its cost cannot be limited; give the target a `price`, or ask for another model."
        ),
    )
}

fn spent(at: OffsetDateTime, amount: NanoUsd, exhausted: &Exhausted) -> Refusal {
    let Exhausted {
        budget,
        spent,
        reserved,
        renews,
    } = exhausted;
    let renewal = renews
        .and_then(|renews| renews.format(&Rfc3339).ok())
        .map_or_else(
            || "It does not renew".to_owned(),
            |renews| format!("It renews at {renews}"),
        );
    let refusal = Refusal::new(
        Gate::Constraints,
        Code::LimitBudget,
        format!(
            "The {} budget of {} {:?} has no room: {} of {} USD are spent, {} are held by running requests, and this one may cost up to {} USD. {renewal}; ask for fewer max_tokens, or have the budget raised.",
            budget.window.as_str(),
            budget.kind.as_str(),
            budget.name,
            spent,
            budget.limit,
            reserved,
            amount,
        ),
    );
    match renews.and_then(|renews| (renews - at).try_into().ok()) {
        Some(wait) => refusal.retry_after(wait),
        None => refusal,
    }
}
