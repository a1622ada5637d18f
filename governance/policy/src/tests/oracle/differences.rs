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
    /// This JSON.
    Is(&'static str),
    Undefined,
    Fails,
    /// The engine does not take the set.
    Rejected,
    /// Not shown, because the process would not outlive it.
    Overflows,
}

enum Opa {
    /// This JSON.
    Is(&'static str),
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

const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "negated call of a reference",
        body: "x if not startswith(input.missing, \"a\")",
        here: Here::Is("true"),
        opa: Opa::Undefined,
        gate: Gate::Refuses,
    },
    Difference {
        name: "recursive rules",
        body: "x if y\n\ny if x",
        here: Here::Fails,
        opa: Opa::Fails,
        gate: Gate::Refuses,
    },
    Difference {
        name: "recursive function",
        body: "f(n) := f(n - 1)\n\nx := f(5)",
        here: Here::Overflows,
        opa: Opa::Fails,
        gate: Gate::Refuses,
    },
    Difference {
        name: "unknown function that is not reached",
        body: "x := 1\n\ny if {\n\tfalse\n\tmissing(1)\n}",
        here: Here::Is("1"),
        opa: Opa::Fails,
        gate: Gate::Refuses,
    },
    Difference {
        name: "wrong number of arguments that is not reached",
        body: "x := 1\n\ny if {\n\tfalse\n\tcount([], 2, 3)\n}",
        here: Here::Is("1"),
        opa: Opa::Fails,
        gate: Gate::Refuses,
    },
    Difference {
        name: "function without a body",
        body: "f(\"a\", _)\n\nx if f(\"a\", 1)",
        here: Here::Rejected,
        opa: Opa::Is("true"),
        gate: Gate::Refuses,
    },
    Difference {
        name: "template string",
        body: "x := $\"is {input.text}\"",
        here: Here::Rejected,
        opa: Opa::Is(r#""is a""#),
        gate: Gate::Refuses,
    },
    Difference {
        name: "built-in function that only OPA has",
        body: "x := crypto.sha256(\"a\") != \"\"",
        here: Here::Fails,
        opa: Opa::Is("true"),
        gate: Gate::Refuses,
    },
    Difference {
        name: "iteration over null",
        body: "x := [entry | some entry in input.null]",
        here: Here::Fails,
        opa: Opa::Is("[]"),
        gate: Gate::CannotTell,
    },
    Difference {
        name: "iteration over a text",
        body: "x := [entry | some entry in input.text]",
        here: Here::Fails,
        opa: Opa::Is("[]"),
        gate: Gate::CannotTell,
    },
    // Without OPA's strict mode, in which it runs here, both are undefined.
    Difference {
        name: "built-in function with an argument of another type",
        body: "x := startswith(input.null, \"a\")",
        here: Here::Undefined,
        opa: Opa::Fails,
        gate: Gate::CannotTell,
    },
    Difference {
        name: "classes of characters are Unicode",
        body: "x := regex.match(`^\\d$`, input.digit)",
        here: Here::Is("true"),
        opa: Opa::Is("false"),
        gate: Gate::CannotTell,
    },
    Difference {
        name: "numbers beyond 53 bits with a fraction",
        body: "x := 9007199254740993 == 9007199254740993.0",
        here: Here::Is("false"),
        opa: Opa::Is("true"),
        gate: Gate::CannotTell,
    },
    Difference {
        name: "sums of fractions",
        body: "x := 0.1 + 0.2 == 0.3",
        here: Here::Is("false"),
        opa: Opa::Is("true"),
        gate: Gate::CannotTell,
    },
    Difference {
        name: "upper case that is longer",
        body: "x := upper(\"ß\")",
        here: Here::Is(r#""SS""#),
        opa: Opa::Is(r#""ß""#),
        gate: Gate::CannotTell,
    },
];

fn parsed(json: &str) -> Answer {
    Answer::Is(serde_json::from_str(json).unwrap())
}

#[test]
fn known_differences_are_still_there() {
    let input: Value = serde_json::from_str(INPUT).unwrap();
    let path = "data.lattice.authz.x";
    for difference in DIFFERENCES {
        let text = format!("package lattice.authz\n\n{}\n", difference.body);
        let policies = BTreeMap::from([("authz.rego".to_owned(), text)]);
        let name = difference.name;
        println!("{name}: {:?}", difference.gate);

        let asked = || ours(&mut engine(&policies, &json!({})), path, &input);
        match difference.here {
            Here::Is(json) => assert_eq!(asked(), parsed(json), "{name}"),
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
            Opa::Is(json) => assert_eq!(said, [parsed(json)], "{name}"),
            Opa::Undefined => assert_eq!(said, [Answer::Undefined], "{name}"),
            Opa::Fails => assert!(matches!(&said[..], [Answer::Failed(_)]), "{name}: {said:?}"),
        }
    }
}

#[test]
fn the_load_gate_refuses_those_that_show_in_the_text() {
    const DECISION: &str = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []}";
    for Difference {
        name, body, gate, ..
    } in DIFFERENCES
    {
        let loaded = crate::tests::load([(
            "authz.rego",
            format!("package lattice.authz\n\n{DECISION}\n\n{body}\n"),
        )]);
        println!(
            "{name}: {:?}",
            loaded.as_ref().err().map(ToString::to_string)
        );
        match gate {
            Gate::Refuses => assert!(loaded.is_err(), "{name}"),
            Gate::CannotTell => assert!(loaded.is_ok(), "{name}"),
        }
    }
}
