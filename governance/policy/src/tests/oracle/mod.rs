//! The shipped set in OPA itself, beside the engine that decides here.

mod differences;
mod misspelt;
mod questions;
mod readme;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regorus::{Engine, Value as Rego};
use serde_json::{Value, json};

use super::shipped::folder;
use crate::decision;
use crate::set::{ENTRY_POINT, new_engine};

use questions::Questions;

/// What an engine makes of a question.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Is(Value),
    Undefined,
    /// In the gateway this is a refusal.
    Failed(String),
}

/// Questions over the same data.
struct Group {
    data: Value,
    /// Path, dotted and with `data.`, and input.
    questions: Vec<(String, Value)>,
}

/// The interpreter of the environment that `cargo xtask setup` makes, if OPA is in it.
fn interpreter() -> Option<PathBuf> {
    let variable = |name: &str| {
        let folder = std::env::var_os(name).map(PathBuf::from);
        folder.filter(|path| path.is_absolute())
    };
    let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let tools = variable("LATTICE_TOOLS").or_else(|| Some(cache()?.join("lattice").join("tools")));
    let python = tools.map(|tools| tools.join("python"))?;
    let versions = std::fs::read_dir(python.join("lib")).into_iter().flatten();
    versions
        .flatten()
        .any(|version| version.path().join("site-packages/opa_bindings").is_dir())
        .then(|| python.join("bin").join("python"))
}

/// What OPA says, question by question; `None`, and a word about it, where it is not there.
fn opa(policies: &BTreeMap<String, String>, groups: &[Group]) -> Option<Vec<Answer>> {
    let Some(python) = interpreter() else {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("skipped: {test}: no Python package opa_bindings (cargo xtask setup)");
        return None;
    };
    let groups: Vec<Value> = groups
        .iter()
        .map(|Group { data, questions }| {
            let questions = questions.iter().map(
                |(path, input)| json!({"path": path.trim_start_matches("data."), "input": input}),
            );
            json!({"data": data, "questions": questions.collect::<Vec<_>>()})
        })
        .collect();
    let asked = json!({"policies": policies, "groups": groups}).to_string();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let mut child = Command::new(python)
        .arg(Path::new(&package).join("tests").join("opa.py"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It writes nothing before it has read everything.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "opa.py failed");
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().map(of_opa).collect())
}

fn of_opa(line: &str) -> Answer {
    let said: Value = serde_json::from_str(line).unwrap();
    match (said.get("value"), said.get("error")) {
        (Some(value), _) => Answer::Is(value.clone()),
        (None, Some(error)) => Answer::Failed(error.to_string()),
        (None, None) => Answer::Undefined,
    }
}

/// What the engine says that decides in the gateway.
fn ours(engine: &mut Engine, path: &str, input: &Value) -> Answer {
    let input = serde_json::to_string(input).unwrap();
    engine.set_input(Rego::from_json_str(&input).unwrap());
    match engine.eval_rule(path.to_owned()) {
        Ok(Rego::Undefined) => Answer::Undefined,
        Ok(value) => Answer::Is(serde_json::to_value(value).unwrap()),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

fn engine(policies: &BTreeMap<String, String>, data: &Value) -> Engine {
    let mut engine = new_engine();
    // What is decided is compared here, however long it takes.
    engine.clear_execution_timer_config();
    for (name, text) in policies {
        engine.add_policy(name.clone(), text.clone()).unwrap();
    }
    engine.add_data_json(&data.to_string()).unwrap();
    engine
}

/// The files of `policies/` by name; tests too, if they are wanted.
fn policies(tests: bool) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, path)
    });
    files
        .filter(|(name, _)| name.ends_with(".rego") && (tests || !name.ends_with("_test.rego")))
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect()
}

fn shipped_data() -> Value {
    let text = std::fs::read_to_string(folder().join("data.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Whether two answers are alike: numbers by what they are worth. The entries of a set
/// come in the same order from both.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|it| alike(value, it)))
        }
        (one, other) => one == other,
    }
}

#[test]
fn opa_and_the_gateway_decide_alike() {
    const SEED: u64 = 5;
    const EACH: usize = 500;
    let mut questions = Questions::new(SEED);
    let mut data = vec![shipped_data()];
    data.extend((0..19).map(|_| questions.data()));
    let groups: Vec<Group> = data
        .into_iter()
        .map(|data| Group {
            questions: (0..EACH)
                .map(|_| (ENTRY_POINT.to_owned(), questions.question()))
                .collect(),
            data,
        })
        .collect();

    let policies = policies(false);
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut decided = Vec::new();
    for group in &groups {
        let mut engine = engine(&policies, &group.data);
        for (path, input) in &group.questions {
            let value = match ours(&mut engine, path, input) {
                Answer::Is(value) => value,
                other => panic!("{other:?} on {input} with {}", group.data),
            };
            let read = decision::read(&Rego::from_json_str(&value.to_string()).unwrap());
            let read = read.unwrap_or_else(|error| panic!("{error}: {value} on {input}"));
            assert_eq!(read.allow, read.deny.is_empty(), "{value}");
            *counts
                .entry(if read.allow { "allowed" } else { "refused" })
                .or_default() += 1;
            for obligation in value["obligations"].as_array().unwrap() {
                let kind = obligation["type"].as_str().unwrap();
                let kind = ["drop_tool", "set_arguments"]
                    .into_iter()
                    .find(|it| *it == kind);
                *counts.entry(kind.unwrap()).or_default() += 1;
            }
            decided.push((value, input, &group.data));
        }
    }
    println!("{} decisions from seed {SEED}: {counts:?}", decided.len());
    assert!(counts.len() == 4 && counts.values().all(|count| *count > 200));

    let Some(said) = opa(&policies, &groups) else {
        return;
    };
    assert_eq!(said.len(), decided.len());
    for ((value, input, data), opa) in decided.iter().zip(said) {
        assert!(
            matches!(&opa, Answer::Is(it) if alike(it, value)),
            "here {value}\nOPA  {opa:?}\non   {input}\nwith {data}"
        );
    }
}

#[test]
fn the_tests_in_rego_pass_in_opa() {
    let policies = policies(true);
    let packages = ["lattice.authz_test", "lattice.data_test"];
    let groups = [Group {
        data: shipped_data(),
        // A package as a whole: each question is compiled with all policies anew.
        questions: packages
            .map(|name| (format!("data.{name}"), json!({})))
            .into(),
    }];
    let Some(said) = opa(&policies, &groups) else {
        return;
    };
    let mut count = 0;
    for (package, answer) in packages.into_iter().zip(said) {
        let Answer::Is(rules) = answer else {
            panic!("{package}: {answer:?}");
        };
        let files = policies.values();
        for text in files.filter(|text| text.contains(&format!("package {package}\n"))) {
            for test in tests_in(text) {
                assert_eq!(rules[test], Value::Bool(true), "{test}");
                count += 1;
            }
        }
    }
    println!("ran {count} tests in Rego");
    assert!(count > 50);
}

fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| line.starts_with("test_"));
    lines.filter_map(|line| line.split([' ', ':']).next())
}

#[test]
fn the_tests_in_rego_pass_whatever_the_data_are() {
    let policies = policies(true);
    let tests: Vec<_> = policies.values().flat_map(|text| tests_in(text)).collect();
    let mut questions = Questions::new(9);
    for _ in 0..3 {
        let mut data = questions.data();
        // They run before the store is asked.
        data["lattice"]["store"] = json!({});
        let mut engine = engine(&policies, &data);
        for test in &tests {
            let passed = ["authz_test", "data_test"].into_iter().any(|package| {
                let path = format!("data.lattice.{package}.{test}");
                ours(&mut engine, &path, &json!({})) == Answer::Is(Value::Bool(true))
            });
            assert!(passed, "{test} with {data}");
        }
    }
}
