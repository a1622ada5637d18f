//! Where the gateway connects to, and where it does not.

mod harness;

use std::net::{IpAddr, ToSocketAddrs as _};

use harness::http1::Recorder;
use harness::{Gateway, MODELS, ask, assert_shows, config_for, of_kind};
use serde_json::json;

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;

fn answer(status: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    )
}

/// A name that this machine has, other than `localhost`, and where it leads.
fn own_name() -> Option<(String, IpAddr)> {
    let hosts = std::fs::read_to_string("/etc/hosts").ok()?;
    let names = hosts
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(|line| line.split_whitespace().skip(1));
    names
        .filter(|name| *name != "localhost" && !name.ends_with(".localhost"))
        .find_map(|name| {
            let mut found = (name, 0).to_socket_addrs().ok()?;
            let address = found.next()?.ip();
            // Others would have to be allowed as well.
            let alone = found.all(|other| other.ip() == address);
            (alone && address.is_loopback()).then(|| (name.to_owned(), address))
        })
}

#[test]
fn a_name_that_leads_to_this_machine_is_dialled_only_where_that_is_allowed() {
    let Some((name, address)) = own_name() else {
        eprintln!(
            "skipped: a_name_that_leads_to_this_machine_is_dialled_only_where_that_is_allowed: /etc/hosts names nothing but localhost"
        );
        return;
    };
    let upstream = Recorder::answering(address, answer("200 OK", ""));
    let base_url = format!("http://{name}:{}/v1", upstream.address.port());

    let gateway = Gateway::start(&config_for(&base_url, MODELS));
    let key = gateway.key("k", &[]);
    let reply = gateway.chat(&key, &ask("mock", ""));
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "provider_error")
    );
    assert_eq!(
        reply.json()["error"]["message"],
        format!(
            "Provider \"mock\" was not called: {name} is at {address}, a loopback address; if that is meant, add {address} to security.egress.allow."
        )
    );
    assert_eq!(upstream.requests(), []);
    let leaves = gateway.leaves();
    assert_eq!(of_kind(&leaves, "intent").len(), 1);
    let outcome = json!({ "ending": "failed", "code": "provider_error", "cost_nano_usd": 0 });
    assert_shows(of_kind(&leaves, "outcome")[0], &outcome);
    drop(gateway);

    let allowed = format!("{MODELS}security: {{ egress: {{ allow: ['{address}'] }} }}\n");
    let gateway = Gateway::start(&config_for(&base_url, &allowed));
    let key = gateway.key("k", &[]);
    assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn localhost_needs_no_leave() {
    let upstream = Recorder::start(ANSWER);
    let base_url = format!("http://localhost:{}/v1", upstream.address.port());
    let gateway = Gateway::start(&config_for(&base_url, MODELS));
    let key = gateway.key("k", &[]);
    assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Recorder::start(ANSWER);
    let location = format!(
        "location: http://{}/v1/chat/completions\r\n",
        elsewhere.address
    );
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let upstream = Recorder::answering([127, 0, 0, 1].into(), answer(status, &location));
        let gateway = Gateway::start(&config_for(
            &format!("http://{}/v1", upstream.address),
            MODELS,
        ));
        let key = gateway.key("k", &[]);
        let reply = gateway.chat(&key, &ask("mock", ""));
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (502, "provider_error")
        );
        assert_eq!(
            reply.json()["error"]["message"],
            format!(
                "Provider \"mock\" answered with a redirect ({}), and redirects are not followed; whoever administers the gateway must point its base_url at the place itself.",
                &status[..3]
            )
        );
        assert!(!reply.body.contains(&elsewhere.address.to_string()));
        assert_eq!(upstream.requests().len(), 1, "{status}");
    }
    assert_eq!(elsewhere.requests(), []);
}

/// What `lattice config check` says to a provider at `base_url`, if it refuses.
fn refused(base_url: &str, allow: &str) -> Option<String> {
    let more = format!("{MODELS}security: {{ egress: {{ allow: [{allow}] }} }}\n");
    let gateway = Gateway::prepare(&config_for(&format!("'{base_url}'"), &more), &[]);
    let output = gateway.cli(&["config", "check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}

#[test]
fn an_address_that_can_be_no_provider_is_refused_before_the_start() {
    let number =
        "is a number that may be taken for an address; write the address as four decimal numbers";
    for (base_url, expected) in [
        (
            "http://169.254.169.254/v1",
            "a cloud's metadata service, which gives out credentials; if that is meant, add 169.254.169.254 to security.egress.allow",
        ),
        (
            "http://[fd00:ec2::254]/v1",
            "add fd00:ec2::254 to security.egress.allow",
        ),
        (
            "http://[::ffff:169.254.169.254]/v1",
            "another form of 169.254.169.254",
        ),
        ("http://[fe80::1]:8000/v1", "a link-local address"),
        (
            "http://0.0.0.0:8000/v1",
            "for one on this machine write 127.0.0.1",
        ),
        ("http://224.0.0.1/v1", "belongs to no single host"),
        ("http://2130706433/", number),
        ("http://0x7f.1/", number),
        ("http://0177.0.0.1/", number),
        ("http://127.1/", number),
    ] {
        let said = refused(base_url, "").unwrap_or_else(|| panic!("{base_url} is taken"));
        assert!(
            said.contains("providers.mock.base_url: ") && said.contains(expected),
            "{base_url}: {said}"
        );
    }
    for meant in [
        "http://127.0.0.1:8000/v1",
        "http://[::1]/v1",
        "http://10.0.0.5/v1",
        "http://vllm.svc/v1",
    ] {
        assert_eq!(refused(meant, ""), None, "{meant}");
    }
    let metadata = "http://169.254.169.254/v1";
    assert!(refused(metadata, "0.0.0.0/0").is_some());
    assert_eq!(refused(metadata, "169.254.169.254"), None);
    let said = refused("http://vllm.svc/v1", "10.0.0.0/33").unwrap_or_default();
    assert!(
        said.contains("security.egress.allow: \"10.0.0.0/33\" is neither an address nor a range"),
        "{said}"
    );
}
