//! Prometheus, which scrapes a gateway in the tests: the programs of Debian's package and
//! nothing else of it, because what is installed starts a server, on a port, for nobody.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::debian;
use crate::shell::{self, Named, Result, on_path};

const PACKAGE: &str = "prometheus";
const PROGRAMS: [&str; 2] = ["prometheus", "promtool"];

/// `<tools>/prometheus`, where they are not on PATH.
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    pub fn at(tools: &Path) -> Self {
        Self {
            folder: tools.join("prometheus"),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether one of them is neither on PATH nor in the folder.
    pub fn are_due(&self) -> bool {
        self.are_missing_but_for(|program| on_path(program).is_some())
    }

    fn are_missing_but_for(&self, found: impl Fn(&str) -> bool) -> bool {
        let here = |program: &&str| found(program) || self.folder.join(program).is_file();
        !PROGRAMS.iter().all(here)
    }

    pub fn install(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).named(&self.folder)?;
        let unpacked = tempfile::tempdir_in(&self.folder).named(&self.folder)?;
        let package = debian::download(PACKAGE, unpacked.path())?;
        let mut unpack = Command::new("dpkg-deb");
        shell::run(unpack.arg("--extract").arg(package).arg(unpacked.path()))?;
        for program in PROGRAMS {
            let file = unpacked.path().join("usr").join("bin").join(program);
            // What was built for another machine fails here, and is not taken.
            shell::output(Command::new(&file).arg("--version"))?;
            fs::rename(&file, self.folder.join(program)).named(&file)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_due_until_both_are_there() {
        let tools = tempfile::tempdir().unwrap();
        let programs = Programs::at(tools.path());
        let nowhere = |_: &str| false;
        assert!(programs.are_missing_but_for(nowhere));
        assert!(!programs.are_missing_but_for(|_| true), "both are on PATH");

        fs::create_dir_all(programs.folder()).unwrap();
        fs::write(programs.folder().join("prometheus"), "").unwrap();
        assert!(
            programs.are_missing_but_for(nowhere),
            "the installation was interrupted"
        );
        assert!(!programs.are_missing_but_for(|program| program == "promtool"));

        fs::write(programs.folder().join("promtool"), "").unwrap();
        assert!(!programs.are_missing_but_for(nowhere));
    }
}
