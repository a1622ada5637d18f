//! Usage as OpenAI and those that follow it report it.

use serde::Deserialize;

use crate::canonical::Usage;

#[derive(Deserialize)]
struct Wire {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize, Default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Reads a `usage` object. A count that is missing, negative, fractional or
    /// beyond 2^53 makes it no usage at all: better to settle in full than by a
    /// number that means something else.
    ///
    /// Providers disagree about what includes what. Where the total shows tokens
    /// that neither side claims, they are charged: as input if they are the
    /// prompt's audio (Mistral), else as output (Gemini's thoughts, xAI's
    /// reasoning). A part that is larger than its whole was counted beside it
    /// (the cached tokens of Grok on Azure).
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        let wire: Wire = serde_json::from_str(json).ok()?;
        let prompt = wire.prompt_tokens_details.unwrap_or_default();
        let completion = wire.completion_tokens_details.unwrap_or_default();
        let sane = |count: u64| (count <= Self::ABSURD).then_some(count);
        let part = |count: Option<u64>| sane(count.unwrap_or(0));

        let cached_input = part(prompt.cached_tokens)?;
        let cache_write = part(prompt.cache_write_tokens)?;
        let audio = part(prompt.audio_tokens)?;
        let reasoning = part(completion.reasoning_tokens)?;
        let mut input = sane(wire.prompt_tokens)?;
        let mut output = sane(wire.completion_tokens)?;

        let total = wire.total_tokens.unwrap_or(0);
        let unclaimed = total.saturating_sub(input + output);
        if unclaimed == audio {
            input += unclaimed;
        } else {
            output = output.saturating_add(unclaimed);
        }
        for part in [cached_input, cache_write] {
            if part > input {
                input += part;
            }
        }
        if reasoning > output {
            output += reasoning;
        }
        Some(Self {
            input: sane(input)?,
            cached_input,
            cache_write,
            output: sane(output)?,
            reasoning,
        })
    }
}

/// `usage` as a chat reply tells it, with `cost` (a JSON number in USD) as
/// `lattice_cost_usd` where there is one. [`Usage::read`] reads it back the same.
#[must_use]
pub fn render(usage: &Usage, cost: Option<&str>) -> String {
    let Usage {
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
    } = usage;
    let total = input + output;
    let cost = cost
        .filter(|cost| cost.parse::<serde_json::Number>().is_ok())
        .map(|cost| format!(r#","lattice_cost_usd":{cost}"#))
        .unwrap_or_default();
    format!(
        concat!(
            r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total},"#,
            r#""prompt_tokens_details":{{"cached_tokens":{cached_input},"#,
            r#""cache_write_tokens":{cache_write}}},"#,
            r#""completion_tokens_details":{{"reasoning_tokens":{reasoning}}}{cost}}}"#,
        ),
        input = input,
        output = output,
        total = total,
        cached_input = cached_input,
        cache_write = cache_write,
        reasoning = reasoning,
        cost = cost,
    )
}
