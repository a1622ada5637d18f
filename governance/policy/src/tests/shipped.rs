//! The set in `policies/`, and its own tests in Rego.

use std::path::PathBuf;

use regorus::Value;

use super::{Request, set};
use crate::set::{PolicySet, new_engine};

fn folder() -> PathBuf {
    // At run time: clones that share a target folder may share this binary.
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../policies")
}

#[test]
fn the_tests_in_rego_pass() {
    let mut engine = new_engine();
    let mut tests = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "rego")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let package = engine
                .add_policy(path.display().to_string(), text.clone())
                .unwrap();
            let names = text.lines().filter(|line| line.starts_with("test_"));
            tests.extend(
                names.filter_map(|line| {
                    Some(format!("{package}.{}", line.split([' ', ':']).next()?))
                }),
            );
        }
    }
    let failed: Vec<_> = tests
        .iter()
        .map(|test| (test, engine.eval_rule(test.clone())))
        .filter(|(_, result)| !matches!(result, Ok(Value::Bool(true))))
        .collect();
    println!("ran {} tests in Rego", tests.len());
    assert!(!tests.is_empty());
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_binary_ships_what_the_folder_holds() {
    let text = std::fs::read_to_string(folder().join("authz.rego")).unwrap();
    let set = super::load([("policies/authz.rego", text)]).unwrap();
    assert_eq!(set.revision(), PolicySet::shipped().unwrap().revision());
}

#[test]
fn the_folder_loads_as_an_operator_would_load_it() {
    assert!(PolicySet::from_dir(&folder()).is_ok());
}

#[test]
fn it_decides_alike_for_every_context() {
    let set = PolicySet::shipped().unwrap();
    let other = Request::with(|r| {
        r.ask.source = None;
        r.ask.stream = false;
        r.at += time::Duration::minutes(1);
    });
    let key = |request: &Request| request.see(|input| set.cache_key(input));
    assert_eq!(key(&Request::sample()), key(&other));
    assert!(key(&other).is_some());
}

#[test]
fn two_sets_share_no_key() {
    let other = set("decision := {\"allow\": true, \"deny\": [], \"obligations\": []}");
    let shipped = PolicySet::shipped().unwrap();
    Request::sample().see(|input| assert_ne!(shipped.cache_key(input), other.cache_key(input)));
}
