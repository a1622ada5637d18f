//! `lattice config import`: another gateway's configuration as a `lattice.yaml`, and what
//! became of every item of it. Start reading at `litellm.rs`.

mod address;
mod document;
mod draft;
mod fallbacks;
mod grade;
mod litellm;
mod models;
mod places;
mod price;
mod resilience;
mod screen;
mod tables;
mod write;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{Import, Source};
use crate::command::{Done, config};
use crate::config::load;

/// Imports a file; what it cannot take over decides the exit code, never whether it writes.
pub fn run(options: &Import) -> Done {
    let document = document::read(&options.file)?;
    let environment = |name: &str| std::env::var(name).ok();
    let litellm::Import { draft, rows } = match options.from {
        Source::Litellm => litellm::import(&document, &environment),
    };
    let source = options.file.file_name().unwrap_or_default();
    let text = write::text(&draft, &source.to_string_lossy());
    // What is written is what the gateway reads: anything else is a defect of this importer.
    load::parse(&options.output, &text)?;
    config::create(&options.output, &text)?;
    let mut out = std::io::stdout().lock();
    if options.listing.json {
        serde_json::to_writer_pretty(&mut out, &rows).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", screen::report(&rows, out.is_terminal()))?;
        writeln!(out, "\n{}", screen::summary(&rows))?;
        writeln!(out, "{}", written(&options.output, &draft))?;
    }
    let is_open = rows.iter().any(|row| row.grade.is_open());
    Ok(if is_open {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn written(output: &Path, draft: &draft::Draft) -> String {
    let output = output.display();
    let count = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let (providers, models) = (draft.providers.len(), draft.models.len());
    let mut text = format!(
        "{output} written with {} and {}; `lattice config check --config {output}` reads it",
        count(providers, "provider"),
        count(models, "model"),
    );
    let mut variables: Vec<String> = draft.key_variables().into_iter().flatten().collect();
    variables.sort_unstable();
    variables.dedup();
    if !variables.is_empty() {
        text += &format!(
            "\nit reads keys from the environment: {}",
            variables.join(", ")
        );
    }
    text
}
