//! The client listener: a pingora service around our own application.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use crate::data::serve::{After, serve};
use crate::gateway::{Gateway, Patience};

/// How long the next bytes of a body may take.
const READ: Duration = Duration::from_secs(30);
/// How long a connection may be idle between two requests, seconds.
const KEEPALIVE: u64 = 75;
/// How long a client may take no byte at all. Long, because a slow reader is
/// welcome: it slows its upstream and holds little memory.
const WRITE: Duration = Duration::from_secs(600);
/// How long the rest of a refused body is read and dropped, so that the client
/// sees the answer instead of a reset.
const LINGER: Duration = Duration::from_secs(5);

/// Serves HTTP sessions.
pub struct Listener {
    gateway: Arc<Gateway>,
}

impl Listener {
    /// A listener for this gateway.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

#[async_trait]
impl HttpServerApp for Listener {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !next_request(&mut session, shutdown).await {
            return None;
        }
        let _active = self.gateway.activity.enter();
        // Without this a next request that comes early would be taken for a client
        // that left, and would cancel the one that runs.
        session.set_pipelining_enabled(true);
        session.set_read_timeout(Some(READ));
        session.set_write_timeout(Some(WRITE));
        if *shutdown.borrow() {
            session.set_keepalive(None);
        } else if session.get_keepalive().is_some() {
            // pingora would wait for the next request for ever.
            session.set_keepalive(Some(KEEPALIVE));
        }
        let served = tokio::select! {
            biased;
            after = serve(&self.gateway, &mut session) => after,
            // The stop waits no longer: dropping the request closes its record.
            () = self.gateway.until(Patience::Gone) => After::Close,
        };
        match served {
            After::Keep => reuse(session).await,
            After::Linger => {
                session.set_total_drain_timeout(Some(LINGER));
                // Whatever the rest of the body was, it has been answered.
                drop(session.drain_request_body().await);
                session.shutdown().await;
                None
            }
            After::Close => {
                session.shutdown().await;
                None
            }
        }
    }
}

/// Waits for a request; an idle connection ends when the gateway stops.
async fn next_request(session: &mut ServerSession, shutdown: &ShutdownWatch) -> bool {
    let mut shutdown = shutdown.clone();
    let read = tokio::select! {
        biased;
        read = session.read_request() => read,
        _ = shutdown.wait_for(|stopping| *stopping) => return false,
    };
    match read {
        Ok(arrived) => arrived,
        Err(error) => {
            // Not HTTP: the shortest answer there is, where one can be given.
            if !matches!(
                error.etype(),
                pingora::ErrorType::ConnectionClosed | pingora::ErrorType::ReadTimedout
            ) {
                drop(session.respond_error(400).await);
            }
            false
        }
    }
}

async fn reuse(session: ServerSession) -> Option<ReusedHttpStream> {
    let settings = HttpPersistentSettings::for_session(&session);
    let stream = session.finish().await.ok().flatten()?;
    Some(ReusedHttpStream::from_reusable_stream(stream, settings))
}
