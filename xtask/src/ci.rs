//! Every check, cheapest first; tests last, so that the closing line of their report is the
//! last line of the run.

use std::time::Instant;

use crate::shell::{self, Result, cargo};
use crate::{sqlx, tidy};

/// llama.cpp is the default; candle is added, so that one build checks and tests both.
const BOTH_ENGINES: &str = "--features=lattice/candle";

pub fn run() -> Result<()> {
    step("fmt", || {
        shell::run(&mut cargo(["fmt", "--all", "--check"]))
    })?;
    step("tidy", tidy::run)?;
    step("clippy", || {
        let mut clippy = cargo(["clippy", "--workspace", "--all-targets"]);
        clippy.arg(BOTH_ENGINES);
        shell::run(clippy.args(["--", "-D", "warnings"]))
    })?;
    step("check without llama.cpp", || {
        shell::run(&mut cargo([
            "check",
            "--package=lattice",
            "--no-default-features",
            "--features=candle",
        ]))
    })?;
    // Advisories need the network and change from day to day; a build must not.
    step("deny", || {
        shell::run(&mut cargo(["deny", "check", "bans", "licenses", "sources"]))
    })?;
    step("sqlx-prepare --check", || {
        sqlx::run(&sqlx::Options { check: true })
    })?;

    eprintln!("ci: nextest …");
    let mut nextest = cargo(["nextest", "run", "--workspace"]);
    Err(shell::become_process(nextest.arg(BOTH_ENGINES)))
}

fn step(name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("ci: {name} …");
    let started = Instant::now();
    let done = check();
    let verdict = if done.is_ok() { "ok" } else { "FAILED" };
    eprintln!(
        "ci: {name} {verdict}, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    done
}
