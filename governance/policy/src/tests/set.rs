use std::path::Path;

use super::{Request, load, set, source};
use crate::set::{LoadError, PolicySet};

const OPEN: &str = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []}";

fn refused(files: &[(&str, &str)]) -> LoadError {
    load(files.iter().copied()).err().unwrap()
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

#[test]
fn a_syntax_error_names_file_and_line() {
    let error = refused(&[("mine.rego", "package lattice.authz\n\nallow if {")]).to_string();
    assert!(error.contains("mine.rego:3"), "{error}");
}

#[test]
fn a_set_without_the_entry_point_is_refused() {
    for text in [
        "package lattice.authz\nallow := true",
        "package other\ndecision := {\"allow\": true, \"deny\": [], \"obligations\": []}",
    ] {
        let error = refused(&[("mine.rego", text)]).to_string();
        assert!(
            error.starts_with(
                "mine.rego:1:1: the set has no rule data.lattice.authz.decision, which the gateway asks for;"
            ),
            "{error}"
        );
    }
}

#[test]
fn a_set_without_an_answer_to_an_ordinary_question_is_refused() {
    const DECISION: &str = "decision := {\"allow\": allow, \"deny\": [], \"obligations\": []}";
    const LOOPS: &str = "count([1 | some a in numbers.range(1, 9000); some b in numbers.range(1, 9000); a == b]) > 0";
    for (body, place, why) in [
        (
            "decision := true",
            "3:1",
            "data.lattice.authz.decision: `allow`",
        ),
        (
            "\ndecision := {\"allow\": true}",
            "4:1",
            "data.lattice.authz.decision: `deny`",
        ),
        (
            &format!("{DECISION} if input.nothing\n\nallow := true"),
            "3:1",
            "data.lattice.authz.decision is undefined",
        ),
        (
            &format!(
                "{DECISION}\n\nallow if fast\n\nallow if slow\n\nfast if 1 == 2\n\nslow if {LOOPS}"
            ),
            "11:1",
            "data.lattice.authz.slow takes longer than a decision may; loops",
        ),
        (
            &format!("{DECISION}\n\nallow if works(1)\n\nworks(x) if {{ x == 1; {LOOPS} }}"),
            "5:1",
            "data.lattice.authz.allow takes longer",
        ),
        (
            &format!("{DECISION}\n\nallow := 1\n\nallow := 2"),
            "7:1",
            "rule conflicts with rule at mine.rego:5:1",
        ),
    ] {
        let error = refused(&[("mine.rego", &source(body))]).to_string();
        let said = "the set gives no decision on an ordinary request: ";
        let expected = format!("mine.rego:{place}: {said}{why}");
        assert!(error.starts_with(&expected), "{error}\nand not {expected}");
    }
}

#[test]
fn an_empty_set_is_refused() {
    for files in [&[][..], &[("data.json", "{}")]] {
        let error = refused(files).to_string();
        assert!(error.contains("there is no policy"), "{error}");
    }
}

#[test]
fn data_that_is_no_object_is_refused() {
    let open = source(OPEN);
    for data in ["", "[]", "5", "{", &"[".repeat(100_000)] {
        let error = refused(&[("authz.rego", &open), ("data.json", data)]);
        assert_eq!(error.faults()[0].file, "data.json", "{error}");
    }
}

#[test]
fn a_file_beyond_the_bound_is_refused() {
    let long = format!("{}{}", source(OPEN), "# filler\n".repeat(200_000));
    let error = refused(&[("authz.rego", &long)]).to_string();
    assert!(error.contains("exceeds maximum"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "authz.rego", &long);
    let error = PolicySet::from_dir(dir.path()).err().unwrap().to_string();
    assert!(
        error.contains("authz.rego: the file is larger than 1048576 bytes"),
        "{error}"
    );
}

#[test]
fn a_folder_serves_policies_and_data_but_no_tests() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "authz.rego",
        &source(OPEN.replace("true", "data.lists.open").as_str()),
    );
    write(
        dir.path(),
        "authz_test.rego",
        "package lattice.authz\ntest_it if true\ndecision := 5 if input.from_the_test",
    );
    write(dir.path(), "notes.txt", "nor is this");
    write(dir.path(), "data.json", r#"{"lists": {"open": true}}"#);
    let open = PolicySet::from_dir(dir.path()).unwrap();
    assert!(
        Request::sample()
            .see(|input| open.evaluate(input))
            .unwrap()
            .allows()
    );

    write(dir.path(), "data.json", r#"{"lists": {"open": false}}"#);
    let shut = PolicySet::from_dir(dir.path()).unwrap();
    assert!(
        !Request::sample()
            .see(|input| shut.evaluate(input))
            .unwrap()
            .allows()
    );
    assert_ne!(open.revision(), shut.revision());
}

#[test]
fn a_folder_with_too_many_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..513 {
        write(dir.path(), &format!("{number}.rego"), "package a");
    }
    let error = PolicySet::from_dir(dir.path()).err().unwrap().to_string();
    assert!(error.contains("more than 512 files"), "{error}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = PolicySet::from_dir(Path::new("no/such/folder"))
        .err()
        .unwrap();
    assert!(error.to_string().contains("no/such/folder"));
}

#[test]
fn the_revision_follows_names_and_texts_only() {
    let one = ("a.rego", source(OPEN));
    let two = ("b.rego", "package b\nx := 1".to_owned());
    let revision = |files: &[&(&'static str, String)]| {
        load(files.iter().map(|file| (*file).clone()))
            .unwrap()
            .revision()
            .clone()
    };
    assert_eq!(revision(&[&one, &two]), revision(&[&two, &one]));
    assert_eq!(revision(&[&one]).len(), 16);
    let renamed = ("c.rego", two.1.clone());
    let changed = ("b.rego", "package b\nx := 2".to_owned());
    for other in [&renamed, &changed] {
        assert_ne!(revision(&[&one, &two]), revision(&[&one, other]));
    }
}

#[test]
fn a_builtin_that_fails_is_an_error() {
    let set = set(
        "decision := {\"allow\": allow, \"deny\": [], \"obligations\": []}
        default allow := false
        allow if { input.context.stream; to_number(input.resource.id) > 0 }",
    );
    let answer = Request::sample().see(|input| set.evaluate(input));
    assert!(
        matches!(answer, Err(crate::EvaluationError::Failed(_))),
        "{answer:?}"
    );
}
