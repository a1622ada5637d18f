//! System packages, through apt where it is there and permitted.

use std::path::Path;
use std::process::Command;

use crate::postgres;
use crate::shell::{self, Failure, Result, on_path};

/// Debian starts a cluster as soon as its server package lands, on the standard port, for
/// nobody. Lattice and its tests run private ones. This drop-in is read by `pg_createcluster`
/// and, unlike `createcluster.conf`, it is not a file of the package, so neither overwrites
/// the other.
const NO_MAIN_CLUSTER: &str = "\
    mkdir -p /etc/postgresql-common/createcluster.d && \
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/lattice.conf";

/// Packages whose program is not found.
pub fn missing(with_bench: bool) -> Vec<&'static str> {
    let mut packages = Vec::new();
    if on_path("cmake").is_none() {
        packages.push("cmake");
    }
    if on_path("g++").is_none() && on_path("c++").is_none() {
        packages.push("g++");
    }
    if postgres::programs().is_none() {
        packages.push("postgresql");
    }
    if with_bench && on_path("nginx").is_none() && !Path::new("/usr/sbin/nginx").is_file() {
        packages.push("nginx-light");
    }
    packages
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
    let permitted = shell::is_root()? || shell::succeeds(Command::new("sudo").args(["-n", "true"]));
    if !permitted {
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

fn privileged(program: &str) -> Result<Command> {
    if shell::is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    Ok(command)
}
