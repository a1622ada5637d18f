//! Ids of tool calls: Anthropic and its clients know letters, digits, `_` and `-`.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What ids of other providers begin with, once they are spelled in those.
const SPELLED: &str = "lattice_";

/// `id` in letters, digits, `_` and `-`: as it is where it has no others, else
/// each in its own way; so are ids that look as if they had been.
pub(super) fn spell(id: &str) -> Cow<'_, str> {
    let is_plain = id.bytes().all(|byte| fits(byte) || byte == b'_');
    if is_plain && !id.is_empty() && !id.starts_with(SPELLED) {
        return Cow::Borrowed(id);
    }
    let mut spelled = SPELLED.to_owned();
    for byte in id.bytes() {
        if fits(byte) {
            spelled.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(spelled, "_{byte:02x}");
        }
    }
    Cow::Owned(spelled)
}

/// The id that is [spelled](spell) so.
pub(super) fn read(spelled: Cow<'_, str>) -> Cow<'_, str> {
    match unspell(&spelled).filter(|id| spell(id) == spelled) {
        Some(id) => Cow::Owned(id),
        None => spelled,
    }
}

fn unspell(spelled: &str) -> Option<String> {
    let mut rest = spelled.strip_prefix(SPELLED)?;
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((plain, escaped)) = rest.split_once('_') {
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
        rest = &escaped[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

fn fits(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_differ_are_spelled_differently_and_read_back() {
        for (theirs, ours) in [
            ("toolu_01-A", "toolu_01-A"),
            ("call.1", "lattice_call_2e1"),
            ("call_2e1", "call_2e1"),
            ("lattice_call_2e1", "lattice_lattice_5fcall_5f2e1"),
            ("call_.1", "lattice_call_5f_2e1"),
            ("é", "lattice__c3_a9"),
            ("", "lattice_"),
            ("lattice_", "lattice_lattice_5f"),
        ] {
            assert_eq!(spell(theirs), ours);
            assert_eq!(read(Cow::Borrowed(ours)), theirs);
        }
    }

    #[test]
    fn what_was_never_spelled_so_is_left_alone() {
        for id in [
            "lattice_call",
            "lattice_a_",
            "lattice_a_zz",
            "lattice_a_2E1",
            "lattice_a_+1",
            "lattice_a_ff",
            "lattice_a_é",
        ] {
            assert_eq!(read(Cow::Borrowed(id)), id);
        }
    }
}
