//! The books of this process: what each spender has spent and holds.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use time::OffsetDateTime;
use uuid::Uuid;

use lattice_kernel::NanoUsd;

use crate::budget::{Budget, Mode, Scope, ScopeKind};
use crate::lease::Hold;
use crate::window::Window;

type Account = (ScopeKind, Uuid);
/// When the span of each window began.
type Starts = [OffsetDateTime; Window::ALL.len()];
type Balances = [Balance; Window::ALL.len()];
type Budgets = HashMap<ScopeKind, HashMap<Box<str>, Vec<Budget>>>;

/// The books. Cheap to clone; one lock, held for the few hundred nanoseconds
/// that a handful of additions take.
///
/// Spending is counted for every spender in every window, whether a budget
/// applies or not, so that a budget made later knows what was spent before it.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    balances: HashMap<Account, Balances>,
    budgets: Budgets,
}

/// Where one spender's share of a hold was entered.
#[derive(Debug)]
pub(crate) struct Held {
    account: Account,
    starts: Starts,
}

/// What one spender has spent and holds in one window.
#[derive(Debug, Clone, Copy)]
struct Balance {
    start: OffsetDateTime,
    spent: NanoUsd,
    reserved: NanoUsd,
}

/// What the store knows of one spender in one window, at boot.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// Team or key.
    pub kind: ScopeKind,
    /// Its identifier.
    pub id: Uuid,
    /// The window.
    pub window: Window,
    /// Spent in the span that is running now.
    pub spent: NanoUsd,
}

/// Why a reservation was refused.
#[derive(Debug, Clone)]
pub struct Exhausted {
    /// The budget without room.
    pub budget: Budget,
    /// Spent so far.
    pub spent: NanoUsd,
    /// Held by requests that are under way.
    pub reserved: NanoUsd,
    /// When the budget is fresh again.
    pub renews: Option<OffsetDateTime>,
}

/// A budget beside what was spent under it.
#[derive(Debug, Clone)]
pub struct BudgetState {
    /// The budget.
    pub budget: Budget,
    /// Settled.
    pub spent: NanoUsd,
    /// Held.
    pub reserved: NanoUsd,
}

impl Ledger {
    /// Takes over what was spent before this process began.
    pub fn restore(&self, now: OffsetDateTime, openings: impl IntoIterator<Item = Opening>) {
        let starts = Window::ALL.map(|window| window.start(now));
        let mut books = self.books.lock();
        for opening in openings {
            let balances = books.balances((opening.kind, opening.id), &starts);
            let balance = &mut balances[opening.window as usize];
            balance.spent = balance.spent.saturating_add(opening.spent);
        }
    }

    /// Replaces the set of budgets.
    pub fn set_budgets(&self, budgets: impl IntoIterator<Item = Budget>) {
        let mut by_name = Budgets::new();
        for budget in budgets {
            by_name
                .entry(budget.kind)
                .or_default()
                .entry(budget.name.clone())
                .or_default()
                .push(budget);
        }
        self.books.lock().budgets = by_name;
    }

    /// The strictest mode of the budgets that these spenders fall under.
    #[must_use]
    pub fn applies(&self, scopes: &[Scope]) -> Option<Mode> {
        let books = self.books.lock();
        let mut modes = scopes
            .iter()
            .flat_map(|scope| books.budgets_of(scope))
            .map(|budget| budget.mode);
        let first = modes.next()?;
        Some(
            if first == Mode::Hard || modes.any(|mode| mode == Mode::Hard) {
                Mode::Hard
            } else {
                Mode::Soft
            },
        )
    }

    /// Holds `amount` for every spender in every window, or holds nothing.
    ///
    /// On success, the soft budgets that are over their limit are named.
    ///
    /// # Errors
    /// The first hard budget without room.
    pub fn reserve(
        &self,
        at: OffsetDateTime,
        scopes: &[Scope],
        amount: NanoUsd,
    ) -> Result<(Hold, Vec<Exhausted>), Box<Exhausted>> {
        let starts = Window::ALL.map(|window| window.start(at));
        let mut books = self.books.lock();
        let over = books.room(at, &starts, scopes, amount)?;
        let held = books.hold(&starts, scopes, amount);
        Ok((Hold::new(self.clone(), held, amount), over))
    }

    /// Holds `wanted` where no budget, hard or soft, is over its limit with it;
    /// else what [`Self::reserve`] does with `least`.
    ///
    /// # Errors
    /// The first hard budget without room for `least`.
    pub fn reserve_up_to(
        &self,
        at: OffsetDateTime,
        scopes: &[Scope],
        wanted: NanoUsd,
        least: NanoUsd,
    ) -> Result<(Hold, Vec<Exhausted>), Box<Exhausted>> {
        let starts = Window::ALL.map(|window| window.start(at));
        let mut books = self.books.lock();
        let fits = |over: Vec<Exhausted>| over.is_empty();
        let (amount, over) = if books.room(at, &starts, scopes, wanted).is_ok_and(fits) {
            (wanted, Vec::new())
        } else {
            (least, books.room(at, &starts, scopes, least)?)
        };
        let held = books.hold(&starts, scopes, amount);
        Ok((Hold::new(self.clone(), held, amount), over))
    }

    /// Replaces a hold by its cost, in the windows that it was made in. A
    /// window that has ended since takes neither.
    pub(crate) fn settle(&self, held: &[Held], amount: NanoUsd, cost: NanoUsd) {
        let mut books = self.books.lock();
        for Held { account, starts } in held {
            let Some(balances) = books.balances.get_mut(account) else {
                continue;
            };
            for (balance, start) in balances.iter_mut().zip(starts) {
                if balance.start == *start {
                    balance.reserved = balance.reserved.saturating_sub(amount);
                    balance.spent = balance.spent.saturating_add(cost);
                }
            }
        }
    }

    /// Every budget whose spender is known here, with its balance at `now`.
    #[must_use]
    pub fn states(
        &self,
        now: OffsetDateTime,
        names: &HashMap<(ScopeKind, Box<str>), Uuid>,
    ) -> Vec<BudgetState> {
        let starts = Window::ALL.map(|window| window.start(now));
        let mut books = self.books.lock();
        let budgets: Vec<Budget> = books
            .budgets
            .values()
            .flat_map(HashMap::values)
            .flatten()
            .cloned()
            .collect();
        budgets
            .into_iter()
            .map(|budget| {
                let id = names.get(&(budget.kind, budget.name.clone()));
                let (spent, reserved) = id.map_or((NanoUsd::ZERO, NanoUsd::ZERO), |id| {
                    let balance =
                        books.balances((budget.kind, *id), &starts)[budget.window as usize];
                    (balance.spent, balance.reserved)
                });
                BudgetState {
                    budget,
                    spent,
                    reserved,
                }
            })
            .collect()
    }
}

impl Books {
    fn budgets_of(&self, scope: &Scope) -> impl Iterator<Item = &Budget> {
        of(&self.budgets, scope)
    }

    fn balances(&mut self, account: Account, starts: &Starts) -> &mut Balances {
        current(&mut self.balances, account, starts)
    }

    /// The soft budgets that are over their limit with `amount`.
    fn room(
        &mut self,
        at: OffsetDateTime,
        starts: &Starts,
        scopes: &[Scope],
        amount: NanoUsd,
    ) -> Result<Vec<Exhausted>, Box<Exhausted>> {
        let mut over = Vec::new();
        for scope in scopes {
            self.check(at, starts, scope, amount, &mut over)?;
        }
        Ok(over)
    }

    fn hold(&mut self, starts: &Starts, scopes: &[Scope], amount: NanoUsd) -> Vec<Held> {
        let held = scopes.iter().map(|scope| {
            let account = (scope.kind, scope.id);
            let balances = self.balances(account, starts);
            for balance in &mut *balances {
                balance.reserved = balance.reserved.saturating_add(amount);
            }
            Held {
                account,
                starts: balances.map(|balance| balance.start),
            }
        });
        held.collect()
    }

    fn check(
        &mut self,
        at: OffsetDateTime,
        starts: &Starts,
        scope: &Scope,
        amount: NanoUsd,
        over: &mut Vec<Exhausted>,
    ) -> Result<(), Box<Exhausted>> {
        let balances = current(&mut self.balances, (scope.kind, scope.id), starts);
        for budget in of(&self.budgets, scope) {
            let Balance {
                spent, reserved, ..
            } = balances[budget.window as usize];
            let fits = spent
                .checked_add(reserved)
                .and_then(|used| used.checked_add(amount))
                .is_some_and(|used| used <= budget.limit);
            if fits {
                continue;
            }
            let renews = budget.window.end(at);
            let exhausted = Exhausted {
                budget: budget.clone(),
                spent,
                reserved,
                renews,
            };
            match budget.mode {
                Mode::Hard => return Err(Box::new(exhausted)),
                Mode::Soft => over.push(exhausted),
            }
        }
        Ok(())
    }
}

fn of<'a>(budgets: &'a Budgets, scope: &Scope) -> impl Iterator<Item = &'a Budget> {
    budgets
        .get(&scope.kind)
        .and_then(|named| named.get(&scope.name))
        .into_iter()
        .flatten()
}

/// The balances of the spans that begin at `starts`. A clock that went backwards
/// does not open a span that has ended: the newest one takes the charge.
fn current<'a>(
    balances: &'a mut HashMap<Account, Balances>,
    account: Account,
    starts: &Starts,
) -> &'a mut Balances {
    let balances = balances
        .entry(account)
        .or_insert_with(|| starts.map(Balance::fresh));
    for (balance, start) in balances.iter_mut().zip(starts) {
        if balance.start < *start {
            *balance = Balance::fresh(*start);
        }
    }
    balances
}

impl Balance {
    fn fresh(start: OffsetDateTime) -> Self {
        Self {
            start,
            spent: NanoUsd::ZERO,
            reserved: NanoUsd::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lattice_kernel::gates::Lease as _;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn usd(nano: u64) -> NanoUsd {
        NanoUsd::new(nano).expect("in range")
    }

    fn team() -> Scope {
        Scope {
            kind: ScopeKind::Team,
            id: Uuid::from_u128(1),
            name: "research".into(),
        }
    }

    fn budget(window: Window, limit: u64, mode: Mode) -> Budget {
        Budget {
            kind: ScopeKind::Team,
            name: "research".into(),
            window,
            limit: usd(limit),
            mode,
        }
    }

    fn state(ledger: &Ledger, now: OffsetDateTime) -> (u64, u64) {
        let names = HashMap::from([((ScopeKind::Team, "research".into()), Uuid::from_u128(1))]);
        let state = &ledger.states(now, &names)[0];
        (state.spent.get(), state.reserved.get())
    }

    #[test]
    fn a_hold_counts_until_it_is_settled() {
        let ledger = Ledger::default();
        ledger.set_budgets([budget(Window::Month, 100, Mode::Hard)]);
        let (hold, _) = ledger.reserve(NOW, &[team()], usd(80)).expect("room");
        let refused = ledger
            .reserve(NOW, &[team()], usd(21))
            .expect_err("no room");
        assert_eq!((refused.spent.get(), refused.reserved.get()), (0, 80));
        assert_eq!(refused.renews, Some(datetime!(2026-12-01 0:00 UTC)));
        hold.settle(usd(30));
        assert_eq!(state(&ledger, NOW), (30, 0));
        assert!(ledger.reserve(NOW, &[team()], usd(70)).is_ok());
    }

    #[test]
    fn a_dropped_hold_is_given_back() {
        let ledger = Ledger::default();
        ledger.set_budgets([budget(Window::Total, 100, Mode::Hard)]);
        drop(ledger.reserve(NOW, &[team()], usd(60)).expect("room"));
        assert_eq!(state(&ledger, NOW), (0, 0));
    }

    #[test]
    fn every_scope_must_have_room_and_a_refusal_holds_nothing() {
        let ledger = Ledger::default();
        let key = Scope {
            kind: ScopeKind::Key,
            id: Uuid::from_u128(2),
            name: "k".into(),
        };
        ledger.set_budgets([
            budget(Window::Month, 100, Mode::Hard),
            Budget {
                kind: ScopeKind::Key,
                name: "k".into(),
                window: Window::Day,
                limit: usd(10),
                mode: Mode::Hard,
            },
        ]);
        assert!(
            ledger
                .reserve(NOW, &[team(), key.clone()], usd(11))
                .is_err()
        );
        assert_eq!(state(&ledger, NOW), (0, 0));
        assert!(ledger.reserve(NOW, &[team(), key], usd(10)).is_ok());
    }

    #[test]
    fn a_soft_budget_names_itself_and_lets_pass() {
        let ledger = Ledger::default();
        ledger.set_budgets([budget(Window::Month, 5, Mode::Soft)]);
        let (_hold, over) = ledger.reserve(NOW, &[team()], usd(6)).expect("soft");
        assert_eq!(over.len(), 1);
        assert_eq!(ledger.applies(&[team()]), Some(Mode::Soft));
    }

    #[test]
    fn more_than_the_least_is_held_only_where_no_budget_minds() {
        let held = |budgets: &[Budget]| {
            let ledger = Ledger::default();
            ledger.set_budgets(budgets.iter().cloned());
            let reserved = ledger.reserve_up_to(NOW, &[team()], usd(80), usd(40));
            let (hold, over) = reserved.expect("room for the least");
            (hold.reserved().map(NanoUsd::get), over.len())
        };
        assert_eq!(
            held(&[budget(Window::Month, 80, Mode::Hard)]),
            (Some(80), 0)
        );
        assert_eq!(
            held(&[budget(Window::Month, 79, Mode::Hard)]),
            (Some(40), 0)
        );
        assert_eq!(
            held(&[budget(Window::Month, 79, Mode::Soft)]),
            (Some(40), 0)
        );
        assert_eq!(
            held(&[budget(Window::Month, 39, Mode::Soft)]),
            (Some(40), 1)
        );
        let ledger = Ledger::default();
        ledger.set_budgets([budget(Window::Month, 39, Mode::Hard)]);
        let refused = ledger.reserve_up_to(NOW, &[team()], usd(80), usd(40));
        assert!(refused.is_err());
        assert_eq!(state(&ledger, NOW), (0, 0), "a refusal holds nothing");
    }

    #[test]
    fn a_new_window_is_fresh_and_a_late_settlement_leaves_it_alone() {
        let ledger = Ledger::default();
        ledger.set_budgets([budget(Window::Month, 100, Mode::Hard)]);
        let (hold, _) = ledger
            .reserve(datetime!(2026-11-30 23:59 UTC), &[team()], usd(90))
            .expect("room");
        let december = datetime!(2026-12-01 0:01 UTC);
        let (fresh, _) = ledger
            .reserve(december, &[team()], usd(100))
            .expect("a new month");
        hold.settle(usd(90));
        assert_eq!(state(&ledger, december), (0, 100));
        fresh.settle(usd(1));
        assert_eq!(state(&ledger, december), (1, 0));
    }

    #[test]
    fn spending_before_a_budget_existed_counts() {
        let ledger = Ledger::default();
        ledger.restore(
            NOW,
            [Opening {
                kind: ScopeKind::Team,
                id: Uuid::from_u128(1),
                window: Window::Month,
                spent: usd(70),
            }],
        );
        let (hold, _) = ledger
            .reserve(NOW, &[team()], NanoUsd::ZERO)
            .expect("no budget");
        hold.settle(usd(20));
        ledger.set_budgets([budget(Window::Month, 100, Mode::Hard)]);
        assert!(ledger.reserve(NOW, &[team()], usd(11)).is_err());
    }

    proptest! {
        /// Whatever is reserved, settled (at most the hold) or dropped, in any
        /// order: a hard limit is never exceeded.
        #[test]
        fn a_hard_limit_holds(steps in proptest::collection::vec((0u64..60, 0u64..60, any::<bool>()), 1..80)) {
            let ledger = Ledger::default();
            ledger.set_budgets([budget(Window::Month, 100, Mode::Hard)]);
            let mut held = Vec::new();
            for (amount, cost, finish) in steps {
                if let Ok((hold, _)) = ledger.reserve(NOW, &[team()], usd(amount)) {
                    held.push((hold, amount));
                }
                if finish && let Some((hold, amount)) = held.pop() {
                    hold.settle(usd(cost.min(amount)));
                }
                let (spent, reserved) = state(&ledger, NOW);
                prop_assert!(spent + reserved <= 100);
            }
        }
    }
}
