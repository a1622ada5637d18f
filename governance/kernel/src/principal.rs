//! Who asks.

use time::OffsetDateTime;
use uuid::Uuid;

/// A caller that gate 1 has recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who acts: the agent where there is one, else the user, else the key itself.
    pub subject: Subject,
    /// How that was shown.
    pub auth: Auth,
    /// The key that was shown; `None` for tokens and certificates.
    pub key: Option<Named>,
    /// The user behind it.
    pub user: Option<Named>,
    /// The agent behind it.
    pub agent: Option<Named>,
    /// The team that it acts for.
    pub team: Option<Named>,
    /// The organisation that the team or user belongs to.
    pub org: Option<Named>,
    /// The roles that it has, in order and each once.
    pub grants: Vec<Grant>,
    /// What its team's data are classified as; `None` is not classified.
    pub classification: Option<Box<str>>,
    /// Models that the key is limited to; `None` is no limit of its own.
    pub models: Option<Vec<Box<str>>>,
    /// Models that the team is limited to; `None` is no limit of its own.
    pub team_models: Option<Vec<Box<str>>>,
}

impl Principal {
    /// Whoever holds `key`, which belongs to nobody in particular.
    #[must_use]
    pub fn of_key(key: Named) -> Self {
        Self {
            key: Some(key.clone()),
            ..Self::of(SubjectKind::Key, key, Auth::Key)
        }
    }

    /// A user, agent or key that has shown itself by `auth`, with nothing else known.
    #[must_use]
    pub fn of(kind: SubjectKind, named: Named, auth: Auth) -> Self {
        let of_kind = |wanted| (kind == wanted).then(|| named.clone());
        Self {
            key: of_kind(SubjectKind::Key),
            user: of_kind(SubjectKind::User),
            agent: of_kind(SubjectKind::Agent),
            subject: Subject { kind, named },
            auth,
            team: None,
            org: None,
            grants: Vec::new(),
            classification: None,
            models: None,
            team_models: None,
        }
    }
}

/// A stable identifier and the name that people use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Stays the same when the name changes.
    pub id: Uuid,
    /// What people call it.
    pub name: Box<str>,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectKind,
    /// Which one.
    pub named: Named,
}

/// What acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A key that belongs to no user and no agent.
    Key,
    /// A person.
    User,
    /// A program that acts on its own.
    Agent,
}

impl SubjectKind {
    /// The name in policy input and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::Agent => "agent",
        }
    }
}

/// How a caller has shown who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Auth {
    /// By a key of this gateway.
    Key,
    /// By a token of an OpenID provider.
    Token,
    /// By the certificate of its connection.
    Certificate,
}

impl Auth {
    /// The name in policy input and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "oidc",
            Self::Certificate => "mtls",
        }
    }
}

/// A role that a caller has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// How far it reaches.
    pub level: Level,
    /// Its name; what it permits is the policy set's to say.
    pub role: Box<str>,
}

/// How far a role reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// To everything in the organisation.
    Org,
    /// To what the team has.
    Team,
    /// To what is the caller's own.
    Own,
}

impl Level {
    /// Every level, the widest first.
    pub const ALL: [Self; 3] = [Self::Org, Self::Team, Self::Own];

    /// The name in policy input and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Org => "org",
            Self::Team => "team",
            Self::Own => "own",
        }
    }

    /// The level of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// Why a certificate does not count any more that did when its connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// Its authority has revoked it.
    Revoked,
    /// Its time, or that of an authority behind it, is over.
    Expired,
    /// Its authority is not trusted any more, or nobody knows what it has revoked.
    Untrusted,
}

/// The certificate that a client has shown, and that the listener has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER form.
    pub fingerprint: [u8; 32],
    /// The names that it certifies, each with its kind before a colon: `uri:`, `dns:`
    /// and `email:` of its alternative names, then `cn:`.
    pub names: Vec<Box<str>>,
    /// From then on it no longer counts: a connection may outlive it.
    pub not_after: OffsetDateTime,
}
