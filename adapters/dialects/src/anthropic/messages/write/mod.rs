//! Canonical events as a message, in one piece or streamed.

mod blocks;
mod ending;
mod reply;
mod stream;

pub use reply::ReplyWriter;
pub use stream::StreamWriter;

use crate::json::Writer;
use crate::reply::Labels;

/// The members that begin a message; `content` is next. The model is as the
/// provider names it, if it does; the id is ours, since no other provider's looks
/// like one of Anthropic's.
fn head(labels: &Labels, model: &str, out: &mut Writer) {
    out.member("id", &format!("msg_{}", labels.id));
    out.member("type", "message");
    out.member("role", "assistant");
    let model = if model.is_empty() {
        &labels.model
    } else {
        model
    };
    out.member("model", model);
}
