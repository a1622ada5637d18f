//! Responses: the request that a client sends, the same request as an upstream of
//! the same API gets it, and the reply and stream that come back; and both ways from
//! and to the canonical form, where only one side speaks it.

mod canonical;
pub mod count;
mod decode;
mod encode;
mod facts;
mod models;
mod request;
mod rewrite;
mod strip;
pub mod usage;
mod watch;
mod write;

use crate::error::ErrorBody;
use crate::json::quote;

pub use decode::Decoder;
pub use encode::encode;
pub use request::ResponsesRequest;
pub use rewrite::Rewrite;
pub use usage::usage_of;
pub use watch::ResponsesWatch;
pub use write::{MAX_OUTPUT, ReplyWriter, StreamWriter};

/// An error as the last event of a stream, of which it is the event number
/// `sequence`. Typed readers find OpenAI's own members, and its Python and
/// JavaScript clients, which raise for a member `error` alone, find that.
fn error_event(error: &ErrorBody<'_>, sequence: u64) -> String {
    let body = super::render_error(error);
    let ErrorBody {
        message,
        param,
        code,
        mark,
        ..
    } = error;
    format!(
        "event: error\ndata: {{\"type\":\"error\",\"sequence_number\":{sequence},\"code\":{},\"message\":{},\"param\":{},{}\n\n",
        quote(code.unwrap_or(mark.code)),
        quote(message),
        param.map_or_else(|| "null".to_owned(), quote),
        body.trim_start_matches('{'),
    )
}
