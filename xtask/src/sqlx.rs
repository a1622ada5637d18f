//! What sqlx knows about each query of the store, committed in `.sqlx` so that nobody needs
//! a database to compile.
//!
//! sqlx 0.9 writes one file per expanded macro into `SQLX_OFFLINE_DIR` when it is not offline
//! and a database answers. So: a private cluster, the migrations, one `cargo check` of the
//! store into an empty folder; that folder then replaces `.sqlx`, or is compared with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use crate::postgres::Cluster;
use crate::shell::{self, Failure, Named, Result, cargo, repository};

#[derive(clap::Args)]
pub struct Options {
    /// Write nothing; fail when what is committed differs
    #[arg(long)]
    pub check: bool,
}

/// File name to content.
type Queries = BTreeMap<String, Vec<u8>>;

pub fn run(options: &Options) -> Result<()> {
    let expanded = expand(options.check)?;
    let folder = repository().join(".sqlx");
    let committed = read(&folder)?;
    let differences = differences(&committed, &expanded);
    if differences.is_empty() {
        println!("sqlx: {} queries, up to date", expanded.len());
        return Ok(());
    }
    for difference in &differences {
        println!(".sqlx/{difference}");
    }
    if options.check {
        return Err(Failure::refused(
            ".sqlx is stale: run `cargo xtask sqlx-prepare`, commit it",
        ));
    }
    replace(&folder, &committed, &expanded)?;
    println!(
        "sqlx: {} queries, {} files changed",
        expanded.len(),
        differences.len()
    );
    Ok(())
}

/// Has sqlx describe every query of the store by a database with the current migrations.
fn expand(restore: bool) -> Result<Queries> {
    let cluster = Cluster::start()?;
    for migration in migrations()? {
        cluster.apply(&migration)?;
    }
    let folder = tempfile::tempdir().named("temporary folder")?;
    let touched = Touched::now(repository().join("store/src/lib.rs"), &folder)?;
    let mut check = cargo([
        "check",
        "--quiet",
        "--package",
        "lattice-store",
        "--all-targets",
    ]);
    check.env("SQLX_OFFLINE", "false");
    check.env("SQLX_OFFLINE_DIR", folder.path());
    check.env("DATABASE_URL", cluster.url());
    let checked = shell::run(&mut check);
    // After a comparison nothing has changed, and a later build must not think so. After a
    // refresh the store must be compiled again: sqlx cannot tell cargo on stable that it
    // reads `.sqlx`.
    if restore {
        touched.restore()?;
    }
    checked?;
    read(folder.path())
}

/// The migrations in the order in which sqlx applies them: by the number before `_`.
fn migrations() -> Result<Vec<PathBuf>> {
    let folder = repository().join("migrations");
    let mut numbered = Vec::new();
    for entry in fs::read_dir(&folder).named(&folder)? {
        let path = entry.named(&folder)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if !name.ends_with(".sql") || name.ends_with(".down.sql") {
            continue;
        }
        let number = name
            .split_once('_')
            .and_then(|(number, _)| number.parse::<u64>().ok());
        let number = number
            .ok_or_else(|| Failure::unable(format!("migrations/{name} starts with no number")))?;
        numbered.push((number, path));
    }
    numbered.sort();
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

/// A source file that was made newer than every artefact, so that cargo compiles it again.
struct Touched {
    path: PathBuf,
    before: SystemTime,
}

impl Touched {
    /// "Now" is the age of a folder that was just made.
    fn now(path: PathBuf, fresh: &TempDir) -> Result<Self> {
        let modified = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).named(path);
        let touched = Self {
            before: modified(&path)?,
            path,
        };
        touched.set(modified(fresh.path())?)?;
        Ok(touched)
    }

    fn restore(self) -> Result<()> {
        self.set(self.before)
    }

    fn set(&self, time: SystemTime) -> Result<()> {
        let file = File::options()
            .append(true)
            .open(&self.path)
            .named(&self.path)?;
        file.set_modified(time).named(&self.path)
    }
}

fn read(folder: &Path) -> Result<Queries> {
    let mut queries = Queries::new();
    if !folder.is_dir() {
        return Ok(queries);
    }
    for entry in fs::read_dir(folder).named(folder)? {
        let path = entry.named(folder)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if name.starts_with("query-") && name.ends_with(".json") {
            queries.insert(name.to_owned(), fs::read(&path).named(&path)?);
        }
    }
    Ok(queries)
}

/// One line for each file that is missing, stale or of no query any more.
fn differences(committed: &Queries, expanded: &Queries) -> Vec<String> {
    let gone = committed
        .keys()
        .filter(|name| !expanded.contains_key(*name));
    let mut lines: Vec<String> = gone
        .map(|name| format!("{name}: no query has it"))
        .collect();
    for (name, content) in expanded {
        match committed.get(name) {
            None => lines.push(format!("{name}: missing")),
            Some(old) if old != content => lines.push(format!("{name}: stale")),
            Some(_) => {}
        }
    }
    lines
}

fn replace(folder: &Path, committed: &Queries, expanded: &Queries) -> Result<()> {
    fs::create_dir_all(folder).named(folder)?;
    for name in committed
        .keys()
        .filter(|name| !expanded.contains_key(*name))
    {
        let path = folder.join(name);
        fs::remove_file(&path).named(&path)?;
    }
    for (name, content) in expanded {
        let path = folder.join(name);
        fs::write(&path, content).named(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(files: &[(&str, &str)]) -> Queries {
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn each_way_to_be_out_of_date_is_named() {
        let committed = queries(&[
            ("query-a.json", "1"),
            ("query-b.json", "1"),
            ("query-c.json", "1"),
        ]);
        let expanded = queries(&[
            ("query-b.json", "2"),
            ("query-c.json", "1"),
            ("query-d.json", "1"),
        ]);
        assert_eq!(
            differences(&committed, &expanded),
            [
                "query-a.json: no query has it",
                "query-b.json: stale",
                "query-d.json: missing"
            ]
        );
        assert!(differences(&expanded, &expanded).is_empty());
    }

    #[test]
    fn replacing_prunes_adds_and_leaves_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let committed = queries(&[("query-a.json", "1")]);
        let expanded = queries(&[("query-b.json", "2")]);
        fs::write(folder.path().join("query-a.json"), "1").unwrap();
        fs::write(folder.path().join("README"), "").unwrap();
        replace(folder.path(), &committed, &expanded).unwrap();
        assert_eq!(read(folder.path()).unwrap(), expanded);
        assert!(folder.path().join("README").is_file());
    }
}
