//! A set in an OPA bundle.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use serde_json::Value;

use super::folder::{unreadable, utf8};
use super::sources::{Amount, MAX_FILE, MAX_TOTAL, Manifest, Sources, kind};
use crate::gate::fault::{Fault, LoadError};

pub(super) const MANIFEST: &str = ".manifest";
pub(super) const SIGNATURES: &str = ".signatures.json";

/// Bytes of the archive, before and after it is unpacked. What is skipped in
/// it counts as well, so that none of it can be made to take long.
const MAX_ARCHIVE: u64 = 4 * MAX_TOTAL;
const MAX_ENTRIES: usize = 4096;

/// Reads the bundle at `path`.
pub(super) fn read(path: &Path) -> Result<Sources, LoadError> {
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    unpack(&path.display().to_string(), file.take(MAX_ARCHIVE))
}

/// Reads the bundle that `bytes` are; messages call it `shown`.
fn unpack(shown: &str, bytes: impl Read) -> Result<Sources, LoadError> {
    let broken = |error: io::Error| -> LoadError {
        let reason = format!("this is not a whole `.tar.gz`: {error}");
        let mend = "build it with `opa build -b`, or take it from its server again";
        Fault::of_file(shown, reason, mend).into()
    };
    let unpacked = GzDecoder::new(bytes).take(MAX_ARCHIVE);
    let mut archive = tar::Archive::new(unpacked);
    let mut amount = Amount::default();
    let mut sources = Sources::default();
    let mut seen = std::collections::BTreeSet::new();
    for (number, entry) in archive.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if number >= MAX_ENTRIES {
            let reason = format!("the bundle has more than {MAX_ENTRIES} entries");
            return Err(Fault::of_file(shown, reason, "leave out what no decision needs").into());
        }
        let within = within(&entry.path().map_err(broken)?);
        let Some(within) = within else { continue };
        let name = format!("{shown}/{within}");
        let last = within.rsplit('/').next().unwrap_or_default();
        if within == SIGNATURES {
            return Err(signed(&name).into());
        }
        if let Some(fault) = foreign(&name, last) {
            return Err(fault.into());
        }
        let hidden = within.split('/').any(|part| part.starts_with('.'));
        let wanted = within == MANIFEST || (kind(last).is_some() && !hidden);
        if !wanted || entry.header().entry_type().is_dir() {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            let reason = "the entry is a link or a device";
            return Err(Fault::of_file(name, reason, "put the file itself into the bundle").into());
        }
        if !seen.insert(within.clone()) {
            return Err(Fault::of_file(name, "the bundle has two of it", "remove one").into());
        }
        let mut bytes = Vec::new();
        (&mut entry)
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(broken)?;
        amount.add(&name, bytes.len() as u64)?;
        let text = utf8(&name, bytes)?;
        if within == MANIFEST {
            sources.manifest = Some(manifest(&name, &text)?);
        } else {
            sources.push(&within, name, text);
        }
    }
    sources.sort();
    Ok(sources)
}

/// The path of an entry below the bundle; none for one that leads out of it, or
/// is the bundle itself.
fn within(path: &Path) -> Option<String> {
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(name.to_str()?),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (!names.is_empty()).then(|| names.join("/"))
}

/// The fault of a set with signatures: whoever signed it expects that somebody
/// looks.
pub(super) fn signed(name: &str) -> Fault {
    Fault::of_file(
        name,
        "the bundle is signed, and the gateway does not verify signatures",
        "verify it before (`opa run --verification-key …` does), and serve it without this file",
    )
}

/// What OPA would serve from a bundle and the gateway cannot.
fn foreign(name: &str, last: &str) -> Option<Fault> {
    let (what, mend) = match last {
        "patch.json" => (
            "a delta bundle changes a set that was sent before",
            "serve whole bundles",
        ),
        "plan.json" => (
            "the gateway evaluates Rego, not plans",
            "build it with `opa build -b -t rego`",
        ),
        _ if last.ends_with(".wasm") => (
            "the gateway evaluates Rego, not WebAssembly",
            "build it with `opa build -b -t rego`",
        ),
        _ => return None,
    };
    Some(Fault::of_file(name, what, mend))
}

/// Reads a `.manifest`.
pub(super) fn manifest(name: &str, text: &str) -> Result<Manifest, LoadError> {
    let wrong = |reason: String| -> LoadError {
        Fault::of_file(name, reason, "write it as OPA's manual on bundles says").into()
    };
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let Some(fields) = value.as_object() else {
        return Err(wrong("this is not a JSON object".to_owned()));
    };
    let mut manifest = Manifest {
        name: name.to_owned(),
        revision: String::new(),
        roots: vec![Vec::new()],
    };
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("revision", Value::String(revision)) => manifest.revision = revision_of(revision),
            ("roots", Value::Array(list)) => {
                let roots: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                let roots = roots.ok_or_else(|| wrong("a root is not a text".to_owned()))?;
                manifest.roots = roots.into_iter().map(root).collect();
            }
            ("metadata", _) => {}
            ("rego_version", Value::Number(version)) if version.as_u64() == Some(1) => {}
            _ => return Err(wrong(format!("`{field}` is not understood"))),
        }
    }
    for (number, root) in manifest.roots.iter().enumerate() {
        let others = manifest.roots.iter().skip(number + 1);
        if let Some(other) = others.into_iter().find(|other| overlap(root, other)) {
            let (root, other) = (root.join("/"), other.join("/"));
            return Err(wrong(format!("the roots `{root}` and `{other}` overlap")));
        }
    }
    Ok(manifest)
}

/// At most 64 characters, none of which could forge a line of a log.
fn revision_of(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn root(text: &str) -> Vec<String> {
    let names = text.split('/').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn overlap(a: &[String], b: &[String]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}

impl Manifest {
    /// Whether the set may provide what is at `path` below `data`.
    pub(super) fn covers(&self, path: &[String]) -> bool {
        self.roots.iter().any(|root| path.starts_with(root))
    }
}
