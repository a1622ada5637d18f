//! Each way to be refused or to fail: its own code and status, and its audit
//! leaves: one for a refusal, an intent and an outcome for a call that was made.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::time::{Duration, Instant};

use harness::wire::Connection;
use harness::{Gateway, MODELS, Reply, Upstream, ask, config, eventually, get_with, post};
use serde_json::Value;

const LIMIT: usize = 32 << 20;
/// What "at once" may take.
const SOON: Duration = Duration::from_secs(2);

/// Refusals in the order in which they were given, to be found in the audit.
struct Expected<'a> {
    gateway: &'a Gateway,
    refusals: Vec<[String; 3]>,
}

impl<'a> Expected<'a> {
    fn of(gateway: &'a Gateway) -> Self {
        Self {
            gateway,
            refusals: Vec::new(),
        }
    }

    /// The reply refuses at `gate` with `code`, in the shape of the contract.
    #[track_caller]
    fn refused(&mut self, reply: &Reply, status: u16, gate: &str, code: &str) {
        let body = reply.json();
        assert_eq!((reply.status, &*reply.code()), (status, code), "{body}");
        assert_eq!(body["lattice"]["gate"], gate, "{body}");
        // Google's own word is the status.
        if body["error"]["status"].is_string() {
            assert_eq!(body["error"]["code"], status, "{body}");
        } else {
            assert_eq!(body["error"]["code"], code, "{body}");
        }
        assert!(
            body["error"]["message"]
                .as_str()
                .is_some_and(|text| text.len() > 20),
            "{body}"
        );
        self.refusals
            .push([request_id(reply), gate.into(), code.into()]);
    }

    /// Each refusal has its one leaf, and there are no others.
    #[track_caller]
    fn are_recorded(self) {
        let leaves = self.gateway.leaves();
        let recorded = leaves.iter().filter(|leaf| leaf["kind"] == "refusal");
        let recorded: Vec<_> = recorded
            .map(|leaf| ["request_id", "gate", "code"].map(|name| text(&leaf[name])))
            .collect();
        assert_eq!(recorded, self.refusals);
        for [id, ..] in &self.refusals {
            assert_eq!(
                leaves
                    .iter()
                    .filter(|leaf| leaf["request_id"] == **id)
                    .count(),
                1,
                "{id}"
            );
        }
        println!("{} refusals, each with its leaf", self.refusals.len());
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The name of the request in the body, which is the one in the head.
#[track_caller]
fn request_id(reply: &Reply) -> String {
    let id = text(&reply.json()["lattice"]["request_id"]);
    assert_eq!(reply.header("x-request-id"), Some(&*id));
    id
}

/// A chat request whose body is sent by hand.
struct Body(Connection);

impl Body {
    /// Sends the head; `framing` tells how long the body will be.
    fn announced(gateway: &Gateway, key: &str, framing: &str) -> Self {
        let mut connection = Connection::open(&gateway.clients);
        connection.socket().set_read_timeout(Some(SOON)).unwrap();
        connection.send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n{framing}\r\n\r\n"
        ));
        Self(connection)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.send(bytes);
    }

    fn chunk(&mut self, bytes: &[u8]) {
        self.send(format!("{:x}\r\n", bytes.len()).as_bytes());
        self.send(bytes);
        self.send(b"\r\n");
    }

    /// Nothing more will be sent.
    fn half_close(&self) {
        self.0.socket().shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// The reply, which must not take long.
    fn reply_soon(&mut self) -> Reply {
        let asked = Instant::now();
        let reply = self.0.reply();
        assert!(asked.elapsed() < SOON, "it took {:?}", asked.elapsed());
        reply
    }
}

/// A chat request of exactly `length` bytes.
fn body_of(model: &str, length: usize) -> String {
    let (head, tail) = (ask(model, ""), r#""}]}"#);
    let head = head.strip_suffix(tail).unwrap();
    let phrase = "Grüße, \\\"quoted\\\" and\\nbroken; ";
    let room = length - head.len() - tail.len();
    let filler = "a".repeat(room % phrase.len());
    let body = format!("{head}{}{filler}{tail}", phrase.repeat(room / phrase.len()));
    assert_eq!(body.len(), length);
    body
}

#[test]
fn a_body_may_have_32_mib_and_not_one_byte_more() {
    let upstream = Upstream::start();
    let models = "models:\n  - { name: spliced, targets: [ { provider: mock, model: mock } ] }\n";
    let gateway = Gateway::start(&config(&upstream, models));
    let key = gateway.key("k", &[]);
    let mut expected = Expected::of(&gateway);

    let largest = body_of("spliced", LIMIT);
    let served = gateway.chat(&key, &largest);
    assert_eq!(served.status, 200, "{}", served.body);
    let spliced = largest.replacen(r#""model":"spliced""#, r#""model":"mock""#, 1);
    assert!(upstream.last_body() == spliced, "32 MiB arrived changed");

    let too_large = body_of("spliced", LIMIT + 1);
    let mut announced = Body::announced(&gateway, &key, &format!("content-length: {}", 33 << 20));
    announced.send(&too_large.as_bytes()[..1000]);
    expected.refused(&announced.reply_soon(), 413, "intake", "caller_too_large");

    let mut chunked = Body::announced(&gateway, &key, "transfer-encoding: chunked");
    for chunk in too_large.as_bytes().chunks(1 << 20) {
        chunked.chunk(chunk);
    }
    // The last chunk, which ends the body, is never sent.
    expected.refused(&chunked.reply_soon(), 413, "intake", "caller_too_large");

    let mut eager = Body::announced(&gateway, &key, &format!("content-length: {}", 33 << 20));
    eager.send(&[b' '; 33 << 20]);
    expected.refused(&eager.reply_soon(), 413, "intake", "caller_too_large");

    assert_eq!(upstream.mock.seen(), 1);
    expected.are_recorded();
}

/// `levels` arrays and objects, one in the other.
fn nested(levels: usize) -> String {
    let inside = levels - 1;
    ask(
        "mock",
        &format!(r#","x":{}{}"#, "[".repeat(inside), "]".repeat(inside)),
    )
}

#[test]
fn a_body_that_two_parsers_could_read_differently_is_malformed() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let mut expected = Expected::of(&gateway);
    let in_extra = |extra: &str| ask("mock", extra);
    let malformed = [
        nested(129),
        nested(5000),
        in_extra(r#","model":"mock""#),
        in_extra(r#","\u006dodel":"other""#),
        in_extra(r#","x":{"a":1,"a":1}"#),
        in_extra(r#","x":[[{"y":{"z":[{"a":1,"b":2,"a":3}]}}]]"#),
        in_extra(r#","x":{"ab":1,"\u0061b":2}"#),
        in_extra(r#","stream_options":{"include_usage":true,"include_usage":false}"#),
        in_extra(
            r#","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","type":"x"}}}]"#,
        ),
        r#"{"model":"mock","messages":[{"role":"user","content":"a","content":"b"}]}"#.into(),
        in_extra("") + "}",
        in_extra(r#","stream":"yes""#),
        "{".into(),
        "[]".into(),
        String::new(),
    ];
    for body in &malformed {
        expected.refused(&gateway.chat(&key, body), 400, "intake", "caller_malformed");
    }
    assert_eq!(upstream.mock.seen(), 0);

    gateway.chat(&key, &nested(128));
    assert_eq!(upstream.last_body(), nested(128), "128 levels pass");
    expected.are_recorded();
}

#[test]
fn a_body_that_is_cut_is_malformed() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let mut expected = Expected::of(&gateway);
    let whole = ask("mock", "");

    let mut short = Body::announced(
        &gateway,
        &key,
        &format!("content-length: {}", whole.len() + 1),
    );
    short.send(whole.as_bytes());
    short.half_close();
    expected.refused(&short.reply_soon(), 400, "intake", "caller_malformed");

    let mut unended = Body::announced(&gateway, &key, "transfer-encoding: chunked");
    unended.chunk(whole.as_bytes());
    unended.half_close();
    expected.refused(&unended.reply_soon(), 400, "intake", "caller_malformed");

    assert_eq!(upstream.mock.seen(), 0);
    expected.are_recorded();
}

#[test]
fn who_may_not_ask_is_told_why() {
    let upstream = Upstream::start();
    let models = format!(
        "{MODELS}  - {{ name: private, targets: [ {{ provider: mock, model: mock }} ] }}\n"
    );
    let gateway = Gateway::start(&config(&upstream, &models));
    gateway.lattice(&["team", "create", "narrow", "--models", "mock"]);
    let limited = gateway.key("limited", &["--models", "mock"]);
    let in_team = gateway.key("in-team", &["--team", "narrow"]);
    let open = gateway.key("open", &[]);
    let expiring = gateway.key("expiring", &["--expires", "1h"]);
    let mut expected = Expected::of(&gateway);

    for key in [&limited, &in_team] {
        let reply = gateway.chat(key, &ask("private", ""));
        expected.refused(&reply, 404, "authorization", "caller_unknown_model");
        let listed = gateway.get(Some(key), "/v1/models").json();
        let names: Vec<String> = listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|model| text(&model["id"]))
            .collect();
        assert_eq!(names, ["mock"]);
        expected.refused(
            &gateway.get(Some(key), "/v1/models/private"),
            404,
            "authorization",
            "caller_unknown_model",
        );
        assert_eq!(gateway.get(Some(key), "/v1/models/mock").status, 200);
    }
    assert_eq!(gateway.chat(&open, &ask("private", "")).status, 200);
    expected.refused(
        &gateway.chat(&open, &ask("nowhere", "")),
        404,
        "authorization",
        "caller_unknown_model",
    );

    let missing = post(&gateway.url("/v1/chat/completions"), None, &ask("mock", ""));
    expected.refused(&missing, 401, "identity", "identity_missing");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    expected.refused(
        &gateway.get(None, "/v1/models"),
        401,
        "identity",
        "identity_missing",
    );
    let stranger = altered(&open);
    expected.refused(
        &gateway.chat(&stranger, &ask("mock", "")),
        401,
        "identity",
        "identity_unknown",
    );

    // An hour cannot be waited for; the store may say that it is over.
    assert_eq!(gateway.chat(&expiring, &ask("mock", "")).status, 200);
    gateway.database().sql(
        "update api_key set expires_at = created_at where name = 'expiring';
         update revision set value = value + 1 where name = 'identity'",
    );
    let reply = until_refused(&gateway, &expiring);
    expected.refused(&reply, 401, "identity", "identity_expired");

    gateway.lattice(&["key", "revoke", "open"]);
    let revoked = Instant::now();
    let reply = until_refused(&gateway, &open);
    println!("a revoked key was served for {:?} more", revoked.elapsed());
    assert!(revoked.elapsed() < Duration::from_millis(2500));
    expected.refused(&reply, 401, "identity", "identity_revoked");
    for name in ["x-api-key", "x-goog-api-key", "api-key"] {
        let reply = get_with(&gateway.url("/v1/models"), name, &open);
        expected.refused(&reply, 401, "identity", "identity_revoked");
    }
    expected.are_recorded();
}

/// A key that is as well formed as `key`, and nobody's.
fn altered(key: &str) -> String {
    let end = if key.ends_with('0') { '1' } else { '0' };
    format!("{}{end}", &key[..key.len() - 1])
}

fn until_refused(gateway: &Gateway, key: &str) -> Reply {
    let mut refused = None;
    eventually(Duration::from_secs(10), "the key is refused", || {
        refused = Some(gateway.chat(key, &ask("mock", ""))).filter(|reply| reply.status != 200);
        refused.is_some()
    });
    refused.unwrap()
}

#[test]
fn a_budget_without_room_refuses() {
    let upstream = Upstream::start();
    let more = format!(
        "{MODELS}  - {{ name: unpriced, targets: [ {{ provider: mock, model: mock }} ] }}\n\
         budgets:\n  - {{ scope: {{ team: monthly }}, window: month, limit_usd: 0.000001, mode: hard }}\n  \
         - {{ scope: {{ team: once }}, window: total, limit_usd: 0, mode: hard }}\n  \
         - {{ scope: {{ team: rich }}, window: month, limit_usd: 1000, mode: hard }}\n"
    );
    let gateway = Gateway::start(&config(&upstream, &more));
    let key = |team: &str| {
        gateway.lattice(&["team", "create", team]);
        gateway.key(team, &["--team", team])
    };
    let (monthly, once, rich) = (key("monthly"), key("once"), key("rich"));
    let poor = gateway.key("poor", &["--budget-usd", "0", "--window", "hour"]);
    let mut expected = Expected::of(&gateway);

    let reply = gateway.chat(&monthly, &ask("mock", ""));
    expected.refused(&reply, 402, "constraints", "limit_budget");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
    let reply = gateway.chat(&once, &ask("mock", ""));
    expected.refused(&reply, 402, "constraints", "limit_budget");
    assert_eq!(reply.header("retry-after"), None, "waiting does not help");
    let reply = gateway.chat(&poor, &ask("mock", r#","max_tokens":1"#));
    expected.refused(&reply, 402, "constraints", "limit_budget");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");

    let reply = gateway.chat(&rich, &ask("unpriced", ""));
    expected.refused(&reply, 403, "constraints", "limit_unpriced");
    assert_eq!(upstream.mock.seen(), 0);
    assert_eq!(gateway.chat(&rich, &ask("mock", "")).status, 200);
    expected.are_recorded();
}

const OWN_POLICY: &str = r#"package lattice.authz

decision := {"allow": true, "deny": deny, "obligations": []}

deny contains {"code": "policy_model", "msg": "This model does not stream here; ask without `stream`."} if input.context.stream

deny contains {"code": "policy_tool", "msg": "The tool `shell` is not offered here; take it out."} if "shell" in input.context.tools

deny contains {"code": "policy_denied", "msg": "Nobody sees this one."} if input.resource.id == "hidden"

# What is no number is an error here, and an error is a refusal.
deny contains {"code": "policy_model", "msg": "never"} if {
	"faulty" in input.context.tools
	to_number(input.resource.id) > 0
}
"#;

#[test]
fn a_policy_of_ones_own_refuses_in_its_own_words() {
    let upstream = Upstream::start();
    let more = format!(
        "{MODELS}  - {{ name: hidden, targets: [ {{ provider: mock, model: mock }} ] }}\npolicy: {{ dir: ./rules }}\n"
    );
    let mut gateway = Gateway::prepare(&config(&upstream, &more), &[]);
    std::fs::create_dir(gateway.path().join("rules")).unwrap();
    std::fs::write(gateway.path().join("rules/own.rego"), OWN_POLICY).unwrap();
    gateway.launch();
    let key = gateway.key("k", &[]);
    let mut expected = Expected::of(&gateway);
    let tool = |name: &str| {
        ask(
            "mock",
            &format!(r#","tools":[{{"type":"function","function":{{"name":"{name}"}}}}]"#),
        )
    };

    let reply = gateway.chat(&key, &ask("mock", r#","stream":true"#));
    expected.refused(&reply, 403, "authorization", "policy_model");
    assert_eq!(
        reply.json()["error"]["message"],
        "This model does not stream here; ask without `stream`."
    );
    expected.refused(
        &gateway.chat(&key, &tool("shell")),
        403,
        "authorization",
        "policy_tool",
    );
    expected.refused(
        &gateway.chat(&key, &tool("faulty")),
        403,
        "authorization",
        "policy_denied",
    );
    // Denied in every context: it must not even be told that it exists.
    expected.refused(
        &gateway.chat(&key, &ask("hidden", "")),
        404,
        "authorization",
        "caller_unknown_model",
    );
    assert_eq!(upstream.mock.seen(), 0);
    assert_eq!(gateway.chat(&key, &tool("search")).status, 200);
    assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
    expected.are_recorded();
}

/// Models that fail as they are named, and one whose second target is well.
fn failing_models() -> String {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut models =
        format!("  gone: {{ kind: openai_compatible, base_url: http://{nobody}/v1 }}\nmodels:\n");
    for fault in [
        "status:429",
        "status:503",
        "status:500",
        "status:504",
        "status:401",
        "status:400",
        "status:422",
        "reset_header",
    ] {
        models += &format!(
            "  - {{ name: '{fault}', targets: [ {{ provider: mock, model: 'mock?fault={fault}' }} ] }}\n"
        );
    }
    models += "  - { name: unreachable, targets: [ { provider: gone, model: m } ] }\n";
    models
        + "  - { name: second-best, targets: [ { provider: gone, model: m }, { provider: mock, model: mock } ] }\n"
}

#[test]
fn a_call_that_fails_is_recorded_as_a_call() {
    let upstream = Upstream::start();
    let models = failing_models();
    let gateway = Gateway::start(&config(&upstream, &models));
    let key = gateway.key("k", &[]);
    let mut failed = Vec::new();
    for (model, status, code, ending, attempts) in [
        // Nothing was generated, and that may pass: asked once more.
        ("status:429", 503, "provider_overloaded", "failed", 2),
        ("status:503", 503, "provider_overloaded", "failed", 2),
        ("status:500", 502, "provider_error", "failed", 2),
        // It may have been billed, and there is nobody else to ask.
        ("status:504", 504, "provider_timeout", "failed", 1),
        // The gateway's own credential: nothing that the caller could mend.
        ("status:401", 502, "provider_error", "failed", 1),
        ("status:400", 400, "provider_rejected", "rejected", 1),
        ("status:422", 422, "provider_rejected", "rejected", 1),
        ("reset_header", 502, "provider_error", "failed", 1),
        ("unreachable", 502, "provider_error", "failed", 2),
    ] {
        let reply = gateway.chat(&key, &ask(model, ""));
        let body = reply.json();
        assert_eq!(
            (reply.status, &*reply.code()),
            (status, code),
            "{model}: {body}"
        );
        assert_eq!(body["lattice"]["gate"], "execution", "{model}: {body}");
        if ending == "rejected" {
            // The provider's own words, not ours.
            assert_eq!(body["error"]["message"], "ordered fault");
            assert_eq!(body["error"]["code"], "invalid_request");
        }
        let waits = matches!(model, "status:429" | "status:503");
        assert_eq!(reply.header("retry-after").is_some(), waits, "{model}");
        failed.push((request_id(&reply), ending, code, attempts));
    }
    let saved = gateway.chat(&key, &ask("second-best", ""));
    assert_eq!(
        (saved.status, saved.header("x-lattice-provider")),
        (200, Some("mock")),
        "{}",
        saved.body
    );

    let leaves = gateway.leaves();
    assert!(leaves.iter().all(|leaf| leaf["kind"] != "refusal"));
    for (id, ending, code, attempts) in failed {
        let of: Vec<&Value> = leaves
            .iter()
            .filter(|leaf| leaf["request_id"] == *id)
            .collect();
        let kinds: Vec<_> = of
            .iter()
            .map(|leaf| leaf["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["intent", "outcome"], "{code}");
        assert_eq!(
            (&of[1]["ending"], &of[1]["attempts"]),
            (&ending.into(), &attempts.into()),
            "{}",
            of[1]
        );
        if ending == "failed" {
            assert_eq!(of[1]["code"], code);
        }
    }
}

#[test]
fn a_flood_of_strangers_is_counted_and_not_written_down_one_by_one() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&config(&upstream, MODELS));
    for _ in 0..70 {
        assert_eq!(
            gateway.chat("lat_nonsense", &ask("mock", "")).code(),
            "identity_unknown"
        );
    }
    let own = |leaves: &[Value]| {
        leaves
            .iter()
            .filter(|leaf| leaf["request_id"].is_string())
            .count()
    };
    assert_eq!(own(&gateway.leaves()), 60);
    assert_eq!(gateway.stop(), Some(0));
    let leaves = gateway.leaves();
    assert_eq!(own(&leaves), 60);
    let counted: Vec<_> = leaves
        .iter()
        .filter(|leaf| leaf["kind"] == "refusal" && leaf["request_id"].is_null())
        .collect();
    assert_eq!(counted.len(), 1);
    assert_eq!(
        (&counted[0]["code"], &counted[0]["count"]),
        (&"identity_unknown".into(), &10.into())
    );
    assert_eq!(leaves.last().unwrap()["kind"], "stop");
}

#[test]
fn different_credentials_in_one_request_are_refused_in_every_dialect() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let (one, other) = (gateway.key("one", &[]), gateway.key("other", &[]));
    let mut refused = 0;
    let mut is_refused = |reply: &Reply| {
        let body = reply.json();
        assert_eq!(
            (reply.status, &body["lattice"]["code"]),
            (401, &"identity_unknown".into())
        );
        let why = "Several different credentials were sent";
        assert!(reply.body.contains(why), "{body}");
        refused += 1;
    };
    let body = r#"{"model":"mock","messages":[{"role":"user","content":"hi"}],"input":"hi","max_tokens":9,"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;
    let send = |path: &str, headers: &[(&str, &str)]| {
        let mut request = harness::agent()
            .post(gateway.url(path))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        harness::read(request.send(body).unwrap())
    };
    let (bearer, another) = (format!("Bearer {one}"), format!("Bearer {other}"));
    for path in [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/embeddings",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1beta/models/mock:generateContent",
        "/v1beta/models/mock:countTokens",
    ] {
        for headers in [
            [("authorization", &*bearer), ("x-api-key", &*other)],
            [("authorization", &*bearer), ("authorization", &*another)],
            [("x-goog-api-key", &*one), ("api-key", &*other)],
            [("x-api-key", &*one), ("x-api-key", "sk-of-somebody")],
        ] {
            is_refused(&send(path, &headers));
        }
        let same = [("authorization", &*bearer), ("x-api-key", &*one)];
        assert_ne!(send(path, &same).status, 401, "{path}");
    }
    let path = "/v1beta/models/mock:generateContent";
    is_refused(&send(
        &format!("{path}?key={other}"),
        &[("x-goog-api-key", &one)],
    ));
    let reply = send(&format!("{path}?key={one}"), &[("x-goog-api-key", &one)]);
    assert_ne!(reply.status, 401, "{}", reply.body);
    let recorded = gateway.leaves();
    let recorded = recorded
        .iter()
        .filter(|leaf| leaf["code"] == "identity_unknown");
    assert_eq!(recorded.count(), refused, "each has its leaf");
}
