//! The set in `policies/`, and its own tests in Rego.

use std::path::PathBuf;

use lattice_kernel::Dialect;
use regorus::Value;

use super::{Request, set};
use crate::set::{PolicySet, Sources, StoreData, new_engine};

pub(super) fn folder() -> PathBuf {
    // At run time: clones that share a target folder may share this binary.
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../policies")
}

#[test]
fn the_tests_in_rego_pass() {
    let mut engine = new_engine();
    engine.clear_execution_timer_config();
    let data = std::fs::read_to_string(folder().join("data.json")).unwrap();
    engine.add_data_json(&data).unwrap();
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
    let files = std::fs::read_dir(folder()).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = std::fs::read_to_string(folder().join(&name)).unwrap();
        (!name.ends_with(".md")).then(|| (format!("policies/{name}"), text))
    });
    let sources = Sources::of_files("policies/", files);
    let set = PolicySet::load(&sources, StoreData::default()).unwrap();
    assert_eq!(set.revision(), PolicySet::shipped().unwrap().revision());
}

#[test]
fn the_folder_loads_as_an_operator_would_load_it() {
    let set = PolicySet::from_dir(&folder()).unwrap();
    assert!(set.warnings().is_empty(), "{:?}", set.warnings());
}

#[test]
fn it_looks_at_tools_label_and_hour_and_no_further() {
    let set = PolicySet::shipped().unwrap();
    let key = |edit: fn(&mut Request)| Request::with(edit).see(|input| set.cache_key(input));
    let sample = key(|_| {});
    assert!(sample.is_some());
    assert_eq!(sample, key(|r| r.ask.source = None));
    assert_eq!(sample, key(|r| r.ask.stream = false));
    assert_eq!(sample, key(|r| r.ask.dialect = Dialect::Gemini));
    assert_eq!(sample, key(|r| r.at += time::Duration::seconds(3)));
    assert_ne!(sample, key(|r| r.at += time::Duration::seconds(4)));
    assert_ne!(sample, key(|r| r.ask.tools.clear()));
    assert_ne!(
        sample,
        key(|r| r.ask.classification = Some("public".into()))
    );
}

#[test]
fn two_sets_share_no_key() {
    let other = set("decision := {\"allow\": true, \"deny\": [], \"obligations\": []}");
    let shipped = PolicySet::shipped().unwrap();
    Request::sample().see(|input| assert_ne!(shipped.cache_key(input), other.cache_key(input)));
}
