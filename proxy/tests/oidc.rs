//! Tokens of a real OpenID provider: panva's `oidc-provider` on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use harness::{Gateway, Reply, Upstream, ask, config, eventually, node, of_kind, post, python};
use serde_json::Value;

/// The provider, in a process of its own.
struct Provider {
    child: Child,
    issuer: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Provider {
    /// `None`, and a word about it, where the package is not installed.
    fn start(test: &str) -> Option<Self> {
        let package = python::tools().join("node/node_modules/oidc-provider");
        if !package.is_dir() {
            eprintln!("skipped: {test}: oidc-provider is not there; run `cargo xtask setup`");
            return None;
        }
        let mut child = node::script("openid_provider.mjs")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let said = child.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut line).unwrap();
        Some(Self {
            issuer: line.trim().to_owned(),
            child,
        })
    }

    /// A token of the client, which is for the resource.
    fn token(&self, client: &str, resource: &str) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", client),
            ("resource", resource),
        ];
        let url = format!("{}/token", self.issuer);
        let mut reply = harness::agent().post(url).send_form(form).unwrap();
        let text = reply.body_mut().read_to_string().unwrap();
        let reply: Value = serde_json::from_str(&text).unwrap();
        let token = reply["access_token"].as_str();
        token
            .unwrap_or_else(|| panic!("no token: {text}"))
            .to_owned()
    }

    /// New keys for the old ones.
    fn rotate(&self) {
        post(&format!("{}/-/rotate", self.issuer), None, "");
    }

    /// How often its keys were fetched.
    fn fetched(&self) -> u32 {
        let url = format!("{}/-/fetched", self.issuer);
        let mut reply = harness::agent().get(url).call().unwrap();
        reply.body_mut().read_to_string().unwrap().parse().unwrap()
    }
}

const TARGET: &str = "targets: [ { provider: mock, model: mock, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } ]";

fn gateway(upstream: &Upstream, provider: &Provider, more: &str) -> Gateway {
    let issuer = &provider.issuer;
    let gateway = Gateway::start(&config(
        upstream,
        &format!(
            "models:\n  - {{ name: small, {TARGET} }}\n  - {{ name: large, {TARGET} }}\n\
             identity:\n  oidc:\n    - issuer: {issuer}\n      audience: lattice\n      algorithms: [RS256, PS256, ES256, EdDSA]\n      \
             teams: {{ idp-research: research }}\n      roles: {{ idp-admins: org:admin }}\n{more}"
        ),
    ));
    gateway.lattice(&["team", "create", "research", "--models", "small"]);
    gateway
}

fn models(gateway: &Gateway, token: &str) -> Vec<String> {
    let listed = gateway.get(Some(token), "/v1/models").json();
    let listed = listed["data"]
        .as_array()
        .unwrap_or_else(|| panic!("{listed}"));
    let names = listed.iter().map(|model| model["id"].as_str().unwrap());
    names.map(ToOwned::to_owned).collect()
}

fn refused(reply: &Reply) -> (u16, String) {
    (reply.status, reply.code())
}

#[test]
fn a_token_of_each_algorithm_is_served_as_a_key_is() {
    let test = "a_token_of_each_algorithm_is_served_as_a_key_is";
    let Some(provider) = Provider::start(test) else {
        return;
    };
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, &provider, "");
    for algorithm in ["rs256", "ps256", "es256", "eddsa"] {
        let token = provider.token("researcher", &format!("urn:lattice:{algorithm}"));
        let reply = gateway.chat(&token, &ask("small", ""));
        assert_eq!(reply.status, 200, "{algorithm}: {}", reply.body);
    }
    // Whatever header a client sends its key in.
    let token = provider.token("researcher", "urn:lattice:es256");
    for header in ["x-api-key", "x-goog-api-key", "api-key"] {
        let url = gateway.url("/v1/models");
        let reply = harness::agent()
            .get(url)
            .header(header, &token)
            .call()
            .unwrap();
        assert_eq!(reply.status(), 200, "{header}");
    }
    assert_eq!(
        provider.fetched(),
        1,
        "keys are fetched, not asked for each time"
    );
    let ready = gateway.readyz().json();
    let part = &ready["parts"]["oidc"];
    assert_eq!(part["ok"], true, "{ready}");
    let state = part["state"].as_str().unwrap();
    assert!(state.starts_with(&provider.issuer), "{state}");
    assert!(state.contains("keys, fetched"), "{state}");

    let leaves = gateway.leaves();
    let recorded = of_kind(&leaves, "intent")[0].to_string();
    assert!(recorded.contains("research"), "{recorded}");
    let kept = format!(
        "{}{}",
        gateway.log(),
        serde_json::to_string(&leaves).unwrap()
    );
    for part in token.split('.') {
        assert!(!kept.contains(part), "a part of the token is kept");
    }
}

#[test]
fn groups_and_roles_of_the_provider_decide_what_policy_allows() {
    let test = "groups_and_roles_of_the_provider_decide_what_policy_allows";
    let Some(provider) = Provider::start(test) else {
        return;
    };
    let upstream = Upstream::start();
    let researcher = provider.token("researcher", "urn:lattice:es256");
    let visitor = provider.token("visitor", "urn:lattice:es256");
    let shipped = gateway(&upstream, &provider, "");
    assert_eq!(models(&shipped, &researcher), ["small"], "its team's");
    let reply = shipped.chat(&researcher, &ask("large", ""));
    assert_eq!(refused(&reply), (404, "caller_unknown_model".to_owned()));
    drop(shipped);

    // Only what tokens alone can say decides.
    let dir = tempfile::tempdir().unwrap();
    let rules = r#"package lattice.authz

decision := {"allow": allow, "deny": set(), "obligations": set()}

default allow := false

allow if {
	input.subject.type == "user"
	input.subject.properties.auth == "oidc"
	endswith(input.subject.properties.user, "researcher")
	input.subject.properties.team == "research"
	input.subject.properties.roles == ["admin"]
}
"#;
    std::fs::write(dir.path().join("authz.rego"), rules).unwrap();
    let policy = format!("policy: {{ dir: {} }}\n", dir.path().display());
    let own = gateway(&upstream, &provider, &policy);
    assert_eq!(models(&own, &researcher), ["large", "small"]);
    assert_eq!(models(&own, &visitor), [""; 0]);
    let key = own.key("k", &["--team", "research"]);
    assert_eq!(models(&own, &key), [""; 0]);
}

#[test]
fn official_clients_send_tokens_like_keys() {
    let test = "official_clients_send_tokens_like_keys";
    let Some(provider) = Provider::start(test) else {
        return;
    };
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, &provider, "");
    let mut client = python::script("openai_client.py");
    client
        .arg("chat")
        .env("GATEWAY", gateway.url("/v1"))
        .env("KEY", provider.token("researcher", "urn:lattice:rs256"))
        .env("MODEL", "small");
    let said = python::lines_of(&mut client);
    assert_eq!(said.len(), 1);
}

#[test]
fn what_the_provider_gave_to_others_or_for_a_time_does_not_count() {
    let test = "what_the_provider_gave_to_others_or_for_a_time_does_not_count";
    let Some(provider) = Provider::start(test) else {
        return;
    };
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, &provider, "      leeway_seconds: 0\n");
    let for_another = provider.token("researcher", "urn:other");
    let reply = gateway.chat(&for_another, &ask("small", ""));
    assert_eq!(refused(&reply), (401, "identity_unknown".to_owned()));
    let log = gateway.log();
    assert!(log.contains("not for this gateway (`aud`)"), "{log}");

    let short = provider.token("researcher", "urn:lattice:short");
    eventually(Duration::from_secs(10), "the token expires", || {
        let reply = gateway.chat(&short, &ask("small", ""));
        refused(&reply) == (401, "identity_expired".to_owned())
    });
    let forged = provider.token("visitor", "urn:lattice:es256");
    let (head, _) = forged.rsplit_once('.').unwrap();
    let (_, signature) = for_another.rsplit_once('.').unwrap();
    let reply = gateway.chat(&format!("{head}.{signature}"), &ask("small", ""));
    assert_eq!(refused(&reply), (401, "identity_unknown".to_owned()));
    let checked = gateway.lattice(&["config", "check"]);
    let shown = format!("oidc       {} (for lattice)", provider.issuer);
    assert!(checked.contains(&shown), "{checked}");
}

#[test]
fn a_gateway_follows_when_the_provider_changes_its_keys() {
    let test = "a_gateway_follows_when_the_provider_changes_its_keys";
    let Some(provider) = Provider::start(test) else {
        return;
    };
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, &provider, "");
    let status = |token: &str| gateway.chat(token, &ask("small", "")).status;
    let old = provider.token("researcher", "urn:lattice:es256");
    assert_eq!(status(&old), 200);
    provider.rotate();
    assert_eq!(status(&old), 200, "nobody has looked at the new keys");
    let new = provider.token("researcher", "urn:lattice:es256");
    // Keys that were fetched seconds ago are not fetched again for anybody.
    eventually(Duration::from_secs(20), "the new key counts", || {
        status(&new) == 200
    });
    assert_eq!(provider.fetched(), 2);
    let reply = gateway.chat(&old, &ask("small", ""));
    assert_eq!(refused(&reply), (401, "identity_unknown".to_owned()));
    assert_eq!(
        provider.fetched(),
        2,
        "a key that is gone is not looked for at once"
    );
}

#[test]
fn a_provider_that_is_away_is_told_from_a_token_that_does_not_count() {
    let test = "a_provider_that_is_away_is_told_from_a_token_that_does_not_count";
    let Some(provider) = Provider::start(test) else {
        return;
    };
    let token = provider.token("researcher", "urn:lattice:es256");
    let issuer = provider.issuer.clone();
    drop(provider);
    let upstream = Upstream::start();
    let config = config(
        &upstream,
        &format!(
            "models:\n  - {{ name: small, {TARGET} }}\nidentity: {{ oidc: [ {{ issuer: \"{issuer}\", audience: lattice }} ] }}\n"
        ),
    );
    let gateway = Gateway::start(&config);
    let reply = gateway.chat(&token, &ask("small", ""));
    assert_eq!(refused(&reply), (503, "store_unavailable".to_owned()));
    assert!(reply.header("retry-after").is_some());
    let said = reply.json()["error"]["message"].to_string();
    assert!(said.contains("identity provider does not answer"), "{said}");
    let log = gateway.log();
    assert!(log.contains("the provider's keys cannot be had"), "{log}");
    let ready = gateway.readyz();
    assert_eq!(ready.status, 200, "keys of the gateway are served");
    let part = &ready.json()["parts"]["oidc"];
    assert_eq!(part["ok"], false, "{part}");
    let state = part["state"].as_str().unwrap();
    assert!(
        state.contains("no keys yet, cannot be fetched for"),
        "{state}"
    );
}
