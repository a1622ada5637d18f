//! Secrets and prompts that are told apart from everything else are looked for in
//! all that the gateway says and keeps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::path::Path;
use std::time::Duration;

use harness::wire::{Connection, chat_request};
use harness::{Gateway, Upstream, config, eventually};

const PROVIDER_KEY: &str = "sk-canary-provider-7d1f0a";
const PROMPT: &str = "canary-prompt-5be2c9";
const REPLY: &str = "The quick brown";

/// Bodies with the prompt where it is read, where it is out of place, and where
/// what is wrong is right beside it.
fn bodies() -> Vec<String> {
    let ask = |model: &str, more: &str| {
        format!(
            r#"{{"model":"{model}","messages":[{{"role":"user","content":"{PROMPT}"}}],"user":"{PROMPT}"{more}}}"#
        )
    };
    let faults = [
        "500", "429", "400", "401", "cut", "torn", "gone", "unpriced", "nowhere",
    ];
    let streams = faults.map(|model| {
        ask(
            model,
            r#","stream":true,"stream_options":{"include_usage":true}"#,
        )
    });
    [
        ask("mock", ""),
        ask("mock", r#","stream":true"#),
        ask("mock", &format!(r#","stream":"{PROMPT}""#)),
        ask("mock", &format!(r#","n":"{PROMPT}""#)),
        ask("mock", &format!(r#","max_tokens":"{PROMPT}""#)),
        ask("mock", &format!(r#","x":"{PROMPT}","x":"{PROMPT}""#)),
        ask("mock", &format!(r#","x":{PROMPT}"#)),
        ask("mock", "") + PROMPT,
        format!(r#"{{"model":"mock","messages":"{PROMPT}"}}"#),
        format!(r#"{{"model":{{"a":"{PROMPT}"}}}}"#),
        format!(r#"{{"model":"mock","messages":[{{"role":"user","content":"{PROMPT}"#),
    ]
    .into_iter()
    .chain(faults.map(|model| ask(model, "")))
    .chain(streams)
    .collect()
}

fn models() -> String {
    let mut models = "  down: { kind: openai_compatible, base_url: 'http://127.0.0.1:1/v1', api_key: { env: CANARY_KEY } }\nmodels:\n".to_owned();
    let price = "price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 }";
    for (name, fault) in [
        ("500", "status:500"),
        ("429", "status:429"),
        ("400", "status:400"),
        ("401", "status:401"),
        ("cut", "truncate_after:2"),
        ("torn", "reset_header"),
    ] {
        models += &format!(
            "  - {{ name: '{name}', targets: [ {{ provider: keyed, model: 'mock?fault={fault}', {price} }} ] }}\n"
        );
    }
    models += &format!(
        "  - {{ name: mock, targets: [ {{ provider: keyed, model: mock, {price} }} ] }}\n"
    );
    models += &format!(
        "  - {{ name: slow, targets: [ {{ provider: keyed, model: 'mock?delay_ms=50&chunks=100', {price} }} ] }}\n"
    );
    models +=
        &format!("  - {{ name: gone, targets: [ {{ provider: down, model: mock, {price} }} ] }}\n");
    models + "  - { name: unpriced, targets: [ { provider: keyed, model: mock } ] }\n"
}

/// Everything that the gateway said, by where it said it.
struct Said(Vec<(String, Vec<u8>)>);

impl Said {
    fn add(&mut self, place: impl Into<String>, text: impl Into<Vec<u8>>) {
        self.0.push((place.into(), text.into()));
    }

    /// Every file below `folder`.
    fn add_files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                self.add_files(&entry.path());
            } else if kind.is_file() {
                self.add(
                    entry.path().display().to_string(),
                    std::fs::read(entry.path()).unwrap(),
                );
            }
        }
    }

    /// The places where `secret` is.
    fn places_of(&self, secret: &str) -> Vec<&str> {
        let holds = |text: &[u8]| memchr::memmem::find(text, secret.as_bytes()).is_some();
        self.0
            .iter()
            .filter(|(_, text)| holds(text))
            .map(|(place, _)| &**place)
            .collect()
    }
}

/// Traffic with the canaries in it; what is answered to it where it is no reply of
/// the model's.
fn traffic(gateway: &Gateway, key: &str) -> Said {
    let mut said = Said(Vec::new());
    let mut served = 0;
    for body in bodies() {
        let reply = gateway.chat(key, &body);
        served += u32::from(reply.status == 200 && reply.body.contains(REPLY));
        said.add(
            format!("the answer to {body}"),
            format!("{:?}", (reply.headers, reply.body)),
        );
    }
    assert_eq!(served, 3, "`mock` twice, and a stream that is cut");
    let altered = format!(
        "{}{}",
        &key[..key.len() - 1],
        if key.ends_with('0') { '1' } else { '0' }
    );
    for wrong in [&altered[..], &format!("x{key}"), &key[..30]] {
        let reply = gateway.chat(wrong, &bodies()[0]);
        assert_eq!(reply.status, 401);
        said.add(
            "the answer to a wrong key",
            format!("{:?}", (reply.headers, reply.body)),
        );
    }
    for path in [
        "/v1/models",
        "/v1/models/mock",
        "/v1/models/none",
        "/nowhere",
    ] {
        let reply = gateway.get(Some(key), path);
        said.add(
            format!("the answer to {path}"),
            format!("{:?}", (reply.headers, reply.body)),
        );
    }
    // A client that leaves, and one that never speaks HTTP.
    let mut leaves = Connection::open(&gateway.clients);
    leaves.send(chat_request(
        key,
        &bodies()[1].replace(r#""mock""#, r#""slow""#),
    ));
    assert_eq!(leaves.head().status, 200);
    drop(leaves);
    let mut babbles = Connection::open(&gateway.clients);
    babbles.send(format!("{PROMPT} {key}\r\n\r\n"));
    babbles.reply_or_close();
    said
}

#[test]
fn no_secret_and_no_prompt_is_in_anything_that_the_gateway_says_or_keeps() {
    let upstream = Upstream::start();
    let keyed = format!(
        "  keyed: {{ kind: openai_compatible, base_url: {}, api_key: {{ env: CANARY_KEY }} }}\n",
        upstream.base_url()
    );
    let config = config(&upstream, &(keyed + &models()));
    let mut gateway = Gateway::start_with(
        &config,
        &[("CANARY_KEY", PROVIDER_KEY), ("RUST_LOG", "debug")],
    );
    let key = gateway.key("harmless-name", &["--budget-usd", "100"]);

    let mut said = traffic(&gateway, &key);
    let sent = upstream.mock.last().unwrap();
    assert_eq!(
        sent.headers["authorization"],
        format!("Bearer {PROVIDER_KEY}"),
        "the provider gets its key"
    );
    assert!(
        !format!("{:?}", sent.headers).contains(&key),
        "and not the caller's"
    );
    eventually(Duration::from_secs(10), "the upstream is idle", || {
        upstream.mock.running() == 0
    });
    gateway.shipped();

    said.add("/metrics", gateway.metrics());
    said.add("/readyz", gateway.readyz().body);
    let commands: [&[&str]; 6] = [
        &["audit", "export"],
        &["audit", "verify"],
        &["key", "list"],
        &["key", "list", "--json"],
        &["budget", "list"],
        &["config", "check"],
    ];
    for command in commands {
        let output = gateway.cli(command);
        assert!(output.status.success(), "{command:?}");
        said.add(
            format!("lattice {command:?}"),
            [output.stdout, output.stderr].concat(),
        );
    }
    assert_eq!(gateway.stop(), Some(0));
    said.add_files(&gateway.path().join("data"));
    said.add_files(gateway.database().folder());
    // Last, for it tells of the stop too.
    let log = gateway.log();
    assert!(log.contains("DEBUG"), "the log is a full one");
    said.add("the log", log);

    println!("{} places were searched", said.0.len());
    let found = |text: &str, place: &str| {
        said.places_of(text)
            .iter()
            .any(|found| found.contains(place))
    };
    assert!(
        found("harmless-name", "/base/"),
        "the database's own files are read"
    );
    assert!(
        found("harmless-name", "audit") && found("harmless-name", "key"),
        "listings are read"
    );
    for secret in [PROVIDER_KEY, &key, &key[4..36], PROMPT, REPLY] {
        // What the model answers is the caller's.
        let places = said
            .places_of(secret)
            .into_iter()
            .filter(|place| secret != REPLY || !place.starts_with("the answer to {"));
        assert_eq!(
            places.collect::<Vec<_>>(),
            Vec::<&str>::new(),
            "{secret} was found"
        );
    }
}

#[test]
fn a_secret_in_the_wrong_place_of_a_configuration_is_not_repeated() {
    const SECRET: &str = "canary-secret-93e1b7";
    let pepper = "data_dir: ./data\nsecurity: { pepper: { env: CANARY_PEPPER } }\ndatabase: { url: { env: CANARY_URL } }\n";
    let urls = [
        format!("postgres://lattice:{SECRET}@127.0.0.1:1/lattice"),
        format!("postgres://lattice:{SECRET}@:x/lattice"),
        SECRET.to_owned(),
    ];
    let written = [
        format!("providers:\n  x: {{ kind: openai, api_key: {SECRET} }}\n"),
        format!("providers:\n  x:\n    kind: openai\n    api_key: {SECRET}\n    modle: y\n"),
        format!("providers:\n  x: {{ kind: openai, api_key: [ {SECRET} ] }}\n"),
        format!("providers:\n  x: {{ kind: openai, api_key: {{ env: [ {SECRET} ] }} }}\n"),
        format!(
            "providers:\n  x: {{ kind: openai, base_url: 'https://me:{SECRET}@127.0.0.1/v1' }}\n"
        ),
        format!(
            "providers:\n  x: {{ kind: openai, base_url: 'https://127.0.0.1/v1?key={SECRET}' }}\n"
        ),
        format!("database: {{ url: 'postgres://lattice:{SECRET}@127.0.0.1/lattice' }}\n"),
        format!("security:\n  pepper: {SECRET}\nmodles: []\n"),
    ];
    let read = urls.map(|url| (pepper.to_owned(), url));
    for (config, url) in written
        .map(|config| (config, String::new()))
        .into_iter()
        .chain(read)
    {
        let long = format!("{SECRET}-{SECRET}");
        let gateway = Gateway::prepare(
            &config,
            &[
                ("CANARY_URL", &url),
                ("CANARY_PEPPER", &long),
                ("RUST_LOG", "debug"),
            ],
        );
        for command in [&["server"][..], &["config", "check"], &["key", "list"]] {
            let output = gateway.cli(command);
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(
                !output.status.success() || command == ["config", "check"],
                "{command:?} on {config}"
            );
            assert!(
                !said.contains(SECRET),
                "{command:?} on {config}{url}: {said}"
            );
        }
    }
}
