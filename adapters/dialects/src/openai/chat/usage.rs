//! Usage as OpenAI and those that follow it report it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{Tier, Usage};

#[derive(Deserialize)]
struct Wire {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// Mistral's spelling.
    num_cached_tokens: Option<u64>,
    /// DeepSeek's.
    prompt_cache_hit_tokens: Option<u64>,
    /// Beside the usage with OpenAI, in it with Mistral.
    #[serde(default, deserialize_with = "Tier::member")]
    service_tier: Option<Tier>,
}

#[derive(Deserialize, Default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
    video_tokens: Option<u64>,
    cached_tokens_details: Option<CachedDetails>,
}

#[derive(Deserialize, Default)]
struct CachedDetails {
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
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
        let cached = prompt.cached_tokens_details.unwrap_or_default();
        let completion = wire.completion_tokens_details.unwrap_or_default();
        let sane = |count: u64| (count <= Self::ABSURD).then_some(count);
        let part = |count: Option<u64>| sane(count.unwrap_or(0));

        let elsewhere = wire.num_cached_tokens.or(wire.prompt_cache_hit_tokens);
        let cached_input = part(prompt.cached_tokens.or(elsewhere))?;
        let cache_write = part(prompt.cache_write_tokens)?;
        let input_audio = part(prompt.audio_tokens)?;
        let reasoning = part(completion.reasoning_tokens)?;
        let mut input = sane(wire.prompt_tokens)?;
        let mut output = sane(wire.completion_tokens)?;

        let total = wire.total_tokens.unwrap_or(0);
        let unclaimed = total.saturating_sub(input + output);
        if unclaimed == input_audio {
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
            output = output.saturating_add(reasoning);
        }
        let usage = Self {
            input,
            cached_input,
            cache_write,
            input_audio,
            input_image: part(prompt.image_tokens)?,
            input_video: part(prompt.video_tokens)?,
            cached_audio: part(cached.audio_tokens)?,
            cached_image: part(cached.image_tokens)?,
            output,
            reasoning,
            output_audio: part(completion.audio_tokens)?,
            output_image: part(completion.image_tokens)?,
            tier: wire.service_tier,
            ..Self::default()
        };
        usage.sane()
    }

    /// As [`read`](Self::read), where the tier stands beside the usage.
    pub(super) fn served(json: &str, tier: Option<&RawValue>) -> Option<Self> {
        let usage = Self::read(json)?;
        let beside = tier.and_then(|tier| Tier::told(tier.get()));
        Some(Self {
            tier: beside.or(usage.tier),
            ..usage
        })
    }
}

/// The parts that hardly any reply has, as further members of its details.
pub(in crate::openai) fn rare(parts: &[(&str, u64)]) -> String {
    let told = parts.iter().filter(|(_, tokens)| *tokens > 0);
    told.map(|(name, tokens)| format!(r#","{name}":{tokens}"#))
        .collect()
}

/// `usage` as a chat reply tells it, with `cost` (a JSON number in USD) as
/// `lattice_cost_usd` where there is one. [`Usage::read`] reads it back the same, save
/// for what has no place in it: how long a cache is kept, searches, and the tier.
#[must_use]
pub fn render(usage: &Usage, cost: Option<&str>) -> String {
    let Usage {
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
        ..
    } = usage;
    let of_input = rare(&[
        ("audio_tokens", usage.input_audio),
        ("image_tokens", usage.input_image),
        ("video_tokens", usage.input_video),
    ]);
    let of_cached = rare(&[
        ("audio_tokens", usage.cached_audio),
        ("image_tokens", usage.cached_image),
    ]);
    let of_cached = match of_cached.strip_prefix(',') {
        Some(parts) => format!(r#","cached_tokens_details":{{{parts}}}"#),
        None => of_cached,
    };
    let of_output = rare(&[
        ("audio_tokens", usage.output_audio),
        ("image_tokens", usage.output_image),
    ]);
    let total = input + output;
    let cost = cost
        .filter(|cost| cost.parse::<serde_json::Number>().is_ok())
        .map(|cost| format!(r#","lattice_cost_usd":{cost}"#))
        .unwrap_or_default();
    format!(
        concat!(
            r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total},"#,
            r#""prompt_tokens_details":{{"cached_tokens":{cached_input},"#,
            r#""cache_write_tokens":{cache_write}{of_input}{of_cached}}},"#,
            r#""completion_tokens_details":{{"reasoning_tokens":{reasoning}{of_output}}}{cost}}}"#,
        ),
        input = input,
        output = output,
        total = total,
        cached_input = cached_input,
        cache_write = cache_write,
        reasoning = reasoning,
        of_input = of_input,
        of_cached = of_cached,
        of_output = of_output,
        cost = cost,
    )
}
