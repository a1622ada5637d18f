//! `lattice run -- CMD …`: the command finds the gateway, nothing of the provider's, and
//! answers for itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use harness::{Gateway, LATTICE, MODELS, Upstream, config, python};
use insta::assert_snapshot;
use serde_json::Value;

/// `lattice run …` in the folder of a gateway that does not run.
fn run(gateway: &Gateway, arguments: &[&str]) -> Command {
    let mut command = Command::new(LATTICE);
    command
        .arg("run")
        .args(arguments)
        .current_dir(gateway.path())
        .env_remove("LATTICE_CONFIG")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What every key that `lattice run` has made is good for now.
fn states_of_keys(gateway: &Gateway) -> Vec<Value> {
    let listed: Vec<Value> =
        serde_json::from_str(&gateway.lattice(&["key", "list", "--json"])).unwrap();
    listed
        .iter()
        .filter(|key| key["name"].as_str().unwrap().starts_with("run-"))
        .map(|key| key["state"].clone())
        .collect()
}

#[test]
fn a_command_finds_the_gateway_and_none_of_the_providers_keys() {
    let upstream = Upstream::start();
    let gateway = Gateway::prepare(
        &format!(
            "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0 }}\n\
             data_dir: ./data\n\
             providers:\n  mock: {{ kind: openai_compatible, base_url: {}, api_key: {{ env: MOCK_KEY }} }}\n{MODELS}",
            upstream.base_url()
        ),
        &[("MOCK_KEY", "sk-mock-canary")],
    );
    // The very command that the harness would start, as an argument of ours.
    let script = python::script("run_child.py");
    let mut child = run(&gateway, &["--"])
        .arg(script.get_program())
        .args(script.get_args())
        .args(["mock", "7"])
        .envs([
            ("MOCK_KEY", "sk-mock-canary"),
            ("OPENAI_API_KEY", "sk-own-canary"),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/canary"),
            ("GEMINI_BASE_URL", "http://127.0.0.1:9/canary"),
            ("KEPT", "as it was"),
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from stdin")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "said on stderr\n");
    assert_eq!(output.status.code(), Some(7));

    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [environment, asked, stdin] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(!environment.to_string().contains("canary"), "{environment}");
    assert_eq!(environment["KEPT"], "as it was");
    assert_eq!(stdin, "from stdin");
    let base = environment["ANTHROPIC_BASE_URL"].as_str().unwrap();
    assert!(base.starts_with("http://127.0.0.1:"), "{base}");
    assert_eq!(environment["GOOGLE_GEMINI_BASE_URL"], base);
    for name in ["OPENAI_BASE_URL", "OPENAI_API_BASE"] {
        assert_eq!(environment[name], format!("{base}/v1"));
    }
    for name in [
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
    ] {
        assert_eq!(environment[name], environment["OPENAI_API_KEY"]);
    }
    assert!(
        environment["OPENAI_API_KEY"]
            .as_str()
            .unwrap()
            .starts_with("lat_")
    );
    assert!(!asked["text"].as_str().unwrap().is_empty());
    assert_eq!(asked["statuses"], serde_json::json!([200, 200]));
    assert_eq!(upstream.mock.seen(), 3);
    assert_eq!(states_of_keys(&gateway), ["revoked"]);
}

/// `lattice run` of a shell script that has said that it is up.
fn started(gateway: &Gateway, script: &str) -> Child {
    let mut child = run(gateway, &["--", "sh", "-c", script]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "up\n");
    child
}

#[test]
fn signals_are_the_commands_and_its_end_is_the_exit_code() {
    let upstream = Upstream::start();
    let gateway = Gateway::prepare(&config(&upstream, MODELS), &[]);
    let wait = "echo up; while :; do sleep 0.05; done";
    for (script, signal, code) in [
        (format!("trap 'exit 9' TERM; {wait}"), "TERM", 9),
        (format!("trap 'exit 8' INT; {wait}"), "INT", 8),
        (wait.to_owned(), "TERM", 143),
        (wait.to_owned(), "HUP", 129),
    ] {
        let child = started(&gateway, &script);
        harness::signal(child.id(), signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{signal}: {}",
            text(&output.stderr)
        );
        assert_eq!(text(&output.stderr), "");
    }
    assert_eq!(states_of_keys(&gateway), ["revoked"; 4]);
}

#[test]
fn what_cannot_be_started_is_named() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::prepare(&config(&upstream, MODELS), &[]);
    let failed = |arguments: &[&str]| -> Output { run(&gateway, arguments).output().unwrap() };
    let output = failed(&["--", "/nowhere/agent", "--flag"]);
    assert_eq!(output.status.code(), Some(2));
    assert_snapshot!(
        text(&output.stderr),
        @"lattice: /nowhere/agent cannot be started: No such file or directory (os error 2)"
    );
    assert_eq!(states_of_keys(&gateway), ["revoked"]);
    assert_eq!(failed(&["--"]).status.code(), Some(2), "no command");

    gateway.launch();
    let output = run(&gateway, &["--", "echo", "never"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert!(said.contains("is in use by another process"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_replaced_by_a_free_one() {
    let upstream = Upstream::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = config(&upstream, MODELS).replace(
        "listen: 127.0.0.1:0, admin_listen",
        &format!("listen: {address}, admin_listen"),
    );
    let gateway = Gateway::prepare(&config, &[]);
    let output = run(&gateway, &["--", "sh", "-c", "echo $OPENAI_BASE_URL"])
        .output()
        .unwrap();
    let base = text(&output.stdout).trim();
    assert!(
        base.starts_with("http://127.0.0.1:"),
        "{base}{}",
        text(&output.stderr)
    );
    assert_ne!(base, format!("http://{address}/v1"));
    assert_eq!(output.status.code(), Some(0));
}
