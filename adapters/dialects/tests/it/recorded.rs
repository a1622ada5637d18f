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

/// The exchanges of one API without those of one provider; `None`, and a word
/// about `test`, where the fixtures are absent.
pub fn recordings(api: &str, without: &str, test: &str) -> Option<Vec<Recording>> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let fixtures =
        std::env::var_os("LATTICE_FIXTURES").map_or("../shared/fixtures".into(), PathBuf::from);
    let Ok(files) = fs::read_dir(root.join(fixtures).join("wire/dev")) else {
        eprintln!("skipped: {test}: no fixtures (LATTICE_FIXTURES)");
        return None;
    };
    let mut recordings: Vec<Recording> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .map(|path| Recording {
            json: serde_json::from_slice(&fs::read(&path).unwrap()).unwrap(),
            file: path.file_name().unwrap().display().to_string(),
        })
        .filter(|it| it.json["api"] == api && it.json["provider"] != without)
        .collect();
    recordings.sort_by(|one, other| one.file.cmp(&other.file));
    Some(recordings)
}
