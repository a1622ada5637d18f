//! Entries of `reasoning_details` and `extra_content`: what proves to a model's
//! maker what it thought, for clients that give it back.

use crate::canonical::Maker;
use crate::json::Writer;

/// One entry, in OpenRouter's shape.
#[derive(Default)]
pub(super) struct Detail<'a> {
    pub text: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub encrypted: Option<&'a str>,
    /// The tool call that it belongs to.
    pub call: Option<&'a str>,
    /// The place in the list, counted through the choice; pieces of one entry share
    /// it. OpenAI's own clients gather a stream by it, and raise where it is missing.
    pub index: u32,
}

impl Detail<'_> {
    pub(super) fn write(&self, maker: Maker, out: &mut Writer) {
        out.open(b'{');
        match self.encrypted {
            Some(data) => {
                out.member("type", "reasoning.encrypted");
                out.member("data", data);
            }
            None => out.member("type", "reasoning.text"),
        }
        for (key, value) in [
            ("text", self.text),
            ("signature", self.signature),
            ("id", self.call),
        ] {
            if let Some(value) = value {
                out.member(key, value);
            }
        }
        out.member("format", maker.format());
        out.key("index");
        out.scalar(self.index);
        out.close(b'}');
    }
}

/// A member `reasoning_details` of one entry.
pub(super) fn member(detail: &Detail<'_>, maker: Maker, out: &mut Writer) {
    out.key("reasoning_details");
    out.open(b'[');
    detail.write(maker, out);
    out.close(b']');
}

/// Google's own place for the signature of a call.
pub(super) fn extra_content(signature: &str, out: &mut Writer) {
    out.key("extra_content");
    out.open(b'{');
    out.key("google");
    out.open(b'{');
    out.member("thought_signature", signature);
    out.close(b'}');
    out.close(b'}');
}
