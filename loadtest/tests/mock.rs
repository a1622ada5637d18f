//! The mock over real connections: what a gateway in front of it would meet.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::ErrorKind;
use std::time::Duration;

use lattice_loadtest::mock::{Billed, Ending, Mock, Options, passage};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PROMPT: &str = "count these four words";
const PROMPT_TOKENS: u64 = 4;

async fn mock() -> Mock {
    Mock::start(Options::default()).await.unwrap()
}

fn ask(model: &str, extra: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": PROMPT}]});
    let fields = extra.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

fn streamed(model: &str) -> Value {
    ask(
        model,
        &json!({"stream": true, "stream_options": {"include_usage": true}}),
    )
}

/// Sends a request on a connection of its own and leaves the reading to the caller.
async fn send(mock: &Mock, head: &str, body: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(mock.addr()).await.unwrap();
    let head = format!(
        "{head} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\nx-request-id: req-7\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body).await.unwrap();
    socket
}

async fn chat(mock: &Mock, body: &Value) -> TcpStream {
    let body = body.to_string();
    send(mock, "POST /v1/chat/completions", body.as_bytes()).await
}

struct Reply {
    status: u16,
    head: String,
    /// As it came: chunk framing included.
    raw: Vec<u8>,
    /// What ended the reading, where it was no orderly close.
    broken: Option<ErrorKind>,
}

async fn read(mut socket: TcpStream) -> Reply {
    let mut all = Vec::new();
    let broken = socket.read_to_end(&mut all).await.err().map(|e| e.kind());
    let split = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(all[..split].to_vec()).unwrap();
    Reply {
        status: head[9..12].parse().unwrap(),
        head,
        raw: all.split_off(split),
        broken,
    }
}

async fn exchange(mock: &Mock, body: &Value) -> Reply {
    read(chat(mock, body).await).await
}

impl Reply {
    /// The body, and whether its chunked framing was ended.
    fn body(&self) -> (String, bool) {
        if !self.head.contains("transfer-encoding: chunked") {
            return (String::from_utf8(self.raw.clone()).unwrap(), true);
        }
        let (mut body, mut rest) = (Vec::new(), self.raw.as_slice());
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return (String::from_utf8(body).unwrap(), true);
            }
            body.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 4 + size..];
        }
        (String::from_utf8(body).unwrap(), false)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body().0).unwrap()
    }

    /// The events of a stream; `[DONE]` as null.
    fn events(&self) -> Vec<Value> {
        self.body()
            .0
            .split_terminator("\n\n")
            .map(|event| match event.strip_prefix("data: ").unwrap() {
                "[DONE]" => Value::Null,
                event => serde_json::from_str(event).unwrap(),
            })
            .collect()
    }

    /// The text of one choice.
    fn text(&self, choice: u64) -> String {
        self.events()
            .iter()
            .flat_map(|event| event["choices"].as_array().cloned().unwrap_or_default())
            .filter(|part| part["index"] == choice)
            .filter_map(|part| part["delta"]["content"].as_str().map(str::to_owned))
            .collect()
    }
}

/// Waits until the mock has noticed what its client did.
async fn settled(mock: &Mock) {
    for _ in 0..500 {
        if mock.running() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still running: {:?}", mock.state());
}

fn tokens(input_tokens: u64, output_tokens: u64) -> Billed {
    Billed {
        input_tokens,
        output_tokens,
    }
}

#[tokio::test]
async fn a_stream_opens_writes_closes_reports_usage_and_is_done() {
    let mock = mock().await;
    let reply = exchange(&mock, &streamed("mock?chunks=3&chunk_bytes=20")).await;
    let events = reply.events();
    let (_, ended) = reply.body();
    assert_eq!(reply.status, 200);
    assert!(ended && reply.head.contains("content-type: text/event-stream"));
    assert_eq!(events.len(), 1 + 3 + 1 + 1 + 1);
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(reply.text(0), passage(0, 60));
    assert_eq!(events[4]["choices"][0]["finish_reason"], "stop");
    assert_eq!(events[4]["usage"], Value::Null);
    assert_eq!(events[5]["choices"], json!([]));
    assert_eq!(
        events[5]["usage"],
        json!({"prompt_tokens": PROMPT_TOKENS, "completion_tokens": 3, "total_tokens": 7})
    );
    assert_eq!(events[6], Value::Null);
    assert!(
        events[..6]
            .iter()
            .all(|event| event["model"] == "mock?chunks=3&chunk_bytes=20")
    );
}

#[tokio::test]
async fn a_stream_says_nothing_of_usage_unless_asked() {
    let mock = mock().await;
    let reply = exchange(&mock, &ask("mock", &json!({"stream": true}))).await;
    let (body, ended) = reply.body();
    assert!(ended && body.ends_with("data: [DONE]\n\n"));
    assert!(!body.contains("usage"));
    assert_eq!(reply.events().len(), 1 + 8 + 1 + 1);
}

#[tokio::test]
async fn what_is_reported_is_what_is_billed() {
    let mock = mock().await;
    let three = exchange(&mock, &streamed("mock?chunks=3")).await;
    let whole = exchange(&mock, &ask("mock?chunks=5", &json!({}))).await;
    let twice = exchange(&mock, &ask("mock?chunks=2", &json!({"n": 2}))).await;
    let reported: Vec<Value> = [
        three.events()[5]["usage"].clone(),
        whole.json()["usage"].clone(),
        twice.json()["usage"].clone(),
    ]
    .to_vec();
    let sum = |field: &str| {
        reported
            .iter()
            .map(|usage| usage[field].as_u64().unwrap())
            .sum()
    };
    assert_eq!(
        mock.billed(),
        tokens(sum("prompt_tokens"), sum("completion_tokens"))
    );
    assert_eq!(mock.billed(), tokens(3 * PROMPT_TOKENS, 3 + 5 + 4));
    assert_eq!(mock.state().totals.finished, 3);
    assert_eq!(mock.state().billed_request_ids, ["req-7"; 3]);
}

#[tokio::test]
async fn every_choice_gets_the_whole_text() {
    let mock = mock().await;
    let mut body = streamed("mock?chunks=4&chunk_bytes=10");
    body["n"] = json!(3);
    let reply = exchange(&mock, &body).await;
    for choice in 0..3 {
        assert_eq!(reply.text(choice), passage(0, 40));
    }
    let finished = reply
        .events()
        .iter()
        .filter(|e| e["choices"][0]["finish_reason"] == "stop")
        .count();
    assert_eq!(finished, 3);
    assert_eq!(mock.billed().output_tokens, 12);
}

#[tokio::test]
async fn an_output_cap_cuts_the_reply_short() {
    let mock = mock().await;
    for (cap, chunks, reason) in [
        (json!({"max_tokens": 2}), 2, "length"),
        (
            json!({"max_completion_tokens": 3, "max_tokens": 1}),
            3,
            "length",
        ),
        (json!({"max_tokens": 8}), 8, "stop"),
    ] {
        let reply = exchange(&mock, &ask("mock", &cap)).await.json();
        assert_eq!(reply["choices"][0]["finish_reason"], reason, "{cap}");
        assert_eq!(reply["usage"]["completion_tokens"], chunks, "{cap}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_cut_and_owes_what_was_generated() {
    let mock = mock().await;
    let mut socket = chat(&mock, &streamed("mock?chunks=100000&delay_ms=5")).await;
    let mut first = [0; 1024];
    while mock.billed().output_tokens < 3 {
        assert!(socket.read(&mut first).await.unwrap() > 0);
    }
    assert_eq!(mock.running(), 1);
    drop(socket);
    settled(&mock).await;
    let state = mock.state();
    assert_eq!((state.totals.cut, state.totals.finished), (1, 0));
    assert_eq!(state.requests[0].ending, Some(Ending::Cut));
    assert_eq!(state.requests[0].billed, mock.billed());
    assert!((3..1000).contains(&mock.billed().output_tokens));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_header_is_cut() {
    let mock = mock().await;
    for model in [
        "mock?fault=hang_header",
        "mock?latency_ms=60000",
        "mock?first_delay_ms=60000",
    ] {
        let socket = chat(&mock, &ask(model, &json!({}))).await;
        while mock.running() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(socket);
        settled(&mock).await;
    }
    assert_eq!(mock.cut(), 3);
    assert_eq!(mock.billed(), tokens(3 * PROMPT_TOKENS, 0));
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_generation_and_gets_every_byte_later() {
    const CHUNKS: usize = 1600;
    const CHUNK_BYTES: usize = 65_536;
    let mock = mock().await;
    let model = format!("mock?chunks={CHUNKS}&chunk_bytes={CHUNK_BYTES}");
    let mut socket = chat(&mock, &streamed(&model)).await;
    // Until nothing more is produced: then the buffers on the way are full.
    let mut produced = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = mock.billed().output_tokens;
        if now == produced && now > 0 {
            break;
        }
        produced = now;
    }
    let held = usize::try_from(produced).unwrap() * CHUNK_BYTES;
    assert!(held < 24 << 20, "{held} bytes were produced for nobody");
    let (mut total, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        match socket.read(&mut buffer).await.unwrap() {
            0 => break,
            read => total += read,
        }
    }
    assert!(total > CHUNKS * CHUNK_BYTES);
    assert_eq!(mock.billed().output_tokens, CHUNKS as u64);
    assert_eq!(mock.state().totals.finished, 1);
}

#[tokio::test]
async fn status_faults_are_seen_and_not_billed() {
    let mock = mock().await;
    for status in [429, 500, 503] {
        let reply = exchange(&mock, &streamed(&format!("mock?fault=status:{status}"))).await;
        assert_eq!(reply.status, status);
        assert!(reply.json()["error"]["message"].is_string());
        assert_eq!(reply.head.contains("retry-after"), status != 500);
    }
    assert_eq!((mock.seen(), mock.billed()), (3, tokens(0, 0)));
    assert_eq!(mock.state().totals.refused, 3);
}

#[tokio::test]
async fn a_stream_breaks_where_it_was_told_to() {
    let mock = mock().await;
    for (fault, broken) in [
        ("truncate_after", None),
        ("reset_after", Some(ErrorKind::ConnectionReset)),
    ] {
        let reply = exchange(
            &mock,
            &streamed(&format!("mock?chunk_bytes=10&fault={fault}:5")),
        )
        .await;
        let (_, ended) = reply.body();
        assert!(!ended, "{fault} ended its body");
        assert_eq!(reply.broken, broken, "{fault}");
        assert_eq!(reply.text(0), passage(0, 50), "{fault}");
    }
    assert_eq!(mock.state().totals.faulted, 2);
    assert_eq!(mock.billed(), tokens(2 * PROMPT_TOKENS, 10));
}

#[tokio::test]
async fn a_fault_can_strike_after_the_last_chunk() {
    let mock = mock().await;
    let reply = exchange(&mock, &streamed("mock?chunks=2&fault=truncate_after:2")).await;
    assert!(!reply.body().1);
    assert_eq!(reply.events().len(), 1 + 2);
    let spared = exchange(&mock, &streamed("mock?chunks=2&fault=truncate_after:3")).await;
    assert_eq!(spared.events().last(), Some(&Value::Null));
}

#[tokio::test]
async fn an_error_event_ends_a_stream_without_done() {
    let mock = mock().await;
    let reply = exchange(&mock, &streamed("mock?fault=error_event_after:2")).await;
    let events = reply.events();
    assert!(reply.body().1);
    assert_eq!(events.len(), 1 + 2 + 1);
    assert!(events[3]["error"]["message"].is_string());
    assert_eq!(mock.state().totals.faulted, 1);
}

#[tokio::test]
async fn a_hanging_stream_sends_no_more_and_runs_until_the_client_leaves() {
    let mock = mock().await;
    let mut socket = chat(&mock, &streamed("mock?fault=hang_after:2")).await;
    let mut buffer = vec![0; 1 << 16];
    let mut silent = false;
    while !silent {
        let read = tokio::time::timeout(Duration::from_millis(300), socket.read(&mut buffer)).await;
        silent = read.is_err();
        assert!(!matches!(read, Ok(Ok(0) | Err(_))), "the stream ended");
    }
    assert_eq!(
        (mock.running(), mock.billed()),
        (1, tokens(PROMPT_TOKENS, 2))
    );
    drop(socket);
    settled(&mock).await;
    assert_eq!(mock.cut(), 1);
}

#[tokio::test]
async fn usage_can_be_withheld() {
    let mock = mock().await;
    let stream = exchange(&mock, &streamed("mock?fault=no_usage")).await;
    assert!(
        stream
            .events()
            .iter()
            .all(|event| event.get("usage").is_none())
    );
    assert_eq!(stream.events().last(), Some(&Value::Null));
    let whole = exchange(&mock, &ask("mock?fault=no_usage", &json!({}))).await;
    assert_eq!(whole.json()["usage"], Value::Null);
    assert_eq!(mock.billed(), tokens(2 * PROMPT_TOKENS, 16));
}

#[tokio::test]
async fn a_reply_in_one_piece_breaks_in_its_middle() {
    let mock = mock().await;
    let intact = exchange(&mock, &ask("mock", &json!({}))).await;
    for (fault, broken) in [
        ("truncate_after", None),
        ("reset_after", Some(ErrorKind::ConnectionReset)),
    ] {
        let torn = exchange(&mock, &ask(&format!("mock?fault={fault}:5"), &json!({}))).await;
        assert_eq!((torn.status, torn.broken), (200, broken), "{fault}");
        assert!(torn.head.contains("content-length"), "{fault}");
        assert!((1..intact.raw.len()).contains(&torn.raw.len()), "{fault}");
        assert!(
            serde_json::from_slice::<Value>(&torn.raw).is_err(),
            "{fault}"
        );
    }
    let failed = exchange(&mock, &ask("mock?fault=error_event_after:5", &json!({}))).await;
    assert_eq!(failed.status, 500);
    assert_eq!(mock.billed(), tokens(4 * PROMPT_TOKENS, 8 + 5 + 5 + 5));
}

#[tokio::test]
async fn a_connection_can_be_reset_before_the_header() {
    let mock = mock().await;
    let mut socket = chat(&mock, &streamed("mock?fault=reset_header")).await;
    let ended = socket.read(&mut [0; 16]).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(mock.billed(), tokens(PROMPT_TOKENS, 0));
}

#[tokio::test]
async fn a_header_overrides_the_model_name() {
    let mock = mock().await;
    let body = streamed("mock?chunks=9").to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nx-mock-behaviour: chunks=2\r\nx-rest:";
    let reply = read(send(&mock, head, body.as_bytes()).await).await;
    assert_eq!(reply.events().len(), 1 + 2 + 3);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_refused_and_not_billed() {
    let mock = mock().await;
    let mistyped = exchange(&mock, &streamed("mock?chnks=9")).await;
    assert_eq!(mistyped.status, 400);
    assert!(mistyped.body().0.contains("chnks"));
    let cut = send(&mock, "POST /v1/chat/completions", b"{\"model\":").await;
    assert_eq!(read(cut).await.status, 400);
    let elsewhere = send(&mock, "POST /v1/nothing", b"").await;
    assert_eq!(read(elsewhere).await.status, 404);
    assert_eq!((mock.seen(), mock.billed()), (2, tokens(0, 0)));
}

#[tokio::test]
async fn models_state_and_reset_are_served() {
    let mock = mock().await;
    let models = read(send(&mock, "GET /v1/models", b"").await).await.json();
    assert_eq!(
        (&models["object"], &models["data"][0]["id"]),
        (&json!("list"), &json!("mock"))
    );
    exchange(&mock, &streamed("mock?chunks=3")).await;
    let running = chat(&mock, &streamed("mock?fault=hang_after:1")).await;
    while mock.billed().output_tokens < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let state = read(send(&mock, "GET /__mock/state", b"").await)
        .await
        .json();
    assert_eq!((&state["seen"], &state["running"]), (&json!(2), &json!(1)));
    assert_eq!(state["output_tokens"], 4);
    assert_eq!(state["requests"][0]["ending"], "finished");
    assert_eq!(state["requests"][1]["ending"], Value::Null);
    assert_eq!(state["billed_request_ids"], json!(["req-7", "req-7"]));

    assert_eq!(
        read(send(&mock, "POST /__mock/reset", b"").await)
            .await
            .status,
        200
    );
    assert_eq!(
        (mock.seen(), mock.running(), mock.billed()),
        (0, 1, tokens(0, 0))
    );
    drop(running);
    settled(&mock).await;
    assert_eq!((mock.cut(), mock.state().requests.len()), (0, 0));
}

#[tokio::test]
async fn the_last_request_is_kept_byte_for_byte() {
    let mock = mock().await;
    let body = br#"{ "model":"mock", "messages":[], "unknown": [1, 2.50] }"#;
    read(send(&mock, "POST /v1/chat/completions", body).await).await;
    let last = mock.last().unwrap();
    assert_eq!(last.body, body.as_slice());
    assert_eq!(last.headers["x-request-id"], "req-7");
}

#[tokio::test]
async fn arrivals_and_endings_are_on_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.jsonl");
    let mock = Mock::start(Options {
        record: Some(path.clone()),
        ..Options::default()
    })
    .await
    .unwrap();
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let socket = chat(&mock, &streamed("mock?fault=hang_after:2")).await;
    while mock.billed().output_tokens < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let arrived = lines();
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0]["event"], "arrival");
    assert_eq!(
        (&arrived[0]["request_id"], &arrived[0]["input_tokens"]),
        (&json!("req-7"), &json!(4))
    );
    drop(socket);
    settled(&mock).await;
    let ended = lines();
    assert_eq!(ended.len(), 2);
    assert_eq!(
        (&ended[1]["event"], &ended[1]["ending"]),
        (&json!("ending"), &json!("cut"))
    );
    assert_eq!(
        (&ended[1]["sequence"], &ended[1]["output_tokens"]),
        (&json!(1), &json!(2))
    );
}

#[tokio::test]
async fn a_mock_that_stops_cuts_its_streams_and_takes_no_more() {
    let mock = mock().await;
    let addr = mock.addr();
    let mut socket = chat(&mock, &streamed("mock?fault=hang_after:1")).await;
    while mock.billed().output_tokens < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    mock.stop().await;
    // An end or a reset: the kernel chooses, but the client is told.
    let mut rest = Vec::new();
    let told = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
    assert!(told.is_ok());
    assert!(TcpStream::connect(addr).await.is_err());
}
