//! The command as scripts use it: real processes, exit codes, JSON.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

fn loadtest() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lattice-loadtest"))
}

/// A mock in a process of its own.
struct MockProcess {
    process: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl MockProcess {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port_file = folder.path().join("port");
        let process = loadtest()
            .arg("mock")
            .arg("--port-file")
            .arg(&port_file)
            .arg("--record")
            .arg(folder.path().join("record"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let port = wait_for_file(&port_file);
        let url = format!("http://127.0.0.1:{}/v1/chat/completions", port.trim());
        Self {
            process,
            folder,
            url,
        }
    }

    /// Runs a short load of a model and returns what `run --json` did.
    fn run(&self, model: &str, more: &[&str]) -> (Output, Value) {
        let output = loadtest()
            .args(["run", "--url", &self.url, "--model", model, "--json"])
            .args(["--connections", "4", "--seconds", "0.5", "--warmup", "0.1"])
            .args(more)
            .output()
            .unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap();
        (output, report)
    }

    fn arrivals(&self) -> u64 {
        let record = std::fs::read_to_string(self.folder.path().join("record")).unwrap();
        record.matches(r#""event":"arrival""#).count() as u64
    }
}

impl Drop for MockProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_for_file(path: &Path) -> String {
    for _ in 0..500 {
        if let Ok(text) = std::fs::read_to_string(path) {
            return text;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} did not come", path.display());
}

#[test]
fn a_load_is_measured_and_the_mock_saw_all_of_it() {
    let mock = MockProcess::start();
    let pid = mock.process.id().to_string();
    let (output, report) = mock.run("mock", &["--pid", &pid, "--direct", &mock.url]);
    assert!(output.status.success());
    let [url, direct] = [&report["measured"][0], &report["measured"][1]];
    let requests = url["requests"].as_u64().unwrap() + direct["requests"].as_u64().unwrap();
    assert!(requests > 0 && requests <= mock.arrivals());
    assert_eq!(url["errors"], serde_json::json!({}));
    let latency = |name: &str| url["latency_us"][name].as_f64().unwrap();
    assert!(latency("p50") > 0.0 && latency("p50") <= latency("max"));
    assert!(report["added_over_direct_us"]["url"]["p99"].is_f64());
    // Elsewhere there is no /proc, and the figures are null.
    let process = &url["processes"][0];
    assert_eq!(process["peak_rss_kib"].is_u64(), cfg!(target_os = "linux"));
}

#[test]
fn a_stream_has_a_first_text_and_gaps() {
    let mock = MockProcess::start();
    let (output, report) = mock.run("mock?chunks=4&delay_ms=20", &["--stream"]);
    assert!(output.status.success());
    let at = |what: &str| report["measured"][0][what]["p50"].as_f64().unwrap();
    assert!(at("first_content_us") < at("latency_us"));
    assert!(at("gap_us") > 10_000.0, "{}", at("gap_us"));
}

#[test]
fn failures_are_counted_by_kind_and_shown() {
    let mock = MockProcess::start();
    for (model, more, kind) in [
        ("mock?fault=status:429", [].as_slice(), "status_429"),
        ("mock?fault=reset_header", &[], "no_response"),
        ("mock?fault=truncate_after:2", &[], "body_cut"),
        (
            "mock?fault=error_event_after:2",
            &["--stream"],
            "stream_error",
        ),
        (
            "mock?fault=hang_after:2",
            &["--stream", "--timeout", "0.2"],
            "timeout",
        ),
    ] {
        let (output, report) = mock.run(model, more);
        let measured = &report["measured"][0];
        let errors = measured["errors"].as_object().unwrap();
        assert_eq!(errors.keys().collect::<Vec<_>>(), [kind], "{model}");
        assert_eq!(measured["requests"], errors[kind], "{model}");
        let detail = measured["error_details"][0].as_str().unwrap();
        assert!(detail.starts_with(kind), "{detail}");
        assert_eq!(
            output.status.code(),
            Some(1),
            "{model}: nothing was measured"
        );
    }
}

#[test]
fn waiting_ends_when_a_server_is_up_or_patience_is_out() {
    let mock = MockProcess::start();
    let models = mock.url.replace("chat/completions", "models");
    let wait = |url: &str| {
        let mut command = loadtest();
        command.args(["wait", "--seconds", "1", "--url", url]);
        command.output().unwrap().status.code()
    };
    assert_eq!(wait(&models), Some(0));
    drop(mock);
    assert_eq!(wait(&models), Some(1));
    assert_eq!(wait("https://127.0.0.1/"), Some(2));
}
