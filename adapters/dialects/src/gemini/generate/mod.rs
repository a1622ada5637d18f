//! `generateContent` and `streamGenerateContent`: a canonical request as the API
//! takes it, and its replies, streams and errors as canonical values.

mod decode;
mod encode;
mod error;
mod models;
mod path;
pub mod usage;

pub use decode::{Decoder, MADE_ID};
pub use encode::encode;
pub use error::read_error;
pub use path::path;
