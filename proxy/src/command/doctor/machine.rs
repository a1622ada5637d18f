//! Processor, disk, open files, clock.

use std::path::{Path, PathBuf};

use lattice_kernel::{Clock as _, SystemClock};
use rustix::process::{Resource, getrlimit};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::check::Check;
use super::known::Known;
use crate::command::model::size;

/// A new managed database with its first write-ahead log takes about a fifth of it.
const LEAST_DISK: u64 = 256 << 20;
/// What the journal may hold while the database is away (`audit.max_pending_mib`), and a
/// small model beside it.
const ENOUGH_DISK: u64 = 2 << 30;
/// Two for each running request, and what the database, journal and listeners hold.
const LEAST_FILES: u64 = 256;
/// Two thousand requests at once.
const ENOUGH_FILES: u64 = 4096;
/// What programs like this one are given as a rule.
const USUAL_FILES: u64 = 65_536;

/// What the built-in engine and this binary were compiled for.
#[cfg(target_arch = "x86_64")]
const NEEDED: [&str; 4] = ["avx2", "fma", "f16c", "bmi2"];

/// Looks at the machine.
pub fn look(known: &Known) -> Vec<Check> {
    let mut checks = vec![processor()];
    if let Ok(data_dir) = &known.data_dir
        && known.is_readable()
    {
        checks.push(disk(data_dir));
    }
    checks.push(open_files());
    checks.push(clock());
    checks
}

#[cfg(target_arch = "x86_64")]
fn processor() -> Check {
    // Not `is_x86_feature_detected`: what a binary was compiled for, that takes as given.
    match std::fs::read_to_string("/proc/cpuinfo") {
        Ok(text) => judge_processor(&text),
        Err(_) => Check::ok("processor", "x86-64"),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> Check {
    Check::ok("processor", std::env::consts::ARCH)
}

#[cfg(target_arch = "x86_64")]
fn judge_processor(cpuinfo: &str) -> Check {
    let flags = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    let flags: Vec<&str> = flags.map_or(Vec::new(), |(_, flags)| flags.split(' ').collect());
    let lacks: Vec<String> = NEEDED
        .iter()
        .filter(|needed| !flags.contains(needed))
        .map(|needed| needed.to_uppercase())
        .collect();
    if lacks.is_empty() {
        return Check::ok("processor", "has AVX2, FMA, F16C and BMI2");
    }
    Check::fail(
        "processor",
        format!(
            "lacks {}, which local models are compiled for",
            lacks.join(", ")
        ),
        "build Lattice on this machine: RUSTFLAGS='-C target-cpu=native' cargo build --release",
    )
}

fn disk(data_dir: &Path) -> Check {
    let place = existing(data_dir);
    match rustix::fs::statvfs(&place) {
        Ok(found) => judge_disk(&place, found.f_bavail.saturating_mul(found.f_frsize)),
        Err(error) => Check::warn(
            "disk",
            format!("{}: {error}", place.display()),
            "choose another data_dir",
        ),
    }
}

fn judge_disk(place: &Path, free: u64) -> Check {
    let found = format!("{} free under {}", size(free), place.display());
    let mend = format!(
        "free some space, or set data_dir to a folder on a larger disk ({} is enough to begin with)",
        size(ENOUGH_DISK)
    );
    match free {
        ..LEAST_DISK => Check::fail("disk", found, mend),
        LEAST_DISK..ENOUGH_DISK => Check::warn("disk", found, mend),
        _ => Check::ok("disk", found),
    }
}

/// The folder, or the nearest one above it that is there.
pub fn existing(folder: &Path) -> PathBuf {
    let above = folder.ancestors().find(|above| above.is_dir());
    above.unwrap_or(Path::new("/")).to_path_buf()
}

fn open_files() -> Check {
    let limit = getrlimit(Resource::Nofile);
    judge_open_files(limit.current, limit.maximum)
}

/// `None`: no limit.
fn judge_open_files(limit: Option<u64>, most: Option<u64>) -> Check {
    let Some(limit) = limit.filter(|limit| *limit < ENOUGH_FILES) else {
        let found = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("up to {limit}"));
        return Check::ok("open files", found);
    };
    let reachable = most.map_or(USUAL_FILES, |most| most.min(USUAL_FILES));
    let mend = if reachable >= ENOUGH_FILES {
        format!("ulimit -n {reachable}    # in the shell that starts lattice")
    } else {
        format!(
            "raise the hard limit: LimitNOFILE={USUAL_FILES} in a systemd unit, or `nofile` in /etc/security/limits.conf"
        )
    };
    let found = format!("{limit} at the most; each running request takes two");
    if limit < LEAST_FILES {
        Check::fail("open files", found, mend)
    } else {
        Check::warn("open files", found, mend)
    }
}

fn clock() -> Check {
    let program = std::env::current_exe().and_then(std::fs::metadata);
    let built = program.and_then(|program| program.modified()).ok();
    judge_clock(SystemClock.now(), built.map(OffsetDateTime::from))
}

/// Budgets, expiry and the audit go by the clock. One that is behind what is known to have
/// happened is wrong; one that is ahead shows nowhere.
fn judge_clock(now: OffsetDateTime, built: Option<OffsetDateTime>) -> Check {
    let shown = |at: OffsetDateTime| {
        let whole = at.replace_nanosecond(0).unwrap_or(at);
        whole.format(&Rfc3339).unwrap_or_default()
    };
    match built.filter(|built| now < *built) {
        None => Check::ok("clock", shown(now)),
        Some(built) => Check::fail(
            "clock",
            format!(
                "{}, and this program was made at {}",
                shown(now),
                shown(built)
            ),
            "set the clock: timedatectl set-ntp true",
        ),
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::super::check::Verdict;
    use super::*;

    fn fails(check: &Check) -> bool {
        matches!(check.verdict, Verdict::Fail(_))
    }

    fn warns(check: &Check) -> bool {
        matches!(check.verdict, Verdict::Warn(_))
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn an_old_processor_is_told_what_it_lacks() {
        let new = "model name\t: X\nflags\t\t: fpu sse2 avx2 fma f16c bmi1 bmi2\n";
        assert_eq!(judge_processor(new).verdict, Verdict::Ok);
        let old = judge_processor("flags\t\t: fpu sse2 avx f16c\n");
        assert!(fails(&old));
        assert!(old.found.contains("AVX2, FMA, BMI2"), "{}", old.found);
    }

    #[test]
    fn little_space_is_a_warning_and_next_to_none_a_failure() {
        let disk = |free| judge_disk(Path::new("/x"), free);
        assert_eq!(disk(ENOUGH_DISK).verdict, Verdict::Ok);
        assert!(warns(&disk(LEAST_DISK)));
        assert!(fails(&disk(LEAST_DISK - 1)));
    }

    #[test]
    fn the_limit_of_open_files_is_raised_by_a_command_that_works() {
        assert_eq!(judge_open_files(None, None).verdict, Verdict::Ok);
        let mend = |limit, most| match judge_open_files(Some(limit), Some(most)).verdict {
            Verdict::Ok => String::new(),
            Verdict::Warn(mend) | Verdict::Fail(mend) => mend,
        };
        assert!(mend(1024, 1 << 20).starts_with("ulimit -n 65536 "));
        assert!(mend(1024, 8192).starts_with("ulimit -n 8192 "));
        assert!(mend(1024, 1024).contains("LimitNOFILE"));
        assert!(fails(&judge_open_files(Some(128), Some(128))));
    }

    #[test]
    fn a_clock_behind_its_own_program_is_wrong() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        assert_eq!(judge_clock(now, Some(now)).verdict, Verdict::Ok);
        assert_eq!(judge_clock(now, None).verdict, Verdict::Ok);
        assert!(fails(&judge_clock(now, Some(now + Duration::HOUR))));
    }
}
