//! `lattice doctor`: what is wrong with this machine, configuration or database,
//! and the mend.
//!
//! Each file here looks at one subject and gives back checks; `screen.rs` shows
//! them. Nothing is made, changed or started, and no credential leaves the
//! machine. A broken part is a finding, and the rest is looked at with what is
//! known.

mod check;
mod configuration;
mod database;
mod known;
mod local;
mod machine;
mod network;
mod programs;
mod screen;
mod state;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use self::check::{Section, Verdict};
use self::known::Known;
use crate::cli::Listing;
use crate::command::{CommandError, Done};

/// Looks at everything and shows what was found.
pub fn run(config: Option<PathBuf>, listing: &Listing) -> Done {
    let sections = look(&Known::read(config));
    let shown = if listing.json {
        let json = screen::json(&sections);
        json.map_err(|error| CommandError::Failed(error.to_string()))? + "\n"
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        screen::text(&sections, colour)
    };
    std::io::stdout().lock().write_all(shown.as_bytes())?;
    let fails = |section: &Section| {
        let mut checks = section.checks.iter();
        checks.any(|check| matches!(check.verdict, Verdict::Fail(_)))
    };
    Ok(if sections.iter().any(fails) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn look(known: &Known) -> Vec<Section> {
    let section = |title, checks| Section { title, checks };
    let mut sections = vec![
        section("machine", machine::look(known)),
        section("programs", programs::look(known)),
        section("configuration", configuration::look(known)),
    ];
    // What a file that cannot be read names is not known, and the defaults are not it.
    if known.is_readable() {
        sections.extend([
            section("network", network::look(known)),
            section("state", state::look(known)),
            section("local models", local::look(known)),
        ]);
    }
    sections
}
