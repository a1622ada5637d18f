//! Making, starting and stopping a cluster with PostgreSQL's own programs.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::account::Account;
use super::error::{At, ManagedError};
use super::folders::Folders;
use super::programs::Programs;

/// Superuser of the cluster, and name of the one database in it.
pub(super) const NAME: &str = "lattice";

/// Names the socket file; nothing listens on a network port.
pub(super) const PORT: u16 = 5432;

/// How long pg_ctl waits for the server, in seconds. Recovery after a power cut takes the longest.
const PATIENCE: &str = "60";

/// Given on the command line, where no file in the cluster can overrule them: an
/// acknowledged audit record is on disk, so fsync is never off.
const SETTINGS: &str = "-c fsync=on -c full_page_writes=on -c synchronous_commit=on \
    -c listen_addresses= -c unix_socket_permissions=0700 \
    -c wal_level=minimal -c max_wal_senders=0 -c shared_buffers=32MB -c max_connections=40 \
    -c log_checkpoints=off";

/// One cluster, and what is needed to run its programs.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) folders: Folders,
    account: Account,
    pub(super) programs: Programs,
}

impl Cluster {
    pub(super) fn new(
        folders: Folders,
        account: Account,
        bin_dir: Option<&Path>,
    ) -> Result<Self, ManagedError> {
        let made_by = made_by(&folders.data)?.map(|major| (major, folders.data.as_path()));
        let programs = Programs::find(bin_dir, made_by)?;
        Ok(Self {
            folders,
            account,
            programs,
        })
    }

    /// Makes the cluster and its database unless they are there. It is made beside its place
    /// and moved there when complete, so that a crash leaves nothing half made.
    pub(super) fn create(&self) -> Result<(), ManagedError> {
        let Folders { home, data, .. } = &self.folders;
        if data.exists() {
            return Ok(());
        }
        let staging = home.join("data.new");
        // Older systems lack C.UTF-8; C differs in the case of letters beyond ASCII only.
        if self.initdb(&staging, "C.UTF-8").is_err() {
            self.initdb(&staging, "C")?;
        }
        self.create_database(&staging)?;
        fs::rename(&staging, data).at(data)?;
        File::open(home)
            .and_then(|folder| folder.sync_all())
            .at(home)
    }

    fn initdb(&self, staging: &Path, locale: &str) -> Result<(), ManagedError> {
        if staging.exists() {
            fs::remove_dir_all(staging).at(staging)?;
        }
        self.account.private_folder(staging)?;
        let mut initdb = self.program("initdb");
        // Trust is safe here: only the server's account can reach the socket.
        initdb.args([
            "--auth-local=trust",
            "--auth-host=reject",
            "--data-checksums",
            "--encoding=UTF8",
        ]);
        initdb
            .args(["--username", NAME, "--locale", locale, "--pgdata"])
            .arg(staging);
        run(initdb)
    }

    /// In single-user mode, so that the database is part of making the cluster.
    fn create_database(&self, staging: &Path) -> Result<(), ManagedError> {
        let mut single = self.program("postgres");
        single
            .args(["--single", "-c", "exit_on_error=on", "-D"])
            .arg(staging)
            .arg("postgres");
        run_with_input(single, &format!("create database {NAME};\n"))
    }

    /// Starts the server and returns once it serves. Call it only where none is running.
    pub(super) fn start(&self) -> Result<(), ManagedError> {
        let Folders { data, socket, .. } = &self.folders;
        let log = data.join("postgres.log");
        // Whatever is left in this folder is a dead server's; a lock with a number that
        // another process has by now would keep the new one from starting.
        for name in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
            remove_if_there(&socket.join(name))?;
        }
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl
            .args([
                "start",
                "--wait",
                "--timeout",
                PATIENCE,
                "--silent",
                "--pgdata",
            ])
            .arg(data);
        pg_ctl.arg("--log").arg(&log);
        pg_ctl
            .arg("--options")
            .arg(format!("-k {} -p {PORT} {SETTINGS}", socket.display()));
        run(pg_ctl).map_err(|error| with_log(error, &log))
    }

    /// Disconnects everybody, writes a checkpoint and ends the server.
    pub(super) fn stop(&self) -> Result<(), ManagedError> {
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.args([
            "stop",
            "--wait",
            "--timeout",
            PATIENCE,
            "--silent",
            "--mode",
            "fast",
            "--pgdata",
        ]);
        pg_ctl.arg(&self.folders.data);
        run(pg_ctl)
    }

    fn program(&self, name: &str) -> Command {
        self.account
            .command(&self.programs.path(name), &self.folders.home)
    }
}

/// The major version that made the cluster; `None`: there is no cluster yet.
fn made_by(data: &Path) -> Result<Option<u32>, ManagedError> {
    if !data.exists() {
        return Ok(None);
    }
    let path = data.join("PG_VERSION");
    let text = fs::read_to_string(&path).at(&path)?;
    let major = text
        .trim()
        .parse()
        .map_err(|_| std::io::Error::other("is not a version"))
        .at(&path)?;
    Ok(Some(major))
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), ManagedError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at(path),
        _ => Ok(()),
    }
}

fn run(command: Command) -> Result<(), ManagedError> {
    run_with_input(command, "")
}

fn run_with_input(mut command: Command, input: &str) -> Result<(), ManagedError> {
    let program = Path::new(command.get_program()).to_owned();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().at(&program)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended before it read this says why on its own.
        let _ = stdin.write_all(input.as_bytes());
    }
    let ended = child.wait_with_output().at(&program)?;
    if ended.status.success() {
        return Ok(());
    }
    let said = [ended.stderr, ended.stdout].concat();
    let output = String::from_utf8_lossy(&said).trim().to_owned();
    Err(ManagedError::Failed {
        program: program.display().to_string(),
        output,
    })
}

/// pg_ctl only says that the server did not start; the reason is at the end of the log.
fn with_log(error: ManagedError, log: &Path) -> ManagedError {
    let ManagedError::Failed { program, output } = error else {
        return error;
    };
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last: Vec<&str> = text.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    ManagedError::Failed {
        program,
        output: format!("{output}\n{}:\n{}", log.display(), last.join("\n")),
    }
}
