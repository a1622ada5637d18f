//! Programs in the Python environment that `cargo xtask setup` makes.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// What `cargo xtask setup` fills.
pub fn tools() -> PathBuf {
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    variable("LATTICE_TOOLS").unwrap_or_else(|| {
        let cache =
            variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        cache.expect("HOME is set").join("lattice").join("tools")
    })
}

fn installed(path: PathBuf) -> PathBuf {
    assert!(
        path.is_file(),
        "{} is not there: run `cargo xtask setup`",
        path.display()
    );
    path
}

/// The starter model, which llama.cpp's server runs.
pub fn model() -> PathBuf {
    installed(
        tools()
            .join("models")
            .join("SmolLM2-135M-Instruct.Q4_1.gguf"),
    )
}

/// A script of `proxy/tests/python`, without anything of our environment: a proxy
/// or a provider's key that is set there must not lead it elsewhere.
pub fn script(name: &str) -> Command {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("tests run under cargo");
    let script = Path::new(&package).join("tests").join("python").join(name);
    let mut command = Command::new(installed(tools().join("python").join("bin").join("python")));
    command
        .arg(script)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

/// The folder of a Python package that is installed there; `None`, and a word about it,
/// where it is not.
pub fn package(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(tools().join("python").join("lib"));
    let found = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("site-packages").join(name))
        .find(|package| package.is_dir());
    if found.is_none() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("skipped: {test}: no Python package {name} (cargo xtask setup)");
    }
    found
}

/// Runs a script that prints one JSON value a line.
pub fn lines_of(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

/// Recorded provider traffic; `None`, and a word about it, where there is none.
pub fn fixtures() -> Option<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("tests run under cargo");
    let folder =
        std::env::var_os("LATTICE_FIXTURES").map_or("../shared/fixtures".into(), PathBuf::from);
    let folder = Path::new(&package).join("..").join(folder);
    let found = folder.join("wire").join("dev").is_dir();
    if !found {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("skipped: {test}: no fixtures (LATTICE_FIXTURES)");
    }
    found.then_some(folder)
}

/// `claude_mock.py`, `gemini_mock.py` or `upstreams.py`, up until dropped.
pub struct ProviderMock {
    child: Child,
    /// Without a path.
    pub base_url: String,
}

impl ProviderMock {
    /// The provider's key is `key`. What the mock refuses is shown with a failed test.
    pub fn start(name: &str, fixtures: &Path, key: &str) -> Self {
        Self::run(script(name).arg(fixtures).arg(key))
    }

    /// The scripted upstreams, which need no recordings.
    pub fn upstreams(key: &str) -> Self {
        Self::run(script("upstreams.py").arg(key))
    }

    fn run(command: &mut Command) -> Self {
        // It ends when its standard input does, so also with a test that was killed.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        let port: u16 = port
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{command:?} does not start: {port:?}"));
        Self {
            child,
            base_url: format!("http://127.0.0.1:{port}"),
        }
    }
}

impl Drop for ProviderMock {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
