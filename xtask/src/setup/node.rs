//! The Node environment of the tests: the Vercel AI SDK and an OpenID provider, whose
//! versions `proxy/tests/node/package-lock.json` pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Failure, Named, Result, on_path, repository};

/// What Debian calls them.
pub const PACKAGES: [&str; 2] = ["nodejs", "npm"];

/// What the SDK asks for.
const OLDEST: u32 = 18;

/// Each package that a script loads; the last one is no CommonJS.
const PROOF: &str = "for (const name of ['ai', '@ai-sdk/openai', '@ai-sdk/anthropic', '@ai-sdk/google', 'zod']) require(name); import('oidc-provider')";

const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];

/// `<tools>/node`, with `node_modules` in it.
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    pub fn at(tools: &Path) -> Self {
        Self {
            folder: tools.join("node"),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the environment is not what the lock file says. The stamp is written last, so
    /// an installation that was interrupted is due.
    pub fn is_due(&self) -> Result<bool> {
        let wanted = source("package-lock.json");
        let wanted = fs::read(&wanted).named(&wanted)?;
        let installed = fs::read(self.stamp()).unwrap_or_default();
        Ok(installed != wanted || !self.folder.join("node_modules").is_dir())
    }

    /// Fills the folder anew and proves that it works before it is stamped as done.
    pub fn install(&self) -> Result<()> {
        if !is_able() {
            return Err(Failure::unable(format!(
                "no npm with a node of at least version {OLDEST} was found: install them, then run again"
            )));
        }
        fs::create_dir_all(&self.folder).named(&self.folder)?;
        for name in MANIFESTS {
            let file = source(name);
            fs::copy(&file, self.folder.join(name)).named(&file)?;
        }
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ]);
        shell::run(npm.current_dir(&self.folder))?;
        let mut node = Command::new("node");
        shell::run(node.args(["-e", PROOF]).current_dir(&self.folder))?;
        let lock = source("package-lock.json");
        fs::copy(&lock, self.stamp()).named(self.stamp())?;
        Ok(())
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("package-lock.installed")
    }
}

/// Whether there is a node that is new enough, and npm.
pub fn is_able() -> bool {
    let said = shell::output(Command::new("node").arg("--version"));
    let node = said.is_ok_and(|version| {
        major(&String::from_utf8_lossy(&version)).is_some_and(|major| major >= OLDEST)
    });
    node && on_path("npm").is_some()
}

/// Of `v20.11.1`, 20.
fn major(version: &str) -> Option<u32> {
    let (major, _) = version.trim().strip_prefix('v')?.split_once('.')?;
    major.parse().ok()
}

fn source(name: &str) -> PathBuf {
    repository()
        .join("proxy")
        .join("tests")
        .join("node")
        .join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_due_until_its_stamp_says_otherwise() {
        let tools = tempfile::tempdir().unwrap();
        let environment = Environment::at(tools.path());
        assert!(environment.is_due().unwrap(), "nothing is there");

        fs::create_dir_all(environment.folder.join("node_modules")).unwrap();
        assert!(
            environment.is_due().unwrap(),
            "the installation was interrupted"
        );

        fs::copy(source("package-lock.json"), environment.stamp()).unwrap();
        assert!(!environment.is_due().unwrap());

        fs::write(environment.stamp(), "{}").unwrap();
        assert!(environment.is_due().unwrap(), "other versions are wanted");
    }

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major("v20.11.1\n"), Some(20));
        assert_eq!(major("v9.0.0"), Some(9));
        for strange in ["", "20.11.1", "v20", "vx.1"] {
            assert_eq!(major(strange), None, "{strange}");
        }
    }
}
