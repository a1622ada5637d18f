//! Usage as Gemini reports it.

use serde::Deserialize;

use crate::canonical::Usage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    prompt_token_count: u64,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
}

/// Reads a `usageMetadata` object. Thoughts are counted beside the candidates
/// there, and what server tools fed back beside the prompt; counts of zero are
/// left out. Without the prompt's count (some chunks of a stream lack it), and
/// with a count that is negative, fractional or beyond 2^53, it is no usage.
///
/// Tokens that only the total shows are charged as output. Cached tokens that
/// outnumber the input were counted beside it.
#[must_use]
pub fn read(json: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(json).ok()?;
    let sane = |count: u64| (count <= Usage::ABSURD).then_some(count);
    let part = |count: Option<u64>| sane(count.unwrap_or(0));

    let cached_input = part(wire.cached_content_token_count)?;
    let reasoning = part(wire.thoughts_token_count)?;
    let mut input = sane(wire.prompt_token_count)? + part(wire.tool_use_prompt_token_count)?;
    if cached_input > input {
        input += cached_input;
    }
    let mut output = part(wire.candidates_token_count)? + reasoning;
    let total = wire.total_token_count.unwrap_or(0);
    output += total.saturating_sub(input + output);
    Some(Usage {
        input: sane(input)?,
        cached_input,
        cache_write: 0,
        output: sane(output)?,
        reasoning,
    })
}

/// The `usageMetadata` object that [`read`] reads back as `usage`. `cache_write`
/// has no form there: Gemini bills the storing of a prompt apart.
#[must_use]
pub fn render(usage: &Usage) -> String {
    let Usage {
        input,
        cached_input,
        cache_write: _,
        output,
        reasoning,
    } = *usage;
    format!(
        r#"{{"promptTokenCount":{input},"cachedContentTokenCount":{cached_input},"candidatesTokenCount":{},"thoughtsTokenCount":{reasoning},"totalTokenCount":{}}}"#,
        output.saturating_sub(reasoning),
        input.saturating_add(output)
    )
}
