//! Sets that the load gate refuses, and sets that look alike and pass.

use super::{load, source};

const ENTRY: &str = "package lattice.authz

decision := {\"allow\": allow, \"deny\": deny, \"obligations\": set()}

default allow := false

deny contains reason if {
	some name in input.context.tools
	reason := {\"code\": \"policy_tool\", \"msg\": sprintf(\"not %s\", [name])}
	name == \"shell\"
}
";

/// What is said of `body` in a file of its own, from line 3 on, in the package
/// of the entry point.
fn refusal(body: &str) -> String {
    refusal_of(&[("x.rego", &source(body))])
}

fn refusal_of(files: &[(&str, &str)]) -> String {
    let files = files.iter().copied().chain([("authz.rego", ENTRY)]);
    match load(files) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Each begins with a place and a reason.
#[track_caller]
fn all_refused(cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (body, expected) in cases {
        let said = refusal(body);
        if !said.starts_with(expected) {
            wrong += &format!("{body}\n  says:     {said}\n  expected: {expected}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn text_that_is_no_rego() {
    all_refused(&[
        ("allow if {", "x.rego:4:1: expecting expression"),
        ("x := \"a", "x.rego:3:8: invalid character in string"),
        (
            "x if {\n\ty := [1\n}",
            "x.rego:4:4: expecting `}` while parsing set",
        ),
        (
            "matches(\"*\", _)",
            "x.rego:3:1: rule must have a body or assignment; write `if true`",
        ),
        (
            "x := $\"{input.action.name}\"",
            "x.rego:3:6: invalid character",
        ),
        (
            "x { true }",
            "x.rego:3:3: `if` keyword is required before rule body; write it in Rego v1",
        ),
        ("x if y", "x.rego:3:6: use of undefined variable `y`"),
        ("x := ((((1", "x.rego:4:1: expecting `)`"),
    ]);
    let deep = "(".repeat(100_000);
    let said = refusal(&format!("x := {deep}"));
    assert!(
        said.starts_with("x.rego:3:25: brackets are nested more than 20 deep"),
        "{said}"
    );
}

#[test]
fn rules_that_need_themselves() {
    all_refused(&[
        (
            "a if a",
            "x.rego:3:1: the rule needs itself: data.lattice.authz.a needs data.lattice.authz.a; Rego has no",
        ),
        (
            "a if not b\n\nb if not a",
            "x.rego:3:1: the rule needs itself: data.lattice.authz.a needs data.lattice.authz.b needs data.lattice.authz.a",
        ),
        (
            "a contains x if some x in data.lattice.authz.b\nb contains x if some x in a",
            "x.rego:3:1: the rule needs itself",
        ),
        (
            "a := data.lattice[\"authz\"].b\nb := a",
            "x.rego:3:1: the rule needs itself",
        ),
        (
            "a if data.lattice[input.action.name]",
            "x.rego:3:1: the rule needs itself",
        ),
        ("a := count(data)", "x.rego:3:1: the rule needs itself"),
        (
            "a[x] := y if { some x, y in a }",
            "x.rego:3:1: the rule needs itself",
        ),
        (
            "a := [x | x := {y | some y in b}]\nb := a",
            "x.rego:3:1: the rule needs itself",
        ),
        (
            "a if { every x in [1] { b == x } }\nb := 1 if a",
            "x.rego:3:1: the rule needs itself",
        ),
        (
            "f(x) := f(x - 1) if x > 0",
            "x.rego:3:1: the function needs itself: data.lattice.authz.f needs data.lattice.authz.f",
        ),
        (
            "f(x) := g(x)\ng(x) := data.lattice.authz.f(x)",
            "x.rego:3:1: the function needs itself",
        ),
        (
            "a := 1 if false\nelse := a",
            "x.rego:3:1: the rule needs itself",
        ),
        (
            "a := 1 if b with input as {\"x\": a}\nb := 2",
            "x.rego:3:1: the rule needs itself",
        ),
        (
            "f(x) := x if count(y) > 0 with count as f\ny := [1]",
            "x.rego:3:1: the function needs itself",
        ),
    ]);
}

#[test]
fn recursion_through_packages_and_aliases() {
    let other = "package other.place\n\nimport data.lattice.authz as gate\n\nb := gate.a\n\ng(x) := gate.f(x)\n";
    for body in [
        "import data.other.place\n\na := place.b",
        "import data.other.place as p\n\na := p[\"b\"]",
        "a := data.other.place.b",
    ] {
        let said = refusal_of(&[
            ("x.rego", &source(body)),
            (
                "other.rego",
                other.replace("g(x) := gate.f(x)", "").as_str(),
            ),
        ]);
        assert!(
            said.contains("the rule needs itself: data.")
                && said.contains("data.other.place.b needs "),
            "{said}"
        );
    }
    let said = refusal_of(&[
        (
            "x.rego",
            &source("import data.other.place\n\na := 1\n\nf(x) := place.g(x)"),
        ),
        ("other.rego", other),
    ]);
    assert!(said.contains("the function needs itself: data."), "{said}");
    let import = "import data.other.place.g\n\na := 1\n\nf(x) := g(x)";
    let said = refusal_of(&[("x.rego", &source(import)), ("other.rego", other)]);
    assert!(said.contains("the function needs itself: data."), "{said}");
}

#[test]
fn recursion_in_a_test_file() {
    let test = "package t\n\nf(x) := f(x)\n\ntest_it if f(1)\n";
    let said = refusal_of(&[("x_test.rego", test)]);
    assert!(
        said.starts_with("x_test.rego:3:1: the function needs itself"),
        "{said}"
    );
}

#[test]
fn chains_beyond_a_stack() {
    let mut rules = String::from("r0 := 1\n");
    for number in 1..2000 {
        rules.push_str(&format!("r{number} := r{} + 1\n", number - 1));
    }
    let said = refusal(&rules);
    assert!(said.contains("levels of evaluation, and"), "{said}");
    let loops = (0..2000).fold(String::new(), |text, number| {
        format!("{text}\tsome x{number} in [1]\n")
    });
    let said = refusal(&format!("a if {{\n{loops}}}"));
    assert!(
        said.starts_with("x.rego:3:1: the rules that data.lattice.authz.a needs"),
        "{said}"
    );
}

#[test]
fn calls_of_nothing_and_with_too_much() {
    all_refused(&[
        (
            "a if { false; foo(1) }",
            "x.rego:3:15: `foo` is neither a function of this set nor a built-in one",
        ),
        (
            "a if { false; data.lattice.authz.foo(1) }",
            "x.rego:3:15: `data.lattice.authz.foo` is neither",
        ),
        (
            "a := crypto.sha256(\"a\")",
            "x.rego:3:6: `crypto.sha256` is not in this engine",
        ),
        (
            "a := io.jwt.decode(\"a\")",
            "x.rego:3:6: `io.jwt.decode` is not in this engine; tokens are verified by gate 1",
        ),
        (
            "a := http.send({})",
            "x.rego:3:6: `http.send` reaches out of the gateway; put",
        ),
        (
            "# lattice: not-cacheable\na := http.send({})",
            "x.rego:4:6: `http.send` reaches out",
        ),
        (
            "a := opa.runtime()",
            "x.rego:3:6: `opa.runtime` tells of the process",
        ),
        (
            "f(x) := x\na := f(1, 2)",
            "x.rego:4:6: `data.lattice.authz.f` takes 1 argument and is given 2",
        ),
        (
            "f(x) := x\na if { false; f() }",
            "x.rego:4:15: `data.lattice.authz.f` takes 1 argument and is given 0",
        ),
        (
            "f(x) := x\na if { f(1, 2, 3) }",
            "x.rego:4:8: `data.lattice.authz.f` takes 1 argument and is given 3",
        ),
        (
            "a := startswith(\"a\")",
            "x.rego:3:6: `startswith` takes 2 arguments and is given 1",
        ),
        (
            "a if { false; x := [upper(\"a\", \"b\")]; x }",
            "x.rego:3:21: `upper` takes 1 argument and is given 2",
        ),
        (
            "f(x) := x\nf(x, y) := x + y",
            "x.rego:4:1: data.lattice.authz.f has 2 parameters here and 1 elsewhere",
        ),
        (
            "f(x) := x\nf := 1",
            "x.rego:4:1: data.lattice.authz.f is a function elsewhere",
        ),
        (
            "default f(_) := false\nf(x) if x",
            "x.rego:3:1: data.lattice.authz.f is a `default` function",
        ),
        ("a := [1](2)", "x.rego:"),
    ]);
}

#[test]
fn answers_that_differ_each_time() {
    all_refused(&[
        (
            "a := time.now_ns()",
            "x.rego:3:6: `time.now_ns` may answer differently each time, and decisions are kept; use `input.context.weekday`",
        ),
        (
            "a := time[\"now_ns\"]()",
            "x.rego:3:6: `time.now_ns` may answer",
        ),
        (
            "a if { false; rand.intn(\"a\", 3) > 1 }",
            "x.rego:3:15: `rand.intn` may answer",
        ),
        (
            "a := uuid.rfc4122(\"a\")",
            "x.rego:3:6: `uuid.rfc4122` may answer",
        ),
        (
            "f(x) := x\na if f(1) with f as uuid.rfc4122",
            "x.rego:4:21: `uuid.rfc4122` may answer",
        ),
    ]);
    let marked = source("# lattice: not-cacheable\na := time.now_ns()");
    assert_eq!(refusal_of(&[("x.rego", &marked)]), "accepted");
    let in_a_test = "package t\n\ntest_it if time.now_ns() > 0\n";
    assert_eq!(refusal_of(&[("x_test.rego", in_a_test)]), "accepted");
    // In a string it is no mark.
    let quoted = source("b := \"# lattice: not-cacheable\"\na := time.now_ns()");
    assert!(refusal_of(&[("x.rego", &quoted)]).contains("`time.now_ns` may answer"));
}

#[test]
fn not_over_what_may_be_undefined() {
    all_refused(&[
        (
            "a if not startswith(input.resource.id, \"a\")",
            "x.rego:3:21: `input.resource.id` inside of a `not` may be undefined, and then OPA decides otherwise than the gateway; bind it",
        ),
        (
            "a if not \"eu\" in input.resource.regions",
            "x.rego:3:18: `input.resource.regions` inside",
        ),
        (
            "a if not input.resource.id in {\"a\"}",
            "x.rego:3:10: `input.resource.id` inside",
        ),
        (
            "a if not input.level > 3",
            "x.rego:3:10: `input.level` inside",
        ),
        (
            "a if not input.level != 3",
            "x.rego:3:10: `input.level` inside",
        ),
        (
            "a if not input.level + 1 == 3",
            "x.rego:3:10: `input.level + 1` inside",
        ),
        ("a if not input.x[input.y]", "x.rego:3:18: `input.y` inside"),
        (
            "a if not f(input.x)\nf(x) if x",
            "x.rego:3:12: `input.x` inside",
        ),
        (
            "a if not f([1, input.x])\nf(x) if x",
            "x.rego:3:16: `input.x` inside",
        ),
        (
            "a if { some x in [{}]; not startswith(x.name, \"a\") }",
            "x.rego:3:39: `x.name` inside",
        ),
        (
            "a if not f(b)\nf(x) if x\nb := 1 if input.x",
            "x.rego:3:12: `b` inside",
        ),
        (
            "a if not lower(input.x) == \"a\"",
            "x.rego:3:10: `lower(input.x)` inside",
        ),
        (
            "import input.x as y\na if not f(y)\nf(x) if x",
            "x.rego:4:12: `y` inside",
        ),
        (
            "a := [1 | not f(input.x)]\nf(x) if x",
            "x.rego:3:17: `input.x` inside",
        ),
    ]);
}

#[test]
fn names_that_nothing_provides() {
    all_refused(&[
        (
            "a := data.latice.roles",
            "x.rego:3:6: data.latice.roles is provided by no rule and no data file of the set; correct the name",
        ),
        (
            "a := data.lattice.authz.alow",
            "x.rego:3:6: data.lattice.authz.alow is provided by no rule",
        ),
        (
            "import data.lattice.rolls\n\na := rolls[input.action.name]",
            "x.rego:3:1: data.lattice.rolls is provided by no rule",
        ),
        (
            "a if { some role in input.subject.properties.roles; data.roles[role] }",
            "x.rego:3:53: data.roles is provided by no rule",
        ),
    ]);
    let clash = refusal_of(&[
        ("x.rego", &source("levels := 5")),
        ("data.json", "{\"lattice\": {\"authz\": {\"levels\": 4}}}"),
    ]);
    assert!(
        clash.starts_with(
            "x.rego:3:1: data.lattice.authz.levels is a rule, and a data file has the same place"
        ),
        "{clash}"
    );
    let store = refusal_of(&[("x.rego", "package lattice.store\n\nroles := {}\n")]);
    assert!(
        store.starts_with(
            "x.rego:3:1: data.lattice.store.roles is a rule, and the store has the same place"
        ),
        "{store}"
    );
}

#[test]
fn tests_that_fail() {
    let test = |body: &str| refusal_of(&[("x_test.rego", &format!("package t\n\n{body}\n"))]);
    assert!(
        test("test_it if false")
            .starts_with("x_test.rego:3:1: the test test_it fails: it is undefined; mend")
    );
    assert!(
        test("test_it := false")
            .starts_with("x_test.rego:3:1: the test test_it fails: it is false")
    );
    assert!(
        test("test_it := 5").starts_with("x_test.rego:3:1: the test test_it fails: it is not true")
    );
    let conflict = test("a := 1\na := 2 if true\ntest_it if a == 1");
    assert!(
        conflict.starts_with("x_test.rego:4:1: the test test_it fails: "),
        "{conflict}"
    );
    let both = test("test_a if false\ntest_b if false\ntest_c if true\ntodo_test_d if false");
    assert_eq!(both.lines().count(), 2, "{both}");
    let endless = test(
        "test_it if count([1 | some a in numbers.range(1, 5000); some b in numbers.range(1, 5000); a * b == 7]) > 0",
    );
    assert!(
        endless.contains("the test test_it fails: ") && endless.contains("time"),
        "{endless}"
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let said =
        refusal("a if a\nb := foo(1)\nc := time.now_ns()\nd := data.nothing\ndefault f(_) := 1");
    let places: Vec<&str> = said
        .lines()
        .map(|line| &line[..line.find(": ").unwrap()])
        .collect();
    assert_eq!(
        places,
        [
            "x.rego:3:1",
            "x.rego:4:6",
            "x.rego:5:6",
            "x.rego:6:6",
            "x.rego:7:1"
        ]
    );
    let two = refusal_of(&[
        ("x.rego", "package x\n\na if {"),
        ("y.rego", "package y\n\nb := ["),
    ]);
    assert_eq!(two.lines().count(), 2, "{two}");
}

#[test]
fn what_looks_alike_passes() {
    let mut wrong = String::new();
    for body in [
        // Names of rules as names of variables.
        "roles contains x if { some x in input.subject.properties.roles }\na if { roles := [1]; count(roles) > 0 }",
        "f(roles) := count(roles)\nroles := f([1])",
        "a if { every a in [1] { a > 0 } }",
        "b := 1\na := data.lattice.authz.b",
        "a.b := 1\na.c := a.b",
        "a := b.c\nb := {\"c\": 1}",
        // Functions over functions, and results as arguments.
        "f(x) := g(x) + 1\ng(x) := x * 2\na := f(g(1))",
        "a if { upper(\"x\", y); y == \"X\" }",
        "f(x) := y if { y := x }\na if { f(1, z); z == 1 }",
        "f(\"a\", _) := 1\nf(\"b\", x) := x\na := f(\"b\", 3)",
        "a if { x := 1; print(\"x\", x, \"y\"); x }",
        "a := {\"x\": 1}[\"x\"]",
        // `not` where both engines agree.
        "a if not input.resource.id == \"a\"",
        "a if not input.context.stream",
        "a if not input.resource.tags[0]",
        "a if { x := input.resource.id; not startswith(x, \"a\") }",
        "a if { some x in input.context.tools; not x in {\"a\", \"b\"} }",
        "a if not count(b) > 0\nb contains 1 if input.x",
        "a if not b\nb if startswith(input.x, \"a\")",
        "a if not f(levels)\nf(x) if count(x) > 9\nlevels := [1, 2]",
        "a if not 1 in b with input as {\"x\": 1}\nb := {1}",
        "f(x) if not g(x)\ng(x) if x > 1",
        "a if { x := 5; not is_string(x) }",
        "a if not count([x | some x in input.context.tools]) == 3",
        // Idiom.
        "import rego.v1\n\na if true",
        "import future.keywords.in\n\na if 1 in [1]",
        "import input.context as c\n\na if c.stream",
        "a := \"low\" if input.n < 3\nelse := \"high\" if input.n > 5\nelse := \"middle\"",
        "a[x] := y if some x, y in {\"p\": 1}",
        "a.b[x].c contains y if { some x in [1]; some y in [2] }",
        "a := {x: y | some x, y in input.subject}\nb := {x | some x in [1]} | {2}",
        "a if input.context.minute_of_day in numbers.range(480, 1080)",
        "a := b if { b := regex.match(`^[a-z(\\[{]+$`, input.resource.id) }",
        "a := data.lattice.store.roles[input.x]",
        "a := object.get(data.lattice.store, [\"roles\", \"x\"], null)",
        "a := -1 + -2 - -3",
        "a if { [x, y] := [1, 2]\n\t[_, z] := [x, y]\n\tz == 2\n}",
        "a if { {\"k\": v} := {\"k\": 1}; v == 1 }",
        "a if { walks := 1; walks == 1 }",
    ] {
        let said = refusal(body);
        if said != "accepted" {
            wrong += &format!("{body}\n  says: {said}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A package that others import.
const HELPERS: &str = "package lattice.lib.roles

import data.lattice.roles as table

# Permissions of the roles, in order.
permissions(names) := [permission |
	some name in names
	some permission in table[name].permissions
]

grants[name] contains action if {
	some name, role in table
	some permission in role.permissions
	some action in permission.actions
}
";

#[test]
fn a_set_as_people_write_them_passes() {
    let policy = "package lattice.authz

import data.lattice.lib.roles
import input.subject.properties as who

allow if {
	some permission in roles.permissions(who.roles)
	input.action.name in permission.actions
	every tool in input.context.tools {
		not blocked(tool)
	}
}

allow if input.subject.id == data.lattice.owner

blocked(tool) if tool in data.lattice.tools.blocked

blocked(tool) if {
	some pattern in data.lattice.tools.patterns
	glob.match(pattern, [], tool)
}
";
    let test = "package lattice.authz_test

import data.lattice.authz
import data.lattice.lib.roles

sample := {
	\"subject\": {\"id\": \"x\", \"properties\": {\"roles\": [\"member\"]}},
	\"action\": {\"name\": \"infer\"},
	\"context\": {\"tools\": []},
}

test_a_member_infers if authz.allow with input as sample

test_roles_are_data if {
	not authz.allow with input as sample with data.lattice.roles as {}
	authz.allow with input as sample with data.lattice.roles.member as {\"permissions\": [{\"actions\": [\"infer\"]}]}
}

test_nested if \"infer\" in roles.grants.member

now := 5

test_mocked if time.now_ns() == 5 with time.now_ns as now

test_tools if {
	asked := object.union(sample, {\"context\": {\"tools\": [\"a\"]}})
	authz.allow with input as asked
	not authz.allow with input as asked with data.lattice.tools.blocked as [\"a\"]
}

todo_test_later if false
";
    let data = "owner: root\ntools:\n  blocked: [shell]\n  patterns: ['web_*']\nroles:\n  member:\n    permissions:\n      - actions: [infer]\n";
    let said = refusal_of(&[
        ("lib/roles.rego", HELPERS),
        ("allow.rego", policy),
        ("allow_test.rego", test),
        ("lattice/data.yaml", data),
    ]);
    assert_eq!(said, "accepted");
}

#[test]
fn rules_that_all_need_each_other_are_told_soon() {
    let rules = (0..600).fold(String::new(), |text, number| {
        format!("{text}r{number} := data if true\n")
    });
    let started = std::time::Instant::now();
    let said = refusal(&rules);
    assert!(said.contains("the rule needs itself"), "{said}");
    assert!(started.elapsed() < std::time::Duration::from_secs(60));
}

#[test]
fn what_is_not_used_is_a_warning() {
    let body = "import data.lattice.store
import data.lattice.store.roles as table
import input.context as seen

a if {
	some x in [1]
	y := 1
	[z, _] := [1, 2]
	some w
	used := x
	used > 0
	every k, v in {} { v }
	count(table) > 0
}

f(parameter) := 1

b := [n | n := 1; m := n]
";
    let set = load([
        ("x.rego", source(body).as_str()),
        ("authz.rego", ENTRY),
        (
            "x_test.rego",
            "package t\n\nimport data.lattice.authz\n\ntest_it if { count(authz.deny) == 0 with input as {\"context\": {\"tools\": []}} }\n",
        ),
    ]);
    let warnings: Vec<String> = set
        .unwrap()
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "x.rego:3:1: warning: nothing uses the import `store`; leave it out",
            "x.rego:5:1: warning: nothing uses the import `seen`; leave it out",
            "x.rego:9:2: warning: nothing reads the variable `y`; name it `_`, or leave it out",
            "x.rego:10:3: warning: nothing reads the variable `z`; name it `_`, or leave it out",
            "x.rego:11:7: warning: nothing reads the variable `w`; name it `_`, or leave it out",
            "x.rego:20:19: warning: nothing reads the variable `m`; name it `_`, or leave it out",
        ]
    );
}

#[test]
fn the_shipped_set_passes_with_its_own_tests_and_without_a_warning() {
    let sources = crate::Sources::shipped();
    assert!(!sources.tests.is_empty());
    let set = crate::PolicySet::load(&sources, crate::StoreData::default()).unwrap();
    assert_eq!(set.warnings(), []);
}

#[test]
fn iteration_over_what_may_be_no_collection() {
    all_refused(&[
        (
            "x if { some a in input.missing; a }",
            "x.rego:3:18: `input.missing` is no list and no object: iterating",
        ),
        (
            "x if { some a in input.resource.id; a }",
            "x.rego:3:18: `input.resource.id` is no list",
        ),
        (
            "x if { some a in \"text\"; a }",
            "x.rego:3:19: `text` is no list",
        ),
        (
            "x if { some a in input.subject.properties.models; a }",
            "x.rego:3:18: `input.subject.properties.models` may be no list and no object: iterating over it is an error here, and finds nothing in OPA; test `is_array`",
        ),
        (
            "x := [a | some a in input.resource.properties.arguments.list]",
            "x.rego:3:21: `input.resource.properties.arguments.list` may be",
        ),
        (
            "x if { list := input.resource.properties.arguments; some a in list; a }",
            "x.rego:3:63: `list` may be",
        ),
        (
            "x if { some a in input.resource.properties.arguments; is_object(input.resource.properties.arguments); a }",
            "x.rego:3:18: `input",
        ),
        (
            "import input.subject.properties.models\nx if { some a in models; a }",
            "x.rego:4:18: `models` may be",
        ),
        (
            "x if { input.resource.properties.arguments != null; some a in input.resource.properties.arguments; a }",
            "x.rego:3:63: `input",
        ),
        (
            "x if is_array(input.subject.properties.models)\nelse if { some a in input.subject.properties.models; a }",
            "x.rego:4:21: `input",
        ),
    ]);
    for body in [
        "x if { some a in input.context.tools; a }",
        "x if { some k, v in input.subject; k == v }",
        "x if { is_array(input.subject.properties.models); some a in input.subject.properties.models; a }",
        "x if { input.subject.properties.models != null; some a in input.subject.properties.models; a }",
        "x if { list := input.resource.properties.arguments; is_object(list); some a in list; a }",
        "x if { is_array(input.subject.properties.models); y := [a | some a in input.subject.properties.models]; y }",
        "x if { input.subject.properties.models[_] == \"a\" }",
        "f(list) if { some a in list; a }",
    ] {
        assert_eq!(refusal(body), "accepted", "{body}");
    }
}

#[test]
fn fractions_that_are_no_doubles() {
    all_refused(&[
        (
            "x := 0.1 + 0.2 == 0.3",
            "x.rego:3:6: 0.1 is not exactly a double, and the set computes",
        ),
        ("x := sum([1.5, 0.7])", "x.rego:3:16: 0.7 is not"),
        (
            "x := 9007199254740993.0",
            "x.rego:3:6: 9007199254740993.0 has more digits than a double",
        ),
        ("x := 1e30", "x.rego:3:6: 1e30 has more digits"),
        ("x := 1 / 3", "x.rego:3:6: a quotient may be a fraction"),
        ("x := floor(1 + 1 / 3)", "x.rego:3:16: a quotient"),
    ]);
    for body in [
        "x := 0.1 == 0.2",
        "x := 0.5 + 0.25",
        "x := floor(7 / 2)",
        "x := 9007199254740993 + 1",
        "x := 1e3 + 1",
    ] {
        assert_eq!(refusal(body), "accepted", "{body}");
    }
}
