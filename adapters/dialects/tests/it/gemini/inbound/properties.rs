//! Whatever clients send and models say.

use bytes::Bytes;
use lattice_dialects::canonical::{Block, Decode, Delta, Event, Finish, Maker, Target, Usage};
use lattice_dialects::gemini::generate::{CountRequest, Decoder, GenerateRequest};
use lattice_dialects::reply::WriteStream;
use proptest::prelude::*;
use serde_json::Value;

use super::write::writers;
use crate::gemini::told;
use crate::support::json_text;

const PLACES: [&str; 12] = [
    r#"{"contents":[{"role":"model","parts":[JSON]}]}"#,
    r#"{"contents":[{"role":"model","parts":[{"text":"a"},{"thought":true,"thoughtSignature":JSON}]}]}"#,
    r#"{"contents":[{"parts":[{"inlineData":JSON}]}]}"#,
    r#"{"contents":[{"parts":[{"fileData":{"fileUri":JSON}}]}]}"#,
    r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":JSON}}]},{"parts":[{"functionResponse":{"name":"f","response":JSON}}]}]}"#,
    r#"{"contents":JSON,"systemInstruction":JSON}"#,
    r#"{"contents":[{"parts":[{"text":"q"}]}],"tools":JSON}"#,
    r#"{"contents":[{"parts":[{"text":"q"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":JSON}]}]}"#,
    r#"{"contents":[{"parts":[{"text":"q"}]}],"toolConfig":JSON}"#,
    r#"{"contents":[{"parts":[{"text":"q"}]}],"generationConfig":JSON}"#,
    r#"{"contents":[{"parts":[{"text":"q"}]}],"generationConfig":{"responseSchema":JSON,"thinkingConfig":JSON}}"#,
    r#"{"generateContentRequest":JSON,"contents":[{"parts":[{"text":"q"}]}]}"#,
];

/// A block and what is told of it.
#[derive(Debug, Clone)]
enum Told {
    Text(Vec<String>),
    Thought(Vec<String>, Option<String>),
    Call(String),
}

fn blocks() -> impl Strategy<Value = Vec<Told>> {
    let texts = || proptest::collection::vec("[a-z\"\\\\ 🦀]{1,6}", 1..4);
    let block = prop_oneof![
        texts().prop_map(Told::Text),
        (texts(), proptest::option::of("[A-Za-z]{1,8}"))
            .prop_map(|(texts, signature)| Told::Thought(texts, signature)),
        json_text().prop_map(Told::Call),
    ];
    proptest::collection::vec(block, 0..6)
}

/// The events of a reply of Gemini's with these blocks.
fn tell(blocks: &[Told], sink: &mut dyn FnMut(Event<'_>)) {
    sink(Event::Start {
        id: "i".into(),
        model: "m".into(),
    });
    let choice = 0;
    let mut called = false;
    for (index, block) in blocks.iter().enumerate() {
        let mut deltas = Vec::new();
        let open = match block {
            Told::Text(texts) => {
                deltas.extend(texts.iter().map(|it| Delta::Text(it.into())));
                Block::Text
            }
            Told::Thought(texts, signature) => {
                deltas.extend(texts.iter().map(|it| Delta::Text(it.into())));
                deltas.extend(signature.iter().map(|it| Delta::Signature(it.into())));
                Block::Reasoning {
                    maker: Maker::Gemini,
                    id: None,
                }
            }
            Told::Call(json) => {
                called = true;
                let arguments = format!(r#"{{"a":{json}}}"#);
                deltas.push(Delta::Arguments(arguments.into()));
                Block::ToolCall {
                    id: format!("c{index}").into(),
                    name: "f".into(),
                }
            }
        };
        sink(Event::Open {
            choice,
            block: open,
        });
        for delta in deltas {
            sink(Event::Delta { choice, delta });
        }
        sink(Event::Close { choice });
    }
    let finish = if called {
        Finish::ToolCalls
    } else {
        Finish::Stop
    };
    sink(Event::Finish {
        choice,
        finish,
        native: "STOP".into(),
    });
    sink(Event::Usage(Usage {
        input: 9,
        cached_input: 2,
        cache_write: 0,
        output: 7,
        reasoning: 3,
        ..Usage::NONE
    }));
}

/// What a reply says: blocks of one kind that touch without a signature between them
/// are one, as they are to who reads them.
#[derive(Debug, Default, PartialEq)]
struct Gist {
    said: Vec<(String, String)>,
    /// Nothing may be added to the last.
    closed: bool,
    open: String,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Gist {
    fn hear(&mut self, event: Event<'_>) {
        match event {
            Event::Open { block, .. } => {
                self.open = format!("{block:?}");
                if matches!(block, Block::ToolCall { .. }) {
                    self.said.push((self.open.clone(), String::new()));
                    self.closed = true;
                }
            }
            Event::Delta {
                delta: Delta::Signature(it),
                ..
            } => {
                self.piece("");
                self.said.last_mut().unwrap().1.push_str(&format!("<{it}>"));
                self.closed = true;
            }
            Event::Delta {
                delta: Delta::Arguments(it),
                ..
            } => {
                let json: Value = serde_json::from_str(&it).unwrap();
                self.said.last_mut().unwrap().1 = json.to_string();
            }
            Event::Delta {
                delta: Delta::Text(it),
                ..
            } => self.piece(&it),
            Event::Finish { finish, .. } => self.finish = Some(finish),
            Event::Usage(usage) => self.usage = Some(usage),
            _ => {}
        }
    }

    fn piece(&mut self, text: &str) {
        match self.said.last_mut() {
            Some((kind, said)) if *kind == self.open && !self.closed => said.push_str(text),
            _ => {
                self.said.push((self.open.clone(), text.to_owned()));
                self.closed = false;
            }
        }
    }
}

fn gist(blocks: &[Told]) -> Gist {
    let mut gist = Gist::default();
    tell(blocks, &mut |event| gist.hear(event));
    gist.open.clear();
    gist
}

fn streamed(blocks: &[Told]) -> Bytes {
    let mut writer: Box<dyn WriteStream> = writers().stream;
    tell(blocks, &mut |event| writer.event(&event, &mut |_| None));
    writer.end(&mut |_| None);
    writer.take()
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(json in json_text(), place in 0..PLACES.len()) {
        let body = Bytes::from(PLACES[place].replace("JSON", &json));
        if let Ok(request) = GenerateRequest::parse(body.clone(), "m", true) {
            let target = Target { model: "n", output_cap: Some(3) };
            let out = request.rewrite(&target).body;
            prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
            let _ = request.canonical();
        }
        if let Ok(request) = CountRequest::parse(body, "m") {
            let _ = (request.canonical(), request.rewrite("n"));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = GenerateRequest::parse(bytes.into(), "m", true);
    }

    #[test]
    fn unknown_fields_survive_byte_for_byte(json in json_text(), cap in proptest::option::of(1..9_u64)) {
        let body = format!(
            r#"{{ "unknown_field":{json},"contents":[{{"parts":[{{"text":"q", "later":{json} }}]}}],"generationConfig":{{"maxOutputTokens":9,"x":{json}}} }}"#
        );
        let request = GenerateRequest::parse(body.clone().into(), "m", true).unwrap();
        let out = request.rewrite(&Target { model: "n", output_cap: cap }).body;
        let expected = match cap {
            Some(cap) => body.replace("Tokens\":9", &format!("Tokens\":{cap}")),
            None => body,
        };
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn a_reply_survives_being_streamed_and_read_again(blocks in blocks()) {
        let stream = streamed(&blocks);
        let mut read = Gist::default();
        let mut decoder = Decoder::new("s");
        for data in told::data_of(&stream) {
            decoder.event(None, &data, &mut |event| read.hear(event)).unwrap();
        }
        decoder.end(&mut |event| read.hear(event));
        read.open.clear();
        prop_assert_eq!(read, gist(&blocks));
    }

    #[test]
    fn a_reply_survives_being_written_whole_and_read_again(blocks in blocks()) {
        let mut writer = writers().whole;
        tell(&blocks, &mut |event| writer.event(&event));
        let reply = writer.finish(&mut |_| None);
        let mut read = Gist::default();
        Decoder::new("s").whole(&reply, &mut |event| read.hear(event)).unwrap();
        read.open.clear();
        prop_assert_eq!(read, gist(&blocks));
    }
}
