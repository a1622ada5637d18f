//! Where the gateway's engine is known not to be OPA, each with a set that shows it.
//!
//! What can be read off a policy's text, the load gate refuses. What depends on a value
//! only an evaluation can meet; the shipped set keeps clear of it, and `policies/README.md`
//! warns of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Group, engine, opa, ours};

/// A rule `x` that the two see differently.
struct Difference {
    name: &'static str,
    /// What follows the package.
    body: &'static str,
    here: Here,
    opa: Opa,
    gate: Gate,
}

enum Here {
    Is(Value),
    Undefined,
    Fails,
    /// The engine does not take the set.
    Rejected,
    /// Not shown, because the process would not outlive it.
    Overflows,
}

enum Opa {
    Is(Value),
    Undefined,
    Fails,
}

#[derive(Debug)]
enum Gate {
    Refuses,
    /// Nothing in the text tells.
    CannotTell,
}

const INPUT: &str = r#"{"null": null, "text": "a", "digit": "٣"}"#;

fn differences() -> Vec<Difference> {
    let difference = |name, body, here, opa, gate| Difference {
        name,
        body,
        here,
        opa,
        gate,
    };
    vec![
        difference(
            "negated call of a reference",
            "x if not startswith(input.missing, \"a\")",
            Here::Is(json!(true)),
            Opa::Undefined,
            Gate::Refuses,
        ),
        difference(
            "recursive rules",
            "x if y\n\ny if x",
            Here::Fails,
            Opa::Fails,
            Gate::Refuses,
        ),
        difference(
            "recursive function",
            "f(n) := f(n - 1)\n\nx := f(5)",
            Here::Overflows,
            Opa::Fails,
            Gate::Refuses,
        ),
        difference(
            "unknown function that is not reached",
            "x := 1\n\ny if {\n\tfalse\n\tmissing(1)\n}",
            Here::Is(json!(1)),
            Opa::Fails,
            Gate::Refuses,
        ),
        difference(
            "wrong number of arguments that is not reached",
            "x := 1\n\ny if {\n\tfalse\n\tcount([], 2, 3)\n}",
            Here::Is(json!(1)),
            Opa::Fails,
            Gate::Refuses,
        ),
        difference(
            "function without a body",
            "f(\"a\", _)\n\nx if f(\"a\", 1)",
            Here::Rejected,
            Opa::Is(json!(true)),
            Gate::Refuses,
        ),
        difference(
            "template string",
            "x := $\"is {input.text}\"",
            Here::Rejected,
            Opa::Is(json!("is a")),
            Gate::Refuses,
        ),
        difference(
            "built-in function that only OPA has",
            "x := crypto.sha256(\"a\") != \"\"",
            Here::Fails,
            Opa::Is(json!(true)),
            Gate::Refuses,
        ),
        difference(
            "iteration over null",
            "x := [entry | some entry in input.null]",
            Here::Fails,
            Opa::Is(json!([])),
            Gate::CannotTell,
        ),
        difference(
            "iteration over a text",
            "x := [entry | some entry in input.text]",
            Here::Fails,
            Opa::Is(json!([])),
            Gate::CannotTell,
        ),
        // Without OPA's strict mode, in which it runs here, both are undefined.
        difference(
            "built-in function with an argument of another type",
            "x := startswith(input.null, \"a\")",
            Here::Undefined,
            Opa::Fails,
            Gate::CannotTell,
        ),
        difference(
            "classes of characters are Unicode",
            "x := regex.match(`^\\d$`, input.digit)",
            Here::Is(json!(true)),
            Opa::Is(json!(false)),
            Gate::CannotTell,
        ),
        difference(
            "numbers beyond 53 bits with a fraction",
            "x := 9007199254740993 == 9007199254740993.0",
            Here::Is(json!(false)),
            Opa::Is(json!(true)),
            Gate::CannotTell,
        ),
        difference(
            "sums of fractions",
            "x := 0.1 + 0.2 == 0.3",
            Here::Is(json!(false)),
            Opa::Is(json!(true)),
            Gate::CannotTell,
        ),
        difference(
            "upper case that is longer",
            "x := upper(\"ß\")",
            Here::Is(json!("SS")),
            Opa::Is(json!("ß")),
            Gate::CannotTell,
        ),
    ]
}

#[test]
fn known_differences_are_still_there() {
    let input: Value = serde_json::from_str(INPUT).unwrap();
    let path = "data.lattice.authz.x";
    for difference in differences() {
        let text = format!("package lattice.authz\n\n{}\n", difference.body);
        let policies = BTreeMap::from([("authz.rego".to_owned(), text)]);
        let name = difference.name;
        println!("{name}: {:?}", difference.gate);

        let asked = || ours(&mut engine(&policies, &json!({})), path, &input);
        match difference.here {
            Here::Is(value) => assert_eq!(asked(), Answer::Is(value), "{name}"),
            Here::Undefined => assert_eq!(asked(), Answer::Undefined, "{name}"),
            Here::Fails => assert!(matches!(asked(), Answer::Failed(_)), "{name}"),
            Here::Rejected => {
                let text = policies["authz.rego"].clone();
                let mut engine = crate::set::new_engine();
                assert!(
                    engine.add_policy("authz.rego".to_owned(), text).is_err(),
                    "{name}"
                );
            }
            Here::Overflows => {}
        }

        let group = Group {
            data: json!({}),
            questions: vec![(path.to_owned(), input.clone())],
        };
        let Some(said) = opa(&policies, &[group]) else {
            return;
        };
        match difference.opa {
            Opa::Is(value) => assert_eq!(said, [Answer::Is(value)], "{name}"),
            Opa::Undefined => assert_eq!(said, [Answer::Undefined], "{name}"),
            Opa::Fails => assert!(matches!(&said[..], [Answer::Failed(_)]), "{name}: {said:?}"),
        }
    }
}

#[test]
fn the_load_gate_refuses_those_that_show_in_the_text() {
    const DECISION: &str = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []}";
    for Difference { name, body, gate, .. } in differences() {
        let loaded = crate::tests::load([(
            "authz.rego",
            format!("package lattice.authz\n\n{DECISION}\n\n{body}\n"),
        )]);
        println!("{name}: {:?}", loaded.as_ref().err().map(ToString::to_string));
        match gate {
            Gate::Refuses => assert!(loaded.is_err(), "{name}"),
            Gate::CannotTell => assert!(loaded.is_ok(), "{name}"),
        }
    }
}
