//! Telling a live server from the traces of a dead one.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::cluster::remove_if_there;
use super::error::{At, ManagedError};

/// For a server that is starting (recovery may take long) or stopping.
const PATIENCE: Duration = Duration::from_secs(60);

/// For a file that is being written; a crash can leave one that says nothing.
const WRITING: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(50);

/// What `postmaster.pid` says, see `src/include/utils/pidfile.h` of PostgreSQL.
#[derive(Debug, PartialEq, Eq)]
struct PidFile {
    pid: u32,
    data: PathBuf,
    /// Missing while the server is starting.
    socket: Option<Socket>,
    ready: bool,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) folder: PathBuf,
    pub(super) port: u16,
}

/// Finds the server that runs on this data directory, waiting until one that is just
/// starting serves and one that is just stopping is gone. `None`: none runs, and the pid
/// file of a dead one is removed. Call it under the start lock only.
pub(super) fn find(data: &Path) -> Result<Option<Socket>, ManagedError> {
    let path = data.join("postmaster.pid");
    let began = Instant::now();
    loop {
        let Some(text) = read(&path)? else {
            return Ok(None);
        };
        let pid = match PidFile::parse(&text) {
            // A copy of a running server's files tells of the original.
            Some(file) if file.data != data => break,
            Some(PidFile {
                socket: Some(socket),
                ready: true,
                ..
            }) if socket.accepts() => return Ok(Some(socket)),
            Some(file) if is_postmaster(file.pid, data) => file.pid,
            Some(_) => break,
            None if began.elapsed() > WRITING => break,
            None => 0,
        };
        if began.elapsed() > PATIENCE {
            return Err(ManagedError::Stuck {
                cluster: data.to_owned(),
                pid,
            });
        }
        sleep(PAUSE);
    }
    remove_if_there(&path)?;
    Ok(None)
}

fn read(path: &Path) -> Result<Option<String>, ManagedError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some).at(path),
    }
}

impl PidFile {
    /// Lines: pid, data directory, start time, port, socket folder, address, shared memory, state.
    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let line = |n: usize| lines.get(n).copied().filter(|line| !line.is_empty());
        let socket = line(3).zip(line(4)).and_then(|(port, folder)| {
            Some(Socket {
                folder: folder.into(),
                port: port.parse().ok()?,
            })
        });
        Some(Self {
            pid: line(0)?.parse().ok()?,
            data: line(1)?.into(),
            socket,
            ready: line(7) == Some("ready"),
        })
    }
}

impl Socket {
    fn accepts(&self) -> bool {
        UnixStream::connect(self.folder.join(format!(".s.PGSQL.{}", self.port))).is_ok()
    }
}

/// Whether this process is a server of this data directory: after a crash its number may
/// belong to anybody. pg_ctl names the directory on the server's command line.
fn is_postmaster(pid: u32, data: &Path) -> bool {
    let line = match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(line) => line,
        Err(_) if Path::new("/proc/self").exists() => return false,
        Err(_) => {
            let ps = Command::new("ps")
                .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
                .output();
            ps.map(|ps| ps.stdout).unwrap_or_default()
        }
    };
    let line = String::from_utf8_lossy(&line);
    line.contains("postgres") && line.contains(&*data.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str =
        "4711\n/d/data\n1763800000\n5432\n/d/run\n\n  5432001    65538\nready   \n";

    #[test]
    fn a_pid_file_is_read_in_every_state_of_its_server() {
        let socket = Socket {
            folder: "/d/run".into(),
            port: 5432,
        };
        let running = PidFile {
            pid: 4711,
            data: "/d/data".into(),
            socket: Some(socket),
            ready: true,
        };
        assert_eq!(PidFile::parse(RUNNING), Some(running));
        assert!(
            PidFile::parse(&RUNNING.replace("ready", "stopping")).is_some_and(|file| !file.ready)
        );
        let starting = PidFile::parse("4711\n/d/data\n1763800000\n5432\n")
            .map(|file| (file.socket, file.ready));
        assert_eq!(starting, Some((None, false)));
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("\0\0\0\0"), None);
    }

    #[test]
    fn a_process_that_is_no_server_of_this_folder_is_not_taken_for_one() {
        assert!(!is_postmaster(std::process::id(), Path::new("/d/data")));
    }
}
