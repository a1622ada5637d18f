//! Gate 5 over a journal in buffered mode, and a store that forgets at once.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lattice_audit::leaf::{self, Intent};
use lattice_audit::{
    Account, ChainInfo, Journal, Mode, Options, Position, Room, Scopes, ShipError, ShippedLeaf,
    Sink, SinkError, Timestamp,
};
use lattice_kernel::gates::{Audit, IntentFacts, RefusalFacts, Slot};
use lattice_kernel::money::micros;
use lattice_kernel::principal::Named;
use lattice_kernel::{Clock, Draft, NanoUsd, Outcome, Refusal, SystemClock};
use tempfile::TempDir;
use time::OffsetDateTime;
use uuid::Uuid;

/// Leaves that may be on their way to the store, some 20 MB of them.
const MOST_BEHIND: u64 = 20_000;

/// A journal in a folder of its own, and the thread that ships from it.
pub struct Records {
    journal: Journal,
    written: Arc<AtomicU64>,
    shipped: Arc<AtomicU64>,
    shipping: JoinHandle<Result<(), ShipError>>,
    /// Removed when dropped, and that after the journal was stopped.
    _folder: TempDir,
}

impl Records {
    pub fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let options = Options {
            mode: Mode::Buffered,
            ..Options::new("bench", Arc::new(|| timestamp(SystemClock.now())))
        };
        let (journal, _) = Journal::open(folder.path(), options).expect("the journal opens");
        let shipped = Arc::new(AtomicU64::new(0));
        Self {
            shipping: ship(journal.clone(), Forgetful(shipped.clone())),
            journal,
            written: Arc::default(),
            shipped,
            _folder: folder,
        }
    }

    /// Gate 5 over this journal.
    pub fn trail(&self) -> AuditTrail {
        AuditTrail {
            journal: self.journal.clone(),
            written: self.written.clone(),
        }
    }

    /// Waits while too much is on its way.
    pub async fn catch_up(&self) {
        let behind = || {
            let shipped = self.shipped.load(Ordering::Relaxed);
            self.written.load(Ordering::Relaxed).saturating_sub(shipped)
        };
        while behind() > MOST_BEHIND {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Every record is written and shipped.
    pub fn close(self) {
        self.journal.stop().expect("the disk takes every record");
        let shipped = self.shipping.join().expect("shipping does not panic");
        shipped.expect("the store takes every record");
    }
}

fn ship(journal: Journal, sink: Forgetful) -> JoinHandle<Result<(), ShipError>> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime starts");
    thread::spawn(move || runtime.block_on(journal.ship(sink, future::pending())))
}

/// Counts leaves and keeps none.
struct Forgetful(Arc<AtomicU64>);

impl Sink for Forgetful {
    async fn append(&self, _: &ChainInfo, leaves: &[ShippedLeaf<'_>]) -> Result<(), SinkError> {
        self.0.fetch_add(leaves.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The gate, as in the binary but for what a finished call cannot need.
pub struct AuditTrail {
    journal: Journal,
    written: Arc<AtomicU64>,
}

impl Audit for AuditTrail {
    type Slot = OutcomeRoom;

    async fn intend(&self, facts: &IntentFacts<'_>) -> Result<OutcomeRoom, Refusal> {
        let unavailable = |error| Draft::internal(format!("{error}"));
        let mut room = self.journal.reserve(2).map_err(unavailable)?;
        let intent = room.commit(intent(facts)).await.map_err(unavailable)?;
        self.written.fetch_add(2, Ordering::Relaxed);
        Ok(OutcomeRoom {
            room,
            request_id: facts.request_id,
            intent: intent.ok_or_else(|| Draft::internal("the intent went unrecorded"))?,
            account: Account {
                at: timestamp(facts.at),
                scopes: Scopes {
                    key: facts.principal.key.as_ref().map(|key| key.id),
                    team: facts.principal.team.as_ref().map(|team| team.id),
                    ..Scopes::default()
                },
                reserved_nano: facts.terms.reserved.map(NanoUsd::as_i64),
                reserved_tokens: None,
            },
        })
    }

    fn refuse(&self, facts: &RefusalFacts<'_>) -> Result<(), Refusal> {
        Err(facts.refusal.clone())
    }
}

fn intent(facts: &IntentFacts<'_>) -> lattice_audit::Entry {
    let targets: Vec<leaf::Target<'_>> = facts
        .plan
        .targets()
        .iter()
        .map(|target| leaf::Target {
            provider: &target.provider,
            model: &target.model,
        })
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
        model_id: None,
        targets: &targets,
        stream: facts.ask.stream,
        input_tokens_bound: facts.terms.input_tokens_bound,
        output_cap: facts.terms.output_cap,
        reserved_nano_usd: facts.terms.reserved.map(NanoUsd::as_i64),
        reserved_tokens: None,
        policy: leaf::Policy {
            revision: &facts.verdict.revision,
            cached: facts.verdict.cached,
        },
        noted: &[],
    }
    .entry()
}

fn named(named: &Named) -> leaf::Named<'_> {
    leaf::Named {
        id: named.id,
        name: &named.name,
    }
}

/// Room in the journal for one outcome.
pub struct OutcomeRoom {
    room: Room,
    request_id: Uuid,
    intent: Position,
    account: Account,
}

impl Slot for OutcomeRoom {
    fn close(mut self, outcome: &Outcome) {
        let lines = outcome.bill.iter().flat_map(|bill| &bill.lines);
        let lines: Vec<_> = lines
            .map(|line| leaf::Line {
                class: line.class.as_str(),
                count: line.count,
                rate_pico_usd: line.rate,
                cost_nano_usd: line.cost.as_i64(),
            })
            .collect();
        let bill = outcome.bill.as_ref().map(|bill| (bill, &*lines));
        let leaf = leaf::Outcome {
            at: timestamp(SystemClock.now()),
            request_id: self.request_id,
            intent: self.intent,
            ending: leaf::Ending::Finished,
            code: None,
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
                tier: None,
            }),
            bill: bill.map(|(bill, lines)| leaf::Bill {
                price: &bill.price,
                version: &bill.version,
                lines,
            }),
            abandoned_nano_usd: None,
            reserved_nano_usd: outcome.reserved.map(NanoUsd::as_i64),
            cost_nano_usd: outcome.cost.map(NanoUsd::as_i64),
            estimated: outcome.estimated,
            ttft_us: outcome.first_byte.map(micros),
            duration_us: micros(outcome.duration),
            tools: None,
        };
        self.room.append(leaf.entry(&self.account, None));
    }
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_micros(i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX))
}
