//! The other gates: everyone is let through, and what is settled is kept.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lattice_dialects::Inbound;
use lattice_dialects::openai::chat::ChatRequest;
use lattice_kernel::call::{Arrival, Call};
use lattice_kernel::gates::{
    Audit, Authorization, Constraints, Decision, Granted, Identity, IntentFacts, Lease,
    RefusalFacts, Slot, Spent, Terms, Verdict,
};
use lattice_kernel::principal::Named;
use lattice_kernel::{
    Action, Ask, Balance, Bill, Clock as _, Dialect, Draft, Gates, Head, NanoUsd, Outcome, Plan,
    Price, Principal, Rates, Refusal, Routing, SystemClock, Target, ToolCall, Usage, pipeline,
};
use lattice_providers::{
    Answer, Asked, Directory, Forwarded, Kind, Outbound, Provider, Remote, Reply, Timeouts,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::script::{Played, Script};

/// The most that one attempt costs.
pub const BOUND: u64 = 1000;

/// A gateway with one model over some providers, in this order.
pub struct House {
    pub script: Script,
    pub closed: Closed,
    gates: Gates<Stage, Stage, Stage, Stage, Remote<Script>>,
    plan: Plan,
}

/// How calls were closed.
#[derive(Clone, Default)]
pub struct Closed(Arc<Mutex<Vec<Outcome>>>);

impl Closed {
    pub fn last(&self) -> Outcome {
        self.0
            .lock()
            .unwrap()
            .last()
            .expect("a closed record")
            .clone()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// What a test may choose.
#[derive(Clone)]
pub struct Setting {
    pub providers: Vec<(&'static str, u32)>,
    pub balance: Balance,
    pub retries: u32,
    pub timeouts: Timeouts,
    /// `None`: no budget applies.
    pub reserved: bool,
    pub spare_attempts: u32,
}

impl Setting {
    /// Providers of weight 1, in order, walked once; nothing to spare.
    pub fn of<const N: usize>(providers: [&'static str; N]) -> Self {
        Self {
            providers: providers.map(|name| (name, 1)).to_vec(),
            balance: Balance::Ordered,
            retries: 0,
            timeouts: Timeouts::default(),
            reserved: true,
            spare_attempts: 0,
        }
    }

    pub fn retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    pub fn sparing(self, spare_attempts: u32) -> Self {
        Self {
            spare_attempts,
            ..self
        }
    }

    pub fn total(mut self, total: Duration) -> Self {
        self.timeouts.total = total;
        self
    }

    pub fn open(self) -> House {
        let script = Script::default();
        let closed = Closed::default();
        let targets: Vec<Arc<Target>> = self.providers.iter().map(target).collect();
        let directory = Directory::new(self.providers.iter().map(|(name, _)| self.provider(name)));
        let stage = Stage {
            closed: closed.clone(),
            reserved: self.reserved,
            spare_attempts: self.spare_attempts,
        };
        let execution = Remote::new(script.clone(), directory, &targets, Arc::default());
        let routing = Routing {
            balance: self.balance,
            retries: self.retries,
        };
        House {
            script,
            closed,
            gates: Gates {
                identity: stage.clone(),
                authorization: stage.clone(),
                constraints: stage.clone(),
                audit: stage,
                execution,
            },
            plan: Plan::new(targets).routed(routing),
        }
    }

    fn provider(&self, name: &str) -> Provider {
        Provider {
            name: name.into(),
            kind: Kind::named("openai_compatible").unwrap(),
            tls: false,
            host: "localhost".into(),
            port: 1,
            authority: "localhost".into(),
            base_path: "".into(),
            credential: None,
            timeouts: self.timeouts,
        }
    }
}

fn target((name, weight): &(&'static str, u32)) -> Arc<Target> {
    Arc::new(Target {
        provider: (*name).into(),
        model: "m".into(),
        classification: None,
        local: false,
        price: Some(Arc::new(OnePerToken)),
        max_output_tokens: 10,
        weight: NonZeroU32::new(*weight).unwrap(),
    })
}

#[derive(Debug)]
struct OnePerToken;

impl Price for OnePerToken {
    fn bill(&self, usage: &Usage, _: OffsetDateTime) -> Option<Bill> {
        Bill::new(
            "one".into(),
            "test".into(),
            usage,
            &Rates::flat(1_000, 1_000),
        )
    }
    fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        let bill = self.bill(usage, OffsetDateTime::UNIX_EPOCH)?;
        Some(bill.total)
    }
    fn source(&self) -> &str {
        "test"
    }
}

impl House {
    /// Asks once, and gets whatever comes of it.
    pub async fn ask(&self) -> Reply<Played> {
        let mut draft = Draft::new(
            Dialect::OpenAi,
            SystemClock.now(),
            std::time::Instant::now(),
        );
        let request = Request(Head::default(), self.plan.clone());
        let walked = pipeline::govern(&self.gates, &mut draft, request).await;
        walked.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// Asks once, and is answered.
    pub async fn answer(&self) -> Answer<Played> {
        match self.ask().await {
            Reply::Answer(answer) => *answer,
            Reply::Rejected(rejected) => panic!("rejected with {}", rejected.status),
            Reply::Failed(failure) => panic!("{}", failure.refusal),
        }
    }

    /// Asks once, and is refused.
    pub async fn failure(&self) -> Refusal {
        match self.ask().await {
            Reply::Failed(failure) => failure.refusal,
            Reply::Answer(answer) => panic!("answered by {}", answer.target.provider),
            Reply::Rejected(rejected) => panic!("rejected with {}", rejected.status),
        }
    }

    pub fn health(&self) -> &lattice_providers::Health {
        &self.gates.execution.health
    }

    /// Requests under way at `provider`.
    pub fn in_flight(&self, provider: &str) -> u32 {
        let targets = self.health().targets(tokio::time::Instant::now());
        let there = targets.iter().filter(|it| &*it.provider == provider);
        there.map(|it| it.in_flight).sum()
    }
}

fn outbound() -> Outbound {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let chat = ChatRequest::parse(Bytes::from_static(body)).unwrap();
    Outbound {
        asked: Asked::Generation(Inbound::Chat(chat)),
        forwarded: Forwarded::default(),
        cap_output: false,
    }
}

struct Request(Head, Plan);

impl Arrival for Request {
    type Body = Outbound;
    fn head(&self) -> &Head {
        &self.0
    }
    async fn read(self, _: &Principal, _: &mut Draft) -> Result<Call<Outbound>, Refusal> {
        Ok(Call {
            ask: Ask {
                action: Action::Infer,
                model: "m".into(),
                dialect: Dialect::OpenAi,
                stream: true,
                tools: vec![],
                classification: None,
                source: None,
            },
            plan: self.1,
            body: outbound(),
        })
    }
}

#[derive(Clone)]
struct Stage {
    closed: Closed,
    reserved: bool,
    spare_attempts: u32,
}

impl Identity for Stage {
    async fn identify(&self, _: &Head) -> Result<Arc<Principal>, Refusal> {
        let key = Named {
            id: Uuid::nil(),
            name: "k".into(),
        };
        Ok(Arc::new(Principal::of_key(key)))
    }
}

impl Authorization for Stage {
    type Rules = ();

    fn rules(&self) {}

    fn decide(&self, (): &(), _: OffsetDateTime, _: &Principal, _: &Ask, _: &Target) -> Verdict {
        let decision = Decision {
            allow: true,
            deny: vec![],
            obligations: vec![],
        };
        Verdict {
            decision: Arc::new(decision),
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
    type Body = Outbound;
    type Lease = Held;
    async fn constrain(
        &self,
        _: OffsetDateTime,
        _: &Principal,
        _: &Ask,
        _: &Plan,
        body: Outbound,
    ) -> Result<Granted<Outbound, Held>, Refusal> {
        let held = BOUND * u64::from(self.spare_attempts + 1);
        Ok(Granted {
            body,
            lease: Held(self.reserved.then(|| NanoUsd::new(held).unwrap())),
            terms: Terms {
                spare_attempts: self.spare_attempts,
                ..Terms::default()
            },
        })
    }
}

struct Held(Option<NanoUsd>);

impl Lease for Held {
    fn reserved(&self) -> Option<NanoUsd> {
        self.0
    }
    fn settle(self, _: Spent) {}
}

impl Audit for Stage {
    type Slot = Room;
    async fn intend(&self, _: &IntentFacts<'_>) -> Result<Room, Refusal> {
        Ok(Room(self.closed.clone()))
    }
    fn refuse(&self, _: &RefusalFacts<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

struct Room(Closed);

impl Slot for Room {
    fn close(self, outcome: &Outcome) {
        self.0.0.lock().unwrap().push(outcome.clone());
    }
}
