//! What a decoder told, as lines, with its order checked as it tells.

use std::collections::BTreeMap;

use bytes::Bytes;
use lattice_dialects::canonical::{Block, Decode, Delta, Ended, Event, Garbled, Usage};
use lattice_dialects::gemini::generate::Decoder;
use lattice_dialects::sse::{Frame, Framer};

#[derive(Debug, Default)]
pub struct Told {
    pub lines: Vec<String>,
    pub usage: Option<Usage>,
    started: bool,
    errored: bool,
    /// The open block of each choice; a finished choice has none any more.
    choices: BTreeMap<u32, Option<&'static str>>,
    finished: Vec<u32>,
}

impl Told {
    fn hear(&mut self, event: Event<'_>) {
        assert!(!self.errored && self.usage.is_none(), "after the last");
        let line = match event {
            Event::Start { id, model } => {
                assert!(!std::mem::replace(&mut self.started, true), "two starts");
                format!("start {id} {model}")
            }
            Event::Open { choice, block } => self.open(choice, &block),
            Event::Delta { choice, delta } => self.delta(choice, &delta),
            Event::Close { choice } => {
                let open = self.choices.get_mut(&choice).and_then(Option::take);
                assert!(open.is_some(), "nothing is open");
                format!("{choice} close")
            }
            Event::Finish {
                choice,
                finish,
                native,
            } => {
                assert!(self.started && !self.finished.contains(&choice));
                assert_eq!(self.choices.get(&choice).copied().flatten(), None, "open");
                self.finished.push(choice);
                format!("{choice} {finish:?} {native}")
            }
            Event::Usage(usage) => {
                self.usage = Some(usage);
                let Usage {
                    input,
                    cached_input,
                    cache_write,
                    output,
                    reasoning,
                    ..
                } = usage;
                format!("usage {input} {cached_input} {cache_write} {output} {reasoning}")
            }
            Event::Error(error) => {
                self.errored = true;
                let words = [error.code, error.message].map(Option::unwrap_or_default);
                format!("error {}", words.join(" "))
            }
        };
        self.lines.push(line);
    }

    fn open(&mut self, choice: u32, block: &Block<'_>) -> String {
        assert!(self.started && !self.finished.contains(&choice));
        let (kind, line) = match block {
            Block::Text => ("text", "text".to_owned()),
            Block::Refusal => ("refusal", "refusal".to_owned()),
            Block::Reasoning { maker, .. } => ("reasoning", format!("reasoning {maker:?}")),
            Block::ToolCall { id, name } => {
                assert!(!id.is_empty());
                ("call", format!("call {id} {name}"))
            }
            Block::Native { kind } => ("native", format!("native {kind}")),
        };
        let before = self.choices.insert(choice, Some(kind)).flatten();
        assert_eq!(before, None, "blocks overlap");
        format!("{choice} {line}")
    }

    fn delta(&mut self, choice: u32, delta: &Delta<'_>) -> String {
        let open = self.choices.get(&choice).copied().flatten();
        let (fits, line) = match delta {
            Delta::Text(text) => (&["text", "reasoning"][..], format!("+{text}")),
            Delta::Arguments(json) => (&["call"][..], format!("args {json}")),
            Delta::Signature(signature) => {
                let all = &["text", "reasoning", "call"][..];
                (all, format!("signature {signature}"))
            }
            Delta::Encrypted(data) => (&["reasoning"][..], format!("encrypted {data}")),
        };
        assert!(open.is_some_and(|open| fits.contains(&open)), "{line}");
        format!("{choice} {line}")
    }

    /// The rest of each line that begins so, joined.
    pub fn joined(&self, start: &str) -> String {
        self.lines
            .iter()
            .filter_map(|line| line.strip_prefix(start))
            .collect()
    }
}

/// A reply in one piece.
pub fn whole(body: &[u8]) -> Result<Told, Garbled> {
    let mut told = Told::default();
    let mut decoder = Decoder::new("s");
    decoder.whole(body, &mut |event| told.hear(event))?;
    Ok(told)
}

/// The data of a stream's events, one by one.
pub fn events<T: AsRef<[u8]>>(events: &[T]) -> Result<(Told, Ended), Garbled> {
    let mut told = Told::default();
    let mut decoder = Decoder::new("s");
    for data in events {
        decoder.event(None, data.as_ref(), &mut |event| told.hear(event))?;
    }
    let ended = decoder.end(&mut |event| told.hear(event));
    assert_eq!(decoder.end(&mut |_| panic!("told twice")), ended);
    Ok((told, ended))
}

/// The data of the events in the bytes of a stream.
pub fn data_of(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut framer = Framer::default();
    let mut data = Vec::new();
    let mut take = |frame| {
        let Frame::Event(event) = frame else {
            panic!("an event is too long")
        };
        data.extend(event.data().map(|data| data.into_owned()));
    };
    framer.push(Bytes::copy_from_slice(stream), &mut take);
    framer.finish(&mut take);
    data
}
