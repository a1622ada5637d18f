//! Gate 3: what a request can cost at the most, and whether there is room
//! for that.

use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::gates::{Constraints, Granted, Lease as _, Terms};
use lattice_kernel::{Ask, Code, Gate, NanoUsd, Plan, Principal, Refusal, Target};
use lattice_limits::{
    Amounts, Exhausted, Family, Hold, Limit, NoRoom, PromptSize, Reserved, Scope, Unit, Wanted,
    input_bound,
};
use lattice_providers::{Asked, Memory, Outbound};
use metrics::counter;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::background::in_time;
use crate::books::{self, Books};
use crate::gates::dearest::{Extras, most};
use crate::metrics::budgets::scope_label;

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
        ask: &Ask,
        plan: &Plan,
        body: Outbound,
    ) -> Result<Granted<Outbound, Hold>, Refusal> {
        if let Some(key) = &who.key {
            in_time(self.books.cover(key.id))
                .await
                .map_err(unknown_budgets)?;
        }
        let scopes = books::scopes(who, &ask.model);
        let applying = self.books.ledger.applying(&scopes);
        let reserving = Reserving {
            at,
            scopes: &scopes,
            plan,
        };
        let counts = matches!(body.asked, Asked::Count(_));
        if counts || !(applying.usd || applying.tokens) {
            // Providers count for nothing; and where nothing is limited but the number of
            // requests, nothing need be reckoned.
            let cost = Cost {
                usd: counts.then_some(NanoUsd::ZERO),
                tokens: 0,
            };
            let (lease, terms) = self.reserve(&reserving, cost).await?;
            return Ok(Granted { body, lease, terms });
        }
        let families = families_of(plan);
        let recalled = self
            .memory
            .size(who.subject.named.id, body.facts().prompt.texts());
        let (mut body, bound) = bound_of(body, families, recalled).await?;
        let generates = matches!(body.asked, Asked::Generation(_));
        let hard = applying.usd_hard || applying.tokens_hard;
        // Also where the caller names a cap: a target may know it by another name.
        body.cap_output = hard && generates;
        let output_cap = output_cap(plan, &body);
        let usd = if applying.usd {
            reckon(plan, &body, bound)?
        } else {
            None
        };
        if usd.is_none() && applying.usd_hard {
            return Err(unpriced(plan));
        }
        let cost = Cost {
            usd,
            tokens: most_tokens(plan, &body, bound)?,
        };
        let (lease, mut terms) = self.reserve(&reserving, cost).await?;
        terms.input_tokens_bound = Some(bound);
        terms.output_cap = output_cap;
        terms.reserved_tokens = applying.tokens.then_some(lease.amounts().tokens);
        terms.noted.extend(capped(plan, &body));
        Ok(Granted { body, lease, terms })
    }
}

/// What one attempt can take at the most.
#[derive(Clone, Copy)]
struct Cost {
    /// `None`: it was not reckoned, or cannot be.
    usd: Option<NanoUsd>,
    tokens: u64,
}

struct Reserving<'a> {
    at: OffsetDateTime,
    scopes: &'a [Scope],
    plan: &'a Plan,
}

impl Budgets {
    /// Holds the cost of the attempt that answers and, where there is a second target to
    /// ask and no limit minds, once more for one that is given up.
    async fn reserve(
        &self,
        Reserving { at, scopes, plan }: &Reserving<'_>,
        cost: Cost,
    ) -> Result<(Hold, Terms), Refusal> {
        let spare = u32::from(plan.targets().len() > 1);
        let of = |attempts: u32| Amounts {
            usd: cost.usd.unwrap_or(NanoUsd::ZERO).saturating_mul(attempts),
            tokens: cost.tokens.saturating_mul(attempts.into()),
            requests: 1,
        };
        let wanted = Wanted {
            at: *at,
            scopes,
            least: of(1),
            wanted: of(spare + 1),
        };
        let reserved = self.books.reserve(&wanted).await;
        let Reserved {
            hold,
            over,
            allowances,
        } = reserved.map_err(|why| refused(*at, &wanted.least, why))?;
        let has_spare = hold.amounts() == wanted.wanted;
        let lease = match cost.usd {
            Some(_) => hold,
            None => hold.unreckoned(),
        };
        let terms = Terms {
            reserved: lease.reserved(),
            spare_attempts: if has_spare { spare } else { 0 },
            allowances,
            noted: over.iter().map(exceeded).collect(),
            ..Terms::default()
        };
        Ok((lease, terms))
    }
}

/// The cap of the call's output where anything limits it, tokens.
fn output_cap(plan: &Plan, body: &Outbound) -> Option<u64> {
    let own = body.facts().output_cap;
    own.or_else(|| {
        let caps = plan.targets().iter().map(|target| target.max_output_tokens);
        body.cap_output.then(|| caps.max()).flatten()
    })
}

/// The most tokens that an attempt can take.
fn most_tokens(plan: &Plan, body: &Outbound, input: u64) -> Result<u64, Refusal> {
    let caps = plan
        .targets()
        .iter()
        .map(|target| most_output(target, body));
    caps.max()
        .unwrap_or(0)
        .checked_mul(u64::from(body.facts().n))
        .and_then(|output| output.checked_add(input))
        .filter(|tokens| i64::try_from(*tokens).is_ok())
        .ok_or_else(beyond_reason)
}

/// The most tokens of one choice that `target` may write.
fn most_output(target: &Target, body: &Outbound) -> u64 {
    let cap = match body.asked {
        Asked::Generation(_) => body.facts().output_cap,
        Asked::Count(_) | Asked::Embedding(_) => Some(0),
    };
    match cap {
        Some(0) => 0,
        // A target may be asked for this much where the caller asked for less.
        cap => cap.unwrap_or(target.max_output_tokens).max(LEAST_CAP),
    }
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
        let most = most_output(target, body)
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

/// The note of a cap that the caller did not ask for.
fn capped(plan: &Plan, body: &Outbound) -> Option<Box<str>> {
    if !body.cap_output || body.facts().output_cap.is_some() {
        return None;
    }
    let target = plan.targets().first()?;
    let note = format!(
        "max_output_tokens={} (hard budget)",
        target.max_output_tokens
    );
    Some(note.into())
}

/// The note of a limit that is over and lets pass; said to operators too.
fn exceeded(exhausted: &Exhausted) -> Box<str> {
    let limit = &*exhausted.limit;
    let (kind, mode) = (limit.kind.as_str(), limit.mode.as_str());
    counter!("lattice_budget_exceeded_total", "scope" => scope_label(limit), "mode" => mode)
        .increment(1);
    tracing::warn!(
        scope = kind,
        name = &*limit.name,
        window = limit.period.window.as_str(),
        limit = shown(limit, limit.amount),
        used = shown(limit, exhausted.used),
        "a {mode} budget is exceeded"
    );
    format!("{mode} budget of {kind} {} exceeded", ascii(&limit.name)).into()
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

/// An amount of the limit's unit, for people.
fn shown(limit: &Limit, amount: i64) -> String {
    match limit.unit {
        Unit::Usd => format!("{} USD", NanoUsd::from_i64(amount).unwrap_or(NanoUsd::ZERO)),
        Unit::Tokens => format!("{amount} tokens"),
        Unit::Requests => format!("{amount} requests"),
    }
}

fn refused(at: OffsetDateTime, least: &Amounts, why: NoRoom<String>) -> Refusal {
    match why {
        NoRoom::Exhausted(exhausted) => spent(at, least, &exhausted),
        NoRoom::Unasked(why) => unasked().because(why),
        NoRoom::Contended => unasked().because("others took the room each time"),
    }
}

fn unasked() -> Refusal {
    Refusal::new(
        Gate::Constraints,
        Code::StoreUnavailable,
        "A limit applies, what this gateway has taken of it is used up, and the database cannot be asked for more; try again.",
    )
    .retry_after(Duration::from_secs(2))
}

fn spent(at: OffsetDateTime, least: &Amounts, exhausted: &Exhausted) -> Refusal {
    let Exhausted {
        limit,
        used,
        renews,
    } = exhausted;
    let renewal = renews
        .and_then(|renews| renews.format(&Rfc3339).ok())
        .map_or_else(
            || "It does not renew".to_owned(),
            |renews| match limit.period.rolling {
                true => format!("Some of it renews at {renews}"),
                false => format!("It renews at {renews}"),
            },
        );
    let (code, what, mend) = if limit.is_rate() {
        (Code::LimitRate, "rate", "wait, or have the rate raised")
    } else {
        (
            Code::LimitBudget,
            "budget",
            "ask for fewer max_tokens, or have the budget raised",
        )
    };
    let refusal = Refusal::new(
        Gate::Constraints,
        code,
        format!(
            "The {} {what} of {} {:?} has no room: {} of {} are spent or held by running requests, and this one may take up to {}. {renewal}; {mend}.",
            limit.period.window.as_str(),
            limit.kind.as_str(),
            limit.name,
            shown(limit, *used),
            shown(limit, limit.amount),
            shown(limit, least.of(limit.unit)),
        ),
    )
    .allowances(exhausted.allowances(at));
    match renews.and_then(|renews| (renews - at).try_into().ok()) {
        Some(wait) => refusal.retry_after(wait),
        None => refusal,
    }
}
