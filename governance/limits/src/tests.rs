//! The ledgers of several nodes over one set of shared books.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use lattice_kernel::NanoUsd;
use lattice_kernel::gates::{Lease as _, Spent};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::sync::Mutex;
use crate::{
    Account, Amounts, Bank, Exhausted, LIFE, Ledger, Limit, Mode, NoRoom, Period, Reserved, Scope,
    ScopeKind, Short, Taken, Unit, Wanted, Window,
};

mod interleavings;
mod invariants;

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00:30 UTC);

/// The shared books as the store keeps them, in memory.
#[derive(Debug, Default)]
struct Shared {
    slices: Mutex<HashMap<(Account, OffsetDateTime), HashMap<u32, i64>>>,
    fenced: Mutex<Vec<u32>>,
}

/// One node's way to them.
#[derive(Debug, Clone)]
struct Node {
    number: u32,
    shared: Arc<Shared>,
    ledger: Ledger,
}

impl Node {
    fn new(number: u32, shared: &Arc<Shared>, limits: &[Limit]) -> Self {
        let ledger = Ledger::default();
        ledger.set_limits(limits.iter().cloned());
        ledger.confirm(Instant::now() + LIFE);
        Self {
            number,
            shared: shared.clone(),
            ledger,
        }
    }

    async fn reserve(
        &self,
        at: OffsetDateTime,
        least: u64,
        wanted: u64,
    ) -> Result<Reserved, Exhausted> {
        let wanted = Wanted {
            at,
            scopes: &[team()],
            least: usd(least),
            wanted: usd(wanted),
        };
        match self.ledger.reserve(self, &wanted).await {
            Ok(reserved) => Ok(reserved),
            Err(NoRoom::Exhausted(exhausted)) => Err(*exhausted),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn hold(&self, amount: u64) -> Result<Reserved, Exhausted> {
        block_on(self.reserve(NOW, amount, amount))
    }

    fn give_back(&self, at: OffsetDateTime) {
        let returns = self.ledger.give_back(at);
        let mut slices = self.shared.slices.lock();
        for part in returns {
            let slice = slices.entry((part.account, part.starts)).or_default();
            *slice.entry(self.number).or_default() -= part.amount;
        }
    }
}

impl Bank for Node {
    type Error = ();
    type Turn = ();

    async fn turn(&self) {}

    async fn take(&self, short: &Short) -> Result<Taken, ()> {
        if self.shared.fenced.lock().contains(&self.number) {
            return Ok(Taken::Fenced);
        }
        let mut slices = self.shared.slices.lock();
        let counting = slices.iter().filter(|((account, starts), _)| {
            *account == short.account && *starts >= short.bucket.counts_from
        });
        let total: i64 = counting.flat_map(|(_, nodes)| nodes.values()).sum();
        let room = short.limit.amount - total;
        let granted = match short.limit.mode {
            Mode::Hard if room < short.need => 0,
            Mode::Hard => short.want.min(room),
            _ => short.want,
        };
        let slice = slices
            .entry((short.account, short.bucket.starts))
            .or_default();
        *slice.entry(self.number).or_default() += granted;
        Ok(Taken::Granted {
            granted,
            total: total + granted,
        })
    }

    async fn confirm(&self) -> Result<bool, ()> {
        // Whoever hears of it begins anew.
        let mut fenced = self.shared.fenced.lock();
        let before = fenced.len();
        fenced.retain(|node| *node != self.number);
        Ok(fenced.len() == before)
    }
}

impl Shared {
    /// All that all nodes have taken, in every bucket.
    fn taken(&self) -> i64 {
        let slices = self.slices.lock();
        slices.values().flat_map(HashMap::values).sum()
    }
}

fn nano(amount: u64) -> NanoUsd {
    NanoUsd::new(amount).expect("in range")
}

fn usd(amount: u64) -> Amounts {
    Amounts {
        usd: nano(amount),
        ..Amounts::default()
    }
}

fn cost(amount: u64) -> Spent {
    Spent {
        cost: nano(amount),
        tokens: Some(0),
    }
}

fn team() -> Scope {
    Scope {
        kind: ScopeKind::Team,
        id: Uuid::from_u128(1),
        name: "research".into(),
    }
}

fn limit(window: Window, amount: i64, mode: Mode) -> Limit {
    Limit {
        kind: ScopeKind::Team,
        name: "research".into(),
        unit: Unit::Usd,
        period: Period::calendar(window),
        amount,
        mode,
    }
}

fn one(limits: &[Limit]) -> (Arc<Shared>, Node) {
    let shared = Arc::<Shared>::default();
    let node = Node::new(1, &shared, limits);
    (shared, node)
}

#[test]
fn a_hold_counts_until_it_is_settled() {
    let (_, node) = one(&[limit(Window::Month, 100, Mode::Hard)]);
    let held = node.hold(80).expect("room");
    let refused = node.hold(21).expect_err("no room");
    assert_eq!(refused.used, 80);
    assert_eq!(refused.renews, Some(datetime!(2026-12-01 0:00 UTC)));
    held.hold.settle(cost(30));
    assert!(node.hold(71).is_err());
    assert!(node.hold(70).is_ok());
}

#[test]
fn a_dropped_hold_is_given_back_and_what_is_idle_too() {
    let (shared, node) = one(&[limit(Window::Total, 1000, Mode::Hard)]);
    drop(node.hold(600).expect("room"));
    assert_eq!(shared.taken(), 600);
    node.give_back(NOW);
    assert_eq!(shared.taken(), 10, "a slice of a hundredth stays");
    node.give_back(NOW + time::Duration::seconds(11));
    assert_eq!(shared.taken(), 0);
}

#[test]
fn every_limit_must_have_room_and_a_refusal_holds_nothing() {
    let day = limit(Window::Day, 10, Mode::Hard);
    let (shared, node) = one(&[limit(Window::Month, 100, Mode::Hard), day]);
    assert!(node.hold(11).is_err());
    assert!(node.hold(10).is_ok());
    node.give_back(NOW + time::Duration::MINUTE);
    assert_eq!(shared.taken(), 0);
}

#[test]
fn a_soft_limit_names_itself_and_lets_pass() {
    let (_, node) = one(&[limit(Window::Month, 5, Mode::Soft)]);
    let reserved = node.hold(6).expect("soft");
    assert_eq!(reserved.over.len(), 1);
    assert_eq!(reserved.over[0].used, 6);
}

#[test]
fn a_limit_that_downgrades_says_so_once_it_is_spent() {
    let (_, node) = one(&[limit(Window::Month, 5, Mode::Downgrade("small".into()))]);
    let downgrade = || node.ledger.downgrade(NOW, &[team()]);
    assert!(downgrade().is_none());
    let reserved = node.hold(4).expect("served");
    assert!(downgrade().is_none());
    reserved.hold.settle(cost(5));
    assert_eq!(downgrade().expect("spent").used, 5);
    let december = datetime!(2026-12-01 0:00 UTC);
    assert!(node.ledger.downgrade(december, &[team()]).is_none());
}

#[test]
fn more_than_the_least_is_held_only_where_no_limit_minds() {
    let held = |limits: &[Limit]| {
        let (_, node) = one(limits);
        let reserved = block_on(node.reserve(NOW, 40, 80)).expect("room for the least");
        (reserved.hold.amounts().usd.get(), reserved.over.len())
    };
    assert_eq!(held(&[limit(Window::Month, 80, Mode::Hard)]), (80, 0));
    assert_eq!(held(&[limit(Window::Month, 79, Mode::Hard)]), (40, 0));
    assert_eq!(held(&[limit(Window::Month, 79, Mode::Soft)]), (40, 0));
    assert_eq!(held(&[limit(Window::Month, 39, Mode::Soft)]), (40, 1));
    let (shared, node) = one(&[limit(Window::Month, 39, Mode::Hard)]);
    assert!(block_on(node.reserve(NOW, 40, 80)).is_err());
    assert_eq!(shared.taken(), 0, "a refusal holds nothing");
}

#[test]
fn a_new_window_is_fresh_and_a_late_settlement_leaves_it_alone() {
    let (shared, node) = one(&[limit(Window::Month, 100, Mode::Hard)]);
    let november = datetime!(2026-11-30 23:59 UTC);
    let december = datetime!(2026-12-01 0:01 UTC);
    let old = block_on(node.reserve(november, 90, 90)).expect("room");
    let new = block_on(node.reserve(december, 100, 100)).expect("a new month");
    old.hold.settle(cost(90));
    assert!(block_on(node.reserve(december, 1, 1)).is_err());
    new.hold.settle(cost(1));
    assert!(block_on(node.reserve(december, 99, 99)).is_ok());
    assert_eq!(shared.taken(), 190);
}

#[test]
fn a_clock_that_went_back_opens_no_window_again() {
    let (_, node) = one(&[limit(Window::Day, 100, Mode::Hard)]);
    let _held = node.hold(100).expect("room");
    let yesterday = NOW - time::Duration::DAY;
    assert!(block_on(node.reserve(yesterday, 1, 1)).is_err());
}

#[test]
fn what_a_rolling_window_gives_back_late_is_given_back_to_its_part() {
    let mut rolling = limit(Window::Minute, 100, Mode::Hard);
    rolling.period.rolling = true;
    let (shared, node) = one(&[rolling]);
    let held = node.hold(100).expect("room");
    let later = NOW + time::Duration::seconds(30);
    assert!(block_on(node.reserve(later, 1, 1)).is_err());
    held.hold.settle(cost(40));
    // What was refused is believed for a moment.
    let later = later + time::Duration::seconds(1);
    node.give_back(later);
    assert_eq!(shared.taken(), 40);
    let next = block_on(node.reserve(later, 60, 60)).expect("room again");
    assert!(block_on(node.reserve(later, 1, 1)).is_err());
    next.hold.settle(cost(60));
    let minute = NOW + time::Duration::seconds(70);
    // The first 40 are past.
    let _last = block_on(node.reserve(minute, 40, 40)).expect("room");
    assert!(block_on(node.reserve(minute, 1, 1)).is_err());
}

#[test]
fn what_costs_more_than_was_held_is_charged_all_the_same() {
    let (shared, node) = one(&[limit(Window::Month, 100, Mode::Hard)]);
    let held = node.hold(50).expect("room");
    held.hold.settle(cost(120));
    node.give_back(NOW);
    assert_eq!(shared.taken(), 120);
    assert!(node.hold(1).is_err());
}

#[test]
fn a_node_that_was_away_asks_before_it_spends() {
    let limits = [limit(Window::Month, 1000, Mode::Hard)];
    let (shared, node) = one(&limits);
    drop(node.hold(10).expect("room"));
    node.ledger.confirm(
        Instant::now()
            .checked_sub(Duration::from_secs(1))
            .expect("past"),
    );
    // An administrator has released what it had, and another node took all of it.
    shared.slices.lock().clear();
    shared.fenced.lock().push(1);
    let other = Node::new(2, &shared, &limits);
    let _all = other.hold(1000).expect("room");
    assert!(
        node.hold(5).is_err(),
        "what was free here is not ours any more"
    );
    assert_eq!(shared.taken(), 1000);
}

#[test]
fn a_raised_limit_is_believed_at_once() {
    let (_, node) = one(&[limit(Window::Month, 10, Mode::Hard)]);
    assert!(node.hold(11).is_err());
    node.ledger
        .set_limits([limit(Window::Month, 11, Mode::Hard)]);
    assert!(node.hold(11).is_ok());
}

#[test]
fn the_tightest_rate_is_told() {
    let rate = |kind, name: &str, amount| Limit {
        kind,
        name: name.into(),
        unit: Unit::Requests,
        period: Period::calendar(Window::Minute),
        amount,
        mode: Mode::Hard,
    };
    let (_, node) = one(&[
        rate(ScopeKind::Team, "research", 50),
        rate(ScopeKind::Key, "k", 3),
    ]);
    let key = Scope {
        kind: ScopeKind::Key,
        id: Uuid::from_u128(2),
        name: "k".into(),
    };
    let request = Amounts {
        requests: 1,
        ..Amounts::default()
    };
    let scopes = [team(), key];
    let wanted = Wanted {
        at: NOW,
        scopes: &scopes,
        least: request,
        wanted: request,
    };
    let told = || {
        let reserved = block_on(node.ledger.reserve(&node, &wanted));
        reserved.map(|reserved| {
            reserved.hold.settle(cost(0));
            let told = reserved.allowances.requests.expect("a rate applies");
            (told.limit, told.remaining, told.reset)
        })
    };
    let half = Duration::from_secs(30);
    for remaining in [2, 1, 0] {
        assert_eq!(told().expect("room"), (3, remaining, half));
    }
    assert!(matches!(told(), Err(NoRoom::Exhausted(exhausted)) if exhausted.limit.amount == 3));
}
