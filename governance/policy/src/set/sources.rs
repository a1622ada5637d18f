//! The files of a set, read once.

use std::path::{Path, PathBuf};

use super::{bundle, folder, paths};
use crate::gate::fault::{Fault, LoadError};

/// Files of one set, policies, tests and data together.
pub(super) const MAX_FILES: usize = 512;
/// Bytes; regorus has the same limit for a policy file.
pub(super) const MAX_FILE: u64 = 1024 * 1024;
/// Bytes of all files together.
pub(super) const MAX_TOTAL: u64 = 16 * 1024 * 1024;

/// The set that ships in the binary, by path below the repository.
const SHIPPED: &[(&str, &str)] = &[
    (
        "policies/authz.rego",
        include_str!("../../../../policies/authz.rego"),
    ),
    (
        "policies/authz_test.rego",
        include_str!("../../../../policies/authz_test.rego"),
    ),
    (
        "policies/classification.rego",
        include_str!("../../../../policies/classification.rego"),
    ),
    (
        "policies/classification_test.rego",
        include_str!("../../../../policies/classification_test.rego"),
    ),
    (
        "policies/data.json",
        include_str!("../../../../policies/data.json"),
    ),
    (
        "policies/data_test.rego",
        include_str!("../../../../policies/data_test.rego"),
    ),
    (
        "policies/rbac.rego",
        include_str!("../../../../policies/rbac.rego"),
    ),
    (
        "policies/rbac_test.rego",
        include_str!("../../../../policies/rbac_test.rego"),
    ),
    (
        "policies/tools.rego",
        include_str!("../../../../policies/tools.rego"),
    ),
    (
        "policies/tools_test.rego",
        include_str!("../../../../policies/tools_test.rego"),
    ),
    (
        "policies/windows.rego",
        include_str!("../../../../policies/windows.rego"),
    ),
    (
        "policies/windows_test.rego",
        include_str!("../../../../policies/windows_test.rego"),
    ),
];

/// A policy or test file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// As messages name it: its path below the set's folder, after that of the
    /// folder itself.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Where its content lands below `data`: the folders that it is in.
    pub path: Vec<String>,
    /// As messages name it; YAML unless it ends in `.json`.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A bundle's `.manifest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// As messages name the file.
    pub name: String,
    /// Whatever its author calls this state of the set; may be empty.
    pub revision: String,
    /// Paths below `data` that the set provides, and nothing besides; `[[]]` is
    /// all of `data`.
    pub roots: Vec<Vec<String>>,
}

/// The files of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// What serves, sorted by name.
    pub policies: Vec<File>,
    /// `*_test.rego`, which never serves, sorted by name.
    pub tests: Vec<File>,
    /// `data.json`, `data.yaml` and `data.yml` of every folder, sorted by name.
    pub data: Vec<DataFile>,
    /// There where the set is a bundle.
    pub manifest: Option<Manifest>,
}

impl Sources {
    /// The set that ships in the binary, with its tests.
    #[must_use]
    pub fn shipped() -> Self {
        let files = SHIPPED.iter().map(|(name, text)| (*name, *text));
        Self::of_files("policies/", files)
    }

    /// The set in the folder `dir` and the folders in it. Names that begin
    /// with a dot are left out, so that a Kubernetes `ConfigMap` reads as the
    /// files that it shows; symbolic links are followed within `dir` only.
    ///
    /// # Errors
    /// [`LoadError`] where something cannot be read, or there is more than 512
    /// files, 1 MiB of one or 16 MiB of all.
    pub fn of_dir(dir: &Path) -> Result<Self, LoadError> {
        folder::read(dir)
    }

    /// The set in an OPA bundle: a `.tar.gz` of such a folder, with `.manifest`.
    ///
    /// # Errors
    /// As for [`Self::of_dir`]; and [`LoadError`] where the bundle is signed,
    /// because signatures are not verified, or holds WebAssembly or a patch.
    pub fn of_bundle(path: &Path) -> Result<Self, LoadError> {
        bundle::read(path)
    }

    /// The set of what is at `paths` together: folders, bundles and single
    /// files. A data file that is named itself is for all of `data`.
    ///
    /// # Errors
    /// As for [`Self::of_dir`] and [`Self::of_bundle`].
    pub fn of_paths(paths: &[PathBuf]) -> Result<Self, LoadError> {
        paths::read(paths)
    }

    /// The set of these files, by name and text, in any order. Folders are
    /// counted below `base`, which messages show.
    #[must_use]
    pub fn of_files<N, T>(base: &str, files: impl IntoIterator<Item = (N, T)>) -> Self
    where
        N: Into<String>,
        T: Into<String>,
    {
        let mut sources = Self::default();
        for (name, text) in files {
            let name = name.into();
            let within = name.strip_prefix(base).unwrap_or(&name).to_owned();
            sources.push(&within, name, text.into());
        }
        sources.sort();
        sources
    }

    /// The same with `text` for what `data.json` of the topmost folder gives;
    /// `name` is what messages call it.
    #[must_use]
    pub fn with_data(mut self, name: &str, text: &str) -> Self {
        self.data.retain(|file| !file.path.is_empty());
        self.data.push(DataFile {
            path: Vec::new(),
            name: name.to_owned(),
            text: text.to_owned(),
        });
        self.sort();
        self
    }

    /// Takes the file up if it is one of a set's; `within` is its path below
    /// the set's folder.
    pub(super) fn push(&mut self, within: &str, name: String, text: String) {
        let (folders, last) = within.rsplit_once('/').unwrap_or(("", within));
        match kind(last) {
            Some(Kind::Policy) => self.policies.push(File { name, text }),
            Some(Kind::Test) => self.tests.push(File { name, text }),
            Some(Kind::Data) => self.data.push(DataFile {
                path: folders
                    .split('/')
                    .filter(|folder| !folder.is_empty())
                    .map(str::to_owned)
                    .collect(),
                name,
                text,
            }),
            None => {}
        }
    }

    pub(super) fn sort(&mut self) {
        self.policies.sort_by(|a, b| a.name.cmp(&b.name));
        self.tests.sort_by(|a, b| a.name.cmp(&b.name));
        self.data.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// What a file is to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Policy,
    Test,
    Data,
}

/// By its last name; nothing else is read.
pub(super) fn kind(name: &str) -> Option<Kind> {
    match name {
        "data.json" | "data.yaml" | "data.yml" => Some(Kind::Data),
        _ if name.starts_with('.') => None,
        _ if name.ends_with("_test.rego") => Some(Kind::Test),
        _ if name.ends_with(".rego") => Some(Kind::Policy),
        _ => None,
    }
}

/// How much of a set has been read.
#[derive(Default)]
pub(super) struct Amount {
    files: usize,
    bytes: u64,
}

impl Amount {
    /// Counts one more file of `size` bytes.
    pub(super) fn add(&mut self, file: &str, size: u64) -> Result<(), LoadError> {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size);
        let reason = if size > MAX_FILE {
            format!("the file is larger than {MAX_FILE} bytes")
        } else if self.files > MAX_FILES {
            format!("the set has more than {MAX_FILES} files")
        } else if self.bytes > MAX_TOTAL {
            format!("the files of the set are larger than {MAX_TOTAL} bytes together")
        } else {
            return Ok(());
        };
        Err(Fault::of_file(file, reason, "leave out what no decision needs").into())
    }
}
