//! Which crate may depend on which, and who alone may name a large dependency.

use std::fs;

use cargo_metadata::{DependencyKind, Metadata};

use super::{Violation, relative};
use crate::shell::{Named, Result, repository};

/// Crates of ours that a crate may depend on. A crate without a row may not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("lattice-kernel", &[]),
    ("lattice-dialects", &[]),
    ("lattice-identity", &["lattice-kernel"]),
    ("lattice-policy", &["lattice-kernel"]),
    ("lattice-limits", &["lattice-kernel"]),
    ("lattice-audit", &["lattice-kernel"]),
    ("lattice-providers", &["lattice-kernel", "lattice-dialects"]),
    ("lattice-inference", &["lattice-kernel", "lattice-dialects"]),
    (
        "lattice-store",
        &[
            "lattice-kernel",
            "lattice-identity",
            "lattice-policy",
            "lattice-limits",
            "lattice-audit",
        ],
    ),
    (
        "lattice",
        &[
            "lattice-kernel",
            "lattice-dialects",
            "lattice-identity",
            "lattice-policy",
            "lattice-limits",
            "lattice-audit",
            "lattice-providers",
            "lattice-inference",
            "lattice-store",
        ],
    ),
    (
        "lattice-benches",
        &[
            "lattice-kernel",
            "lattice-dialects",
            "lattice-identity",
            "lattice-policy",
            "lattice-limits",
            "lattice-audit",
        ],
    ),
    ("lattice-loadtest", &[]),
    ("xtask", &[]),
];

/// Arrows that only tests may add.
const TEST_ARROWS: &[(&str, &str)] = &[("lattice", "lattice-loadtest")];

/// Large dependencies and the crate that hides each from all others.
const OWNERS: &[(&str, &str)] = &[
    ("async-openai", "lattice"),
    ("axum", "lattice"),
    ("bpe-openai", "lattice-limits"),
    ("candle-core", "lattice-inference"),
    ("candle-transformers", "lattice-inference"),
    ("cargo_metadata", "xtask"),
    ("criterion", "lattice-benches"),
    ("genai-prices", "lattice-providers"),
    ("hf-chat-template", "lattice-inference"),
    ("hyper", "lattice-loadtest"),
    ("hyper-util", "lattice-loadtest"),
    ("jsonwebtoken", "lattice-identity"),
    ("llama-cpp-2", "lattice-inference"),
    ("metrics-exporter-prometheus", "lattice"),
    ("mimalloc", "lattice"),
    ("pingora", "lattice"),
    ("regorus", "lattice-policy"),
    ("rustls", "lattice"),
    ("schemars", "lattice"),
    ("serde-saphyr", "lattice"),
    ("sqlx", "lattice-store"),
    ("syn", "xtask"),
    ("tracing-subscriber", "lattice"),
];

/// A Cargo.toml of the workspace.
pub struct Manifest {
    /// Of the package; none for the workspace's own.
    package: Option<String>,
    /// Relative to the repository.
    file: String,
    text: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    ours: bool,
    test: bool,
}

/// All manifests, the workspace's own last.
pub fn manifests(metadata: &Metadata) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for package in metadata.workspace_packages() {
        let path = package.manifest_path.as_std_path();
        let dependencies = package.dependencies.iter().map(|dependency| Dependency {
            name: dependency.name.clone(),
            ours: dependency.path.is_some(),
            test: dependency.kind == DependencyKind::Development,
        });
        manifests.push(Manifest {
            package: Some(package.name.to_string()),
            file: relative(package.manifest_path.as_str()).to_owned(),
            text: fs::read_to_string(path).named(path)?,
            dependencies: dependencies.collect(),
        });
    }
    let path = repository().join("Cargo.toml");
    let text = fs::read_to_string(&path).named(&path)?;
    manifests.push(Manifest {
        package: None,
        file: "Cargo.toml".to_owned(),
        text,
        dependencies: Vec::new(),
    });
    Ok(manifests)
}

pub fn check(manifests: &[Manifest]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for manifest in manifests {
        match &manifest.package {
            Some(package) => {
                violations.extend(arrows(manifest, package));
                violations.extend(owners(manifest, package));
            }
            None => violations.extend(shared(manifest)),
        }
    }
    violations
}

fn arrows(manifest: &Manifest, package: &str) -> Vec<Violation> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package) else {
        let message = format!("`{package}` has no row in the table of arrows");
        let mend = "say in xtask/src/tidy/arrows.rs what it may depend on";
        return vec![manifest.violation("name", message, mend)];
    };
    let ours = manifest
        .dependencies
        .iter()
        .filter(|dependency| dependency.ours);
    let wrong = ours.filter(|dependency| {
        let name = dependency.name.as_str();
        let by_test = dependency.test && TEST_ARROWS.contains(&(package, name));
        !allowed.contains(&name) && !by_test
    });
    wrong
        .map(|dependency| {
            let message = format!("`{package}` may not depend on `{}`", dependency.name);
            let mend = "hand the thing in from the composition root, or move it to the kernel";
            manifest.violation(&dependency.name, message, mend)
        })
        .collect()
}

fn owners(manifest: &Manifest, package: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for dependency in &manifest.dependencies {
        let owner = OWNERS.iter().find(|(name, _)| *name == dependency.name);
        if let Some((name, owner)) = owner.filter(|(_, owner)| *owner != package) {
            let message = format!("`{name}` belongs to `{owner}` alone");
            let mend = "ask its owner through a trait or a value";
            violations.push(manifest.violation(name, message, mend));
        }
    }
    violations
}

/// What the workspace's manifest offers, every crate can take.
fn shared(manifest: &Manifest) -> Vec<Violation> {
    let offered = OWNERS
        .iter()
        .filter(|(name, _)| offers(&manifest.text, name));
    offered
        .map(|(name, owner)| {
            let message = format!("`{name}` is offered to all crates");
            let mend = "write it in its owner's manifest";
            manifest.violation(
                name,
                format!("{message}, but belongs to `{owner}` alone"),
                mend,
            )
        })
        .collect()
}

impl Manifest {
    fn violation(&self, key: &str, message: String, mend: &'static str) -> Violation {
        let line = line_of_key(&self.text, key).unwrap_or(1);
        Violation {
            file: self.file.clone(),
            line,
            rule: "arrows",
            message,
            mend,
        }
    }
}

/// Whether a key stands among the workspace's dependencies: a profile may name it too.
fn offers(toml: &str, key: &str) -> bool {
    let mut section = "";
    toml.lines().any(|line| {
        if line.starts_with('[') {
            section = line;
        }
        section.starts_with("[workspace.dependencies") && line_of_key(line, key).is_some()
    })
}

/// The line, from 1, that gives a key its value: `key = …`, `key.workspace = …`, `[….key]`.
fn line_of_key(toml: &str, key: &str) -> Option<usize> {
    let gives = |line: &str| {
        let after = line.trim_start().strip_prefix(key);
        let assigned = after.is_some_and(|rest| rest.trim_start().starts_with(['=', '.']));
        assigned || line.trim_end().ends_with(&format!("dependencies.{key}]"))
    };
    toml.lines().position(gives).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(package: &str, toml: &str, dependencies: Vec<Dependency>) -> Manifest {
        Manifest {
            package: Some(package.to_owned()),
            file: format!("{package}/Cargo.toml"),
            text: toml.to_owned(),
            dependencies,
        }
    }

    fn ours(name: &str, test: bool) -> Dependency {
        Dependency {
            name: name.to_owned(),
            ours: true,
            test,
        }
    }

    fn theirs(name: &str) -> Dependency {
        Dependency {
            name: name.to_owned(),
            ours: false,
            test: false,
        }
    }

    fn messages(manifest: Manifest) -> Vec<String> {
        check(&[manifest]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_against_the_grain_is_found_at_its_line() {
        let toml = "[package]\nname = \"lattice-kernel\"\n[dependencies]\nlattice-store.workspace = true\n";
        let found = messages(manifest(
            "lattice-kernel",
            toml,
            vec![ours("lattice-store", false)],
        ));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with(
                "lattice-kernel/Cargo.toml:4: arrows: `lattice-kernel` may not depend on `lattice-store`"
            ),
            "{found:?}"
        );
    }

    #[test]
    fn an_arrow_along_the_grain_is_none_of_our_business() {
        let down = vec![
            ours("lattice-kernel", false),
            ours("lattice-dialects", false),
            theirs("bytes"),
        ];
        assert_eq!(messages(manifest("lattice-providers", "", down)), [""; 0]);
    }

    #[test]
    fn the_load_test_may_serve_tests_of_the_binary_and_not_the_binary() {
        let depends = |test| {
            messages(manifest(
                "lattice",
                "",
                vec![ours("lattice-loadtest", test)],
            ))
        };
        assert_eq!(depends(true), [""; 0]);
        assert_eq!(depends(false).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let found = messages(manifest(
            "lattice-attic",
            "[package]\nname = \"lattice-attic\"",
            vec![],
        ));
        assert!(
            found[0].starts_with("lattice-attic/Cargo.toml:2: arrows: "),
            "{found:?}"
        );
    }

    #[test]
    fn every_row_names_crates_that_have_a_row() {
        let known = |name: &str| ARROWS.iter().any(|(row, _)| *row == name);
        let targets = ARROWS.iter().flat_map(|(_, targets)| *targets);
        let tests = TEST_ARROWS.iter().flat_map(|(from, to)| [from, to]);
        let owners = OWNERS.iter().map(|(_, owner)| owner);
        for name in targets.chain(tests).chain(owners) {
            assert!(known(name), "{name}");
        }
    }

    #[test]
    fn a_large_dependency_has_one_owner() {
        assert_eq!(
            messages(manifest("lattice-store", "", vec![theirs("sqlx")])),
            [""; 0]
        );
        let found = messages(manifest(
            "lattice-audit",
            "sqlx = \"0.9\"",
            vec![theirs("sqlx")],
        ));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("`sqlx` belongs to `lattice-store` alone"),
            "{found:?}"
        );
    }

    #[test]
    fn the_workspace_does_not_offer_an_owned_dependency() {
        let root = |text: &str| {
            let manifest = manifest("", text, Vec::new());
            messages(Manifest {
                package: None,
                ..manifest
            })
        };
        assert_eq!(
            root("[workspace.dependencies]\nhttp = \"1\"\nrustls-pki = \"1\"\n"),
            [""; 0]
        );
        assert_eq!(
            root("[profile.dev.package]\nsqlx = { opt-level = 3 }\n"),
            [""; 0]
        );
        assert_eq!(
            root("[workspace.dependencies]\nrustls = \"0.23\"\n").len(),
            1
        );
        assert_eq!(
            root("[workspace.dependencies.sqlx]\nversion = \"0.9\"\n").len(),
            1
        );
    }
}
