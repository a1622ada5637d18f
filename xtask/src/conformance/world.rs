//! A database, the scripted upstreams and a gateway before them, all ended when dropped.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::postgres::Cluster;
use crate::shell::{self, Failure, Named, Result, repository, tools_folder};

/// A model of the gateway, and the provider behind it.
pub struct Upstream {
    /// As `matrix.py` calls it.
    pub kind: &'static str,
    /// As clients of the gateway call it.
    pub name: &'static str,
    /// Of the provider, in the configuration.
    adapter: &'static str,
    /// Below the mock's own address.
    path: &'static str,
    /// There; how it is asked to think depends on its generation.
    model: &'static str,
}

pub const UPSTREAMS: [Upstream; 4] = [
    Upstream {
        kind: "openai",
        name: "gpt",
        adapter: "openai",
        path: "/v1",
        model: "gpt-5",
    },
    Upstream {
        kind: "anthropic",
        name: "claude",
        adapter: "anthropic",
        path: "",
        model: "claude-opus-4-6",
    },
    Upstream {
        kind: "gemini",
        name: "google",
        adapter: "gemini",
        path: "",
        model: "gemini-3.1-pro-preview",
    },
    Upstream {
        kind: "compatible",
        name: "qwen",
        adapter: "openai_compatible",
        path: "/compat/v1",
        model: "qwen3",
    },
];

const PROVIDER_KEY: &str = "provider-key";

/// SIGTERM has to do within this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fields are dropped in this order: the gateway before what it stands on.
pub struct World {
    /// The gateway's root, without a slash behind it.
    pub gateway: String,
    /// One of its keys.
    pub key: String,
    _server: Process,
    _mock: Process,
    _database: Cluster,
    folder: TempDir,
}

impl World {
    pub fn start() -> Result<Self> {
        let binary = lattice()?;
        println!("conformance: {}", binary.display());
        let folder = tempfile::tempdir().named("temporary folder")?;
        let database = Cluster::start()?;
        let (mock, upstreams) = mock()?;

        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::write(&file, text).named(&file)
        };
        write("lattice.yaml", &configuration(&upstreams))?;
        write("provider.key", PROVIDER_KEY)?;
        write("pepper", "of a gateway that lives for one conformance run")?;

        let command = |arguments: &[&str]| {
            let mut command = Command::new(&binary);
            command
                .args(arguments)
                .current_dir(folder.path())
                .env("DATABASE_URL", database.url())
                .env_remove("LATTICE_CONFIG");
            command
        };
        let log = folder.path().join("server.log");
        let log_file = File::create(&log).named(&log)?;
        let (server, line) = Process::start(command(&["server"]).stderr(log_file))?;
        let gateway = address(&line).ok_or_else(|| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            Failure::unable(format!("the gateway did not start: {line}{log}"))
        })?;
        let issued = shell::output(&mut command(&[
            "key",
            "create",
            "--name",
            "conformance",
            "--json",
        ]))?;
        let issued = String::from_utf8_lossy(&issued).into_owned();
        let key = issued.split('"').find(|word| word.starts_with("lat_"));
        let key = key.ok_or_else(|| Failure::unable("the gateway made no key"))?;
        Ok(Self {
            gateway,
            key: key.to_owned(),
            _server: server,
            _mock: mock,
            _database: database,
            folder,
        })
    }

    /// An empty folder, which goes when this does.
    pub fn fresh_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).named(&folder)?;
        Ok(folder)
    }
}

/// `upstreams.py`, and its root.
fn mock() -> Result<(Process, String)> {
    let scripts = repository().join("proxy").join("tests").join("python");
    let mut command = Command::new(python()?);
    command
        .arg(scripts.join("upstreams.py"))
        .arg(PROVIDER_KEY)
        .stderr(Stdio::null());
    let (mock, port) = Process::start(&mut command)?;
    let port: u16 = port
        .trim()
        .parse()
        .map_err(|_| Failure::unable(format!("upstreams.py did not start: {port}")))?;
    Ok((mock, format!("http://127.0.0.1:{port}")))
}

fn configuration(upstreams: &str) -> String {
    let mut providers = String::new();
    let mut models = String::new();
    for Upstream {
        kind,
        name,
        adapter,
        path,
        model,
    } in UPSTREAMS
    {
        providers += &format!(
            "  {kind}: {{ kind: {adapter}, base_url: {upstreams}{path}, api_key: {{ file: ./provider.key }} }}\n"
        );
        models += &format!(
            "  - {{ name: {name}, targets: [ {{ provider: {kind}, model: {model}, price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }} ] }}\n"
        );
    }
    format!(
        "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0, drain_seconds: 1 }}\n\
         data_dir: ./data\n\
         database: {{ url: {{ env: DATABASE_URL }} }}\n\
         security: {{ pepper: {{ file: ./pepper }} }}\n\
         providers:\n{providers}models:\n{models}"
    )
}

/// The address that clients are told first.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find([' ', '/', '\n']).unwrap_or(rest.len());
    Some(format!("http://{}", &rest[..end]))
}

/// The debug binary, which is not built here: which features it should have is for whoever
/// builds to say.
fn lattice() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), PathBuf::from);
    let binary = target.join("debug").join("lattice");
    if binary.is_file() {
        return Ok(binary);
    }
    Err(Failure::unable(format!(
        "{} is not there: run `cargo build --package lattice`",
        binary.display()
    )))
}

/// The interpreter that set-up makes.
pub fn python() -> Result<PathBuf> {
    let python = tools_folder()?.join("python").join("bin").join("python");
    if python.is_file() {
        return Ok(python);
    }
    Err(Failure::unable(format!(
        "{} is not there: run `cargo xtask setup`",
        python.display()
    )))
}

/// Ends with its standard input, or when it is told to.
struct Process {
    child: Child,
}

impl Process {
    /// Also the first line that it says.
    fn start(command: &mut Command) -> Result<(Self, String)> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .named(command.get_program())?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            let mut out = BufReader::new(out);
            out.read_line(&mut line).named(command.get_program())?;
            // Whatever else it says must not fill the pipe.
            std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        }
        Ok((Self { child }, line))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let pid = self.child.id().to_string();
        shell::succeeds(Command::new("kill").args(["-TERM", &pid]));
        let end = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            sleep(Duration::from_millis(20));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_is_that_of_the_clients() {
        let line = "Lattice listens on http://127.0.0.1:40000/v1 (admin: http://127.0.0.1:40001)\n";
        assert_eq!(address(line).as_deref(), Some("http://127.0.0.1:40000"));
        assert_eq!(address("lattice: no such file\n"), None);
    }
}
