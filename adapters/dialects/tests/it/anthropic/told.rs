//! What a decoder told, as lines, with its order checked as it tells.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::Decoder;
use lattice_dialects::canonical::{Block, Decode, Delta, Ended, Event, Garbled, Maker, Usage};
use lattice_dialects::sse::{Frame, Framer};

#[derive(Debug, Default)]
pub struct Told {
    pub lines: Vec<String>,
    pub usage: Option<Usage>,
    /// What the open block takes.
    open: Option<&'static [&'static str]>,
    phase: Phase,
}

#[derive(Debug, Default, PartialEq, PartialOrd)]
enum Phase {
    #[default]
    Fresh,
    Started,
    Finished,
    Over,
}

impl Told {
    pub fn hear(&mut self, event: Event<'_>) {
        let line = match event {
            Event::Start { id, model } => {
                self.go(Phase::Fresh, Phase::Started);
                format!("start {id} {model}")
            }
            Event::Open { choice: 0, block } => {
                self.go(Phase::Started, Phase::Started);
                assert_eq!(self.open, None, "blocks overlap");
                let (takes, line): (&[_], _) = match block {
                    Block::Text => (&["text"], "text".to_owned()),
                    Block::Reasoning { maker, .. } => {
                        assert_eq!(maker, Maker::Anthropic);
                        (&["text", "signature", "encrypted"], "reasoning".to_owned())
                    }
                    Block::ToolCall { id, name } => (&["arguments"], format!("call {id} {name}")),
                    Block::Native { kind } => (&[], format!("native {kind}")),
                    Block::Refusal => panic!("Claude refuses by its stop reason"),
                };
                self.open = Some(takes);
                line
            }
            Event::Delta { choice: 0, delta } => {
                let (kind, text) = match delta {
                    Delta::Text(text) => ("text", text),
                    Delta::Arguments(json) => ("arguments", json),
                    Delta::Signature(text) => ("signature", text),
                    Delta::Encrypted(data) => ("encrypted", data),
                };
                assert!(self.open.is_some_and(|it| it.contains(&kind)), "{kind}");
                format!("+{kind} {text}")
            }
            Event::Close { choice: 0 } => {
                assert!(self.open.take().is_some(), "nothing is open");
                "close".to_owned()
            }
            Event::Finish {
                choice: 0,
                finish,
                native,
            } => {
                assert_eq!(self.open, None, "a block is open");
                self.go(Phase::Started, Phase::Finished);
                format!("{finish:?} {native}")
            }
            Event::Usage(usage) => {
                self.go(Phase::Finished, Phase::Over);
                self.usage = Some(usage);
                return;
            }
            Event::Error(error) => {
                assert!(self.phase < Phase::Finished);
                self.phase = Phase::Over;
                let words = [error.code, error.message].map(Option::unwrap_or_default);
                format!("error {}", words.join(" "))
            }
            other => panic!("a second choice: {other:?}"),
        };
        self.lines.push(line);
    }

    fn go(&mut self, from: Phase, into: Phase) {
        assert_eq!(self.phase, from);
        self.phase = into;
    }

    /// The rest of each line that begins so, joined.
    pub fn joined(&self, start: &str) -> String {
        let rest = self.lines.iter().filter_map(|it| it.strip_prefix(start));
        rest.collect()
    }
}

/// A reply in one piece.
pub fn whole(body: &[u8]) -> Result<(Told, Ended), Garbled> {
    let mut told = Told::default();
    let mut decoder = Decoder::default();
    decoder.whole(body, &mut |event| told.hear(event))?;
    Ok((told, decoder.end(&mut |_| panic!("all was told"))))
}

/// The data of a stream's events, one by one.
pub fn events<T: AsRef<[u8]>>(events: &[T]) -> Result<(Told, Ended), Garbled> {
    let mut told = Told::default();
    let mut decoder = Decoder::default();
    for data in events {
        let heard = decoder.event(None, data.as_ref(), &mut |event| told.hear(event));
        if let Err(garbled) = heard {
            let ended = decoder.end(&mut |_| panic!("nothing more is told"));
            assert_eq!(ended, Ended::Cut);
            return Err(garbled);
        }
    }
    Ok((told, decoder.end(&mut |_| panic!("all was told"))))
}

/// The data of the events in the bytes of a stream.
pub fn data_of(stream: &str) -> Vec<Vec<u8>> {
    let mut framer = Framer::default();
    let mut data = Vec::new();
    let mut take = |frame| {
        let Frame::Event(event) = frame else {
            panic!("an event is too long")
        };
        data.extend(event.data().map(|data| data.into_owned()));
    };
    framer.push(Bytes::from(stream.to_owned()), &mut take);
    framer.finish(&mut take);
    data
}
