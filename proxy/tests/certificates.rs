//! Client certificates that name a principal, where no other credential is sent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::authority::{Authority, Issued};
use harness::tls::{Secure, get};
use harness::{Gateway, Reply, Upstream, config};
use rcgen::SanType;

const TARGET: &str = "targets: [ { provider: mock, model: mock } ]";
const BUILD: &str = "spiffe://corp/agent/build";

/// Asks for the models with this certificate, and with this key.
fn listed(
    gateway: &Gateway,
    server: &Authority,
    shown: Option<&Issued>,
    key: Option<&str>,
) -> Reply {
    let client = server.client(shown);
    let mut connection = Secure::open(&gateway.clients, &client).unwrap();
    connection.send(get("/v1/models", key));
    connection.reply()
}

#[test]
fn a_certificate_stands_for_the_agent_that_it_was_given_to() {
    let (server, clients) = (Authority::new("server CA"), Authority::new("client CA"));
    let upstream = Upstream::start();
    let tls = "drain_seconds: 20, tls: { cert: tls.crt, key: tls.key, client_ca: ca.crt, client_auth: optional }";
    let settings = config(
        &upstream,
        &format!(
            "models:\n  - {{ name: small, {TARGET} }}\n  - {{ name: large, {TARGET} }}\n\
             identity: {{ certificates: [ {{ name: \"uri:{BUILD}\", agent: build, team: research, roles: [member] }} ] }}\n"
        ),
    );
    let mut gateway = Gateway::prepare(&settings.replace("drain_seconds: 20", tls), &[]);
    let own = server.server(1);
    for (name, text) in [
        ("tls.crt", &own.cert),
        ("tls.key", &own.key),
        ("ca.crt", &clients.pem()),
    ] {
        std::fs::write(gateway.path().join(name), text).unwrap();
    }
    gateway.launch();
    let named = |uri: &str| {
        clients.issue("program", |params| {
            params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        })
    };
    let build = named(BUILD);
    let show = |shown: Option<&Issued>, key: Option<&str>| listed(&gateway, &server, shown, key);

    // Its team is not there: without the team's limits nobody is let in.
    let reply = show(Some(&build), None);
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "identity_unknown")
    );
    assert!(
        gateway.log().contains("lattice team create"),
        "{}",
        gateway.log()
    );

    gateway.lattice(&["team", "create", "research", "--models", "small"]);
    harness::eventually(
        std::time::Duration::from_secs(5),
        "the team is there",
        || show(Some(&build), None).status == 200,
    );
    let models = show(Some(&build), None).json();
    assert_eq!(models["data"].as_array().unwrap().len(), 1, "{models}");
    assert_eq!(models["data"][0]["id"], "small");

    let other = named("spiffe://corp/agent/other");
    let reply = show(Some(&other), None);
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "identity_unknown")
    );
    let reply = show(None, None);
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "identity_missing")
    );

    // A key decides where one is sent.
    let key = gateway.key("k", &[]);
    let models = show(Some(&build), Some(&key)).json();
    assert_eq!(models["data"].as_array().unwrap().len(), 2, "{models}");
    let reply = show(Some(&build), Some("lat_wrong"));
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "identity_unknown")
    );
}

/// Only TLS tells that a certificate is revoked, and only at the handshake: whoever keeps a
/// connection open must not outlive the list that names it.
#[test]
fn a_certificate_that_is_revoked_is_refused_on_its_open_connection() {
    let (server, clients) = (Authority::new("server CA"), Authority::new("client CA"));
    let upstream = Upstream::start();
    let files = "cert: tls.crt, key: tls.key, client_ca: ca.crt, client_crl: revoked.pem";
    let tls = format!(
        "drain_seconds: 20, tls: {{ {files}, client_auth: optional }}, admin_tls: {{ {files} }}"
    );
    let settings = config(
        &upstream,
        &format!(
            "models:\n  - {{ name: small, {TARGET} }}\n\
             identity: {{ certificates: [ {{ name: \"cn:build\", agent: build, roles: [member] }} ] }}\n"
        ),
    );
    let mut gateway = Gateway::prepare(&settings.replace("drain_seconds: 20", &tls), &[]);
    let (own, revoked) = (server.server(1), gateway.path().join("revoked.pem"));
    for (name, text) in [
        ("tls.crt", &own.cert),
        ("tls.key", &own.key),
        ("ca.crt", &clients.pem()),
    ] {
        std::fs::write(gateway.path().join(name), text).unwrap();
    }
    std::fs::write(&revoked, clients.revocations(&[6], 3000)).unwrap();
    gateway.launch();
    let build = clients.issue("build", |params| params.serial_number = Some(7.into()));
    let client = server.client(Some(&build));
    let open = |address: &str| Secure::open(address, &client).unwrap();
    let key = gateway.key("k", &[]);
    let (mut bare, mut keyed) = (open(&gateway.clients), open(&gateway.clients));
    let mut admin = open(&gateway.admin);
    for (connection, key) in [(&mut bare, None), (&mut keyed, Some(&*key))] {
        connection.send(get("/v1/models", key));
        assert_eq!(connection.reply().status, 200);
    }
    admin.send(get("/healthz", None));
    assert_eq!(admin.reply().status, 200);

    std::fs::write(&revoked, clients.revocations(&[6, 7], 3000)).unwrap();
    let patience = std::time::Duration::from_secs(10);
    harness::eventually(patience, "the list is taken over", || {
        gateway
            .log()
            .matches("new handshakes use the files")
            .count()
            == 2
    });
    for (connection, key) in [(&mut bare, None), (&mut keyed, Some(&*key))] {
        connection.send(get("/v1/models", key));
        let reply = connection.reply();
        let found = (reply.status, reply.code());
        assert_eq!(found, (401, "identity_revoked".into()), "{}", reply.body);
        assert!(connection.reply_or_close().is_none(), "it is closed");
    }
    admin.send(get("/healthz", None));
    assert!(
        admin.reply_or_close().is_none(),
        "nor is the admin's served"
    );
}
