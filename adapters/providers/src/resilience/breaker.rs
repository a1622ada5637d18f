//! Whether a target may be asked. Opened by the provider's own faults and nothing
//! else: not by its limits, nor by requests that are at fault themselves.

use std::time::Duration;

use tokio::time::Instant;

use super::dice::Dice;

/// Faults in a row that open it.
const FAULTS: u32 = 5;
/// How long it is open at first; doubles with each time that a probe fails.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(120);
/// A limit that lasts longer is not waited for.
const LONGEST_COOLING: Duration = Duration::from_secs(60);
/// When to ask again while a probe is out.
const PROBING: Duration = Duration::from_secs(1);

/// The breaker of one target.
#[derive(Debug)]
pub(crate) struct Breaker {
    phase: Phase,
    /// The target limits its rate until then.
    cooling: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Everyone may ask. Counted apart, because a provider may begin every reply
    /// well and finish none: attempts without a head in a row, and replies without
    /// an end.
    Closed { headless: u32, cut: u32, trips: u32 },
    /// Nobody may ask; from `until` on, one may.
    Open { until: Instant, trips: u32 },
    /// One is asking.
    Probing { since: Instant, trips: u32 },
}

/// A breaker's state, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The target is asked.
    Closed,
    /// The next request, or one that is under way, shows whether it is well again.
    HalfOpen,
    /// It is not asked before then.
    Open {
        /// The earliest time of a probe.
        until: Instant,
    },
}

/// What ranking needs to know; the lesser goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It may be asked.
    Ready,
    /// It may, but limits its rate.
    Cooling,
    /// It may not.
    Shut,
}

/// Whether a request that was let in is the probe.
pub(crate) type Probe = bool;

impl Default for Breaker {
    fn default() -> Self {
        let phase = Phase::Closed {
            headless: 0,
            cut: 0,
            trips: 0,
        };
        Self {
            phase,
            cooling: None,
        }
    }
}

impl Breaker {
    pub fn condition(&self, now: Instant) -> Condition {
        match self.phase {
            Phase::Closed { .. } => Condition::Closed,
            Phase::Open { until, .. } if until > now => Condition::Open { until },
            Phase::Open { .. } | Phase::Probing { .. } => Condition::HalfOpen,
        }
    }

    pub fn standing(&self, now: Instant) -> Standing {
        match self.phase {
            Phase::Open { until, .. } if until > now => Standing::Shut,
            Phase::Probing { .. } => Standing::Shut,
            _ if self.cooling.is_some_and(|until| until > now) => Standing::Cooling,
            _ => Standing::Ready,
        }
    }

    /// Lets a request in, or says when to ask again.
    pub fn enter(&mut self, now: Instant) -> Result<Probe, Instant> {
        match self.phase {
            Phase::Closed { .. } => Ok(false),
            Phase::Open { until, .. } if until > now => Err(until),
            Phase::Open { until, trips } => {
                self.phase = Phase::Probing {
                    since: until,
                    trips,
                };
                Ok(true)
            }
            Phase::Probing { .. } => Err(now + PROBING),
        }
    }

    /// The target answered something: it is there. After a probe that closes the
    /// breaker, on trial: the next fault opens it again, and for longer.
    pub fn answered(&mut self, probe: Probe) {
        if let (Phase::Probing { trips, .. }, true) = (self.phase, probe) {
            self.phase = Phase::Closed {
                headless: FAULTS - 1,
                cut: FAULTS - 1,
                trips,
            };
        }
    }

    /// A reply has begun.
    pub fn began(&mut self) {
        if let Phase::Closed { headless, .. } = &mut self.phase {
            *headless = 0;
        }
    }

    /// A reply has come to its proper end.
    pub fn finished(&mut self) {
        if let Phase::Closed { .. } = self.phase {
            self.phase = Self::default().phase;
        }
    }

    /// An attempt came to nothing, and that is the provider's fault.
    pub fn failed(&mut self, now: Instant, probe: Probe, dice: &Dice) {
        match &mut self.phase {
            Phase::Closed { headless, .. } => {
                *headless += 1;
                self.trip(now, dice);
            }
            Phase::Probing { trips, .. } if probe => {
                let trips = *trips;
                self.open(now, trips, dice);
            }
            // Begun before it was opened: nothing new.
            Phase::Open { .. } | Phase::Probing { .. } => {}
        }
    }

    /// A reply broke off, and that is the provider's fault.
    pub fn cut(&mut self, now: Instant, dice: &Dice) {
        if let Phase::Closed { cut, .. } = &mut self.phase {
            *cut += 1;
            self.trip(now, dice);
        }
    }

    /// Nothing was learnt from an attempt: where it was the probe, the next request
    /// is.
    pub fn unresolved(&mut self, probe: Probe) {
        if let (Phase::Probing { since, trips }, true) = (self.phase, probe) {
            self.phase = Phase::Open {
                until: since,
                trips,
            };
        }
    }

    /// The target limits its rate and asks for this much peace.
    pub fn cool(&mut self, now: Instant, told: Duration) {
        let until = now + told.min(LONGEST_COOLING);
        self.cooling = Some(self.cooling.map_or(until, |known| known.max(until)));
    }

    fn trip(&mut self, now: Instant, dice: &Dice) {
        match self.phase {
            Phase::Closed {
                headless,
                cut,
                trips,
            } if headless >= FAULTS || cut >= FAULTS => self.open(now, trips, dice),
            _ => {}
        }
    }

    /// Up to a fifth less than the doubled time, so that gateways that saw one
    /// outage do not probe at one moment.
    fn open(&mut self, now: Instant, trips: u32, dice: &Dice) {
        let span = FIRST.saturating_mul(1 << trips.min(16)).min(LONGEST);
        self.phase = Phase::Open {
            until: now + span - dice.part_of(span / 5),
            trips: trips.saturating_add(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn dice() -> Dice {
        Dice::seeded(1)
    }

    /// A breaker that has just opened for the first time.
    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        (0..FAULTS).for_each(|_| breaker.failed(now, false, &dice()));
        assert!(matches!(breaker.condition(now), Condition::Open { .. }));
        breaker
    }

    /// How long it stays open.
    fn span(breaker: &Breaker, now: Instant) -> Duration {
        match breaker.condition(now) {
            Condition::Open { until } => until - now,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn faults_in_a_row_open_it_and_a_reply_between_them_does_not() {
        let (now, dice) = (Instant::now(), dice());
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            (1..FAULTS).for_each(|_| breaker.failed(now, false, &dice));
            breaker.began();
        }
        assert_eq!(breaker.condition(now), Condition::Closed);
        (0..FAULTS).for_each(|_| breaker.failed(now, false, &dice));
        assert!(breaker.enter(now).is_err());
    }

    #[test]
    fn replies_that_begin_well_and_break_off_open_it_too() {
        let (now, dice) = (Instant::now(), dice());
        let mut breaker = Breaker::default();
        let cut = |breaker: &mut Breaker| {
            breaker.began();
            breaker.cut(now, &dice);
        };
        (1..FAULTS).for_each(|_| cut(&mut breaker));
        breaker.finished();
        (1..FAULTS).for_each(|_| cut(&mut breaker));
        assert_eq!(breaker.condition(now), Condition::Closed);
        cut(&mut breaker);
        assert!(breaker.enter(now).is_err());
    }

    #[test]
    fn one_probe_at_a_time_is_let_through_once_the_time_is_over() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let until = breaker.enter(now).expect_err("open");
        assert!((seconds(8)..=FIRST).contains(&(until - now)));
        assert_eq!(breaker.condition(until), Condition::HalfOpen);
        assert_eq!(breaker.standing(until), Standing::Ready);
        assert_eq!(breaker.enter(until), Ok(true));
        assert_eq!(breaker.enter(until), Err(until + PROBING));
        assert_eq!(breaker.standing(until), Standing::Shut);
        breaker.unresolved(true);
        assert_eq!(
            breaker.enter(until),
            Ok(true),
            "its client left: the next one"
        );
        breaker.answered(true);
        assert_eq!(breaker.enter(until), Ok(false));
    }

    #[test]
    fn a_probe_that_fails_doubles_the_time_up_to_two_minutes() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for longest in [10, 20, 40, 80, 120, 120] {
            let open = span(&breaker, now);
            let longest = seconds(longest);
            assert!(
                open <= longest && open >= longest * 4 / 5,
                "{open:?} of {longest:?}"
            );
            now += open;
            assert_eq!(breaker.enter(now), Ok(true));
            breaker.failed(now, true, &dice());
        }
    }

    #[test]
    fn after_a_probe_it_is_on_trial_until_a_reply_has_ended() {
        let now = Instant::now();
        let probed = || {
            let mut breaker = opened(now);
            let later = now + FIRST;
            assert_eq!(breaker.enter(later), Ok(true));
            breaker.answered(true);
            (breaker, later)
        };
        let (mut breaker, later) = probed();
        breaker.began();
        breaker.cut(later, &dice());
        assert!(span(&breaker, later) > FIRST, "for longer than before");
        let (mut breaker, later) = probed();
        breaker.finished();
        (1..FAULTS).for_each(|_| breaker.failed(later, false, &dice()));
        assert_eq!(breaker.condition(later), Condition::Closed);
        breaker.failed(later, false, &dice());
        assert!(span(&breaker, later) <= FIRST, "as if for the first time");
    }

    #[test]
    fn what_began_before_it_opened_moves_nothing() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let open = breaker.condition(now);
        breaker.failed(now, false, &dice());
        breaker.cut(now, &dice());
        breaker.began();
        breaker.finished();
        breaker.unresolved(false);
        assert_eq!(breaker.condition(now), open);
        let later = now + FIRST;
        assert_eq!(breaker.enter(later), Ok(true));
        breaker.failed(later, false, &dice());
        breaker.finished();
        assert_eq!(
            breaker.condition(later),
            Condition::HalfOpen,
            "the probe decides"
        );
    }

    #[test]
    fn a_limit_cools_without_closing_the_door() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.cool(now, seconds(3));
        breaker.cool(now, seconds(1));
        assert_eq!(breaker.standing(now + seconds(2)), Standing::Cooling);
        assert_eq!(breaker.enter(now), Ok(false));
        assert_eq!(breaker.standing(now + seconds(3)), Standing::Ready);
        breaker.cool(now, seconds(3600));
        assert_eq!(breaker.standing(now + seconds(60)), Standing::Ready);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Wait(u64),
        Enter,
        Answered,
        Began,
        Finished,
        Failed,
        Cut,
        Unresolved,
    }

    proptest! {
        /// However calls interleave: at most one probe is out, a probe is let
        /// through within two minutes, and no door stays shut for ever.
        #[test]
        fn no_order_of_events_shuts_it_for_good(steps in prop::collection::vec(prop_oneof![
            (0_u64..200).prop_map(Step::Wait),
            Just(Step::Enter),
            Just(Step::Answered),
            Just(Step::Began),
            Just(Step::Finished),
            Just(Step::Failed),
            Just(Step::Cut),
            Just(Step::Unresolved),
        ], 0..200)) {
            let (mut now, dice, mut breaker) = (Instant::now(), dice(), Breaker::default());
            let mut probe = false;
            for step in steps {
                match step {
                    Step::Wait(count) => now += seconds(count),
                    Step::Enter => match breaker.enter(now) {
                        Ok(true) => {
                            prop_assert!(!probe, "two probes");
                            probe = true;
                        }
                        Ok(false) => {}
                        Err(until) => prop_assert!(until > now && until <= now + LONGEST),
                    },
                    Step::Answered => breaker.answered(std::mem::take(&mut probe)),
                    Step::Began => breaker.began(),
                    Step::Finished => breaker.finished(),
                    Step::Failed => breaker.failed(now, std::mem::take(&mut probe), &dice),
                    Step::Cut => breaker.cut(now, &dice),
                    Step::Unresolved => breaker.unresolved(std::mem::take(&mut probe)),
                }
            }
            breaker.unresolved(probe);
            prop_assert!(breaker.enter(now + LONGEST).is_ok());
        }
    }
}
