//! Where the gateway's engine is known not to be OPA, each with a set that shows it.
//!
//! The load gate refuses each of them. Others there were, which the engine here is made to
//! do as OPA does; they are shown to be gone.

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
}

enum Here {
    /// This JSON.
    Is(&'static str),
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

const INPUT: &str = r#"{"null": null, "text": "a", "digit": "٣"}"#;

const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "negated call of a reference",
        body: "x if not startswith(input.missing, \"a\")",
        here: Here::Is("true"),
        opa: Opa::Undefined,
    },
    Difference {
        name: "recursive rules",
        body: "x if y\n\ny if x",
        here: Here::Fails,
        opa: Opa::Fails,
    },
    Difference {
        name: "recursive function",
        body: "f(n) := f(n - 1)\n\nx := f(5)",
        here: Here::Overflows,
        opa: Opa::Fails,
    },
    Difference {
        name: "unknown function that is not reached",
        body: "x := 1\n\ny if {\n\tfalse\n\tmissing(1)\n}",
        here: Here::Is("1"),
        opa: Opa::Fails,
    },
    Difference {
        name: "wrong number of arguments that is not reached",
        body: "x := 1\n\ny if {\n\tfalse\n\tcount([], 2, 3)\n}",
        here: Here::Is("1"),
        opa: Opa::Fails,
    },
    Difference {
        name: "function without a body",
        body: "f(\"a\", _)\n\nx if f(\"a\", 1)",
        here: Here::Rejected,
        opa: Opa::Is("true"),
    },
    Difference {
        name: "template string",
        body: "x := $\"is {input.text}\"",
        here: Here::Rejected,
        opa: Opa::Is(r#""is a""#),
    },
    Difference {
        name: "built-in function that only OPA has",
        body: "x := crypto.sha256(\"a\") != \"\"",
        here: Here::Fails,
        opa: Opa::Is("true"),
    },
    Difference {
        name: "iteration over null",
        body: "x := [entry | some entry in input.null]",
        here: Here::Fails,
        opa: Opa::Is("[]"),
    },
    Difference {
        name: "iteration over a text",
        body: "x := [entry | some entry in input.text]",
        here: Here::Fails,
        opa: Opa::Is("[]"),
    },
    Difference {
        name: "numbers beyond 53 bits with a fraction",
        body: "x := 9007199254740993 == 9007199254740993.0",
        here: Here::Is("false"),
        opa: Opa::Is("true"),
    },
    Difference {
        name: "sums of fractions",
        body: "x := 0.1 + 0.2 == 0.3",
        here: Here::Is("false"),
        opa: Opa::Is("true"),
    },
    Difference {
        name: "quotients",
        body: "x := 1 / 3 == 0.3333333333333333",
        here: Here::Is("true"),
        opa: Opa::Is("false"),
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
        let asked = || ours(&mut engine(&policies, &json!({})), path, &input);
        match difference.here {
            Here::Is(json) => assert_eq!(asked(), parsed(json), "{name}"),
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
fn the_load_gate_refuses_every_one() {
    const DECISION: &str = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []}";
    for Difference { name, body, .. } in DIFFERENCES {
        let loaded = crate::tests::load([(
            "authz.rego",
            format!("package lattice.authz\n\n{DECISION}\n\n{body}\n"),
        )]);
        let said = loaded.map(drop).map_err(|error| error.to_string());
        println!("{name}: {said:?}");
        let said = said.expect_err(name);
        assert!(said.starts_with("authz.rego:"), "{name}: {said}");
    }
}

/// Expressions in which regorus by itself is not OPA.
const ALIKE: &[&str] = &[
    // In OPA's strict mode, in which it runs here.
    "startswith(input.null, \"a\")",
    "count(5)",
    "to_number(\"x\")",
    "regex.match(`^\\d$`, input.digit)",
    "regex.match(`^\\D$`, input.digit)",
    "regex.match(`^[\\d]$`, input.digit)",
    "regex.match(`^[^\\d]$`, input.digit)",
    "regex.match(`^[a\\D]$`, input.digit)",
    "regex.match(`^\\w+$`, \"é\")",
    "regex.match(`^[\\w.]+$`, \"a_9.\")",
    "regex.match(`^\\W$`, \"é\")",
    "regex.match(`(?i)^\\w$`, \"ſ\")",
    "regex.match(`(?i)^\\W$`, \"ſ\")",
    "regex.match(`^\\s$`, \"\\u00a0\")",
    "regex.match(`^\\s$`, \"\\u000b\")",
    "regex.match(`^\\S$`, \"\\u000b\")",
    "regex.match(`\\bb`, \"éb\")",
    "regex.match(`\\u0041`, \"A\")",
    "regex.match(`(?x) a b`, \"ab\")",
    "regex.match(`a**`, \"aa\")",
    "regex.match(`^a{1001}$`, \"a\")",
    "regex.is_valid(`\\u0041`)",
    "regex.is_valid(`\\d`)",
    "regex.is_valid(`[`)",
    "regex.replace(\"٣3\", `\\d`, \"x\")",
    "regex.split(`\\s`, \"a\\u00a0b c\")",
    "regex.find_n(`\\w+`, \"é a9\", -1)",
    "regex.find_all_string_submatch_n(`(\\d)(\\w)`, \"٣a 3é 3a\", -1)",
    "upper(\"ß\")",
    "lower(\"ΑΣ\")",
    "numbers.range(1, 4)",
    "numbers.range(4, 1)",
    "numbers.range_step(1, 10, 4)",
    "sprintf(\"%04d %s %v\", [7, \"a\", [1]])",
    "replace(\"aXbX\", \"X\", \"yy\")",
    "strings.replace_n({\"a\": \"b\"}, \"aab\")",
    "concat(\", \", [\"a\", \"b\"])",
    "bits.lsh(3, 70)",
    "net.cidr_expand(\"10.0.0.0/30\")",
];

#[test]
fn what_was_different_is_so_no_longer() {
    let input: Value = serde_json::from_str(INPUT).unwrap();
    for expression in ALIKE {
        let text = format!("package lattice.authz\n\nx := {expression}\n");
        let policies = BTreeMap::from([("authz.rego".to_owned(), text)]);
        let path = "data.lattice.authz.x";
        let here = ours(&mut engine(&policies, &json!({})), path, &input);
        let group = Group {
            data: json!({}),
            questions: vec![(path.to_owned(), input.clone())],
        };
        let Some(said) = opa(&policies, &[group]) else {
            return;
        };
        println!("{expression}: {here:?}");
        let alike = match (&here, &said[0]) {
            (Answer::Failed(_), Answer::Failed(_)) => true,
            (here, there) => here == there,
        };
        assert!(alike, "{expression}: here {here:?}, OPA {said:?}");
    }
}

#[test]
fn letters_have_the_case_that_they_have_in_opa() {
    let letters: Vec<String> = (0..=0x1_ffff)
        .filter_map(char::from_u32)
        .map(String::from)
        .collect();
    let input = json!({ "letters": letters });
    let text = "package lattice.authz\n\nx := [[upper(l), lower(l)] | some l in input.letters]\n";
    let policies = BTreeMap::from([("authz.rego".to_owned(), text.to_owned())]);
    let path = "data.lattice.authz.x";
    let here = ours(&mut engine(&policies, &json!({})), path, &input);
    let group = Group {
        data: json!({}),
        questions: vec![(path.to_owned(), input)],
    };
    let Some(said) = opa(&policies, &[group]) else {
        return;
    };
    let (Answer::Is(here), [Answer::Is(there)]) = (here, &said[..]) else {
        panic!("no answer");
    };
    let (here, there) = (here.as_array().unwrap(), there.as_array().unwrap());
    let differ = letters
        .iter()
        .zip(here.iter().zip(there))
        .filter(|(_, (here, there))| here != there);
    let differ: Vec<_> = differ.collect();
    assert_eq!(here.len(), letters.len());
    assert!(differ.is_empty(), "{}: {differ:?}", differ.len());
}
