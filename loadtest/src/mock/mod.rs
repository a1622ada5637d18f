//! An OpenAI-compatible upstream for tests.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use lattice_loadtest::mock::{Mock, Options};
//! let mock = Mock::start(Options::default()).await?;
//! println!("base_url: {}", mock.base_url());
//! // … send requests for the model `mock?chunks=50&fault=reset_after:5` …
//! assert_eq!(mock.running(), 0);
//! # Ok(()) }
//! ```
//!
//! | route | answer |
//! |---|---|
//! | `POST /v1/chat/completions` | a completion, streamed where `stream` is true |
//! | `GET /v1/models` | one model, `mock` |
//! | `GET /__mock/state` | [`State`] as JSON |
//! | `POST /__mock/reset` | forgets what was seen |
//!
//! What a request gets is a [`Behaviour`]: the server's default, overridden by
//! the query part of the model name, overridden by the header
//! `x-mock-behaviour`, which holds the same `key=value&…` text.

mod behaviour;
mod chat;
mod fault;
mod ledger;
mod record;
mod reply;
mod request;
mod routes;
pub(crate) mod serve;
mod stream;
mod text;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use behaviour::Behaviour;
pub use fault::Fault;
pub use ledger::{Billed, Ending, Received, Seen, State};
pub use text::passage;

use ledger::Ledger;
use routes::Upstream;
use wire::{Breaker, Wire};

/// How a mock is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What a request gets that asks for nothing else.
    pub behaviour: Behaviour,
    /// A file to which one JSON line is appended for every arrival and every
    /// ending, at once, so that it survives a kill of either side.
    pub record: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            behaviour: Behaviour::default(),
            record: None,
        }
    }
}

/// A running mock. Dropping it closes its listener and cuts its connections.
#[derive(Debug)]
pub struct Mock {
    addr: SocketAddr,
    ledger: Arc<Ledger>,
    tasks: JoinSet<()>,
}

impl Mock {
    /// Listens and serves on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound or the record file cannot be opened.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let addr = listener.local_addr()?;
        let ledger = Arc::new(Ledger::open(options.record.as_deref())?);
        let upstream = Arc::new(Upstream::new(options.behaviour, Arc::clone(&ledger)));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, upstream));
        Ok(Self {
            addr,
            ledger,
            tasks,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What an OpenAI client or a provider configuration takes as base URL.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Everything that was counted, with the most recent requests.
    #[must_use]
    pub fn state(&self) -> State {
        self.ledger.state()
    }

    /// Chat requests that arrived, refused ones included.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.ledger.totals().seen
    }

    /// Chat requests that have not ended yet.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.ledger.totals().running
    }

    /// Chat requests whose client left before the end.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.ledger.totals().cut
    }

    /// Tokens billed so far.
    #[must_use]
    pub fn billed(&self) -> Billed {
        self.ledger.totals().billed
    }

    /// Headers and body of the chat request that arrived last.
    #[must_use]
    pub fn last(&self) -> Option<Received> {
        self.ledger.last()
    }

    /// Forgets what was seen and billed. Requests that still run stay counted
    /// as running, and bill nothing from here on.
    pub fn reset(&self) {
        self.ledger.reset();
    }

    /// Stops as a machine that went away: connections are cut, new ones refused.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Upstream>) {
    // Aborted with this task, so that no connection outlives the mock.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => { connections.spawn(connection(socket, Arc::clone(&upstream))); }
                // Out of descriptors: running streams must end before more is accepted.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(socket: tokio::net::TcpStream, upstream: Arc<Upstream>) {
    // Events must leave when they are written, whatever the client acknowledged.
    let _ = socket.set_nodelay(true);
    let breaker = Breaker::default();
    let wire = TokioIo::new(Wire::new(socket, breaker.clone()));
    let service = service_fn(move |request| {
        let upstream = Arc::clone(&upstream);
        let breaker = breaker.clone();
        async move { upstream.answer(request, breaker).await }
    });
    // An error here is a client that left or a fault that was ordered: the
    // ledger has it already.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(wire, service)
        .await;
}
