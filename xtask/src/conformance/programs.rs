//! Claude Code and Codex, from npm: each completes a real turn in which it runs a command that
//! the upstream's mock calls for, whatever dialect that upstream speaks.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::world::{UPSTREAMS, World};
use crate::shell::{self, Failure, Named, Result, tools_folder};

/// The versions that wire.md's facts are about.
const PACKAGES: [&str; 2] = ["@anthropic-ai/claude-code@2.1.330", "@openai/codex@0.169.0"];

/// `wires/scenario.py` answers it with a call of the shell tool that the program offers, and then
/// with what that tool said.
const PROMPT: &str = "[tools] Run the command that you are told to.";
const QUOTED: &str = "The tools said: ";
const OUTPUT: &str = "lattice-ok";

/// For one turn.
const LIMIT: Duration = Duration::from_secs(120);

/// The folder with both programs in `node_modules/.bin`.
pub struct Programs {
    folder: PathBuf,
}

/// Installs what is not there.
pub fn installed() -> Result<Programs> {
    let folder = tools_folder()?.join("cli");
    let stamp = folder.join("packages.installed");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        println!("conformance: will install {} (npm)", PACKAGES.join(", "));
        fs::create_dir_all(&folder).named(&folder)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        shell::run(npm.arg(&folder).args(PACKAGES))?;
        fs::write(&stamp, wanted).named(&stamp)?;
    }
    Ok(Programs { folder })
}

impl Programs {
    /// A line for each program and upstream; all are tried even if one fails.
    pub fn complete_turns(&self, world: &World) -> Result<()> {
        let mut failed = 0;
        for (name, turn) in [("claude", Self::claude as Turn), ("codex", Self::codex)] {
            for upstream in &UPSTREAMS {
                let home = world.fresh_folder(&format!("{name}-{}", upstream.kind))?;
                let verdict = watched(turn(self, world, upstream.name, &home)?, &home)?;
                failed += usize::from(verdict.is_err());
                match verdict {
                    Ok(()) => println!("{name:8} {:12} passed", upstream.kind),
                    Err(reason) => println!("{name:8} {:12} FAILED: {reason}", upstream.kind),
                }
            }
        }
        if failed == 0 {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{failed} turns were not completed"
        )))
    }

    /// One of the programs at home in `home`, with nothing of our own settings.
    fn program(&self, name: &str, home: &Path) -> Command {
        let bin = self.folder.join("node_modules").join(".bin");
        let mut command = Command::new(bin.join(name));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .current_dir(home);
        command
    }

    fn claude(&self, world: &World, model: &str, home: &Path) -> Result<Command> {
        let mut command = self.program("claude", home);
        command
            .args(["-p", PROMPT, "--model", model, "--allowedTools", "Bash"])
            .env("ANTHROPIC_BASE_URL", &world.gateway)
            .env("ANTHROPIC_AUTH_TOKEN", &world.key)
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("DISABLE_AUTOUPDATER", "1");
        Ok(command)
    }

    /// Without the tools that only OpenAI has: those are refused for other targets.
    fn codex(&self, world: &World, model: &str, home: &Path) -> Result<Command> {
        let settings = home.join(".codex");
        fs::create_dir_all(&settings).named(&settings)?;
        let gateway = &world.gateway;
        let config = format!(
            "model = \"{model}\"\n\
             model_provider = \"lattice\"\n\
             approval_policy = \"never\"\n\
             sandbox_mode = \"danger-full-access\"\n\
             web_search = \"disabled\"\n\
             check_for_update_on_startup = false\n\
             [features]\n\
             multi_agent = false\n\
             [model_providers.lattice]\n\
             name = \"lattice\"\n\
             base_url = \"{gateway}/v1\"\n\
             env_key = \"LATTICE_KEY\"\n\
             wire_api = \"responses\"\n"
        );
        let file = settings.join("config.toml");
        fs::write(&file, config).named(&file)?;
        let mut command = self.program("codex", home);
        command
            .args(["exec", "--skip-git-repo-check", PROMPT])
            .env("LATTICE_KEY", &world.key);
        Ok(command)
    }
}

type Turn = fn(&Programs, &World, &str, &Path) -> Result<Command>;

/// Runs one turn to its end; the inner error is why it is not what it should be.
fn watched(mut command: Command, home: &Path) -> Result<std::result::Result<(), String>> {
    let (said, complaints) = (home.join("said"), home.join("complaints"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&said).named(&said)?)
        .stderr(File::create(&complaints).named(&complaints)?)
        .spawn()
        .named(command.get_program())?;
    let end = Instant::now() + LIMIT;
    let status = loop {
        match child.try_wait().named(command.get_program())? {
            Some(status) => break status,
            None if Instant::now() > end => {
                child.kill().named(command.get_program())?;
                child.wait().named(command.get_program())?;
                return Ok(Err(format!("no end after {} s", LIMIT.as_secs())));
            }
            None => sleep(Duration::from_millis(50)),
        }
    };
    let said = fs::read_to_string(&said).named(&said)?;
    if status.success() && is_quoted(&said) {
        return Ok(Ok(()));
    }
    let complaints = fs::read_to_string(&complaints).named(&complaints)?;
    Ok(Err(format!("{status}: {said}{complaints}")))
}

/// Whether the last answer quotes what the command has printed.
fn is_quoted(said: &str) -> bool {
    said.rsplit_once(QUOTED)
        .is_some_and(|(_, quoted)| quoted.contains(OUTPUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_tool_printed_counts() {
        assert!(is_quoted("The tools said: Bash -> lattice-ok\n"));
        assert!(is_quoted(
            "codex\nThe tools said: shell -> Wall time\nlattice-ok\n"
        ));
        assert!(!is_quoted("I run echo lattice-ok."));
        assert!(!is_quoted("The tools said: Bash -> permission denied"));
    }
}
