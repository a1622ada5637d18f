//! Every way in which an upstream can fail, seen by clients of every dialect: the
//! right status or an error event of the client's own dialect, one closed record,
//! and nothing held on the budget afterwards.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::BufReader;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use harness::faulty::{Api, Chat, Fault, Generate, Messages, Responses, SAID, upstream};
use harness::wire::{Connection, read_head};
use harness::{Gateway, Reply, eventually, of_kind};
use serde_json::{Value, json};

const CLIENTS: [Api; 4] = [Chat, Responses, Messages, Generate];

/// The upstreams by their names in the configuration, and what they answer by to a
/// client of another dialect.
const UPSTREAMS: [(&str, Api); 4] = [
    ("openai", Responses),
    ("anthropic", Messages),
    ("gemini", Generate),
    ("compatible", Chat),
];

/// A streamed request of one API for `model`.
fn ask(api: Api, model: &str, key: &str) -> String {
    let (path, body) = match api {
        Chat => (
            "/v1/chat/completions".to_owned(),
            json!({"model":model,"stream":true,"messages":[{"role":"user","content":"hi"}],"max_completion_tokens":64}),
        ),
        Responses => (
            "/v1/responses".to_owned(),
            json!({"model":model,"stream":true,"input":"hi","max_output_tokens":64}),
        ),
        Messages => (
            "/v1/messages".to_owned(),
            json!({"model":model,"stream":true,"messages":[{"role":"user","content":"hi"}],"max_tokens":64}),
        ),
        Generate => (
            format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            json!({"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":64}}),
        ),
    };
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nx-api-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The data of each event, parsed; the end mark of chat is left out.
fn told(body: &str) -> Vec<Value> {
    let body = body.replace("\r\n", "\n").replace('\r', "\n");
    let blocks = body.split("\n\n").filter(|block| !block.trim().is_empty());
    let data = blocks.filter_map(|block| {
        let lines = block.lines().filter_map(|line| line.strip_prefix("data:"));
        let data: Vec<&str> = lines.map(str::trim_start).collect();
        Some(data.join("\n")).filter(|data| !data.is_empty() && data != "[DONE]")
    });
    data.map(|data| serde_json::from_str(&data).unwrap_or_else(|_| panic!("not JSON: {data}")))
        .collect()
}

fn text_of(api: Api, events: &[Value]) -> String {
    let texts = events.iter().filter_map(|event| match api {
        Chat => event["choices"][0]["delta"]["content"].as_str(),
        Responses if event["type"] == "response.output_text.delta" => event["delta"].as_str(),
        Messages if event["delta"]["type"] == "text_delta" => event["delta"]["text"].as_str(),
        Generate => event["candidates"][0]["content"]["parts"][0]["text"].as_str(),
        _ => None,
    });
    texts.collect()
}

/// The last event, which must be an error of the client's own dialect with our mark.
fn error_of<'a>(api: Api, events: &'a [Value], at: &str) -> &'a Value {
    let last = events
        .last()
        .unwrap_or_else(|| panic!("{at}: nothing was told"));
    assert!(last["error"].is_object(), "{at}: {last}");
    match api {
        Chat => assert!(last["error"]["type"].is_string(), "{at}: {last}"),
        Responses => assert_eq!(last["type"], "error", "{at}"),
        Messages => {
            assert_eq!(last["type"], "error", "{at}");
            assert!(last["error"]["type"].is_string(), "{at}: {last}");
        }
        Generate => assert!(last["error"]["status"].is_string(), "{at}: {last}"),
    }
    last
}

struct House {
    gateway: Gateway,
    key: String,
}

/// A gateway before `upstream`, with every fault at every provider under the name
/// `provider.fault`.
fn house(upstream: SocketAddr) -> House {
    let faults = Fault::ALL
        .into_iter()
        .chain([Fault::LongLine, Fault::Overloaded]);
    let models: String = faults
        .flat_map(|fault| {
            let model = fault.model();
            UPSTREAMS.map(|(provider, _)| {
                format!("  - {{ name: {provider}.{model}, retries: 0, targets: [ {{ provider: {provider}, model: {model}, price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }} ] }}\n")
            })
        })
        .collect();
    let providers: String = UPSTREAMS
        .iter()
        .map(|(name, _)| {
            let kind = if *name == "compatible" { "openai_compatible" } else { name };
            format!("  {name}: {{ kind: {kind}, base_url: 'http://{upstream}/v1', api_key: {{ env: FAULTS_KEY }}, timeouts: {{ first_byte_ms: 700, between_chunks_ms: 700 }} }}\n")
        })
        .collect();
    let config = format!(
        "server: {{ listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0, drain_seconds: 20 }}\ndata_dir: ./data\nproviders:\n{providers}models:\n{models}"
    );
    let gateway = Gateway::start_with(&config, &[("FAULTS_KEY", "k")]);
    let key = gateway.key("k", &["--budget-usd", "50", "--window", "total"]);
    House { gateway, key }
}

impl House {
    fn asked(&self, client: Api, model: &str) -> Reply {
        let mut connection = Connection::open(&self.gateway.clients);
        connection.send(ask(client, model, &self.key));
        if model.ends_with(".notutf8") {
            connection.broken_reply()
        } else {
            connection.reply()
        }
    }

    /// Every record is closed and nothing is held.
    fn is_settled(&self, requests: usize) {
        eventually(Duration::from_secs(20), "every record is closed", || {
            let leaves = self.gateway.leaves();
            let (intents, outcomes) = (of_kind(&leaves, "intent"), of_kind(&leaves, "outcome"));
            intents.len() == requests && outcomes.len() == requests
        });
        let budgets: Value =
            serde_json::from_str(&self.gateway.lattice(&["budget", "list", "--json"])).unwrap();
        assert_eq!(
            budgets[0]["reserved_usd"]
                .to_string()
                .parse::<f64>()
                .unwrap(),
            0.0,
            "{budgets}"
        );
    }
}

/// What a client of `client` must see of `fault`.
fn check(client: Api, fault: Fault, reply: &Reply, at: &str) {
    match fault {
        Fault::Ends(_) | Fault::ByteByByte => {
            assert_eq!(reply.status, 200, "{at}: {}", reply.body);
            let events = told(&reply.body);
            assert_eq!(text_of(client, &events), SAID, "{at}");
            assert!(!reply.body.contains("\"lattice\""), "{at}: {}", reply.body);
        }
        Fault::SilentHead => {
            assert_eq!(
                (reply.status, reply.code()),
                (504, "provider_timeout".into()),
                "{at}"
            );
        }
        Fault::Limited | Fault::LimitedSilently | Fault::Overloaded => {
            assert_eq!(
                (reply.status, reply.code()),
                (503, "provider_overloaded".into()),
                "{at}"
            );
            let after = (fault == Fault::Limited).then_some("37");
            assert_eq!(reply.header("retry-after"), after, "{at}");
        }
        Fault::Page | Fault::Compressed | Fault::ErrorInSuccess => {
            assert_eq!(
                (reply.status, reply.code()),
                (502, "provider_error".into()),
                "{at}"
            );
        }
        _ => {
            assert_eq!(reply.status, 200, "{at}: {}", reply.body);
            // What is not of the dialect is the first thing that a passing stream shows.
            let events = match fault {
                Fault::NoLines | Fault::NotUtf8 => {
                    let error = reply.body.rfind("data: {\"").unwrap();
                    told(&reply.body[error..])
                }
                _ => told(&reply.body),
            };
            if fault == Fault::ErrorEvent {
                // The provider's own words: as they came, or in the client's dialect.
                let last = events.last().unwrap();
                let is_error = last["type"] == "error" || last["error"].is_object();
                assert!(is_error, "{at}: {last}");
                assert!(
                    last.to_string().contains("the model crashed"),
                    "{at}: {last}"
                );
            } else {
                let error = error_of(client, &events, at);
                let code = error["lattice"]["code"].as_str().unwrap_or_default();
                assert!(code.starts_with("provider_"), "{at}: {error}");
            }
        }
    }
}

#[test]
fn every_fault_is_told_in_the_clients_dialect_and_settled() {
    let house = house(upstream());
    let mut requests = 0;
    for client in CLIENTS {
        for (provider, _) in UPSTREAMS {
            for fault in Fault::ALL {
                let at = format!("{client:?} client, {provider} upstream, {fault:?}");
                let reply = house.asked(client, &format!("{provider}.{}", fault.model()));
                check(client, fault, &reply, &at);
                requests += 1;
            }
        }
    }
    println!("{requests} faults");
    house.is_settled(requests);
}

#[test]
fn a_refused_connection_is_the_providers_and_costs_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let house = house(nobody);
    let asked = Instant::now();
    for (number, client) in (1..).zip(CLIENTS) {
        let reply = house.asked(client, "openai.ends-0");
        assert_eq!(
            (reply.status, reply.code()),
            (502, "provider_error".into()),
            "{client:?}"
        );
        house.is_settled(number);
    }
    assert!(asked.elapsed() < Duration::from_secs(60));
    let leaves = house.gateway.leaves();
    for outcome in of_kind(&leaves, "outcome") {
        assert_eq!(outcome["cost_nano_usd"], 0);
    }
}

/// Bytes that this process holds beyond what it shares with files.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[test]
fn a_line_of_16_mb_is_passed_or_refused_and_never_held() {
    const STREAMS: u64 = 16;
    let house = house(upstream());
    // Once for what any first request leaves behind.
    house.asked(Chat, "compatible.ends-0");
    let pid = house.gateway.pid();
    for (passes, pairs) in [
        (
            true,
            [
                (Chat, "compatible"),
                (Messages, "anthropic"),
                (Generate, "gemini"),
                (Responses, "openai"),
            ],
        ),
        (
            false,
            [
                (Chat, "gemini"),
                (Messages, "openai"),
                (Responses, "anthropic"),
                (Generate, "compatible"),
            ],
        ),
    ] {
        let before = memory(pid);
        let mut peak = before;
        for (client, provider) in pairs {
            let at = format!("{client:?} client, {provider} upstream");
            let readers: Vec<_> = (0..STREAMS)
                .map(|_| {
                    let mut connection = Connection::open(&house.gateway.clients);
                    connection.send(ask(client, &format!("{provider}.longline"), &house.key));
                    std::thread::spawn(move || connection.reply())
                })
                .collect();
            while readers.iter().any(|reader| !reader.is_finished()) {
                peak = peak.max(memory(pid));
                std::thread::sleep(Duration::from_millis(5));
            }
            for reader in readers {
                let reply = reader.join().unwrap();
                assert_eq!(reply.status, 200, "{at}");
                if passes {
                    assert!(reply.body.len() > 16 << 20, "{at}: {}", reply.body.len());
                } else {
                    error_of(client, &told(&reply.body), &at);
                }
            }
        }
        let each = peak.saturating_sub(before) / STREAMS;
        let way = if passes { "passed" } else { "translated" };
        println!(
            "{STREAMS} streams {way} at once: {} KiB each at the peak",
            each / 1024
        );
        // With the buffers of both sockets and what the allocator keeps. An event is held
        // up to 1 MiB before it passes in pieces, because it might hold a tool call, in a
        // buffer that may have doubled on its way there.
        let most = 6 << 20;
        assert!(each < most, "{each} bytes for each stream that is {way}");
    }
}

/// Whether a raw socket gets a whole reply is the harness's business; that it is one
/// is asked here once, so that the table above cannot pass on an empty one.
#[test]
fn the_table_sees_what_the_socket_says() {
    let house = house(upstream());
    let mut connection = Connection::open(&house.gateway.clients);
    connection.send(ask(Messages, "gemini.errorevent", &house.key));
    let mut raw = BufReader::new(connection.socket().try_clone().unwrap());
    let head = read_head(&mut raw).unwrap();
    assert_eq!(
        head.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
}
