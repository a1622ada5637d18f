//! Data that would quietly bind nobody, and the tests in `data_test.rego` that notice.

use serde_json::{Value, json};

use super::{Answer, Questions, engine, ours, policies, shipped_data, tests_in};

/// A place below `data.lattice`, and the JSON that is put there.
const MISSPELT: &[(&str, &str)] = &[
    ("/roles/member/permissions/0/action", r#"["infer"]"#),
    ("/roles/member/permissions/0/actions", r#"["Infer"]"#),
    ("/roles/member/permissions/0/actions", r#""infer""#),
    ("/roles/member/permissions/0/resources", r#"["model"]"#),
    (
        "/roles/member/permissions/0/resources",
        r#"["model:*mini"]"#,
    ),
    ("/roles/member/permissions/0/effect", r#""Deny""#),
    ("/roles/member/permissions", "null"),
    ("/default_roles", r#"["members"]"#),
    ("/default_roles", "null"),
    ("/classification/levels", r#"["public", "public"]"#),
    ("/classification/levels", "null"),
    ("/classification/local_only", r#"["Restricted"]"#),
    ("/classification/unlabelled_provider", r#""intern""#),
    ("/windows", "null"),
    (
        "/windows",
        r#"[{"role": ["member"], "from": 0, "until": 5}]"#,
    ),
    ("/windows", r#"[{"from": 0}]"#),
    ("/windows", r#"[{"from": 0, "until": "18:00"}]"#),
    ("/windows", r#"[{"from": 0, "until": 1441}]"#),
    ("/windows", r#"[{"from": 0.5, "until": 5}]"#),
    (
        "/windows",
        r#"[{"from": 0, "until": 5, "weekdays": ["Monday"]}]"#,
    ),
    (
        "/windows",
        r#"[{"from": 0, "until": 5, "roles": "member"}]"#,
    ),
    ("/tools/denied", r#""drop""#),
    ("/tools/rules", "null"),
    ("/tools/rules", r#"[{"tools": [], "effect": "allow"}]"#),
    ("/tools/rules", r#"[{"tools": ["a"]}]"#),
    ("/tools/rules", r#"[{"tools": ["a"], "effect": "forbid"}]"#),
    (
        "/tools/rules",
        r#"[{"tools": ["a"], "effect": "deny", "team": ["a"]}]"#,
    ),
    (
        "/tools/rules",
        r#"[{"tools": ["a"], "effect": "deny", "set": {"a": 1}}]"#,
    ),
    (
        "/tools/rules",
        r#"[{"tools": ["a"], "effect": "allow", "set": ["a"]}]"#,
    ),
];

/// Conditions of a rule of tools.
const CONDITIONS: &[&str] = &[
    r#"{"path": "a", "op": "is", "value": 1}"#,
    r#"{"path": "a", "op": "equals"}"#,
    r#"{"path": "a", "op": "in", "value": "a"}"#,
    r#"{"path": "a", "op": "prefix", "value": 1}"#,
    r#"{"path": "a", "op": "min", "value": "1"}"#,
    r#"{"path": "a", "op": "matches", "value": "["}"#,
    r#"{"path": "a", "op": "matches", "value": "^\\d+$"}"#,
    r#"{"path": 5, "op": "present"}"#,
    r#"{"op": "present"}"#,
];

/// How many of those tests fail.
fn failing(data: &Value) -> usize {
    let policies = policies(true);
    let mut engine = engine(&policies, data);
    let mut failed = |test: &&str| {
        let path = format!("data.lattice.data_test.{test}");
        ours(&mut engine, &path, &json!({})) != Answer::Is(Value::Bool(true))
    };
    let tests = tests_in(&policies["data_test.rego"]);
    tests.filter(|test| failed(test)).count()
}

#[test]
fn data_that_are_misspelt_fail_a_test_of_the_set() {
    let conditions = CONDITIONS.iter().map(|condition| {
        let rules =
            format!(r#"[{{"tools": ["a"], "effect": "deny", "arguments": [{condition}]}}]"#);
        ("/tools/rules", rules)
    });
    let misspelt = MISSPELT
        .iter()
        .map(|(place, json)| (*place, (*json).to_owned()));
    for (place, json) in misspelt.chain(conditions) {
        let mut data = shipped_data();
        let (parent, name) = place.rsplit_once('/').unwrap();
        let parent = data.pointer_mut(&format!("/lattice{parent}")).unwrap();
        parent[name] = serde_json::from_str(&json).unwrap();
        assert!(failing(&data) > 0, "{place}: {json}");
    }
}

#[test]
fn data_that_are_not_pass_them_all() {
    let mut questions = Questions::new(7);
    assert_eq!(failing(&shipped_data()), 0);
    for _ in 0..20 {
        let data = questions.data();
        assert_eq!(failing(&data), 0, "{data}");
    }
}
