//! A directory that remembers what another one said.

use std::sync::Arc;

use lattice_kernel::Clock;
use lattice_kernel::principal::Named;

use crate::directory::{Directory, Handle, Holder, Team};
use crate::recall::{Freshness, Recall};
use crate::store::StoreFailure;

const HOLDERS: u64 = 100_000;
const TEAMS: u64 = 10_000;
const UNKNOWN: u64 = 10_000;

/// The users, agents, teams and organisations of one store, remembered as keys are: what was
/// confirmed is believed until the revision rises, and through an outage for as
/// long as a key is.
pub struct Remembered<D, C> {
    directory: D,
    clock: C,
    fresh: Arc<Freshness>,
    holders: Recall<Handle, Holder>,
    teams: Recall<Box<str>, Team>,
    orgs: Recall<Box<str>, Named>,
}

impl<D: Directory, C: Clock> Remembered<D, C> {
    /// Remembers what `directory` says for as long as `fresh` holds;
    /// [`ApiKeys::freshness`](crate::ApiKeys::freshness) of the same store has it.
    #[must_use]
    pub fn new(directory: D, fresh: Arc<Freshness>, clock: C) -> Self {
        Self {
            directory,
            clock,
            fresh,
            holders: Recall::new(HOLDERS, UNKNOWN),
            teams: Recall::new(TEAMS, UNKNOWN),
            orgs: Recall::new(TEAMS, UNKNOWN),
        }
    }
}

impl<D: Directory, C: Clock> Directory for Remembered<D, C> {
    async fn holder(&self, handle: &Handle) -> Result<Option<Holder>, StoreFailure> {
        let found = self
            .holders
            .get(&self.fresh, handle, self.clock.now(), || {
                self.directory.holder(handle)
            })
            .await?;
        Ok(found.map(|holder| Holder::clone(&holder)))
    }

    async fn team(&self, name: &str) -> Result<Option<Team>, StoreFailure> {
        let key = Box::from(name);
        let found = self
            .teams
            .get(&self.fresh, &key, self.clock.now(), || {
                self.directory.team(name)
            })
            .await?;
        Ok(found.map(|team| Team::clone(&team)))
    }

    async fn org(&self, name: &str) -> Result<Option<Named>, StoreFailure> {
        let key = Box::from(name);
        let found = self
            .orgs
            .get(&self.fresh, &key, self.clock.now(), || {
                self.directory.org(name)
            })
            .await?;
        Ok(found.map(|org| Named::clone(&org)))
    }
}
