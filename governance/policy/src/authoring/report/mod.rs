//! What tests came to, written down: for people, in the shape of `opa test`'s
//! JSON, and as `JUnit` XML.

mod json;
mod junit;
mod pretty;

pub use json::{coverage, tests};
pub use junit::junit;
pub use pretty::pretty;
