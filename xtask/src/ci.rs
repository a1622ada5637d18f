//! Every check, cheapest first; tests last, so that the closing line of their report is the
//! last line of the run.

use std::time::Instant;

use crate::shell::{self, Result, cargo};
use crate::{sqlx, tidy};

pub fn run() -> Result<()> {
    step("fmt", || {
        shell::run(&mut cargo(["fmt", "--all", "--check"]))
    })?;
    step("tidy", tidy::run)?;
    step("clippy", || {
        let mut clippy = cargo(["clippy", "--workspace", "--all-targets"]);
        shell::run(clippy.args(["--", "-D", "warnings"]))
    })?;
    // Advisories need the network and change from day to day; a build must not.
    step("deny", || {
        shell::run(&mut cargo(["deny", "check", "bans", "licenses", "sources"]))
    })?;
    step("sqlx-prepare --check", || {
        sqlx::run(&sqlx::Options { check: true })
    })?;

    eprintln!("ci: nextest …");
    Err(shell::become_process(&mut cargo([
        "nextest",
        "run",
        "--workspace",
    ])))
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
