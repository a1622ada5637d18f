//! Programs in the Python environment that `cargo xtask setup` makes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn tools() -> PathBuf {
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
