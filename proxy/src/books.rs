//! Budgets and rates from the file and from the store, the ledger of this gateway, and the
//! books in the store that all gateways share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use lattice_kernel::Principal;
use lattice_kernel::principal::Named;
use lattice_limits::{
    Account, Bank, LIFE, Ledger, Limit, Mode, NoRoom, Period, Reserved, Return, Scope, ScopeKind,
    Short, Taken, Unit, Wanted, Window, model_id,
};
use lattice_store::{
    AccountKey, AccountUsage, Bucket, BudgetRow, Node, Part, Store, StoreError, Take,
};
use parking_lot::RwLock;
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use crate::background::{PATIENCE, in_time};
use crate::command::CommandError;

/// The end of a window that has none.
const NEVER: OffsetDateTime = datetime!(9999-01-01 0:00 UTC);

/// The ledger, and how far its limits are complete. A key may be in use before
/// the poll has seen it, and must not be served without the budget that it was
/// made with.
pub struct Books {
    /// What this gateway may spend, and what it has spent of that.
    pub ledger: Ledger,
    store: Store,
    node: String,
    /// Which of its lives the store knows this gateway by.
    epoch: AtomicI64,
    declared: Vec<Limit>,
    /// The keys that were in the store when the budgets were read.
    covered: RwLock<HashSet<Uuid>>,
    /// Requests that find a key uncovered read once, not each for itself.
    reading: Mutex<()>,
    /// Held by whoever takes from the shared books or gives back to them.
    turn: Arc<Mutex<()>>,
}

impl Books {
    /// Opens the books, and takes what a process before this one has left of its slices.
    /// The journal must be in the store by then.
    ///
    /// # Errors
    /// The store does not answer, or holds a budget that cannot be enforced.
    pub async fn open(
        store: Store,
        node: String,
        declared: Vec<Limit>,
    ) -> Result<Self, CommandError> {
        let asked = Instant::now();
        let epoch = store.reclaim_slices(&node).await?;
        let books = Self {
            ledger: Ledger::default(),
            store,
            node,
            epoch: AtomicI64::new(epoch),
            declared,
            covered: RwLock::default(),
            reading: Mutex::default(),
            turn: Arc::default(),
        };
        books.ledger.confirm(asked + LIFE);
        books.refresh().await?;
        Ok(books)
    }

    /// Takes over the budgets as they are in the store now.
    ///
    /// # Errors
    /// As for [`Books::open`]; the budgets stay as they were.
    pub async fn refresh(&self) -> Result<(), CommandError> {
        let _reading = self.reading.lock().await;
        self.read().await
    }

    async fn read(&self) -> Result<(), CommandError> {
        // Keys first: a key and its budget are made in one transaction, so the
        // budgets of every key that is seen here are there to be read next.
        let covered: HashSet<Uuid> = self
            .store
            .keys()
            .await?
            .into_iter()
            .map(|key| key.id)
            .collect();
        self.ledger
            .set_limits(limits(&self.declared, &self.store).await?);
        *self.covered.write() = covered;
        Ok(())
    }

    /// Makes sure that the budgets of `key` are known.
    ///
    /// # Errors
    /// They are not, and the store cannot be asked.
    pub async fn cover(&self, key: Uuid) -> Result<(), CommandError> {
        if self.covered.read().contains(&key) {
            return Ok(());
        }
        let _reading = self.reading.lock().await;
        if self.covered.read().contains(&key) {
            return Ok(());
        }
        self.read().await
    }

    /// Reserves; from memory, as long as what was taken of the shared books lasts.
    ///
    /// # Errors
    /// See [`NoRoom`].
    pub async fn reserve(&self, wanted: &Wanted<'_>) -> Result<Reserved, NoRoom<String>> {
        // Others may wait before us, each for a store that hangs.
        match tokio::time::timeout(PATIENCE, self.ledger.reserve(self, wanted)).await {
            Ok(reserved) => reserved,
            Err(_) => Err(NoRoom::Unasked(format!("no answer within {PATIENCE:?}"))),
        }
    }

    /// The store has heard of this gateway, when asked at `asked`, and knows it by `epoch`.
    pub fn heard(&self, asked: Instant, epoch: i64) {
        self.is_known_by(epoch);
        self.ledger.confirm(asked + LIFE);
    }

    /// Whether what was taken is still this gateway's own; else it is forgotten before
    /// anything is taken in the new epoch.
    fn is_known_by(&self, epoch: i64) -> bool {
        let same = self.epoch.load(Ordering::Acquire) == epoch;
        if !same {
            self.ledger.void();
            self.epoch.store(epoch, Ordering::Release);
        }
        same
    }

    /// Gives back to the shared books what is not needed here, and has them charge what was
    /// spent beyond what had been taken. `all`: the gateway stops.
    ///
    /// # Errors
    /// The store does not answer. What was to be given back stays charged then, until the
    /// next start: sent again, it might be taken off twice.
    pub async fn give_back(&self, at: OffsetDateTime, all: bool) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let returns = if all {
            self.ledger.give_all_back(at)
        } else {
            self.ledger.give_back(at)
        };
        let (owed, free): (Vec<Return>, Vec<Return>) =
            returns.into_iter().partition(|part| part.amount < 0);
        let charged = self.charge(&owed).await;
        let parts: Vec<Part<'_>> = free.iter().map(part).collect();
        let returned = in_time(self.store.return_slices(self.here(), &parts)).await;
        charged.and(returned)
    }

    async fn charge(&self, owed: &[Return]) -> Result<(), String> {
        let mut charged = Ok(());
        for owed in owed {
            let period = owed.account.period;
            let amount = owed.amount.saturating_neg();
            let take = Take {
                account: key(&owed.account),
                bucket: bucket(period, period.bucket(owed.starts)),
                need: amount,
                want: amount,
                limit: i64::MAX,
                hard: false,
                first: false,
            };
            let taken = in_time(self.store.take_slice(self.here(), &take)).await;
            if taken.is_err() {
                self.ledger.still_owes(owed);
            }
            charged = charged.and(taken.map(drop));
        }
        charged
    }

    fn here(&self) -> Node<'_> {
        Node {
            name: &self.node,
            epoch: self.epoch.load(Ordering::Acquire),
        }
    }

    /// The model that is served in place of `model`, where a limit that says so is spent,
    /// and the limit.
    pub fn downgrade(&self, at: OffsetDateTime, who: &Principal, model: &str) -> Option<Limit> {
        let spent = self.ledger.downgrade(at, &scopes(who, model))?;
        Some(spent.limit.as_ref().clone())
    }
}

impl Bank for Books {
    type Error = String;
    type Turn = OwnedMutexGuard<()>;

    async fn turn(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    async fn take(&self, short: &Short) -> Result<Taken, String> {
        let take = Take {
            account: key(&short.account),
            bucket: bucket(short.account.period, short.bucket),
            need: short.need,
            want: short.want,
            limit: short.limit.amount,
            hard: short.limit.mode == Mode::Hard,
            first: short.first,
        };
        in_time(async {
            match self.store.take_slice(self.here(), &take).await {
                Ok(taken) => Ok(Taken::Granted {
                    granted: taken.granted,
                    total: taken.used,
                }),
                Err(StoreError::Fenced(_)) => Ok(Taken::Fenced),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn confirm(&self) -> Result<bool, String> {
        let epoch = in_time(self.store.confirm(&self.node)).await?;
        Ok(self.is_known_by(epoch))
    }
}

/// Whose limits a request for `model` falls under.
pub fn scopes(who: &Principal, model: &str) -> Vec<Scope> {
    let scope = |kind, named: &Named| Scope {
        kind,
        id: named.id,
        name: named.name.clone(),
    };
    let named = [
        (ScopeKind::Org, &who.org),
        (ScopeKind::Team, &who.team),
        (ScopeKind::User, &who.user),
        (ScopeKind::Agent, &who.agent),
        (ScopeKind::Key, &who.key),
    ];
    let mut scopes: Vec<Scope> = named
        .into_iter()
        .filter_map(|(kind, named)| Some(scope(kind, named.as_ref()?)))
        .collect();
    scopes.push(Scope {
        kind: ScopeKind::Model,
        id: model_id(model),
        name: model.into(),
    });
    scopes
}

fn key(account: &Account) -> AccountKey<'static> {
    AccountKey {
        kind: account.kind.as_str(),
        id: account.id,
        unit: account.unit.as_str(),
        window: account.period.window.as_str(),
        rolling: account.period.rolling,
    }
}

fn bucket(period: Period, bucket: lattice_limits::Bucket) -> Bucket {
    Bucket {
        starts: bucket.starts,
        ends: bucket.ends.unwrap_or(NEVER),
        counts_from: bucket.counts_from,
        hourly: period.is_hourly(),
    }
}

fn part(part: &Return) -> Part<'static> {
    Part {
        account: key(&part.account),
        starts: part.starts,
        amount: part.amount,
    }
}

/// Every limit. What the file declares cannot be declared in the store too.
pub async fn limits(declared: &[Limit], store: &Store) -> Result<Vec<Limit>, CommandError> {
    let mut limits = declared.to_vec();
    for row in store.budgets().await? {
        let limit = checked(&row)?;
        let twice = declared.iter().any(|declared| {
            declared.kind == limit.kind
                && declared.name == limit.name
                && declared.unit == limit.unit
                && declared.period == limit.period
        });
        if twice {
            return Err(CommandError::Failed(format!(
                "the {} budget of {} {:?} is declared in the configuration file and in the database; take it out of one",
                limit.period.window.as_str(),
                limit.kind.as_str(),
                limit.name
            )));
        }
        limits.push(limit);
    }
    Ok(limits)
}

fn checked(row: &BudgetRow) -> Result<Limit, CommandError> {
    let read = || {
        Some(Limit {
            kind: ScopeKind::parse(&row.scope_kind)?,
            name: row.scope_name.as_str().into(),
            unit: Unit::parse(&row.unit)?,
            period: Period {
                window: Window::parse(&row.time_window)?,
                rolling: row.rolling,
            },
            amount: row.amount,
            mode: Mode::parse(&row.mode, row.downgrade_to.as_deref())?,
        })
    };
    // Not skipped: a budget that is not understood would not be enforced.
    read().ok_or_else(|| {
        CommandError::Failed(format!(
            "the budget {} of {} {:?} (in {}, window {}, mode {}) is not one that this version enforces",
            row.id, row.scope_kind, row.scope_name, row.unit, row.time_window, row.mode
        ))
    })
}

/// A limit, and what has become of it.
pub struct State {
    /// The limit.
    pub limit: Limit,
    /// In the limit's unit; `None` where nobody of this name is known.
    pub usage: Option<AccountUsage>,
}

/// What the store knows of each of these limits.
///
/// # Errors
/// The store does not answer.
pub async fn states(
    store: &Store,
    limits: Vec<Limit>,
    now: OffsetDateTime,
) -> Result<Vec<State>, StoreError> {
    let names = names(store).await?;
    let mut accounts = Vec::new();
    let mut states: Vec<(State, Option<usize>)> = Vec::new();
    for limit in limits {
        let id = match limit.kind {
            ScopeKind::Model => Some(model_id(&limit.name)),
            kind => names.get(&(kind, limit.name.clone())).copied(),
        };
        let place = id.map(|id| {
            let account = Account {
                kind: limit.kind,
                id,
                unit: limit.unit,
                period: limit.period,
            };
            accounts.push((
                key(&account),
                bucket(limit.period, limit.period.bucket(now)),
            ));
            accounts.len() - 1
        });
        states.push((State { limit, usage: None }, place));
    }
    let usage = store.usage_of(&accounts).await?;
    let told = states.into_iter().map(|(mut state, place)| {
        state.usage = place.and_then(|place| usage.get(place).copied());
        state
    });
    Ok(told.collect())
}

/// The identifiers behind the names that limits are written for.
async fn names(store: &Store) -> Result<HashMap<(ScopeKind, Box<str>), Uuid>, StoreError> {
    let mut names = HashMap::new();
    for org in store.orgs().await? {
        names.insert((ScopeKind::Org, org.name.into()), org.id);
    }
    for team in store.teams().await? {
        names.insert((ScopeKind::Team, team.name.into()), team.id);
    }
    for user in store.users().await? {
        names.insert((ScopeKind::User, user.name.into()), user.id);
    }
    for agent in store.agents().await? {
        names.insert((ScopeKind::Agent, agent.name.into()), agent.id);
    }
    for key in store.keys().await? {
        if key.revoked_at.is_none() {
            names.insert((ScopeKind::Key, key.name.into()), key.id);
        }
    }
    Ok(names)
}
