//! Bytes that could be cut into requests in more ways than one: refused, or read in
//! the one way that RFC 9112 knows, and never passed on as they came.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use harness::http1::{Recorder, Request, Rest, requests};
use harness::wire::read_reply;
use harness::{Gateway, MODELS, Reply, ask, config_for};
use serde_json::Value;

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;

/// Longer than anything takes here: a connection that is silent for so long hangs.
const SILENCE: Duration = Duration::from_secs(20);

/// A gateway before an upstream that keeps every byte; disks are slow and do not
/// matter here.
fn gateway() -> (Recorder, Gateway, String) {
    let upstream = Recorder::start(ANSWER);
    let gateway = Gateway::start(&config_for(
        &format!("http://{}/v1", upstream.address),
        &format!("{MODELS}audit: {{ mode: buffered }}\n"),
    ));
    let key = gateway.key("k", &[]);
    (upstream, gateway, key)
}

/// One connection to the gateway, which it may end at any time.
struct Client {
    address: String,
    stream: Option<BufReader<TcpStream>>,
    /// All that was sent on it.
    sent: Vec<u8>,
}

impl Client {
    fn new(gateway: &Gateway) -> Self {
        Self {
            address: gateway.clients.clone(),
            stream: None,
            sent: Vec::new(),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.stream.is_none() {
            self.sent.clear();
        }
        self.sent.extend_from_slice(bytes);
        let stream = self.stream.get_or_insert_with(|| {
            let stream = TcpStream::connect(&self.address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(SILENCE)).unwrap();
            BufReader::new(stream)
        });
        // Whoever refuses the beginning need not read the rest.
        drop(stream.get_mut().write_all(bytes));
    }

    /// The next reply that is no hint; `None` at the end of the connection.
    fn reply(&mut self) -> Option<Reply> {
        let stream = self.stream.as_mut()?;
        loop {
            match read_reply(stream) {
                Some(reply) if reply.status == 100 => {}
                Some(reply) => return Some(reply),
                None => {
                    self.stream = None;
                    return None;
                }
            }
        }
    }

    /// Sends no more, and takes what still comes.
    fn finish(&mut self) -> Vec<Reply> {
        if let Some(stream) = &self.stream {
            drop(stream.get_ref().shutdown(Shutdown::Write));
        }
        std::iter::from_fn(|| self.reply()).collect()
    }
}

fn closing(reply: &Reply) -> bool {
    reply.header("connection") == Some("close")
}

fn is_list(reply: &Reply) -> bool {
    reply.status == 200 && reply.json()["object"] == "list"
}

/// What the gateway said to `bytes` alone, and whether it ended the connection
/// without being told.
fn told(gateway: &Gateway, bytes: &[u8]) -> (Vec<Reply>, bool) {
    let mut client = Client::new(gateway);
    client.send(bytes);
    let mut replies: Vec<Reply> = client.reply().into_iter().collect();
    if !replies.iter().any(closing) {
        let ended = client.stream.is_none();
        replies.extend(client.finish());
        return (replies, ended);
    }
    replies.extend(std::iter::from_fn(|| client.reply()));
    (replies, true)
}

fn cases() -> Option<Vec<(String, String, Vec<u8>)>> {
    let folder =
        std::env::var_os("LATTICE_FIXTURES").map_or("../shared/fixtures".into(), PathBuf::from);
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map_or(".".into(), PathBuf::from);
    let path = root.join("..").join(folder).join("http1/smuggling.jsonl");
    let text = std::fs::read_to_string(path).ok()?;
    let case = |line: &str| {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        let raw = BASE64_STANDARD.decode(text("raw_b64")).unwrap();
        (text("name"), text("expect"), raw)
    };
    Some(text.lines().map(case).collect())
}

#[test]
fn every_framing_case_is_refused_or_read_in_one_way() {
    let Some(cases) = cases() else {
        eprintln!(
            "skipped: every_framing_case_is_refused_or_read_in_one_way: no fixtures (LATTICE_FIXTURES)"
        );
        return;
    };
    let (upstream, gateway, key) = gateway();
    for (name, expect, raw) in &cases {
        // A stranger is refused for that alone, so the cases count with a key.
        let credential = format!("\r\nAuthorization: Bearer {key}\r\n");
        let line = raw.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let keyed = [&raw[..line], credential.as_bytes(), &raw[line + 2..]].concat();
        for (bytes, known) in [(raw, false), (&keyed, true)] {
            let (replies, ended) = told(&gateway, bytes);
            let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
            let what = format!("{name} (key: {known}): {statuses:?}, ended: {ended}");
            let refused = match (&replies[..], known) {
                ([reply], true) => reply.status == 400 && reply.code() == "caller_malformed",
                ([reply], false) => (400..500).contains(&reply.status),
                _ => false,
            };
            let met = expect.split('|').any(|expected| match expected {
                "reject" => refused && ended,
                "one" => replies.len() == 1,
                "zero_after" => replies.len() <= 1 && ended,
                other => panic!("{name}: what is {other:?}?"),
            });
            assert!(met, "{what}, expected: {expect}");
            for reply in &replies {
                assert!(reply.header("x-injected").is_none(), "{what}");
            }
        }
    }
    assert_eq!(upstream.requests(), [], "none of them is a chat request");
    println!("{} cases, each with and without a key", cases.len());
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Requests that are served, of every framing, alone and one behind the other.
fn bases(key: &str) -> Vec<Vec<u8>> {
    let head = |method: &str, path: &str, more: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {key}\r\nX-Smuggled: smuggled\r\n{more}\r\n"
        )
    };
    let sized = |body: &str| {
        let length = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        head("POST", "/v1/chat/completions", &length) + body
    };
    let chat = ask("mock", "");
    let (first, second) = chat.split_at(40);
    let chunked = head(
        "POST",
        "/v1/chat/completions",
        "Transfer-Encoding: chunked\r\n",
    ) + &format!(
        "{:x}\r\n{first}\r\n{:X};smuggled=\"1\"\r\n{second}\r\n0\r\nX-Smuggled: smuggled\r\n\r\n",
        first.len(),
        second.len()
    );
    let models = head("GET", "/v1/models", "");
    let inner = sized(&ask("mock", r#","user":"inner""#));
    let wrapped = head(
        "GET",
        "/v1/models",
        &format!("Content-Length: {}\r\n", inner.len()),
    ) + &inner;
    let pairs = [
        sized(&chat) + &models,
        chunked.clone() + &models,
        models.clone() + &chunked,
    ];
    let alone = [sized(&chat), chunked, models, wrapped];
    alone
        .into_iter()
        .chain(pairs)
        .map(String::into_bytes)
        .collect()
}

const BYTES: &[u8] = b"\r\n\0 \t:;,\x0b\x0c\x7f\xff\x85\xa0#/@0123459afxX-+_\"{";
const ENDS: [&str; 10] = [
    "\n", "\r", "\r\r\n", "\n\r", "\r\n\r\n", "\r\n ", "\r\n\t", "\0\r\n", " \r\n", "",
];
const FIELDS: [&str; 30] = [
    "Transfer-Encoding: chunked",
    "transfer-encoding: Chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding:",
    "Transfer_Encoding: chunked",
    " Transfer-Encoding: chunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 0x10",
    "Content-Length : 5",
    "Content-Length:",
    "Host: smuggled",
    "Host: a/#@smuggled",
    "Connection: close",
    "Connection: content-length, authorization, keep-alive",
    "Upgrade: h2c\r\nConnection: Upgrade",
    "Expect: 100-continue",
    "Trailer: Content-Length",
    "X-Forwarded-Host: smuggled\0",
    ": smuggled",
];
const STARTS: [&str; 16] = [
    "GET /v1/smuggled HTTP/1.1",
    "POST http://gateway/v1/chat/completions HTTP/1.1",
    "POST http://smuggled/v1/chat/completions HTTP/1.1",
    "POST //v1/chat/completions HTTP/1.1",
    "POST /v1/chat/completions?smuggled HTTP/1.1",
    "POST /v1/chat/completions#smuggled HTTP/1.1",
    "POST /v1/chat/completions HTTP/1.0",
    "POST /v1/chat/completions HTTP/1.2",
    "POST /v1/chat/completions HTTP/2.0",
    "POST /v1/chat/completions",
    "POST  /v1/chat/completions HTTP/1.1",
    "POST /v1/chat/completions smuggled HTTP/1.1",
    "POST * HTTP/1.1",
    "CONNECT smuggled:80 HTTP/1.1",
    "PRI * HTTP/2.0",
    "\tPOST /v1/chat/completions HTTP/1.1",
];
const NUMBERS: [&str; 16] = [
    "0",
    "00",
    "1",
    "5",
    "0x5",
    "-1",
    "+1",
    " 5",
    "5 ",
    "5;",
    "5;x\n",
    "ffffffffffffffff",
    "10000000000000000",
    "99999999999999999999",
    "1e2",
    "",
];
const TAILS: [&str; 5] = [
    "\r\n",
    "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "0\r\n\r\n",
    "\0",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{",
];

/// Spoils a request a little.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    // Heads are where framing is told.
    let within = if random.below(4) > 0 {
        240
    } else {
        bytes.len()
    };
    let at = random.below(within.min(bytes.len()));
    let lines: Vec<usize> = bytes
        .windows(2)
        .enumerate()
        .filter_map(|(at, pair)| (pair == b"\r\n").then_some(at))
        .collect();
    let line = random.below(lines.len());
    let end = lines.get(line).copied().unwrap_or_default();
    let start = if line == 0 { 0 } else { lines[line - 1] + 2 };
    match random.below(12) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.pick(BYTES),
        2 => bytes.insert(at, random.pick(BYTES)),
        3 => drop(bytes.drain(at..(at + 1 + random.below(3)).min(bytes.len()))),
        4 if end > start => {
            let twice = bytes[start..end + 2].to_vec();
            drop(bytes.splice(start..start, twice));
        }
        5 if end > start => drop(bytes.drain(start..end + 2)),
        6 if end > 0 => drop(bytes.splice(end..end + 2, random.pick(&ENDS).bytes())),
        7 | 8 if end > 0 => {
            let field = format!("\r\n{}", random.pick(&FIELDS));
            drop(bytes.splice(end..end, field.into_bytes()));
        }
        9 => {
            let end = lines.first().copied().unwrap_or_default();
            drop(bytes.splice(..end, random.pick(&STARTS).bytes()));
        }
        10 => {
            // The number that a line ends or begins with: a length, a chunk's size.
            let numeral = |byte: &&u8| byte.is_ascii_hexdigit();
            let text = &bytes[start..end.max(start)];
            let digits = text.iter().rev().take_while(numeral).count();
            let number = random.pick(&NUMBERS).bytes();
            drop(bytes.splice(end.max(start) - digits..end.max(start), number));
        }
        _ => match random.below(2) {
            0 => bytes.extend_from_slice(random.pick(&TAILS).as_bytes()),
            _ => bytes.truncate(bytes.len() - random.below(40).min(bytes.len() - 1)),
        },
    }
}

/// What came of some mutations.
#[derive(Default)]
struct Tally {
    /// Bodies of chat requests that were served, and how often.
    served: HashMap<Vec<u8>, usize>,
    statuses: HashMap<u16, usize>,
    /// Ended without a word.
    silent: usize,
}

/// Sends what the mutation made and holds every reply against the letter of the RFC.
fn probe(client: &mut Client, bytes: &[u8], tally: &mut Tally) {
    let (whole, rest) = requests(bytes);
    client.send(bytes);
    let (before, last) = client.sent.split_at(client.sent.len() - bytes.len());
    let shown = format!("{}, after {}", last.escape_ascii(), before.escape_ascii());
    let mut replies = Vec::new();
    while rest == Rest::Malformed || replies.len() < whole.len() {
        let asked = Instant::now();
        match client.reply() {
            Some(reply) => replies.push(reply),
            None => {
                assert!(asked.elapsed() < SILENCE, "the gateway waits: {}", shown);
                assert!(
                    replies.len() >= whole.len() || replies.iter().any(closing),
                    "{} requests, but only {replies:?} to {}",
                    whole.len(),
                    shown
                );
                break;
            }
        }
    }
    if rest != Rest::Nothing || replies.iter().any(closing) {
        replies.extend(client.finish());
    }
    tally.silent += usize::from(replies.is_empty());
    for (nth, reply) in replies.iter().enumerate() {
        *tally.statuses.entry(reply.status).or_default() += 1;
        assert!(reply.status < 500, "{reply:?} to {}", shown);
        match whole.get(nth) {
            Some(request) if reply.status < 300 => {
                if request.line.starts_with("POST") {
                    *tally.served.entry(request.body.clone()).or_default() += 1;
                }
            }
            Some(_) => {}
            // The list of models is told on the head alone, whatever became of the body,
            // and then nothing more is read.
            None if nth == whole.len() && closing(reply) && is_list(reply) => {}
            None => assert!(
                (400..500).contains(&reply.status),
                "{} requests, but {reply:?} to {}",
                whole.len(),
                shown
            ),
        }
    }
}

#[test]
fn a_hundred_thousand_mutations_reach_the_upstream_in_one_reading_or_not_at_all() {
    const COUNT: usize = 100_000;
    const CONNECTIONS: usize = 6;
    let seed: u64 = std::env::var("LATTICE_SEED").map_or(20_260_101, |seed| seed.parse().unwrap());
    println!("seed {seed}; LATTICE_SEED sets another");
    let (upstream, gateway, key) = gateway();
    let bases = bases(&key);
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let work = || {
        let (mut client, mut tally) = (Client::new(&gateway), Tally::default());
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= COUNT {
                client.finish();
                return tally;
            }
            let mut random = Random(seed ^ (nth as u64) << 20);
            let mut bytes = bases[random.below(bases.len())].clone();
            for _ in 0..=random.below(3) {
                mutate(&mut bytes, &mut random);
                if bytes.is_empty() {
                    break;
                }
            }
            probe(&mut client, &bytes, &mut tally);
        }
    };
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    let mut whole = Tally::default();
    for tally in tallies {
        whole.silent += tally.silent;
        for (status, count) in tally.statuses {
            *whole.statuses.entry(status).or_default() += count;
        }
        for (body, count) in tally.served {
            *whole.served.entry(body).or_default() += count;
        }
    }
    let passed = upstream.requests();
    println!(
        "{COUNT} mutations in {:?}: {:?}, {} ended without a word, {} passed on",
        begun.elapsed(),
        whole.statuses,
        whole.silent,
        passed.len()
    );
    for request in &passed {
        of_the_gateways_own_making(request, &upstream);
        let left = whole.served.get_mut(&request.body);
        match left {
            Some(left) if *left > 0 => *left -= 1,
            _ => panic!("passed on, but served to nobody: {request:?}"),
        }
    }
    assert!(passed.len() > COUNT / 100, "too few were left intact");
    assert!(whole.served.values().all(|left| *left == 0));
}

/// Nothing in the head is the client's.
fn of_the_gateways_own_making(request: &Request, upstream: &Recorder) {
    assert_eq!(request.line, "POST /v1/chat/completions HTTP/1.1");
    let names: HashSet<&str> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let own = [
        "host",
        "content-length",
        "content-type",
        "accept-encoding",
        "user-agent",
        "x-request-id",
    ];
    assert_eq!(
        (names, request.headers.len()),
        (HashSet::from(own), own.len())
    );
    for (name, value) in &request.headers {
        assert!(!value.contains("smuggled"), "{name}: {value}");
        if name == "host" {
            assert_eq!(*value, upstream.address.to_string());
        }
    }
}
