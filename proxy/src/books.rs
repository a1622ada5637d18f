//! Budgets from the file and from the store, and what was spent before this
//! process began.

use std::collections::{HashMap, HashSet};

use lattice_kernel::{Clock as _, NanoUsd, SystemClock};
use lattice_limits::{Budget, Ledger, Mode, Opening, ScopeKind, Window};
use lattice_store::{BudgetRow, Store, StoreError};
use parking_lot::RwLock;
use uuid::Uuid;

use crate::command::CommandError;

/// The ledger, and how far its budgets are complete. A key may be in use before
/// the poll has seen it, and must not be served without the budget that it was
/// made with.
pub struct Books {
    /// What is spent and held.
    pub ledger: Ledger,
    store: Store,
    declared: Vec<Budget>,
    /// The keys that were in the store when the budgets were read.
    covered: RwLock<HashSet<Uuid>>,
    /// Requests that find a key uncovered read once, not each for itself.
    reading: tokio::sync::Mutex<()>,
}

impl Books {
    /// Opens the books: what was spent so far, and every budget.
    ///
    /// # Errors
    /// The store does not answer, or holds a budget that cannot be enforced.
    pub async fn open(store: Store, declared: Vec<Budget>) -> Result<Self, CommandError> {
        let ledger = Ledger::default();
        restore(&ledger, &store).await?;
        let (covered, reading) = (RwLock::default(), tokio::sync::Mutex::default());
        let books = Self {
            ledger,
            store,
            declared,
            covered,
            reading,
        };
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
            .set_budgets(budgets(&self.declared, &self.store).await?);
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
}

/// Every budget. What the file declares cannot be declared in the store too.
pub async fn budgets(declared: &[Budget], store: &Store) -> Result<Vec<Budget>, CommandError> {
    let mut budgets = declared.to_vec();
    for row in store.budgets().await? {
        let budget = checked(&row)?;
        let twice = declared.iter().any(|declared| {
            declared.kind == budget.kind
                && declared.name == budget.name
                && declared.window == budget.window
        });
        if twice {
            return Err(CommandError::Failed(format!(
                "the {} budget of {} {:?} is declared in the configuration file and in the database; take it out of one",
                budget.window.as_str(),
                budget.kind.as_str(),
                budget.name
            )));
        }
        budgets.push(budget);
    }
    Ok(budgets)
}

fn checked(row: &BudgetRow) -> Result<Budget, CommandError> {
    let read = || {
        if row.unit != "usd" || row.rolling {
            return None;
        }
        Some(Budget {
            kind: ScopeKind::parse(&row.scope_kind)?,
            name: row.scope_name.as_str().into(),
            window: Window::parse(&row.time_window)?,
            limit: NanoUsd::from_i64(row.amount)?,
            mode: Mode::parse(&row.mode)?,
        })
    };
    // Not skipped: a budget that is not understood would not be enforced.
    read().ok_or_else(|| {
        CommandError::Failed(format!(
            "the budget {} of {} {:?} (in {}, {}window {}, mode {}) is not one that this version enforces",
            row.id,
            row.scope_kind,
            row.scope_name,
            row.unit,
            if row.rolling { "rolling " } else { "" },
            row.time_window,
            row.mode
        ))
    })
}

/// The identifiers behind the names that budgets are written for.
pub async fn names(store: &Store) -> Result<HashMap<(ScopeKind, Box<str>), Uuid>, StoreError> {
    let teams = store
        .teams()
        .await?
        .into_iter()
        .map(|team| ((ScopeKind::Team, team.name.into()), team.id));
    let live = store
        .keys()
        .await?
        .into_iter()
        .filter(|key| key.revoked_at.is_none());
    Ok(teams
        .chain(live.map(|key| ((ScopeKind::Key, key.name.into()), key.id)))
        .collect())
}

/// Takes over into `ledger` what the store knows was spent.
pub async fn restore(ledger: &Ledger, store: &Store) -> Result<(), StoreError> {
    let now = SystemClock.now();
    let openings = store
        .spend_since(now, None)
        .await?
        .into_iter()
        .filter_map(|row| {
            let kind = ScopeKind::parse(&row.scope_kind)?;
            let windows = [
                (Window::Hour, row.hour),
                (Window::Day, row.day),
                (Window::Month, row.month),
                (Window::Total, row.total),
            ];
            Some(windows.map(|(window, amounts)| Opening {
                kind,
                id: row.scope_id,
                window,
                spent: NanoUsd::from_i64(amounts.spent_nano).unwrap_or(NanoUsd::MAX),
            }))
        });
    ledger.restore(now, openings.flatten());
    Ok(())
}
