//! Usage as the Responses API reports it.

use serde::Deserialize;

use crate::canonical::Usage;
use crate::json::Writer;

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
}

#[derive(Deserialize, Default)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads a `usage` object. A count that is missing, negative, fractional or beyond
/// 2^53 makes it no usage at all: better to settle in full than by a number that
/// means something else.
///
/// Tokens of the total that neither side claims are charged as output, and a part
/// that is larger than its whole was counted beside it, as servers that follow
/// OpenAI do in chat.
#[must_use]
pub fn read(json: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(json).ok()?;
    let input_details = wire.input_tokens_details.unwrap_or_default();
    let output_details = wire.output_tokens_details.unwrap_or_default();
    let sane = |count: u64| (count <= Usage::ABSURD).then_some(count);
    let part = |count: Option<u64>| sane(count.unwrap_or(0));

    let cached_input = part(input_details.cached_tokens)?;
    let cache_write = part(input_details.cache_write_tokens)?;
    let reasoning = part(output_details.reasoning_tokens)?;
    let mut input = sane(wire.input_tokens)?;
    let mut output = sane(wire.output_tokens)?;
    let total = wire.total_tokens.unwrap_or(0);
    output = output.saturating_add(total.saturating_sub(input + output));
    for part in [cached_input, cache_write] {
        if part > input {
            input += part;
        }
    }
    if reasoning > output {
        output += reasoning;
    }
    Some(Usage {
        input: sane(input)?,
        cached_input,
        cache_write,
        output: sane(output)?,
        reasoning,
    })
}

/// The usage that a reply in one piece reports; `None` when it does not, or when the
/// body is anything else.
#[must_use]
pub fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow)]
        usage: &'a serde_json::value::RawValue,
    }
    let reply: Reply<'_> = serde_json::from_slice(body).ok()?;
    read(reply.usage.get())
}

/// Writes `usage` as a reply tells it, with `cost` (a JSON number in USD) as
/// `lattice_cost_usd` where there is one. [`read`] reads it back the same.
pub(super) fn write(usage: &Usage, cost: Option<&str>, out: &mut Writer) {
    let count = |out: &mut Writer, key: &str, count: u64| {
        out.key(key);
        out.scalar(count);
    };
    out.open(b'{');
    count(out, "input_tokens", usage.input);
    out.key("input_tokens_details");
    out.open(b'{');
    count(out, "cached_tokens", usage.cached_input);
    count(out, "cache_write_tokens", usage.cache_write);
    out.close(b'}');
    count(out, "output_tokens", usage.output);
    out.key("output_tokens_details");
    out.open(b'{');
    count(out, "reasoning_tokens", usage.reasoning);
    out.close(b'}');
    count(out, "total_tokens", usage.input + usage.output);
    if let Some(cost) = cost.filter(|cost| cost.parse::<serde_json::Number>().is_ok()) {
        out.key("lattice_cost_usd");
        out.raw(cost);
    }
    out.close(b'}');
}
