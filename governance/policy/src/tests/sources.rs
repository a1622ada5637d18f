//! Folders and bundles as sources of a set.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::source;
use crate::{LoadError, PolicySet, Sources, StoreData};

const OPEN: &str = "decision := {\"allow\": true, \"deny\": [], \"obligations\": []}";

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load(sources: Result<Sources, LoadError>) -> Result<PolicySet, LoadError> {
    PolicySet::load(&sources?, StoreData::default())
}

/// What is said of the bundle of these files.
fn bundle(files: &[(&str, &str)]) -> Result<PolicySet, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.tar.gz");
    fs::write(&path, packed(files)).unwrap();
    load(Sources::of_bundle(&path))
}

fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, name, text.as_bytes())
            .unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn text(loaded: Result<PolicySet, LoadError>) -> String {
    loaded.map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

#[test]
fn folders_are_read_to_their_ends_and_place_their_data() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "authz.rego", &source(OPEN));
    write(
        dir.path(),
        "lib/deep/helper.rego",
        "package lib.deep\n\nx := data.a.b.c\n",
    );
    write(
        dir.path(),
        "lib/deep/helper_test.rego",
        "package lib.deep\n\ntest_x if x == 1\n\ntest_y if data.top == 2\n",
    );
    write(dir.path(), "a/b/data.yaml", "c: 1\n");
    write(dir.path(), "data.json", "{\"top\": 2}");
    write(dir.path(), "README.md", "no policy");
    write(dir.path(), ".hidden/broken.rego", "no Rego");
    let sources = Sources::of_dir(dir.path()).unwrap();
    let names: Vec<&str> = sources
        .policies
        .iter()
        .chain(&sources.tests)
        .map(|file| file.name.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["authz.rego", "helper.rego", "helper_test.rego"]);
    let paths: Vec<String> = sources
        .data
        .iter()
        .map(|file| file.path.join("."))
        .collect();
    assert_eq!(paths, ["a.b", ""]);
    assert_eq!(text(load(Ok(sources))), "accepted");
}

#[test]
fn a_config_map_is_the_files_that_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "..2026_11_23/authz.rego", &source(OPEN));
    write(dir.path(), "..2026_11_23/data.json", "{\"a\": 1}");
    symlink("..2026_11_23", dir.path().join("..data")).unwrap();
    symlink("..data/authz.rego", dir.path().join("authz.rego")).unwrap();
    symlink("..data/data.json", dir.path().join("data.json")).unwrap();
    let sources = Sources::of_dir(dir.path()).unwrap();
    assert_eq!((sources.policies.len(), sources.data.len()), (1, 1));
    assert_eq!(text(load(Ok(sources))), "accepted");
    // And the mount point may be a link itself.
    let link = tempfile::tempdir().unwrap();
    symlink(dir.path(), link.path().join("set")).unwrap();
    assert_eq!(
        text(load(Sources::of_dir(&link.path().join("set")))),
        "accepted"
    );
}

#[test]
fn links_that_lead_out_or_back_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "b.rego", "package b");
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "authz.rego", &source(OPEN));
    symlink(outside.path().join("b.rego"), dir.path().join("b.rego")).unwrap();
    let said = text(load(Sources::of_dir(dir.path())));
    assert!(
        said.contains("b.rego: the symbolic link leads out of the folder"),
        "{said}"
    );
    fs::remove_file(dir.path().join("b.rego")).unwrap();

    fs::create_dir(dir.path().join("lib")).unwrap();
    symlink("..", dir.path().join("lib/up")).unwrap();
    let said = text(load(Sources::of_dir(dir.path())));
    assert!(
        said.contains("lib/up: the symbolic link leads back"),
        "{said}"
    );
    fs::remove_file(dir.path().join("lib/up")).unwrap();

    symlink("nowhere.rego", dir.path().join("c.rego")).unwrap();
    let said = text(load(Sources::of_dir(dir.path())));
    assert!(said.contains("c.rego: cannot be read: "), "{said}");
}

#[test]
fn folders_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        &format!("{}a.rego", "d/".repeat(20)),
        "package a",
    );
    let said = text(load(Sources::of_dir(dir.path())));
    assert!(
        said.contains("folders are nested more than 16 deep"),
        "{said}"
    );

    let dir = tempfile::tempdir().unwrap();
    for number in 0..17 {
        write(
            dir.path(),
            &format!("{number}/data.json"),
            &format!("{{\"a\": \"{}\"}}", "x".repeat(1_000_000)),
        );
    }
    let said = text(load(Sources::of_dir(dir.path())));
    assert!(
        said.contains("larger than 16777216 bytes together"),
        "{said}"
    );
}

#[test]
fn data_that_contradict_are_refused() {
    let open = source(OPEN);
    let said =
        |one: (&str, &str), two: (&str, &str)| text(bundle(&[("authz.rego", &open), one, two]));
    assert_eq!(
        said(
            ("data.json", "{\"a\": {\"b\": 1}}"),
            ("a/data.json", "{\"c\": 2}")
        ),
        "accepted"
    );
    let conflict = said(
        ("data.json", "{\"a\": {\"b\": 1}}"),
        ("a/data.json", "{\"b\": 2}"),
    );
    assert!(
        conflict.contains("data.json: another data file gives something else"),
        "{conflict}"
    );
    let store = said(
        ("data.json", "{}"),
        ("lattice/store/data.json", "{\"b\": 2}"),
    );
    assert!(
        store.contains("data.lattice.store is the store's place"),
        "{store}"
    );
    let store = said(("data.json", "{\"lattice\": 5}"), ("x/data.json", "{}"));
    assert!(
        store.contains("data.lattice.store is the store's place"),
        "{store}"
    );
    let list = said(("data.json", "{}"), ("x/data.yaml", "- 1\n"));
    assert!(
        list.contains("x/data.yaml: the topmost value is not an object"),
        "{list}"
    );
    let broken = said(("data.json", "{\n  \"a\": }"), ("x/data.yaml", "a: [1\n"));
    assert!(
        broken.contains("data.json:2:8: expected value") && broken.lines().count() == 2,
        "{broken}"
    );
}

#[test]
fn data_may_be_given_in_place_of_the_sets() {
    let files = [
        (
            "authz.rego",
            source("decision := {\"allow\": data.open, \"deny\": [], \"obligations\": []}"),
        ),
        ("data.json", "{\"open\": false}".to_owned()),
        ("more/data.json", "{\"x\": 1}".to_owned()),
    ];
    let sources = Sources::of_files("", files).with_data("mine.json", "{\"open\": true}");
    let names: Vec<&str> = sources.data.iter().map(|file| &*file.name).collect();
    assert_eq!(names, ["mine.json", "more/data.json"]);
    assert_eq!(text(load(Ok(sources))), "accepted");
}

#[test]
fn a_bundle_is_a_set() {
    let open = source(OPEN);
    let set = bundle(&[
        (
            ".manifest",
            "{\"revision\": \"v7\", \"roots\": [\"lattice/authz\", \"lists\"]}",
        ),
        ("./authz.rego", &open),
        ("lists/data.json", "{\"a\": [1]}"),
        (
            "authz_test.rego",
            "package anywhere\n\ntest_it if data.lists.a[0] == 1\n",
        ),
        ("README.md", "no policy"),
    ]);
    let revision = set.unwrap().revision().to_string();
    assert!(
        revision.starts_with("v7-") && revision.len() == 3 + 16,
        "{revision}"
    );
}

#[test]
fn a_bundle_stays_within_its_roots() {
    let open = source(OPEN);
    let manifest = (".manifest", "{\"roots\": [\"lattice/authz\", \"lists\"]}");
    let said = text(bundle(&[
        manifest,
        ("authz.rego", &open),
        (
            "data.json",
            "{\"lists\": {\"a\": 1}, \"other\": {\"b\": 2}}",
        ),
    ]));
    assert!(
        said.contains("/data.json: data.other is outside of the roots that"),
        "{said}"
    );
    let said = text(bundle(&[
        manifest,
        ("authz.rego", &open),
        ("b.rego", "package b\n\nx := 1\n"),
    ]));
    assert!(
        said.contains("/b.rego:1:1: data.b is outside of the roots"),
        "{said}"
    );
    let said = text(bundle(&[
        (".manifest", "{\"roots\": [\"a\", \"a/b\"]}"),
        ("authz.rego", &open),
    ]));
    assert!(said.contains("the roots `a` and `a/b` overlap"), "{said}");
    for manifest in [
        "",
        "[]",
        "{\"roots\": 5}",
        "{\"roots\": [5]}",
        "{\"revision\": 5}",
        "{\"wasm\": []}",
        "{\"rego_version\": 0}",
    ] {
        let said = text(bundle(&[(".manifest", manifest), ("authz.rego", &open)]));
        assert!(said.contains(".manifest: "), "{manifest}: {said}");
    }
}

#[test]
fn a_signed_set_is_refused_because_nobody_looks_at_the_signature() {
    let open = source(OPEN);
    let said = text(bundle(&[("authz.rego", &open), (".signatures.json", "{}")]));
    assert!(said.contains(".signatures.json: the bundle is signed, and the gateway does not verify signatures; verify it"), "{said}");
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "authz.rego", &open);
    write(dir.path(), ".signatures.json", "{}");
    let said = text(load(Sources::of_dir(dir.path())));
    assert!(said.contains("does not verify signatures"), "{said}");
}

#[test]
fn what_a_bundle_cannot_hold_is_named() {
    let open = source(OPEN);
    for (name, reason) in [
        ("policy.wasm", "evaluates Rego, not WebAssembly"),
        ("plan.json", "evaluates Rego, not plans"),
        ("patch.json", "a delta bundle"),
    ] {
        let said = text(bundle(&[("authz.rego", &open), (name, "{}")]));
        assert!(said.contains(reason), "{said}");
    }
    let said = text(bundle(&[("authz.rego", &open), ("authz.rego", &open)]));
    assert!(said.contains("the bundle has two of it"), "{said}");
}

#[test]
fn a_bundle_that_is_broken_or_grows_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.tar.gz");
    let whole = packed(&[("authz.rego", &source(OPEN))]);
    for broken in [&b"no archive"[..], &whole[..whole.len() / 2], &[]] {
        fs::write(&path, broken).unwrap();
        let said = text(load(Sources::of_bundle(&path)));
        assert!(
            said.contains("set.tar.gz: this is not a whole `.tar.gz`"),
            "{said}"
        );
    }
    // A thousand to one.
    let zeros = " ".repeat(2 * 1024 * 1024);
    fs::write(&path, packed(&[("authz.rego", &zeros)])).unwrap();
    let said = text(load(Sources::of_bundle(&path)));
    assert!(
        said.contains("the file is larger than 1048576 bytes"),
        "{said}"
    );
    let skipped = " ".repeat(70 * 1024 * 1024);
    fs::write(
        &path,
        packed(&[("notes.txt", &skipped), ("authz.rego", &source(OPEN))]),
    )
    .unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1024 * 1024);
    let said = text(load(Sources::of_bundle(&path)));
    assert!(said.contains("this is not a whole `.tar.gz`"), "{said}");
}

#[test]
fn yaml_that_is_a_bomb_is_refused_soon() {
    let open = source(OPEN);
    let nested = format!("a: {}", "[".repeat(100_000));
    let mut doubling = "a0: &a0 [1, 1]\n".to_owned();
    for number in 1..60 {
        let before = number - 1;
        doubling += &format!("a{number}: &a{number} [*a{before}, *a{before}]\n");
    }
    for bomb in [&nested, &doubling] {
        let started = std::time::Instant::now();
        let said = text(bundle(&[("authz.rego", &open), ("data.yaml", bomb)]));
        assert!(said.contains("data.yaml: "), "{said}");
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
    }
}
