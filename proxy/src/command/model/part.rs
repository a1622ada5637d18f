//! A file while it is being fetched: beside its place, checked to the byte before it
//! is moved there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::PullError;
use super::catalog::Known;
use super::progress::Progress;

const BUFFER: usize = 256 << 10;

/// The `.part` file of one model; nobody else writes it while this lives.
pub struct Part<'a> {
    model: &'a Known,
    place: PathBuf,
    path: PathBuf,
    file: File,
    digest: Sha256,
    length: u64,
}

/// Why a source did not fill the file.
#[derive(Debug)]
pub enum Cut {
    /// The source ended or failed; another may do better.
    Source(String),
    /// The file cannot be written, from whatever source.
    Here(PullError),
}

impl<'a> Part<'a> {
    /// Opens the part beside `place`, with what an earlier try has left in it.
    pub fn open(model: &'a Known, place: &Path) -> Result<Self, PullError> {
        let mut path = place.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let open = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path);
        let file = open.map_err(|error| PullError::unwritable(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PullError::Busy { path }),
            Err(TryLockError::Error(error)) => return Err(PullError::unwritable(&path, error)),
        }
        let mut part = Self {
            model,
            place: place.to_owned(),
            path,
            file,
            digest: Sha256::new(),
            length: 0,
        };
        part.take_up()
            .map_err(|error| PullError::unwritable(&part.path, error))?;
        Ok(part)
    }

    /// Reads what is there; more than the model has is none of it.
    fn take_up(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() >= self.model.bytes {
            return self.clear();
        }
        let (digest, length) = digest_of(&mut self.file)?;
        (self.digest, self.length) = (digest, length);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.digest, self.length) = (Sha256::new(), 0);
        Ok(())
    }

    /// Bytes that are there.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Begins anew.
    pub fn restart(&mut self) -> Result<(), PullError> {
        self.clear()
            .map_err(|error| PullError::unwritable(&self.path, error))
    }

    /// Takes the rest from `source`, and not a byte more than the model has.
    pub fn fill(
        &mut self,
        source: &mut dyn Read,
        title: &str,
        progress: &Progress,
    ) -> Result<(), Cut> {
        let mut meter = progress.meter(title, self.length, self.model.bytes);
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Cut::Source(error.to_string())),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            self.length += read as u64;
            if self.length > self.model.bytes {
                // Nothing of it is worth keeping.
                self.restart().map_err(Cut::Here)?;
                return Err(Cut::Source(format!(
                    "is longer than {} bytes",
                    self.model.bytes
                )));
            }
            self.digest.update(bytes);
            self.file
                .write_all(bytes)
                .map_err(|error| Cut::Here(PullError::unwritable(&self.path, error)))?;
            meter.advance(read as u64);
        }
        if self.length < self.model.bytes {
            return Err(Cut::Source(format!(
                "ended after {} of {} bytes",
                self.length, self.model.bytes
            )));
        }
        Ok(())
    }

    /// Checks the digest and moves the file to its place. One with a wrong digest is
    /// deleted.
    pub fn finish(self, source: &str) -> Result<PathBuf, PullError> {
        let found = hex(self.digest);
        if found != self.model.sha256 {
            drop(fs::remove_file(&self.path));
            return Err(PullError::Digest {
                from: source.to_owned(),
                name: self.model.name,
                found,
                expected: self.model.sha256,
            });
        }
        let moved = self
            .file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, &self.place))
            .and_then(|()| File::open(self.place.parent().unwrap_or(Path::new(".")))?.sync_all());
        moved.map_err(|error| PullError::unwritable(&self.place, error))?;
        Ok(self.place)
    }
}

/// The digest of a file, lower-case hexadecimal.
pub fn sha256(path: &Path) -> io::Result<String> {
    digest_of(&mut File::open(path)?).map(|(digest, _)| hex(digest))
}

fn digest_of(file: &mut File) -> io::Result<(Sha256, u64)> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((digest, length)),
            read => {
                digest.update(buffer.get(..read).unwrap_or_default());
                length += read as u64;
            }
        }
    }
}

fn hex(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
