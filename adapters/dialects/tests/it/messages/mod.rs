//! Anthropic Messages as clients speak it: requests as they are read and passed on,
//! replies of any provider as they are written.

mod canonical;
mod errors;
mod facts;
mod peers;
mod properties;
mod recordings;
mod relay;
mod rewrite;
mod stream;
mod system;
mod targets;
mod thoughts;
mod tools;

use bytes::Bytes;
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::canonical::{Decode, Request, Unsupported};
use lattice_dialects::reply::{Translator, Verdict, WriteReply, WriteStream, Writers};
use serde_json::{Value, json};

use crate::replay::labels;

/// A request that says `Hi`, with these members beside or in place of its own.
fn asking(members: Value) -> Value {
    let mut body = json!({
        "model": "m",
        "max_tokens": 4000,
        "messages": [{"role": "user", "content": "Hi"}],
    });
    for (key, value) in members.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// The same with one message of the user's, of these blocks.
fn saying(blocks: Value) -> Value {
    asking(json!({"messages": [{"role": "user", "content": blocks}]}))
}

#[track_caller]
fn parsed(body: &Value) -> MessagesRequest {
    MessagesRequest::parse(Bytes::from(body.to_string())).unwrap()
}

/// What `then` makes of the canonical request.
#[track_caller]
fn canonical<T>(body: &Value, then: impl FnOnce(Request<'_>) -> T) -> T {
    then(parsed(body).canonical().unwrap())
}

#[track_caller]
fn dropped(body: &Value) -> Vec<String> {
    canonical(body, |request| {
        request
            .dropped
            .iter()
            .map(|note| note.clone().into_owned())
            .collect()
    })
}

#[track_caller]
fn refused(body: &Value) -> Unsupported {
    parsed(body).canonical().unwrap_err()
}

fn writers() -> Writers {
    parsed(&asking(json!({}))).writers(labels())
}

fn stream_writer() -> Box<dyn WriteStream> {
    writers().stream
}

fn reply_writer() -> Box<dyn WriteReply> {
    writers().whole
}

/// The message that a client adds up from a stream that ends as it must.
#[track_caller]
fn streamed(decoder: Box<dyn Decode>, stream: &str) -> Value {
    let mut translator = Translator::new(decoder, writers());
    let mut out = Vec::new();
    let read = Bytes::copy_from_slice(stream.as_bytes());
    translator.push(read, &mut |_| None, &mut out);
    translator.finish(&mut |_| None, &mut out);
    assert_eq!(translator.garbled(), None);
    assert_eq!(translator.ended(), Verdict::Finished);
    added_up(&String::from_utf8(out.concat()).unwrap())
}

#[track_caller]
fn whole(decoder: Box<dyn Decode>, body: &str) -> Value {
    let mut translator = Translator::new(decoder, writers());
    let (reply, _) = translator.whole(body.as_bytes(), &mut |_| None).unwrap();
    serde_json::from_slice(&reply).unwrap()
}

/// The events of a stream; each is named as its data says.
#[track_caller]
fn events(stream: &str) -> Vec<Value> {
    let events = stream.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    events.collect()
}

/// Panics where a stream is not what Anthropic's clients rely on; tells the message
/// that they add up.
#[track_caller]
fn added_up(stream: &str) -> Value {
    let events = events(stream);
    let [start, content @ .., delta, stop] = &events[..] else {
        panic!("too short: {stream}")
    };
    assert_eq!(start["type"], "message_start");
    let mut message = start["message"].clone();
    check_usage(&message["usage"]);
    assert_eq!(message["content"], json!([]));
    assert_eq!(message["stop_reason"], Value::Null);
    let mut open: Option<Block> = None;
    for event in content {
        let blocks = message["content"].as_array_mut().unwrap();
        match (event["type"].as_str().unwrap(), &mut open) {
            ("content_block_start", None) => {
                assert_eq!(event["index"], blocks.len(), "indexes rise");
                open = Some(Block::new(&event["content_block"]));
                blocks.push(Value::Null);
            }
            ("content_block_delta", Some(block)) => {
                assert_eq!(event["index"], blocks.len() - 1, "of the open block");
                block.add(&event["delta"]);
            }
            ("content_block_stop", Some(_)) => {
                assert_eq!(event["index"], blocks.len() - 1, "of the open block");
                *blocks.last_mut().unwrap() = open.take().unwrap().finish();
            }
            (kind, _) => panic!("{kind} where it may not come"),
        }
    }
    assert!(open.is_none(), "every block is closed");
    assert_eq!(delta["type"], "message_delta");
    for (key, value) in delta["delta"].as_object().unwrap() {
        message[key] = value.clone();
    }
    check_usage(&delta["usage"]);
    for (key, value) in delta["usage"].as_object().unwrap() {
        message["usage"][key] = value.clone();
    }
    assert_eq!(stop, &json!({"type": "message_stop"}));
    message
}

/// Claude Code asks for every one of these.
#[track_caller]
fn check_usage(usage: &Value) {
    for count in [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
    ] {
        assert!(usage[count].is_u64(), "{count}: {usage}");
    }
}

/// A block as it adds up.
struct Block {
    block: Value,
    input: String,
    signatures: usize,
}

impl Block {
    fn new(block: &Value) -> Self {
        let kind = block["type"].as_str().unwrap();
        let begins = match kind {
            "text" => block["text"] == "",
            "thinking" => block["thinking"] == "" && block["signature"] == "",
            "tool_use" => block["input"] == json!({}),
            "redacted_thinking" => block["data"] != "",
            kind => panic!("a block of type {kind}"),
        };
        assert!(begins, "{block}");
        Self {
            block: block.clone(),
            input: String::new(),
            signatures: 0,
        }
    }

    fn add(&mut self, delta: &Value) {
        let kind = self.block["type"].as_str().unwrap().to_owned();
        let (delta_kind, member) = match kind.as_str() {
            "text" => ("text_delta", "text"),
            "thinking" if delta["type"] == "signature_delta" => {
                assert_eq!(self.block["signature"], "");
                self.block["signature"] = delta["signature"].clone();
                self.signatures += 1;
                return;
            }
            "thinking" => ("thinking_delta", "thinking"),
            "tool_use" => {
                assert_eq!(delta["type"], "input_json_delta");
                self.input += delta["partial_json"].as_str().unwrap();
                return;
            }
            kind => panic!("a delta in {kind}"),
        };
        assert_eq!(delta["type"], delta_kind);
        assert_eq!(self.signatures, 0, "the signature comes last");
        let so_far = self.block[member].as_str().unwrap();
        self.block[member] = format!("{so_far}{}", delta[member].as_str().unwrap()).into();
    }

    fn finish(mut self) -> Value {
        match self.block["type"].as_str().unwrap() {
            "text" => assert_ne!(self.block["text"], "", "Anthropic takes none back"),
            "thinking" => assert_eq!(self.signatures, 1, "one signature"),
            "tool_use" => {
                let id = self.block["id"].as_str().unwrap();
                let fits = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
                assert!(!id.is_empty() && id.chars().all(fits), "{id}");
                // Only the output cap may cut it.
                self.block["input"] = serde_json::from_str(&self.input).unwrap_or(json!({}));
            }
            _ => {}
        }
        self.block
    }
}
