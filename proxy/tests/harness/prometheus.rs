//! Debian's Prometheus in a process of its own, with the configuration that ships.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{agent, eventually, python, read, signal};

/// The folder of what ships for Prometheus and Grafana.
pub fn deploy() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("tests run under cargo");
    Path::new(&package).join("..").join("deploy")
}

/// `prometheus` or `promtool`: on PATH, else where `cargo xtask setup` puts it.
pub fn program(name: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let ours = python::tools().join("prometheus");
    std::env::split_paths(&folders)
        .chain([ours])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is not there: run `cargo xtask setup`"))
}

/// Stopped when dropped, and by itself after five minutes.
pub struct Prometheus {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Prometheus {
    /// Scrapes `target` each second.
    pub fn start(target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shipped = deploy().join("prometheus");
        let config = std::fs::read_to_string(shipped.join("prometheus.yml")).unwrap();
        let config = replaced(&replaced(&config, "15s", "1s"), "127.0.0.1:8081", target);
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        std::fs::copy(shipped.join("alerts.yml"), folder.path().join("alerts.yml")).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        // A test that is killed drops nothing. `timeout` hands signals on.
        let child = Command::new("timeout")
            .args(["--foreground", "300"])
            .arg(program("prometheus"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut started = Self {
            child,
            address: String::new(),
            folder,
        };
        started.wait_until_ready();
        started
    }

    fn wait_until_ready(&mut self) {
        eventually(Duration::from_secs(30), "Prometheus listens", || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains("\"Listening on\""));
            let address = line.and_then(|line| line.split("address=").nth(1));
            self.address = address.unwrap_or_default().to_owned();
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "Prometheus has ended: {log}");
            address.is_some()
        });
        eventually(Duration::from_secs(30), "Prometheus is ready", || {
            let asked = agent().get(format!("http://{}/-/ready", self.address));
            asked.call().is_ok_and(|reply| reply.status() == 200)
        });
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The series that an expression yields now, each with its `metric` and `value`.
    pub fn series(&self, expression: &str) -> Vec<Value> {
        let data = self.ask("query", &[("query", expression)]);
        match data["resultType"].as_str() {
            Some("vector") => data["result"].as_array().unwrap().clone(),
            other => panic!("{expression} is no vector but {other:?}"),
        }
    }

    /// The values of a label on the series of a metric.
    pub fn values_of(&self, label: &str, metric: &str) -> Vec<String> {
        let values = self.ask(&format!("label/{label}/values"), &[("match[]", metric)]);
        serde_json::from_value(values).unwrap()
    }

    /// The rules of all groups, with what came of them.
    pub fn rules(&self) -> Vec<Value> {
        let groups = self.ask("rules", &[]);
        let groups = groups["groups"].as_array().unwrap().iter();
        groups
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect()
    }

    fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("http://{}/api/v1/{what}", self.address);
        let asked = agent().get(url).query_pairs(parameters.iter().copied());
        let mut said = read(asked.call().unwrap()).json();
        assert_eq!(said["status"], "success", "{parameters:?}: {said}");
        said["data"].take()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.child.id(), "TERM");
        }
        drop(self.child.wait());
    }
}

/// `text` with another value in place of one that must be there.
fn replaced(text: &str, value: &str, by: &str) -> String {
    assert!(text.contains(value), "{value} is not in {text}");
    text.replace(value, by)
}
