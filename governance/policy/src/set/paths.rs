//! A set from what a command line names: folders, bundles and single files.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::folder::{unreadable, utf8};
use super::sources::{Amount, DataFile, MAX_FILE, Sources, kind};
use crate::gate::fault::{Fault, LoadError};

/// Reads what is at `paths`, as one set.
pub(super) fn read(paths: &[PathBuf]) -> Result<Sources, LoadError> {
    let mut all = Sources::default();
    let mut amount = Amount::default();
    for path in paths {
        let name = path.to_string_lossy();
        let part = if path.is_dir() {
            Sources::of_dir(path)?
        } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            Sources::of_bundle(path)?
        } else {
            file(path, &mut amount)?
        };
        all.policies.extend(part.policies);
        all.tests.extend(part.tests);
        all.data.extend(part.data);
        // Its roots say nothing of what comes from elsewhere.
        all.manifest = part.manifest.filter(|_| paths.len() == 1);
    }
    all.sort();
    for files in [&mut all.policies, &mut all.tests] {
        files.dedup_by(|a, b| a.name == b.name);
    }
    all.data.dedup_by(|a, b| a.name == b.name);
    Ok(all)
}

/// One file that was named: a policy, a test, or data for all of `data`.
fn file(path: &Path, amount: &mut Amount) -> Result<Sources, LoadError> {
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, &error))?;
    amount.add(&shown, bytes.len() as u64)?;
    let text = utf8(&shown, bytes)?;
    let last = path.file_name().unwrap_or_default().to_string_lossy();
    let mut sources = Sources::default();
    if kind(&last).is_some() {
        sources.push(&last, shown, text);
    } else if [".json", ".yaml", ".yml"]
        .iter()
        .any(|end| last.ends_with(end))
    {
        sources.data.push(DataFile {
            path: Vec::new(),
            name: shown,
            text,
        });
    } else {
        let reason = "neither a folder, a .rego, .json or .yaml file, nor a .tar.gz bundle";
        return Err(Fault::of_file(shown, reason, "").into());
    }
    Ok(sources)
}
