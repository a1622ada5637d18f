//! What `lattice doctor` says of a machine that is well, and of one where much is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use harness::{Gateway, LATTICE, MODELS, Upstream};
use insta::assert_snapshot;
use serde_json::Value;

/// Runs `lattice …` in a folder, with nothing of our environment but what is named.
fn lattice(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    // What shells are given differs from machine to machine.
    Command::new("/bin/sh")
        .args(["-c", "ulimit -S -n 4096; exec \"$0\" \"$@\"", LATTICE])
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// What it said and its exit code, with what differs from machine to machine taken out.
fn screen(output: &Output, replace: &[(&str, &str)]) -> String {
    let mut said = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
    for (text, stands_for) in replace {
        said = said.replace(text, stands_for);
    }
    let mut screen = String::new();
    let mut lines = said.lines().peekable();
    while let Some(line) = lines.next() {
        let name = MACHINES_OWN
            .iter()
            .find(|name| line.get(8..).is_some_and(|rest| rest.starts_with(**name)));
        match name {
            // Full disks are the business of a test beside the code.
            Some(&"disk ") => {
                screen += "  […]   disk\n";
                lines.next_if(|next| next.starts_with("        "));
            }
            Some(name) => {
                let found = line.rfind("  ").unwrap();
                assert!(line.len() > found + 3, "{name}: {line}");
                screen += &format!("{}  […]\n", line[..found].trim_end());
            }
            None => {
                screen += line;
                screen.push('\n');
            }
        }
    }
    screen + &format!("exit code {}\n", output.status.code().unwrap())
}

/// Lines that say something else on each machine.
const MACHINES_OWN: [&str; 3] = ["disk ", "clock ", "processor "];

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn well(upstream: &Upstream) -> (Gateway, [u16; 2]) {
    let ports = [free_port(), free_port()];
    let config = format!(
        "server: {{ listen: 127.0.0.1:{}, admin_listen: 127.0.0.1:{} }}\ndata_dir: ./data\n\
         providers:\n  mock: {{ kind: openai_compatible, base_url: {} }}\n{MODELS}",
        ports[0],
        ports[1],
        upstream.base_url()
    );
    (Gateway::prepare(&config, &[]), ports)
}

#[test]
fn a_machine_that_is_well_has_nothing_to_mend() {
    let upstream = Upstream::start();
    let (mut gateway, [clients, admin]) = well(&upstream);
    let tools = tempfile::tempdir().unwrap();
    for tool in ["cmake", "c++", "libclang.so"] {
        std::fs::write(tools.path().join(tool), "").unwrap();
    }
    let tools = tools.path().to_str().unwrap();
    let folder = gateway.path().canonicalize().unwrap();
    let (clients, admin) = (format!(":{clients}"), format!(":{admin}"));
    let mock = upstream.mock.addr().to_string();
    let postgres = gateway.postgres_home();
    let look = |gateway: &Gateway| {
        let environment = [("PATH", tools), ("LIBCLANG_PATH", tools)];
        let output = lattice(gateway.path(), &["doctor"], &environment);
        let home = gateway.postgres_home();
        screen(
            &output,
            &[
                (home.to_str().unwrap(), "[postgres]"),
                (postgres.to_str().unwrap(), "[postgres]"),
                (folder.to_str().unwrap(), "[folder]"),
                (tools, "[tools]"),
                (&clients, ":[clients]"),
                (&admin, ":[admin]"),
                (&mock, "[mock]"),
            ],
        )
    };
    let before = look(&gateway);
    assert!(
        !gateway.path().join("data").exists(),
        "looking makes nothing"
    );
    assert_snapshot!(version_aside(&before), @"");
    gateway.launch();
    assert_snapshot!(version_aside(&look(&gateway)), @"");
    gateway.stop();
    let after = look(&gateway);
    assert!(after.contains("lattice starts it when needed"), "{after}");
    assert!(after.ends_with("exit code 0\n"), "{after}");
}

/// PostgreSQL's version and place, and what a journal has come to.
fn version_aside(screen: &str) -> String {
    let lines = screen
        .lines()
        .map(|line| match line.split_once("PostgreSQL ") {
            Some((before, found)) if found.contains(" in /") => format!("{before}PostgreSQL  […]"),
            _ if line.contains("  journal ") => match line.rsplit_once(", ") {
                Some((before, _)) => format!("{before}, [size]"),
                None => line.to_owned(),
            },
            _ => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_fault_of_a_broken_machine_is_named_with_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let beyond = format!("127.0.0.1:{}", address.port() + 10);
    let closed = format!("127.0.0.1:{}", free_port());
    let config = format!(
        "server: {{ listen: '{address}', admin_listen: 127.0.0.1:0 }}\n\
         data_dir: ./data\n\
         database: {{ bin_dir: ./no-postgres }}\n\
         providers:\n\
         \x20 openai: {{ kind: openai, api_key: {{ env: NO_SUCH_KEY }} }}\n\
         \x20 keyless: {{ kind: anthropic, base_url: 'http://{closed}' }}\n\
         \x20 local: {{ kind: llama_cpp, model_dir: ./no-models }}\n\
         models:\n\
         \x20 - {{ name: assistant, targets: [ {{ provider: openai, model: gpt-5 }} ] }}\n\
         \x20 - {{ name: small, targets: [ {{ provider: local, model: smollm2-135m-instruct }} ] }}\n\
         \x20 - {{ name: lost, targets: [ {{ provider: lokal, model: m }} ] }}\n\
         budgets:\n\
         \x20 - {{ scope: {{ team: research }}, window: month, limit_usd: -1 }}\n\
         policy: {{ dir: ./no-rules }}\n"
    );
    std::fs::write(folder.path().join("lattice.yaml"), config).unwrap();
    let nowhere = folder.path().join("no-libclang");
    // No PATH: neither cmake nor a compiler is found.
    let environment = [("LIBCLANG_PATH", nowhere.to_str().unwrap())];
    let output = lattice(folder.path(), &["doctor"], &environment);
    let real = folder.path().canonicalize().unwrap();
    let replace = [
        (real.to_str().unwrap(), "[folder]"),
        (&*address.to_string(), "[taken]"),
        (&beyond, "[beyond]"),
        (&format!(":{}'", address.port()), ":[port]'"),
        (&closed, "[closed]"),
    ];
    assert_snapshot!(screen(&output, &replace), @"");
    assert!(
        !folder.path().join("data").exists(),
        "looking makes nothing"
    );

    let json = lattice(folder.path(), &["doctor", "--json"], &environment);
    assert_eq!(json.status.code(), Some(1));
    let rows: Vec<Value> = serde_json::from_slice(&json.stdout).unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let marks = ["  ok    ", "  warn  ", "  FAIL  "];
    let checks = lines
        .lines()
        .filter(|line| marks.iter().any(|mark| line.starts_with(mark)));
    assert_eq!(rows.len(), checks.count());
    for row in &rows {
        assert_eq!(row["mend"].is_null(), row["verdict"] == "ok", "{row}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_one_finding_among_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let text = "server:\n  lisen: 127.0.0.1:8080\n";
    std::fs::write(folder.path().join("lattice.yaml"), text).unwrap();
    let configuration = |arguments: &[&str]| {
        let output = lattice(folder.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("\nstate\n"), "{said}");
        let section = said.split("configuration\n").nth(1).unwrap();
        section.split("\n\n").next().unwrap().to_owned()
    };
    assert_snapshot!(configuration(&["doctor"]), @"");
    assert_snapshot!(configuration(&["doctor", "--config", "nowhere.yaml"]), @"");
}

#[test]
fn a_pepper_that_is_not_the_one_of_the_stored_keys_is_found() {
    let upstream = Upstream::start();
    let (mut gateway, _) = well(&upstream);
    gateway.launch();
    let pepper = gateway.path().join("data").join("pepper");
    let of_pepper = || {
        let output = lattice(gateway.path(), &["doctor", "--json"], &[]);
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let mut rows = rows.into_iter();
        rows.find(|row| row["name"] == "pepper").unwrap()
    };
    assert_eq!(of_pepper()["verdict"], "ok");
    std::fs::write(&pepper, [7; 32]).unwrap();
    let other = of_pepper();
    assert_eq!(other["verdict"], "fail", "{other}");
    std::fs::remove_file(&pepper).unwrap();
    let lost = of_pepper();
    assert_eq!(lost["verdict"], "fail", "{lost}");
    assert!(lost["mend"].as_str().unwrap().contains("backup"), "{lost}");
}
