//! `lattice server`: puts a gateway together, runs it, and stops it in order.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lattice_audit::{Journal, Mode, OnFull, Options, Recovered};
use lattice_identity::{ApiKeys, Certificates, Pepper, Remembered, Tokens};
use lattice_kernel::{Clock as _, Gates, SystemClock};
use lattice_policy::Policy;
use lattice_policy::log::Lines;
use lattice_providers::{Directory, Memory, PriceBook, Remote};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tracing_subscriber::fmt::MakeWriter;

use crate::activity::Activity;
use crate::admin::key::AdminKey;
use crate::background::{self, in_time};
use crate::books::Books;
use crate::catalog::Catalog;
use crate::command::{CommandError, Done};
use crate::config::{Config, load};
use crate::data::documents::Documents;
use crate::data::local::{self, Reach};
use crate::data::pool::Pool;
use crate::data::transport::Upstreams;
use crate::gates::audit::{AuditTrail, timestamp};
use crate::gates::constraints::Budgets;
use crate::gateway::{Doorkeeper, Gateway, Patience};
use crate::listen::{self, Addresses, Listeners};
use crate::metrics::Metrics;
use crate::policies::Policies;
use crate::prices;
use crate::state::{self, State};
use crate::tls::Acceptor;
use crate::watch::Watch;

/// How long a reply that must end may take to say so, and then to let go.
const CUT: Duration = Duration::from_secs(2);
/// How long the last records may take to reach the store. What does not reach
/// it in time is in the journal, and is shipped at the next start.
const LAST_SHIPMENT: Duration = Duration::from_secs(10);

/// Runs the gateway until it is told to stop.
pub fn run(config: Option<PathBuf>) -> Done {
    log("info");
    let config = load(config)?;
    run_to_end(serve(config))
}

/// Writes the log to standard error, from `level` on unless `RUST_LOG` says more.
pub fn log(level: &str) {
    log_to(std::io::stderr, level);
}

/// Writes the log, from `level` on unless `RUST_LOG` says more.
pub fn log_to(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static, level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(format!("{level},pingora=error,pingora_core=error"))
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .init();
}

/// Runs a gateway's life on a runtime of its own.
pub fn run_to_end(life: impl Future<Output = Done>) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("lattice")
        .build()?;
    let served = runtime.block_on(life);
    runtime.shutdown_timeout(Duration::from_secs(2));
    served
}

async fn serve(config: Config) -> Done {
    let running = Running::start(&config).await?;
    // Whoever reads that it serves may stop it at once.
    let told = told_to_stop();
    listen::announce(running.addresses, &running.gateway);
    let signal = told.await;
    tracing::info!(
        signal,
        running = running.gateway.activity.running(),
        "stopping: no new connections, running streams may end"
    );
    running.stop(config.drain).await;
    Ok(ExitCode::SUCCESS)
}

/// A gateway that serves.
pub struct Running {
    /// Where it listens.
    pub addresses: Addresses,
    /// What it serves with.
    pub gateway: Arc<Gateway>,
    managed: Option<Arc<lattice_store::managed::Managed>>,
    journal: Journal,
    background: background::Background,
    serving: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Running {
    /// Binds the listeners, opens the state and serves.
    ///
    /// # Errors
    /// Whatever keeps the gateway from serving.
    pub async fn start(config: &Config) -> Result<Self, CommandError> {
        let bound = listen::bind(config)?;
        let state = State::open(config).await?;
        Self::over(config, bound, state, open_journal(config)?).await
    }

    /// Serves on sockets, over a state and a journal that are there already.
    ///
    /// # Errors
    /// Whatever keeps the gateway from serving.
    pub async fn over(
        config: &Config,
        (listeners, addresses): (Listeners, Addresses),
        state: State,
        (journal, recovered): (Journal, Recovered),
    ) -> Result<Self, CommandError> {
        // Before the file is read, so that no change to it is missed.
        let price_file = config.prices.clone();
        let price_file = price_file.map(|file| Watch::new(vec![file]));
        let (gateway, managed, watch) =
            assemble(config, state, &journal, &recovered, listeners.acceptors()).await?;
        let (stop, stopping) = watch::channel(false);
        let background = background::start(&gateway, managed.as_ref(), watch, price_file);
        let serving = listen::serve(listeners, &gateway, &stopping)?;
        Ok(Self {
            addresses,
            gateway,
            managed,
            journal,
            background,
            serving,
            stop,
        })
    }

    /// Stops in order: running streams may end within `drain`, every record is
    /// closed, and the journal is the last to go.
    pub async fn stop(self, drain: Duration) {
        let Self {
            gateway,
            managed,
            journal,
            mut background,
            serving,
            stop,
            ..
        } = self;
        stop.send_replace(true);
        gateway.begin_stop();
        if tokio::time::timeout(drain, gateway.activity.idle())
            .await
            .is_err()
        {
            tracing::warn!(
                running = gateway.activity.running(),
                "drain time is over; the rest is cut"
            );
            gateway.patience.send_replace(Patience::Over);
            if tokio::time::timeout(CUT, gateway.activity.idle())
                .await
                .is_err()
            {
                // A client that takes nothing cannot be told anything either.
                gateway.patience.send_replace(Patience::Gone);
            }
            // Each drops its record, which closes it; nothing of that waits.
            drop(tokio::time::timeout(CUT, gateway.activity.idle()).await);
        }
        background.stop_periodic().await;
        // The store knows the gateway until then.
        if let Err(error) = gateway.books.give_back(SystemClock.now(), true).await {
            tracing::debug!(%error, "what is left of the slices stays charged until the next start");
        }
        if let Err(error) = in_time(gateway.store.unfollow(&gateway.node)).await {
            tracing::debug!(%error, "the store does not know that this gateway has stopped");
        }
        gateway.gates.audit.write_rest(SystemClock.now());
        if let Some(log) = gateway.decision_log.clone() {
            let closed = tokio::task::spawn_blocking(move || log.close());
            drop(tokio::time::timeout(CUT, closed).await);
        }
        finish_journal(&journal, &mut background).await;
        drop((serving, background));
        gateway.store.close().await;
        if let Some(managed) = managed.and_then(Arc::into_inner) {
            state::leave(managed).await;
        }
    }
}

async fn assemble(
    config: &Config,
    state: State,
    journal: &Journal,
    recovered: &Recovered,
    tls: Vec<Acceptor>,
) -> Result<Assembled, CommandError> {
    let State {
        store,
        managed,
        pepper,
    } = state;
    settle_the_past(journal, recovered, &store).await?;
    let node = node_name(&config.data_dir)?;
    let books = Books::open(store.clone(), node.clone(), config.limits.clone()).await?;
    let books = Arc::new(books);
    let admin_key = AdminKey::open(&store, &pepper, &config.data_dir).await?;
    let identity = doorkeeper(config, &store, pepper).await?;
    let catalog = Catalog::new(config, price_book(config)?);
    let metrics =
        Metrics::install(&catalog).map_err(|error| CommandError::Failed(error.to_string()))?;
    let providers = Directory::new(config.providers.clone());
    let pool = Arc::new(Pool::default());
    let memory = Arc::new(Memory::default());
    let upstreams = Upstreams::new(pool.clone(), config.egress.clone());
    let reach = Reach::new(upstreams, local::open(&config.local)?);
    // Before the files are read, so that no change to them is missed.
    let watch = Watch::new(config.policy.paths());
    let (policies, policy, decision_log) = policy(config, &store).await?;
    let audit = AuditTrail::new(journal.clone());
    policies
        .begin(&policy, &audit)
        .map_err(CommandError::Failed)?;
    let gateway = Gateway {
        gates: Gates {
            identity,
            authorization: policy,
            constraints: Budgets::new(books.clone(), memory.clone()),
            audit,
            execution: Remote::new(reach, providers, catalog.now().targets(), memory),
        },
        policies,
        catalog,
        prices: config.prices.clone(),
        metrics,
        activity: Activity::default(),
        max_body: config.max_body,
        started_at: SystemClock.now(),
        clock: SystemClock,
        books,
        journal: journal.clone(),
        store,
        node: node_name(&config.data_dir)?,
        changed: Notify::new(),
        stopping: AtomicBool::new(false),
        patience: watch::Sender::new(Patience::Unlimited),
        documents: Documents::new(config.egress.clone()),
        pool,
        providers: config
            .providers
            .iter()
            .map(|provider| provider.name.to_string())
            .collect(),
        local: config
            .local
            .iter()
            .map(|local| local.name.clone())
            .collect(),
        tls,
        admin_key: Arc::new(admin_key),
        decision_log,
    };
    Ok((Arc::new(gateway), managed.map(Arc::new), watch))
}

/// The prices that are configured, over those that are built in.
pub fn price_book(config: &Config) -> Result<PriceBook, CommandError> {
    prices::read(config.prices.as_deref()).map_err(|error| {
        let file = config.prices.as_deref().unwrap_or(Path::new(""));
        CommandError::Failed(format!("prices.file: {}: {error}", file.display()))
    })
}

/// A gateway that is put together, the database that is its own, and the watch over the
/// files of its policy set.
type Assembled = (
    Arc<Gateway>,
    Option<Arc<lattice_store::managed::Managed>>,
    Watch,
);

/// Gate 1: keys, tokens and certificates over one store, and as current as each other.
async fn doorkeeper(
    config: &Config,
    store: &lattice_store::Store,
    pepper: Pepper,
) -> Result<Doorkeeper, CommandError> {
    let keys = ApiKeys::new(store.clone(), pepper, SystemClock);
    keys.poll()
        .await
        .map_err(|error| CommandError::Failed(error.to_string()))?;
    let people = Remembered::new(store.clone(), keys.freshness(), SystemClock);
    let people = Arc::new(people);
    let identity = &config.identity;
    let tokens = Tokens::new(identity.oidc.clone(), people.clone(), SystemClock);
    let clients = config.tls.as_ref().and_then(|tls| tls.clients.as_ref());
    Ok(Doorkeeper {
        keys,
        tokens: Arc::new(tokens),
        certificates: Certificates::new(identity.certificates.clone(), people, SystemClock),
        certificate_required: clients.is_some_and(|clients| clients.required),
    })
}

/// Gate 2, and its log where there is one.
async fn policy(
    config: &Config,
    store: &lattice_store::Store,
) -> Result<(Policies, Policy, Option<Arc<Lines>>), CommandError> {
    let roles = store.policy_data().await?;
    let source = config.policy.clone();
    let loaded = tokio::task::spawn_blocking(move || Policies::open(source, roles)).await;
    let (policies, set) = loaded
        .map_err(|error| CommandError::Failed(error.to_string()))?
        .map_err(|error| CommandError::Failed(format!("policy: {error}")))?;
    let policy = Policy::new(set, config.policy_options);
    let Some(options) = config.decision_log.clone() else {
        return Ok((policies, policy, None));
    };
    let path = options.path.display().to_string();
    let log = Lines::open(options).map_err(|error| {
        CommandError::Failed(format!(
            "policy.decision_log.file: cannot write {path}: {error}; name a file in a folder that is there"
        ))
    })?;
    let log = Arc::new(log);
    Ok((policies, policy.logged(log.clone()), Some(log)))
}

/// Everything that an earlier process left: intents without an outcome are
/// settled in full, and every leaf goes to the store before the books open.
async fn settle_the_past(
    journal: &Journal,
    recovered: &Recovered,
    store: &lattice_store::Store,
) -> Result<(), CommandError> {
    if let Some((file, bytes)) = &recovered.torn {
        tracing::warn!(file = %file.display(), bytes, "a record that was never acknowledged was cut off the journal's end");
    }
    if !recovered.open_intents.is_empty() {
        tracing::warn!(
            count = recovered.open_intents.len(),
            "requests that a crash interrupted are settled in full, as estimates"
        );
    }
    let now = timestamp(SystemClock.now());
    let settled: Vec<_> = recovered
        .open_intents
        .iter()
        .map(|open| journal.settle(open, now))
        .collect();
    for receipt in settled {
        receipt
            .await
            .map_err(|error| CommandError::Failed(error.to_string()))?;
    }
    journal
        .ship(store.clone(), journal.flushed())
        .await
        .map_err(|error| CommandError::Failed(error.to_string()))
}

/// The journal of this data folder; one process at a time has it.
pub fn open_journal(config: &Config) -> Result<(Journal, Recovered), CommandError> {
    let dir = config.data_dir.join("journal");
    std::fs::create_dir_all(&dir)?;
    let node = node_name(&config.data_dir)?;
    let mut options = Options::new(node, Arc::new(|| timestamp(SystemClock.now())));
    options.mode = if config.audit.strict {
        Mode::Strict
    } else {
        Mode::Buffered
    };
    options.on_full = if config.audit.refuse_on_full {
        OnFull::Refuse
    } else {
        OnFull::Gap
    };
    options.max_bytes = config.audit.max_pending;
    Journal::open(&dir, options).map_err(|error| CommandError::Failed(error.to_string()))
}

/// A name for this journal that no other has: made once, kept beside it.
fn node_name(data_dir: &std::path::Path) -> Result<String, CommandError> {
    let path = data_dir.join("node");
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        Ok(_) => Err(CommandError::Failed(format!(
            "{} is empty; delete it",
            path.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = uuid::Uuid::now_v7().to_string();
            std::fs::write(&path, &name)?;
            Ok(name)
        }
        Err(error) => Err(error.into()),
    }
}

/// The journal is the last to stop: whatever still ends has its place in it.
async fn finish_journal(journal: &Journal, background: &mut background::Background) {
    let stopping = journal.clone();
    let stopped = tokio::task::spawn_blocking(move || stopping.stop()).await;
    if let Ok(Err(error)) = stopped {
        tracing::error!(%error, "the journal did not stop in order");
    }
    if tokio::time::timeout(LAST_SHIPMENT, background.shipped())
        .await
        .is_err()
    {
        tracing::warn!(
            pending = journal.pending(),
            "records wait in the journal for the next start"
        );
    }
}

/// Resolves once somebody wants the process to stop, from the moment of this call on,
/// with the name of the signal. To be called on the runtime.
#[cfg(unix)]
pub fn told_to_stop() -> impl Future<Output = &'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let [interrupted, terminated] =
        [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok());
    async move {
        let heard = async |signal: Option<tokio::signal::unix::Signal>| match signal {
            Some(mut signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        };
        tokio::select! {
            () = heard(interrupted) => "SIGINT",
            () = heard(terminated) => "SIGTERM",
        }
    }
}

/// Resolves once somebody wants the process to stop, with a name for that.
#[cfg(not(unix))]
pub async fn told_to_stop() -> &'static str {
    drop(tokio::signal::ctrl_c().await);
    "ctrl-c"
}
