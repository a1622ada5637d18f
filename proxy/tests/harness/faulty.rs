//! An upstream of every dialect that fails as the model's name says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// The APIs, as clients ask by them and as upstreams answer by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Chat,
    Responses,
    Messages,
    Generate,
}

pub use Api::{Chat, Generate, Messages, Responses};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
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
    /// An error, with the status of a success.
    ErrorInSuccess,
    /// A stream that was compressed, although nobody asked for that.
    Compressed,
}

const LINE_ENDS: [&str; 3] = ["\n", "\r\n", "\r"];

impl Fault {
    pub const ALL: [Self; 18] = [
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
        Self::Compressed,
        Self::ErrorInSuccess,
    ];

    /// The name of the model that has it.
    pub fn model(self) -> String {
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
pub const SAID: &str = "Grüße aus Köln";

/// An event with text.
fn text(api: Api, text: &str) -> Value {
    match api {
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
    }
}

/// The response that events of Responses repeat.
fn response(status: &str, output: &Value) -> Value {
    json!({"id":"resp_1","object":"response","created_at":1,"status":status,"model":"m","output":output,"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"error":null,"incomplete_details":null,
"usage": if status == "completed" { json!({"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}) } else { Value::Null }})
}

/// What a stream begins with, before its first text.
fn opening(api: Api) -> Vec<Value> {
    match api {
        Chat | Generate => vec![],
        Responses => vec![
            json!({"type":"response.created","sequence_number":0,"response":response("in_progress", &json!([]))}),
            json!({"type":"response.in_progress","sequence_number":1,"response":response("in_progress", &json!([]))}),
            json!({"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_1","type":"message","role":"assistant","status":"in_progress","content":[]}}),
            json!({"type":"response.content_part.added","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}),
        ],
        Messages => vec![
            json!({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}}),
            json!({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}),
        ],
    }
}

/// A provider's own error, in the middle of a stream.
fn crash(api: Api) -> Value {
    match api {
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
    }
}

/// What a stream ends with, its last text first.
fn closing(api: Api, last: Value) -> Vec<Value> {
    let message = json!({"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":SAID,"annotations":[]}]});
    let mut rest = vec![last];
    match api {
        Chat => rest.extend([
            json!({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}),
            json!({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}}),
        ]),
        Responses => rest.extend([
            json!({"type":"response.output_text.done","item_id":"msg_1","output_index":0,"content_index":0,"text":SAID,"sequence_number":6,"logprobs":[]}),
            json!({"type":"response.content_part.done","item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":SAID,"annotations":[]},"sequence_number":7}),
            json!({"type":"response.output_item.done","output_index":0,"item":message.clone(),"sequence_number":8}),
            json!({"type":"response.completed","response":response("completed", &json!([message])),"sequence_number":9}),
        ]),
        Messages => rest.extend([
            json!({"type":"content_block_stop","index":0}),
            json!({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}),
            json!({"type":"message_stop"}),
        ]),
        // The last text and the end come in one.
        Generate => {
            rest[0]["candidates"][0]["finishReason"] = "STOP".into();
            rest[0]["usageMetadata"]["candidatesTokenCount"] = 3.into();
            rest[0]["usageMetadata"]["totalTokenCount"] = 13.into();
        }
    }
    rest
}

/// The events of a stream, up to its first text and from there on.
fn events(api: Api, fault: Fault) -> (String, String) {
    let (first, second) = SAID.split_at("Grüße".len());
    let mut begin = opening(api);
    begin.push(text(api, first));
    let fails = fault == Fault::ErrorEvent;
    let rest = if fails {
        vec![crash(api)]
    } else {
        closing(api, text(api, second))
    };
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
    let mut rest: String = rest.iter().map(render).collect();
    if api == Chat && !fails {
        rest.push_str(&format!("data: [DONE]{end}{end}"));
    }
    (begin.iter().map(render).collect(), rest)
}

/// An upstream that answers as the model's name says.
pub fn upstream() -> SocketAddr {
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

/// By which API the request came, and what its model's name wants to go wrong.
fn asked_for((path, body): &(String, Value)) -> (Api, Fault) {
    let api = match path {
        path if path.contains(":streamGenerateContent") => Generate,
        path if path.ends_with("/messages") => Messages,
        path if path.ends_with("/responses") => Responses,
        _ => Chat,
    };
    let model = match api {
        Generate => path.rsplit(['/', ':']).nth(1),
        _ => body["model"].as_str(),
    };
    (api, Fault::named(model.unwrap_or_default()))
}

/// A reply that is an error by its status.
fn objection(fault: Fault) -> String {
    let slow = r#"{"error":{"message":"slow down"}}"#;
    let (status, header, text) = match fault {
        Fault::Limited => (429, "retry-after: 37\r\n", slow),
        Fault::LimitedSilently => (429, "", slow),
        Fault::Overloaded => (529, "", r#"{"error":{"message":"overloaded"}}"#),
        Fault::ErrorInSuccess => (200, "", r#"{"error":{"message":"out of memory"}}"#),
        _ => (500, "", "<html>oops</html>"),
    };
    format!(
        "HTTP/1.1 {status} X\r\n{header}content-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
/// The end of a chunked body.
const END: &[u8] = b"0\r\n\r\n";

fn chunk(data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    let head = format!("{:x}\r\n", data.len());
    [head.as_bytes(), data, b"\r\n"].concat()
}

fn answer(mut to: TcpStream) -> std::io::Result<()> {
    to.set_nodelay(true)?;
    let mut from = BufReader::new(to.try_clone()?);
    let (api, fault) = asked_for(&request(&mut from)?);
    let (begin, rest) = events(api, fault);
    let silence = Duration::from_secs(20);
    match fault {
        Fault::SilentHead => {
            std::thread::sleep(silence);
            return Ok(());
        }
        Fault::ShortLength => {
            let length = begin.len() + rest.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{begin}"
            );
            return to.write_all(head.as_bytes());
        }
        Fault::Compressed => {
            let head = CHUNKED.replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\n");
            to.write_all(head.as_bytes())?;
        }
        Fault::Limited
        | Fault::LimitedSilently
        | Fault::Overloaded
        | Fault::Page
        | Fault::ErrorInSuccess => {
            return to.write_all(objection(fault).as_bytes());
        }
        _ => to.write_all(CHUNKED.as_bytes())?,
    }
    let long = || chunk([b'x'; 16 * 1024]);
    match fault {
        Fault::ByteByByte => {
            for byte in begin.bytes().chain(rest.bytes()) {
                to.write_all(&chunk([byte]))?;
            }
        }
        Fault::NoLines => (0..64).try_for_each(|_| to.write_all(&long()))?,
        Fault::LongLine => {
            to.write_all(&chunk("data: {\"long\":\""))?;
            (0..1024).try_for_each(|_| to.write_all(&long()))?;
            to.write_all(&chunk(format!("\"}}\n\n{begin}{rest}")))?;
        }
        _ => to.write_all(&chunk(&begin))?,
    }
    match fault {
        Fault::Ends(_) | Fault::ErrorEvent => to.write_all(&chunk(rest))?,
        Fault::SilentBody => std::thread::sleep(silence),
        Fault::NotUtf8 => to.write_all(&chunk(b"data: {\"text\":\"\xff\xfe\"}\n\n"))?,
        Fault::CutChunk => return to.write_all(b"ffff\r\ndata: {\"half"),
        Fault::Reset => {
            to.write_all(&chunk(&rest.as_bytes()[..20]))?;
            std::thread::sleep(Duration::from_millis(50));
            return socket2::SockRef::from(&to).set_linger(Some(Duration::ZERO));
        }
        _ => {}
    }
    to.write_all(END)
}
