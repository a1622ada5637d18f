//! What is known of every target: its breaker, how busy it is, how its attempts
//! went. There is an entry for each target of the configuration and one more for
//! each provider, so that names in requests cannot make it grow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use lattice_kernel::{Code, Ending, Target};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::balance::Candidate;
use super::breaker::{Breaker, Condition, Probe};
use super::dice::Dice;

/// Models of a provider that configuration does not list share this name.
const OTHER: &str = "other";

/// The health of every target.
#[derive(Debug)]
pub struct Health {
    sites: HashMap<Arc<str>, Site>,
    dice: Arc<Dice>,
}

/// One provider.
#[derive(Debug)]
struct Site {
    models: HashMap<Arc<str>, Arc<Vital>>,
    /// Of all other models there.
    others: Arc<Vital>,
    tally: Arc<Tally>,
}

/// One target.
#[derive(Debug)]
pub(crate) struct Vital {
    breaker: Mutex<Breaker>,
    in_flight: AtomicU32,
    dice: Arc<Dice>,
    tally: Arc<Tally>,
}

/// One target's breaker, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetHealth {
    /// The provider.
    pub provider: Arc<str>,
    /// The model there; `other` for those that configuration does not list.
    pub model: Arc<str>,
    /// Whether it is asked.
    pub condition: Condition,
    /// Requests under way.
    pub in_flight: u32,
}

/// How one attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// A reply began.
    Answered,
    /// The target says that the request is at fault.
    Rejected,
    /// It refuses the gateway's account, or does not serve what configuration says.
    Refused,
    /// It limits its rate.
    Limited,
    /// It failed, and said so.
    Failed,
    /// No connection came about.
    Unreached,
    /// It kept silent for too long.
    TimedOut,
    /// The connection broke.
    Broken,
    /// The client left, or the gateway stopped, before any of these.
    Dropped,
}

impl Attempted {
    /// Each at its own index (`attempted as usize`).
    pub const ALL: [Self; 9] = [
        Self::Answered,
        Self::Rejected,
        Self::Refused,
        Self::Limited,
        Self::Failed,
        Self::Unreached,
        Self::TimedOut,
        Self::Broken,
        Self::Dropped,
    ];

    /// The name in labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
            Self::Unreached => "unreached",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
            Self::Dropped => "dropped",
        }
    }

    /// Whether a breaker holds it against the target.
    fn is_fault(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Unreached | Self::TimedOut | Self::Broken
        )
    }
}

#[derive(Debug, Default)]
struct Tally([AtomicU64; Attempted::ALL.len()]);

impl Tally {
    fn count(&self, attempted: Attempted) {
        self.0[attempted as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Health {
    /// Everyone is well. `targets` get an entry each, all other models of one of
    /// `providers` share one.
    pub fn new<'a>(
        providers: impl IntoIterator<Item = Arc<str>>,
        targets: impl IntoIterator<Item = &'a Arc<Target>>,
    ) -> Self {
        let dice = Arc::new(Dice::default());
        let mut sites: HashMap<Arc<str>, Site> = providers
            .into_iter()
            .map(|name| (name, Site::new(&dice)))
            .collect();
        for target in targets {
            if let Some(site) = sites.get_mut(&target.provider) {
                let vital = || Arc::new(Vital::new(&dice, &site.tally));
                site.models
                    .entry(target.model.clone())
                    .or_insert_with(vital);
            }
        }
        Self { sites, dice }
    }

    /// What is known of `target`; `None` where its provider is not configured.
    pub(crate) fn of(&self, target: &Target) -> Option<&Arc<Vital>> {
        let site = self.sites.get(&target.provider)?;
        Some(site.models.get(&target.model).unwrap_or(&site.others))
    }

    pub(crate) fn dice(&self) -> &Dice {
        &self.dice
    }

    /// Every target at `now`, in the order of its names.
    #[must_use]
    pub fn targets(&self, now: Instant) -> Vec<TargetHealth> {
        let other: Arc<str> = OTHER.into();
        let mut shown: Vec<TargetHealth> = Vec::new();
        for (provider, site) in &self.sites {
            let models = site.models.iter().chain([(&other, &site.others)]);
            shown.extend(models.map(|(model, vital)| TargetHealth {
                provider: provider.clone(),
                model: model.clone(),
                condition: vital.breaker.lock().condition(now),
                in_flight: vital.in_flight.load(Ordering::Relaxed),
            }));
        }
        shown.sort_by(|one, next| (&one.provider, &one.model).cmp(&(&next.provider, &next.model)));
        shown
    }

    /// How many attempts at each provider went which way.
    pub fn attempts(&self) -> impl Iterator<Item = (&Arc<str>, Attempted, u64)> {
        self.sites.iter().flat_map(|(provider, site)| {
            let counts = Attempted::ALL.iter().zip(&site.tally.0);
            counts.map(move |(attempted, count)| {
                (provider, *attempted, count.load(Ordering::Relaxed))
            })
        })
    }
}

impl Site {
    fn new(dice: &Arc<Dice>) -> Self {
        let tally = Arc::default();
        Self {
            models: HashMap::new(),
            others: Arc::new(Vital::new(dice, &tally)),
            tally,
        }
    }
}

impl Vital {
    fn new(dice: &Arc<Dice>, tally: &Arc<Tally>) -> Self {
        Self {
            breaker: Mutex::default(),
            in_flight: AtomicU32::new(0),
            dice: dice.clone(),
            tally: tally.clone(),
        }
    }

    /// What the order of a plan goes by.
    pub fn candidate(&self, target: &Target, now: Instant) -> Candidate {
        Candidate {
            weight: target.weight,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            standing: self.breaker.lock().standing(now),
        }
    }
}

/// A request on its way to a target or answered by it. Counts as under way until it
/// is dropped; what was not told by then is held against nobody.
#[derive(Debug)]
pub(crate) struct Flight {
    vital: Arc<Vital>,
    probe: Probe,
    told: bool,
}

impl Flight {
    /// Begins one, unless the breaker is open: then it says until when.
    pub fn begin(vital: &Arc<Vital>, now: Instant) -> Result<Self, Instant> {
        let probe = vital.breaker.lock().enter(now)?;
        vital.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            vital: vital.clone(),
            probe,
            told: false,
        })
    }

    /// How the attempt went, up to the head of the reply.
    pub fn tell(&mut self, attempted: Attempted, now: Instant) {
        self.told = true;
        self.vital.tally.count(attempted);
        let mut breaker = self.vital.breaker.lock();
        if attempted.is_fault() {
            breaker.failed(now, self.probe, &self.vital.dice);
            return;
        }
        breaker.answered(self.probe);
        if attempted == Attempted::Answered {
            breaker.began();
        }
    }

    /// Nothing was sent after all.
    pub fn call_off(mut self) {
        self.told = true;
        self.vital.breaker.lock().unresolved(self.probe);
    }

    /// The target limits its rate, and wants to be left alone for so long.
    pub fn cool(&self, now: Instant, told: Duration) {
        self.vital.breaker.lock().cool(now, told);
    }

    /// How the reply ended.
    pub fn ended(self, ending: Ending, now: Instant) {
        let mut breaker = self.vital.breaker.lock();
        match ending {
            Ending::Finished => breaker.finished(),
            Ending::Cut | Ending::Failed(Code::ProviderError | Code::ProviderTimeout) => {
                breaker.cut(now, &self.vital.dice);
            }
            Ending::Rejected | Ending::Failed(_) | Ending::ClientGone | Ending::Dropped => {}
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.vital.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !self.told {
            self.vital.tally.count(Attempted::Dropped);
            self.vital.breaker.lock().unresolved(self.probe);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn target(model: &str) -> Arc<Target> {
        Arc::new(Target {
            provider: "p".into(),
            model: model.into(),
            classification: None,
            local: false,
            price: None,
            max_output_tokens: 1,
            weight: NonZeroU32::MIN,
        })
    }

    fn health() -> Health {
        Health::new(["p".into()], &[target("listed")])
    }

    fn shown(health: &Health, now: Instant) -> Vec<(String, u32, Condition)> {
        let shown = health.targets(now).into_iter();
        shown
            .map(|it| (it.model.to_string(), it.in_flight, it.condition))
            .collect()
    }

    fn count(health: &Health, of: Attempted) -> u64 {
        let counts = health
            .attempts()
            .filter(|(_, attempted, _)| *attempted == of);
        counts.map(|(_, _, count)| count).sum()
    }

    #[test]
    fn models_that_nobody_configured_share_one_entry() {
        let (health, now) = (health(), Instant::now());
        let flights: Vec<Flight> = (0..100)
            .map(|number| {
                let target = target(&format!("model-{number}"));
                Flight::begin(health.of(&target).expect("known"), now).expect("closed")
            })
            .collect();
        let closed = Condition::Closed;
        let expected = [
            ("listed".to_owned(), 0, closed),
            ("other".to_owned(), 100, closed),
        ];
        assert_eq!(shown(&health, now), expected);
        drop(flights);
        assert_eq!(shown(&health, now)[1].1, 0);
        let foreign = Target {
            provider: "q".into(),
            ..Arc::into_inner(target("m")).expect("alone")
        };
        assert!(health.of(&foreign).is_none());
    }

    #[test]
    fn a_flight_counts_until_it_is_over_also_where_it_panics() {
        let (health, now) = (health(), Instant::now());
        let vital = health.of(&target("listed")).expect("known");
        let begin = || Flight::begin(vital, now).expect("closed");
        let (mut one, other) = (begin(), begin());
        assert_eq!(shown(&health, now)[0].1, 2);
        one.tell(Attempted::Answered, now);
        assert_eq!(shown(&health, now)[0].1, 2, "its reply still runs");
        one.ended(Ending::Finished, now);
        drop(other);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _flight = begin();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(shown(&health, now)[0].1, 0);
        assert_eq!(count(&health, Attempted::Answered), 1);
        assert_eq!(count(&health, Attempted::Dropped), 2);
    }

    #[test]
    fn only_the_providers_own_faults_open_a_breaker() {
        let now = Instant::now();
        for attempted in Attempted::ALL {
            let health = health();
            let vital = health.of(&target("listed")).expect("known");
            for _ in 0..5 {
                let mut flight = Flight::begin(vital, now).expect("closed");
                flight.tell(attempted, now);
            }
            let opened = Flight::begin(vital, now).is_err();
            let fault = matches!(
                attempted,
                Attempted::Failed | Attempted::Unreached | Attempted::TimedOut | Attempted::Broken
            );
            assert_eq!(opened, fault, "{attempted:?}");
        }
    }

    #[test]
    fn only_replies_that_the_provider_broke_off_open_a_breaker() {
        let now = Instant::now();
        for (ending, opens) in [
            (Ending::Cut, true),
            (Ending::Failed(Code::ProviderError), true),
            (Ending::Failed(Code::ProviderTimeout), true),
            (Ending::Failed(Code::LatticeStopping), false),
            (Ending::ClientGone, false),
            (Ending::Dropped, false),
            (Ending::Finished, false),
        ] {
            let health = health();
            let vital = health.of(&target("listed")).expect("known");
            for _ in 0..5 {
                let mut flight = Flight::begin(vital, now).expect("closed");
                flight.tell(Attempted::Answered, now);
                flight.ended(ending, now);
            }
            assert_eq!(Flight::begin(vital, now).is_err(), opens, "{ending:?}");
        }
    }

    #[test]
    fn a_probe_that_nobody_waits_for_leaves_the_place_to_the_next() {
        let (health, now) = (health(), Instant::now());
        let vital = health.of(&target("listed")).expect("known");
        for _ in 0..5 {
            let mut flight = Flight::begin(vital, now).expect("closed");
            flight.tell(Attempted::Unreached, now);
        }
        let until = Flight::begin(vital, now).expect_err("open");
        let probe = Flight::begin(vital, until).expect("a probe");
        assert!(Flight::begin(vital, until).is_err());
        drop(probe);
        let probe = Flight::begin(vital, until).expect("the next probe");
        probe.call_off();
        assert_eq!(count(&health, Attempted::Dropped), 1, "nothing was sent");
        let mut probe = Flight::begin(vital, until).expect("the next probe");
        probe.tell(Attempted::Limited, until);
        assert!(Flight::begin(vital, until).is_ok(), "it is there");
    }
}
