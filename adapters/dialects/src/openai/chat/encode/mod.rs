//! Canonical events as a chat completion, in one piece or streamed.

mod details;
mod reply;
mod stream;

use crate::canonical::Finish;
use crate::json::Writer;
use crate::reply::Labels;
pub use reply::ReplyEncoder;
pub use stream::StreamEncoder;

/// What a reply is called.
#[derive(Debug)]
struct Names(Labels);

impl Names {
    fn new(labels: Labels) -> Self {
        Self(Labels {
            id: format!("chatcmpl-{}", labels.id),
            ..labels
        })
    }

    /// Takes the provider's own names for the reply and the model, if it has any.
    fn adopt(&mut self, id: &str, model: &str) {
        for (label, theirs) in [(&mut self.0.id, id), (&mut self.0.model, model)] {
            if !theirs.is_empty() {
                theirs.clone_into(label);
            }
        }
    }

    /// The members that begin a reply and a chunk alike; `choices` is next.
    fn write(&self, object: &str, out: &mut Writer) {
        out.member("id", &self.0.id);
        out.member("object", object);
        out.key("created");
        out.scalar(self.0.created);
        out.member("model", &self.0.model);
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
