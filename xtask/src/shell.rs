//! Processes and paths: what every task needs from the machine.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Why a task stopped, and the exit code that it hands on.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// 1: a check failed. 2: the task could not be done. Else the code of the failed process.
    pub code: u8,
}

pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A check that found something.
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    /// Something is missing or broken that the check needs.
    pub fn unable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// Names the file or program that an [`io::Error`] is about, which the error itself does not.
pub trait Named<T> {
    fn named(self, subject: impl AsRef<OsStr>) -> Result<T>;
}

impl<T> Named<T> for io::Result<T> {
    fn named(self, subject: impl AsRef<OsStr>) -> Result<T> {
        self.map_err(|error| {
            Failure::unable(format!(
                "{}: {error}",
                Path::new(subject.as_ref()).display()
            ))
        })
    }
}

/// The repository that this xtask is run from. Asked at run time: two clones that share a
/// target folder may share the binary as well, and what was compiled in names the other one.
pub fn repository() -> &'static Path {
    static REPOSITORY: LazyLock<PathBuf> = LazyLock::new(|| {
        let compiled_in = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let package =
            std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(compiled_in, PathBuf::from);
        package.parent().map_or(package.clone(), Path::to_path_buf)
    });
    &REPOSITORY
}

/// The cargo that runs this task, at the repository root.
///
/// `cargo run` exports `CARGO_PKG_*` and `CARGO_MANIFEST_*` of xtask. The build script of
/// ring watches some of them, so a nested cargo that saw them would rebuild ring, and with
/// it every TLS user, each time the caller changes between `cargo` and `cargo xtask`.
pub fn cargo<I>(arguments: I) -> Command
where
    I: IntoIterator,
    I::Item: AsRef<OsStr>,
{
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs to its end with this terminal; a process that fails hands its exit code on.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().named(command.get_program())?;
    if status.success() {
        return Ok(());
    }
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Err(Failure {
        message: format!("{} failed ({status})", line_of(command)),
        code,
    })
}

/// Ends this task as the process ends, with its last words and its exit code. Returns only
/// where the process cannot be started.
pub fn become_process(command: &mut Command) -> Failure {
    let error = command.exec();
    Failure::unable(format!("{}: {error}", line_of(command)))
}

/// Runs to its end and returns its standard output; what it said on failure is in the error.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().named(command.get_program())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::unable(format!(
        "{} failed ({}): {}",
        line_of(command),
        output.status,
        said.trim()
    )))
}

/// Whether the process can be started and ends well; nothing is shown.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The first file of that name in the folders of `PATH`.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

pub fn is_root() -> Result<bool> {
    Ok(output(Command::new("id").arg("-u"))?.trim_ascii() == b"0")
}

/// Where downloaded tools and models live, apart from any clone.
pub fn tools_folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("LATTICE_TOOLS") {
        return Ok(folder.into());
    }
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => env::home_dir()
            .ok_or_else(|| Failure::unable("no HOME: set LATTICE_TOOLS to a folder for tools"))?
            .join(".cache"),
    };
    Ok(cache.join("lattice").join("tools"))
}

fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_process_hands_its_exit_code_on() {
        let failure = run(Command::new("sh").args(["-c", "exit 7"])).unwrap_err();
        assert_eq!(failure.code, 7);
        assert!(
            failure.to_string().starts_with("sh -c exit 7 failed"),
            "{failure}"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = run(&mut Command::new("lattice-no-such-program")).unwrap_err();
        assert_eq!(failure.code, 2);
        assert!(
            failure.to_string().starts_with("lattice-no-such-program: "),
            "{failure}"
        );
    }

    #[test]
    fn output_keeps_what_a_failed_process_said() {
        let failure =
            output(Command::new("sh").args(["-c", "echo no room >&2; exit 1"])).unwrap_err();
        assert!(failure.to_string().ends_with("no room"), "{failure}");
    }

    #[test]
    fn a_nested_cargo_does_not_see_the_package_that_runs_it() {
        let command = cargo(["--version"]);
        let removed = |name: &str| {
            command
                .get_envs()
                .any(|(key, value)| key == name && value.is_none())
        };
        assert!(removed("CARGO_PKG_NAME"));
        assert!(removed("CARGO_MANIFEST_DIR"));
    }
}
