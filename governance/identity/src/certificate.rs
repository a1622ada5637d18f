//! Gate 1 for client certificates, which the listener has verified: whose is it?
//!
//! Configuration may give a name of a certificate to a user or an agent; the store
//! holds more of such pairs. Configuration is looked through first, and the store only
//! where it knows nothing of the certificate: each by the fingerprint before the names,
//! and these in their order.

use std::fmt;
use std::sync::Arc;

use lattice_kernel::principal::{Auth, Grant, Level, Named};
use lattice_kernel::{Certificate, Clock, Principal, Refusal};
use uuid::Uuid;

use crate::directory::{Directory, Handle, Holder};
use crate::refusals;
use crate::store::StoreFailure;

/// A name of a certificate, and to whom configuration has given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// As in [`Certificate::names`], or `sha256:` and 64 hex digits of a fingerprint.
    pub name: Box<str>,
    /// To whom.
    pub to: Assignee,
    /// The team that it acts for, by name; one that the store does not know, or of
    /// another organisation than its user or agent, refuses.
    pub team: Option<Box<str>>,
    /// Roles beyond those that the store has granted; they are its own.
    pub roles: Vec<Box<str>>,
}

/// Who has a certificate, by name. One that the store does not know is taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignee {
    /// A user.
    User(Box<str>),
    /// An agent.
    Agent(Box<str>),
}

impl fmt::Display for Assignee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Agent(name) => write!(f, "agent {name}"),
        }
    }
}

/// The certificates of configuration and store.
pub struct Certificates<D, C> {
    assigned: Vec<Assigned>,
    directory: D,
    clock: C,
}

impl<D: Directory, C: Clock> Certificates<D, C> {
    /// Those of configuration, and those of `directory` behind them.
    #[must_use]
    pub fn new(assigned: Vec<Assigned>, directory: D, clock: C) -> Self {
        Self {
            assigned,
            directory,
            clock,
        }
    }

    /// Who has `certificate`.
    ///
    /// # Errors
    /// `identity_unknown`, `identity_expired`, `identity_revoked` where its holder is
    /// disabled, and `store_unavailable`.
    pub async fn identify(&self, certificate: &Certificate) -> Result<Arc<Principal>, Refusal> {
        let holder = self.holder(certificate).await?;
        let principal = holder.and_then(|holder| holder.principal(Auth::Certificate));
        principal
            .map(Arc::new)
            .ok_or_else(refusals::certificate_unknown)
    }

    /// Whether `certificate` may stand beside another credential, which says who asks:
    /// it has not expired, and if it is anybody's, that one is not disabled.
    ///
    /// # Errors
    /// As [`Self::identify`], but for `identity_unknown`.
    pub async fn admit(&self, certificate: &Certificate) -> Result<(), Refusal> {
        self.holder(certificate).await.map(drop)
    }

    async fn holder(&self, certificate: &Certificate) -> Result<Option<Holder>, Refusal> {
        // A connection may outlive its certificate.
        if certificate.not_after <= self.clock.now() {
            return Err(refusals::certificate_expired());
        }
        let handle = Handle::of_certificate(certificate);
        let Handle::Certificate(names) = &handle else {
            return Ok(None);
        };
        let assigned = names
            .iter()
            .find_map(|name| self.assigned.iter().find(|row| row.name == *name));
        let found = match assigned {
            Some(assigned) => self.assigned_holder(assigned).await?,
            None => self.ask(&handle).await?,
        };
        match found {
            Some(holder) if holder.disabled => Err(refusals::holder_disabled()),
            found => Ok(found),
        }
    }

    async fn assigned_holder(&self, assigned: &Assigned) -> Result<Option<Holder>, Refusal> {
        let (handle, name) = match &assigned.to {
            Assignee::User(name) => (Handle::User(name.clone()), name),
            Assignee::Agent(name) => (Handle::Agent(name.clone()), name),
        };
        let mut holder = match self.ask(&handle).await? {
            Some(holder) => holder,
            None => unstored(&assigned.to, name),
        };
        if let Some(team) = &assigned.team {
            let known = self.directory.team(team).await;
            let known = known.map_err(|failure| refusals::directory_unavailable(&failure))?;
            let refused = |why: &str| {
                refusals::certificate_unknown().because(format!(
                    "identity.certificates: team {team:?} of {:?} is {why}",
                    assigned.name
                ))
            };
            // Without its team it would escape the team's limits.
            let known = known
                .ok_or_else(|| refused("not in the store; make it with `lattice team create`"))?;
            if !known.admits(holder.home()) {
                return Err(refused(&format!(
                    "not of the organisation that the {} is of; take one of the same",
                    assigned.to
                )));
            }
            holder.team = Some(known);
        }
        holder
            .grants
            .extend(assigned.roles.iter().map(|role| Grant {
                level: Level::Own,
                role: role.clone(),
            }));
        Ok(Some(holder))
    }

    async fn ask(&self, handle: &Handle) -> Result<Option<Holder>, Refusal> {
        let unavailable = |failure: StoreFailure| refusals::directory_unavailable(&failure);
        self.directory.holder(handle).await.map_err(unavailable)
    }
}

/// Somebody whom configuration alone knows. The id depends on nothing but the name.
fn unstored(to: &Assignee, name: &str) -> Holder {
    let kind = match to {
        Assignee::User(_) => "urn:lattice:configured:user",
        Assignee::Agent(_) => "urn:lattice:configured:agent",
    };
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, kind.as_bytes());
    let named = Named {
        id: Uuid::new_v5(&namespace, name.as_bytes()),
        name: name.into(),
    };
    match to {
        Assignee::User(_) => Holder::of_user(named),
        Assignee::Agent(_) => Holder {
            user: None,
            agent: Some(named.clone()),
            ..Holder::of_user(named)
        },
    }
}
