//! What every event that is part of a call has in it, however it is spelled.

use memchr::{memchr_iter, memchr2_iter};

use crate::Api;

/// Words one of which is in every call, in any case of their letters: Go's decoder takes
/// keys in any case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marker {
    api: Api,
    words: &'static [&'static [u8]],
}

impl Marker {
    pub(super) fn of(api: Api) -> Self {
        let words: &'static [&'static [u8]] = match api {
            // `tool_calls` and `function_call`, keys and finish reasons.
            Api::Chat => &[b"_call"],
            // The types of items: all end in `_call`, but for `mcp_approval_request`.
            Api::Responses => &[b"_call", b"_approval"],
            // `tool_use`, a type and a stop reason.
            Api::Messages => &[b"_use"],
            // `functionCall`, or `function_call`.
            Api::Generate => &[b"call"],
        };
        Self { api, words }
    }

    /// Whether nothing of a call comes before its word: what it is called with follows
    /// the key.
    pub(super) fn leads(&self) -> bool {
        matches!(self.api, Api::Chat | Api::Generate)
    }

    /// Whether `bytes` may hold a call, or part of one.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.words.iter().any(|word| self.finds(word, bytes)) || spells_letters(bytes)
    }

    fn finds(&self, word: &[u8], bytes: &[u8]) -> bool {
        let first = word[0];
        let is_here = |at: usize| {
            let here = bytes.get(at..at + word.len());
            here.is_some_and(|here| here.eq_ignore_ascii_case(word))
                && match self.api {
                    Api::Chat => !has_no_value(&bytes[at + word.len()..]),
                    Api::Generate => names_functions(&bytes[..at]),
                    Api::Responses | Api::Messages => true,
                }
        };
        if first == b'_' {
            return memchr_iter(first, bytes).any(is_here);
        }
        memchr2_iter(first, first.to_ascii_uppercase(), bytes).any(is_here)
    }
}

/// Whether `function` comes before.
fn names_functions(before: &[u8]) -> bool {
    let before = before.strip_suffix(b"_").unwrap_or(before);
    let at = before.len().checked_sub(FUNCTION.len());
    at.is_some_and(|at| before[at..].eq_ignore_ascii_case(FUNCTION))
}

const FUNCTION: &[u8] = b"function";

/// So many bytes before a place can be part of a word there.
pub(super) const REACH: usize = FUNCTION.len() + "_call".len();

/// Whether what follows is the end of a key whose value is `null` or `[]`. Inside a
/// string there would be a backslash before the quote.
fn has_no_value(after: &[u8]) -> bool {
    let after = after.strip_prefix(b"s").unwrap_or(after);
    let value = after.strip_prefix(b"\"").map(<[u8]>::trim_ascii_start);
    let value = value.and_then(|it| it.strip_prefix(b":"));
    let value = value.map(<[u8]>::trim_ascii_start);
    value.is_some_and(|value| value.starts_with(b"null") || value.starts_with(b"[]"))
}

/// Whether a letter or an underscore is spelled as an escape, as nobody has reason to:
/// the other letters of Unicode that fold to one of ASCII are in no word.
fn spells_letters(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, br"\u00").any(|at| {
        let digit = bytes.get(at + 4);
        digit.is_some_and(|digit| matches!(digit, b'4'..=b'7'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_suspected_however_its_key_is_spelled() {
        let chat = Marker::of(Api::Chat);
        for spelled in [
            r#""tool_calls":[{"#,
            r#""TOOL_CALLS" : [ {"#,
            r#""tool\u005fcalls":[{"#,
            r#""tool_c\u0061lls":[{"#,
            r#""tool_c\u0061lls":null"#,
            r#""Function_Call":{"#,
            r#""tool_callſ":[{"#,
            r#""tool_calls":null,"tool_calls":[{"#,
            r#""finish_reason":"tool_calls""#,
        ] {
            assert!(chat.is_in(spelled.as_bytes()), "{spelled}");
        }
        for harmless in [
            r#""tool_calls":null"#,
            r#""tool_calls" : [],"function_call": null"#,
            r#""content":"\u00e9\n\ud83d\ude00""#,
            r#""finish_reason":null"#,
        ] {
            assert!(!chat.is_in(harmless.as_bytes()), "{harmless}");
        }
    }

    #[test]
    fn the_marks_of_the_other_apis_are_found() {
        for (api, spelled) in [
            (Api::Responses, r#""type":"shell_call""#),
            (Api::Responses, r#""type":"mcp_approval_request""#),
            (Api::Responses, r#""type":"function\u005Fcall""#),
            (Api::Messages, r#""type":"tool_use""#),
            (Api::Messages, r#""type":"tool_\u0075se""#),
            (Api::Generate, r#""functionCall":{"#),
            (Api::Generate, r#""function_call":{"#),
            (Api::Generate, r#""FUNCTIONCALL":{"#),
        ] {
            assert!(Marker::of(api).is_in(spelled.as_bytes()), "{spelled}");
        }
        let gemini = Marker::of(Api::Generate);
        for harmless in [r#""text":"call""#, r#""toolCall":{"#, "AbCall/9unctioncall"] {
            assert!(!gemini.is_in(harmless.as_bytes()), "{harmless}");
        }
    }
}
