//! [`Fetch`] for the keys of OpenID providers, behind the same guard as the calls to
//! models: what is dialled was judged, redirects are not followed, and neither time
//! nor length is unbounded.

use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, USER_AGENT};
use http::{Method, Uri};
use lattice_identity::token::{Fetch, FetchFailure, LONGEST_REPLY};
use lattice_providers::{Egress, egress};
use pingora::connectors::TransportConnector;
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;

use crate::data::dial;
use crate::data::transport::AGENT;

/// For all of it: looking up, connecting, asking, reading.
const WHOLE: Duration = Duration::from_secs(5);
/// For one address.
const CONNECT: Duration = Duration::from_secs(2);

/// Documents of OpenID providers.
pub struct Documents {
    connector: TransportConnector,
    egress: Egress,
}

impl Documents {
    /// From wherever `egress` admits.
    pub fn new(egress: Egress) -> Self {
        Self {
            connector: TransportConnector::new(None),
            egress,
        }
    }

    async fn read(&self, url: &str, configured: &str) -> Result<Vec<u8>, String> {
        let at = Place::of(url, configured)?;
        let addresses = if at.is_own {
            dial::addresses(&self.egress, at.host, at.port, dial::look_up).await
        } else {
            let face = format!("{}, which the provider names,", at.host);
            dial::addresses_as(&self.egress, &face, at.host, at.port, dial::look_up).await
        };
        let mut last = "the name has no address".to_owned();
        for address in addresses.map_err(|error| error.to_string())? {
            let mut peer = HttpPeer::new(address, at.tls, at.host.to_owned());
            peer.options.connection_timeout = Some(CONNECT);
            peer.options.total_connection_timeout = Some(CONNECT);
            match self.connector.new_stream(&peer).await {
                Ok(stream) => return ask(HttpSession::new(stream), &at).await,
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }
}

impl Fetch for Documents {
    async fn get(&self, url: &str, configured: &str) -> Result<Vec<u8>, FetchFailure> {
        let read = tokio::time::timeout(WHOLE, self.read(url, configured)).await;
        let read = read.unwrap_or_else(|_| Err(format!("no whole answer within {WHOLE:?}")));
        read.map_err(|why| FetchFailure::new(format!("{url}: {why}")))
    }
}

/// Where a URL leads.
struct Place<'a> {
    tls: bool,
    host: &'a str,
    port: u16,
    authority: String,
    path: String,
    /// Whether configuration wrote this host.
    is_own: bool,
}

impl<'a> Place<'a> {
    fn of(url: &'a str, configured: &str) -> Result<Self, String> {
        let read = |url: &str| url.parse::<Uri>().ok();
        let (Some(uri), Some(own)) = (read(url), read(configured)) else {
            return Err("is not a URL".into());
        };
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("is neither https:// nor http://".into()),
        };
        let Some(authority) = uri.authority().filter(|it| !it.as_str().contains('@')) else {
            return Err("names no host, or a user as well".into());
        };
        // In the words of `url`, which outlives what was read from it.
        let start = url.find("://").map_or(0, |scheme| scheme + "://".len());
        let host = url.get(start..start + authority.host().len());
        let host = host.filter(|host| !host.is_empty() && !egress::is_disguised(host));
        let host = host.ok_or("names no host that can be dialled")?;
        let is_own = own.host().is_some_and(|own| own.eq_ignore_ascii_case(host));
        if !tls && !(is_own && egress::is_this_machine(host)) {
            return Err(
                "is in plain HTTP, in which anybody on the way could put keys of their own".into(),
            );
        }
        Ok(Self {
            tls,
            host,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            is_own,
        })
    }
}

async fn ask(mut session: HttpSession, at: &Place<'_>) -> Result<Vec<u8>, String> {
    let failed = |error: Box<pingora::Error>| error.to_string();
    let mut head =
        RequestHeader::build(Method::GET, at.path.as_bytes(), Some(5)).map_err(failed)?;
    for (name, value) in [
        (HOST, at.authority.as_str()),
        (ACCEPT, "application/json"),
        (ACCEPT_ENCODING, "identity"),
        (CONNECTION, "close"),
    ] {
        head.insert_header(name, value).map_err(failed)?;
    }
    head.insert_header(USER_AGENT, AGENT).map_err(failed)?;
    session
        .write_request_header(Box::new(head))
        .await
        .map_err(failed)?;
    session.finish_body().await.map_err(failed)?;
    loop {
        session.read_response().await.map_err(failed)?;
        match session.get_status() {
            Some(status) if status.is_informational() => {}
            Some(status) if status.as_u16() == 200 => break,
            Some(status) if status.is_redirection() => {
                return Err(format!(
                    "answers {status}, and redirects are not followed; configure the URL that it leads to"
                ));
            }
            Some(status) => return Err(format!("answers {status}")),
            None => return Err("answers nothing".into()),
        }
    }
    let mut body = Vec::new();
    while let Some(piece) = session.read_body_bytes().await.map_err(failed)? {
        if body.len() + piece.len() > LONGEST_REPLY {
            return Err(format!("answers with more than {LONGEST_REPLY} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What a server that answers `reply` is taken to say, and how it was asked.
    async fn got(reply: String) -> (Result<Vec<u8>, String>, String) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys?v=1", server.local_addr().unwrap());
        let answered = async {
            let (mut socket, _) = server.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let length = socket.read(&mut asked).await.unwrap();
            asked.truncate(length);
            // A client that has seen enough leaves.
            drop(socket.write_all(reply.as_bytes()).await);
            drop(socket.shutdown().await);
            String::from_utf8(asked).unwrap()
        };
        let documents = Documents::new(Egress::default());
        let (got, asked) = tokio::join!(documents.get(&url, &url), answered);
        (got.map_err(|failure| failure.message), asked)
    }

    fn reply(status: &str, more: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{more}\r\n{body}")
    }

    #[tokio::test]
    async fn the_body_of_a_200_is_the_document() {
        let (found, asked) = got(reply("200 OK", "", "{}")).await;
        assert_eq!(found, Ok(b"{}".to_vec()));
        assert!(asked.starts_with("GET /keys?v=1 HTTP/1.1\r\n"), "{asked}");
        let (found, _) = got("HTTP/1.1 200 OK\r\n\r\nto the end".to_owned()).await;
        assert_eq!(found, Ok(b"to the end".to_vec()));
    }

    #[tokio::test]
    async fn nothing_else_is() {
        let moved = reply("302 Found", "location: http://127.0.0.1:1/\r\n", "");
        let long = reply("200 OK", "", &"x".repeat(LONGEST_REPLY + 1));
        for (reply, why) in [
            (moved, "redirects are not followed"),
            (long, "with more than"),
            (reply("404 Not Found", "", "{}"), "answers 404"),
            (String::new(), ""),
        ] {
            let (found, _) = got(reply).await;
            let said = found.unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[tokio::test]
    async fn a_provider_cannot_send_us_into_our_own_network() {
        let documents = Documents::new(Egress::default());
        let configured = "https://id.example";
        for (url, why) in [
            ("http://id.example/keys", "plain HTTP"),
            ("http://127.0.0.1:1/keys", "plain HTTP"),
            ("https://127.0.0.1:1/keys", "a loopback address"),
            ("https://localhost:1/keys", "a loopback address"),
            ("https://[::1]:1/keys", "a loopback address"),
            ("https://10.1.2.3/keys", "a private address"),
            ("https://169.254.169.254/keys", "metadata service"),
            ("https://2130706433/keys", "no host that can be dialled"),
            ("https://user@id.example/keys", "a user"),
            ("file:///etc/passwd", "is not a URL"),
            ("/keys", "neither https"),
            ("https://", "is not a URL"),
        ] {
            let said = documents.get(url, configured).await.unwrap_err().message;
            assert!(said.contains(why), "{url}: {said}");
        }
    }
}
