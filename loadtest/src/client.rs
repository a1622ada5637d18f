//! One keep-alive connection and one exchange over it, without a pool: what is
//! measured is the server, not the client's bookkeeping.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::sse::Scanner;
use crate::target::Target;

/// Why an exchange does not count. Its kind is what errors are counted by.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    /// The server's body or the system's sentence.
    pub(crate) detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    /// The connection ended before a response header.
    NoResponse,
    /// The connection ended within the body.
    BodyCut,
    Timeout,
    Status(u16),
    /// The stream ended without `[DONE]`.
    StreamIncomplete,
    /// The stream had an error event.
    StreamError,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::NoResponse => f.write_str("no_response"),
            Self::BodyCut => f.write_str("body_cut"),
            Self::Timeout => f.write_str("timeout"),
            Self::Status(code) => write!(f, "status_{code}"),
            Self::StreamIncomplete => f.write_str("stream_incomplete"),
            Self::StreamError => f.write_str("stream_error"),
        }
    }
}

impl Kind {
    /// Whether the connection can take another request after it.
    pub(crate) fn spares_connection(self) -> bool {
        matches!(
            self,
            Self::Status(_) | Self::StreamIncomplete | Self::StreamError
        )
    }

    fn of(self, detail: impl fmt::Display) -> Problem {
        Problem {
            kind: self,
            detail: detail.to_string(),
        }
    }
}

/// An exchange that went well.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) latency: Duration,
    /// From the request to the first event with text, in a stream.
    pub(crate) first_content: Option<Duration>,
    /// Between reads that brought events, from the first text on. Events that
    /// arrive together are one read.
    pub(crate) gaps: Vec<Duration>,
    /// Of the body.
    pub(crate) bytes: u64,
}

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Drives the socket; aborted with the connection.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Result<Self, Problem> {
        let socket = TcpStream::connect(&target.authority)
            .await
            .map_err(|error| Kind::Connect.of(error))?;
        socket
            .set_nodelay(true)
            .map_err(|error| Kind::Connect.of(error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| Kind::Connect.of(error))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // The exchange in flight gets the same error.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            _driver: driver,
        })
    }

    /// Whether it takes another request. A server may end a connection with
    /// any response; that is no error.
    pub(crate) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub(crate) async fn exchange(&mut self, target: &Target) -> Result<Exchange, Problem> {
        tokio::time::timeout(target.timeout, self.exchange_unbounded(target))
            .await
            .unwrap_or_else(|_| Err(Kind::Timeout.of(format!("{:?}", target.timeout))))
    }

    async fn exchange_unbounded(&mut self, target: &Target) -> Result<Exchange, Problem> {
        let started = Instant::now();
        let response = self
            .sender
            .send_request(request(target))
            .await
            .map_err(|error| Kind::NoResponse.of(error))?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap_or_default();
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            return Err(Kind::Status(status).of(text));
        }
        let mut exchange = if target.stream {
            read_stream(response, started).await?
        } else {
            read_whole(response).await?
        };
        exchange.latency = started.elapsed();
        Ok(exchange)
    }
}

fn request(target: &Target) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(target.body.clone().unwrap_or_default()));
    if target.body.is_some() {
        *request.method_mut() = http::Method::POST;
    }
    *request.uri_mut() = target.path.clone();
    *request.headers_mut() = target.headers.clone();
    request
}

async fn read_whole(response: Response<Incoming>) -> Result<Exchange, Problem> {
    let mut body = response.into_body();
    let mut exchange = Exchange::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Kind::BodyCut.of(error))?;
        exchange.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
    }
    Ok(exchange)
}

async fn read_stream(response: Response<Incoming>, started: Instant) -> Result<Exchange, Problem> {
    let mut body = response.into_body();
    let mut exchange = Exchange::default();
    let mut scanner = Scanner::default();
    let mut last = started;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Kind::BodyCut.of(error))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        exchange.bytes += data.len() as u64;
        let events = scanner.events;
        scanner.push(data);
        if !scanner.content || scanner.events == events {
            continue;
        }
        let now = Instant::now();
        match exchange.first_content {
            None => exchange.first_content = Some(now - started),
            Some(_) => exchange.gaps.push(now - last),
        }
        last = now;
    }
    match (scanner.error, scanner.done) {
        (true, _) => Err(Kind::StreamError.of("an error event")),
        (false, false) => Err(Kind::StreamIncomplete.of("no [DONE]")),
        (false, true) => Ok(exchange),
    }
}

/// Sends the target's request until it is answered with 200.
pub(crate) async fn wait_for(target: &Target, patience: Duration) -> Result<(), Problem> {
    let deadline = Instant::now() + patience;
    loop {
        let answered = match Connection::open(target).await {
            Ok(mut connection) => connection.exchange(target).await,
            Err(problem) => Err(problem),
        };
        match answered {
            Ok(_) => return Ok(()),
            Err(problem) if Instant::now() >= deadline => return Err(problem),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
