//! [`Transport`] on pingora's connector: pooled HTTP/1.1 to providers.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lattice_kernel::Dispatch;
use lattice_providers::{Exchange, Provider, Transport, TransportError, UpstreamRequest};
use parking_lot::Mutex;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

const CONNECT: Duration = Duration::from_secs(10);
/// A provider may think for long between two tokens, but not for ever.
const BETWEEN_READS: Duration = Duration::from_secs(300);
const WRITE: Duration = Duration::from_secs(60);
const IDLE: Duration = Duration::from_secs(60);
/// How long a resolved name is used before it is looked up again.
const NAME_LIFE: Duration = Duration::from_secs(30);
const POOL: usize = 1024;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("lattice/", env!("CARGO_PKG_VERSION")));
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Connections to every provider.
pub struct Upstreams {
    connector: Arc<Connector>,
    peers: Mutex<HashMap<Arc<str>, Resolved>>,
}

/// A provider's address, and until when it is used unasked.
struct Resolved {
    peer: Arc<HttpPeer>,
    until: Instant,
}

impl Upstreams {
    /// An empty pool.
    pub fn new() -> Self {
        Self {
            connector: Arc::new(Connector::new(Some(ConnectorOptions::new(POOL)))),
            peers: Mutex::default(),
        }
    }

    /// The address that `provider` has now. Comes from configuration alone.
    async fn peer(&self, provider: &Provider) -> Result<Arc<HttpPeer>, TransportError> {
        if let Some(known) = self.peers.lock().get(&provider.name)
            && known.until > Instant::now()
        {
            return Ok(known.peer.clone());
        }
        let address = resolve(&provider.host, provider.port).await?;
        let mut peer = HttpPeer::new(address, provider.tls, provider.host.to_string());
        peer.options.connection_timeout = Some(CONNECT);
        peer.options.total_connection_timeout = Some(CONNECT);
        peer.options.write_timeout = Some(WRITE);
        peer.options.idle_timeout = Some(IDLE);
        let peer = Arc::new(peer);
        let resolved = Resolved {
            peer: peer.clone(),
            until: Instant::now() + NAME_LIFE,
        };
        self.peers.lock().insert(provider.name.clone(), resolved);
        Ok(peer)
    }

    async fn exchange(
        &self,
        peer: &Arc<HttpPeer>,
        head: &RequestHeader,
        body: &Bytes,
        first_byte: Duration,
    ) -> Result<PingoraExchange, TransportError> {
        loop {
            let (mut session, reused) = self
                .connector
                .get_http_session(&**peer)
                .await
                .map_err(|error| TransportError::Unreached(error.to_string()))?;
            session.set_write_timeout(Some(WRITE));
            match ask(&mut session, head, body, first_byte).await {
                Ok(()) => {
                    return Ok(PingoraExchange::new(
                        session,
                        peer.clone(),
                        self.connector.clone(),
                    ));
                }
                // A pooled connection that the provider closed while it was idle
                // has not carried the request. Anything else may have, and a
                // second attempt would pay for the generation twice.
                Err(Failure::ClosedBeforeReply(_)) if reused => {}
                Err(failure) => return Err(failure.into()),
            }
        }
    }
}

impl Transport for Upstreams {
    type Exchange = PingoraExchange;

    async fn open(
        &self,
        _dispatch: &Dispatch,
        provider: &Provider,
        request: UpstreamRequest,
        first_byte: Duration,
    ) -> Result<PingoraExchange, TransportError> {
        let head = head(provider, &request)
            .map_err(|error| TransportError::Unreached(error.to_string()))?;
        let peer = self.peer(provider).await?;
        self.exchange(&peer, &head, &request.body, first_byte).await
    }
}

fn head(provider: &Provider, request: &UpstreamRequest) -> Result<RequestHeader, Box<Error>> {
    let mut head = RequestHeader::build(Method::POST, provider.chat_path.as_bytes(), Some(12))?;
    head.insert_header(HOST, &*provider.authority)?;
    head.insert_header(CONTENT_LENGTH, request.body.len())?;
    head.insert_header(CONTENT_TYPE, "application/json")?;
    // A compressed stream could neither be metered nor flushed per event.
    head.insert_header(ACCEPT_ENCODING, "identity")?;
    head.insert_header(USER_AGENT, AGENT)?;
    let mut id = uuid::Uuid::encode_buffer();
    head.insert_header(
        REQUEST_ID,
        &*request.request_id.as_hyphenated().encode_lower(&mut id),
    )?;
    for (name, value) in &request.headers {
        head.append_header(name.clone(), value.clone())?;
    }
    if let Some(key) = &provider.api_key {
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| {
                Error::explain(
                    ErrorType::InvalidHTTPHeader,
                    "api_key is not a header value",
                )
            })?;
        value.set_sensitive(true);
        head.insert_header(AUTHORIZATION, value)?;
    }
    Ok(head)
}

async fn resolve(host: &str, port: u16) -> Result<SocketAddr, TransportError> {
    if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let unreached = |why: String| TransportError::Unreached(format!("{host}: {why}"));
    let mut found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| unreached(error.to_string()))?;
    found
        .next()
        .ok_or_else(|| unreached("the name has no address".into()))
}

async fn ask(
    session: &mut HttpSession,
    head: &RequestHeader,
    body: &Bytes,
    first_byte: Duration,
) -> Result<(), Failure> {
    let closed = |error: Box<Error>| Failure::ClosedBeforeReply(error.to_string());
    session
        .write_request_header(Box::new(head.clone()))
        .await
        .map_err(closed)?;
    session
        .write_request_body(body.clone(), true)
        .await
        .map_err(closed)?;
    session.finish_request_body().await.map_err(closed)?;
    loop {
        match tokio::time::timeout(first_byte, session.read_response_header()).await {
            Err(_) => return Err(Failure::Silent(first_byte)),
            Ok(Err(error)) => return Err(Failure::of(&error)),
            Ok(Ok(())) => {}
        }
        // 1xx are hints; the reply proper follows them.
        match session.response_header() {
            Some(head) if head.status.is_informational() => {}
            Some(_) => break,
            None => return Err(Failure::Broken("no response head".into())),
        }
    }
    session.set_read_timeout(Some(BETWEEN_READS));
    Ok(())
}

enum Failure {
    /// The connection ended without one byte of a reply.
    ClosedBeforeReply(String),
    Silent(Duration),
    Broken(String),
}

impl Failure {
    fn of(error: &Error) -> Self {
        let why = error.to_string();
        // pingora tells only in words how much of a head it had read.
        let nothing_read = why.contains("bytes already read: 0");
        match error.etype() {
            ErrorType::ConnectionClosed | ErrorType::ReadError if nothing_read => {
                Self::ClosedBeforeReply(why)
            }
            _ => Self::Broken(why),
        }
    }
}

impl From<Failure> for TransportError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::ClosedBeforeReply(why) | Failure::Broken(why) => Self::Broken(why),
            Failure::Silent(after) => {
                Self::TimedOut(format!("no reply within {} s", after.as_secs()))
            }
        }
    }
}

/// A reply on a pingora connection.
pub struct PingoraExchange {
    session: HttpSession,
    peer: Arc<HttpPeer>,
    connector: Arc<Connector>,
}

impl PingoraExchange {
    fn new(session: HttpSession, peer: Arc<HttpPeer>, connector: Arc<Connector>) -> Self {
        Self {
            session,
            peer,
            connector,
        }
    }
}

/// What stands in for headers that are not there; `ask` has seen a head.
static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

impl Exchange for PingoraExchange {
    fn status(&self) -> u16 {
        self.session
            .response_header()
            .map_or(502, |head| head.status.as_u16())
    }

    fn headers(&self) -> &HeaderMap {
        self.session
            .response_header()
            .map_or(&NO_HEADERS, |head| &head.headers)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        match self.session.read_response_body().await {
            Ok(bytes) => Ok(bytes),
            Err(error) if *error.etype() == ErrorType::ReadTimedout => {
                Err(TransportError::TimedOut(error.to_string()))
            }
            Err(error) => Err(TransportError::Broken(error.to_string())),
        }
    }

    async fn finish(self) {
        let Self {
            session,
            peer,
            connector,
        } = self;
        connector
            .release_http_session(session, &*peer, Some(IDLE))
            .await;
    }
}
