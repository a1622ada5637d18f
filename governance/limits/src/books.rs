//! The books of this node: pure state, behind one lock (`ledger.rs`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use lattice_kernel::allowance::Allowances;
use time::{Duration, OffsetDateTime};

use crate::balance::Balance;
use crate::limit::{Account, Amounts, Limit, Mode, Scope, ScopeKind, Unit};
use crate::window::{Bucket, Period};

/// A slice is at most this part of a hard limit.
const SLICE: i64 = 100;
/// Of a rate: it is over in a minute, and its slices are small numbers.
const RATE_SLICE: i64 = 10;
/// A slice that nothing was taken from for this long is given back.
const IDLE: Duration = Duration::seconds(10);
/// How long the balance of a bucket that has ended is kept for late settlements.
const LATE: Duration = Duration::HOUR;

type Limits = HashMap<ScopeKind, HashMap<Box<str>, Vec<Arc<Limit>>>>;

#[derive(Debug, Default)]
pub(crate) struct Books {
    limits: Limits,
    balances: HashMap<Account, Balance>,
    /// What is to be given back besides: from buckets that are not the current ones.
    late: Vec<Return>,
    generation: u64,
    /// Until then, what is free here may be spent of hard limits.
    pub confirmed_until: Option<std::time::Instant>,
}

/// Where a part of a hold was entered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    account: Account,
    starts: OffsetDateTime,
    generation: u64,
}

/// What a request wants of every account that it falls under.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// When.
    pub at: OffsetDateTime,
    /// Whose accounts.
    pub scopes: &'a [Scope],
    /// What it must have.
    pub least: Amounts,
    /// What it would rather have, where no limit is over with it: not less.
    pub wanted: Amounts,
}

/// Room that is not here, and may be elsewhere.
#[derive(Debug, Clone)]
pub struct Short {
    /// Of which account.
    pub account: Account,
    /// The limit over it.
    pub limit: Arc<Limit>,
    /// The bucket that is charged.
    pub bucket: Bucket,
    /// What is missing.
    pub need: i64,
    /// What to ask for: not less.
    pub want: i64,
    /// Nothing was taken of this bucket before.
    pub first: bool,
    pub(crate) generation: u64,
}

/// A limit without room.
#[derive(Debug, Clone)]
pub struct Exhausted {
    /// The limit.
    pub limit: Arc<Limit>,
    /// Spent and held by all nodes, in the limit's unit.
    pub used: i64,
    /// When there is room again; `None`: never.
    pub renews: Option<OffsetDateTime>,
}

impl Exhausted {
    /// What is left, for whoever was refused: the limit, where it is a rate.
    #[must_use]
    pub fn allowances(&self, at: OffsetDateTime) -> Allowances {
        let told = self.limit.allowance(self.used, self.renews, at);
        match self.limit.unit {
            Unit::Requests => Allowances {
                requests: told,
                tokens: None,
            },
            Unit::Tokens => Allowances {
                requests: None,
                tokens: told,
            },
            Unit::Usd => Allowances::default(),
        }
    }
}

/// Something to give back to the shared books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return {
    /// Of which account.
    pub account: Account,
    /// Of the bucket that begins here.
    pub starts: OffsetDateTime,
    /// How much; negative: more was spent than had been taken, and is to be charged.
    pub amount: i64,
}

/// The strictest modes of the limits that apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applying {
    /// Any limit at all.
    pub any: bool,
    /// A limit in USD.
    pub usd: bool,
    /// A hard one.
    pub usd_hard: bool,
    /// A limit in tokens.
    pub tokens: bool,
    /// A hard one.
    pub tokens_hard: bool,
}

/// What [`Books::reserve`] entered.
pub(crate) struct Entered {
    pub held: Vec<Held>,
    pub amounts: Amounts,
    /// The limits that are not hard and that it is over.
    pub over: Vec<Exhausted>,
    pub allowances: Allowances,
}

/// Why it entered nothing.
pub(crate) enum Missing {
    Unconfirmed,
    Room(Vec<Short>),
    Refused(Box<Exhausted>),
}

impl Books {
    pub fn set_limits(&mut self, limits: impl IntoIterator<Item = Limit>) {
        let mut by_name = Limits::new();
        for limit in limits {
            let named = by_name.entry(limit.kind).or_default();
            let alike = named.entry(limit.name.clone()).or_default();
            alike.push(Arc::new(limit));
        }
        // What was spent while a limit was not there has to be asked for.
        let (before, now) = (kinds_of(&self.limits), kinds_of(&by_name));
        for (account, balance) in &mut self.balances {
            let kind = (account.kind, account.unit, account.period);
            let same = before.get(&kind) == now.get(&kind);
            balance.ask_again(!same);
        }
        self.limits = by_name;
    }

    pub fn limits(&self) -> Vec<Arc<Limit>> {
        let named = self.limits.values().flat_map(HashMap::values);
        named.flatten().cloned().collect()
    }

    pub fn applying(&self, scopes: &[Scope]) -> Applying {
        let mut applying = Applying::default();
        for limit in scopes.iter().flat_map(|scope| of(&self.limits, scope)) {
            let hard = limit.mode == Mode::Hard;
            applying.any = true;
            match limit.unit {
                Unit::Usd => {
                    applying.usd = true;
                    applying.usd_hard |= hard;
                }
                Unit::Tokens => {
                    applying.tokens = true;
                    applying.tokens_hard |= hard;
                }
                Unit::Requests => {}
            }
        }
        applying
    }

    /// The model that is served in place of others, where a limit that says so is spent.
    pub fn downgrade(&mut self, at: OffsetDateTime, scopes: &[Scope]) -> Option<Exhausted> {
        let Self {
            limits, balances, ..
        } = self;
        scopes
            .iter()
            .flat_map(|scope| of(limits, scope).map(move |limit| (scope, limit)))
            .filter(|(_, limit)| matches!(limit.mode, Mode::Downgrade(_)))
            .find_map(|(scope, limit)| {
                let balance = balances.get(&account(scope, limit))?;
                let current = limit.period.bucket(at).counts_from <= balance.bucket.starts;
                let spent = current && balance.total() >= limit.amount;
                spent.then(|| exhausted(limit, balance))
            })
    }

    /// Enters a hold on every account, or on none. `asked`: what is missing of the wanted
    /// has been asked for already, so the least will do.
    pub fn reserve(&mut self, wanted: &Wanted<'_>, asked: bool) -> Result<Entered, Missing> {
        let accounts = self.look(wanted.at, wanted.scopes);
        let hard = accounts.iter().any(|(limit, _)| limit.mode == Mode::Hard);
        if hard && !self.is_confirmed() {
            return Err(Missing::Unconfirmed);
        }
        let amounts = match self.room(&accounts, wanted, asked) {
            Room::Wanted => wanted.wanted,
            Room::Least => wanted.least,
            Room::Refused(exhausted) => return Err(Missing::Refused(exhausted)),
            Room::Short(shorts) => return Err(Missing::Room(shorts)),
        };
        Ok(self.enter(&accounts, amounts, wanted.at))
    }

    fn is_confirmed(&self) -> bool {
        let now = std::time::Instant::now();
        self.confirmed_until.is_some_and(|until| now < until)
    }

    /// The limits that apply, each with its account, whose balance is there and current.
    fn look(&mut self, at: OffsetDateTime, scopes: &[Scope]) -> Vec<(Arc<Limit>, Account)> {
        let Self {
            limits,
            balances,
            late,
            ..
        } = self;
        let applying = scopes
            .iter()
            .flat_map(|scope| of(limits, scope).map(move |limit| (scope, limit)));
        let looked_up = applying.map(|(scope, limit)| {
            let account = account(scope, limit);
            let balance = current(balances, late, account, limit.period.bucket(at));
            balance.keep = slice(limit);
            (limit.clone(), account)
        });
        looked_up.collect()
    }

    fn room(&self, accounts: &[(Arc<Limit>, Account)], wanted: &Wanted<'_>, asked: bool) -> Room {
        let (mut fits, mut over, mut dry) = (true, false, false);
        let mut shorts = Vec::new();
        for (limit, account) in accounts {
            let Some(balance) = self.balances.get(account) else {
                continue;
            };
            let least = wanted.least.of(limit.unit);
            let most = wanted.wanted.of(limit.unit);
            let free = balance.free();
            over |= limit.mode != Mode::Hard && balance.total().saturating_add(most) > limit.amount;
            if free >= most {
                continue;
            }
            fits = false;
            let lacks =
                |amount: i64| balance.lacks(amount.saturating_sub(free), limit.amount, wanted.at);
            if lacks(least) {
                return Room::Refused(Box::new(exhausted(limit, balance)));
            }
            if free >= least && lacks(most) {
                dry = true;
                continue;
            }
            shorts.push(Short {
                account: *account,
                limit: limit.clone(),
                bucket: balance.bucket,
                need: least.saturating_sub(free).max(0),
                want: most.saturating_sub(free).max(slice(limit)),
                first: balance.is_new(),
                generation: self.generation,
            });
        }
        let least_fits = shorts.iter().all(|short| short.need == 0);
        match (fits, over) {
            (true, false) => Room::Wanted,
            _ if least_fits && (fits || over || asked || dry) => Room::Least,
            _ => Room::Short(shorts),
        }
    }

    fn enter(
        &mut self,
        accounts: &[(Arc<Limit>, Account)],
        amounts: Amounts,
        at: OffsetDateTime,
    ) -> Entered {
        let mut entered = Entered {
            held: Vec::with_capacity(accounts.len()),
            amounts,
            over: Vec::new(),
            allowances: Allowances::default(),
        };
        for (limit, account) in accounts {
            let Some(balance) = self.balances.get_mut(account) else {
                continue;
            };
            balance.use_up(amounts.of(limit.unit), at);
            entered.held.push(Held {
                account: *account,
                starts: balance.bucket.starts,
                generation: self.generation,
            });
            if limit.mode != Mode::Hard && balance.total() > limit.amount {
                entered.over.push(exhausted(limit, balance));
            }
            entered.tell(limit, balance, at);
        }
        entered
    }

    /// Replaces what was held by what it came to.
    pub fn settle(&mut self, held: &[Held], amounts: &Amounts, spent: &Amounts) {
        for held in held {
            // With another generation, the slice that it was held on is not ours any more,
            // and the shared books have it in full.
            let ours = held.generation == self.generation;
            let Some(balance) = self.balances.get_mut(&held.account).filter(|_| ours) else {
                continue;
            };
            let unit = held.account.unit;
            let (amount, cost) = (amounts.of(unit), spent.of(unit));
            if balance.bucket.starts == held.starts {
                balance.settle(amount, cost);
            } else if held.starts >= balance.bucket.counts_from && amount > cost {
                self.late.push(Return {
                    account: held.account,
                    starts: held.starts,
                    amount: amount.saturating_sub(cost),
                });
            } else if held.starts >= balance.bucket.counts_from {
                // What it cost beyond its hold is charged now: later than it fell due.
                balance.use_up(cost.saturating_sub(amount), balance.touched);
            }
        }
    }

    /// More was granted; all nodes together have taken `taken`.
    pub fn credit(&mut self, short: &Short, granted: i64, taken: i64) {
        if short.generation != self.generation {
            // It was granted to who this node was before, and stays charged to that one.
            return;
        }
        match self.balances.get_mut(&short.account) {
            Some(balance) if balance.bucket.starts == short.bucket.starts => {
                balance.credit(granted, taken);
            }
            _ => self.late.push(Return {
                account: short.account,
                starts: short.bucket.starts,
                amount: granted,
            }),
        }
    }

    /// A limit that is not hard serves on while nobody can be asked.
    pub fn go_without(&mut self, short: &Short) {
        if let Some(balance) = self.balances.get_mut(&short.account) {
            balance.go_without(short.need);
        }
    }

    /// There is no room, with `taken` taken by all nodes.
    pub fn ran_dry(&mut self, short: &Short, taken: i64, at: OffsetDateTime) -> Exhausted {
        let balance = self.balances.get_mut(&short.account);
        if let Some(balance) = balance.filter(|balance| balance.bucket == short.bucket) {
            balance.ran_dry(taken, at);
        }
        Exhausted {
            limit: short.limit.clone(),
            used: taken,
            renews: short.bucket.ends,
        }
    }

    /// Takes out what is to be given back: what is free beyond a slice, what nothing was
    /// taken from lately, and what came too late for its bucket. `all`: whatever is free.
    pub fn give_back(&mut self, at: OffsetDateTime, all: bool) -> Vec<Return> {
        let mut returns = std::mem::take(&mut self.late);
        self.balances.retain(|account, balance| {
            let ended = balance.bucket.ends.is_some_and(|ends| ends <= at);
            let keep = if all || ended || at - balance.touched > IDLE {
                0
            } else {
                balance.keep
            };
            let owed = balance.cover();
            let surplus = balance.give_up(keep) - owed;
            if surplus != 0 {
                returns.push(Return {
                    account: *account,
                    starts: balance.bucket.starts,
                    amount: surplus,
                });
            }
            balance.bucket.ends.is_none_or(|ends| at < ends + LATE)
        });
        returns
    }

    /// The shared books could not be told of a deficit that [`Self::give_back`] named.
    pub fn still_owes(&mut self, owed: &Return) {
        let balance = self.balances.get_mut(&owed.account);
        if let Some(balance) = balance.filter(|balance| balance.bucket.starts == owed.starts) {
            balance.uncover(owed.amount);
        }
    }

    /// What this node held has been given to others: it starts anew.
    pub fn void(&mut self) {
        self.generation += 1;
        self.balances.clear();
        self.late.clear();
    }
}

/// The names that limits of each kind are written for.
fn kinds_of(limits: &Limits) -> HashMap<(ScopeKind, Unit, Period), BTreeSet<&str>> {
    let mut kinds: HashMap<_, BTreeSet<&str>> = HashMap::new();
    for limit in limits.values().flat_map(HashMap::values).flatten() {
        let kind = (limit.kind, limit.unit, limit.period);
        kinds.entry(kind).or_default().insert(&limit.name);
    }
    kinds
}

enum Room {
    Wanted,
    Least,
    Short(Vec<Short>),
    Refused(Box<Exhausted>),
}

impl Entered {
    /// The tightest rate of each unit is the one to tell.
    fn tell(&mut self, limit: &Limit, balance: &Balance, at: OffsetDateTime) {
        let Some(allowance) = limit.allowance(balance.total(), balance.bucket.ends, at) else {
            return;
        };
        let told = match limit.unit {
            Unit::Requests => &mut self.allowances.requests,
            Unit::Tokens => &mut self.allowances.tokens,
            Unit::Usd => return,
        };
        if told.is_none_or(|told| allowance.remaining < told.remaining) {
            *told = Some(allowance);
        }
    }
}

fn of<'a>(limits: &'a Limits, scope: &Scope) -> impl Iterator<Item = &'a Arc<Limit>> + use<'a> {
    limits
        .get(&scope.kind)
        .and_then(|named| named.get(&scope.name))
        .into_iter()
        .flatten()
}

fn account(scope: &Scope, limit: &Limit) -> Account {
    Account {
        kind: scope.kind,
        id: scope.id,
        unit: limit.unit,
        period: limit.period,
    }
}

/// How much of a limit may lie free on one node.
fn slice(limit: &Limit) -> i64 {
    let parts = if limit.is_rate() { RATE_SLICE } else { SLICE };
    limit.amount / parts
}

fn exhausted(limit: &Arc<Limit>, balance: &Balance) -> Exhausted {
    Exhausted {
        limit: limit.clone(),
        used: balance.total(),
        renews: balance.bucket.ends,
    }
}

/// The balance of the bucket. A clock that went backwards does not open one that has
/// ended: the newest takes the charge.
fn current<'a>(
    balances: &'a mut HashMap<Account, Balance>,
    late: &mut Vec<Return>,
    account: Account,
    bucket: Bucket,
) -> &'a mut Balance {
    let balance = balances
        .entry(account)
        .or_insert_with(|| Balance::new(bucket, 0));
    if balance.bucket.starts < bucket.starts {
        let counts = balance.bucket.starts >= bucket.counts_from;
        let surplus = balance.free();
        if counts && surplus > 0 {
            late.push(Return {
                account,
                starts: balance.bucket.starts,
                amount: surplus,
            });
        }
        // Of a rolling window the rest still counts; how much, the next take tells.
        let elsewhere = if counts { balance.total() } else { 0 };
        *balance = Balance::new(bucket, elsewhere);
        if counts && surplus < 0 {
            balance.use_up(surplus.saturating_neg(), bucket.starts);
        }
    }
    balance
}
