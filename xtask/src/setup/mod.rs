//! What a fresh machine needs to build and test Lattice: named first, then installed, and
//! nothing at all where it is there.

mod cargo_tools;
mod debian;
mod python;

use std::fs::{self, File};

use crate::shell::{Named, Result, tools_folder};

#[derive(clap::Args)]
pub struct Options {
    /// Also install nginx, the yardstick of the load test
    #[arg(long)]
    with_bench: bool,
}

pub fn run(options: &Options) -> Result<()> {
    let tools = tools_folder()?;
    fs::create_dir_all(&tools).named(&tools)?;
    // Two clones that set up at the same time would fill one folder.
    let lock_file = tools.join("setup.lock");
    let lock = File::create(&lock_file).named(&lock_file)?;
    lock.lock().named(&lock_file)?;

    let python = python::Environment::at(&tools);
    let python_due = python.is_due()?;
    let interpreter = if python_due {
        python::interpreter()
    } else {
        None
    };

    let mut packages = debian::missing(options.with_bench);
    if python_due && interpreter.is_none() {
        packages.extend(["python3", "python3-venv"]);
    }
    let crates = cargo_tools::missing();

    let mut plan = Vec::new();
    plan.extend(
        packages
            .iter()
            .map(|name| format!("{name} (Debian package)")),
    );
    plan.extend(crates.iter().map(|name| format!("{name} (cargo install)")));
    if python_due {
        plan.push(format!(
            "{} (Python packages and a 98 MB model)",
            python.folder().display()
        ));
    }
    if plan.is_empty() {
        return Ok(());
    }
    println!("setup: will install");
    for item in &plan {
        println!("  {item}");
    }

    debian::install(&packages)?;
    cargo_tools::install(&crates)?;
    if python_due {
        python.install(interpreter)?;
    }
    println!("setup: done");
    Ok(())
}
