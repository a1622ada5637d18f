//! A private PostgreSQL under `data_dir`, for operators who have not set `database.url`.
//!
//! PostgreSQL's own programs make and run it: this module finds them, starts the server on
//! a Unix socket that nobody else can reach, and stops it when its last user leaves. fsync
//! is always on.
//!
//! Several processes (a gateway, command-line tools, the next gateway) share one server. Two
//! lock files in the cluster's folder arrange that, and both let go when a process dies:
//! - `users.lock`: every user holds it shared. Whoever leaves and can get it exclusively was
//!   the last one.
//! - `start.lock`: held exclusively while somebody joins or leaves, so that nobody stops a
//!   server that another has just found running.
//!
//! A server whose users were all killed goes on running, and the next one adopts it.
//! Everything here blocks; start reading at [`start`].

mod account;
mod cluster;
mod error;
mod folders;
mod postmaster;
mod programs;

use std::fs::File;
use std::path::{Path, PathBuf};

pub use error::ManagedError;

use self::account::Account;
use self::cluster::{Cluster, NAME, PORT};
use self::error::At;
use self::folders::Folders;
use self::postmaster::Socket;
use self::programs::Programs;

/// Our share in the running server. Dropping it leaves, like [`Managed::stop`], and blocks
/// for as long.
#[derive(Debug)]
pub struct Managed {
    cluster: Cluster,
    socket: Socket,
    /// Holds `users.lock` shared; `None` once we have left.
    share: Option<File>,
}

/// Joins the server of this `data_dir`, starting it (and at first making it) where none runs.
/// `bin_dir` is the folder with PostgreSQL's programs; `None`: wherever they are found.
///
/// Blocks for some seconds the first time, about a tenth of one later, and up to a minute
/// where the server recovers from a power cut.
pub fn start(data_dir: &Path, bin_dir: Option<&Path>) -> Result<Managed, ManagedError> {
    let account = Account::find()?;
    let folders = Folders::prepare(data_dir, &account)?;
    let _starting = lock_start(&folders)?;
    // Nobody holds this one exclusively without the start lock, so it never waits.
    let share = folders.lock_file("users.lock")?;
    share.lock_shared().at(&folders.home)?;
    let mut cluster = Cluster::new(folders, account, bin_dir)?;
    let socket = run(&cluster)?;
    // An adopted server may listen elsewhere; one that replaces it must listen there too.
    cluster.folders.socket.clone_from(&socket.folder);
    Ok(Managed {
        cluster,
        socket,
        share: Some(share),
    })
}

/// What [`start`] would work with.
#[derive(Debug)]
pub struct Survey {
    /// The folder of PostgreSQL's programs.
    pub programs: PathBuf,
    /// Their major version.
    pub major: u32,
    /// The folder of the cluster's data, once it was made.
    pub data: Option<PathBuf>,
}

/// Looks for what [`start`] needs, and makes and starts nothing. The errors are those that
/// `start` would give before it does anything.
pub fn survey(data_dir: &Path, bin_dir: Option<&Path>) -> Result<Survey, ManagedError> {
    let account = Account::find()?;
    let (programs, data) = if data_dir.exists() {
        let Cluster {
            programs, folders, ..
        } = Cluster::new(Folders::locate(data_dir, &account)?, account, bin_dir)?;
        let made = folders.data.exists();
        (programs, Some(folders.data).filter(|_| made))
    } else {
        (Programs::find(bin_dir, None)?, None)
    };
    Ok(Survey {
        programs: programs.folder,
        major: programs.major,
        data,
    })
}

/// Joins the server of this `data_dir` where one runs; `None`: none does, and none is started.
/// Waits, like [`start`], for one that is just starting or stopping.
pub fn join(data_dir: &Path, bin_dir: Option<&Path>) -> Result<Option<Managed>, ManagedError> {
    let account = Account::find()?;
    if !data_dir.exists() {
        return Ok(None);
    }
    let folders = Folders::locate(data_dir, &account)?;
    if !folders.data.exists() {
        return Ok(None);
    }
    let _starting = lock_start(&folders)?;
    let Some(socket) = postmaster::find(&folders.data)? else {
        return Ok(None);
    };
    let share = folders.lock_file("users.lock")?;
    share.lock_shared().at(&folders.home)?;
    let mut cluster = Cluster::new(folders, account, bin_dir)?;
    cluster.folders.socket.clone_from(&socket.folder);
    Ok(Some(Managed {
        cluster,
        socket,
        share: Some(share),
    }))
}

impl Managed {
    /// What to connect to: no password, for the socket's folder is closed to others. psql
    /// understands it too.
    pub fn url(&self) -> String {
        let Socket { folder, port } = &self.socket;
        format!(
            "postgresql:///{NAME}?host={}&port={port}&user={NAME}",
            folder.display()
        )
    }

    /// The folder of the cluster: the data with its `postgres.log`, and the lock files.
    pub fn folder(&self) -> &Path {
        &self.cluster.folders.home
    }

    /// Starts the server again should it have died (its own programs restart it after most
    /// mishaps, not after the death of its main process). The URL stays the same.
    pub fn revive(&self) -> Result<(), ManagedError> {
        let _starting = lock_start(&self.cluster.folders)?;
        run(&self.cluster).map(drop)
    }

    /// Leaves, and stops the server if nobody else uses it. Close the pool before.
    pub fn stop(mut self) -> Result<(), ManagedError> {
        self.leave()
    }

    fn leave(&mut self) -> Result<(), ManagedError> {
        let Some(share) = self.share.take() else {
            return Ok(());
        };
        let folders = &self.cluster.folders;
        let _starting = lock_start(folders)?;
        // Unlocked by name: a child that is being spawned may hold a copy of the file for a moment.
        share.unlock().at(&folders.home)?;
        let last = share.try_lock().is_ok();
        if last && postmaster::find(&folders.data)?.is_some() {
            self.cluster.stop()?;
        }
        Ok(())
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        // Nobody is left to be told; the next start adopts a server that did not stop.
        let _ = self.leave();
    }
}

fn lock_start(folders: &Folders) -> Result<File, ManagedError> {
    let lock = folders.lock_file("start.lock")?;
    lock.lock().at(&folders.home)?;
    Ok(lock)
}

/// Under the start lock: the server that runs, or a new one.
fn run(cluster: &Cluster) -> Result<Socket, ManagedError> {
    cluster.create()?;
    if let Some(running) = postmaster::find(&cluster.folders.data)? {
        return Ok(running);
    }
    cluster.start()?;
    Ok(Socket {
        folder: cluster.folders.socket.clone(),
        port: PORT,
    })
}
