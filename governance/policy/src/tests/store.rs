//! Data of the store, and what follows from another state of it.

use super::{Request, load, source};
use crate::{PolicySet, Sources, StoreData};

const ROLES: &str = "decision := {\"allow\": allow, \"deny\": [], \"obligations\": []}

default allow := false

allow if data.lattice.store.open

allow if data.lattice.open
";

fn store(revision: i64, json: &str) -> StoreData {
    StoreData {
        revision,
        json: json.into(),
    }
}

fn allows(set: &PolicySet) -> bool {
    let decided = Request::sample().see(|input| set.evaluate(input));
    decided.unwrap().allows()
}

#[test]
fn the_store_is_data_beside_that_of_the_files() {
    let files = [
        ("authz.rego", source(ROLES)),
        ("data.json", "{\"lattice\": {\"open\": false}}".to_owned()),
    ];
    let sources = Sources::of_files("", files);
    let shut = PolicySet::load(&sources, store(1, "{}")).unwrap();
    assert!(!allows(&shut));
    let open = shut.with_store(store(2, "{\"open\": true}")).unwrap();
    assert!(allows(&open));
    assert!(!allows(&shut), "the set before is another");
    let again = open.with_store(store(3, "{}")).unwrap();
    assert!(!allows(&again));
    assert_eq!(
        [&shut, &open, &again].map(PolicySet::store_revision),
        [1, 2, 3]
    );
    assert_eq!(shut.revision(), open.revision());
}

#[test]
fn another_state_of_the_store_has_other_keys() {
    let files = [
        ("authz.rego", source(ROLES)),
        ("lattice/data.json", "{\"open\": false}".to_owned()),
    ];
    let set = load(files).unwrap();
    let key = |revision, json| {
        let set = set.with_store(store(revision, json)).unwrap();
        Request::sample().see(|input| set.cache_key(input)).unwrap()
    };
    assert_eq!(key(1, "{}"), key(1, "{}"));
    assert_ne!(key(1, "{}"), key(2, "{}"));
    assert_ne!(key(1, "{}"), key(1, "{\"open\": true}"));
}

#[test]
fn a_store_that_cannot_be_data_is_refused() {
    let set = load([(
        "authz.rego",
        source("decision := {\"allow\": true, \"deny\": [], \"obligations\": []}"),
    )])
    .unwrap();
    for json in ["", "[]", "null", "{", &"[".repeat(100_000)] {
        let error = set.with_store(store(1, json)).err().unwrap().to_string();
        assert!(error.starts_with("data.lattice.store: "), "{error}");
    }
}

#[test]
fn a_store_that_breaks_the_set_is_refused() {
    let body = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []} if not data.lattice.store.broken";
    let set = load([("authz.rego", source(body))]).unwrap();
    let error = set
        .with_store(store(1, "{\"broken\": true}"))
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .starts_with("authz.rego:3:1: the set gives no decision on an ordinary request"),
        "{error}"
    );
    assert!(set.with_store(store(2, "{}")).is_ok());
}

#[test]
fn tests_see_nothing_of_the_store() {
    let files = [
        (
            "authz.rego",
            source("decision := {\"allow\": true, \"deny\": [], \"obligations\": []}"),
        ),
        (
            "authz_test.rego",
            "package t\n\ntest_empty if data.lattice.store == {}\n".to_owned(),
        ),
    ];
    let sources = Sources::of_files("", files);
    assert!(PolicySet::load(&sources, store(1, "{\"roles\": {}}")).is_ok());
}
