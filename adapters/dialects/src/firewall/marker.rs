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
            Api::Chat => &[CALL],
            // The types of items and of events about them: all have `_call` in them, but
            // for `mcp_approval_request`.
            Api::Responses => &[CALL, b"_approval"],
            // `tool_use`, a type and a stop reason, to its end: results of tools that the
            // provider runs have a `tool_use_id`.
            Api::Messages => &[b"_use\""],
            // `functionCall`, or `function_call`.
            Api::Generate => &[b"call"],
        };
        Self { api, words }
    }

    /// Whether `bytes` may hold a call, or part of one.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.goes_on(bytes, 0)
    }

    /// The same, where the first `before` of `bytes` have been looked at, and are the end
    /// of what was: they may not tell any longer what a word in them means.
    pub(super) fn goes_on(&self, bytes: &[u8], before: usize) -> bool {
        let mut words = self.words.iter();
        words.any(|word| self.finds(word, bytes, before)) || spells_letters(bytes)
    }

    fn finds(&self, word: &[u8], bytes: &[u8], before: usize) -> bool {
        let first = word[0];
        let is_here = |at: usize| {
            let here = bytes.get(at..at + word.len());
            here.is_some_and(|here| here.eq_ignore_ascii_case(word))
                && at + word.len() > before
                && match self.api {
                    Api::Chat => !has_no_value(&bytes[at + word.len()..]),
                    Api::Generate => names_functions(&bytes[..at]),
                    Api::Responses => word != CALL || !is_no_call(&bytes[..at]),
                    Api::Messages => true,
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

const CALL: &[u8] = b"_call";

const FUNCTION: &[u8] = b"function";

/// What `_call` ends in Responses that is none for the caller to run: the items that
/// OpenAI runs, whose pictures are long, and two settings that every response repeats.
const NO_CALLS: [&[u8]; 7] = [
    b"web_search",
    b"file_search",
    b"code_interpreter",
    b"image_generation",
    b"mcp",
    b"parallel_tool",
    b"max_tool",
];

/// Whether one of [`NO_CALLS`] comes before: a string begins with it, or what follows
/// the `response.` of an event.
fn is_no_call(before: &[u8]) -> bool {
    NO_CALLS.iter().any(|word| {
        let outside = before.strip_suffix(*word);
        outside.is_some_and(|outside| matches!(outside.last(), Some(b'"' | b'.')))
    })
}

/// So many bytes before a place can be part of a word there, or tell what it means.
pub(super) const REACH: usize = 32;

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
        let responses = Marker::of(Api::Responses);
        for harmless in [
            r#""parallel_tool_calls":true,"max_tool_calls":null"#,
            r#""type":"response.mcp_call.completed","item":{"type":"mcp_call""#,
        ] {
            assert!(!responses.is_in(harmless.as_bytes()), "{harmless}");
        }
        assert!(responses.is_in(br#""type":"my_mcp_call""#));
        assert!(!Marker::of(Api::Messages).is_in(br#""tool_use_id":"srv""#));
        for harmless in [r#""text":"call""#, r#""toolCall":{"#, "AbCall/9unctioncall"] {
            assert!(!gemini.is_in(harmless.as_bytes()), "{harmless}");
        }
    }
}
