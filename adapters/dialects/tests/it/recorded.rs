//! The recorded exchanges, read in place.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;

/// One HTTP exchange.
pub struct Recording {
    /// Its file's name.
    pub file: String,
    /// All of it.
    pub json: Value,
}

impl Recording {
    pub fn body(&self) -> Bytes {
        Bytes::from(self.json["response"]["body"].as_str().unwrap().to_owned())
    }

    pub fn status(&self) -> u64 {
        self.json["response"]["status"].as_u64().unwrap()
    }

    pub fn request(&self) -> &Value {
        &self.json["request"]["body"]
    }

    pub fn choices(&self) -> u32 {
        self.request()["n"].as_u64().unwrap_or(1) as u32
    }

    pub fn is_stream(&self) -> bool {
        let body = self.body();
        body.starts_with(b"data:") || body.starts_with(b"event:")
    }
}

/// Where the exchanges are; `None`, and a word about `test`, where the fixtures are
/// absent.
fn folder(test: &str) -> Option<PathBuf> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let fixtures =
        std::env::var_os("LATTICE_FIXTURES").map_or("../shared/fixtures".into(), PathBuf::from);
    let folder = root.join(fixtures).join("wire/dev");
    if !folder.is_dir() {
        eprintln!("skipped: {test}: no fixtures (LATTICE_FIXTURES)");
        return None;
    }
    Some(folder)
}

/// All exchanges, by file; `None`, and a word about `test`, where the fixtures are absent.
pub fn everything(test: &str) -> Option<Vec<Recording>> {
    let mut recordings: Vec<Recording> = fs::read_dir(folder(test)?)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .map(|path| Recording {
            json: serde_json::from_slice(&fs::read(&path).unwrap()).unwrap(),
            file: path.file_name().unwrap().display().to_string(),
        })
        .collect();
    recordings.sort_by(|one, other| one.file.cmp(&other.file));
    Some(recordings)
}

/// The exchanges of one API without those of one provider; `None`, and a word
/// about `test`, where the fixtures are absent.
pub fn recordings(api: &str, without: &str, test: &str) -> Option<Vec<Recording>> {
    let mut recordings = everything(test)?;
    recordings.retain(|it| it.json["api"] == api && it.json["provider"] != without);
    Some(recordings)
}

/// Provider and API of each exchange that the fixtures' own index lists.
pub fn index(test: &str) -> Option<Vec<(String, String)>> {
    let text = fs::read_to_string(folder(test)?.join("index.tsv")).unwrap();
    let rows = text.lines().skip(1).map(|row| {
        let mut cells = row.split('\t').map(str::to_owned);
        (cells.nth(1).unwrap(), cells.next().unwrap())
    });
    Some(rows.collect())
}
