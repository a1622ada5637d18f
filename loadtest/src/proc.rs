//! CPU time and memory of other processes, from `/proc`. Linux only: elsewhere
//! every reading fails, and the report says so.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

/// The kernel counts CPU time for user space in hundredths of a second on every
/// architecture that Rust builds servers for (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A process to watch, by itself or with all its descendants.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Whether its children, and theirs, count too.
    pub(crate) tree: bool,
}

/// A reading. Memory of a tree is a plain sum: shared pages count repeatedly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of all threads, also of those that ended.
    pub(crate) cpu: Duration,
    /// Resident memory.
    pub(crate) rss_kib: u64,
    /// The most memory that was ever resident.
    pub(crate) peak_kib: u64,
}

impl Watched {
    /// One process, all threads.
    pub(crate) fn process(name: &str, pid: u32) -> Self {
        Self {
            name: name.to_owned(),
            pid,
            tree: false,
        }
    }

    /// A process with its descendants.
    pub(crate) fn tree(name: &str, pid: u32) -> Self {
        Self {
            tree: true,
            ..Self::process(name, pid)
        }
    }

    pub(crate) fn read(&self) -> io::Result<Usage> {
        if !self.tree {
            let cpu = Stat::read(self.pid)?.own;
            return Ok(Usage {
                cpu,
                ..memory(self.pid)?
            });
        }
        let mut total = Usage::default();
        for (pid, stat) in family(self.pid)? {
            // Children that ended were added to whoever waited for them, so the
            // sum never goes back when a worker or a backend exits.
            total.cpu += stat.own + stat.reaped;
            // One that ended since the listing has no memory left.
            let memory = memory(pid).unwrap_or_default();
            total.rss_kib += memory.rss_kib;
            total.peak_kib += memory.peak_kib;
        }
        Ok(total)
    }
}

/// The command name of a process.
pub(crate) fn command(pid: u32) -> io::Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).map(|name| name.trim().to_owned())
}

/// What `/proc/PID/stat` says that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: Duration,
    /// Of children that ended and were waited for.
    reaped: Duration,
}

impl Stat {
    fn read(pid: u32) -> io::Result<Self> {
        let line = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&line).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat: {line}")))
    }

    fn parse(line: &str) -> Option<Self> {
        // The command stands in parentheses and may hold spaces and more of them.
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
        Some(Self {
            parent: ticks(1)?,
            own: TICK * (ticks(11)? + ticks(12)?),
            reaped: TICK * (ticks(13)? + ticks(14)?),
        })
    }
}

/// The process and all its descendants.
fn family(root: u32) -> io::Result<Vec<(u32, Stat)>> {
    let mut children: HashMap<u32, Vec<(u32, Stat)>> = HashMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Processes come and go while they are listed.
        if let Ok(stat) = Stat::read(pid) {
            children.entry(stat.parent).or_default().push((pid, stat));
        }
    }
    let mut family = vec![(root, Stat::read(root)?)];
    let mut next = 0;
    while let Some(&(pid, _)) = family.get(next) {
        family.extend(children.remove(&pid).unwrap_or_default());
        next += 1;
    }
    Ok(family)
}

/// Memory from `/proc/PID/status`; the CPU time is left at zero.
fn memory(pid: u32) -> io::Result<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.trim().strip_suffix("kB"))
            .and_then(|number| number.trim().parse().ok())
            .unwrap_or_default()
    };
    Ok(Usage {
        cpu: Duration::ZERO,
        rss_kib: kib("VmRSS:"),
        peak_kib: kib("VmHWM:"),
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::{Stat, Watched, command};

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "7 (a (b) c) S 3 7 7 0 -1 4194560 1 0 0 0 150 50 20 5 20 0 1 0 99";
        let expected = Stat {
            parent: 3,
            own: Duration::from_secs(2),
            reaped: Duration::from_millis(250),
        };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 3"), None);
    }

    #[test]
    fn work_of_this_process_is_seen() {
        let watched = Watched::process("self", std::process::id());
        let before = watched.read().unwrap();
        let started = Instant::now();
        let mut turns = 0u64;
        // Bounded, so that a clock that stood still fails instead of hanging.
        while watched.read().unwrap().cpu == before.cpu && started.elapsed().as_secs() < 30 {
            turns = std::hint::black_box(turns + 1);
        }
        let after = watched.read().unwrap();
        assert!(after.cpu > before.cpu, "no CPU time in {turns} turns");
        assert!(after.rss_kib > 0 && after.peak_kib >= after.rss_kib);
    }

    #[test]
    fn a_tree_holds_the_work_of_a_grandchild_that_ended() {
        // The outer shell waits, so it has reaped the inner one and its loop.
        let script = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo; read hold";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut newline = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut newline).unwrap();
        let tree = Watched::tree("sh", shell.id()).read().unwrap();
        let alone = Watched::process("sh", shell.id()).read().unwrap();
        let name = command(shell.id()).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(tree.cpu > alone.cpu, "{tree:?} {alone:?}");
        assert!(["sh", "dash", "bash"].contains(&name.as_str()), "{name}");
    }
}
