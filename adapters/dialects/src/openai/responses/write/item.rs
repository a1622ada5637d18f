//! One item of the output.

use crate::canonical::{Block, Delta, Maker, Proves, Sealed};
use crate::json::Writer;

/// An item that is being written.
#[derive(Debug)]
pub(super) struct Item {
    /// The same in all events.
    pub id: String,
    /// Its place in the output.
    pub index: u32,
    pub said: Said,
}

/// What an item says.
#[derive(Debug)]
pub(super) enum Said {
    Message {
        text: String,
        refusal: bool,
        /// Gemini's, which a message has no place for.
        signature: Option<String>,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
        /// Gemini's, which a call has no place for.
        signature: Option<String>,
    },
    Thought(Thought),
}

/// What was thought, and what proves it.
#[derive(Debug)]
pub(super) struct Thought {
    /// Its summary, in OpenAI's words.
    pub text: String,
    maker: Maker,
    /// The maker's own name for it.
    id: Option<String>,
    signature: Option<String>,
    encrypted: Option<String>,
    /// In place of all that.
    seal: Option<Sealed>,
}

impl Item {
    /// The item that a block becomes, in a response that is called `response`;
    /// `None` where it has no form.
    pub(super) fn open(block: &Block<'_>, response: &str, index: u32) -> Option<Self> {
        let text = String::new();
        let said = match block {
            Block::Text | Block::Refusal => Said::Message {
                text,
                refusal: *block == Block::Refusal,
                signature: None,
            },
            Block::ToolCall { id, name } => Said::Call {
                id: id.clone().into_owned(),
                name: name.clone().into_owned(),
                arguments: text,
                signature: None,
            },
            Block::Reasoning { maker, id } => Said::Thought(Thought {
                text,
                maker: *maker,
                id: id.as_deref().map(str::to_owned),
                signature: None,
                encrypted: None,
                seal: None,
            }),
            Block::Native { .. } => return None,
        };
        Some(Self::new(said, response, index))
    }

    /// The item that carries what had no place in the one before it.
    pub(super) fn sealed(seal: Sealed, response: &str, index: u32) -> Self {
        let thought = Thought {
            text: String::new(),
            maker: seal.maker,
            id: None,
            signature: None,
            encrypted: None,
            seal: Some(seal),
        };
        Self::new(Said::Thought(thought), response, index)
    }

    fn new(said: Said, response: &str, index: u32) -> Self {
        let prefix = match &said {
            Said::Message { .. } => "msg",
            Said::Call { .. } => "fc",
            Said::Thought(_) => "rs",
        };
        let id = match &said {
            // OpenAI asks for its own name back.
            Said::Thought(Thought {
                maker: Maker::OpenAi,
                id: Some(id),
                ..
            }) => id.clone(),
            _ => format!("{prefix}_{response}_{index}"),
        };
        Self { id, index, said }
    }

    /// Takes more of it; the text that there is more of.
    pub(super) fn add<'d>(&mut self, delta: &'d Delta<'_>) -> Option<&'d str> {
        match (&mut self.said, delta) {
            (
                Said::Message { text, .. } | Said::Thought(Thought { text, .. }),
                Delta::Text(more),
            )
            | (
                Said::Call {
                    arguments: text, ..
                },
                Delta::Arguments(more),
            ) => {
                text.push_str(more);
                return Some(more).map(|more| &**more).filter(|it| !it.is_empty());
            }
            (
                Said::Message { signature, .. }
                | Said::Call { signature, .. }
                | Said::Thought(Thought { signature, .. }),
                Delta::Signature(data),
            ) => *signature = Some(data.clone().into_owned()),
            (Said::Thought(thought), Delta::Encrypted(data)) => {
                thought.encrypted = Some(data.clone().into_owned());
            }
            _ => {}
        }
        None
    }

    /// The bytes that it holds.
    pub(super) fn held(&self) -> usize {
        let long = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        match &self.said {
            Said::Message {
                text, signature, ..
            } => text.len() + long(signature),
            Said::Call {
                arguments,
                signature,
                ..
            } => arguments.len() + long(signature),
            Said::Thought(thought) => {
                thought.text.len() + long(&thought.signature) + long(&thought.encrypted)
            }
        }
    }

    /// What has no place in it.
    pub(super) fn homeless(&self) -> Option<Sealed> {
        let (proves, id, data) = match &self.said {
            Said::Message { signature, .. } => (Proves::Text, None, signature),
            Said::Call { id, signature, .. } => (Proves::Call, Some(id.clone()), signature),
            Said::Thought(it) => {
                // The field is taken by the signature.
                let cipher = it.signature.as_ref().and(it.encrypted.as_ref());
                return cipher.map(|data| it.sealed(Proves::Cipher, data));
            }
        };
        Some(Sealed {
            maker: Maker::Gemini,
            proves,
            id,
            data: data.clone()?,
        })
    }

    /// Writes the item; `done`: with what it says, else as it begins.
    pub(super) fn write(&self, done: bool, out: &mut Writer) {
        out.open(b'{');
        out.member("id", &self.id);
        match &self.said {
            Said::Message { text, refusal, .. } => {
                out.member("type", "message");
                out.member("role", "assistant");
                out.key("content");
                out.open(b'[');
                if done {
                    part(text, *refusal, out);
                }
                out.close(b']');
            }
            Said::Call {
                id,
                name,
                arguments,
                ..
            } => {
                out.member("type", "function_call");
                out.member("call_id", id);
                out.member("name", name);
                out.member("arguments", arguments);
            }
            Said::Thought(thought) => {
                out.member("type", "reasoning");
                out.key("summary");
                out.open(b'[');
                if !thought.text.is_empty() {
                    summary(&thought.text, out);
                }
                out.close(b']');
                if done && let Some(cipher) = thought.cipher() {
                    out.member("encrypted_content", &cipher);
                }
            }
        }
        let status = if done { "completed" } else { "in_progress" };
        out.member("status", status);
        out.close(b'}');
    }
}

impl Thought {
    /// Its `encrypted_content`. A thought of another maker always has one, be it of
    /// nothing: by it the item is known again, and is never sent to OpenAI.
    fn cipher(&self) -> Option<String> {
        if let Some(seal) = &self.seal {
            return Some(seal.render());
        }
        let sealed = match (&self.signature, &self.encrypted) {
            (None, cipher) if self.maker == Maker::OpenAi => return cipher.clone(),
            (Some(signature), _) => self.sealed(Proves::Text, signature),
            (None, Some(cipher)) => self.sealed(Proves::Cipher, cipher),
            (None, None) => self.sealed(Proves::Text, ""),
        };
        Some(sealed.render())
    }

    fn sealed(&self, proves: Proves, data: &str) -> Sealed {
        Sealed {
            maker: self.maker,
            proves,
            id: self.id.clone(),
            data: data.to_owned(),
        }
    }
}

/// The part of a message.
pub(super) fn part(text: &str, refusal: bool, out: &mut Writer) {
    out.open(b'{');
    if refusal {
        out.member("type", "refusal");
        out.member("refusal", text);
    } else {
        out.member("type", "output_text");
        for key in ["annotations", "logprobs"] {
            out.key(key);
            out.raw("[]");
        }
        out.member("text", text);
    }
    out.close(b'}');
}

/// The part of a summary.
pub(super) fn summary(text: &str, out: &mut Writer) {
    out.open(b'{');
    out.member("type", "summary_text");
    out.member("text", text);
    out.close(b'}');
}
