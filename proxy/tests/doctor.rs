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
        // Ours for `id`, which tells who PostgreSQL runs as.
        let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
        let environment = [("PATH", &*path), ("LIBCLANG_PATH", tools)];
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
    assert_snapshot!(version_aside(&before), @"
    machine
      ok    processor  […]
      […]   disk
      ok    open files           up to 4096
      ok    clock  […]

    programs
      ok    PostgreSQL […]
      ok    cmake                [tools]/cmake
      ok    C++ compiler         [tools]/c++
      ok    libclang             [tools]/libclang.so

    configuration
      ok    file                 lattice.yaml: sound
      ok    provider mock        openai_compatible at [mock], without a key
      ok    models               mock
      ok    policy               shipped […]

    network
      ok    server.listen        127.0.0.1:[clients] is free
      ok    server.admin_listen  127.0.0.1:[admin] is free
      ok    provider mock        [mock] accepts connections

    state
      ok    data_dir             [folder]/data is made at the first start
      ok    pepper               is made at the first start
      ok    journal              is made at the first start
      ok    database             is made at the first start

    nothing stands in the way
    exit code 0
    ");
    gateway.launch();
    assert_snapshot!(version_aside(&look(&gateway)), @"
    machine
      ok    processor  […]
      […]   disk
      ok    open files           up to 4096
      ok    clock  […]

    programs
      ok    PostgreSQL […]
      ok    cmake                [tools]/cmake
      ok    C++ compiler         [tools]/c++
      ok    libclang             [tools]/libclang.so

    configuration
      ok    file                 lattice.yaml: sound
      ok    provider mock        openai_compatible at [mock], without a key
      ok    models               mock
      ok    policy               shipped […]

    network
      ok    server.listen        127.0.0.1:[clients] is served by a running Lattice
      ok    server.admin_listen  127.0.0.1:[admin] is served by a running Lattice
      ok    provider mock        [mock] accepts connections

    state
      ok    data_dir             [folder]/data, closed to others
      ok    pepper               [folder]/data/pepper
      ok    journal              [folder]/data/journal […]
      ok    database             the managed one answers; its schema is up to date

    nothing stands in the way
    exit code 0
    ");
    gateway.stop();
    let after = look(&gateway);
    assert!(after.contains("lattice starts it when needed"), "{after}");
    assert!(after.ends_with("exit code 0\n"), "{after}");
}

/// Without PostgreSQL's version and place, the policy's revision and the journal's size.
fn version_aside(screen: &str) -> String {
    let lines = screen.lines().map(|line| {
        let is = |name| {
            line.get(8..)
                .is_some_and(|rest: &str| rest.starts_with(name))
        };
        let end = if is("PostgreSQL ") {
            line.find(" in /").map(|_| "  ok    PostgreSQL".len())
        } else if is("policy ") || is("journal ") {
            line.rfind(", ")
        } else {
            None
        };
        match end {
            Some(end) => format!("{} […]", &line[..end]),
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_fault_of_a_broken_machine_is_named_with_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let beyond = address.port().checked_add(10).unwrap_or(8080);
    let beyond = format!("127.0.0.1:{beyond}");
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
    assert_snapshot!(screen(&output, &replace), @r#"
    machine
      ok    processor  […]
      […]   disk
      ok    open files                up to 4096
      ok    clock  […]

    programs
      FAIL  PostgreSQL                not installed (looked in ./no-postgres)
            run `apt-get install postgresql` (or your system's package of that name), or set database.url
      warn  cmake                     not found; only a build from source takes it
            apt-get install cmake
      warn  C++ compiler              not found; only a build from source takes it
            apt-get install g++
      warn  libclang                  not found; only a build from source takes it
            apt-get install libclang-dev

    configuration
      FAIL  file                      lattice.yaml: the server refuses it
            mend what follows, then: lattice config check
      warn  provider keyless          anthropic at [closed], without a key
            add `api_key: { env: ANTHROPIC_API_KEY }` to it, and export ANTHROPIC_API_KEY
      ok    provider local            runs models in this process
      FAIL  providers.openai.api_key  environment variable NO_SUCH_KEY is not set
            export it, or point at a file with { file: PATH }
      FAIL  models.lost               provider "lokal" is not declared
            under `providers` are: keyless, local, openai
      ok    models                    assistant, small
      FAIL  budgets.team.research     limit_usd is a number of USD, 0 or more
            correct it in the configuration
      FAIL  policy                    policy: ./no-rules: cannot be read: No such file or directory (os error 2)
            correct policy.dir or its rules; without it the set that ships with Lattice applies

    network
      FAIL  server.listen             [taken] is in use by another program
            set server.listen to another, for instance [beyond], or stop that program; `ss -ltnp 'sport = :[port]'` shows which
      ok    server.admin_listen       127.0.0.1:0: any free port
      warn  provider keyless          [closed] refuses connections
            start it, correct providers.keyless.base_url, or open the network's way to [closed]

    state
      ok    data_dir                  [folder]/data is made at the first start
      ok    pepper                    is made at the first start
      ok    journal                   is made at the first start
      warn  database                  was not looked at
            mend PostgreSQL first, under programs

    local models
      FAIL  local/smollm2-135m-instruct  ./no-models is not there
            lattice model pull smollm2-135m-instruct --dir './no-models'

    8 things to mend, 6 warnings
    exit code 1
    "#);
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
fn a_provider_where_the_gateway_may_not_go_is_not_dialled() {
    let folder = tempfile::tempdir().unwrap();
    let config = "\
server: { listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0 }
providers:
  cloud: { kind: openai_compatible, base_url: 'http://169.254.169.254/v1' }
";
    std::fs::write(folder.path().join("lattice.yaml"), config).unwrap();
    let output = lattice(folder.path(), &["doctor"], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let section = said.split("\nnetwork\n").nth(1).unwrap();
    assert_snapshot!(section.split("\n\n").next().unwrap(), @"
    ok    server.listen             127.0.0.1:0: any free port
    ok    server.admin_listen       127.0.0.1:0: any free port
    FAIL  provider cloud            not dialled: 169.254.169.254 is a cloud's metadata service, which gives out credentials
          if that is meant, add 169.254.169.254 to security.egress.allow; else correct providers.cloud.base_url
    ");
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
        assert!(said.starts_with("machine\n"), "{said}");
        assert!(!said.contains("\nnetwork\n"), "not known: {said}");
        let section = said.split("configuration\n").nth(1).unwrap();
        section.split("\n\n").next().unwrap().to_owned()
    };
    assert_snapshot!(configuration(&["doctor"]), @"
    FAIL  file          lattice.yaml:2:3: unknown key `lisen`
          did you mean `listen`? (known: listen, admin_listen, max_body_mib, drain_seconds, insecure, tls, admin_tls); network, state and models are looked at once it can be read
    ");
    assert_snapshot!(configuration(&["doctor", "--config", "nowhere.yaml"]), @"
    FAIL  file          nowhere.yaml: No such file or directory (os error 2)
          name another with --config, or write a first one: lattice config init; network, state and models are looked at once it can be read
    ");
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

#[test]
fn a_file_that_came_to_harm_is_thrown_away_only_where_nothing_depends_on_it() {
    let upstream = Upstream::start();
    let (mut gateway, _) = well(&upstream);
    let data = gateway.path().join("data");
    let pepper = data.join("pepper");
    let mend = |gateway: &Gateway| {
        let output = lattice(gateway.path(), &["doctor", "--json"], &[]);
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let pepper = rows
            .into_iter()
            .find(|row| row["name"] == "pepper")
            .unwrap();
        pepper["mend"].as_str().unwrap().to_owned()
    };
    std::fs::create_dir(&data).unwrap();
    std::fs::write(&pepper, "short").unwrap();
    assert!(mend(&gateway).starts_with("rm "), "{}", mend(&gateway));
    std::fs::remove_file(&pepper).unwrap();
    gateway.launch();
    gateway.stop();
    std::fs::write(&pepper, "short").unwrap();
    assert!(mend(&gateway).contains("backup"), "{}", mend(&gateway));
    std::fs::write(&pepper, [7; 32]).unwrap();
}
