//! Why a request was not served. A refusal has a stable code, a sentence for
//! the caller that names what to do next, and detail that stays inside.

use std::fmt;
use std::time::Duration;

use crate::allowance::Allowances;

/// Where in the walk a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Reading and parsing.
    Intake,
    /// Gate 1.
    Identity,
    /// Gate 2.
    Authorization,
    /// Gate 3.
    Constraints,
    /// Gate 4.
    Execution,
    /// Gate 5.
    Audit,
}

impl Gate {
    /// How many there are.
    pub const COUNT: usize = 6;
    /// Each at its own index (`gate as usize`).
    pub const ALL: [Self; Self::COUNT] = [
        Self::Intake,
        Self::Identity,
        Self::Authorization,
        Self::Constraints,
        Self::Execution,
        Self::Audit,
    ];
    /// In the order in which a served request passes them.
    pub const WALK: [Self; Self::COUNT] = [
        Self::Identity,
        Self::Intake,
        Self::Authorization,
        Self::Constraints,
        Self::Audit,
        Self::Execution,
    ];

    /// The name in errors, records and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Identity => "identity",
            Self::Authorization => "authorization",
            Self::Constraints => "constraints",
            Self::Execution => "execution",
            Self::Audit => "audit",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)+) => {
        /// The closed list of codes; the prefix says whose fault it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// Every code, for label sets and documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }
        }
    };
}

codes! {
    /// The request cannot be read.
    CallerMalformed = "caller_malformed", 400;
    /// The request asks for something that cannot be carried.
    CallerUnsupported = "caller_unsupported", 400;
    /// The body is over the limit.
    CallerTooLarge = "caller_too_large", 413;
    /// Not in the caller's `/v1/models`.
    CallerUnknownModel = "caller_unknown_model", 404;
    /// No credential.
    IdentityMissing = "identity_missing", 401;
    /// A credential that names nobody.
    IdentityUnknown = "identity_unknown", 401;
    /// A credential past its time.
    IdentityExpired = "identity_expired", 401;
    /// A credential that was taken back.
    IdentityRevoked = "identity_revoked", 401;
    /// Policy says no.
    PolicyDenied = "policy_denied", 403;
    /// A listed model, but not in this context.
    PolicyModel = "policy_model", 403;
    /// A tool that the caller may not use.
    PolicyTool = "policy_tool", 403;
    /// A budget is spent.
    LimitBudget = "limit_budget", 402;
    /// Too many requests or tokens a minute.
    LimitRate = "limit_rate", 429;
    /// The queue is full.
    LimitQueue = "limit_queue", 429;
    /// A hard budget applies, and the model has no price.
    LimitUnpriced = "limit_unpriced", 403;
    /// The content may not pass.
    PrivacyBlocked = "privacy_blocked", 422;
    /// The provider failed.
    ProviderError = "provider_error", 502;
    /// The provider is overloaded.
    ProviderOverloaded = "provider_overloaded", 503;
    /// The provider did not answer in time.
    ProviderTimeout = "provider_timeout", 504;
    /// The provider refused the request itself; its own status passes.
    ProviderRejected = "provider_rejected", 400;
    /// The record cannot be kept.
    AuditUnavailable = "audit_unavailable", 503;
    /// Not in memory, and the store cannot be asked.
    StoreUnavailable = "store_unavailable", 503;
    /// The gateway has no room.
    LatticeOverloaded = "lattice_overloaded", 503;
    /// The gateway is stopping.
    LatticeStopping = "lattice_stopping", 503;
    /// A defect of ours.
    LatticeInternal = "lattice_internal", 500;
}

impl Code {
    /// The code with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

/// Why a request was not served.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Which gate said no.
    pub gate: Gate,
    /// The stable code.
    pub code: Code,
    /// One sentence for the caller that names what to do next.
    pub message: Box<str>,
    /// The field of the request that is at fault, where one is.
    pub param: Option<Box<str>>,
    /// When to come back, where waiting helps.
    pub retry_after: Option<Duration>,
    allowances: Option<Box<Allowances>>,
    detail: Option<Box<str>>,
}

impl Refusal {
    /// A refusal at `gate` with a sentence for the caller.
    #[must_use]
    pub fn new(gate: Gate, code: Code, message: impl Into<Box<str>>) -> Self {
        Self {
            gate,
            code,
            message: message.into(),
            param: None,
            retry_after: None,
            allowances: None,
            detail: None,
        }
    }

    /// The caller's model is not among the caller's models. Gate 2 says so wherever
    /// it is found out: another gate would tell one that is hidden from one that
    /// does not exist.
    #[must_use]
    pub fn unknown_model(model: &str) -> Self {
        let shown: String = model.chars().take(128).collect();
        Self::new(
            Gate::Authorization,
            Code::CallerUnknownModel,
            format!("The model {shown:?} does not exist or is not open to this key; GET /v1/models lists those that are."),
        )
        .field("model")
    }

    /// Names the field at fault.
    #[must_use]
    pub fn field(mut self, param: impl Into<Box<str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Tells what is left of the caller's rates.
    #[must_use]
    pub fn allowances(mut self, allowances: Allowances) -> Self {
        self.allowances = (!allowances.is_empty()).then(|| allowances.into());
        self
    }

    /// What is left of the caller's rates, where it fell under any.
    #[must_use]
    pub fn told_allowances(&self) -> Allowances {
        self.allowances.as_deref().copied().unwrap_or_default()
    }

    /// Adds detail for the log. It is never serialised to a caller.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// The detail, for the log alone.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}
