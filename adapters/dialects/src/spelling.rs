//! The fields of a request as each API spells them.
//!
//! Those who write a request for a target name what it cannot be given, and what
//! became of the rest, as OpenAI's chat API does. A caller who came by another API
//! knows the field by another name.

use std::borrow::Cow;

use crate::Api;

/// A field of chat completions, in the words of Responses, Messages and Gemini;
/// `None` where it is the same word, or the API has none.
type Row = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

/// Longer names before those that they begin with.
const FIELDS: &[Row] = &[
    (
        "response_format.json_schema.name",
        Some("text.format.name"),
        Some("output_config.format"),
        Some("generationConfig.responseJsonSchema"),
    ),
    (
        "response_format",
        Some("text.format"),
        Some("output_config.format"),
        Some("generationConfig.responseMimeType"),
    ),
    (
        "reasoning_effort",
        Some("reasoning.effort"),
        Some("output_config.effort"),
        Some("generationConfig.thinkingConfig.thinkingLevel"),
    ),
    (
        "thinking_budget",
        Some("reasoning.effort"),
        Some("thinking.budget_tokens"),
        Some("generationConfig.thinkingConfig.thinkingBudget"),
    ),
    (
        "show_thoughts",
        Some("reasoning.summary"),
        Some("thinking.display"),
        Some("generationConfig.thinkingConfig.includeThoughts"),
    ),
    (
        "reasoning_details",
        Some("input.reasoning"),
        Some("messages.content.thinking"),
        Some("contents.parts.thought"),
    ),
    (
        "thought_signature",
        Some("input.reasoning"),
        Some("messages.content.thinking"),
        Some("contents.parts.thoughtSignature"),
    ),
    (
        "max_completion_tokens",
        Some("max_output_tokens"),
        Some("max_tokens"),
        Some("generationConfig.maxOutputTokens"),
    ),
    (
        "max_tokens",
        Some("max_output_tokens"),
        None,
        Some("generationConfig.maxOutputTokens"),
    ),
    (
        "messages.tool_calls",
        Some("input.function_call"),
        Some("messages.content.tool_use"),
        Some("contents.parts.functionCall"),
    ),
    (
        "messages.tool_call_id",
        Some("input.call_id"),
        Some("messages.content.tool_use_id"),
        Some("contents.parts.functionResponse"),
    ),
    (
        "messages.role",
        Some("input.role"),
        None,
        Some("contents.role"),
    ),
    (
        "messages.content",
        Some("input.content"),
        None,
        Some("contents.parts"),
    ),
    ("messages", Some("input"), None, Some("contents")),
    (
        "tool_choice.allowed_tools",
        None,
        None,
        Some("toolConfig.functionCallingConfig.allowedFunctionNames"),
    ),
    (
        "tool_choice",
        None,
        None,
        Some("toolConfig.functionCallingConfig"),
    ),
    (
        "tools.function",
        Some("tools"),
        Some("tools"),
        Some("tools.functionDeclarations"),
    ),
    (
        "parallel_tool_calls",
        None,
        Some("tool_choice.disable_parallel_tool_use"),
        None,
    ),
    ("user", None, Some("metadata.user_id"), None),
    (
        "stop",
        None,
        Some("stop_sequences"),
        Some("generationConfig.stopSequences"),
    ),
    ("n", None, None, Some("generationConfig.candidateCount")),
    (
        "temperature",
        None,
        None,
        Some("generationConfig.temperature"),
    ),
    ("top_p", None, None, Some("generationConfig.topP")),
    ("top_k", None, None, Some("generationConfig.topK")),
    ("seed", None, None, Some("generationConfig.seed")),
    (
        "presence_penalty",
        None,
        None,
        Some("generationConfig.presencePenalty"),
    ),
    (
        "frequency_penalty",
        None,
        None,
        Some("generationConfig.frequencyPenalty"),
    ),
];

impl Api {
    /// `told`, a field of chat completions or a note that begins with one and a
    /// colon, as callers of this API spell the field. What is spelled so already
    /// stays as it is.
    #[must_use]
    pub fn spell<'a>(self, told: &'a str) -> Cow<'a, str> {
        let own = |row: &Row| match self {
            Self::Chat => None,
            Self::Responses => row.1,
            Self::Messages => row.2,
            Self::Generate => row.3,
        };
        for row in FIELDS {
            let Some(rest) = told.strip_prefix(row.0) else {
                continue;
            };
            if rest.is_empty() || rest.starts_with([':', '.', '[']) {
                return match own(row) {
                    Some(own) => Cow::Owned(format!("{own}{rest}")),
                    None => Cow::Borrowed(told),
                };
            }
        }
        Cow::Borrowed(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_of_fields_that_they_know() {
        for (told, responses, messages, generate) in [
            (
                "response_format",
                "text.format",
                "output_config.format",
                "generationConfig.responseMimeType",
            ),
            (
                "messages.content.is_error",
                "input.content.is_error",
                "messages.content.is_error",
                "contents.parts.is_error",
            ),
            ("n", "n", "n", "generationConfig.candidateCount"),
            ("name: x", "name: x", "name: x", "name: x"),
            (
                "reasoning_effort: high",
                "reasoning.effort: high",
                "output_config.effort: high",
                "generationConfig.thinkingConfig.thinkingLevel: high",
            ),
            (
                "context_management",
                "context_management",
                "context_management",
                "context_management",
            ),
        ] {
            assert_eq!(Api::Chat.spell(told), told);
            assert_eq!(Api::Responses.spell(told), responses);
            assert_eq!(Api::Messages.spell(told), messages);
            assert_eq!(Api::Generate.spell(told), generate);
        }
    }
}
