//! Connections, on both sides of the gateway: kept, left, broken, and misused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::wire::{Connection, chat_request, text_of};
use harness::{
    Gateway, MODELS, Upstream, ask, config, config_for, cost_of, eventually, nano, of_kind,
};
use lattice_loadtest::mock::passage;
use serde_json::Value;

/// The issue asks for one second; the rest is slack for a loaded machine.
const SOON: Duration = Duration::from_secs(3);

/// A chat request for a model of the provider `mock`, by the settings of the mock.
fn ask_mock(settings: &str, more: &str) -> String {
    ask(&format!("mock/mock?{settings}"), more)
}

const STREAM: &str = r#","stream":true"#;

#[test]
fn one_connection_serves_requests_of_every_outcome() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let mut connection = Connection::open(&gateway.clients);
    for round in 0..25 {
        connection.send(chat_request(&key, &ask_mock("chunks=5", "")));
        let whole = connection.reply();
        assert_eq!(
            (
                whole.status,
                &whole.json()["choices"][0]["message"]["content"]
            ),
            (200, &Value::from(passage(0, 80)))
        );
        connection.send(chat_request(&key, &ask_mock("chunks=7", STREAM)));
        assert_eq!(
            text_of(&connection.reply().body),
            passage(0, 112),
            "round {round}"
        );
        connection.send(chat_request(&key, &ask("nothing-like-it", "")));
        assert_eq!(connection.reply().code(), "caller_unknown_model");
        connection.send(format!(
            "GET /v1/models HTTP/1.1\r\nhost: g\r\nx-api-key: {key}\r\n\r\n"
        ));
        assert_eq!(connection.reply().json()["data"][0]["id"], "mock");
    }
    assert_eq!(upstream.mock.seen(), 50);
}

#[test]
fn pipelined_requests_are_answered_whole_and_in_order() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let lengths = |connection: &mut Connection, expected: [usize; 3]| {
        for chunks in expected {
            let reply = connection.reply();
            assert_eq!(
                (reply.status, text_of(&reply.body)),
                (200, passage(0, chunks * 16))
            );
        }
    };
    let request = |chunks: usize| {
        chat_request(
            &key,
            &ask_mock(&format!("chunks={chunks}&delay_ms=20"), STREAM),
        )
    };
    let mut connection = Connection::open(&gateway.clients);
    connection.send([request(9), request(3), request(6)].concat());
    lengths(&mut connection, [9, 3, 6]);
    // While the first is under way.
    connection.send(request(30));
    eventually(SOON, "the first runs", || upstream.mock.running() == 1);
    connection.send(request(4));
    std::thread::sleep(Duration::from_millis(100));
    connection.send(request(2));
    lengths(&mut connection, [30, 4, 2]);
    assert_eq!((upstream.mock.seen(), upstream.mock.cut()), (6, 0));
}

#[test]
fn a_client_that_leaves_cancels_its_upstream_and_pays_in_full() {
    let upstream = Upstream::start();
    let model = |name: &str, settings: &str| {
        format!(
            "  - name: {name}\n    targets: [ {{ provider: mock, model: 'mock?{settings}', price: {{ input_usd_per_mtok: 1, output_usd_per_mtok: 2 }} }} ]\n"
        )
    };
    let models = [
        model("silent", "latency_ms=60000"),
        model("slow", "chunks=9&first_delay_ms=60000"),
        model("flowing", "chunks=9000&delay_ms=20"),
    ];
    let gateway = Gateway::start(&config(&upstream, &format!("models:\n{}", models.concat())));
    let key = gateway.key("k", &["--budget-usd", "5", "--window", "total"]);
    let asked = [
        ("silent", ""),
        ("silent", STREAM),
        ("slow", ""),
        ("slow", STREAM),
        ("flowing", STREAM),
    ];
    for (cut, (model, more)) in (1..).zip(asked) {
        let mut connection = Connection::open(&gateway.clients);
        connection.send(chat_request(&key, &ask(model, more)));
        eventually(SOON, "the upstream is asked", || {
            upstream.mock.running() == 1
        });
        if model == "flowing" {
            assert_eq!(connection.head().status, 200);
            for _ in 0..5 {
                assert_ne!(connection.chunk().len(), 0);
            }
        }
        drop(connection);
        eventually(SOON, &format!("{model}{more} is cancelled"), || {
            upstream.mock.cut() == cut
        });
    }
    let leaves = gateway.leaves();
    let outcomes = of_kind(&leaves, "outcome");
    assert_eq!((of_kind(&leaves, "intent").len(), outcomes.len()), (5, 5));
    for (intent, outcome) in of_kind(&leaves, "intent").iter().zip(&outcomes) {
        assert_eq!(
            (&outcome["cost_nano_usd"], &outcome["estimated"]),
            (&intent["reserved_nano_usd"], &Value::Bool(true))
        );
        assert_eq!(outcome["ending"], "client_gone", "{outcome}");
    }
    let budget = &gateway.budgets()[0];
    assert_eq!(
        (nano(&budget["spent_usd"]), nano(&budget["reserved_usd"])),
        (cost_of(outcomes), 0)
    );
}

#[test]
fn half_a_body_reaches_nobody() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let request = chat_request(&key, &ask("mock", ""));
    let mut connection = Connection::open(&gateway.clients);
    connection.send(&request[..request.len() - 9]);
    connection.socket().shutdown(Shutdown::Write).unwrap();
    // A client that only closed its sending side could still read an answer.
    if let Some(reply) = connection.reply_or_close() {
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "caller_malformed")
        );
    }
    let refusals = gateway.leaves();
    assert_eq!(of_kind(&refusals, "refusal")[0]["code"], "caller_malformed");
    assert_eq!(upstream.mock.seen(), 0);
}

#[test]
fn large_prompts_pass_however_they_are_sent() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let prompt = passage(0, 200_000);
    let body = format!(
        r#"{{"model":"mock","messages":[{{"role":"user","content":"{prompt}"}}],"unknown_to_us":[1.50, {{"deep":null}}]}}"#
    );
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {key}\r\n");
    let passed = |reply: harness::Reply| {
        assert_eq!(reply.status, 200, "{}", reply.body);
        // The target has the model's own name, and nothing else is spliced here.
        assert_eq!(upstream.mock.last().unwrap().body, body.as_bytes());
    };

    let mut connection = Connection::open(&gateway.clients);
    connection.send(chat_request(&key, &body));
    passed(connection.reply());

    let chunks: Vec<String> = body
        .as_bytes()
        .chunks(7001)
        .map(|chunk| {
            format!(
                "{:x}\r\n{}\r\n",
                chunk.len(),
                str::from_utf8(chunk).unwrap()
            )
        })
        .collect();
    connection.send(format!(
        "{head}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunks.concat()
    ));
    passed(connection.reply());

    connection.send(format!(
        "{head}expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(connection.head().status, 100);
    connection.send(&body);
    passed(connection.reply());
}

#[test]
fn a_refusal_that_was_expected_spares_the_body() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let mut connection = Connection::open(&gateway.clients);
    connection.send("POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer lat_x\r\nexpect: 100-continue\r\ncontent-length: 9000000\r\n\r\n");
    let reply = connection.reply();
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "identity_unknown")
    );
}

#[test]
fn http_1_0_clients_get_bodies_that_end_with_the_connection() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let old = |body: &str| chat_request(&key, body).replace("HTTP/1.1", "HTTP/1.0");
    let mut connection = Connection::open(&gateway.clients);
    connection.send(old(&ask_mock("chunks=12&delay_ms=10", STREAM)));
    let stream = connection.reply();
    assert_eq!(
        (stream.header("transfer-encoding"), text_of(&stream.body)),
        (None, passage(0, 192))
    );
    let mut connection = Connection::open(&gateway.clients);
    connection.send(old(&ask("mock", "")));
    assert_eq!(
        connection.reply().json()["choices"][0]["message"]["content"],
        passage(0, 128)
    );
    assert!(connection.is_ended());
}

#[test]
fn what_is_not_http_is_answered_with_400_or_a_close() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let ambiguous = chat_request(&key, &ask("mock", "")).replacen(
        "\r\n\r\n",
        "\r\ntransfer-encoding: chunked\r\n\r\n",
        1,
    );
    let endless = format!("GET /v1/models HTTP/1.1\r\nx: {}", "x".repeat(4 << 20));
    let junk: [&[u8]; 7] = [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting \r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ambiguous.as_bytes(),
        endless.as_bytes(),
    ];
    for junk in junk {
        let mut connection = Connection::open(&gateway.clients);
        let shown = String::from_utf8_lossy(&junk[..junk.len().min(40)]).into_owned();
        // Whoever refuses the beginning need not read the rest.
        drop((&mut connection.socket()).write_all(junk));
        if let Some(reply) = connection.reply_or_close() {
            assert!((400..500).contains(&reply.status), "{shown:?}: {reply:?}");
            assert!(connection.is_ended(), "{shown:?}");
        }
    }
    assert_eq!(upstream.mock.seen(), 0);
    assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
}

#[test]
fn a_provider_that_comes_back_is_served_by_again() {
    let mut upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    for _ in 0..3 {
        assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
        upstream.restart();
    }
    assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
    assert_eq!(upstream.mock.seen(), 1);
}

/// A provider that is written by hand.
struct Provider {
    address: SocketAddr,
    /// Requests that came in whole.
    seen: Arc<AtomicUsize>,
}

/// Which request this is: of its connection, and of all; from 1.
#[derive(Clone, Copy)]
struct Turn {
    here: usize,
    overall: usize,
}

impl Provider {
    /// `answer` writes what a request gets; the connection ends where it says false.
    fn start(answer: impl Fn(Turn, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let provider = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let (seen, answer) = (provider.seen.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen, answer) = (stream.unwrap(), seen.clone(), answer.clone());
                std::thread::spawn(move || Self::serve(stream, &seen, &*answer));
            }
        });
        provider
    }

    fn serve(
        mut stream: TcpStream,
        seen: &AtomicUsize,
        answer: &dyn Fn(Turn, &mut TcpStream) -> bool,
    ) {
        stream.set_nodelay(true).unwrap();
        let mut requests = BufReader::new(stream.try_clone().unwrap());
        let mut here = 0;
        while read_request(&mut requests) {
            here += 1;
            let overall = seen.fetch_add(1, Ordering::SeqCst) + 1;
            if !answer(Turn { here, overall }, &mut stream) {
                break;
            }
        }
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    fn gateway(&self) -> (Gateway, String) {
        let gateway = Gateway::start(&config_for(&format!("http://{}/v1", self.address), MODELS));
        let key = gateway.key("k", &[]);
        (gateway, key)
    }
}

/// Whether a whole request came.
fn read_request(from: &mut BufReader<TcpStream>) -> bool {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if !matches!(from.read_line(&mut line), Ok(read) if read > 0) {
            return false;
        }
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            _ if line == "\r\n" => return from.read_exact(&mut vec![0; length]).is_ok(),
            _ => {}
        }
    }
}

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;

fn answer(stream: &mut TcpStream) -> bool {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    )
    .is_ok()
}

#[test]
fn a_pooled_connection_that_has_ended_is_replaced_and_the_request_sent_once_more() {
    // Ends every connection when a second request comes on it: the gateway cannot
    // have known, and the provider has not begun to answer.
    let provider = Provider::start(|turn, stream| turn.here == 1 && answer(stream));
    let (gateway, key) = provider.gateway();
    for _ in 0..5 {
        let reply = gateway.chat(&key, &ask("mock", ""));
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_eq!(of_kind(&gateway.leaves(), "intent").len(), 5);
}

#[test]
fn a_request_that_may_have_been_taken_up_is_not_sent_again() {
    let provider = Provider::start(|turn, stream| match turn.overall {
        // Thinks for long, on a connection that was used before.
        2 => {
            std::thread::sleep(Duration::from_secs(4));
            answer(stream)
        }
        // Begins to answer and ends, on a connection that was used before.
        3 => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").is_err(),
        // Ends a new connection without a word.
        4 => false,
        // Ends one that was used before, without a word, after it has had time to work.
        6 => {
            std::thread::sleep(Duration::from_secs(2));
            false
        }
        _ => answer(stream),
    });
    let (gateway, key) = provider.gateway();
    for (seen, status) in [
        (1, 200),
        (2, 200),
        (3, 502),
        (4, 502),
        (5, 200),
        (6, 502),
        (7, 200),
    ] {
        let reply = gateway.chat(&key, &ask("mock", ""));
        assert_eq!(
            (reply.status, provider.seen()),
            (status, seen),
            "{}",
            reply.body
        );
        if status == 502 {
            assert_eq!(reply.code(), "provider_error");
        }
    }
}

#[test]
fn events_that_come_byte_by_byte_arrive_as_they_were() {
    const EVENTS: &str = ": a comment\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüß 😀 \\u00e9\"},\"finish_reason\":null}],\"new\":{\"x\": 1.0e2}}\r\n\r\n\
        event: chunk\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";
    let provider = Provider::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        for byte in [EVENTS, USAGE, DONE].concat().bytes() {
            stream
                .write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n'])
                .unwrap();
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let (gateway, key) = provider.gateway();
    for round in 0..3 {
        let reply = gateway.chat(&key, &ask("mock", STREAM));
        assert_eq!(
            reply.body,
            [EVENTS, DONE].concat(),
            "round {round}: the usage was not asked for"
        );
    }
    let leaves = gateway.leaves();
    for outcome in of_kind(&leaves, "outcome") {
        assert_eq!(
            (&outcome["ending"], &outcome["cost_nano_usd"]),
            (&Value::from("finished"), &Value::from(3000 + 8000))
        );
    }
}
