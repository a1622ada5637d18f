//! Usage as Gemini reports it.

use serde::Deserialize;

use crate::canonical::{Tier, Usage};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    prompt_token_count: u64,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Option<Vec<Detail>>,
    #[serde(default)]
    tool_use_prompt_tokens_details: Option<Vec<Detail>>,
    #[serde(default)]
    cache_tokens_details: Option<Vec<Detail>>,
    #[serde(default)]
    candidates_tokens_details: Option<Vec<Detail>>,
    /// Google AI's.
    #[serde(default, deserialize_with = "Tier::member")]
    service_tier: Option<Tier>,
    /// Vertex's.
    #[serde(default, deserialize_with = "Tier::member")]
    traffic_type: Option<Tier>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(default)]
    modality: Modality,
    token_count: Option<u64>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Modality {
    Audio,
    Image,
    Video,
    /// Text and documents, which are charged as text.
    #[default]
    #[serde(other)]
    Other,
}

/// So many tokens of that kind; `None` where one of the counts is none.
fn of(kind: Modality, details: &[&Option<Vec<Detail>>]) -> Option<u64> {
    let details = details.iter().copied().flatten().flatten();
    let counts = details.filter(|detail| detail.modality == kind);
    counts
        .map(|detail| detail.token_count.unwrap_or(0))
        .try_fold(0_u64, |sum, count| sum.checked_add(count))
        .filter(|sum| *sum <= Usage::ABSURD)
}

/// The tier, whichever of the two names it.
fn tier(wire: &Wire) -> Option<Tier> {
    let traffic = wire.traffic_type;
    let traffic = traffic.and_then(|traffic| match traffic.as_str() {
        "traffic_type_unspecified" => None,
        "on_demand_priority" => Tier::of("priority"),
        "on_demand_flex" => Tier::of("flex"),
        _ => Some(traffic),
    });
    wire.service_tier.or(traffic)
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
    output = output.saturating_add(total.saturating_sub(input + output));
    let prompt = [
        &wire.prompt_tokens_details,
        &wire.tool_use_prompt_tokens_details,
    ];
    let cached = [&wire.cache_tokens_details];
    let candidates = [&wire.candidates_tokens_details];
    let usage = Usage {
        input,
        cached_input,
        input_audio: of(Modality::Audio, &prompt)?,
        input_image: of(Modality::Image, &prompt)?,
        input_video: of(Modality::Video, &prompt)?,
        cached_audio: of(Modality::Audio, &cached)?,
        cached_image: of(Modality::Image, &cached)?,
        output,
        reasoning,
        output_audio: of(Modality::Audio, &candidates)?,
        output_image: of(Modality::Image, &candidates)?,
        tier: tier(&wire),
        ..Usage::default()
    };
    usage.sane()
}

/// The `usageMetadata` object that [`read`] reads back as `usage`. `cache_write`
/// has no form there: Gemini bills the storing of a prompt apart; nor have searches.
#[must_use]
pub fn render(usage: &Usage) -> String {
    let Usage {
        input,
        cached_input,
        output,
        reasoning,
        ..
    } = *usage;
    let shown = output.saturating_sub(reasoning);
    let mut rare = details(
        "promptTokensDetails",
        input,
        &[
            ("AUDIO", usage.input_audio),
            ("IMAGE", usage.input_image),
            ("VIDEO", usage.input_video),
        ],
    );
    rare += &details(
        "cacheTokensDetails",
        cached_input,
        &[("AUDIO", usage.cached_audio), ("IMAGE", usage.cached_image)],
    );
    rare += &details(
        "candidatesTokensDetails",
        shown,
        &[("AUDIO", usage.output_audio), ("IMAGE", usage.output_image)],
    );
    if let Some(tier) = &usage.tier {
        rare += &format!(r#","serviceTier":"{}""#, tier.as_str());
    }
    format!(
        r#"{{"promptTokenCount":{input},"cachedContentTokenCount":{cached_input},"candidatesTokenCount":{shown},"thoughtsTokenCount":{reasoning},"totalTokenCount":{}{rare}}}"#,
        input.saturating_add(output)
    )
}

/// A list of what the tokens were, text last; nothing where all of them were text.
fn details(name: &str, all: u64, parts: &[(&str, u64)]) -> String {
    let text = parts
        .iter()
        .fold(all, |rest, (_, tokens)| rest.saturating_sub(*tokens));
    let parts: Vec<String> = parts
        .iter()
        .copied()
        .chain([("TEXT", text)])
        .filter(|(_, tokens)| *tokens > 0)
        .map(|(kind, tokens)| format!(r#"{{"modality":"{kind}","tokenCount":{tokens}}}"#))
        .collect();
    if text == all {
        return String::new();
    }
    format!(r#","{name}":[{}]"#, parts.join(","))
}
