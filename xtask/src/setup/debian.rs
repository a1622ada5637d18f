//! System packages, through apt where it is there and permitted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::libclang;
use crate::postgres;
use crate::shell::{self, Failure, Named, Result, on_path};

/// Debian starts a cluster as soon as its server package lands, on the standard port, for
/// nobody. Lattice and its tests run private ones. This drop-in is read by `pg_createcluster`
/// and, unlike `createcluster.conf`, it is not a file of the package, so neither overwrites
/// the other.
const NO_MAIN_CLUSTER: &str = "\
    mkdir -p /etc/postgresql-common/createcluster.d && \
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/lattice.conf";

/// Packages that the gateway is built and run with, and of which nothing is found.
pub fn missing() -> Vec<&'static str> {
    let here = |program: &str| on_path(program).is_some();
    [
        ("cmake", here("cmake")),
        ("g++", here("g++") || here("c++")),
        // bindgen reads llama.cpp's headers with libclang and asks clang where the system's are.
        ("clang", here("clang")),
        ("libclang-dev", libclang::is_found()),
        ("postgresql", postgres::programs().is_some()),
    ]
    .into_iter()
    .filter_map(|(package, found)| (!found).then_some(package))
    .collect()
}

/// The yardstick of the load test.
pub fn missing_for_bench() -> Option<&'static str> {
    let found = on_path("nginx").is_some() || Path::new("/usr/sbin/nginx").is_file();
    (!found).then_some("nginx-light")
}

pub fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if on_path("apt-get").is_none() {
        return Err(Failure::unable(format!(
            "there is no apt-get here: install by hand what Debian calls {list}, then run again"
        )));
    }
    if !is_permitted()? {
        return Err(Failure::unable(format!(
            "not permitted to install: run `sudo apt-get install {list}`, then run again"
        )));
    }
    if packages.contains(&"postgresql") {
        shell::run(privileged("sh")?.args(["-c", NO_MAIN_CLUSTER]))?;
    }
    shell::run(privileged("apt-get")?.args(["update", "-qq"]))?;
    let mut apt = privileged("env")?;
    apt.args([
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-y",
        "-qq",
    ]);
    shell::run(apt.arg("--no-install-recommends").args(packages))
}

/// Gets a package into `folder` without installing it, and returns its file. Anybody may,
/// once apt knows what there is.
pub fn download(package: &str, folder: &Path) -> Result<PathBuf> {
    if on_path("apt-get").is_none() {
        return Err(Failure::unable(format!(
            "there is no apt-get here: put the programs of what Debian calls {package} on PATH, then run again"
        )));
    }
    let mut get = Command::new("apt-get");
    get.args(["download", "-qq", package]).current_dir(folder);
    if !shell::succeeds(&mut get) {
        if !is_permitted()? {
            return Err(Failure::unable(format!(
                "{package} is not to be had: run `sudo apt-get update`, then run again"
            )));
        }
        shell::run(privileged("apt-get")?.args(["update", "-qq"]))?;
        shell::output(&mut get)?;
    }
    let mut files = fs::read_dir(folder).named(folder)?.flatten();
    files
        .find_map(|entry| {
            let file = entry.path();
            file.extension()
                .is_some_and(|end| end == "deb")
                .then_some(file)
        })
        .ok_or_else(|| Failure::unable(format!("apt-get brought no file of {package}")))
}

fn is_permitted() -> Result<bool> {
    Ok(shell::is_root()? || shell::succeeds(Command::new("sudo").args(["-n", "true"])))
}

fn privileged(program: &str) -> Result<Command> {
    if shell::is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    Ok(command)
}
