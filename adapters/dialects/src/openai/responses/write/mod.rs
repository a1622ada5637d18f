//! Canonical events as a response, in one piece or streamed.

mod item;
mod output;
mod reply;
mod response;
mod stream;

use crate::reply::{Labels, Writers};
pub use reply::ReplyWriter;
use response::Head;
pub use stream::{MAX_OUTPUT, StreamWriter};

/// The writers of the reply to the request that `body` is.
pub(super) fn writers(body: &[u8], labels: Labels) -> Writers {
    let head = Head::new(body, labels);
    Writers {
        stream: Box::new(StreamWriter::new(head.clone())),
        whole: Box::new(ReplyWriter::new(head)),
    }
}
