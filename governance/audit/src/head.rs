//! The `head` file: where the last chain ended, once none of its segments is
//! left to tell.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::chain::ChainHead;
use crate::segment;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub run: u64,
    pub head: ChainHead,
}

pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("head")
}

/// Durable when this returns; a crash leaves the old one or the new one.
pub(crate) fn write(dir: &Path, remembered: Remembered) -> io::Result<()> {
    let draft = dir.join("head.new");
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec(&remembered)?)?;
    file.sync_all()?;
    fs::rename(&draft, path(dir))?;
    segment::sync_dir(dir)
}

/// `None` in a journal that has never been emptied.
pub(crate) fn read(dir: &Path) -> io::Result<Option<Remembered>> {
    match fs::read(path(dir)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
