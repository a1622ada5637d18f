//! The two kinds of server, and the cases that must hold on both. Each server is stopped
//! when its test ends, also when it panics.

use std::fs;
use std::future::Future;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use lattice_store::managed::{self, Managed, ManagedError};
use lattice_store::{DatabaseConfig, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use crate::{audit, connect, identity, people, races, roles, slices, upgrade};

const PASSWORD: &str = "p%40ss:word/";

/// A behaviour that must hold on every kind of server.
pub type Case = (&'static str, Body);

type Body = fn(Bench) -> Pin<Box<dyn Future<Output = ()>>>;

const CASES: [&[Case]; 8] = [
    connect::CASES,
    identity::CASES,
    people::CASES,
    roles::CASES,
    audit::CASES,
    slices::CASES,
    races::CASES,
    upgrade::CASES,
];

#[test]
fn every_case_holds_over_the_managed_socket() {
    let dir = DataDir::new();
    let Some(managed) = dir.start() else {
        return skip();
    };
    let url = |database: &str| {
        managed
            .url()
            .replace("///lattice?", &format!("///{database}?"))
    };
    run(&CASES.concat(), &url);
}

#[test]
fn every_case_holds_over_tcp() {
    let Some(server) = TcpServer::start() else {
        return skip();
    };
    run(
        &[&CASES.concat(), connect::TCP_CASES].concat(),
        &|database| server.url(database),
    );
}

/// Runs all cases, some at a time, and says which ones failed. `url` gives that of a database.
fn run(cases: &[Case], url: &(dyn Fn(&str) -> String + Sync)) {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let test = AssertUnwindSafe(|| block_on(run_one(name, *case, url)));
            match catch_unwind(test) {
                Ok(()) => println!("{name}: ok"),
                Err(_) => failed.lock().unwrap().push(*name),
            }
        }
    };
    thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {} cases failed: {failed:#?}",
        failed.len(),
        cases.len()
    );
}

async fn run_one(name: &str, case: Body, url: &(dyn Fn(&str) -> String + Sync)) {
    // Names of databases are cut at 63 bytes.
    let database: String = name.chars().take(60).collect();
    let mut admin = PgConnection::connect(&url("lattice")).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("create database {database}")))
        .execute(&mut admin)
        .await
        .unwrap();
    let url = url(&database);
    let store = Store::connect(&config(&url)).await.unwrap();
    store.migrate().await.unwrap();
    case(Bench {
        store: store.clone(),
        url,
    })
    .await;
    store.close().await;
}

/// What a test gets: a store on an empty, migrated database, and the database's URL.
pub struct Bench {
    pub store: Store,
    pub url: String,
}

impl Bench {
    /// A second replica.
    pub async fn another_store(&self) -> Store {
        Store::connect(&config(&self.url)).await.unwrap()
    }

    /// For what the store offers no function for, such as looking and tampering.
    pub async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}

pub fn config(url: &str) -> DatabaseConfig {
    DatabaseConfig {
        url: url.to_owned(),
        max_connections: 4,
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

pub fn skip() {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped: {name} (PostgreSQL is not installed)");
}

/// A `data_dir` whose cluster is stopped and removed at the end, whoever started it.
pub struct DataDir {
    dir: TempDir,
    cluster: OnceLock<PathBuf>,
}

impl DataDir {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            cluster: OnceLock::new(),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `None`: PostgreSQL is not installed.
    pub fn start(&self) -> Option<Managed> {
        match managed::start(self.path(), None) {
            Ok(managed) => {
                self.remember(managed.folder());
                Some(managed)
            }
            Err(ManagedError::Missing { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn remember(&self, cluster: &Path) {
        self.cluster.get_or_init(|| cluster.to_owned());
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let Some(cluster) = self.cluster.get() else {
            return;
        };
        if cluster.join("data/postmaster.pid").exists() {
            // A test failed between killing one user and starting the next: adopt and stop.
            drop(managed::start(self.path(), None));
        }
        // As root the cluster is not below the temporary folder.
        let _ = fs::remove_dir_all(cluster);
    }
}

/// What `database.url` points to in production: TCP, TLS with a certificate that is checked,
/// and a password. Made from a managed cluster, which knows how to make one as any user.
struct TcpServer {
    postgres: Child,
    port: u16,
    certificate: PathBuf,
    _dir: DataDir,
}

impl TcpServer {
    fn start() -> Option<Self> {
        let dir = DataDir::new();
        let managed = dir.start()?;
        block_on(set_password(&managed.url()));
        let data = managed.folder().join("data");
        managed.stop().unwrap();

        // The first word of this file is the program that ran last.
        let options = fs::read_to_string(data.join("postmaster.opts")).unwrap();
        let program = options.split_whitespace().next().unwrap();
        make_certificate(&data);
        write_for_all(
            &data.join("tcp_hba.conf"),
            "hostssl all all 127.0.0.1/32 scram-sha-256\n",
        );
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = fs::File::create(data.join("tcp.log")).unwrap();
        let postgres = as_owner_of(&data, program)
            .args([
                "-D",
                ".",
                "-p",
                &port.to_string(),
                "-c",
                "hba_file=tcp_hba.conf",
                "-c",
                "ssl=on",
            ])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self {
            postgres,
            port,
            certificate: data.join("server.crt"),
            _dir: dir,
        };
        block_on(server.wait_until_it_serves());
        Some(server)
    }

    fn url(&self, database: &str) -> String {
        let Self {
            port, certificate, ..
        } = self;
        let password = PASSWORD
            .replace('%', "%25")
            .replace('/', "%2F")
            .replace(':', "%3A");
        let certificate = certificate.display();
        format!(
            "postgres://lattice:{password}@127.0.0.1:{port}/{database}?sslmode=verify-full&sslrootcert={certificate}"
        )
    }

    async fn wait_until_it_serves(&self) {
        let began = Instant::now();
        while let Err(error) = PgConnection::connect(&self.url("lattice")).await {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "the TCP server does not serve: {error}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        signal("INT", self.postgres.id());
        let _ = self.postgres.wait();
    }
}

pub fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
}

async fn set_password(url: &str) {
    let mut admin = PgConnection::connect(url).await.unwrap();
    sqlx::query("set password_encryption = 'scram-sha-256'")
        .execute(&mut admin)
        .await
        .unwrap();
    let change = AssertSqlSafe(format!("alter role lattice password '{PASSWORD}'"));
    sqlx::query(change).execute(&mut admin).await.unwrap();
}

fn make_certificate(data: &Path) {
    const CONFIG: &str = "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n\
        [name]\nCN = 127.0.0.1\n[extensions]\nsubjectAltName = IP:127.0.0.1\nbasicConstraints = CA:FALSE\n";
    write_for_all(&data.join("openssl.cnf"), CONFIG);
    let made = as_owner_of(data, "openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-config",
            "openssl.cnf",
        ])
        .args(["-keyout", "server.key", "-out", "server.crt"])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// A file that the server's account can read, whatever the umask.
fn write_for_all(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// A program in this folder, as the account that owns it: PostgreSQL refuses root.
fn as_owner_of(folder: &Path, program: &str) -> Command {
    let owner = fs::metadata(folder).unwrap();
    let own = tempfile::tempfile().unwrap().metadata().unwrap().uid();
    let mut command = Command::new(program);
    command.current_dir(folder);
    if owner.uid() != own {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
}
