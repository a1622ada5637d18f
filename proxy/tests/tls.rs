//! TLS on both listeners: what is served over it is what is served without, the files
//! are taken over while streams run, and nobody is let in who must not be.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use harness::authority::{Authority, Issued};
use harness::tls::{Secure, get};
use harness::wire::{chat_request, text_of};
use harness::{Gateway, LATTICE, MODELS, Reply, Upstream, ask, config, eventually, python, signal};
use lattice_loadtest::mock::passage;
use rustls::ClientConfig;
use serde_json::{Value, json};

/// How long a change of files may take to be served with.
const TAKEN_OVER: Duration = Duration::from_secs(15);

/// A gateway with TLS for clients, and what it was made of.
struct Secured {
    gateway: Gateway,
    upstream: Upstream,
    authority: Authority,
    /// A client that trusts the authority.
    client: ClientConfig,
    first: Issued,
}

impl Secured {
    /// `more` follows the certificate and the key in `server.tls`.
    fn start(more: &str, files: &[(&str, &str)]) -> Self {
        Self::start_with(more, "", MODELS, files)
    }

    /// `after` follows `server.tls`, and `sections` are the rest of the configuration.
    fn start_with(more: &str, after: &str, sections: &str, files: &[(&str, &str)]) -> Self {
        let (upstream, authority) = (Upstream::start(), Authority::new("server CA"));
        let first = authority.server(1);
        let tls = format!("cert: tls.crt, key: tls.key{more}");
        let settings = config(&upstream, sections).replace(
            "drain_seconds: 20",
            &format!("drain_seconds: 20, tls: {{ {tls} }}{after}"),
        );
        let mut gateway = Gateway::prepare(&settings, &[]);
        put(gateway.path(), &first);
        for (name, text) in files {
            let file = gateway.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        gateway.launch();
        Self {
            gateway,
            upstream,
            client: authority.client(None),
            authority,
            first,
        }
    }

    fn open(&self) -> Secure {
        Secure::open(&self.gateway.clients, &self.client).unwrap()
    }

    /// The certificate that a new handshake shows is this one.
    fn shows(&self, issued: &Issued) -> bool {
        self.open().certificate() == issued.der()
    }

    fn reloads(&self, result: &str) -> u64 {
        let series =
            format!("lattice_tls_reloads_total{{listener=\"clients\",result=\"{result}\"}} ");
        let metrics = self.gateway.metrics();
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        line.map_or(0, |count| count.parse().unwrap())
    }

    fn part(&self) -> Value {
        self.gateway.readyz().json()["parts"]["tls_clients"].clone()
    }
}

/// Writes the pair where the gateway looks for it.
fn put(folder: &Path, pair: &Issued) {
    std::fs::write(folder.join("tls.crt"), &pair.cert).unwrap();
    std::fs::write(folder.join("tls.key"), &pair.key).unwrap();
}

/// Longer lines of a key's file; none of them may be said anywhere.
fn lines_of(pair: &Issued) -> impl Iterator<Item = &str> {
    pair.key
        .lines()
        .filter(|line| !line.starts_with('-') && line.len() > 8)
}

/// The client's address is known above the encryption.
const FROM_HERE: &str = r#"package lattice.authz

decision := {"allow": input.context.source == "127.0.0.1", "deny": [], "obligations": []}
"#;

#[test]
fn both_listeners_speak_tls_and_nothing_else() {
    let after = ", admin_tls: { cert: tls.crt, key: tls.key }";
    let sections = format!("{MODELS}policy: {{ dir: ./rules }}\n");
    let rules = [("rules/own.rego", FROM_HERE)];
    let secured = Secured::start_with("", after, &sections, &rules);
    let gateway = &secured.gateway;
    let key = gateway.key("k", &[]);

    // One behind the other, on one connection.
    let mut connection = secured.open();
    let chat = chat_request(&key, &ask("mock", ""));
    connection.send(chat.clone() + &chat + &get("/v1/models", Some(&key)));
    for _ in 0..2 {
        let reply = connection.reply();
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_eq!(connection.reply().json()["object"], "list");

    let mut admin = Secure::open(&gateway.admin, &secured.client).unwrap();
    admin.send(get("/readyz", None));
    let ready = admin.reply();
    assert_eq!(ready.status, 200, "{}", ready.body);
    for part in ["tls_clients", "tls_admin"] {
        let found = &ready.json()["parts"][part];
        assert_eq!(
            found,
            &json!({ "ok": true, "state": "certificate until 4096-01-01T00:00:00Z" })
        );
    }
    admin.send(get("/metrics", None));
    assert!(admin.reply().body.contains("lattice_tls_handshakes_total"));

    // With the addresses as they have become, the doctor finds the one that runs.
    let settings = std::fs::read_to_string(gateway.path().join("lattice.yaml")).unwrap();
    let settings = settings
        .replacen("127.0.0.1:0", &gateway.clients, 1)
        .replacen("127.0.0.1:0", &gateway.admin, 1);
    std::fs::write(gateway.path().join("found.yaml"), settings).unwrap();
    let looked = gateway.cli(&["doctor", "--config", "found.yaml"]).stdout;
    let looked = String::from_utf8(looked).unwrap();
    for found in [
        "certificate until 4096-01-01",
        "is served by a running Lattice",
    ] {
        assert_eq!(looked.matches(found).count(), 2, "{looked}");
    }

    let elsewhere = Authority::new("server CA").client(None);
    for address in [&gateway.clients, &gateway.admin] {
        assert!(Secure::open(address, &elsewhere).is_err(), "{address}");
        let mut plain = TcpStream::connect(address).unwrap();
        plain
            .write_all(get("/v1/models", Some(&key)).as_bytes())
            .unwrap();
        let mut said = String::new();
        plain.read_to_string(&mut said).unwrap();
        assert!(
            said.starts_with("HTTP/1.1 400 ") && said.contains("https://"),
            "{said}"
        );
    }
}

#[test]
fn the_openai_client_asks_over_https() {
    let secured = Secured::start("", &[]);
    let ca = secured.gateway.path().join("ca.crt");
    std::fs::write(&ca, secured.authority.pem()).unwrap();
    let url = format!("https://{}/v1", secured.gateway.clients);
    let mut client = python::script("openai_client.py");
    client
        .args(["chat", "stream"])
        .env("GATEWAY", url)
        .env("KEY", secured.gateway.key("k", &[]))
        .env("SSL_CERT_FILE", &ca);
    let seen = python::lines_of(&mut client);
    assert_eq!(seen.len(), 2);
    for reply in seen {
        assert_eq!(reply["texts"], json!([passage(0, 128)]), "{reply}");
    }
}

#[test]
fn files_are_taken_over_while_a_stream_runs_and_bad_ones_are_not() {
    let secured = Secured::start("", &[]);
    let folder = secured.gateway.path().to_path_buf();
    let key = secured.gateway.key("k", &[]);
    let mut running = secured.open();
    let slow = ask("mock/mock?chunks=120&delay_ms=100", r#","stream":true"#);
    running.send(chat_request(&key, &slow));
    assert_eq!(running.head().status, 200);
    let mut stream = running.chunk();
    assert!(secured.shows(&secured.first));

    let second = secured.authority.server(2);
    put(&folder, &second);
    eventually(TAKEN_OVER, "the new certificate is shown", || {
        secured.shows(&second)
    });
    assert_eq!(
        secured.upstream.mock.running(),
        1,
        "all this while the stream runs"
    );

    // Half of another pair, a file without line ends, and none at all.
    let third = secured.authority.server(3);
    let before = secured.reloads("refused");
    std::fs::write(folder.join("tls.key"), &third.key).unwrap();
    eventually(TAKEN_OVER, "a key that does not fit is refused", || {
        secured.reloads("refused") > before
    });
    assert!(secured.shows(&second));
    let part = secured.part();
    assert_eq!(part["ok"], false, "{part}");
    assert!(
        part["state"]
            .as_str()
            .unwrap()
            .contains("is not the key of"),
        "{part}"
    );
    for damaged in [
        third.key.replace('\n', " "),
        third.key.replace("-----END", ""),
    ] {
        let before = secured.reloads("refused");
        std::fs::write(folder.join("tls.key"), damaged).unwrap();
        eventually(TAKEN_OVER, "a damaged key is refused", || {
            secured.reloads("refused") > before
        });
    }
    let before = secured.reloads("refused");
    std::fs::remove_file(folder.join("tls.key")).unwrap();
    eventually(TAKEN_OVER, "a key that is gone is refused", || {
        secured.reloads("refused") > before
    });
    assert!(secured.shows(&second));

    stream.extend(running.chunks());
    assert_eq!(
        text_of(str::from_utf8(&stream).unwrap()),
        passage(0, 120 * 16)
    );

    put(&folder, &third);
    eventually(TAKEN_OVER, "the next good pair is taken", || {
        secured.shows(&third)
    });
    assert_eq!(secured.part()["ok"], true, "{}", secured.part());
    let before = secured.reloads("taken");
    signal(secured.gateway.pid(), "HUP");
    eventually(TAKEN_OVER, "SIGHUP is heard", || {
        secured.reloads("taken") > before
    });
    // The connection from before all this is still good.
    running.send(chat_request(&key, &ask("mock", "")));
    assert_eq!(running.reply().status, 200);

    let log = secured.gateway.log();
    assert!(log.contains("is not the key of"), "{log}");
    for pair in [&secured.first, &second, &third] {
        for line in lines_of(pair) {
            assert!(!log.contains(line), "a key is in the log: {log}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_volume_of_kubernetes_is_followed() {
    use std::os::unix::fs::symlink;
    let secured = Secured::start("", &[]);
    let folder = secured.gateway.path().to_path_buf();
    let second = secured.authority.server(2);
    // As the kubelet does it: the files are links into a link, and that is swapped.
    for (version, pair) in [("v1", &secured.first), ("v2", &second)] {
        std::fs::create_dir(folder.join(version)).unwrap();
        put(&folder.join(version), pair);
    }
    symlink("v1", folder.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        std::fs::remove_file(folder.join(name)).unwrap();
        symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
    }
    // The same files, by another way.
    std::thread::sleep(Duration::from_secs(3));
    assert!(secured.shows(&secured.first));
    symlink("v2", folder.join("..next")).unwrap();
    std::fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
    eventually(TAKEN_OVER, "the new version is shown", || {
        secured.shows(&second)
    });
}

#[test]
fn without_a_certificate_of_its_own_no_client_is_served_where_one_is_required() {
    let clients = Authority::new("client CA");
    let secured = Secured::start(
        ", client_ca: ca.crt, client_auth: required",
        &[("ca.crt", &clients.pem())],
    );
    let key = secured.gateway.key("k", &[]);
    let served = |shown: Option<&Issued>| -> Option<Reply> {
        let client = secured.authority.client(shown);
        let mut connection = Secure::open(&secured.gateway.clients, &client).ok()?;
        connection.send(get("/v1/models", Some(&key)));
        connection.reply_or_close()
    };
    let good = clients.issue("agent", |_| {});
    assert_eq!(served(Some(&good)).map(|reply| reply.status), Some(200));
    let expired = clients.issue("agent", |params| {
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let strange = Authority::new("client CA").issue("agent", |_| {});
    for (what, shown) in [
        ("none", None),
        ("an expired one", Some(&expired)),
        ("one of another authority", Some(&strange)),
    ] {
        assert!(served(shown).is_none(), "{what} is served");
    }
    // Whom the gateway trusts is taken over as the rest is.
    let next = Authority::new("next CA");
    std::fs::write(secured.gateway.path().join("ca.crt"), next.pem()).unwrap();
    let new = next.issue("agent", |_| {});
    eventually(TAKEN_OVER, "the new authority is trusted", || {
        served(Some(&new)).is_some()
    });
    assert!(
        served(Some(&good)).is_none(),
        "the old authority is trusted"
    );
}

#[test]
fn the_stop_is_as_orderly_as_without_encryption() {
    let mut secured = Secured::start("", &[]);
    let key = secured.gateway.key("k", &[]);
    let mut idle = secured.open();
    idle.send(chat_request(&key, &ask("mock", "")));
    assert_eq!(idle.reply().status, 200);
    // It has connected and says nothing.
    let mut silent = TcpStream::connect(&secured.gateway.clients).unwrap();
    let mut running = secured.open();
    let slow = ask("mock/mock?chunks=60&delay_ms=50", r#","stream":true"#);
    running.send(chat_request(&key, &slow));
    assert_eq!(running.head().status, 200);
    let mut stream = running.chunk();

    secured.gateway.terminate();
    let told = Instant::now();
    assert!(idle.reply_or_close().is_none());
    assert!(matches!(silent.read(&mut [0]), Ok(0) | Err(_)));
    assert!(
        told.elapsed() < Duration::from_secs(2),
        "{:?}",
        told.elapsed()
    );
    assert_eq!(
        secured.upstream.mock.running(),
        1,
        "all this while the stream runs"
    );
    stream.extend(running.chunks());
    assert_eq!(
        text_of(str::from_utf8(&stream).unwrap()),
        passage(0, 60 * 16)
    );
    assert!(running.reply_or_close().is_none());
    assert_eq!(secured.gateway.wait(), Some(0), "{}", secured.gateway.log());
}

#[test]
fn a_client_that_leaves_cancels_its_upstream() {
    let secured = Secured::start("", &[]);
    let key = secured.gateway.key("k", &[]);
    for says_so in [true, false] {
        let mut connection = secured.open();
        let long = ask("mock/mock?chunks=600&delay_ms=100", r#","stream":true"#);
        connection.send(chat_request(&key, &long));
        assert_eq!(connection.head().status, 200);
        assert_eq!(secured.upstream.mock.running(), 1);
        if says_so {
            connection.half_close();
        }
        drop(connection);
        eventually(Duration::from_secs(5), "the upstream is cancelled", || {
            secured.upstream.mock.running() == 0
        });
    }
}

#[test]
fn a_client_that_reads_nothing_is_sent_no_more_than_it_can_take() {
    const EVENT: u64 = 64 << 10;
    const EVENTS: u64 = 1000;
    /// Buffers of sockets, which the kernel sizes, and those of TLS.
    const UNDER_WAY: u64 = 40 << 20;
    let secured = Secured::start("", &[]);
    let key = secured.gateway.key("k", &[]);
    let mut connection = secured.open();
    let large = ask(
        &format!("mock/mock?chunks={EVENTS}&chunk_bytes={EVENT}"),
        r#","stream":true"#,
    );
    connection.send(chat_request(&key, &large));
    assert_eq!(connection.head().status, 200);
    let produced = || secured.upstream.mock.billed().output_tokens * EVENT;
    // Until nothing more comes for a second.
    let mut before = None;
    while before != Some(produced()) {
        before = Some(produced());
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(produced() < UNDER_WAY, "{} bytes were produced", produced());
    let stream = connection.chunks();
    assert!(stream.len() as u64 > EVENTS * EVENT, "{}", stream.len());
    assert!(stream.ends_with(b"data: [DONE]\n\n"));
}

/// What `lattice config check` says to these files, and its exit code.
fn checked(folder: &Path, files: &str) -> (Option<i32>, String) {
    let text = format!("server: {{ listen: 0.0.0.0:8443, tls: {{ {files} }} }}\n");
    std::fs::write(folder.join("lattice.yaml"), text).unwrap();
    let output = Command::new(LATTICE)
        .args(["config", "check"])
        .current_dir(folder)
        .env_remove("LATTICE_CONFIG")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// What is wrong, and the files that are named then.
const UNUSABLE: [(&str, &str); 17] = [
    ("no file", "cert: none.crt, key: tls.key"),
    ("the key in both places", "cert: tls.key, key: tls.key"),
    (
        "the certificate in both places",
        "cert: tls.crt, key: tls.crt",
    ),
    ("the key of another", "cert: tls.crt, key: other.key"),
    ("two keys", "cert: tls.crt, key: both.key"),
    ("a key in one line", "cert: tls.crt, key: one-line.key"),
    ("half a key", "cert: tls.crt, key: cut.key"),
    ("an encrypted key", "cert: tls.crt, key: locked.key"),
    ("a key that is none", "cert: tls.crt, key: nonsense.key"),
    (
        "a certificate of yesterday",
        "cert: ended.crt, key: ended.key",
    ),
    (
        "a certificate of tomorrow",
        "cert: early.crt, key: early.key",
    ),
    (
        "an empty CA",
        "cert: tls.crt, key: tls.key, client_ca: empty",
    ),
    (
        "a CA that is a key",
        "cert: tls.crt, key: tls.key, client_ca: tls.key",
    ),
    (
        "certificates that nobody verifies",
        "cert: tls.crt, key: tls.key, client_auth: optional",
    ),
    (
        "a list of yesterday",
        "cert: tls.crt, key: tls.key, client_ca: ca.crt, client_crl: old.crl",
    ),
    (
        "a list that is none",
        "cert: tls.crt, key: tls.key, client_ca: ca.crt, client_crl: empty",
    ),
    ("no key", "cert: tls.crt"),
];

/// Good files and bad ones; returns the keys, none of which may be shown.
fn fill(folder: &Path) -> [Issued; 4] {
    let authority = Authority::new("CA");
    let (good, other) = (authority.server(1), authority.server(2));
    let dated = |from: i32, to: i32| {
        authority.issue("gateway", |params| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        })
    };
    let (expired, early) = (dated(2000, 2001), dated(3000, 3001));
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    put(folder, &good);
    write("other.key", &other.key);
    write("both.key", &(good.key.clone() + &other.key));
    write("one-line.key", &good.key.replace('\n', " "));
    write("cut.key", &good.key[..good.key.len() - 40]);
    write(
        "locked.key",
        &good.key.replace("PRIVATE", "ENCRYPTED PRIVATE"),
    );
    write("nonsense.key", &good.key.replacen("MIG", "MIH", 1));
    write("ended.crt", &expired.cert);
    write("ended.key", &expired.key);
    write("early.crt", &early.cert);
    write("early.key", &early.key);
    write("ca.crt", &authority.pem());
    write("empty", "");
    write("old.crl", &authority.revocations(&[1], 2001));
    write("new.crl", &authority.revocations(&[1], 3000));
    [good, other, expired, early]
}

#[test]
fn files_that_cannot_be_used_are_refused_by_name_and_no_key_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let issued = fill(folder.path());
    let sound = "cert: tls.crt, key: tls.key, client_ca: ca.crt, client_crl: new.crl";
    let (code, said) = checked(folder.path(), sound);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("server.tls: certificate until 4096-01-01"),
        "{said}"
    );

    let mut report = String::new();
    for (what, files) in UNUSABLE {
        let (code, said) = checked(folder.path(), files);
        assert_eq!(code, Some(1), "{what}: {said}");
        for line in issued.iter().flat_map(lines_of) {
            assert!(!said.contains(line), "{what}: {said}");
        }
        report += &format!("{what}\n  {}\n", said.trim_end());
    }
    insta::assert_snapshot!(report, @r"
    no file
      lattice: server.tls.cert: cannot read none.crt: No such file or directory (os error 2); correct the path, or let this user read it
    the key in both places
      lattice: server.tls.cert: tls.key holds no certificate; put it there in PEM form, from `-----BEGIN` to `-----END`
    the certificate in both places
      lattice: server.tls.key: tls.crt holds no private key; put it there in PEM form, from `-----BEGIN` to `-----END`
    the key of another
      lattice: server.tls.key: other.key is not the key of the certificate in tls.crt, whose own certificate must come first; put the two that belong together there
    two keys
      lattice: server.tls.key: both.key holds more than one private key; keep that of the certificate
    a key in one line
      lattice: server.tls.key: one-line.key is damaged; put the private key there in PEM form, each marker on a line of its own
    half a key
      lattice: server.tls.key: cut.key is damaged; put the private key there in PEM form, each marker on a line of its own
    an encrypted key
      lattice: server.tls.key: locked.key holds an encrypted key; decrypt it with `openssl pkey`, and let nobody else read it
    a key that is none
      lattice: server.tls.key: nonsense.key is no key that is usable here; make one with RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519
    a certificate of yesterday
      lattice: server.tls.cert: ended.crt holds a certificate that ended at 2001-01-01T00:00:00Z; renew it
    a certificate of tomorrow
      lattice: server.tls.cert: early.crt holds a certificate that is not valid before 3000-01-01T00:00:00Z; wait until then, or set this machine's clock right
    an empty CA
      lattice: server.tls.client_ca: empty holds no certificate; put it there in PEM form, from `-----BEGIN` to `-----END`
    a CA that is a key
      lattice: server.tls.client_ca: tls.key holds no certificate; put it there in PEM form, from `-----BEGIN` to `-----END`
    certificates that nobody verifies
      lattice: server.tls.client_ca: is missing: certificates of clients are verified against it; point it at the certificate of whoever issues them
    a list of yesterday
      lattice: server.tls.client_crl: old.crl holds a revocation list that is out of date since 2001-01-01T00:00:00Z; fetch the new one
    a list that is none
      lattice: server.tls.client_crl: empty holds no revocation list; put it there in PEM form, from `-----BEGIN` to `-----END`
    no key
      lattice: lattice.yaml:1:40: `key` is missing
    ");
}

/// The framing cases that must be refused: over TLS they are as well, and the
/// connection ends.
#[test]
fn what_is_not_framed_well_is_refused_over_tls_too() {
    let Some(fixtures) = python::fixtures() else {
        return;
    };
    let secured = Secured::start("", &[]);
    let key = secured.gateway.key("k", &[]);
    let text = std::fs::read_to_string(fixtures.join("http1/smuggling.jsonl")).unwrap();
    let mut ran = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        if case["expect"] != "reject" {
            continue;
        }
        let name = &case["name"];
        let raw = BASE64_STANDARD
            .decode(case["raw_b64"].as_str().unwrap())
            .unwrap();
        let credential = format!("\r\nAuthorization: Bearer {key}\r\n");
        let line = raw.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let keyed = [&raw[..line], credential.as_bytes(), &raw[line + 2..]].concat();
        let mut connection = secured.open();
        connection.send(keyed);
        let reply = connection.reply();
        assert_eq!(
            (reply.status, &*reply.code()),
            (400, "caller_malformed"),
            "{name}"
        );
        assert_eq!(reply.header("connection"), Some("close"), "{name}");
        assert!(
            connection.reply_or_close().is_none(),
            "{name}: something follows"
        );
        ran += 1;
    }
    assert!(ran >= 10, "only {ran} cases");
    // A body that ends before its time is no request, however the client leaves.
    let mut cut = secured.open();
    cut.send(&chat_request(&key, &ask("mock", ""))[..200]);
    cut.half_close();
    assert!(cut.reply_or_close().is_none_or(|reply| reply.status == 400));
    assert_eq!(
        secured.upstream.mock.seen(),
        0,
        "none of them reached the provider"
    );
    println!("{ran} cases over TLS");
}
