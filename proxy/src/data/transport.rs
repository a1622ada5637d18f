//! [`Transport`] on pingora's connector and its HTTP/1.1 client.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lattice_kernel::Dispatch;
use lattice_providers::{
    Egress, Exchange, Payload, Provider, Transport, TransportError, UpstreamRequest,
};
use parking_lot::Mutex;
use pingora::connectors::TransportConnector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

use crate::data::coalesce::Coalesce;
use crate::data::dial;
use crate::data::pool::Pool;

const WRITE: Duration = Duration::from_secs(60);
/// Bytes of a body that one write takes.
const SLICE: usize = 64 * 1024;
/// How long a server that broke off a request is listened to.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How soon a connection shows that it was closed before it was used: a round trip.
const STALE: Duration = Duration::from_millis(500);
/// How long a resolved name is used before it is looked up again.
const NAME_LIFE: Duration = Duration::from_secs(30);
pub(crate) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("lattice/", env!("CARGO_PKG_VERSION")));
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Connections to every provider.
pub struct Upstreams {
    connector: TransportConnector,
    pool: Arc<Pool>,
    egress: Egress,
    peers: Mutex<HashMap<Arc<str>, Resolved>>,
}

/// Where a provider may be dialled, and until when that is used unasked.
struct Resolved {
    peers: Arc<[HttpPeer]>,
    until: Instant,
}

impl Upstreams {
    /// No connections yet; idle ones are kept in `pool`, and new ones go where
    /// `egress` admits.
    pub fn new(pool: Arc<Pool>, egress: Egress) -> Self {
        Self {
            connector: TransportConnector::new(None),
            pool,
            egress,
            peers: Mutex::default(),
        }
    }

    /// The addresses that `provider` has now, all of them judged.
    async fn peers(&self, provider: &Provider) -> Result<Arc<[HttpPeer]>, TransportError> {
        if let Some(known) = self.peers.lock().get(&provider.name)
            && known.until > Instant::now()
        {
            return Ok(known.peers.clone());
        }
        let addresses =
            dial::addresses(&self.egress, &provider.host, provider.port, dial::look_up).await?;
        // The time to connect is shared by all addresses of a name.
        let each = provider.timeouts.connect / addresses.len().max(1) as u32;
        let peers = addresses.into_iter().map(|address| {
            let mut peer = HttpPeer::new(address, provider.tls, provider.host.to_string());
            peer.options.connection_timeout = Some(each);
            peer.options.total_connection_timeout = Some(each);
            peer.options.write_timeout = Some(WRITE);
            peer
        });
        let peers: Arc<[HttpPeer]> = peers.collect();
        let resolved = Resolved {
            peers: peers.clone(),
            until: Instant::now() + NAME_LIFE,
        };
        self.peers.lock().insert(provider.name.clone(), resolved);
        Ok(peers)
    }

    /// A new connection, to the first address that accepts.
    async fn connect(&self, provider: &Provider) -> Result<Stream, TransportError> {
        let mut last = TransportError::Unreached("the name has no address".into());
        for peer in &*self.peers(provider).await? {
            match self.connector.new_stream(peer).await {
                Ok(stream) => return Ok(Box::new(Coalesce::new(stream))),
                Err(error) => last = TransportError::Unreached(error.to_string()),
            }
        }
        Err(last)
    }

    /// On a connection of the pool, or on a new one.
    async fn session(
        &self,
        provider: &Provider,
        pooled: Option<Stream>,
    ) -> Result<HttpSession, TransportError> {
        let stream = match pooled {
            Some(stream) => stream,
            None => self.connect(provider).await?,
        };
        let mut session = HttpSession::new(stream);
        session.write_timeout = Some(WRITE);
        Ok(session)
    }
}

impl Transport for Upstreams {
    type Exchange = PingoraExchange;

    async fn open(
        &self,
        dispatch: &Dispatch,
        provider: &Provider,
        request: UpstreamRequest,
    ) -> Result<PingoraExchange, TransportError> {
        let unreached = |error: Box<Error>| TransportError::Unreached(error.to_string());
        let Payload::Http {
            path,
            headers,
            body,
        } = &request.payload
        else {
            return Err(TransportError::Unreached("this goes to no URL".into()));
        };
        let mut pooled = self.pool.take(&provider.name);
        loop {
            let reused = pooled.is_some();
            let mut session = self.session(provider, pooled.take()).await?;
            let head =
                Box::new(head(provider, path, headers, body.len(), dispatch).map_err(unreached)?);
            let sent = Instant::now();
            match ask(&mut session, head, body, provider.timeouts.first_byte).await {
                Ok(sent) => {
                    let (provider, pool) = (provider.name.clone(), self.pool.clone());
                    return Ok(PingoraExchange {
                        session,
                        sent,
                        provider,
                        pool,
                    });
                }
                // A pooled connection that the provider had closed while it was
                // idle says so at once, and has not carried the request: one more
                // try, on a new connection. One that closes later may have, and a
                // second attempt would pay for the generation twice.
                Err(Failure::ClosedBeforeReply(_)) if reused && sent.elapsed() < STALE => {}
                Err(failure) => return Err(failure.into()),
            }
        }
    }
}

fn head(
    provider: &Provider,
    path: &str,
    headers: &HeaderMap,
    length: usize,
    dispatch: &Dispatch,
) -> Result<RequestHeader, Box<Error>> {
    let mut head = RequestHeader::build(Method::POST, path.as_bytes(), Some(12))?;
    head.insert_header(HOST, &*provider.authority)?;
    head.insert_header(CONTENT_LENGTH, length)?;
    head.insert_header(CONTENT_TYPE, "application/json")?;
    // A compressed stream could neither be metered nor flushed per event.
    head.insert_header(ACCEPT_ENCODING, "identity")?;
    head.insert_header(USER_AGENT, AGENT)?;
    let mut id = uuid::Uuid::encode_buffer();
    head.insert_header(
        REQUEST_ID,
        &*dispatch.request_id().as_hyphenated().encode_lower(&mut id),
    )?;
    for (name, value) in headers {
        head.append_header(name.clone(), value.clone())?;
    }
    if let Some((name, value)) = &provider.credential {
        head.insert_header(name.clone(), value.clone())?;
    }
    Ok(head)
}

async fn ask(
    session: &mut HttpSession,
    head: Box<RequestHeader>,
    body: &Bytes,
    first_byte: Duration,
) -> Result<Sent, Failure> {
    if let Err(unsent) = send(session, head, body).await {
        // A server that will not have a request may say so and close while it is
        // still being sent.
        let said = tokio::time::timeout(LAST_WORDS, session.read_response()).await;
        let objects = |head: &ResponseHeader| head.status.as_u16() >= 400;
        return match said {
            Ok(Ok(_)) if session.resp_header().is_some_and(objects) => Ok(Sent::InPart),
            _ => Err(unsent),
        };
    }
    let mut informed = false;
    loop {
        match tokio::time::timeout(first_byte, session.read_response()).await {
            Err(_) => return Err(Failure::Silent(first_byte)),
            Ok(Err(error)) if informed => return Err(Failure::Broken(error.to_string())),
            Ok(Err(error)) => return Err(Failure::of(&error)),
            Ok(Ok(_)) => {}
        }
        // 1xx are hints; the reply proper follows them.
        match session.resp_header() {
            Some(head) if head.status.is_informational() => informed = true,
            Some(_) => break,
            None => return Err(Failure::Broken("no response head".into())),
        }
    }
    Ok(Sent::Whole)
}

/// How much of a request was sent when its reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Whole,
    /// Nothing else can follow it on its connection.
    InPart,
}

async fn send(
    session: &mut HttpSession,
    head: Box<RequestHeader>,
    body: &Bytes,
) -> Result<(), Failure> {
    let unsent = |error: Box<Error>| Failure::unsent(&error);
    session.write_request_header(head).await.map_err(unsent)?;
    // In slices, because the time limit is one for each write.
    for start in (0..body.len()).step_by(SLICE) {
        let slice = body.slice(start..body.len().min(start + SLICE));
        session.write_body(&slice).await.map_err(unsent)?;
    }
    session.finish_body().await.map_err(unsent)?;
    Ok(())
}

enum Failure {
    /// The connection ended without one byte of a reply.
    ClosedBeforeReply(String),
    Silent(Duration),
    Broken(String),
}

impl Failure {
    fn unsent(error: &Error) -> Self {
        let why = error.to_string();
        match error.etype() {
            ErrorType::WriteTimedout => Self::Broken(why),
            _ => Self::ClosedBeforeReply(why),
        }
    }

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
            Failure::Silent(after) => Self::TimedOut(format!("no reply within {after:?}")),
        }
    }
}

/// A reply on a pingora connection.
pub struct PingoraExchange {
    session: HttpSession,
    sent: Sent,
    provider: Arc<str>,
    pool: Arc<Pool>,
}

/// What stands in for headers that are not there; `ask` has seen a head.
static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

impl Exchange for PingoraExchange {
    fn status(&self) -> u16 {
        self.session
            .get_status()
            .map_or(502, |status| status.as_u16())
    }

    fn headers(&self) -> &HeaderMap {
        self.session
            .resp_header()
            .map_or(&NO_HEADERS, |head| &head.headers)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        // How long that may take is seen to by whoever reads.
        let read = self.session.read_body_bytes().await;
        read.map_err(|error| TransportError::Broken(error.to_string()))
    }

    async fn finish(self) {
        let Self {
            mut session,
            sent,
            provider,
            pool,
        } = self;
        if sent == Sent::InPart {
            return;
        }
        session.respect_keepalive();
        if let Some(stream) = session.reuse().await {
            pool.put(&provider, stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    #[tokio::test]
    async fn the_next_address_is_dialled_where_one_does_not_accept() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let [open_at, closed_at] = [&open, &closed].map(|socket| socket.local_addr().unwrap());
        drop(closed);
        let upstreams = Upstreams::new(Arc::default(), Egress::default());
        let provider = Provider {
            name: "p".into(),
            kind: lattice_providers::Kind::named("openai_compatible").unwrap(),
            tls: false,
            host: "p.example".into(),
            port: 80,
            authority: "p.example".into(),
            base_path: "".into(),
            credential: None,
            timeouts: lattice_providers::Timeouts::default(),
        };
        let known = |addresses: &[SocketAddr]| {
            let peers = addresses
                .iter()
                .map(|address| HttpPeer::new(address, false, String::new()));
            let resolved = Resolved {
                peers: peers.collect(),
                until: Instant::now() + NAME_LIFE,
            };
            upstreams.peers.lock().insert("p".into(), resolved);
        };
        known(&[closed_at, open_at]);
        assert!(upstreams.connect(&provider).await.is_ok());
        assert_eq!(open.accept().unwrap().0.local_addr().unwrap(), open_at);
        known(&[closed_at, closed_at]);
        let failed = upstreams.connect(&provider).await.err();
        assert!(matches!(failed, Some(TransportError::Unreached(_))));
    }
}
