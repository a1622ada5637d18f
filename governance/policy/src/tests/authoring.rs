//! What helps to write a set: tests, coverage, queries and explanations.

use serde_json::{Value, json};

use crate::Sources;
use crate::authoring::{Outcome, Project, QueryError, Status, Tested, report};

const POLICY: &str = "package lattice.authz

decision := {\"allow\": allow, \"deny\": deny, \"obligations\": []}

default allow := false

allow if {
	input.action.name == \"infer\"
	some model in input.models
	opens(model)
}

deny contains {\"code\": \"policy_model\", \"msg\": \"No.\"} if {
	# The caller's own.
	input.models == []
}

deny contains {\"code\": \"policy_denied\", \"msg\": \"Not on Sundays.\"} if {
	input.day in data.closed # nobody works
}

opens(\"*\") if true

opens(model) if model == input.asked
";

const TESTS: &str = "package lattice.authz_test

import data.lattice.authz

test_open if authz.allow with input as {\"action\": {\"name\": \"infer\"}, \"models\": [\"*\"]}

test_shut if {
	print(\"about\", \"<to> \\\"fail\\\"\")
	asked := {\"models\": []}
	count(authz.deny) == 1 with input as asked
	authz.allow with input as asked
	true
}

test_no_boolean := 5

todo_test_later if false

helper_test_of_nothing if true
";

fn sources() -> Sources {
    Sources::of_files(
        "",
        [
            ("authz.rego", POLICY),
            ("authz_test.rego", TESTS),
            ("data.json", "{\"closed\": [\"sunday\"]}"),
        ],
    )
}

fn test(wanted: impl Fn(&str) -> bool) -> Tested {
    Project::open(&sources()).unwrap().test(wanted, true)
}

#[test]
fn tests_pass_fail_and_are_put_off() {
    let tested = test(|_| true);
    let statuses: Vec<(&str, u32, &Status)> = tested
        .results
        .iter()
        .map(|result| (&*result.name, result.place.row, &result.status))
        .collect();
    assert!(
        matches!(
            statuses[..],
            [
                ("test_open", 5, Status::Passed),
                ("test_shut", 7, Status::Failed { what: "is undefined", at: Some(at) }),
                ("test_no_boolean", 15, Status::Failed { what: "is not true", .. }),
                ("todo_test_later", 17, Status::Skipped),
            ] if at.place.row == 11 && at.text == "authz.allow with input as asked"
        ),
        "{statuses:#?}"
    );
    assert!(!tested.is_sound());
    assert_eq!(
        tested.results[1].output,
        ["authz_test.rego:8: about <to> \"fail\""]
    );
}

#[test]
fn a_filter_sees_package_and_name() {
    let tested = test(|name| name == "data.lattice.authz_test.test_open");
    assert_eq!(tested.results.len(), 1);
    assert!(tested.is_sound());
}

#[test]
fn an_error_in_a_test_is_told_apart_from_a_failure() {
    let two =
        "package lattice.authz_test\n\ntest_two := true if 1 == 1\n\ntest_two := false if 2 == 2\n";
    let sources = Sources::of_files("", [("authz.rego", POLICY), ("two_test.rego", two)]);
    let with_data = sources.with_data("data.json", "{\"closed\": []}");
    let tested = Project::open(&with_data).unwrap().test(|_| true, false);
    assert!(
        matches!(&tested.results[0].status, Status::Raised(fault) if fault.file == "two_test.rego"),
        "{tested:#?}"
    );
    assert_eq!(tested.coverage, None);
    let rows = report::tests(&tested);
    assert_eq!(rows[0]["error"]["location"]["file"], "two_test.rego");
}

#[test]
fn a_test_that_takes_too_long_is_an_error() {
    let slow = "package lattice.authz_test\n\ntest_slow if count([1 | some i in numbers.range(1, 4000); some j in numbers.range(1, 4000); i == j]) == 1\n";
    let sources = Sources::of_files("", [("authz.rego", POLICY), ("slow_test.rego", slow)]);
    let with_data = sources.with_data("data.json", "{\"closed\": []}");
    let tested = Project::open(&with_data).unwrap().test(|_| true, false);
    assert!(
        matches!(&tested.results[0].status, Status::Raised(fault) if fault.reason.contains("time")),
        "{tested:#?}"
    );
}

#[test]
fn lines_that_no_test_reaches_are_named() {
    let only_open = test(|name| name.ends_with("test_open")).coverage.unwrap();
    let policy = &only_open.files["authz.rego"];
    // For a `with`, regorus evaluates the whole package; no `deny` has a value.
    let missed: Vec<u32> = policy.not_covered.iter().copied().collect();
    assert_eq!(missed, [13, 18]);
    let none = test(|_| false).coverage.unwrap();
    assert_eq!(none.files.len(), 2);
    assert_eq!(none.percent().to_bits(), 0.0_f64.to_bits());
    assert!(!none.files["authz.rego"].not_covered.is_empty());
    let shape = report::coverage(&only_open);
    let file = &shape["files"]["authz.rego"];
    assert_eq!(
        file["covered"][2],
        json!({"start": {"row": 8}, "end": {"row": 10}})
    );
    assert_eq!(
        file["not_covered"][0],
        json!({"start": {"row": 13}, "end": {"row": 13}})
    );
    let lines = |name: &str| shape[name].as_u64().unwrap();
    let percent = 100.0 * lines("covered_lines") as f64
        / (lines("covered_lines") + lines("not_covered_lines")) as f64;
    assert!((shape["coverage"].as_f64().unwrap() - percent).abs() < 1e-9);
}

#[test]
fn reports_are_what_other_tools_read() {
    let mut tested = test(|_| true);
    for result in &mut tested.results {
        result.duration = std::time::Duration::from_micros(1500);
    }
    insta::assert_snapshot!("pretty", report::pretty(&tested, true));
    insta::assert_snapshot!(
        "terse",
        report::pretty(
            &Tested {
                coverage: None,
                ..tested.clone()
            },
            false
        )
    );
    insta::assert_snapshot!("junit", report::junit(&tested));
    let location = |row: u32, col: u32| json!({"file": "authz_test.rego", "row": row, "col": col});
    assert_eq!(
        report::tests(&tested)[1],
        json!({
            "location": location(7, 1),
            "package": "data.lattice.authz_test",
            "name": "test_shut",
            "duration": 1_500_000,
            "fail": true,
            "failed_expression": {
                "text": "authz.allow with input as asked",
                "location": location(11, 2),
            },
            "output": "YXV0aHpfdGVzdC5yZWdvOjg6IGFib3V0IDx0bz4gImZhaWwiCg==",
        })
    );
    assert_eq!(report::tests(&tested)[3]["skip"], true);
}

#[test]
fn queries_give_what_opa_gives() {
    let sources = sources();
    let project = Project::open(&sources).unwrap();
    let sum = project.eval("1 + 2", None).unwrap();
    let [result] = &sum[..] else {
        panic!("{sum:?}")
    };
    assert_eq!(result.expressions[0].value, 3);
    assert_eq!(result.expressions[0].text, "1 + 2");
    assert_eq!(
        (result.expressions[0].row, result.expressions[0].col),
        (1, 1)
    );
    assert!(result.bindings.is_empty());
    assert_eq!(project.eval("data.lattice.nothing", None).unwrap(), []);
    assert_eq!(project.eval("x := 1; x == 2", None).unwrap(), []);
    assert_eq!(project.eval("1 == 2; true", None).unwrap(), []);
    let compared = project.eval("1 == 2", None).unwrap();
    assert_eq!(compared[0].expressions[0].value, false);
    let bound = project.eval("some x in data.closed", None).unwrap();
    assert_eq!(bound[0].bindings["x"], "sunday");
    let input = r#"{"action": {"name": "infer"}, "models": ["a"], "asked": "a", "day": "monday"}"#;
    let decided = project.eval_entry_point(Some(input)).unwrap();
    assert_eq!(
        decided[0].expressions[0].value,
        json!({"allow": true, "deny": [], "obligations": []})
    );
}

#[test]
fn queries_that_cannot_be_answered_say_why() {
    let sources = sources();
    let project = Project::open(&sources).unwrap();
    for query in [
        "1 +",
        "nothing_of_this_name",
        "no.such(1)",
        "data.lattice.authz.decision.[",
    ] {
        assert!(
            matches!(project.eval(query, None), Err(QueryError::Query(_))),
            "{query}"
        );
    }
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(
        project.eval(&deep, None),
        Err(QueryError::Query(_))
    ));
    assert!(matches!(
        project.eval("1", Some("{")),
        Err(QueryError::Input(_))
    ));
    let slow =
        "count([1 | some i in numbers.range(1, 4000); some j in numbers.range(1, 4000); i == j])";
    assert!(matches!(
        project.eval(slow, None),
        Err(QueryError::Query(_))
    ));
}

/// The outcome of the rule that begins on this line.
fn at(explanation: &crate::authoring::Explanation, row: u32) -> Option<&Outcome> {
    let mut rules = explanation.rules.iter().flat_map(|rule| &rule.definitions);
    rules
        .find(|rule| rule.place.row == row)
        .map(|rule| &rule.outcome)
}

#[test]
fn a_refusal_names_the_rules_that_gave_it_and_the_statement_that_failed() {
    let sources = sources();
    let project = Project::open(&sources).unwrap();
    let input = r#"{"action": {"name": "infer"}, "models": [], "asked": "a", "day": "sunday"}"#;
    let explained = project.explain(input).unwrap();
    assert!(!explained.allowed);
    assert_eq!(explained.decision.as_ref().unwrap()["allow"], false);
    let reasons: Vec<(&str, u32)> = explained
        .reasons
        .iter()
        .map(|reason| (&*reason.message, reason.rules[0].row))
        .collect();
    assert_eq!(reasons, [("Not on Sundays.", 18), ("No.", 13)]);
    assert_eq!(at(&explained, 5), Some(&Outcome::StoodIn));
    let Some(Outcome::Failed(statements)) = at(&explained, 7) else {
        panic!("{explained:#?}")
    };
    assert_eq!(statements[0].text, "some model in input.models");
    assert_eq!(statements[0].place.row, 9);
    assert_eq!(statements[0].facts[0].name, "input.models");
    assert_eq!(statements[0].facts[0].value, Some(Value::Array(Vec::new())));
    assert!(matches!(at(&explained, 18), Some(Outcome::Fired(values)) if values.len() == 1));
    // No model to try, so no function was called.
    assert_eq!(at(&explained, 22), None);
    assert!(explained.unreached >= 2);
}

#[test]
fn a_permission_names_the_rule_that_gave_it() {
    let sources = sources();
    let project = Project::open(&sources).unwrap();
    let input =
        r#"{"action": {"name": "infer"}, "models": ["b", "a"], "asked": "a", "day": "monday"}"#;
    let explained = project.explain(input).unwrap();
    assert!(explained.allowed);
    assert_eq!(
        at(&explained, 7),
        Some(&Outcome::Fired(vec![Value::Bool(true)]))
    );
    assert!(matches!(at(&explained, 5), None | Some(Outcome::NotNeeded)));
    assert_eq!(at(&explained, 24), Some(&Outcome::Called));
    let Some(Outcome::Failed(statements)) = at(&explained, 18) else {
        panic!("{explained:#?}")
    };
    let facts: Vec<(&str, &Value)> = statements[0]
        .facts
        .iter()
        .map(|fact| (&*fact.name, fact.value.as_ref().unwrap()))
        .collect();
    assert_eq!(
        facts,
        [
            ("input.day", &json!("monday")),
            ("data.closed", &json!(["sunday"]))
        ]
    );
}

#[test]
fn what_is_no_decision_denies_and_says_why() {
    for body in [
        "decision := 5",
        "decision := x if { x := input.a }",
        "decision := {\"allow\": x} if { x := [1, 2][_] }",
    ] {
        let text = super::source(body);
        let sources = Sources::of_files("", [("authz.rego", text)]);
        let explained = Project::open(&sources).unwrap().explain("{}").unwrap();
        assert!(!explained.allowed, "{body}");
        assert!(explained.decision.is_err(), "{body}");
    }
}

#[test]
fn else_is_tried_after_what_comes_before_it() {
    let body = "decision := {\"allow\": true, \"deny\": [], \"obligations\": [], \"how\": how}\n\nhow := \"first\" if {\n\tinput.first\n} else := \"second\" if {\n\tinput.second\n} else := \"last\"";
    let sources = Sources::of_files("", [("authz.rego", super::source(body))]);
    let project = Project::open(&sources).unwrap();
    for (input, how) in [
        (r#"{"first": true}"#, "first"),
        (r#"{"second": true}"#, "second"),
        ("{}", "last"),
    ] {
        let explained = project.explain(input).unwrap();
        assert_eq!(
            at(&explained, 5),
            Some(&Outcome::Fired(vec![how.into()])),
            "{explained:#?}"
        );
    }
}

#[test]
fn the_shipped_set_passes_its_tests_which_reach_most_of_it() {
    let sources = Sources::shipped();
    let tested = Project::open(&sources).unwrap().test(|_| true, true);
    assert!(tested.is_sound(), "{}", report::pretty(&tested, false));
    println!("{}", report::pretty(&tested, false));
    assert!(tested.coverage.unwrap().percent() > 90.0);
}

#[test]
fn a_set_that_cannot_be_parsed_or_would_crash_is_no_project() {
    for body in ["x := ", "f(x) := f(x)", "x := no_such(1)"] {
        let sources = Sources::of_files("", [("a.rego", super::source(body))]);
        assert!(Project::open(&sources).is_err(), "{body}");
    }
    // Without the entry point it may be part of a set.
    let sources = Sources::of_files("", [("a.rego", "package a\n\nx := 1\n")]);
    let project = Project::open(&sources).unwrap();
    assert_eq!(
        project.eval("data.a.x", None).unwrap()[0].expressions[0].value,
        1
    );
}
