//! What a reply cost in tokens.

use serde::Deserialize;

/// Tokens of one reply, all choices together, as the provider counts them.
///
/// Every count is at most 2^53, `cached_input` and `cache_write` are each at most
/// `input`, and `reasoning` is at most `output`. A provider may write and read
/// the same tokens in one request, so `cached_input + cache_write` may exceed
/// `input` (recorded from OpenRouter): subtract with saturation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Read by the model, cached ones included.
    pub input: u64,
    /// Of `input`, read from the provider's cache.
    pub cached_input: u64,
    /// Of `input`, written to the provider's cache.
    pub cache_write: u64,
    /// Made by the model, reasoning included.
    pub output: u64,
    /// Of `output`, not shown to the caller.
    pub reasoning: u64,
}

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

/// The largest integer that every JSON reader keeps exact. No reply is as long.
const ABSURD: u64 = 1 << 53;

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
        let sane = |count: u64| (count <= ABSURD).then_some(count);
        let part = |count: Option<u64>| sane(count.unwrap_or(0));

        let cached_input = part(prompt.cached_tokens)?;
        let cache_write = part(prompt.cache_write_tokens)?;
        let audio = part(prompt.audio_tokens)?;
        let reasoning = part(completion.reasoning_tokens)?;
        let mut input = sane(wire.prompt_tokens)?;
        let mut output = sane(wire.completion_tokens)?;

        let unclaimed = part(wire.total_tokens)?.saturating_sub(input + output);
        if unclaimed == audio {
            input += unclaimed;
        } else {
            output += unclaimed;
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
