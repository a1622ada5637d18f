//! The record file: one JSON line per arrival and per ending.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::ledger::Seen;

#[derive(Debug)]
pub(super) struct Record(Option<File>);

impl Record {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        path.map(|path| File::options().create(true).append(true).open(path))
            .transpose()
            .map(Self)
    }

    pub(super) fn arrival(&mut self, seen: &Seen) {
        self.append(|| {
            json!({
                "event": "arrival",
                "sequence": seen.sequence,
                "request_id": seen.request_id,
                "model": seen.model,
                "stream": seen.stream,
                "at_ms": seen.arrived_ms,
                "input_tokens": seen.billed.input_tokens,
            })
        });
    }

    pub(super) fn ending(&mut self, seen: &Seen, at_ms: u64) {
        self.append(|| {
            json!({
                "event": "ending",
                "sequence": seen.sequence,
                "request_id": seen.request_id,
                "ending": seen.ending,
                "at_ms": at_ms,
                "input_tokens": seen.billed.input_tokens,
                "output_tokens": seen.billed.output_tokens,
            })
        });
    }

    /// One write call per line and no buffer: what the kernel has taken
    /// survives the death of this process.
    fn append(&mut self, line: impl FnOnce() -> Value) {
        let Some(file) = &mut self.0 else { return };
        let line = format!("{}\n", line());
        if let Err(error) = file.write_all(line.as_bytes()) {
            eprintln!("mock: the record lost {line:?}: {error}");
        }
    }
}
