//! Usage as the Responses API reports it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::Usage;

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
    Some(Usage {
        input: sane(input)?,
        cached_input,
        cache_write,
        output: sane(output)?,
        reasoning,
    })
}

/// The `usage` object that [`read`] takes for `usage`.
#[must_use]
pub fn render(usage: &Usage) -> String {
    let Usage {
        input,
        cached_input,
        cache_write,
        output,
        reasoning,
    } = usage;
    let total = input + output;
    format!(
        concat!(
            r#"{{"input_tokens":{input},"input_tokens_details":{{"cached_tokens":{cached_input},"#,
            r#""cache_write_tokens":{cache_write}}},"output_tokens":{output},"#,
            r#""output_tokens_details":{{"reasoning_tokens":{reasoning}}},"total_tokens":{total}}}"#,
        ),
        input = input,
        cached_input = cached_input,
        cache_write = cache_write,
        output = output,
        reasoning = reasoning,
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
    }
    let reply: Reply<'_> = serde_json::from_slice(body).ok()?;
    read(reply.usage.get())
}
