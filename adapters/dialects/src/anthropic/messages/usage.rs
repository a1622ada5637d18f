//! Usage as Anthropic reports it: `input_tokens` leaves out what was read from
//! and written to the cache.

use serde::Deserialize;

use crate::canonical::Usage;
use crate::json::Str;

/// Counts as they add up over a reply: those of a stream come in two events, the
/// later of which counts from the beginning again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    known: Wire,
    /// Whether something came that cannot be a count.
    broken: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Wire {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<Details>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Details {
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Takes up a `usage` object; what it does not name stays as it was. Iterations
    /// that are not the reply's own (compaction, an advisor) cost beside what is
    /// counted, so that no count can be believed.
    pub(super) fn merge(&mut self, json: &str) {
        if json.contains("\"iterations\"") && has_foreign_iterations(json) {
            self.broken = true;
            return;
        }
        let Ok(later) = serde_json::from_str::<Option<Wire>>(json) else {
            self.broken = true;
            return;
        };
        let Some(later) = later else { return };
        let known = self.known;
        self.known = Wire {
            input_tokens: later.input_tokens.or(known.input_tokens),
            cache_read_input_tokens: later
                .cache_read_input_tokens
                .or(known.cache_read_input_tokens),
            cache_creation_input_tokens: later
                .cache_creation_input_tokens
                .or(known.cache_creation_input_tokens),
            output_tokens: later.output_tokens.or(known.output_tokens),
            output_tokens_details: later.output_tokens_details.or(known.output_tokens_details),
        };
    }

    /// `None` where a side is missing, or where a count cannot be true.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.broken {
            return None;
        }
        let wire = self.known;
        let sane = |count: u64| (count <= Usage::ABSURD).then_some(count);
        let part = |count: Option<u64>| sane(count.unwrap_or(0));
        let cached_input = part(wire.cache_read_input_tokens)?;
        let cache_write = part(wire.cache_creation_input_tokens)?;
        let input = sane(wire.input_tokens?)? + cached_input + cache_write;
        let output = sane(wire.output_tokens?)?;
        let thinking = wire.output_tokens_details.and_then(|it| it.thinking_tokens);
        Some(Usage {
            input: sane(input)?,
            cached_input,
            cache_write,
            output,
            // An estimate beside the total that is billed.
            reasoning: part(thinking)?.min(output),
        })
    }
}

fn has_foreign_iterations(json: &str) -> bool {
    #[derive(Deserialize)]
    struct Iterating<'a> {
        #[serde(borrow)]
        iterations: Option<Vec<Iteration<'a>>>,
    }
    #[derive(Deserialize)]
    struct Iteration<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Str<'a>>,
    }
    match serde_json::from_str::<Iterating<'_>>(json) {
        Ok(Iterating { iterations }) => iterations.into_iter().flatten().any(|iteration| {
            iteration
                .kind
                .is_none_or(|kind| !matches!(&*kind.0, "message"))
        }),
        Err(_) => true,
    }
}

/// Reads a `usage` object. A count that is missing, negative, fractional or
/// beyond 2^53 makes it no usage at all.
#[must_use]
pub fn read(json: &str) -> Option<Usage> {
    let mut counts = Counts::default();
    counts.merge(json);
    counts.usage()
}

/// The `usage` object that [`read`] takes for `usage`; where more was cached and
/// written than there was input, which Anthropic cannot say, the input is what
/// was cached and written.
#[must_use]
pub fn render(usage: &Usage) -> String {
    let cached = usage.cached_input.saturating_add(usage.cache_write);
    format!(
        r#"{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"output_tokens":{},"output_tokens_details":{{"thinking_tokens":{}}}}}"#,
        usage.input.saturating_sub(cached),
        usage.cache_write,
        usage.cached_input,
        usage.output,
        usage.reasoning,
    )
}
