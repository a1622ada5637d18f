//! The walk of one request through its plan: who is asked, what a failure means
//! for the next step, and when to give up.
//!
//! A request is sent on while no byte of a reply has been passed on, and only where
//! the target before cannot have billed it, or the money for that is held: the
//! record of the call knows which.

use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::call::Target;
use lattice_kernel::{Code, Gate, Plan, Refusal};
use tokio::time::Instant;

use crate::provider::{Directory, Provider};
use crate::resilience::backoff::{self, PATIENCE};
use crate::resilience::balance::order;
use crate::resilience::{Attempted, Flight, Health, Vital};
use crate::transport::TransportError;

/// An attempt that came to nothing.
pub(crate) struct Missed {
    /// What the caller is told, should it be the last.
    pub refusal: Refusal,
    /// Whether the same target may be asked again later.
    pub passes: bool,
}

impl Missed {
    /// It may be different in a moment.
    pub fn passing(refusal: Refusal) -> Self {
        Self {
            refusal,
            passes: true,
        }
    }

    /// This target cannot serve this request, now or later; another may.
    pub fn lasting(refusal: Refusal) -> Self {
        Self {
            refusal,
            passes: false,
        }
    }
}

/// One target of the plan.
#[derive(Clone)]
pub(crate) struct Step {
    pub target: Arc<Target>,
    pub provider: Arc<Provider>,
    /// When the call must be over if this target answers it.
    pub deadline: Instant,
    vital: Arc<Vital>,
    /// How often it has failed this request.
    missed: u32,
    next: Next,
}

/// When a target may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    At(Instant),
    Never,
}

/// One request on its way through its plan.
pub(crate) struct Walk<'a> {
    health: &'a Health,
    /// In the order in which they are asked.
    steps: Vec<Step>,
    place: usize,
    /// How often each of them may be asked again.
    retries: u32,
    /// What came of the attempts so far.
    told: Option<Missed>,
    /// Of the targets whose breaker is open: the provider whose time comes first.
    shut: Option<(Instant, Arc<str>)>,
}

impl<'a> Walk<'a> {
    /// Orders the targets of `plan` by its balance.
    pub fn of(plan: &Plan, directory: &Directory, health: &'a Health, now: Instant) -> Self {
        let mut told = None;
        let mut steps = Vec::with_capacity(plan.targets().len());
        for target in plan.targets() {
            match (directory.get(&target.provider), health.of(target)) {
                (Some(provider), Some(vital)) => steps.push(Step {
                    target: target.clone(),
                    provider: provider.clone(),
                    deadline: now + provider.timeouts.total,
                    vital: vital.clone(),
                    missed: 0,
                    next: Next::At(now),
                }),
                _ => {
                    let why = format!("no provider {:?}", target.provider);
                    let refusal = TransportError::Unreached(why).refusal(&target.provider);
                    told = Some(Missed::lasting(refusal));
                }
            }
        }
        let routing = plan.routing();
        if steps.len() > 1 {
            let candidates: Vec<_> = steps
                .iter()
                .map(|step| step.vital.candidate(&step.target, now))
                .collect();
            let order = order(routing.balance, &candidates, health.dice());
            steps = order.iter().map(|place| steps[*place].clone()).collect();
        }
        Self {
            health,
            steps,
            place: 0,
            retries: routing.retries,
            told,
            shut: None,
        }
    }

    /// The next target to ask, once it may be asked; `None` where it is time to give
    /// up. What comes of it must be told to [`Self::missed`], unless it is a reply.
    pub async fn next(&mut self) -> Option<(Step, Flight)> {
        loop {
            let now = Instant::now();
            while let Some(step) = self.steps.get(self.place) {
                self.place += 1;
                if !step.is_due(now) {
                    continue;
                }
                match Flight::begin(&step.vital, now) {
                    Ok(flight) => return Some((step.clone(), flight)),
                    Err(until) => self.shut_out(until),
                }
            }
            let due = self.again(now)?;
            tokio::time::sleep_until(due).await;
            self.place = 0;
        }
    }

    /// The target that [`Self::next`] named did not answer.
    pub fn missed(&mut self, missed: Missed, now: Instant) {
        let (retries, dice) = (self.retries, self.health.dice());
        if let Some(step) = self.at_hand() {
            step.next = if missed.passes && step.missed < retries {
                let told = missed.refusal.retry_after;
                Next::At(now + backoff::wait(step.missed, told, dice))
            } else {
                Next::Never
            };
            step.missed += 1;
        }
        let kept = self.told.as_ref().is_some_and(|told| told.passes) && !missed.passes;
        if !kept {
            self.told = Some(missed);
        }
    }

    /// When the plan is walked again: as soon as one of its targets may be asked,
    /// if the caller can be asked to wait for that.
    fn again(&self, now: Instant) -> Option<Instant> {
        let dues = self.steps.iter().filter_map(|step| match step.next {
            Next::At(due) => Some(due.max(now)).filter(|due| *due < step.deadline),
            Next::Never => None,
        });
        dues.min().filter(|due| *due <= now + PATIENCE)
    }

    /// What the caller is told where nobody answered. What may pass says more than
    /// what some target lacks.
    pub fn given_up(self, now: Instant) -> Refusal {
        match (self.told, self.shut) {
            (Some(Missed { refusal, passes }), shut) if passes || shut.is_none() => refusal,
            (_, Some((until, provider))) => unwell(&provider, until.saturating_duration_since(now)),
            (_, None) => nothing_to_call(),
        }
    }

    /// The breaker of the step at hand is open: this request does without it.
    fn shut_out(&mut self, until: Instant) {
        let Some(step) = self.at_hand() else { return };
        step.next = Next::Never;
        let provider = step.target.provider.clone();
        if self.shut.as_ref().is_none_or(|(first, _)| until < *first) {
            self.shut = Some((until, provider));
        }
    }

    fn at_hand(&mut self) -> Option<&mut Step> {
        let place = self.place.checked_sub(1)?;
        self.steps.get_mut(place)
    }
}

impl Step {
    fn is_due(&self, now: Instant) -> bool {
        matches!(self.next, Next::At(due) if due <= now) && now < self.deadline
    }
}

/// How an attempt went that got no head of a reply, as its target's breaker sees it.
pub(crate) fn attempted(error: &TransportError) -> Attempted {
    match error {
        TransportError::Unreached(_) => Attempted::Unreached,
        // Nobody was called: it is the configuration that has to be mended.
        TransportError::Forbidden(_) => Attempted::Rejected,
        TransportError::TimedOut(_) => Attempted::TimedOut,
        TransportError::Broken(_) => Attempted::Broken,
        TransportError::Refused(refusal) => match refusal.code {
            Code::LimitQueue | Code::ProviderOverloaded => Attempted::Limited,
            Code::ProviderError | Code::ProviderTimeout => Attempted::Failed,
            _ => Attempted::Rejected,
        },
    }
}

/// No target may be asked: every breaker is open.
fn unwell(provider: &str, wait: Duration) -> Refusal {
    Refusal::new(
        Gate::Execution,
        Code::ProviderOverloaded,
        format!(
            "Provider {provider:?} has failed several times in a row and is left alone for a while; try again later."
        ),
    )
    .retry_after(wait)
}

fn nothing_to_call() -> Refusal {
    Refusal::new(
        Gate::Execution,
        Code::LatticeInternal,
        "The plan names no target; report the request id.",
    )
}
