//! Waits for files to change. The system's own notices miss what Kubernetes does (a
//! link far above the file is swapped) and what network file systems do, so the files
//! themselves are looked at.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(500);
/// A file whose stamp has stayed the same for so many looks is not read again until it
/// changes: a file system may give two writes within two seconds one time.
const TRUSTED: u8 = 5;
/// Folders in folders; links may lead in circles.
const DEEPEST: u8 = 8;

/// Why something is to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// What the files hold is another.
    Content,
    /// SIGHUP came: somebody wants it read, changed or not.
    Hangup,
}

/// A watch over what files hold, and over SIGHUP.
pub struct Watch {
    sight: Sight,
    seen: Print,
    /// What the last look saw, where that is not what was seen before.
    coming: Option<Print>,
    hangups: Hangups,
}

impl Watch {
    /// A watch over these files, and over every file in these folders. Remembers what
    /// they hold now: made before they are read, it misses nothing.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let mut sight = Sight {
            paths,
            files: BTreeMap::new(),
        };
        Self {
            seen: sight.look(),
            sight,
            coming: None,
            hangups: Hangups::new(),
        }
    }

    /// Resolves once the files hold something else, or SIGHUP has come. Half a second
    /// must pass without a further change first, so that files that belong together can
    /// all be written.
    pub async fn changed(&mut self) -> Reason {
        loop {
            let hangup = tokio::select! {
                () = sleep(EVERY) => false,
                () = self.hangups.next() => true,
            };
            let now = self.look().await;
            if hangup {
                self.coming = None;
                self.seen = now;
                return Reason::Hangup;
            }
            if now == self.seen {
                self.coming = None;
            } else if self.coming.replace(now) == Some(now) {
                self.coming = None;
                self.seen = now;
                return Reason::Content;
            }
        }
    }

    async fn look(&mut self) -> Print {
        let mut sight = std::mem::take(&mut self.sight);
        let looked = tokio::task::spawn_blocking(move || {
            let print = sight.look();
            (sight, print)
        });
        match looked.await {
            Ok((sight, print)) => {
                self.sight = sight;
                print
            }
            // Only at the end of the runtime: nothing is read again then.
            Err(_) => std::future::pending().await,
        }
    }
}

/// What files hold, in short.
type Print = [u8; 32];

#[derive(Default)]
struct Sight {
    paths: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Known>,
}

/// A file as it was last read.
struct Known {
    stamp: Stamp,
    /// For how many looks the stamp has been this one.
    looks: u8,
    print: Print,
}

/// Whatever changes when a file is written or another takes its place.
type Stamp = (u64, Option<std::time::SystemTime>, [i64; 4]);

impl Sight {
    fn look(&mut self) -> Print {
        let mut before = std::mem::take(&mut self.files);
        for path in &self.paths {
            visit(path, DEEPEST, &mut before, &mut self.files);
        }
        let mut all = Sha256::new();
        for (path, known) in &self.files {
            let name = path.as_os_str().as_encoded_bytes();
            all.update(name.len().to_le_bytes());
            all.update(name);
            all.update(known.print);
        }
        all.finalize().into()
    }
}

/// Takes the file, or all files of the folder, into `now`. What is not there or cannot
/// be read is left out, which is a change as well.
fn visit(
    path: &Path,
    deeper: u8,
    before: &mut BTreeMap<PathBuf, Known>,
    now: &mut BTreeMap<PathBuf, Known>,
) {
    let Ok(found) = path.metadata() else { return };
    if found.is_dir() {
        let Ok(entries) = path.read_dir() else { return };
        for entry in entries.flatten() {
            if deeper > 0 {
                visit(&entry.path(), deeper - 1, before, now);
            }
        }
        return;
    }
    // Reading from a pipe or a device would never end.
    if !found.is_file() {
        return;
    }
    let stamp = stamp(&found);
    let known = match before.remove(path) {
        Some(known) if known.stamp == stamp && known.looks >= TRUSTED => known,
        earlier => {
            let Ok(print) = print(path) else { return };
            let looks = earlier
                .filter(|earlier| earlier.stamp == stamp)
                .map_or(0, |earlier| earlier.looks + 1);
            Known {
                stamp,
                looks,
                print,
            }
        }
    };
    now.insert(path.to_path_buf(), known);
}

#[cfg(unix)]
fn stamp(found: &Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let inode = [found.dev().cast_signed(), found.ino().cast_signed()];
    let changed = [found.ctime(), found.ctime_nsec()];
    let stamp = [inode[0], inode[1], changed[0], changed[1]];
    (found.len(), found.modified().ok(), stamp)
}

#[cfg(not(unix))]
fn stamp(found: &Metadata) -> Stamp {
    (found.len(), found.modified().ok(), [0; 4])
}

fn print(path: &Path) -> std::io::Result<Print> {
    let mut file = File::open(path)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(unix)]
struct Hangups(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangups {
    fn new() -> Self {
        let hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        if let Err(error) = &hangups {
            tracing::warn!(%error, "SIGHUP is not heard; files are still looked at");
        }
        Self(hangups.ok())
    }

    async fn next(&mut self) {
        let heard = match &mut self.0 {
            Some(hangups) => hangups.recv().await,
            None => None,
        };
        if heard.is_none() {
            std::future::pending().await
        }
    }
}

/// There is no such signal.
#[cfg(not(unix))]
struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, remove_file, rename, write};

    use super::*;

    fn sight(path: &Path) -> Sight {
        Sight {
            paths: vec![path.to_path_buf()],
            files: BTreeMap::new(),
        }
    }

    #[test]
    fn every_change_of_content_is_seen_and_a_touch_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let mut sight = sight(folder.path());
        let mut seen = vec![sight.look()];
        let mut differs = |what: &str| {
            let now = sight.look();
            assert!(!seen.contains(&now), "{what} was not seen");
            assert_eq!(now, sight.look(), "{what}");
            seen.push(now);
        };
        write(&file, "1").unwrap();
        differs("a new file");
        // As long as before, and perhaps at the same time.
        write(&file, "2").unwrap();
        differs("other content");
        create_dir(folder.path().join("deep")).unwrap();
        write(folder.path().join("deep/b"), "2").unwrap();
        differs("a file in a folder");
        rename(folder.path().join("deep/b"), folder.path().join("deep/c")).unwrap();
        differs("another name");
        remove_file(&file).unwrap();
        differs("a file that is gone");
        write(&file, "2").unwrap();
        let now = sight.look();
        write(&file, "2").unwrap();
        assert_eq!(now, sight.look(), "written again, with the same content");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_is_swapped_far_above_the_file_is_a_change() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("v1", "one"), ("v2", "two")] {
            create_dir(at(version)).unwrap();
            write(at(version).join("tls.crt"), text).unwrap();
        }
        symlink("v1", at("..data")).unwrap();
        symlink("..data/tls.crt", at("tls.crt")).unwrap();
        let mut sight = sight(&at("tls.crt"));
        let before: Vec<_> = (0..=TRUSTED + 2).map(|_| sight.look()).collect();
        assert!(before.iter().all(|look| *look == before[0]));
        symlink("v2", at("..next")).unwrap();
        rename(at("..next"), at("..data")).unwrap();
        assert_ne!(sight.look(), before[0]);
    }

    #[tokio::test]
    async fn a_change_is_told_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        write(&file, "1").unwrap();
        let mut watch = Watch::new(vec![file.clone()]);
        write(&file, "2").unwrap();
        assert_eq!(watch.changed().await, Reason::Content);
        let again = tokio::time::timeout(EVERY * 4, watch.changed()).await;
        assert!(again.is_err(), "told twice");
    }
}
