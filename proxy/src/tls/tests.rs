//! Handshakes: who is let in, and as whom.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::principal::Distrust;
use rcgen::{SanType, date_time_ymd};
use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Accepted, Acceptor, ClientCertificates, Files};

#[path = "../../tests/harness/authority.rs"]
mod authority;
use authority::{Authority, Issued};

/// An acceptor that asks clients for certificates, and what its files are in.
struct Door {
    folder: TempDir,
    server: Authority,
    clients: Authority,
}

impl Door {
    fn new() -> Self {
        let (server, clients) = (Authority::new("server CA"), Authority::new("client CA"));
        let folder = tempfile::tempdir().unwrap();
        let issued = server.server(1);
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        write("tls.crt", &issued.cert).unwrap();
        write("tls.key", &issued.key).unwrap();
        write("ca.crt", &clients.pem()).unwrap();
        Self {
            folder,
            server,
            clients,
        }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self, required: bool, crl: Option<&Path>) -> Files {
        Files {
            at: "server.tls",
            cert: self.file("tls.crt"),
            key: self.file("tls.key"),
            clients: Some(ClientCertificates {
                ca: self.file("ca.crt"),
                crl: crl.map(Path::to_path_buf),
                required,
            }),
        }
    }

    fn acceptor(&self, required: bool) -> Acceptor {
        let files = self.files(required, None);
        Acceptor::open("clients", &files).unwrap().0
    }

    /// What the acceptor makes of a client that shows this.
    async fn enter(&self, acceptor: &Acceptor, shown: Option<&Issued>) -> Entered {
        enter(acceptor, self.server.client(shown)).await
    }
}

/// The names of the certificate, where there is one; an error: nobody was let in.
type Entered = Result<Option<Vec<Box<str>>>, ()>;

async fn enter(acceptor: &Acceptor, client: ClientConfig) -> Entered {
    let accepted = accepted(acceptor, client).await.ok_or(())?;
    Ok(accepted
        .certificate
        .map(|shown| shown.certificate().names.clone()))
}

async fn accepted(acceptor: &Acceptor, client: ClientConfig) -> Option<Accepted<TcpStream>> {
    let (near, far) = connected().await;
    let shaken = async {
        let name = "localhost".try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(client))
            .connect(name, far)
            .await?;
        stream.write_all(b"hello").await?;
        // In TLS 1.3 the server's verdict comes after the client's handshake.
        stream.read_to_end(&mut Vec::new()).await
    };
    let accepted = async {
        let mut accepted = acceptor.accept(near).await?;
        let mut hello = [0; 5];
        accepted.stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello, b"hello");
        accepted.stream.shutdown().await.unwrap();
        Some(accepted)
    };
    let (_, accepted) = tokio::join!(shaken, accepted);
    accepted
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (far, near) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap().0, far.unwrap())
}

#[tokio::test]
async fn a_certificate_that_is_verified_becomes_names_and_a_fingerprint() {
    let door = Door::new();
    let agent = door.clients.issue("build", |params| {
        params.subject_alt_names = vec![SanType::URI("spiffe://corp/a".try_into().unwrap())];
        params.not_after = date_time_ymd(3000, 1, 2);
    });
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = door.server.client_speaking(&[version], Some(&agent));
        let accepted = accepted(&door.acceptor(true), client).await.unwrap();
        let shown = accepted.certificate.unwrap();
        let shown = shown.certificate();
        assert_eq!(
            shown.names,
            ["uri:spiffe://corp/a", "cn:build"].map(Into::into)
        );
        assert_eq!(shown.fingerprint[..], Sha256::digest(agent.der())[..]);
        assert_eq!(shown.not_after, date_time_ymd(3000, 1, 2));
    }
}

#[tokio::test]
async fn who_must_show_a_certificate_is_let_in_with_a_good_one_alone() {
    let door = Door::new();
    let acceptor = door.acceptor(true);
    let good = door.clients.issue("good", |_| {});
    let named = Ok(Some(vec!["cn:good".into()]));
    assert_eq!(door.enter(&acceptor, Some(&good)).await, named);
    assert_eq!(door.enter(&acceptor, None).await, Err(()), "none");
    let strange = Authority::new("client CA").issue("good", |_| {});
    assert_eq!(
        door.enter(&acceptor, Some(&strange)).await,
        Err(()),
        "another CA"
    );
    let expired = door.clients.issue("good", |params| {
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    assert_eq!(
        door.enter(&acceptor, Some(&expired)).await,
        Err(()),
        "expired"
    );
    let early = door.clients.issue("good", |params| {
        params.not_before = date_time_ymd(3001, 1, 1);
    });
    assert_eq!(
        door.enter(&acceptor, Some(&early)).await,
        Err(()),
        "not yet valid"
    );
    let unspeakable = door.clients.issue("go\nod", |_| {});
    assert_eq!(
        door.enter(&acceptor, Some(&unspeakable)).await,
        Err(()),
        "names"
    );
}

#[tokio::test]
async fn who_may_show_a_certificate_needs_none_but_a_bad_one_is_refused() {
    let door = Door::new();
    let acceptor = door.acceptor(false);
    assert_eq!(door.enter(&acceptor, None).await, Ok(None));
    let strange = Authority::new("client CA").issue("good", |_| {});
    assert_eq!(door.enter(&acceptor, Some(&strange)).await, Err(()));
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let door = Door::new();
    let crl = door.file("revoked.pem");
    std::fs::write(&crl, door.clients.revocations(&[7], 3000)).unwrap();
    let files = door.files(true, Some(&crl));
    let acceptor = Acceptor::open("clients", &files).unwrap().0;
    let numbered = |serial: u64| {
        let issue = |params: &mut rcgen::CertificateParams| {
            params.serial_number = Some(serial.into());
        };
        door.clients.issue("good", issue)
    };
    assert_eq!(door.enter(&acceptor, Some(&numbered(7))).await, Err(()));
    assert!(door.enter(&acceptor, Some(&numbered(8))).await.is_ok());
    // Of an authority that the list is not from, nobody knows who is revoked.
    let other = Authority::new("other CA");
    std::fs::write(door.file("ca.crt"), door.clients.pem() + &other.pem()).unwrap();
    let acceptor = Acceptor::open("clients", &files).unwrap().0;
    let unlisted = other.issue("good", |_| {});
    assert_eq!(door.enter(&acceptor, Some(&unlisted)).await, Err(()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_does_not_outlive_what_its_certificate_rests_on() {
    let door = Door::new();
    let (crl, ca) = (door.file("revoked.pem"), door.file("ca.crt"));
    let list = |revoked: &[u64]| std::fs::write(&crl, door.clients.revocations(revoked, 3000));
    list(&[7]).unwrap();
    let acceptor = Acceptor::open("clients", &door.files(true, Some(&crl)));
    let (acceptor, mut watch) = acceptor.unwrap();
    let own = door.clients.issue("good", |params| {
        params.serial_number = Some(8.into());
    });
    let client = door.server.client(Some(&own));
    let shown = accepted(&acceptor, client).await.unwrap().certificate;
    let shown = shown.unwrap();
    let mut taken_over = async || {
        let reason = watch.changed().await;
        acceptor.reload(reason);
        shown.stands()
    };
    assert_eq!(shown.stands(), Ok(()));
    list(&[7, 8]).unwrap();
    assert_eq!(taken_over().await, Err(Distrust::Revoked));
    list(&[7]).unwrap();
    assert_eq!(taken_over().await, Ok(()));
    // What cannot be used changes nothing.
    std::fs::write(&crl, "nothing").unwrap();
    assert_eq!(taken_over().await, Ok(()));
    list(&[]).unwrap();
    let other = Authority::new("other CA");
    std::fs::write(&ca, other.pem()).unwrap();
    assert_eq!(taken_over().await, Err(Distrust::Untrusted));
}

#[tokio::test]
async fn a_session_is_not_taken_up_again_where_certificates_count() {
    let door = Door::new();
    let acceptor = door.acceptor(true);
    let client = door
        .server
        .client(Some(&door.clients.issue("good", |_| {})));
    for _ in 0..2 {
        let accepted = accepted(&acceptor, client.clone()).await.unwrap();
        let kind = accepted.stream.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn nothing_but_http_1_1_is_offered() {
    let door = Door::new();
    let acceptor = door.acceptor(false);
    for (offered, spoken) in [
        (vec!["h2", "http/1.1"], Ok(Some("http/1.1"))),
        (vec![], Ok(None)),
        (vec!["h2"], Err(())),
    ] {
        let mut client = door.server.client(None);
        client.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let accepted = accepted(&acceptor, client).await.ok_or(());
        let found = accepted.map(|accepted| {
            let name = accepted.stream.get_ref().1.alpn_protocol();
            name.map(|name| String::from_utf8(name.to_vec()).unwrap())
        });
        let spoken = spoken.map(|name| name.map(str::to_owned));
        assert_eq!(found, spoken, "{offered:?}");
    }
}

#[tokio::test]
async fn whoever_speaks_plain_http_is_told_what_is_spoken() {
    let door = Door::new();
    let acceptor = door.acceptor(false);
    let (near, mut far) = connected().await;
    far.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut said = String::new();
    let (accepted, read) = tokio::join!(acceptor.accept(near), far.read_to_string(&mut said));
    read.unwrap();
    assert!(accepted.is_none());
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    assert!(said.contains("use https://"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_ended() {
    let door = Door::new();
    let acceptor = door.acceptor(false);
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let (near, mut far) = connected().await;
        far.write_all(begun).await.unwrap();
        let began = tokio::time::Instant::now();
        assert!(acceptor.accept(near).await.is_none());
        assert_eq!(began.elapsed().as_secs(), 10, "after {begun:?}");
    }
}

#[tokio::test]
async fn files_that_change_are_taken_over_as_soon_as_they_fit() {
    let door = Door::new();
    let files = door.files(false, None);
    let (acceptor, watch) = Acceptor::open("clients", &files).unwrap();
    let mut following = tokio::task::JoinSet::new();
    following.spawn(acceptor.clone().follow(watch));
    let next = door.server.issue("gateway", |params| {
        params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
        params.not_after = date_time_ymd(3000, 1, 2);
    });
    let until = async |what: &str| {
        for _ in 0..200 {
            let state = acceptor.state().unwrap_or_else(|why| why);
            if state.contains(what) {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {what:?}: {:?}", acceptor.state());
    };
    std::fs::write(door.file("tls.crt"), &next.cert).unwrap();
    let state = until("refused").await;
    assert!(state.contains("is not the key of"), "{state}");
    assert!(acceptor.state().is_err());
    assert_eq!(
        door.enter(&acceptor, None).await,
        Ok(None),
        "the old one goes on"
    );
    std::fs::write(door.file("tls.key"), &next.key).unwrap();
    until("certificate until 3000-01-02").await;
    assert!(acceptor.state().is_ok());
    assert_eq!(door.enter(&acceptor, None).await, Ok(None));
}
