//! One gateway: the five gates over their stores, and what the data path needs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lattice_audit::Journal;
use lattice_identity::{Authenticator, Remembered};
use lattice_kernel::{Gates, SystemClock};
use lattice_policy::Policy;
use lattice_policy::log::Lines;
use lattice_providers::{Remote, Reply};
use lattice_store::Store;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use crate::activity::Activity;
use crate::admin::key::AdminKey;
use crate::books::Books;
use crate::catalog::Catalog;
use crate::data::documents::Documents;
use crate::data::local::{AnyExchange, Reach};
use crate::data::pool::Pool;

use crate::gates::audit::AuditTrail;
use crate::gates::constraints::Budgets;
use crate::metrics::Metrics;
use crate::policies::Policies;
use crate::tls::Acceptor;

/// Users, agents and teams.
pub type People = Arc<Remembered<Store, SystemClock>>;

/// Gate 1 here.
pub type Doorkeeper = Authenticator<Store, People, SystemClock>;

/// The gates of a gateway.
pub type GatewayGates = Gates<Doorkeeper, Policy, Budgets, AuditTrail, Remote<Reach>>;

/// What gate 4 yields here.
pub type GatewayReply = Reply<AnyExchange>;

/// Everything that a request needs.
pub struct Gateway {
    /// The five gates.
    pub gates: GatewayGates,
    /// Where the set of gate 2 comes from.
    pub policies: Policies,
    /// What clients may ask for.
    pub catalog: Catalog,
    /// The file that its prices come from, if there is one.
    pub prices: Option<PathBuf>,
    /// Counters.
    pub metrics: Metrics,
    /// Requests under way.
    pub activity: Activity,
    /// The largest request body, bytes.
    pub max_body: usize,
    /// When this process began.
    pub started_at: OffsetDateTime,
    /// Time.
    pub clock: SystemClock,
    /// The books, for metrics and the poll.
    pub books: Arc<Books>,
    /// The journal, for metrics and readiness.
    pub journal: Journal,
    /// The store, for readiness.
    pub store: Store,
    /// What the store knows this gateway by.
    pub node: String,
    /// Wakes whoever follows the store: something has changed there.
    pub changed: Notify,
    /// Whether the gateway has been told to stop.
    pub stopping: AtomicBool,
    /// Tells whatever still runs how much longer it may.
    pub patience: watch::Sender<Patience>,
    /// Gets the keys of OpenID providers.
    pub documents: Documents,
    /// Idle connections to providers, to be swept.
    pub pool: Arc<Pool>,
    /// The names of the upstreams.
    pub providers: Vec<String>,
    /// Of these, those whose models run in this process.
    pub local: Vec<String>,
    /// The listeners that speak TLS, for readiness.
    pub tls: Vec<Acceptor>,
    /// What the admin listener asks for.
    pub admin_key: Arc<AdminKey>,
    /// Where decisions are logged, for metrics and SIGHUP.
    pub decision_log: Option<Arc<Lines>>,
}

/// How much longer the gateway waits for what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Patience {
    /// As long as it takes.
    Unlimited,
    /// Replies end now, and say why.
    Over,
    /// Nothing more is said: what still runs is dropped, which closes its record.
    Gone,
}

impl Gateway {
    /// Resolves once the gateway's patience has come to `this` or beyond.
    pub async fn until(&self, this: Patience) {
        let mut patience = self.patience.subscribe();
        // The sender is ours: as long as this gateway lives it is there.
        drop(patience.wait_for(|patience| *patience >= this).await);
    }

    /// From here on the gateway is not ready.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it has been told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
