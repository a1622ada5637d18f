//! Programs in the Node environment that `cargo xtask setup` makes.

use std::path::Path;
use std::process::{Command, Stdio};

use super::python;

/// A script of `proxy/tests/node`, without anything of our environment but the way to node.
pub fn script(name: &str) -> Command {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("tests run under cargo");
    let tools = python::tools().join("node");
    assert!(
        tools.join("node_modules").is_dir(),
        "{} is not filled: run `cargo xtask setup`",
        tools.display()
    );
    let mut command = Command::new("node");
    command
        .arg(Path::new(&package).join("tests").join("node").join(name))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TOOLS", tools)
        .stdin(Stdio::null());
    command
}
