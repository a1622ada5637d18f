//! Who stands behind a token or a certificate: what gate 1 asks a store, and how
//! the answer becomes a principal.

use std::future::Future;
use std::sync::Arc;

use lattice_kernel::Principal;
use lattice_kernel::principal::{Auth, Grant, Named, Subject, SubjectKind};

use crate::store::StoreFailure;

/// The stored users, agents and teams. The store answers from its tables;
/// [`Remembered`](crate::Remembered) answers from memory in front of any other.
///
/// All methods answer or fail within a few seconds: a request waits for them.
pub trait Directory: Send + Sync {
    /// The user or agent that `handle` leads to. Disabled ones are found too: the
    /// caller is told so. Of a user that tokens named and that was deleted, a holder
    /// that is neither is left: its tokens are refused, not served as a stranger's.
    fn holder(
        &self,
        handle: &Handle,
    ) -> impl Future<Output = Result<Option<Holder>, StoreFailure>> + Send;

    /// The team of this name.
    fn team(&self, name: &str) -> impl Future<Output = Result<Option<Team>, StoreFailure>> + Send;

    /// The organisation of this name.
    fn org(&self, name: &str) -> impl Future<Output = Result<Option<Named>, StoreFailure>> + Send;
}

/// Several ways to be recognised share one directory.
impl<D: Directory> Directory for Arc<D> {
    async fn holder(&self, handle: &Handle) -> Result<Option<Holder>, StoreFailure> {
        D::holder(self, handle).await
    }

    async fn team(&self, name: &str) -> Result<Option<Team>, StoreFailure> {
        D::team(self, name).await
    }

    async fn org(&self, name: &str) -> Result<Option<Named>, StoreFailure> {
        D::org(self, name).await
    }
}

/// A way to a user or an agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Handle {
    /// The user whose tokens carry this pair.
    Token {
        /// `iss`, exactly.
        issuer: Box<str>,
        /// The claim that names the user at that issuer; `sub` as a rule.
        subject: Box<str>,
    },
    /// The user of this name.
    User(Box<str>),
    /// The agent of this name.
    Agent(Box<str>),
    /// Whoever one of these names of a certificate was given to; where several
    /// were, the first counts. `sha256:` and 64 hex digits of its fingerprint,
    /// then [`Certificate::names`](lattice_kernel::Certificate) as they are.
    Certificate(Vec<Box<str>>),
}

impl Handle {
    /// The way from a certificate, whose fingerprint goes before its names.
    #[must_use]
    pub fn of_certificate(certificate: &lattice_kernel::Certificate) -> Self {
        let names = certificate.names.iter().cloned();
        let fingerprint = fingerprint_name(&certificate.fingerprint);
        Self::Certificate(std::iter::once(fingerprint).chain(names).collect())
    }
}

/// A fingerprint as the store names it: `sha256:` and 64 hex digits.
#[must_use]
pub fn fingerprint_name(fingerprint: &[u8; 32]) -> Box<str> {
    use std::fmt::Write as _;
    let mut name = String::from("sha256:");
    for byte in fingerprint {
        // A `String` takes whatever is written to it.
        let _ = write!(name, "{byte:02x}");
    }
    name.into()
}

/// A user or an agent, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The user: the holder itself, or the owner of the agent.
    pub user: Option<Named>,
    /// The agent, where it is one.
    pub agent: Option<Named>,
    /// Whether it, or the user behind the agent, was disabled.
    pub disabled: bool,
    /// The organisation of the user.
    pub org: Option<Named>,
    /// The team that it acts for.
    pub team: Option<Team>,
    /// What it and the user behind it were granted; not what the team was.
    pub grants: Vec<Grant>,
}

/// A team, and what its members inherit from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Which one.
    pub named: Named,
    /// The organisation that it belongs to.
    pub org: Option<Named>,
    /// What its data are classified as; `None` is not classified.
    pub classification: Option<Box<str>>,
    /// The models that it is limited to; `None` is no limit of its own.
    pub models: Option<Vec<Box<str>>>,
    /// What everybody in it was granted.
    pub grants: Vec<Grant>,
}

impl Team {
    /// Whether somebody of the organisation `home` may be put into it: what was granted
    /// in one organisation must not count in another. Who is of none takes on its own.
    pub(crate) fn admits(&self, home: Option<&str>) -> bool {
        let own = self.org.as_ref().map(|org| &*org.name);
        home.is_none() || own == home
    }
}

impl Holder {
    /// A user of whom nothing more is known.
    #[must_use]
    pub fn of_user(user: Named) -> Self {
        Self {
            user: Some(user),
            agent: None,
            disabled: false,
            org: None,
            team: None,
            grants: Vec::new(),
        }
    }

    /// The principal that acts for it, in its team; `None` where neither user nor
    /// agent is named. Whether it is disabled is for the caller to look at.
    #[must_use]
    pub fn principal(self, auth: Auth) -> Option<Principal> {
        let Subject { kind, named } = self.subject()?;
        Some(self.over(Principal::of(kind, named, auth)))
    }

    /// The principal that `key` stands for: its agent or user, else the key itself.
    #[must_use]
    pub fn principal_of_key(self, key: Named) -> Principal {
        let mut principal = Principal::of_key(key);
        if let Some(subject) = self.subject() {
            principal.subject = subject;
        }
        self.over(principal)
    }

    /// The name of the organisation that it is of: its user's, else that of its team.
    pub(crate) fn home(&self) -> Option<&str> {
        let of_team = || self.team.as_ref()?.org.as_ref();
        self.org.as_ref().or_else(of_team).map(|org| &*org.name)
    }

    fn subject(&self) -> Option<Subject> {
        let agent = self.agent.as_ref().map(|agent| (SubjectKind::Agent, agent));
        let user = self.user.as_ref().map(|user| (SubjectKind::User, user));
        let (kind, named) = agent.or(user)?;
        let named = named.clone();
        Some(Subject { kind, named })
    }

    /// Fills in whom the principal acts for and what that gives it.
    fn over(self, principal: Principal) -> Principal {
        let mut grants = self.grants;
        let mut principal = Principal {
            user: self.user,
            agent: self.agent,
            org: self.org,
            ..principal
        };
        if let Some(team) = self.team {
            // What is the team's is its organisation's, also where the user is another's.
            principal.org = team.org.or(principal.org);
            principal.classification = team.classification;
            principal.team_models = team.models;
            principal.team = Some(team.named);
            grants.extend(team.grants);
        }
        principal.grants = ordered(grants);
        principal
    }
}

/// Grants as a principal has them: in order, each once.
#[must_use]
pub fn ordered(mut grants: Vec<Grant>) -> Vec<Grant> {
    grants.sort_unstable();
    grants.dedup();
    grants
}
