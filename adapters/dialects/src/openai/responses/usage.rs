//! Usage as the Responses API reports it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{Tier, Usage};
use crate::openai::chat::usage::rare;

#[derive(Deserialize)]
struct Wire {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize, Default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// Reads a `usage` object. A count that is missing, negative, fractional or beyond
/// 2^53 makes it no usage at all.
///
/// Both sides include their parts. Where the total shows tokens that neither side
/// claims, they are charged as output, and a part that is larger than its whole was
/// counted beside it, as in the usage of chat completions.
#[must_use]
pub fn read(json: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(json).ok()?;
    let of_input = wire.input_tokens_details.unwrap_or_default();
    let of_output = wire.output_tokens_details.unwrap_or_default();
    let sane = |count: u64| (count <= Usage::ABSURD).then_some(count);
    let part = |count: Option<u64>| sane(count.unwrap_or(0));

    let cached_input = part(of_input.cached_tokens)?;
    let cache_write = part(of_input.cache_write_tokens)?;
    let reasoning = part(of_output.reasoning_tokens)?;
    let mut input = sane(wire.input_tokens)?;
    let mut output = sane(wire.output_tokens)?;

    let unclaimed = part(wire.total_tokens)?.saturating_sub(input + output);
    output += unclaimed;
    for part in [cached_input, cache_write] {
        if part > input {
            input += part;
        }
    }
    if reasoning > output {
        output += reasoning;
    }
    let usage = Usage {
        input,
        cached_input,
        cache_write,
        input_audio: part(of_input.audio_tokens)?,
        input_image: part(of_input.image_tokens)?,
        output,
        reasoning,
        output_audio: part(of_output.audio_tokens)?,
        output_image: part(of_output.image_tokens)?,
        ..Usage::default()
    };
    usage.sane()
}

/// As [`read`], with the tier that the response names.
pub(super) fn served(json: &str, tier: Option<&str>) -> Option<Usage> {
    let tier = tier.and_then(Tier::told);
    Some(Usage {
        tier,
        ..read(json)?
    })
}

/// The `usage` object that [`read`] takes for `usage`, save for what has no place in it:
/// how long a cache is kept, what of it was sound, film, searches, and the tier.
#[must_use]
pub fn render(usage: &Usage) -> String {
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
    ]);
    let of_output = rare(&[
        ("audio_tokens", usage.output_audio),
        ("image_tokens", usage.output_image),
    ]);
    let total = input + output;
    format!(
        concat!(
            r#"{{"input_tokens":{input},"input_tokens_details":{{"cached_tokens":{cached_input},"#,
            r#""cache_write_tokens":{cache_write}{of_input}}},"output_tokens":{output},"#,
            r#""output_tokens_details":{{"reasoning_tokens":{reasoning}{of_output}}},"#,
            r#""total_tokens":{total}}}"#,
        ),
        input = input,
        cached_input = cached_input,
        cache_write = cache_write,
        output = output,
        reasoning = reasoning,
        of_input = of_input,
        of_output = of_output,
        total = total,
    )
}

/// As [`render`], with `cost` (a JSON number in USD) as `lattice_cost_usd` where there
/// is one.
pub(super) fn priced(usage: &Usage, cost: Option<&str>) -> String {
    let mut json = render(usage);
    if let Some(cost) = cost.filter(|cost| cost.parse::<serde_json::Number>().is_ok()) {
        json.pop();
        json.push_str(&format!(r#","lattice_cost_usd":{cost}}}"#));
    }
    json
}

/// The usage that a reply in one piece reports; `None` when it does not, or when the
/// body is anything else.
#[must_use]
pub fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow)]
        usage: &'a RawValue,
        #[serde(borrow)]
        service_tier: Option<&'a RawValue>,
    }
    let reply: Reply<'_> = serde_json::from_slice(body).ok()?;
    let tier = reply.service_tier.map(RawValue::get);
    served(reply.usage.get(), tier)
}
