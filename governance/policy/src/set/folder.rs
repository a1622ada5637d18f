//! A set in a folder.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::bundle::{MANIFEST, SIGNATURES, manifest, signed};
use super::sources::{Amount, MAX_FILE, Sources, kind};
use crate::gate::fault::{Fault, LoadError};

/// Folders in each other.
const MAX_DEPTH: usize = 16;
/// Names in one folder, whatever they are.
const MAX_ENTRIES: usize = 4096;

/// Reads what is in `dir`.
pub(super) fn read(dir: &Path) -> Result<Sources, LoadError> {
    let root = fs::canonicalize(dir).map_err(|error| unreadable(dir, &error))?;
    let mut reader = Reader {
        shown: dir,
        root: &root,
        amount: Amount::default(),
        sources: Sources::default(),
    };
    reader.folder("", &mut vec![root.clone()])?;
    let mut sources = reader.sources;
    sources.sort();
    Ok(sources)
}

struct Reader<'a> {
    /// The folder as its owner names it.
    shown: &'a Path,
    /// The same without symbolic links.
    root: &'a Path,
    amount: Amount,
    sources: Sources,
}

impl Reader<'_> {
    /// `within` is the folder below the root, and `open` the real folders that
    /// lead to it, itself last.
    fn folder(&mut self, within: &str, open: &mut Vec<PathBuf>) -> Result<(), LoadError> {
        let dir = self.shown.join(within);
        let listing = fs::read_dir(&dir).map_err(|error| unreadable(&dir, &error))?;
        let mut names = Vec::new();
        for entry in listing.take(MAX_ENTRIES + 1) {
            let entry = entry.map_err(|error| unreadable(&dir, &error))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        if names.len() > MAX_ENTRIES {
            let reason = format!("the folder has more than {MAX_ENTRIES} entries");
            return Err(fault(&dir, reason, "name a folder that holds only the set").into());
        }
        names.sort();
        for name in names {
            let within = if within.is_empty() {
                name.clone()
            } else {
                format!("{within}/{name}")
            };
            self.entry(&within, &name, open)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        within: &str,
        name: &str,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), LoadError> {
        let path = self.shown.join(within);
        let top = open.len() == 1;
        if name == SIGNATURES && top {
            return Err(signed(&path.display().to_string()).into());
        }
        let is_manifest = name == MANIFEST && top;
        if name.starts_with('.') && !is_manifest {
            return Ok(());
        }
        let about = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        let wanted = is_manifest || kind(name).is_some();
        if !about.is_dir() && !wanted {
            return Ok(());
        }
        let real = fs::canonicalize(&path).map_err(|error| unreadable(&path, &error))?;
        if !real.starts_with(self.root) {
            let reason = "the symbolic link leads out of the folder of the set";
            return Err(fault(&path, reason, "copy what it leads to into the folder").into());
        }
        if about.is_dir() {
            return self.enter(&path, within, real, open);
        }
        let text = self.file(&path)?;
        let shown = path.display().to_string();
        if is_manifest {
            self.sources.manifest = Some(manifest(&shown, &text)?);
        } else {
            self.sources.push(within, shown, text);
        }
        Ok(())
    }

    fn enter(
        &mut self,
        path: &Path,
        within: &str,
        real: PathBuf,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), LoadError> {
        if open.contains(&real) {
            let reason = "the symbolic link leads back to a folder that it is in";
            return Err(fault(path, reason, "remove it").into());
        }
        if open.len() > MAX_DEPTH {
            let reason = format!("folders are nested more than {MAX_DEPTH} deep");
            return Err(fault(path, reason, "name a folder that holds only the set").into());
        }
        open.push(real);
        self.folder(within, open)?;
        open.pop();
        Ok(())
    }

    /// The file's text; no more than one byte over the limit is read.
    fn file(&mut self, path: &Path) -> Result<String, LoadError> {
        let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
        let about = file.metadata().map_err(|error| unreadable(path, &error))?;
        if !about.is_file() {
            return Err(fault(path, "this is no regular file", "remove it").into());
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(path, &error))?;
        let shown = path.display().to_string();
        self.amount.add(&shown, bytes.len() as u64)?;
        utf8(&shown, bytes)
    }
}

/// The bytes of the file `name` as text.
pub(super) fn utf8(name: &str, bytes: Vec<u8>) -> Result<String, LoadError> {
    String::from_utf8(bytes)
        .map_err(|_| Fault::of_file(name, "this is not UTF-8", "save it as UTF-8").into())
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> LoadError {
    fault(path, format!("cannot be read: {error}"), "").into()
}

fn fault(path: &Path, reason: impl Into<String>, mend: &str) -> Fault {
    Fault::of_file(path.display().to_string(), reason, mend)
}
