//! Gate 5 over the journal.

use std::borrow::Cow;
use std::time::Duration;

use lattice_audit::leaf::{self, Intent};
use lattice_audit::{
    Account, Counted, Journal, JournalError, Position, RefusalThrottle, Room, Scopes, Timestamp,
};
use lattice_kernel::gates::{Audit, IntentFacts, RefusalFacts, Slot};
use lattice_kernel::money::micros;
use lattice_kernel::outcome::Rulings;
use lattice_kernel::principal::{Named, Principal};
use lattice_kernel::{
    Bill, Clock, Code, Ending, Gate, NanoUsd, Outcome, Presence, Refusal, SystemClock, Tier,
};
use lattice_limits::model_id;
use time::OffsetDateTime;
use uuid::Uuid;

/// Records intents, outcomes and refusals.
pub struct AuditTrail {
    journal: Journal,
    throttle: RefusalThrottle,
}

impl AuditTrail {
    /// Gate 5 over this journal.
    pub fn new(journal: Journal) -> Self {
        Self {
            journal,
            throttle: RefusalThrottle::default(),
        }
    }

    /// Writes what was counted in a minute that is over.
    pub fn write_aggregates(&self, now: OffsetDateTime) {
        self.write_counted(self.throttle.due(timestamp(now)), now);
    }

    /// Writes what is counted so far, at the end.
    pub fn write_rest(&self, now: OffsetDateTime) {
        self.write_counted(self.throttle.rest(), now);
    }

    /// Records that another policy set takes over, or that it was `refused`.
    ///
    /// # Errors
    /// The journal takes no record.
    pub fn policy_swapped(
        &self,
        at: OffsetDateTime,
        before: Option<&str>,
        after: &str,
        source: &str,
        refused: Option<&str>,
    ) -> Result<(), String> {
        let leaf = leaf::PolicySwap {
            at: timestamp(at),
            before,
            after,
            source,
            refused,
        };
        let recorded = self.journal.record(leaf.entry());
        recorded.map(drop).map_err(|error| error.to_string())
    }

    fn write_counted(&self, counted: Vec<Counted>, now: OffsetDateTime) {
        for Counted { code, count } in counted {
            let leaf = leaf::Refusal {
                at: timestamp(now),
                request_id: None,
                gate: Gate::Identity.as_str(),
                code,
                dialect: None,
                org: None,
                team: None,
                user: None,
                agent: None,
                key: None,
                model: None,
                count,
            };
            if let Err(error) = self.journal.record(leaf.entry()) {
                tracing::error!(%error, code, count, "identity refusals are not on record");
            }
        }
    }
}

/// Microseconds since 1970, as the audit writes time.
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX))
}

impl Audit for AuditTrail {
    type Slot = OutcomeRoom;

    async fn intend(&self, facts: &IntentFacts<'_>) -> Result<OutcomeRoom, Refusal> {
        let mut room = self
            .journal
            .reserve(2)
            .map_err(|error| unavailable(&error))?;
        let entry = {
            let targets: Vec<leaf::Target<'_>> = facts
                .plan
                .targets()
                .iter()
                .map(|target| leaf::Target {
                    provider: &target.provider,
                    model: &target.model,
                })
                .collect();
            let noted: Vec<Cow<'_, str>> = facts
                .terms
                .noted
                .iter()
                .map(|note| Cow::Borrowed(&**note))
                .collect();
            Intent {
                at: timestamp(facts.at),
                request_id: facts.request_id,
                dialect: facts.ask.dialect.as_str(),
                action: facts.ask.action.as_str(),
                org: facts.principal.org.as_ref().map(named),
                team: facts.principal.team.as_ref().map(named),
                user: facts.principal.user.as_ref().map(named),
                agent: facts.principal.agent.as_ref().map(named),
                key: facts.principal.key.as_ref().map(named),
                auth: facts.principal.auth.as_str(),
                model: &facts.ask.model,
                model_id: Some(model_id(&facts.ask.model)),
                targets: &targets,
                stream: facts.ask.stream,
                input_tokens_bound: facts.terms.input_tokens_bound,
                output_cap: facts.terms.output_cap,
                reserved_nano_usd: facts.terms.reserved.map(NanoUsd::as_i64),
                reserved_tokens: facts
                    .terms
                    .reserved_tokens
                    .and_then(|tokens| tokens.try_into().ok()),
                policy: leaf::Policy {
                    revision: &facts.verdict.revision,
                    cached: facts.verdict.cached,
                },
                noted: &noted,
            }
            .entry()
        };
        let receipt = room.commit(entry);
        let mut room = OutcomeRoom {
            room,
            request_id: facts.request_id,
            intent: receipt.position(),
            unanswered: Some(facts.presence.clone()),
            account: Account {
                at: timestamp(facts.at),
                scopes: scopes(facts.principal, &facts.ask.model),
                reserved_nano: facts.terms.reserved.map(NanoUsd::as_i64),
                reserved_tokens: facts
                    .terms
                    .reserved_tokens
                    .and_then(|tokens| tokens.try_into().ok()),
            },
        };
        let answer = receipt.await;
        room.unanswered = None;
        room.intent = answer.map_err(|error| unavailable(&error))?;
        Ok(room)
    }

    fn refuse(&self, facts: &RefusalFacts<'_>) -> Result<(), Refusal> {
        let RefusalFacts { draft, refusal } = facts;
        let at = timestamp(draft.at);
        let who = draft.principal.as_deref();
        let leaf = leaf::Refusal {
            at,
            request_id: Some(draft.request_id),
            gate: refusal.gate.as_str(),
            code: refusal.code.as_str(),
            dialect: Some(draft.dialect.as_str()),
            org: who.and_then(|who| who.org.as_ref()).map(named),
            team: who.and_then(|who| who.team.as_ref()).map(named),
            user: who.and_then(|who| who.user.as_ref()).map(named),
            agent: who.and_then(|who| who.agent.as_ref()).map(named),
            key: who.and_then(|who| who.key.as_ref()).map(named),
            model: draft.model.as_deref(),
            count: 1,
        };
        // A stranger decides how many identity refusals there are, so beyond
        // some a minute they are counted together.
        let own_leaf =
            refusal.gate != Gate::Identity || self.throttle.admits(refusal.code.as_str(), at);
        if own_leaf {
            self.journal
                .record(leaf.entry())
                .map_err(|error| unavailable(&error))?;
        }
        Ok(())
    }
}

fn scopes(who: &Principal, model: &str) -> Scopes {
    let id = |named: &Option<Named>| named.as_ref().map(|named| named.id);
    Scopes {
        org: id(&who.org),
        team: id(&who.team),
        user: id(&who.user),
        agent: id(&who.agent),
        key: id(&who.key),
        model: Some(model_id(model)),
    }
}

fn named(named: &Named) -> leaf::Named<'_> {
    leaf::Named {
        id: named.id,
        name: &named.name,
    }
}

fn unavailable(error: &JournalError) -> Refusal {
    Refusal::new(
        Gate::Audit,
        Code::AuditUnavailable,
        "The audit journal cannot take a record, and nothing is served unrecorded; try again, or see /readyz on the admin listener.",
    )
    .retry_after(Duration::from_secs(2))
    .because(error.to_string())
}

/// Room in the journal for the outcome of one intent.
pub struct OutcomeRoom {
    room: Room,
    request_id: Uuid,
    /// `None`: the intent is in a gap that is counted, and so is the outcome.
    intent: Option<Position>,
    /// Set while it is not known whether the intent is on record. Where nobody
    /// waits for that any more, it gets an outcome: nothing was sent.
    unanswered: Option<Presence>,
    account: Account,
}

impl Slot for OutcomeRoom {
    fn close(mut self, outcome: &Outcome) {
        self.write(outcome);
    }
}

impl Drop for OutcomeRoom {
    fn drop(&mut self) {
        if let Some(presence) = self.unanswered.take() {
            self.write(&Outcome {
                ending: presence.ending(),
                status: None,
                provider: None,
                model: None,
                attempts: 0,
                abandoned: 0,
                usage: None,
                bill: None,
                given_up: None,
                cost: Some(NanoUsd::ZERO),
                estimated: false,
                reserved: None,
                first_byte: None,
                duration: Duration::ZERO,
                rulings: Rulings::default(),
            });
        }
    }
}

impl OutcomeRoom {
    fn write(&mut self, outcome: &Outcome) {
        let Some(intent) = self.intent else { return };
        let code = match outcome.ending {
            Ending::Failed(code) => Some(code.as_str()),
            _ => None,
        };
        let lines: Vec<_> = outcome.bill.iter().flat_map(lines).collect();
        let leaf = leaf::Outcome {
            at: timestamp(SystemClock.now()),
            request_id: self.request_id,
            intent,
            ending: ending(outcome.ending),
            code,
            status: outcome.status,
            provider: outcome.provider.as_deref(),
            model: outcome.model.as_deref(),
            attempts: outcome.attempts,
            abandoned: outcome.abandoned,
            usage: outcome.usage.as_ref().map(|usage| leaf::Usage {
                input: usage.input,
                cached_input: usage.cached_input,
                cache_write: usage.cache_write,
                output: usage.output,
                reasoning: usage.reasoning,
                tier: usage.tier.as_ref().map(Tier::as_str),
            }),
            bill: outcome.bill.as_ref().map(|bill| leaf::Bill {
                price: &bill.price,
                version: &bill.version,
                lines: &lines,
            }),
            abandoned_nano_usd: outcome.given_up.map(NanoUsd::as_i64),
            reserved_nano_usd: outcome.reserved.map(NanoUsd::as_i64),
            cost_nano_usd: outcome.cost.map(NanoUsd::as_i64),
            estimated: outcome.estimated,
            ttft_us: outcome.first_byte.map(micros),
            duration_us: micros(outcome.duration),
            tools: tools(&outcome.rulings),
        };
        self.room
            .append(leaf.entry(&self.account, spent_tokens(outcome)));
    }
}

/// The tokens of the call, or as many as were held for it.
fn spent_tokens(outcome: &Outcome) -> Option<i64> {
    outcome.tokens().and_then(|tokens| tokens.try_into().ok())
}

fn lines(bill: &Bill) -> impl Iterator<Item = leaf::Line<'static>> {
    bill.lines.iter().map(|line| leaf::Line {
        class: line.class.as_str(),
        count: line.count,
        rate_pico_usd: line.rate,
        cost_nano_usd: line.cost.as_i64(),
    })
}

fn tools(rulings: &Rulings) -> Option<leaf::Tools<'_>> {
    let Rulings {
        released,
        rewritten,
        refused,
        refused_names,
    } = rulings;
    (!rulings.is_empty()).then_some(leaf::Tools {
        released: *released,
        rewritten: *rewritten,
        refused: *refused,
        refused_names,
    })
}

fn ending(ending: Ending) -> leaf::Ending {
    match ending {
        Ending::Finished => leaf::Ending::Finished,
        Ending::Rejected => leaf::Ending::Rejected,
        Ending::Failed(_) => leaf::Ending::Failed,
        Ending::ClientGone => leaf::Ending::ClientGone,
        Ending::Cut => leaf::Ending::Cut,
        Ending::Dropped => leaf::Ending::Dropped,
    }
}
