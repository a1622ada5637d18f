//! A client that reads slowly slows its upstream, and costs the gateway no memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::io::{BufReader, Cursor, Read as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use harness::wire::{Connection, chat_request, read_reply};
use harness::{Gateway, MODELS, Upstream, ask, config, of_kind, post};

const STREAM: u64 = 100 << 20;
const SLOW: Duration = Duration::from_secs(30);
const MEMORY: u64 = 64 << 20;

/// What may be produced for a client that reads next to nothing. Most of it is in
/// the buffers of four sockets, which the kernel sizes; as a rule it is 12 MiB.
const UNDER_WAY: u64 = 40 << 20;

#[test]
fn a_slow_client_gets_every_byte_and_the_gateway_holds_none_back() {
    // The smaller events are read by the gateway; the larger ones pass as too long to be read.
    every_byte_arrives(16 << 10);
}

#[test]
fn events_that_are_too_long_to_be_read_are_held_back_as_little() {
    every_byte_arrives(64 << 10);
}

fn every_byte_arrives(event: u64) {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    let settings = format!("mock?chunks={}&chunk_bytes={event}", STREAM / event);
    let asked = r#","stream":true,"stream_options":{"include_usage":true}"#;
    let direct = post(
        &format!("{}/chat/completions", upstream.base_url()),
        None,
        &ask(&settings, asked),
    )
    .body;
    assert_eq!(gateway.chat(&key, &ask("mock", asked)).status, 200);
    let before = upstream.mock.billed().output_tokens;

    // From here on the kernel keeps the new high-water mark.
    std::fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
    let idle = memory(gateway.pid(), "VmRSS");
    let mut connection = Connection::open(&gateway.clients);
    connection.send(chat_request(&key, &ask(&format!("mock/{settings}"), asked)));
    let mut raw = Vec::new();
    read_slowly(connection.socket(), &mut raw);
    let produced = (upstream.mock.billed().output_tokens - before) * event;
    let read = raw.len();
    let mut full_speed = connection.socket();
    // The last chunk is the end: the connection is kept.
    while !raw.ends_with(b"\r\n0\r\n\r\n") {
        let mut buffer = [0; 64 << 10];
        let read = full_speed.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the stream ended after {} bytes", raw.len());
        raw.extend_from_slice(&buffer[..read]);
    }
    let most = memory(gateway.pid(), "VmHWM");
    println!(
        "events of {event} bytes: {read} read slowly, {produced} produced meanwhile; idle {idle}, at most {most}"
    );

    let reply = read_reply(&mut BufReader::new(Cursor::new(raw))).unwrap();
    // The same but for the number of the request, which is the mock's third.
    assert!(
        reply.body.replace("chatcmpl-mock-3", "chatcmpl-mock-1") == direct,
        "the stream differs from the provider's"
    );
    assert!(
        produced < UNDER_WAY,
        "{produced} bytes were produced for a client that had read {read}"
    );
    assert!(most < idle + MEMORY, "{most} bytes, idle {idle}");
    let leaves = gateway.leaves();
    let outcome = of_kind(&leaves, "outcome")[1];
    assert_eq!(
        (&outcome["ending"], &outcome["usage"]["output"]),
        (&"finished".into(), &(STREAM / event).into())
    );
}

/// 1 KB a second.
fn read_slowly(mut socket: &TcpStream, into: &mut Vec<u8>) {
    let began = Instant::now();
    let mut buffer = [0; 1000];
    while began.elapsed() < SLOW {
        socket.read_exact(&mut buffer).unwrap();
        into.extend_from_slice(&buffer);
        thread::sleep(Duration::from_secs(1));
    }
}

/// A figure of `/proc/PID/status`, in bytes.
fn memory(pid: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(what))
        .unwrap();
    line.trim_start_matches(':')
        .trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}
