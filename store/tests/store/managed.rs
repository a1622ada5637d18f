//! The life of a managed cluster: who starts it, who stops it, what a crash leaves behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use lattice_store::managed::{self, Managed};
use lattice_store::{Store, StoreError};
use sqlx::{Connection, PgConnection};

use crate::servers::{DataDir, block_on, config, signal, skip};

/// Tells a copy of this program to hold a cluster in the given `data_dir` until it is killed.
const HOLD: &str = "LATTICE_TEST_HOLD";

#[test]
fn a_cluster_is_durable_and_private_and_ends_with_its_user() {
    if let Some(data_dir) = std::env::var_os(HOLD) {
        return hold(Path::new(&data_dir));
    }
    let dir = DataDir::new();
    let Some(managed) = dir.start() else {
        return skip();
    };
    for (setting, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
    ] {
        assert_eq!(show(&managed.url(), setting), value, "{setting}");
    }
    let folder = show(&managed.url(), "unix_socket_directories");
    assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700);

    let url = managed.url();
    managed.stop().unwrap();
    assert!(block_on(PgConnection::connect(&url)).is_err());
}

#[test]
fn the_server_stays_until_its_last_user_leaves_and_keeps_its_data() {
    let dir = DataDir::new();
    let Some(first) = dir.start() else {
        return skip();
    };
    let second = dir.start().unwrap();
    let pid = postmaster(&first);
    assert_eq!(postmaster(&second), pid);
    write_a_setting(&first);

    first.stop().unwrap();
    assert_eq!(read_the_setting(&second).as_deref(), Some("stays"));
    assert_eq!(postmaster(&second), pid);

    let url = second.url();
    drop(second);
    assert!(block_on(PgConnection::connect(&url)).is_err());

    let again = dir.start().unwrap();
    assert_eq!(read_the_setting(&again).as_deref(), Some("stays"));
}

#[test]
fn looking_makes_and_starts_nothing_and_joins_what_runs() {
    let dir = DataDir::new();
    assert!(managed::join(dir.path(), None).unwrap().is_none());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let Ok(before) = managed::survey(dir.path(), None) else {
        return skip();
    };
    assert_eq!(before.data, None);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let user = dir.start().unwrap();
    let data = user.folder().join("data");
    assert_eq!(
        managed::survey(dir.path(), None).unwrap().data,
        Some(data.clone())
    );
    write_a_setting(&user);
    let joined = managed::join(dir.path(), None).unwrap().unwrap();
    assert_eq!(joined.url(), user.url());
    user.stop().unwrap();
    assert_eq!(read_the_setting(&joined).as_deref(), Some("stays"));

    joined.stop().unwrap();
    assert!(managed::join(dir.path(), None).unwrap().is_none());
    assert!(!data.join("postmaster.pid").exists());
}

#[test]
fn a_server_whose_user_was_killed_is_adopted() {
    let dir = DataDir::new();
    let Some(mut holder) = Holder::start(&dir) else {
        return skip();
    };
    holder.kill();
    let pid = fs::read_to_string(holder.cluster.join("data/postmaster.pid")).unwrap();
    let pid: u32 = pid.lines().next().unwrap().parse().unwrap();

    let adopted = dir.start().unwrap();
    assert_eq!(postmaster(&adopted), pid);
    assert_eq!(show(&adopted.url(), "fsync"), "on");

    // The dead user no longer counts.
    let url = adopted.url();
    adopted.stop().unwrap();
    assert!(block_on(PgConnection::connect(&url)).is_err());
}

#[test]
fn a_server_that_another_process_uses_is_left_running() {
    let dir = DataDir::new();
    let Some(mut holder) = Holder::start(&dir) else {
        return skip();
    };
    let joined = dir.start().unwrap();
    let (pid, url) = (postmaster(&joined), joined.url());
    joined.stop().unwrap();
    block_on(PgConnection::connect(&url)).unwrap();
    holder.kill();
    assert_eq!(postmaster(&dir.start().unwrap()), pid);
}

#[test]
fn traces_of_a_dead_server_do_not_keep_the_next_from_starting() {
    let dir = DataDir::new();
    let Some(managed) = dir.start() else {
        return skip();
    };
    let (data, url) = (managed.folder().join("data"), managed.url());
    let running = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let socket = show(&url, "unix_socket_directories");
    managed.stop().unwrap();

    // After a reboot, or a container's restart, the number belongs to some other process.
    let (_, rest) = running.split_once('\n').unwrap();
    let reused = format!("{}\n{rest}", std::process::id());
    let copied = reused.replace(data.to_str().unwrap(), "/elsewhere/data");
    let torn = String::new();
    for trace in [reused, copied, torn] {
        fs::write(data.join("postmaster.pid"), &trace).unwrap();
        fs::write(Path::new(&socket).join(".s.PGSQL.5432.lock"), &trace).unwrap();
        let managed = dir.start().unwrap();
        assert_eq!(show(&managed.url(), "fsync"), "on", "after {trace:?}");
    }
}

#[test]
fn a_server_that_died_is_noticed_and_revived() {
    let dir = DataDir::new();
    let Some(managed) = dir.start() else {
        return skip();
    };
    block_on(async {
        let store = Store::connect(&config(&managed.url())).await.unwrap();
        store.ping().await.unwrap();
        signal("KILL", postmaster(&managed));
        let error = loop {
            match store.ping().await {
                // Its children need a moment to notice.
                Ok(()) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        managed.revive().unwrap();
        store.ping().await.unwrap();
    });
}

#[test]
fn users_that_come_and_go_at_once_never_lose_the_server_they_joined() {
    let dir = DataDir::new();
    if dir.start().is_none() {
        return skip();
    }
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let managed = dir.start().unwrap();
                    assert_eq!(show(&managed.url(), "fsync"), "on");
                    managed.stop().unwrap();
                }
            });
        }
    });
    assert!(!dir.start().unwrap().folder().join("data.new").exists());
}

fn hold(data_dir: &Path) {
    let managed = match managed::start(data_dir, None) {
        Ok(managed) => managed,
        Err(managed::ManagedError::Missing { .. }) => return println!("\nHELD -"),
        Err(error) => panic!("{error}"),
    };
    println!("\nHELD {}", managed.folder().display());
    loop {
        thread::park();
    }
}

/// Another process that uses the cluster; killed at the end, if not before.
struct Holder {
    process: Child,
    cluster: std::path::PathBuf,
}

impl Holder {
    fn start(dir: &DataDir) -> Option<Self> {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "managed::a_cluster_is_durable_and_private_and_ends_with_its_user",
            ])
            .env(HOLD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let held = said
            .lines()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("HELD ")?.to_owned()));
        let mut holder = Self {
            process,
            cluster: held.unwrap().into(),
        };
        if holder.cluster == Path::new("-") {
            holder.kill();
            return None;
        }
        dir.remember(&holder.cluster);
        Some(holder)
    }

    /// With -9.
    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.kill();
    }
}

fn postmaster(managed: &Managed) -> u32 {
    let file = fs::read_to_string(managed.folder().join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

fn show(url: &str, setting: &str) -> String {
    block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let value = sqlx::query_scalar("select current_setting($1)").bind(setting);
        value.fetch_one(&mut connection).await.unwrap()
    })
}

fn write_a_setting(managed: &Managed) {
    block_on(async {
        let store = Store::connect(&config(&managed.url())).await.unwrap();
        store.migrate().await.unwrap();
        store.set_if_absent("written", "stays").await.unwrap();
    });
}

fn read_the_setting(managed: &Managed) -> Option<String> {
    block_on(async {
        let store = Store::connect(&config(&managed.url())).await.unwrap();
        store.setting("written").await.unwrap()
    })
}
