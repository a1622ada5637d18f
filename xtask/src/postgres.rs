//! A PostgreSQL cluster that lives as long as one task: private socket, no port, no fsync.
//! It has nothing to do with the managed cluster of the store, which keeps its data.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::shell::{self, Failure, Named, Result, on_path};

const START_LIMIT: Duration = Duration::from_secs(30);

/// The folder of the server's programs: that of `initdb` on PATH, else Debian's newest.
pub fn programs() -> Option<PathBuf> {
    if let Some(initdb) = on_path("initdb") {
        // What is on PATH may be a link to a folder that has the other programs too.
        return Some(fs::canonicalize(initdb).ok()?.parent()?.to_owned());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |version: &PathBuf| version.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .flatten()
        .map(|entry| entry.path())
        .max_by_key(number)?;
    Some(newest.join("bin")).filter(|folder| folder.join("initdb").is_file())
}

/// PostgreSQL refuses to run as root; this is whom root becomes for it.
struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// None: the current user will do.
    fn for_server() -> Result<Option<Self>> {
        if !shell::is_root()? {
            return Ok(None);
        }
        let number = |flag: &str| -> Result<u32> {
            let said = shell::output(Command::new("id").args([flag, "postgres"]))?;
            let text = String::from_utf8_lossy(&said);
            text.trim()
                .parse()
                .map_err(|_| Failure::unable(format!("`id {flag}` said {text}")))
        };
        Ok(Some(Self {
            uid: number("-u")?,
            gid: number("-g")?,
        }))
    }
}

/// Stopped, and its folder removed, when dropped.
pub struct Cluster {
    server: Child,
    programs: PathBuf,
    account: Option<Account>,
    folder: TempDir,
}

impl Cluster {
    pub fn start() -> Result<Self> {
        let programs = programs().ok_or_else(|| {
            Failure::unable("PostgreSQL's programs are missing: run `cargo xtask setup`")
        })?;
        let account = Account::for_server()?;
        // Not the user's TMPDIR: a socket's path has about a hundred bytes and no more.
        let folder = tempfile::Builder::new()
            .prefix("lattice-sqlx-")
            .tempdir_in("/tmp");
        let folder = folder.named("/tmp")?;
        if let Some(account) = &account {
            let path = folder.path();
            chown(path, Some(account.uid), Some(account.gid)).named(path)?;
        }

        let data = folder.path().join("data");
        let mut initdb = as_server(&programs.join("initdb"), account.as_ref());
        // Trust is safe here: nobody else can enter the folder that the socket lies in.
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        shell::output(initdb.arg("--no-sync").arg("--pgdata").arg(&data))?;

        let mut server = as_server(&programs.join("postgres"), account.as_ref());
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        server.args(["-c", "listen_addresses=", "-c", "port=5432", "-F"]);
        server.args([
            "-c",
            "logging_collector=off",
            "-c",
            "log_min_messages=fatal",
        ]);
        let server = server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .named("postgres")?;

        let mut cluster = Self {
            server,
            programs,
            account,
            folder,
        };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// In the form that sqlx takes for a socket; the host before the query is ignored.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres@localhost:5432/postgres?host={}",
            self.folder.path().display()
        )
    }

    /// Runs one SQL file in one transaction.
    pub fn apply(&self, file: &Path) -> Result<()> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "-v",
            "ON_ERROR_STOP=1",
        ]);
        psql.args(["-U", "postgres", "-p", "5432", "-d", "postgres", "-h"])
            .arg(self.folder.path());
        shell::output(psql.arg("-f").arg(file)).map(drop)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while !shell::succeeds(
            Command::new(self.programs.join("pg_isready"))
                .args(["-U", "postgres", "-p", "5432", "-h"])
                .arg(self.folder.path()),
        ) {
            if let Some(status) = self.server.try_wait().named("postgres")? {
                return Err(Failure::unable(format!(
                    "postgres ended at once ({status})"
                )));
            }
            if started.elapsed() > START_LIMIT {
                return Err(Failure::unable(
                    "postgres did not accept connections in time",
                ));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let mut stop = as_server(&self.programs.join("pg_ctl"), self.account.as_ref());
        let stopped = shell::output(
            stop.args(["stop", "--mode=immediate", "--pgdata"])
                .arg(data),
        );
        if let Err(failure) = stopped {
            eprintln!("xtask: {failure}");
            // Its children notice that the parent is gone and end themselves.
            if let Err(error) = self.server.kill() {
                eprintln!("xtask: postgres cannot be ended: {error}");
            }
        }
        if let Err(error) = self.server.wait() {
            eprintln!("xtask: postgres: {error}");
        }
    }
}

/// A program under the server's account, in a folder that this account may enter.
fn as_server(program: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(account) = account {
        command.gid(account.gid).uid(account.uid);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_runs_sql_refuses_bad_sql_and_leaves_nothing() {
        if programs().is_none() {
            eprintln!("skipped: no PostgreSQL on this machine");
            return;
        }
        let cluster = Cluster::start().unwrap();
        let folder = cluster.folder.path().to_owned();
        let scripts = tempfile::tempdir().unwrap();
        let script = scripts.path().join("script.sql");

        fs::write(
            &script,
            "create table rooms (name text); insert into rooms values ('hall');",
        )
        .unwrap();
        cluster.apply(&script).unwrap();
        fs::write(&script, "insert into no_such_table values (1);").unwrap();
        let failure = cluster.apply(&script).unwrap_err();
        assert!(failure.to_string().contains("no_such_table"), "{failure}");

        let server = cluster.server.id();
        drop(cluster);
        assert!(!folder.exists());
        assert!(!Path::new(&format!("/proc/{server}")).exists());
    }
}
