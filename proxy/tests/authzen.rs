//! The admin listener: its key, the decisions that it makes for others, and the log of
//! all decisions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use harness::{Gateway, MODELS, Reply, Upstream, agent, ask, config, eventually, signal};
use serde_json::{Value, json};

/// Keys may do as they like; users, who only come by way of `AuthZEN`, must be Ada.
const RULES: &str = r#"package lattice.authz

decision := {"allow": allow, "deny": [], "obligations": []}

default allow := false

allow if input.subject.type == "key"

allow if input.subject.id == "ada"
"#;

const POLICY: &str = "policy:\n  dir: ./rules\n  shadow: 1\n  decision_log: { file: ./decisions.jsonl, mask: [/input/subject/properties/key] }\n";

fn gateway(upstream: &Upstream) -> Gateway {
    let mut gateway = Gateway::prepare(&config(upstream, &format!("{MODELS}{POLICY}")), &[]);
    std::fs::create_dir(gateway.path().join("rules")).unwrap();
    std::fs::write(gateway.path().join("rules/authz.rego"), RULES).unwrap();
    gateway.launch();
    gateway
}

fn admin_key(gateway: &Gateway) -> String {
    let path = gateway.path().join("data/admin.key");
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Asks the admin listener; with a body, it is posted.
fn admin(gateway: &Gateway, path: &str, key: Option<&str>, body: Option<&str>) -> Reply {
    let url = format!("http://{}{path}", gateway.admin);
    let mut head = http::Request::builder()
        .uri(url)
        .header("x-request-id", "r-7");
    if let Some(key) = key {
        head = head.header("authorization", format!("Bearer {key}"));
    }
    let response = match body {
        None => agent().run(head.method("GET").body(()).unwrap()),
        Some(body) => {
            let head = head
                .method("POST")
                .header("content-type", "application/json");
            agent().run(head.body(body.to_owned()).unwrap())
        }
    };
    let (head, mut body) = response.unwrap().into_parts();
    let mut text = String::new();
    body.as_reader().read_to_string(&mut text).unwrap();
    let headers = head.headers.iter();
    Reply {
        status: head.status.as_u16(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: text,
    }
}

fn about(subject: &str) -> Value {
    json!({
        "subject": {"type": "user", "id": subject},
        "action": {"name": "infer"},
        "resource": {"type": "model", "id": "mock"},
    })
}

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";
const CONFIGURATION: &str = "/.well-known/authzen-configuration";

#[test]
fn decisions_are_made_for_whoever_holds_the_admin_key() {
    let upstream = Upstream::start();
    let mut gateway = gateway(&upstream);
    let key = admin_key(&gateway);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::fs::metadata(gateway.path().join("data/admin.key")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    let client = gateway.key("client", &[]);
    let other = format!("{}{}", &key[..4], &client[4..]);
    let question = about("ada").to_string();
    for path in [EVALUATION, EVALUATIONS, CONFIGURATION] {
        for credential in [
            None,
            Some(&*client),
            Some(&*other),
            Some(&key[..41]),
            Some("x"),
        ] {
            for body in [None, Some(&*question)] {
                let reply = admin(&gateway, path, credential, body);
                assert_eq!(reply.status, 401, "{path} {}", reply.body);
                assert_eq!(reply.header("x-request-id"), Some("r-7"));
                assert!(
                    reply
                        .header("www-authenticate")
                        .unwrap()
                        .starts_with("Bearer")
                );
            }
        }
    }
    // Nor does the admin key open the clients' side.
    assert_eq!(gateway.get(Some(&key), "/v1/models").status, 401);

    let decide = |body: &Value| admin(&gateway, EVALUATION, Some(&key), Some(&body.to_string()));
    let allowed = decide(&about("ada"));
    assert_eq!(
        (allowed.status, &allowed.json()["decision"]),
        (200, &json!(true))
    );
    assert_eq!(allowed.header("x-request-id"), Some("r-7"));
    let denied = decide(&about("eve"));
    assert_eq!(
        (denied.status, &denied.json()["decision"]),
        (200, &json!(false))
    );
    assert!(denied.json()["context"]["reason_admin"]["en"].is_string());
    let malformed = decide(&json!({"subject": {"type": "user", "id": "ada"}}));
    assert_eq!(malformed.status, 400);
    assert!(malformed.body.contains("action"), "{}", malformed.body);
    let large = decide(&json!("x".repeat(8 << 20)));
    assert_eq!(large.status, 413);

    let mut batch = about("ada");
    batch["options"] = json!({"evaluations_semantic": "deny_on_first_deny"});
    batch["evaluations"] = json!([{}, {"subject": {"type": "user", "id": "eve"}}, {}]);
    let reply = admin(&gateway, EVALUATIONS, Some(&key), Some(&batch.to_string()));
    let answers = reply.json()["evaluations"].as_array().unwrap().clone();
    let decisions: Vec<_> = answers
        .iter()
        .map(|answer| answer["decision"].clone())
        .collect();
    assert_eq!(decisions, [json!(true), json!(false)]);

    let found = admin(&gateway, CONFIGURATION, Some(&key), None).json();
    let at = |path: &str| json!(format!("http://{}{path}", gateway.admin));
    assert_eq!(found["policy_decision_point"], at(""));
    assert_eq!(found["access_evaluation_endpoint"], at(EVALUATION));
    assert_eq!(found["access_evaluations_endpoint"], at(EVALUATIONS));

    // The key outlives its file and the process.
    gateway.stop();
    std::fs::remove_file(gateway.path().join("data/admin.key")).unwrap();
    gateway.launch();
    assert!(!gateway.path().join("data/admin.key").exists());
    let again = admin(&gateway, EVALUATION, Some(&key), Some(&question));
    assert_eq!(again.json()["decision"], true);
    assert!(!gateway.log().contains(&key), "the log does not hold it");
}

#[test]
fn another_admin_key_counts_at_once_and_the_old_one_no_more() {
    let upstream = Upstream::start();
    let mut gateway = gateway(&upstream);
    let old = admin_key(&gateway);
    let status = |gateway: &Gateway, key: &str| {
        let question = about("ada").to_string();
        admin(gateway, EVALUATION, Some(key), Some(&question)).status
    };
    assert_eq!(status(&gateway, &old), 200);
    let said = gateway.lattice(&["admin-key", "rotate"]);
    assert!(said.contains("in force on 1 gateway"), "{said}");
    let new = said.lines().nth(1).unwrap().to_owned();
    assert_eq!(status(&gateway, &old), 401);
    assert_eq!(status(&gateway, &new), 200);
    let data = gateway.path().join("data");
    assert!(!data.join("admin.key").exists(), "what it held is void");

    let issued: Value =
        serde_json::from_str(&gateway.lattice(&["admin-key", "rotate", "--json"])).unwrap();
    let last = issued["key"].as_str().unwrap().to_owned();
    assert_eq!(status(&gateway, &new), 401);
    assert_eq!(status(&gateway, &last), 200);

    // What a crash can leave: a key that never counted, and one that nobody was told.
    gateway.stop();
    std::fs::write(data.join("admin.key.4711"), format!("{old}\n")).unwrap();
    std::fs::write(data.join("admin.key.new"), format!("{last}\n")).unwrap();
    gateway.launch();
    assert_eq!(admin_key(&gateway), last);
    assert!(!data.join("admin.key.4711").exists());
    assert!(!data.join("admin.key.new").exists());
    assert_eq!(status(&gateway, &last), 200);
    assert!(!gateway.log().contains(&last), "the log does not hold it");
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_decision_is_logged_and_counted() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let key = admin_key(&gateway);
    let client = gateway.key("client", &[]);
    // From the first poll of the store on, decisions are kept.
    eventually(Duration::from_secs(20), "a decision is kept", || {
        gateway.chat(&client, &ask("mock", "")).status == 200
            && gateway
                .metrics()
                .contains("lattice_authz_shadow_total{result=\"match\"} 1")
    });
    let question = about("eve").to_string();
    assert_eq!(
        admin(&gateway, EVALUATION, Some(&key), Some(&question)).status,
        200
    );
    let file = gateway.path().join("decisions.jsonl");
    eventually(Duration::from_secs(10), "the evaluation is logged", || {
        lines(&file)
            .iter()
            .any(|event| event["lattice"]["gate"] == "authzen")
    });
    let events = lines(&file);
    let hit = events
        .iter()
        .find(|event| event["lattice"]["cache"] == "hit")
        .unwrap();
    let made = events
        .iter()
        .find(|event| event["decision_id"] == hit["lattice"]["decided_as"]);
    assert_eq!(made.unwrap()["lattice"]["cache"], "miss");
    assert_eq!(hit["input"]["subject"]["properties"].get("key"), None);
    assert_eq!(hit["erased"], json!(["/input/subject/properties/key"]));
    assert_eq!(hit["result"]["allow"], true);
    assert_eq!(events.last().unwrap()["input"]["subject"]["id"], "eve");
    let metrics = gateway.metrics();
    for line in [
        "lattice_authz_shadow_total{result=\"mismatch\"} 0",
        "lattice_authz_shadow_total{result=\"error\"} 0",
        "lattice_authz_failures_total 0",
        "lattice_authz_swaps_total 0",
        "lattice_decision_log_dropped_total 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }

    let away = gateway.path().join("away.jsonl");
    std::fs::rename(&file, &away).unwrap();
    signal(gateway.pid(), "HUP");
    eventually(Duration::from_secs(10), "the log is begun again", || {
        admin(&gateway, EVALUATION, Some(&key), Some(&question)).status == 200
            && !lines(&file).is_empty()
    });
}
