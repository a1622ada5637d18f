//! Every way in which an upstream can fail, seen by clients of every dialect: the
//! right status or an error event of the client's own dialect, one closed record,
//! and nothing held on the budget afterwards.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use harness::wire::{Connection, read_head};
use harness::{Gateway, Reply, eventually, of_kind};
use serde_json::{Value, json};

/// The APIs, as clients ask by them and as upstreams answer by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Chat,
    Responses,
    Messages,
    Generate,
}

use Api::{Chat, Generate, Messages, Responses};

const CLIENTS: [Api; 4] = [Chat, Responses, Messages, Generate];

/// The upstreams by their names in the configuration, and what they answer by to a
/// client of another dialect.
const UPSTREAMS: [(&str, Api); 4] = [
    ("openai", Responses),
    ("anthropic", Messages),
    ("gemini", Generate),
    ("compatible", Chat),
];

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing does; lines end so.
    Ends(&'static str),
    /// Nothing does; every byte comes by itself.
    ByteByByte,
    /// No head comes.
    SilentHead,
    /// Nothing comes after the first text.
    SilentBody,
    /// The connection is reset in the middle of an event.
    Reset,
    /// The body ends before its last chunk.
    CutChunk,
    /// The body is shorter than its length says.
    ShortLength,
    /// The stream just ends after the first text, well framed.
    EarlyEnd,
    /// The provider says that it has failed.
    ErrorEvent,
    /// The stream has no line end at all.
    NoLines,
    /// An event is 16 MB long.
    LongLine,
    /// Bytes that are no UTF-8, where text should be.
    NotUtf8,
    /// 429, and when to come back.
    Limited,
    /// 429, and nothing else.
    LimitedSilently,
    /// 529.
    Overloaded,
    /// 500 with a page of HTML.
    Page,
}

const LINE_ENDS: [&str; 3] = ["\n", "\r\n", "\r"];

impl Fault {
    const ALL: [Self; 16] = [
        Self::Ends("\n"),
        Self::Ends("\r\n"),
        Self::Ends("\r"),
        Self::ByteByByte,
        Self::SilentHead,
        Self::SilentBody,
        Self::Reset,
        Self::CutChunk,
        Self::ShortLength,
        Self::EarlyEnd,
        Self::ErrorEvent,
        Self::NoLines,
        Self::NotUtf8,
        Self::Limited,
        Self::LimitedSilently,
        Self::Page,
    ];

    /// The name of the model that has it.
    fn model(self) -> String {
        match self {
            Self::Ends(end) => {
                let number = LINE_ENDS.iter().position(|it| *it == end).unwrap();
                format!("ends-{number}")
            }
            other => format!("{other:?}").to_lowercase(),
        }
    }

    fn named(model: &str) -> Self {
        let all = Self::ALL
            .into_iter()
            .chain([Self::LongLine, Self::Overloaded]);
        all.into_iter()
            .find(|fault| fault.model() == model)
            .unwrap()
    }
}

/// What is said where nothing goes wrong.
const SAID: &str = "Grüße aus Köln";

/// The events of a stream, its first text in front of the second part.
fn events(api: Api, fault: Fault) -> (Vec<String>, Vec<String>) {
    let (first, second) = SAID.split_at("Grüße".len());
    let text = |text: &str| match api {
        Chat => {
            json!({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":text},"finish_reason":null}]})
        }
        Responses => {
            json!({"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":text,"sequence_number":4,"logprobs":[]})
        }
        Messages => {
            json!({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":text}})
        }
        Generate => {
            json!({"candidates":[{"content":{"role":"model","parts":[{"text":text}]},"index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":1,"totalTokenCount":11},"modelVersion":"m","responseId":"r"})
        }
    };
    let response = |status: &str, output: Value| {
        json!({"id":"resp_1","object":"response","created_at":1,"status":status,"model":"m","output":output,"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"error":null,"incomplete_details":null,
        "usage": if status == "completed" { json!({"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}) } else { Value::Null }})
    };
    let message = json!({"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":SAID,"annotations":[]}]});
    let mut begin: Vec<Value> = match api {
        Chat | Generate => vec![],
        Responses => vec![
            json!({"type":"response.created","sequence_number":0,"response":response("in_progress", json!([]))}),
            json!({"type":"response.in_progress","sequence_number":1,"response":response("in_progress", json!([]))}),
            json!({"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_1","type":"message","role":"assistant","status":"in_progress","content":[]}}),
            json!({"type":"response.content_part.added","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}),
        ],
        Messages => vec![
            json!({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}}),
            json!({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}),
        ],
    };
    begin.push(text(first));
    let error = match api {
        Chat => {
            json!({"error":{"message":"the model crashed","type":"server_error","code":"crash"}})
        }
        Responses => {
            json!({"type":"error","code":"server_error","message":"the model crashed","param":null,"sequence_number":5})
        }
        Messages => {
            json!({"type":"error","error":{"type":"overloaded_error","message":"the model crashed"}})
        }
        Generate => {
            json!({"error":{"code":503,"message":"the model crashed","status":"UNAVAILABLE"}})
        }
    };
    let mut rest = vec![text(second)];
    match api {
        Chat => rest.extend([
            json!({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}),
            json!({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}}),
        ]),
        Responses => rest.extend([
            json!({"type":"response.output_text.done","item_id":"msg_1","output_index":0,"content_index":0,"text":SAID,"sequence_number":6,"logprobs":[]}),
            json!({"type":"response.content_part.done","item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":SAID,"annotations":[]},"sequence_number":7}),
            json!({"type":"response.output_item.done","output_index":0,"item":message.clone(),"sequence_number":8}),
            json!({"type":"response.completed","response":response("completed", json!([message])),"sequence_number":9}),
        ]),
        Messages => rest.extend([
            json!({"type":"content_block_stop","index":0}),
            json!({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}),
            json!({"type":"message_stop"}),
        ]),
        Generate => rest = vec![
            json!({"candidates":[{"content":{"role":"model","parts":[{"text":second}]},"index":0,"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":3,"totalTokenCount":13},"modelVersion":"m","responseId":"r"}),
        ],
    }
    if fault == Fault::ErrorEvent {
        rest = vec![error];
    }
    let end = match fault {
        Fault::Ends(end) => end,
        _ => "\n",
    };
    let render = |event: &Value| {
        let named = matches!(api, Responses | Messages);
        let name = event["type"].as_str().filter(|_| named);
        let name = name.map_or_else(String::new, |name| format!("event: {name}{end}"));
        format!("{name}data: {event}{end}{end}")
    };
    let mut rest: Vec<String> = rest.iter().map(render).collect();
    if api == Chat && fault != Fault::ErrorEvent {
        rest.push(format!("data: [DONE]{end}{end}"));
    }
    (begin.iter().map(render).collect(), rest)
}

/// An upstream that answers as the model's name says.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            // A client that goes away is part of the test.
            std::thread::spawn(move || drop(answer(stream)));
        }
    });
    address
}

/// Reads one request: its path and its body.
fn request(from: &mut BufReader<TcpStream>) -> std::io::Result<(String, Value)> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        from.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok((path, serde_json::from_slice(&body).unwrap_or_default()))
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";

fn answer(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    let (path, body) = request(&mut from)?;
    let api = match &path {
        path if path.contains(":streamGenerateContent") => Generate,
        path if path.ends_with("/messages") => Messages,
        path if path.ends_with("/responses") => Responses,
        _ => Chat,
    };
    let model = match api {
        Generate => path
            .rsplit(['/', ':'])
            .nth(1)
            .unwrap_or_default()
            .to_owned(),
        _ => body["model"].as_str().unwrap_or_default().to_owned(),
    };
    let fault = Fault::named(&model);
    let (begin, rest) = events(api, fault);
    let (begin, rest) = (begin.concat(), rest.concat());
    let chunk = |text: &[u8]| {
        let head = format!("{:x}\r\n", text.len());
        [head.as_bytes(), text, b"\r\n"].concat()
    };
    let silence = Duration::from_secs(20);
    match fault {
        Fault::Ends(_) | Fault::ErrorEvent => {
            to.write_all(CHUNKED.as_bytes())?;
            to.write_all(&chunk(begin.as_bytes()))?;
            to.write_all(&chunk(rest.as_bytes()))?;
            to.write_all(b"0\r\n\r\n")?;
        }
        Fault::ByteByByte => {
            to.write_all(CHUNKED.as_bytes())?;
            for byte in begin.bytes().chain(rest.bytes()) {
                to.write_all(&chunk(&[byte]))?;
            }
            to.write_all(b"0\r\n\r\n")?;
        }
        Fault::SilentHead => std::thread::sleep(silence),
        Fault::SilentBody => {
            to.write_all(CHUNKED.as_bytes())?;
            to.write_all(&chunk(begin.as_bytes()))?;
            std::thread::sleep(silence);
        }
        Fault::Reset => {
            to.write_all(CHUNKED.as_bytes())?;
            to.write_all(&chunk(begin.as_bytes()))?;
            to.write_all(&chunk(&rest.as_bytes()[..20]))?;
            std::thread::sleep(Duration::from_millis(50));
            // What was not read of the request makes the close a reset.
            socket2::SockRef::from(&to).set_linger(Some(Duration::ZERO))?;
        }
        Fault::CutChunk => {
            to.write_all(CHUNKED.as_bytes())?;
            to.write_all(&chunk(begin.as_bytes()))?;
            to.write_all(b"ffff\r\ndata: {\"half")?;
        }
        Fault::ShortLength => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                begin.len() + rest.len()
            );
            to.write_all(head.as_bytes())?;
            to.write_all(begin.as_bytes())?;
        }
        Fault::EarlyEnd => {
            to.write_all(CHUNKED.as_bytes())?;
            to.write_all(&chunk(begin.as_bytes()))?;
            to.write_all(b"0\r\n\r\n")?;
        }
        Fault::NoLines => {
            to.write_all(CHUNKED.as_bytes())?;
            for _ in 0..64 {
                to.write_all(&chunk(&[b'x'; 16 * 1024]))?;
            }
            to.write_all(b"0\r\n\r\n")?;
        }
        Fault::LongLine => {
            to.write_all(CHUNKED.as_bytes())?;
            to.write_all(&chunk(b"data: {\"long\":\""))?;
            for _ in 0..1024 {
                to.write_all(&chunk(&[b'x'; 16 * 1024]))?;
            }
            to.write_all(&chunk(b"\"}\n\n"))?;
            to.write_all(&chunk(begin.as_bytes()))?;
            to.write_all(&chunk(rest.as_bytes()))?;
            to.write_all(b"0\r\n\r\n")?;
        }
        Fault::NotUtf8 => {
            to.write_all(CHUNKED.as_bytes())?;
            to.write_all(&chunk(begin.as_bytes()))?;
            to.write_all(&chunk(b"data: {\"text\":\"\xff\xfe\"}\n\n"))?;
            to.write_all(b"0\r\n\r\n")?;
        }
        Fault::Limited | Fault::LimitedSilently | Fault::Overloaded | Fault::Page => {
            let (status, header, text) = match fault {
                Fault::Limited => (
                    429,
                    "retry-after: 37\r\n",
                    r#"{"error":{"message":"slow down"}}"#,
                ),
                Fault::LimitedSilently => (429, "", r#"{"error":{"message":"slow down"}}"#),
                Fault::Overloaded => (529, "", r#"{"error":{"message":"overloaded"}}"#),
                _ => (500, "", "<html>oops</html>"),
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\n{header}content-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            );
            to.write_all(head.as_bytes())?;
        }
    }
    to.flush()
}

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
        connection.reply()
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
        Fault::Page => {
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
        // With the buffers of both sockets and what the allocator keeps. A translated
        // event is held up to 1 MiB, in a buffer that may have doubled on its way there.
        let most = if passes { 1 << 20 } else { 4 << 20 };
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
