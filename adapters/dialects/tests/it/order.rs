//! The order rules of replies: of canonical events, and of a chat stream.

use std::collections::BTreeMap;

use lattice_dialects::canonical::{Block, Decode, Delta, Ended, Event, Finish, Garbled, Usage};
use lattice_dialects::sse::{Frame, Framer};
use serde_json::Value;

/// Watches events. It panics where they break the order, and sums up what they
/// said.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    pub begun: bool,
    pub choices: BTreeMap<u32, Choice>,
    pub usage: Option<Usage>,
    pub error: Option<String>,
}

#[derive(Debug, Default, PartialEq)]
pub struct Choice {
    open: Option<&'static str>,
    pub text: String,
    pub refusal: String,
    pub reasoning: String,
    /// Signatures and ciphers, of calls and texts too.
    pub proofs: Vec<String>,
    pub calls: Vec<Call>,
    pub natives: u32,
    pub finish: Option<Finish>,
    /// The kinds of blocks, in order.
    pub blocks: Vec<&'static str>,
}

#[derive(Debug, Default, PartialEq)]
pub struct Call {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

impl Told {
    pub fn event(&mut self, event: &Event<'_>) {
        assert_eq!(self.error, None, "nothing follows an error");
        assert_eq!(self.usage, None, "nothing follows the usage: {event:?}");
        let starts = matches!(event, Event::Start { .. });
        let fails = matches!(event, Event::Error(_));
        assert!(
            starts != self.begun || fails,
            "one start, and first: {event:?}"
        );
        match event {
            Event::Start { .. } => self.begun = true,
            Event::Open { choice, block } => self.running(*choice).open(block),
            Event::Delta { choice, delta } => self.running(*choice).delta(delta),
            Event::Close { choice } => {
                let choice = self.running(*choice);
                assert!(choice.open.take().is_some(), "closed unopened");
            }
            Event::Finish { choice, finish, .. } => {
                let choice = self.running(*choice);
                assert_eq!(choice.open, None, "finished while open");
                choice.finish = Some(*finish);
                choice.check_calls();
            }
            Event::Usage(usage) => {
                self.all_finished();
                self.usage = Some(*usage);
            }
            Event::Error(error) => {
                self.error = Some(error.message.clone().unwrap_or_default());
            }
        }
    }

    fn running(&mut self, choice: u32) -> &mut Choice {
        let choice = self.choices.entry(choice).or_default();
        assert_eq!(choice.finish, None, "nothing follows a finish");
        choice
    }

    /// Exactly one finish for each choice.
    pub fn all_finished(&self) {
        assert!(!self.choices.is_empty());
        assert!(self.choices.values().all(|choice| choice.finish.is_some()));
    }

    /// What any client must get, whatever the dialects between.
    pub fn essence(&self) -> Vec<(u32, Essence<'_>)> {
        let choices = self.choices.iter();
        choices
            .map(|(index, choice)| (*index, choice.essence()))
            .collect()
    }
}

/// Texts, proofs in any order, calls, and the finish.
type Essence<'a> = (
    [&'a str; 3],
    Vec<&'a str>,
    Vec<(&'a str, &'a str, &'a str)>,
    Option<Finish>,
);

impl Choice {
    fn essence(&self) -> Essence<'_> {
        let mut proofs: Vec<&str> = self.proofs.iter().map(String::as_str).collect();
        proofs.sort_unstable();
        let calls = self.calls.iter().map(|call| {
            let arguments = match call.arguments.trim() {
                "" => "{}",
                spelled => spelled,
            };
            (call.id.as_str(), call.name.as_str(), arguments)
        });
        let texts = [&*self.text, &*self.refusal, &*self.reasoning];
        (texts, proofs, calls.collect(), self.finish)
    }

    fn open(&mut self, block: &Block<'_>) {
        assert_eq!(self.open, None, "blocks overlap");
        let kind = match block {
            Block::Text => "text",
            Block::Refusal => "refusal",
            Block::Reasoning { .. } => "reasoning",
            Block::ToolCall { id, name } => {
                assert!(!id.is_empty() && !name.is_empty(), "a call has id and name");
                self.calls.push(Call {
                    id: id.clone().into_owned(),
                    name: name.clone().into_owned(),
                    arguments: String::new(),
                });
                "call"
            }
            Block::Native { .. } => {
                self.natives += 1;
                "native"
            }
        };
        self.open = Some(kind);
        self.blocks.push(kind);
    }

    fn delta(&mut self, delta: &Delta<'_>) {
        match (self.open, delta) {
            (Some("text"), Delta::Text(text)) => self.text.push_str(text),
            (Some("refusal"), Delta::Text(text)) => self.refusal.push_str(text),
            (Some("reasoning"), Delta::Text(text)) => self.reasoning.push_str(text),
            (Some("call"), Delta::Arguments(piece)) => {
                self.calls.last_mut().unwrap().arguments.push_str(piece);
            }
            (Some("text" | "reasoning" | "call"), Delta::Signature(proof))
            | (Some("reasoning"), Delta::Encrypted(proof)) => {
                self.proofs.push(proof.clone().into_owned());
            }
            (open, delta) => panic!("{delta:?} in {open:?}"),
        }
    }

    /// Arguments are an object, or nothing; only a cap may cut them.
    fn check_calls(&self) {
        let whole = self.finish != Some(Finish::Length);
        for call in &self.calls {
            let object = serde_json::from_str::<Value>(&call.arguments);
            let object = object.is_ok_and(|it| it.is_object());
            assert!(
                object || call.arguments.trim().is_empty() || !whole,
                "{call:?}"
            );
        }
        if self.finish == Some(Finish::ToolCalls) {
            assert!(!self.calls.is_empty(), "calls that were not told");
        }
    }
}

/// Decodes a stream to its end.
pub fn decoded(stream: &[u8], decoder: &mut dyn Decode) -> Result<(Told, Ended), Garbled> {
    let mut told = Told::default();
    let mut outcome = Ok(());
    let mut framer = Framer::with_limit(1 << 20);
    let mut each = |frame| {
        let Frame::Event(event) = frame else {
            panic!("an oversize event")
        };
        if let (Some(data), Ok(())) = (event.data(), &outcome) {
            outcome = decoder.event(event.name(), &data, &mut |event| told.event(&event));
        }
    };
    framer.push(bytes::Bytes::copy_from_slice(stream), &mut each);
    framer.finish(&mut each);
    outcome?;
    let ended = decoder.end(&mut |event| told.event(&event));
    if ended == Ended::Whole {
        told.all_finished();
    }
    Ok((told, ended))
}

/// Decodes a reply that came in one piece.
pub fn decoded_whole(body: &[u8], decoder: &mut dyn Decode) -> Result<Told, Garbled> {
    let mut told = Told::default();
    decoder.whole(body, &mut |event| told.event(&event))?;
    if told.error.is_none() {
        told.all_finished();
    }
    Ok(told)
}

/// What is known of a choice of a chat stream.
#[derive(Default)]
struct Seen {
    arguments: Vec<String>,
    finish: Option<String>,
}

/// Panics where a chat stream is not what OpenAI's clients rely on; tells its
/// chunks.
pub fn check_chat_stream(stream: &str) -> Vec<Value> {
    let events: Vec<&str> = stream.split_terminator("\n\n").collect();
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(*last, "data: [DONE]");
    let chunks: Vec<Value> = chunks
        .iter()
        .map(|chunk| serde_json::from_str(chunk.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    let mut choices: BTreeMap<u64, Seen> = BTreeMap::new();
    let mut usages = 0;
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        for label in ["id", "created", "model"] {
            assert_eq!(chunk[label], chunks[0][label], "{label} changes");
        }
        assert_eq!(usages, 0, "nothing follows the usage");
        if chunk["usage"].is_object() {
            assert_eq!(chunk["choices"], serde_json::json!([]));
            assert!(choices.values().all(|choice| choice.finish.is_some()));
            usages += 1;
        }
        for choice in chunk["choices"].as_array().unwrap() {
            check_choice(choice, &mut choices);
        }
    }
    for choice in choices.values() {
        let finish = choice.finish.as_deref().unwrap();
        let whole = |it: &String| serde_json::from_str::<Value>(it).is_ok_and(|it| it.is_object());
        assert!(choice.arguments.iter().all(whole) || finish == "length");
        assert!(finish != "tool_calls" || !choice.arguments.is_empty());
    }
    chunks
}

fn check_choice(choice: &Value, choices: &mut BTreeMap<u64, Seen>) {
    let index = choice["index"].as_u64().unwrap();
    let delta = choice["delta"].as_object().unwrap();
    let first = !choices.contains_key(&index);
    assert_eq!(first, delta.get("role").is_some_and(|it| it == "assistant"));
    if first {
        assert_eq!(delta["content"], "");
    }
    let seen = choices.entry(index).or_default();
    assert_eq!(seen.finish, None, "nothing follows a finish");
    seen.finish = choice["finish_reason"].as_str().map(str::to_owned);
    for call in delta
        .get("tool_calls")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let at = call["index"].as_u64().unwrap() as usize;
        let begins = at == seen.arguments.len();
        assert!(
            begins || at + 1 == seen.arguments.len(),
            "calls are counted from 0"
        );
        assert_eq!(begins, call["id"].is_string());
        assert_eq!(begins, call["function"]["name"].is_string());
        if begins {
            assert_eq!(call["type"], "function");
            seen.arguments.push(String::new());
        }
        let piece = call["function"]["arguments"].as_str().unwrap();
        seen.arguments[at].push_str(piece);
    }
}
