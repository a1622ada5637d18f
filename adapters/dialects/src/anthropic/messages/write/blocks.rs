//! Blocks as Anthropic has them: what to open, to add and to close.

use crate::anthropic::messages::ids;
use crate::canonical::{Block, Delta, Event, Maker, Proves, Sealed};

/// What becomes of the content of the message. Blocks do not overlap.
#[derive(Debug)]
pub(super) enum Step<'a> {
    Open(Kind<'a>),
    /// More of the open block.
    More(More<'a>),
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Text,
    Thinking,
    /// Without more to come.
    Redacted(&'a str),
    ToolUse {
        id: &'a str,
        name: &'a str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More<'a> {
    Text(&'a str),
    Thinking(&'a str),
    /// Whole, and the last of its block.
    Signature(&'a str),
    /// A piece of the JSON text of the input.
    Input(&'a str),
}

/// Where the steps go.
pub(super) type Steps<'s> = &'s mut dyn FnMut(Step<'_>);

/// Follows the blocks of a reply.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: Open,
    /// Blocks that have no form here.
    pub omitted: u32,
    pub calls: u32,
    /// Whether the model refused in words.
    pub refused: bool,
}

#[derive(Debug, Default)]
enum Open {
    /// No block, or one without a form.
    #[default]
    Nothing,
    /// Begun with its first text: Anthropic takes no empty one back.
    Text {
        begun: bool,
        signature: Option<String>,
    },
    Reasoning(Thought),
    Call(Call),
}

/// Begun with its first text, since it may be all cipher.
#[derive(Debug)]
struct Thought {
    maker: Maker,
    id: Option<String>,
    begun: bool,
    signature: Option<String>,
    encrypted: Option<String>,
}

#[derive(Debug)]
struct Call {
    id: String,
    /// Nothing but white space has come as its input.
    blank: bool,
    signature: Option<String>,
}

impl Blocks {
    /// Takes what the event says of the one choice that a message has.
    pub(super) fn event(&mut self, event: &Event<'_>, steps: Steps<'_>) {
        match event {
            Event::Open { choice: 0, block } => self.open(block, steps),
            Event::Delta { choice: 0, delta } => self.delta(delta, steps),
            Event::Close { choice: 0 } => self.close(steps),
            _ => {}
        }
    }

    fn open(&mut self, block: &Block<'_>, steps: Steps<'_>) {
        let text = Open::Text {
            begun: false,
            signature: None,
        };
        self.open = match block {
            Block::Text => text,
            Block::Refusal => {
                self.refused = true;
                text
            }
            Block::Reasoning { maker, id } => Open::Reasoning(Thought {
                maker: *maker,
                id: id.as_deref().map(str::to_owned),
                begun: false,
                signature: None,
                encrypted: None,
            }),
            Block::ToolCall { id, name } => {
                self.calls += 1;
                let spelled = ids::spell(id);
                steps(Step::Open(Kind::ToolUse { id: &spelled, name }));
                Open::Call(Call {
                    id: id.clone().into_owned(),
                    blank: true,
                    signature: None,
                })
            }
            Block::Native { .. } => {
                self.omitted += 1;
                Open::Nothing
            }
        };
    }

    fn delta(&mut self, delta: &Delta<'_>, steps: Steps<'_>) {
        match (&mut self.open, delta) {
            (_, Delta::Text(text) | Delta::Arguments(text)) if text.is_empty() => {}
            (Open::Text { begun, .. }, Delta::Text(text)) => {
                if !std::mem::replace(begun, true) {
                    steps(Step::Open(Kind::Text));
                }
                steps(Step::More(More::Text(text)));
            }
            (Open::Reasoning(thought), Delta::Text(text)) => {
                thought.begin(steps);
                steps(Step::More(More::Thinking(text)));
            }
            (Open::Reasoning(thought), Delta::Encrypted(data)) => {
                thought.encrypted = Some(data.clone().into_owned());
            }
            (Open::Call(call), Delta::Arguments(piece)) => {
                call.blank &= piece.trim().is_empty();
                if !call.blank {
                    steps(Step::More(More::Input(piece)));
                }
            }
            (
                Open::Text { signature, .. }
                | Open::Reasoning(Thought { signature, .. })
                | Open::Call(Call { signature, .. }),
                Delta::Signature(data),
            ) => *signature = Some(data.clone().into_owned()),
            _ => {}
        }
    }

    fn close(&mut self, steps: Steps<'_>) {
        match std::mem::take(&mut self.open) {
            Open::Nothing => {}
            Open::Text { begun, signature } => {
                if begun {
                    steps(Step::Close);
                }
                if let Some(data) = signature {
                    proof(Proves::Text, None, data, steps);
                }
            }
            Open::Reasoning(thought) => thought.close(steps),
            Open::Call(call) => {
                if call.blank {
                    steps(Step::More(More::Input("{}")));
                }
                steps(Step::Close);
                if let Some(data) = call.signature {
                    proof(Proves::Call, Some(call.id), data, steps);
                }
            }
        }
    }
}

/// A signature of Gemini's that is of no thought: a thought without text, which
/// clients keep where they got it.
fn proof(proves: Proves, id: Option<String>, data: String, steps: Steps<'_>) {
    let sealed = Sealed {
        maker: Maker::Gemini,
        proves,
        id,
        data,
    };
    steps(Step::Open(Kind::Thinking));
    steps(Step::More(More::Signature(&sealed.render())));
    steps(Step::Close);
}

impl Thought {
    fn begin(&mut self, steps: Steps<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            steps(Step::Open(Kind::Thinking));
        }
    }

    /// Every thought ends in one signature. Thoughts that nobody signed have a
    /// seal too: without one they could not be told from Claude's own, to whom an
    /// empty signature is a mistake.
    fn close(mut self, steps: Steps<'_>) {
        let encrypted = self.encrypted.take();
        let signature = self.signature.take();
        if self.maker == Maker::Anthropic {
            if self.begun || signature.is_some() {
                self.sign(&signature.unwrap_or_default(), steps);
            }
            if let Some(data) = encrypted {
                redacted(&data, steps);
            }
            return;
        }
        match (signature, encrypted) {
            (None, None) if !self.begun && self.id.is_none() => {}
            (signature, None) => {
                let seal = self.seal(Proves::Text, signature.unwrap_or_default());
                self.sign(&seal, steps);
            }
            (None, Some(data)) if self.begun => {
                let seal = self.seal(Proves::Cipher, data);
                self.sign(&seal, steps);
            }
            (signature, Some(data)) => {
                if let Some(signature) = signature {
                    let seal = self.seal(Proves::Text, signature);
                    self.sign(&seal, steps);
                }
                redacted(&self.seal(Proves::Cipher, data), steps);
            }
        }
    }

    fn sign(&mut self, signature: &str, steps: Steps<'_>) {
        self.begin(steps);
        steps(Step::More(More::Signature(signature)));
        steps(Step::Close);
    }

    fn seal(&self, proves: Proves, data: String) -> String {
        let sealed = Sealed {
            maker: self.maker,
            proves,
            id: self.id.clone(),
            data,
        };
        sealed.render()
    }
}

fn redacted(data: &str, steps: Steps<'_>) {
    steps(Step::Open(Kind::Redacted(data)));
    steps(Step::Close);
}
