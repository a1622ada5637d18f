//! House rules that no compiler checks. Each checker is a pure function from text to
//! violations, so that its tests can show it failing; this file feeds them.

mod arrows;
mod generated;
mod openings;
mod sizes;
mod source;
mod text;
mod words;

use std::fmt;
use std::fs;
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::shell::{self, Failure, Named, Result, repository};
use source::Source;

/// One broken rule, printed as `file:line: rule: message — mend`.
#[derive(Debug, PartialEq)]
pub struct Violation {
    /// Relative to the repository.
    file: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    message: String,
    mend: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            rule,
            message,
            mend,
        } = self;
        write!(formatter, "{file}:{line}: {rule}: {message} — {mend}")
    }
}

pub fn run() -> Result<()> {
    let metadata = workspace()?;
    let mut violations = arrows::check(&arrows::manifests(&metadata)?);
    let mut sources = Vec::new();
    for file in tracked_files()? {
        let path = repository().join(&file);
        // Deleted but not yet staged, or a link to somewhere else.
        if !path.is_file() {
            continue;
        }
        // What is not UTF-8 is not text.
        let Ok(content) = String::from_utf8(fs::read(&path).named(&path)?) else {
            continue;
        };
        violations.extend(text::check(&file, &content));
        if file.ends_with(".rs") {
            match Source::parse(&file, content) {
                Ok(source) => sources.push(source),
                Err(violation) => violations.push(violation),
            }
        }
    }
    violations.extend(sources.iter().flat_map(sizes::check));
    violations.extend(words::check(&sources));
    violations.extend(openings::check(&roots(&metadata), &sources));
    violations.extend(generated::check()?);
    report(violations, sources.len())
}

fn report(mut violations: Vec<Violation>, sources: usize) -> Result<()> {
    violations.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => {
            println!("tidy: {sources} Rust files, nothing to mend");
            Ok(())
        }
        count => Err(Failure::refused(format!("tidy: {count} to mend"))),
    }
}

fn workspace() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command
        .manifest_path(repository().join("Cargo.toml"))
        .no_deps();
    command
        .exec()
        .map_err(|error| Failure::unable(error.to_string()))
}

/// Everything that is committed or could be: a rule must hold before the commit too.
fn tracked_files() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listing = shell::output(git.current_dir(repository()))?;
    let listing = String::from_utf8_lossy(&listing);
    Ok(listing.split_terminator('\0').map(str::to_owned).collect())
}

/// The `lib.rs` or `main.rs` of each crate, relative to the repository.
fn roots(metadata: &Metadata) -> Vec<String> {
    let targets = metadata
        .workspace_packages()
        .into_iter()
        .flat_map(|package| &package.targets);
    let crates = targets.filter(|target| target.is_lib() || target.is_bin());
    crates
        .map(|target| relative(target.src_path.as_str()).to_owned())
        .collect()
}

fn relative(path: &str) -> &str {
    let inside = std::path::Path::new(path).strip_prefix(repository()).ok();
    inside.and_then(|path| path.to_str()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_a_place_a_rule_a_reason_and_a_mend() {
        let violation = Violation {
            file: "proxy/src/main.rs".to_owned(),
            line: 7,
            rule: "size",
            message: "too long".to_owned(),
            mend: "cut it",
        };
        assert_eq!(
            violation.to_string(),
            "proxy/src/main.rs:7: size: too long — cut it"
        );
        assert_eq!(report(vec![violation], 1).unwrap_err().code, 1);
        assert!(report(Vec::new(), 1).is_ok());
    }
}
