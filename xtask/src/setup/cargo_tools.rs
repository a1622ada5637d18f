//! Cargo subcommands that CI calls.

use crate::shell::{self, Result, cargo};

/// Subcommand and the crate that brings it.
const TOOLS: [(&str, &str); 2] = [("nextest", "cargo-nextest"), ("deny", "cargo-deny")];

/// Crates whose subcommand does not answer.
pub fn missing() -> Vec<&'static str> {
    let absent = |subcommand: &str| !shell::succeeds(&mut cargo([subcommand, "--version"]));
    TOOLS
        .iter()
        .filter(|(subcommand, _)| absent(subcommand))
        .map(|(_, name)| *name)
        .collect()
}

/// Into cargo's own folder, where cargo looks first and which outlives both clones and HOME:
/// cargo-deny alone compiles for more than four CPU minutes.
pub fn install(crates: &[&str]) -> Result<()> {
    crates
        .iter()
        .try_for_each(|name| shell::run(&mut cargo(["install", name, "--locked"])))
}
