//! `lattice policy …`, as somebody who writes policies meets it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;
use serde_json::{Value, json};

const LATTICE: &str = env!("CARGO_BIN_EXE_lattice");

const POLICY: &str = "package lattice.authz

decision := {\"allow\": allow, \"deny\": deny, \"obligations\": []}

default allow := false

allow if {
	input.action.name == \"infer\"
	input.subject.properties.team in data.teams
}

deny contains {\"code\": \"policy_tool\", \"msg\": \"No shells.\"} if {
	input.action.name == \"tool.call\"
	input.resource.id == \"shell\"
}
";

const TESTS: &str = "package lattice.authz_test

import data.lattice.authz

asked := {\"action\": {\"name\": \"infer\"}, \"subject\": {\"properties\": {\"team\": \"research\"}}}

test_team if authz.allow with input as asked

test_stranger if {
	not authz.allow with input as {}
	authz.allow with input as {\"action\": {\"name\": \"infer\"}}
}
";

/// A folder with a set in it, whose second test fails.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("set")).unwrap();
    write("set/authz.rego", POLICY);
    write("set/authz_test.rego", TESTS);
    write("set/data.json", "{\"teams\": [\"research\"]}");
    write(
        "lattice.yaml",
        "providers:\n  near: { kind: openai_compatible, base_url: 'http://127.0.0.1:1/v1' }\n\
         models:\n  - { name: assistant, targets: [ { provider: near, model: m } ] }\n\
         policy: { dir: ./set }\n",
    );
    folder
}

fn lattice(folder: &Path, arguments: &[&str]) -> Output {
    lattice_reading(folder, arguments, "")
}

fn lattice_reading(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(LATTICE)
        .arg("policy")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not read it may be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)))
}

/// Without how long each test took.
fn settled(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" (") {
        Some((before, after)) if after.ends_with("s)") => format!("{before} ([time])\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn a_failing_test_is_named_with_its_file_and_line() {
    let folder = folder();
    let output = lattice(folder.path(), &["test", "-v", "--coverage"]);
    assert_eq!(output.status.code(), Some(1));
    assert_snapshot!("test", settled(&text(&output)));
    let rows = json(&lattice(
        folder.path(),
        &["test", "set", "--format", "json"],
    ));
    assert_eq!(
        rows[1]["location"],
        json!({"file": "set/authz_test.rego", "row": 9, "col": 1})
    );
    assert_eq!(rows[1]["failed_expression"]["location"]["row"], 11);
    assert_eq!(
        (&rows[0]["fail"], &rows[1]["fail"]),
        (&Value::Null, &Value::Bool(true))
    );
    assert!(rows[0]["duration"].as_u64().unwrap() > 0);
}

#[test]
fn a_filter_leaves_the_failing_test_out() {
    let folder = folder();
    let output = lattice(folder.path(), &["test", "--run", r"authz_test\.test_t"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(text(&output), "PASS: 1/1\n");
    let wrong = lattice(folder.path(), &["test", "--run", "("]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn too_few_lines_reached_is_a_failure() {
    let folder = folder();
    let run = |threshold: &str| {
        let only = [
            "test",
            "--run",
            "test_team",
            "--format",
            "json",
            "--threshold",
            threshold,
        ];
        lattice(folder.path(), &only)
    };
    let report = json(&run("0"));
    let percent = report["coverage"].as_f64().unwrap();
    assert!(percent > 0.0 && percent < 100.0, "{report}");
    assert_eq!(report["tests"].as_array().unwrap().len(), 1);
    assert_eq!(run("0").status.code(), Some(0));
    let short = run("99.9");
    assert_eq!(short.status.code(), Some(1));
    assert!(text(&short).contains("99.90 % are asked for"));
}

#[test]
fn junit_is_xml_that_counts_what_it_holds() {
    let folder = folder();
    let output = lattice(folder.path(), &["test", "--format", "junit"]);
    let xml = String::from_utf8(output.stdout).unwrap();
    let mut open: Vec<&str> = Vec::new();
    let tags = xml
        .split('<')
        .skip(1)
        .map(|rest| rest.split_once('>').unwrap().0);
    for tag in tags.filter(|tag| !tag.starts_with('?') && !tag.ends_with('/')) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{xml}"),
            None => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{xml}");
    assert!(
        xml.contains(r#"tests="2" failures="1" errors="0" skipped="0""#),
        "{xml}"
    );
    assert_eq!(xml.matches("<testcase ").count(), 2);
    assert_eq!(xml.matches("<failure ").count(), 1);
}

#[test]
fn the_set_in_the_binary_brings_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let output = lattice(folder.path(), &["test"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).starts_with("PASS: "));
    assert_eq!(lattice(folder.path(), &["check"]).status.code(), Some(0));
}

#[test]
fn what_cannot_be_read_is_not_a_failed_test() {
    let folder = folder();
    for arguments in [
        &["test", "nowhere"][..],
        &["test", "lattice.yaml", "set/none.rego"],
    ] {
        assert_eq!(lattice(folder.path(), arguments).status.code(), Some(2));
    }
    std::fs::write(folder.path().join("set/bad.rego"), "package x\n\ny := \n").unwrap();
    let output = lattice(folder.path(), &["test"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("bad.rego:"), "{}", text(&output));
}

#[test]
fn check_tells_what_keeps_a_set_from_serving() {
    let folder = folder();
    let output = lattice(folder.path(), &["check", "set"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).starts_with("set/authz_test.rego:9:1: the test test_stranger fails"));
    let file = folder.path().join("set/authz_test.rego");
    std::fs::write(
        &file,
        "package lattice.authz_test\n\nimport data.lattice.authz\n",
    )
    .unwrap();
    let output = lattice(folder.path(), &["check", "set"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).contains("warning: nothing uses the import `authz`"));
    let strict = lattice(folder.path(), &["check", "set", "--strict", "--json"]);
    assert_eq!(strict.status.code(), Some(1));
    let report = json(&strict);
    assert_eq!(report["sound"], false);
    assert_eq!(report["faults"][0]["location"]["row"], 3);
    std::fs::write(&file, "package lattice.authz\n\nf(x) := f(x)\n").unwrap();
    let output = lattice(folder.path(), &["check", "set"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("authz_test.rego:3:1: the function needs itself"));
}

#[test]
fn eval_answers_as_opa_does() {
    let folder = folder();
    let eval = |arguments: &[&str], input: &str| {
        let arguments = [&["eval"], arguments].concat();
        lattice_reading(folder.path(), &arguments, input)
    };
    assert_eq!(
        json(&eval(&["1 + 2"], "")),
        json!({"result": [{"expressions": [
            {"value": 3, "text": "1 + 2", "location": {"row": 1, "col": 1}},
        ]}]})
    );
    assert_eq!(json(&eval(&["1 == 2; true"], "")), json!({}));
    assert_eq!(
        text(&eval(&["--format", "raw", "data.teams[0]"], "")),
        "research\n"
    );
    let input = r#"{"action": {"name": "tool.call"}, "resource": {"id": "shell"}}"#;
    let decided = json(&eval(&["-d", "set", "-i", "-"], input));
    let decision = &decided["result"][0]["expressions"][0]["value"];
    assert_eq!(decision["allow"], false);
    assert_eq!(decision["deny"][0]["msg"], "No shells.");
    assert_eq!(eval(&["-i", "-"], "{").status.code(), Some(2));
    assert_eq!(eval(&["1 +"], "").status.code(), Some(2));
}

#[test]
fn explain_shows_what_fired_and_what_kept_the_rest() {
    let folder = folder();
    let explain = |arguments: &[&str]| lattice(folder.path(), &[&["explain"], arguments].concat());
    let refused = explain(&["--model", "assistant", "--team", "sales"]);
    assert_eq!(refused.status.code(), Some(0));
    assert_snapshot!("explain", text(&refused));
    let allowed = json(&explain(&[
        "--model",
        "assistant",
        "--team",
        "research",
        "--json",
    ]));
    assert_eq!(allowed[0]["allowed"], true);
    assert_eq!(allowed[0]["target"], "near/m");
    assert_eq!(
        allowed[0]["input"]["subject"]["properties"]["team"],
        "research"
    );
    let call = [
        "--model",
        "assistant",
        "--tool",
        "shell",
        "--arguments",
        r#"{"cmd": "ls"}"#,
    ];
    let call = explain(&[&call[..], &["--json"]].concat());
    let reason = &json(&call)[0]["reasons"][0];
    assert_eq!(reason["code"], "policy_tool");
    assert_eq!(reason["rules"][0]["row"], 12);
    let unknown = explain(&["--model", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown).contains("lattice model list"));
}

#[test]
fn each_command_has_a_help_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["test", "check", "eval", "explain"] {
        let help = text(&lattice(folder.path(), &[command, "--help"]));
        assert!(help.contains("Example:\n  lattice policy"), "{help}");
        assert_snapshot!(format!("help_{command}"), help);
    }
}
