//! One candidate: which block is open, and the parts that come of it.

use serde_json::value::RawValue;

use crate::canonical::{Block, Delta, Finish, Maker, Proves, Sealed};
use crate::json::{self, Writer};

/// The most that is held of one call's arguments, in bytes: they go out whole.
const MAX_ARGUMENTS: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Candidate {
    /// Whether text goes out as it comes, not with the end of its block.
    streams: bool,
    open: Option<Open>,
    /// Of the open block: text that is joined, or a call's arguments.
    text: String,
    /// Parts that have not been written yet.
    parts: Writer,
    has_parts: bool,
    finish: Option<(&'static str, Option<String>)>,
    /// A call could not be written.
    broken: bool,
    omitted: u32,
}

#[derive(Debug)]
enum Open {
    Text,
    Thought {
        maker: Maker,
        id: Option<String>,
    },
    Call {
        id: String,
        name: String,
        signature: Option<String>,
    },
}

impl Candidate {
    pub(super) fn new(streams: bool) -> Self {
        Self {
            streams,
            open: None,
            text: String::new(),
            parts: Writer::default(),
            has_parts: false,
            finish: None,
            broken: false,
            omitted: 0,
        }
    }

    pub(super) fn omitted(&self) -> u32 {
        self.omitted
    }

    pub(super) fn has_parts(&self) -> bool {
        self.has_parts
    }

    pub(super) fn open(&mut self, block: &Block<'_>) {
        self.open = match block {
            Block::Text | Block::Refusal => Some(Open::Text),
            Block::Reasoning { maker, id } => Some(Open::Thought {
                maker: *maker,
                id: id.as_deref().map(str::to_owned),
            }),
            Block::ToolCall { id, name } => Some(Open::Call {
                id: id.clone().into_owned(),
                name: name.clone().into_owned(),
                signature: None,
            }),
            Block::Native { .. } => {
                self.omitted += 1;
                None
            }
        };
    }

    pub(super) fn delta(&mut self, delta: &Delta<'_>) {
        match (&mut self.open, delta) {
            // One byte too many tells that it was cut.
            (Some(Open::Call { .. }), Delta::Arguments(more))
                if self.text.len() <= MAX_ARGUMENTS =>
            {
                self.text.push_str(more);
            }
            (Some(Open::Call { signature, .. }), Delta::Signature(data)) => {
                *signature = Some(data.clone().into_owned());
            }
            (Some(Open::Text | Open::Thought { .. }), Delta::Text(more)) => {
                self.text.push_str(more);
                if self.streams {
                    self.text_part(None);
                }
            }
            // Only Gemini signs what it says.
            (Some(Open::Text), Delta::Signature(data)) => self.text_part(Some(data)),
            (Some(Open::Thought { maker, id }), Delta::Signature(data)) => {
                let proof = match maker {
                    Maker::Gemini => data.clone().into_owned(),
                    _ => seal(*maker, Proves::Text, id, data),
                };
                self.text_part(Some(&proof));
            }
            (Some(Open::Thought { maker, id }), Delta::Encrypted(data)) => {
                let proof = seal(*maker, Proves::Cipher, id, data);
                self.text_part(Some(&proof));
            }
            _ => {}
        }
    }

    pub(super) fn close(&mut self) {
        if let Some(Open::Call {
            id,
            name,
            signature,
        }) = self.open.take_if(|open| matches!(open, Open::Call { .. }))
        {
            self.call(&id, &name, signature.as_deref());
        } else {
            self.text_part(None);
            self.open = None;
        }
    }

    /// What reason it has to be finished. There is none for calls: a candidate that
    /// made some has simply stopped.
    pub(super) fn finish(&mut self, finish: Finish, native: &str) {
        let word = match finish {
            Finish::Stop | Finish::ToolCalls => "STOP",
            Finish::Length => "MAX_TOKENS",
            Finish::ContentFilter => "SAFETY",
            Finish::Error => "OTHER",
        };
        let says_more = matches!(finish, Finish::ContentFilter | Finish::Error);
        let message = (says_more && !native.is_empty())
            .then(|| format!("The provider's word for it is {}.", json::quote(native)));
        self.finish = Some((word, message));
    }

    /// The text so far as a part, with what proves it.
    fn text_part(&mut self, signature: Option<&str>) {
        if self.text.is_empty() && signature.is_none() {
            return;
        }
        let thought = matches!(self.open, Some(Open::Thought { .. }));
        let out = &mut self.parts;
        out.open(b'{');
        out.member("text", &self.text);
        if thought {
            out.key("thought");
            out.scalar(true);
        }
        if let Some(signature) = signature {
            out.member("thoughtSignature", signature);
        }
        out.close(b'}');
        self.has_parts = true;
        self.text.clear();
    }

    fn call(&mut self, id: &str, name: &str, signature: Option<&str>) {
        let arguments = std::mem::take(&mut self.text);
        let arguments = match arguments.trim() {
            "" => "{}",
            arguments => arguments,
        };
        // It is spliced in as it is, so it must be one value.
        let is_json = serde_json::from_str::<&RawValue>(arguments).is_ok();
        if !is_json || !arguments.starts_with('{') || arguments.len() > MAX_ARGUMENTS {
            self.broken = true;
            self.omitted += 1;
            return;
        }
        let out = &mut self.parts;
        out.open(b'{');
        out.key("functionCall");
        out.open(b'{');
        out.member("id", id);
        out.member("name", name);
        out.key("args");
        // In a stream it must be one line. In JSON only space between values has more.
        out.raw(&arguments.replace(['\n', '\r'], " "));
        out.close(b'}');
        if let Some(signature) = signature {
            out.member("thoughtSignature", signature);
        }
        out.close(b'}');
        self.has_parts = true;
    }

    /// The parts that wait, and at the `end` the reason to be finished.
    pub(super) fn write(&mut self, index: u32, end: bool, out: &mut Writer) {
        out.open(b'{');
        out.key("content");
        out.open(b'{');
        out.key("parts");
        out.open(b'[');
        if self.has_parts {
            let parts = self.parts.take();
            out.raw(&String::from_utf8_lossy(&parts));
            self.has_parts = false;
        } else if self.streams {
            // As Gemini ends a stream: there are clients that ask every chunk for parts.
            out.raw(r#"{"text":""}"#);
        }
        out.close(b']');
        out.member("role", "model");
        out.close(b'}');
        if let (Some((word, message)), true) = (&self.finish, end) {
            let word = if self.broken {
                "MALFORMED_FUNCTION_CALL"
            } else {
                word
            };
            out.member("finishReason", word);
            if let Some(message) = message {
                out.member("finishMessage", message);
            }
        }
        out.key("index");
        out.scalar(index);
        out.close(b'}');
    }
}

fn seal(maker: Maker, proves: Proves, id: &Option<String>, data: &str) -> String {
    let (id, data) = (id.clone(), data.to_owned());
    let sealed = Sealed {
        maker,
        proves,
        id,
        data,
    };
    sealed.render()
}
