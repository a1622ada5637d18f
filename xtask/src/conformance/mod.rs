//! The official clients before a gateway and the scripted upstreams, on this screen: the
//! matrix that the tests assert, or (`--cli`) whole programs that people use.

mod programs;
mod world;

use std::process::Command;

use crate::shell::{self, Failure, Result, repository, tools_folder};
use world::{UPSTREAMS, World};

#[derive(clap::Args)]
pub struct Options {
    /// Instead of the matrix: install Claude Code and Codex (some 800 MB) and have each complete a
    /// turn with a tool call through every kind of upstream
    #[arg(long)]
    cli: bool,
}

pub fn run(options: &Options) -> Result<()> {
    // Both may download: before anything is started.
    let programs = options.cli.then(programs::installed).transpose()?;
    let world = World::start()?;
    match programs {
        Some(programs) => programs.complete_turns(&world),
        None => matrix(&world),
    }
}

/// Python's clients, then those of the Vercel AI SDK; both are run even if one fails.
fn matrix(world: &World) -> Result<()> {
    let tests = repository().join("proxy").join("tests");
    let models = models();
    let mut python = Command::new(world::python()?);
    python.arg(tests.join("python").join("matrix.py"));
    python.args([&world.gateway, &world.key, &models]);
    let python = shell::run(python.arg("--table"));
    let mut node = Command::new("node");
    node.arg(tests.join("node").join("conformance.mjs"));
    node.args([&world.gateway, &world.key, &models]);
    let node = shell::run(node.env("TOOLS", tools_folder()?.join("node")));
    match (python, node) {
        (Ok(()), Ok(())) => Ok(()),
        _ => Err(Failure::refused(
            "some cells are neither passed nor refused by design",
        )),
    }
}

/// The kind of each upstream, and the gateway's model there, as the scripts take it.
fn models() -> String {
    let pairs = UPSTREAMS.map(|upstream| format!(r#""{}":"{}""#, upstream.kind, upstream.name));
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_as_json() {
        assert_eq!(
            models(),
            r#"{"openai":"gpt","anthropic":"claude","gemini":"google","compatible":"qwen"}"#
        );
    }
}
