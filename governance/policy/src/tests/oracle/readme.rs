//! The examples in `policies/README.md`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, engine, ours, policies, shipped_data};
use crate::tests::shipped::folder;

/// Blocks of the language, in order.
fn blocks<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let pieces: Vec<_> = text.split(fence.as_str()).skip(1).collect();
    pieces
        .into_iter()
        .filter_map(|piece| piece.split("```").next())
}

/// Members of `change` in place of those of `data`, two levels down.
fn changed(mut data: Value, change: &Value) -> Value {
    for (section, value) in change["lattice"].as_object().unwrap() {
        match (&mut data["lattice"][section], value) {
            (Value::Object(old), Value::Object(new)) => old.extend(new.clone()),
            (old, new) => *old = new.clone(),
        }
    }
    data
}

#[test]
fn examples_do_what_they_say() {
    let text = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let data: Vec<Value> = blocks(&text, "json")
        .map(|block| serde_json::from_str(block).unwrap())
        .collect();
    let tests: Vec<_> = blocks(&text, "rego").collect();
    println!("ran {} examples", tests.len());
    assert_eq!((data.len(), tests.len()), (4, 4));
    for (change, test) in data.iter().zip(tests) {
        let example = format!("package lattice.authz_test\n\n{test}");
        let mut policies: BTreeMap<String, String> = policies(true);
        policies.insert("example_test.rego".to_owned(), example);
        let mut engine = engine(&policies, &changed(shipped_data(), change));
        let name = test.split(' ').next().unwrap();
        let passes = |path: String, engine: &mut _| {
            assert_eq!(
                ours(engine, &path, &json!({})),
                Answer::Is(Value::Bool(true)),
                "{path} with {change}"
            );
        };
        passes(format!("data.lattice.authz_test.{name}"), &mut engine);
        for test in super::tests_in(&policies["data_test.rego"]) {
            passes(format!("data.lattice.data_test.{test}"), &mut engine);
        }
        // Without the change of the data, the example says nothing.
        let mut engine = super::engine(&policies, &shipped_data());
        let path = format!("data.lattice.authz_test.{name}");
        assert_eq!(
            ours(&mut engine, &path, &json!({})),
            Answer::Undefined,
            "{name}"
        );
    }
}
