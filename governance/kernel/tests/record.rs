//! Whatever happens to a call, its record is closed once, and its lease settled.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "record/attempts.rs"]
mod attempts;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use lattice_kernel::call::{Arrival, Ask, Call, Dialect, Head, Plan, Target};
use lattice_kernel::gates::{
    Audit, Authorization, Constraints, Decision, Denial, Execution, Granted, Identity, IntentFacts,
    Lease, RefusalFacts, Slot, Spent, Terms, Verdict,
};
use lattice_kernel::principal::Named;
use lattice_kernel::{
    Action, Bill, Clock as _, Code, Draft, Ending, Gate, Gates, Intended, NanoUsd, Outcome, Price,
    Principal, Rates, Record, Refusal, SystemClock, ToolCall, Usage, pipeline,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use time::OffsetDateTime;
use uuid::Uuid;

const HELD: u64 = 1000;

/// What a test does with the record of a call to the target.
type Play = Arc<dyn Fn(Record, Arc<Target>) + Send + Sync>;

#[derive(Debug, Clone, PartialEq)]
enum Event {
    Read,
    Reserved,
    Intended,
    Executed,
    Closed(Ending, Option<u64>, bool),
    Settled(u64),
    Refused(Gate, Code),
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    fn push(&self, event: Event) {
        self.0.lock().expect("not poisoned").push(event);
    }
    fn events(&self) -> Vec<Event> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// One stage that plays every gate; `refuse_at` names the one that says no.
#[derive(Clone)]
struct Stage {
    log: Log,
    refuse_at: Option<Gate>,
    play: Play,
    reserved: Option<u64>,
    spare_attempts: u32,
    /// How often the rules of gate 2 were taken.
    rules_taken: Arc<AtomicU32>,
}

#[derive(Debug)]
struct TwoPerToken;

impl Price for TwoPerToken {
    fn bill(&self, usage: &Usage, _: OffsetDateTime) -> Option<Bill> {
        Bill::new(
            "two".into(),
            "test".into(),
            usage,
            &Rates::flat(2_000, 2_000),
        )
    }
    fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        self.bill(usage, OffsetDateTime::UNIX_EPOCH)
            .map(|bill| bill.total)
    }
    fn source(&self) -> &str {
        "test"
    }
}

fn nano(amount: u64) -> NanoUsd {
    NanoUsd::new(amount).expect("in range")
}

impl Stage {
    fn refusing(&self, gate: Gate, code: Code) -> Result<(), Refusal> {
        if self.refuse_at == Some(gate) {
            Err(Refusal::new(gate, code, "no"))
        } else {
            Ok(())
        }
    }
}

impl Identity for Stage {
    async fn identify(&self, _: &Head) -> Result<Arc<Principal>, Refusal> {
        self.refusing(Gate::Identity, Code::IdentityUnknown)?;
        let key = Named {
            id: Uuid::nil(),
            name: "k".into(),
        };
        Ok(Arc::new(Principal::of_key(key)))
    }
}

impl Authorization for Stage {
    type Rules = ();

    fn rules(&self) {
        self.rules_taken.fetch_add(1, Ordering::Relaxed);
    }

    fn decide(&self, (): &(), _: OffsetDateTime, _: &Principal, ask: &Ask, _: &Target) -> Verdict {
        // Listed without a context, denied in one: a stream is the context.
        let denied = self.refuse_at == Some(Gate::Authorization) && ask.stream;
        let deny = if denied {
            vec![Denial {
                code: Code::PolicyModel,
                message: "no".into(),
            }]
        } else {
            vec![]
        };
        Verdict {
            decision: Arc::new(Decision {
                allow: true,
                deny,
                obligations: vec![],
            }),
            revision: "r".into(),
            cached: false,
        }
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

impl Constraints for Stage {
    type Body = ();
    type Lease = Held;
    async fn constrain(
        &self,
        _: OffsetDateTime,
        _: &Principal,
        _: &Ask,
        _: &Plan,
        (): (),
    ) -> Result<Granted<(), Held>, Refusal> {
        self.refusing(Gate::Constraints, Code::LimitBudget)?;
        self.log.push(Event::Reserved);
        Ok(Granted {
            body: (),
            lease: Held(self.log.clone(), self.reserved),
            terms: Terms {
                spare_attempts: self.spare_attempts,
                ..Terms::default()
            },
        })
    }
}

struct Held(Log, Option<u64>);

impl Lease for Held {
    fn reserved(&self) -> Option<NanoUsd> {
        self.1.map(nano)
    }
    fn settle(self, Spent { cost, .. }: Spent) {
        self.0.push(Event::Settled(cost.get()));
    }
}

impl Audit for Stage {
    type Slot = Room;
    async fn intend(&self, _: &IntentFacts<'_>) -> Result<Room, Refusal> {
        self.refusing(Gate::Audit, Code::AuditUnavailable)?;
        self.log.push(Event::Intended);
        Ok(Room(self.log.clone()))
    }
    fn refuse(&self, facts: &RefusalFacts<'_>) -> Result<(), Refusal> {
        self.log
            .push(Event::Refused(facts.refusal.gate, facts.refusal.code));
        Ok(())
    }
}

struct Room(Log);

impl Slot for Room {
    fn close(self, outcome: &Outcome) {
        self.0.push(Event::Closed(
            outcome.ending,
            outcome.cost.map(NanoUsd::get),
            outcome.estimated,
        ));
    }
}

impl Execution for Stage {
    type Body = ();
    type Reply = ();
    async fn execute(&self, intended: Intended<()>) {
        self.log.push(Event::Executed);
        let departure = intended.depart();
        let target = departure.plan.targets()[0].clone();
        (self.play)(departure.record, target);
    }
}

struct Request(Head, Log);

impl Arrival for Request {
    type Body = ();
    fn head(&self) -> &Head {
        &self.0
    }
    async fn read(self, _: &Principal, draft: &mut Draft) -> Result<Call<()>, Refusal> {
        self.1.push(Event::Read);
        draft.asks_for("m");
        let target = Target {
            provider: "p".into(),
            model: "m".into(),
            classification: None,
            local: false,
            price: Some(Arc::new(TwoPerToken)),
            max_output_tokens: 10,
            weight: NonZeroU32::MIN,
        };
        let ask = Ask {
            action: Action::Infer,
            model: "m".into(),
            dialect: Dialect::OpenAi,
            stream: true,
            tools: vec![],
            classification: None,
            source: None,
        };
        Ok(Call {
            ask,
            plan: Plan::new([Arc::new(target)]),
            body: (),
        })
    }
}

impl Stage {
    /// Nobody refuses, and `HELD` is held for one attempt.
    fn playing(play: impl Fn(Record, Arc<Target>) + Send + Sync + 'static) -> Self {
        Self {
            log: Log::default(),
            refuse_at: None,
            play: Arc::new(play),
            reserved: Some(HELD),
            spare_attempts: 0,
            rules_taken: Arc::default(),
        }
    }

    fn walk(self, draft: &mut Draft) -> (Result<(), Refusal>, Vec<Event>) {
        let log = self.log.clone();
        let gates = Gates {
            identity: self.clone(),
            authorization: self.clone(),
            constraints: self.clone(),
            audit: self.clone(),
            execution: self,
        };
        let request = Request(Head::default(), log.clone());
        let walked = futures::executor::block_on(pipeline::govern(&gates, draft, request));
        (walked, log.events())
    }
}

fn walk(
    refuse_at: Option<Gate>,
    play: impl Fn(Record, Arc<Target>) + Send + Sync + 'static,
) -> (Result<(), Refusal>, Vec<Event>) {
    let stage = Stage {
        refuse_at,
        ..Stage::playing(play)
    };
    stage.walk(&mut draft())
}

fn draft() -> Draft {
    Draft::new(Dialect::OpenAi, SystemClock.now(), Instant::now())
}

fn served(play: impl Fn(Record, Arc<Target>) + Send + Sync + 'static) -> Vec<Event> {
    let (walked, events) = walk(None, play);
    assert!(walked.is_ok());
    events
}

/// The end of a served walk: how the record was closed, and what was settled.
fn ending(play: impl Fn(Record, Arc<Target>) + Send + Sync + 'static) -> (Event, Event) {
    let events = served(play);
    assert_eq!(
        events[..4],
        [
            Event::Read,
            Event::Reserved,
            Event::Intended,
            Event::Executed
        ]
    );
    assert_eq!(events.len(), 6, "closed once and settled once: {events:?}");
    (events[4].clone(), events[5].clone())
}

#[test]
fn a_reported_usage_is_what_it_costs() {
    let end = ending(|mut record, target| {
        record.attempt(target);
        record.answered(200);
        record.used(Usage {
            input: 3,
            output: 4,
            ..Usage::default()
        });
        record.close(Ending::Finished);
    });
    assert_eq!(
        end,
        (
            Event::Closed(Ending::Finished, Some(14), false),
            Event::Settled(14)
        )
    );
}

#[test]
fn an_ending_without_usage_settles_in_full() {
    for (play, ended) in [
        (
            (|mut record: Record, target| {
                record.attempt(target);
                record.answered(200);
                record.close(Ending::ClientGone);
            }) as fn(Record, Arc<Target>),
            Ending::ClientGone,
        ),
        (
            |mut record, target| {
                record.attempt(target);
                record.close(Ending::Failed(Code::ProviderTimeout));
            },
            Ending::Failed(Code::ProviderTimeout),
        ),
        (
            |mut record, target| {
                record.attempt(target);
                drop(record);
            },
            Ending::Dropped,
        ),
    ] {
        assert_eq!(
            ending(play),
            (Event::Closed(ended, Some(HELD), true), Event::Settled(HELD))
        );
    }
}

#[test]
fn what_cannot_have_been_billed_costs_nothing() {
    for (play, ended) in [
        (
            (|mut record: Record, target| {
                record.attempt(target);
                record.unreached();
                record.close(Ending::Failed(Code::ProviderError));
            }) as fn(Record, Arc<Target>),
            Ending::Failed(Code::ProviderError),
        ),
        (
            |mut record, target| {
                record.attempt(target);
                record.answered(429);
                record.close(Ending::Failed(Code::ProviderOverloaded));
            },
            Ending::Failed(Code::ProviderOverloaded),
        ),
        (|record, _| drop(record), Ending::Dropped),
    ] {
        assert_eq!(
            ending(play),
            (Event::Closed(ended, Some(0), false), Event::Settled(0))
        );
    }
}

#[test]
fn what_is_dropped_because_the_client_left_says_so() {
    let mut draft = draft();
    draft.presence.leave();
    let stage = Stage::playing(|mut record, target| {
        record.attempt(target);
        drop(record);
    });
    let (_, events) = stage.walk(&mut draft);
    let gone = Event::Closed(Ending::ClientGone, Some(HELD), true);
    assert_eq!(events[4..], [gone, Event::Settled(HELD)]);
}

#[test]
fn a_usage_that_cannot_be_priced_settles_in_full() {
    let end = ending(|mut record, target| {
        record.attempt(target);
        record.used(Usage {
            input: u64::MAX,
            output: 1,
            ..Usage::default()
        });
        record.close(Ending::Finished);
    });
    assert_eq!(
        end,
        (
            Event::Closed(Ending::Finished, Some(HELD), true),
            Event::Settled(HELD)
        )
    );
}

#[test]
fn a_panic_in_execution_still_settles() {
    let stage = Stage::playing(|mut record, target| {
        record.attempt(target);
        panic!("on purpose")
    });
    let log = stage.log.clone();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        stage.walk(&mut draft())
    }));
    assert!(outcome.is_err());
    assert_eq!(
        log.events()[4..],
        [
            Event::Closed(Ending::Dropped, Some(HELD), true),
            Event::Settled(HELD)
        ]
    );
}

#[test]
fn each_gate_stops_the_walk_and_leaves_one_leaf() {
    let read = Event::Read;
    for (gate, code, before) in [
        (Gate::Identity, Code::IdentityUnknown, vec![]),
        (Gate::Authorization, Code::PolicyModel, vec![read.clone()]),
        (Gate::Constraints, Code::LimitBudget, vec![read.clone()]),
    ] {
        let (walked, events) = walk(Some(gate), |_, _| panic!("must not be executed"));
        assert_eq!(walked.err().map(|refusal| refusal.code), Some(code));
        assert_eq!(events, [before, vec![Event::Refused(gate, code)]].concat());
    }
}

#[test]
fn an_intent_that_cannot_be_recorded_gives_the_hold_back() {
    let (walked, events) = walk(Some(Gate::Audit), |_, _| panic!("must not be executed"));
    assert_eq!(
        walked.err().map(|refusal| refusal.code),
        Some(Code::AuditUnavailable)
    );
    assert_eq!(
        events,
        [
            Event::Read,
            Event::Reserved,
            Event::Refused(Gate::Audit, Code::AuditUnavailable)
        ]
    );
}

/// Two decisions at least: on the target, and where it is denied on its being listed.
#[test]
fn one_set_of_rules_decides_on_all_of_a_request() {
    for refuse_at in [None, Some(Gate::Authorization)] {
        let stage = Stage {
            refuse_at,
            ..Stage::playing(|_, _| ())
        };
        let taken = stage.rules_taken.clone();
        let (walked, _) = stage.walk(&mut draft());
        assert_eq!(walked.is_err(), refuse_at.is_some());
        assert_eq!(taken.load(Ordering::Relaxed), 1);
    }
}
