//! The policy set in force: read at the start, and again whenever its files or the roles
//! in the store have changed. A set that cannot serve is refused, and the last good one
//! keeps serving; both go on record before they take effect.

use std::sync::Arc;

use lattice_kernel::{Clock as _, SystemClock};
use lattice_policy::{LoadError, Policy, PolicySet, StoreData};
use lattice_store::PolicyData;
use metrics::counter;
use parking_lot::Mutex;

use crate::config::policy::Source;
use crate::gates::audit::AuditTrail;
use crate::gateway::Gateway;
use crate::watch::{Reason, Watch};

/// Where sets come from, and what they are filled with.
pub struct Policies {
    source: Source,
    /// What the set in force has of the store. Held while that set is replaced, so that a
    /// new set does not undo new roles, nor the other way round.
    store: Mutex<StoreData>,
}

impl Policies {
    /// Reads the set of `source` for the first time.
    ///
    /// # Errors
    /// It cannot serve.
    pub fn open(source: Source, roles: PolicyData) -> Result<(Self, PolicySet), LoadError> {
        let store = store_data(roles);
        let set = PolicySet::load(&source.read()?, store.clone())?;
        let store = Mutex::new(store);
        Ok((Self { source, store }, set))
    }

    /// Records the set that serves from the start.
    pub fn begin(&self, policy: &Policy, audit: &AuditTrail) -> Result<(), String> {
        self.record(audit, None, &named(&policy.set()), None)
    }

    /// Reads the files again. Takes as long as the set's own tests do.
    pub fn reload(&self, policy: &Policy, audit: &AuditTrail) {
        let loaded = self
            .source
            .read()
            .and_then(|sources| PolicySet::load(&sources, StoreData::default()));
        let store = self.store.lock();
        let before = policy.set();
        let filled = loaded.and_then(|set| set.with_store(store.clone()));
        match filled {
            Ok(set) if set.revision() == before.revision() => {
                tracing::info!(revision = %set.revision(), "the policy set is as it was");
            }
            // Refused by the journal it is tried again at the next change or SIGHUP.
            Ok(set) => match self.put_in_force(policy, audit, set) {
                Ok(()) => {
                    tracing::info!(revision = %policy.set().revision(), "another policy set is in force")
                }
                Err(error) => {
                    tracing::error!(%error, "the new policy set is not in force, because that cannot be recorded")
                }
            },
            Err(error) => {
                let before = named(&before);
                tracing::error!(%error, revision = before, "the new policy set is refused; the last good one keeps serving");
                counter!("lattice_policy_reloads_total", "result" => "refused").increment(1);
                let refused = error.to_string();
                if let Err(error) = self.record(audit, Some(&before), &before, Some(&refused)) {
                    tracing::error!(%error, "the refusal of a policy set is not on record");
                }
            }
        }
    }

    /// Takes the store's roles over where they are other ones; once this has returned
    /// they are in force.
    ///
    /// # Errors
    /// They are not, and why.
    pub fn take_roles(
        &self,
        policy: &Policy,
        audit: &AuditTrail,
        roles: PolicyData,
    ) -> Result<(), String> {
        let mut store = self.store.lock();
        let roles = store_data(roles);
        if roles.json == store.json {
            return Ok(());
        }
        let set = policy.set().with_store(roles.clone());
        let set = set.map_err(|error| error.to_string())?;
        self.put_in_force(policy, audit, set)?;
        *store = roles;
        Ok(())
    }

    fn put_in_force(
        &self,
        policy: &Policy,
        audit: &AuditTrail,
        set: PolicySet,
    ) -> Result<(), String> {
        self.record(audit, Some(&named(&policy.set())), &named(&set), None)?;
        policy.swap(set);
        counter!("lattice_policy_reloads_total", "result" => "taken").increment(1);
        Ok(())
    }

    fn record(
        &self,
        audit: &AuditTrail,
        before: Option<&str>,
        after: &str,
        refused: Option<&str>,
    ) -> Result<(), String> {
        let source = self.source.to_string();
        audit.policy_swapped(SystemClock.now(), before, after, &source, refused)
    }
}

/// Reads the files again whenever they change, and at SIGHUP.
pub async fn follow(gateway: Arc<Gateway>, mut watch: Watch) {
    loop {
        if let Reason::Hangup = watch.changed().await {
            tracing::info!("SIGHUP: the policy set is read again");
        }
        let gateway = gateway.clone();
        let reload = move || {
            let gates = &gateway.gates;
            gateway.policies.reload(&gates.authorization, &gates.audit);
        };
        if let Err(error) = tokio::task::spawn_blocking(reload).await {
            tracing::error!(%error, "the policy set was not read again");
        }
    }
}

/// The revision of the files, and that of what the store holds.
fn named(set: &PolicySet) -> String {
    format!("{}@{}", set.revision(), set.store_revision())
}

fn store_data(roles: PolicyData) -> StoreData {
    StoreData {
        revision: roles.revision,
        json: roles.json.into(),
    }
}
