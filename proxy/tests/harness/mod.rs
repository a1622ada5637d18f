//! A real gateway in a process of its own, with its own data folder and its own
//! PostgreSQL, before a mock upstream in this process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
#![expect(dead_code, reason = "each test file uses its own part of the harness")]

pub mod across;
pub mod authority;
pub mod faulty;
pub mod http1;
pub mod node;
pub mod prometheus;
pub mod python;
pub mod shared;
pub mod tls;
pub mod wire;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lattice_loadtest::mock::{Mock, Options};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The binary under test.
pub const LATTICE: &str = env!("CARGO_BIN_EXE_lattice");

/// A mock upstream on a runtime of its own.
pub struct Upstream {
    pub mock: Mock,
    runtime: tokio::runtime::Runtime,
}

impl Upstream {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mock = runtime.block_on(Mock::start(Options::default())).unwrap();
        Self { mock, runtime }
    }

    pub fn base_url(&self) -> String {
        self.mock.base_url()
    }

    /// Goes away, cutting every connection, and comes back at the same address.
    pub fn restart(&mut self) {
        let listen = self.mock.addr();
        self.runtime.block_on(async {
            // The address is free only once the old one has stopped, which consumes it.
            let elsewhere = Mock::start(Options::default()).await.unwrap();
            std::mem::replace(&mut self.mock, elsewhere).stop().await;
            self.mock = Mock::start(Options {
                listen,
                ..Options::default()
            })
            .await
            .unwrap();
        });
    }

    /// The body that it received last.
    pub fn last_body(&self) -> bytes::Bytes {
        self.mock.last().expect("a request").body
    }
}

/// A gateway and all that belongs to it.
pub struct Gateway {
    folder: TempDir,
    child: Option<Child>,
    pub clients: String,
    pub admin: String,
    environment: Vec<(String, String)>,
}

/// A reply, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// `lattice.code` of an error.
    pub fn code(&self) -> String {
        self.json()["lattice"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A configuration with one model `mock` at `upstream`; `more` is appended.
pub fn config(upstream: &Upstream, more: &str) -> String {
    config_for(&upstream.base_url(), more)
}

/// A configuration whose provider `mock` is at `base_url`; `more` is appended.
pub fn config_for(base_url: &str, more: &str) -> String {
    format!(
        "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0, drain_seconds: 20 }}\n\
         data_dir: ./data\n\
         providers:\n  mock: {{ kind: openai_compatible, base_url: {base_url} }}\n{more}"
    )
}

/// The usual model list: `mock`, at 1 and 2 USD per million tokens.
pub const MODELS: &str = "models:\n  - name: mock\n    targets: [ { provider: mock, model: mock, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } } ]\n";

impl Gateway {
    /// Writes `config` and starts a gateway on it.
    pub fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    pub fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepare(config, environment);
        gateway.launch();
        gateway
    }

    /// Everything but the start.
    pub fn prepare(config: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL's own account must be able to look in, where we are root.
        #[cfg(unix)]
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        std::fs::write(folder.path().join("lattice.yaml"), config).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            folder,
            child: None,
            clients: String::new(),
            admin: String::new(),
            environment: environment.collect(),
        }
    }

    /// Starts the gateway (again) and waits until it says where it listens.
    pub fn launch(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap();
        let mut child = self
            .command(&["server"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let mut addresses = line
            .split("://")
            .skip(1)
            .map(|rest| rest.split([' ', '/', '\n']).next().unwrap());
        match (addresses.next(), addresses.next()) {
            (Some(clients), Some(admin)) => {
                self.clients = clients.to_owned();
                self.admin = admin.to_owned();
            }
            _ => panic!("the gateway did not start: {line}{}", self.log()),
        }
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        self.child = Some(child);
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// What the gateway has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("runs").id()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(LATTICE);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("LATTICE_CONFIG")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `lattice …` on the same configuration.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs `lattice …`, which must succeed, and returns what it printed.
    pub fn lattice(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        assert!(
            output.status.success(),
            "lattice {arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key with these further arguments and returns its secret.
    pub fn key(&self, name: &str, more: &[&str]) -> String {
        let arguments = [&["key", "create", "--name", name, "--json"], more].concat();
        let issued: Value = serde_json::from_str(&self.lattice(&arguments)).unwrap();
        issued["key"].as_str().unwrap().to_owned()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.clients)
    }

    /// Posts a chat request and reads the reply whole.
    pub fn chat(&self, key: &str, body: &str) -> Reply {
        post(&self.url("/v1/chat/completions"), Some(key), body)
    }

    pub fn get(&self, key: Option<&str>, path: &str) -> Reply {
        let mut request = agent().get(self.url(path));
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        read(request.call().unwrap())
    }

    pub fn metrics(&self) -> String {
        read(
            agent()
                .get(format!("http://{}/metrics", self.admin))
                .call()
                .unwrap(),
        )
        .body
    }

    /// Every leaf in the store, in order, once the journal has nothing left to ship.
    pub fn leaves(&self) -> Vec<Value> {
        if self.child.is_some() {
            self.shipped();
        }
        let export = self.lattice(&["audit", "export"]);
        export
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["leaf"].clone())
            .collect()
    }

    /// Waits until all that the gateway has recorded is in the store.
    pub fn shipped(&self) {
        // Outcomes are written within 50 ms; only then do they count as waiting.
        std::thread::sleep(Duration::from_millis(150));
        eventually(Duration::from_secs(30), "everything is shipped", || {
            let ready = read(
                agent()
                    .get(format!("http://{}/readyz", self.admin))
                    .call()
                    .unwrap(),
            )
            .body;
            ready.contains("\"0 leaves wait")
        });
    }

    /// The rows of `lattice budget list`.
    pub fn budgets(&self) -> Vec<Value> {
        serde_json::from_str(&self.lattice(&["budget", "list", "--json"])).unwrap()
    }

    /// `lattice audit verify`: its exit code and what it says.
    pub fn verify(&self) -> (i32, String) {
        let output = self.cli(&["audit", "verify"]);
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(said).unwrap(),
        )
    }

    /// What `/readyz` says.
    pub fn readyz(&self) -> Reply {
        read(
            agent()
                .get(format!("http://{}/readyz", self.admin))
                .call()
                .unwrap(),
        )
    }

    /// The folder of the managed PostgreSQL; where we are root, it is not in `data_dir`.
    pub fn postgres_home(&self) -> PathBuf {
        let data_dir = self.folder.path().join("data");
        Some(system_folder(&data_dir))
            .filter(|home| home.exists())
            .unwrap_or_else(|| data_dir.join("postgres"))
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&self) {
        signal(self.pid(), "TERM");
    }

    /// SIGTERM, and waits for the end; returns the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("runs");
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match child.try_wait().unwrap() {
                Some(status) => return status.code(),
                None if Instant::now() > end => {
                    child.kill().unwrap();
                    panic!("the gateway did not stop: {}", self.log());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// kill -9 so long after a start, whatever it has come to by then.
    pub fn launch_and_kill(&self, after: Duration) {
        let mut child = self
            .command(&["server"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The managed database, which then runs until this is dropped.
    pub fn database(&self) -> Database {
        Database(lattice_store::managed::start(&self.folder.path().join("data"), None).unwrap())
    }
}

/// A way into the managed database past the gateway.
pub struct Database(lattice_store::managed::Managed);

impl Database {
    /// Runs statements in one transaction and returns the rows, columns divided by `|`.
    pub fn sql(&self, statements: &str) -> Vec<String> {
        sql(&self.0.url(), statements)
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.0.folder()
    }
}

/// Runs statements in one transaction and returns the rows, columns divided by `|`.
pub fn sql(url: &str, statements: &str) -> Vec<String> {
    let output = Command::new("psql")
        .args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--single-transaction",
        ])
        .args(["--set", "ON_ERROR_STOP=1", "--command", statements, url])
        .output()
        .expect("psql, which comes with PostgreSQL");
    assert!(
        output.status.success(),
        "{statements}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(child.id(), "TERM");
            let end = Instant::now() + Duration::from_secs(30);
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(child.kill());
            drop(child.wait());
        }
        // Whoever uses the managed database last stops it, also after a kill -9.
        drop(self.command(&["team", "list"]).output());
        drop(std::fs::remove_dir_all(system_folder(
            &self.folder.path().join("data"),
        )));
    }
}

/// Where the managed cluster of `data_dir` is when we are root.
pub fn system_folder(data_dir: &Path) -> PathBuf {
    let digest = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
    let name: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Path::new("/var/lib/lattice").join(name)
}

/// The main process of the PostgreSQL in `home`, as its pid file says.
pub fn postmaster(home: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(home.join("data").join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// Sends a signal by name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

/// A client that takes any status as an answer.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into()
}

pub fn post(url: &str, key: Option<&str>, body: &str) -> Reply {
    let mut request = agent().post(url).header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    read(request.send(body).unwrap())
}

/// Asks with one header more.
pub fn get_with(url: &str, name: &str, value: &str) -> Reply {
    read(agent().get(url).header(name, value).call().unwrap())
}

pub fn read(response: http::Response<ureq::Body>) -> Reply {
    let (head, mut body) = response.into_parts();
    let mut text = String::new();
    body.as_reader().read_to_string(&mut text).unwrap();
    let headers = head.headers.iter().map(|(name, value)| {
        (
            name.to_string(),
            value.to_str().unwrap_or_default().to_owned(),
        )
    });
    Reply {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: text,
    }
}

/// A chat request for `model` with one short message.
pub fn ask(model: &str, more: &str) -> String {
    format!(
        r#"{{"model":"{model}","messages":[{{"role":"user","content":"Say something short."}}]{more}}}"#
    )
}

/// Waits until `holds`.
pub fn eventually(most: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + most;
    while !holds() {
        assert!(Instant::now() < end, "not within {most:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The leaves of one kind.
pub fn of_kind<'a>(leaves: &'a [Value], kind: &str) -> Vec<&'a Value> {
    leaves.iter().filter(|leaf| leaf["kind"] == kind).collect()
}

/// The sum of what these outcomes cost, in nano-USD; one without a cost fails the test.
pub fn cost_of<'a>(outcomes: impl IntoIterator<Item = &'a Value>) -> i64 {
    let cost = |outcome: &Value| {
        outcome["cost_nano_usd"]
            .as_i64()
            .unwrap_or_else(|| panic!("no cost: {outcome}"))
    };
    outcomes.into_iter().map(cost).sum()
}

/// A sum in USD, as `budget list` and replies write it, in nano-USD.
#[expect(
    clippy::cast_possible_truncation,
    reason = "sums in tests are far below 2^53 nano-USD"
)]
pub fn nano(usd: &Value) -> i64 {
    (usd.as_f64().unwrap_or_else(|| panic!("not a sum: {usd}")) * 1e9).round() as i64
}

/// `found` has every member of `expected`, with its value.
pub fn assert_shows(found: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&found[name], value, "{name} in {found}");
    }
}
