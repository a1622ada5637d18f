//! What is just within the gate's bounds neither exhausts a stack of 2 MiB,
//! which is what a test's thread has, nor takes long.

use std::fmt::Write as _;

use regorus::Value;

use super::load;
use crate::Sources;

const DECISION: &str = "package lattice.authz\n\ndecision := {\"allow\": count(last) >= 0, \"deny\": [], \"obligations\": []}\n\n";

/// The set with this many of something, its policies only.
fn sources(shape: impl Fn(usize) -> String, size: usize) -> Sources {
    let text = format!("{DECISION}{}", shape(size));
    Sources::of_files("", [("authz.rego", text)])
}

/// Loads the largest set of the shape that the checks let pass.
fn load_largest(name: &str, shape: impl Fn(usize) -> String) {
    let passes = |size| crate::gate::check(&sources(&shape, size), &Value::new_object()).is_ok();
    let (mut least, mut most) = (1, 800);
    assert!(
        passes(least),
        "{name}: {:?}",
        crate::gate::check(&sources(&shape, 1), &Value::new_object()).err()
    );
    while least + 1 < most {
        let middle = usize::midpoint(least, most);
        if passes(middle) {
            least = middle;
        } else {
            most = middle;
        }
    }
    let started = std::time::Instant::now();
    let files = sources(&shape, least);
    let loaded = load(files.policies.iter().map(|file| (&*file.name, &*file.text)));
    let outcome = loaded.map(drop).map_err(|error| error.to_string());
    println!("{name}: {least}, {outcome:?} after {:?}", started.elapsed());
    assert!(least > 4, "{name}");
}

fn numbered(size: usize, line: impl Fn(usize) -> String) -> String {
    (1..=size).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", line(number));
        text
    })
}

#[test]
fn chains_of_rules() {
    load_largest("sums", |n| {
        format!(
            "r0 := [1]\nlast := [r{n}]\n{}",
            numbered(n, |i| format!("r{i} := r{} | {{1}}", i - 1)
                .replace("r0 |", "{2} |"))
        )
    });
    load_largest("bodies", |n| {
        format!(
            "r0 if true\nlast := [r{n}]\n{}",
            numbered(n, |i| format!("r{i} if {{ x := 1; x == 1; r{} }}", i - 1))
        )
    });
    load_largest("loops", |n| {
        format!(
            "r0 if true\nlast := [r{n}]\n{}",
            numbered(n, |i| format!("r{i} if {{ some x in [1]; r{}; x }}", i - 1))
        )
    });
    load_largest("comprehensions", |n| {
        format!(
            "r0 := [1]\nlast := r{n}\n{}",
            numbered(n, |i| format!("r{i} := [x | some x in r{}]", i - 1))
        )
    });
    load_largest("sets", |n| {
        format!(
            "r0 contains 1\nlast := r{n}\n{}",
            numbered(n, |i| format!("r{i} contains x if some x in r{}", i - 1))
        )
    });
    load_largest("with", |n| {
        format!(
            "r0 if true\nlast := [r{n}]\n{}",
            numbered(n, |i| format!(
                "r{i} if {{ r{} with input as {{\"a\": 1}} }}",
                i - 1
            ))
        )
    });
    load_largest("every", |n| {
        format!(
            "r0 if true\nlast := [r{n}]\n{}",
            numbered(n, |i| format!(
                "r{i} if {{ every x in [1] {{ r{}; x }} }}",
                i - 1
            ))
        )
    });
    load_largest("not", |n| {
        format!(
            "r0 if true\nlast := [r{n}]\n{}",
            numbered(n, |i| format!("r{i} if not r{}", i - 1))
        )
    });
    load_largest("names", |n| {
        format!(
            "r0 := [1]\nlast := r{n}\n{}",
            numbered(n, |i| format!("r{i} := r{}", i - 1))
        )
    });
}

#[test]
fn chains_of_functions() {
    load_largest("functions", |n| {
        format!(
            "f0(x) := x\nlast := [f{n}(1)]\n{}",
            numbered(n, |i| format!("f{i}(x) := f{}(x)", i - 1))
        )
    });
    load_largest("clauses", |n| {
        format!(
            "f0(x) := x\nlast := [f{n}(1)]\n{}",
            numbered(n, |i| format!(
                "f{i}(x) := z if {{ y := x; z := f{}(y) }}",
                i - 1
            ))
        )
    });
    load_largest("loops", |n| {
        format!(
            "f0(x) := x\nlast := f{n}([1])\n{}",
            numbered(n, |i| format!(
                "f{i}(x) := [z | some y in x; some z in f{}([y])]",
                i - 1
            ))
        )
    });
}

#[test]
fn long_bodies() {
    load_largest("loops", |n| {
        format!(
            "last := [1] if {{\n{}}}",
            numbered(n, |i| format!("some x{i} in [1]"))
        )
    });
    load_largest("selectors", |n| {
        format!(
            "a := [1]\nlast := [1] if {{\n{}}}",
            numbered(n, |_| "a[_]".to_owned())
        )
    });
    load_largest("else", |n| {
        format!(
            "last := [0] if false\n{}else := [1]",
            numbered(n, |i| format!("else := [{i}] if false"))
        )
    });
    load_largest("statements", |n| {
        format!(
            "last := [1] if {{\n{}}}",
            numbered(n, |i| format!("x{i} := {i}"))
        )
    });
}

#[test]
fn high_expressions() {
    load_largest("sum", |n| format!("last := [1{}]", " + 1".repeat(n)));
    load_largest("union", |n| format!("last := {{1}}{}", " | {1}".repeat(n)));
    load_largest("selectors", |n| {
        format!("last := [x | x := input{}]", ".a".repeat(n))
    });
    load_largest("brackets", |n| {
        format!("last := [x | x := input{}]", "[_]".repeat(n))
    });
}

#[test]
fn nested_brackets() {
    for (open, close) in [
        ("[", "]"),
        ("{", "}"),
        ("(", ")"),
        ("{\"a\": ", "}"),
        ("[1, ", "]"),
        ("[x | x := ", "]"),
        ("{[1] | x := ", "}"),
        ("f(", ")"),
        ("-(", ")"),
        ("[2 | 1 == ", "]"),
    ] {
        load_largest(open, |n| {
            format!(
                "f(x) := x\nlast := [{}1{}]",
                open.repeat(n.min(21)),
                close.repeat(n.min(21))
            )
        });
    }
    load_largest("every", |n| {
        format!(
            "last := [1] if {{ {} 1 == 1 {} }}",
            "every x in [1] {".repeat(n.min(21)),
            "}".repeat(n.min(21))
        )
    });
}
