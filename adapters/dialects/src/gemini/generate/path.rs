//! The model's place in the URL.

use std::fmt::Write;

/// The path below the API's version that generates with `model`, which may begin
/// with `models/`. A stream is asked for as server-sent events.
#[must_use]
pub fn path(model: &str, stream: bool) -> String {
    let verb = if stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    path_of(model, verb)
}

/// As [`path`], for another verb.
pub(crate) fn path_of(model: &str, verb: &str) -> String {
    let mut path = String::from("models/");
    for byte in name(model).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path.push(':');
    path.push_str(verb);
    path
}

/// `model` without `models/`.
pub(crate) fn name(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}
