//! The client listener: a pingora service around our own application, which reads
//! through [`Strict`], over [`Encrypted`] where there is TLS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::UPGRADE;
use lattice_dialects::Api;
use lattice_kernel::{Code, Gate, Refusal};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use uuid::Uuid;

use crate::data::encrypted::Encrypted;
use crate::data::respond;
use crate::data::serve::{After, serve};
use crate::data::strict::Strict;
use crate::gateway::{Gateway, Patience};
use crate::tls::{Accepted, Acceptor, Shown};

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

/// Serves connections.
pub struct Listener {
    gateway: Arc<Gateway>,
    tls: Option<Acceptor>,
}

/// Serves the HTTP sessions on one connection.
struct Sessions {
    gateway: Arc<Gateway>,
    certificate: Option<Shown>,
}

impl Listener {
    /// A listener for this gateway; without `tls` it speaks plain HTTP.
    pub fn new(gateway: Arc<Gateway>, tls: Option<Acceptor>) -> Self {
        Self { gateway, tls }
    }

    /// The connection as HTTP sees it, and what its client has shown.
    async fn opened(&self, stream: Stream) -> Option<(Stream, Option<Shown>)> {
        let Some(tls) = &self.tls else {
            return Some((stream, None));
        };
        let Accepted {
            stream,
            certificate,
        } = tls.accept(stream).await?;
        Some((Box::new(Encrypted::new(stream)), certificate))
    }
}

#[async_trait]
impl ServerApp for Listener {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let mut stopping = shutdown.clone();
        let (stream, certificate) = tokio::select! {
            biased;
            opened = self.opened(stream) => opened?,
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        };
        let sessions = Arc::new(Sessions {
            gateway: self.gateway.clone(),
            certificate,
        });
        let strict = Box::new(Strict::new(stream));
        sessions.process_new(strict, shutdown).await
    }
}

#[async_trait]
impl HttpServerApp for Sessions {
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
        // Who would not be let in any more is to learn it from a handshake.
        let distrusted = self
            .certificate
            .as_ref()
            .is_some_and(|shown| shown.stands().is_err());
        // Whoever asks to upgrade may go on in another protocol: what follows is
        // not taken for a request.
        if *shutdown.borrow() || session.get_header(UPGRADE).is_some() || distrusted {
            session.set_keepalive(None);
        } else if session.get_keepalive().is_some() {
            // pingora would wait for the next request for ever.
            session.set_keepalive(Some(KEEPALIVE));
        }
        let served = tokio::select! {
            biased;
            after = serve(&self.gateway, &mut session, self.certificate.as_ref()) => after,
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
            // A client that is gone hears nothing more, and breaks nothing.
            if !matches!(
                error.etype(),
                pingora::ErrorType::ConnectionClosed | pingora::ErrorType::ReadTimedout
            ) {
                drop(not_http(session, &error).await);
            }
            false
        }
    }
}

/// The answer to what is not a request; there is none to leave a record of.
async fn not_http(session: &mut ServerSession, error: &pingora::Error) -> pingora::Result<()> {
    let violation = error
        .root_cause()
        .downcast_ref::<std::io::Error>()
        .filter(|error| error.kind() == std::io::ErrorKind::InvalidData);
    let why = violation.map_or_else(String::new, |why| format!(": {why}"));
    let message = format!("This is not a request in HTTP/1.1{why}.");
    let refusal = Refusal::new(Gate::Intake, Code::CallerMalformed, message);
    let (status, id) = (refusal.code.status(), Uuid::now_v7());
    let named = id.to_string();
    session.set_keepalive(None);
    // No dialect can be told from what is no request.
    let error = respond::error_body(&refusal, status, &named);
    let body = Api::Chat.render_error(&error);
    respond::json(session, respond::head(status, id)?, body.into()).await?;
    session.shutdown().await;
    Ok(())
}

async fn reuse(session: ServerSession) -> Option<ReusedHttpStream> {
    let settings = HttpPersistentSettings::for_session(&session);
    let stream = session.finish().await.ok().flatten()?;
    Some(ReusedHttpStream::from_reusable_stream(stream, settings))
}
