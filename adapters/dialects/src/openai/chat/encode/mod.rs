//! Canonical events as a chat completion, in one piece or streamed.

mod details;
mod reply;
mod stream;

use crate::canonical::Finish;
use crate::json::Writer;
pub use reply::ReplyEncoder;
pub use stream::StreamEncoder;

/// What a reply says of itself where its provider does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The reply's name.
    pub id: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The model that was asked.
    pub model: String,
}

impl Labels {
    /// Takes the provider's own names for the reply and the model, if it has any.
    fn adopt(&mut self, id: &str, model: &str) {
        for (label, theirs) in [(&mut self.id, id), (&mut self.model, model)] {
            if !theirs.is_empty() {
                theirs.clone_into(label);
            }
        }
    }

    /// The members that begin a reply and a chunk alike; `choices` is next.
    fn write(&self, object: &str, out: &mut Writer) {
        out.member("id", &self.id);
        out.member("object", object);
        out.key("created");
        out.scalar(self.created);
        out.member("model", &self.model);
        out.key("choices");
    }
}

/// `finish_reason`, and the provider's own word beside it where that says more.
fn finish(finish: Finish, native: &str, out: &mut Writer) {
    let word = match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        Finish::Error => "error",
    };
    out.member("finish_reason", word);
    let says_more = matches!(finish, Finish::Error | Finish::ContentFilter);
    if (says_more || native == "stop_sequence") && !native.is_empty() {
        out.member("native_finish_reason", native);
    }
}
