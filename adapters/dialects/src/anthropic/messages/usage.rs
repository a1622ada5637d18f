//! Usage as Anthropic reports it: `input_tokens` leaves out what was read from
//! and written to the cache.

use serde::Deserialize;

use crate::canonical::{Tier, Usage};
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
    cache_creation: Option<Creation>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<Details>,
    server_tool_use: Option<Tools>,
    #[serde(default, deserialize_with = "Tier::member")]
    service_tier: Option<Tier>,
    /// `fast` costs more.
    #[serde(default, deserialize_with = "Tier::member")]
    speed: Option<Tier>,
    /// Where the model ran; to have that in one region only may cost more.
    #[serde(default, deserialize_with = "Tier::member")]
    inference_geo: Option<Tier>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Details {
    thinking_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Creation {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Tools {
    web_search_requests: Option<u64>,
}

impl Wire {
    /// What was charged other than by the list; where it is several things at once, that
    /// has no name.
    fn tier(&self) -> Option<Tier> {
        let geo = self.inference_geo.filter(|geo| {
            let said = geo.as_str();
            !matches!(said, "global" | "not_available")
        });
        let geo = geo.and_then(|geo| Tier::of(&format!("geo-{}", geo.as_str())));
        let mut said = [self.service_tier, self.speed, geo].into_iter().flatten();
        match (said.next(), said.next()) {
            (first, None) => first,
            _ => Tier::of("unknown"),
        }
    }
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
            cache_creation: later.cache_creation.or(known.cache_creation),
            output_tokens: later.output_tokens.or(known.output_tokens),
            output_tokens_details: later.output_tokens_details.or(known.output_tokens_details),
            server_tool_use: later.server_tool_use.or(known.server_tool_use),
            service_tier: later.service_tier.or(known.service_tier),
            speed: later.speed.or(known.speed),
            inference_geo: later.inference_geo.or(known.inference_geo),
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
        let (minutes, hour) = match wire.cache_creation {
            Some(Creation {
                ephemeral_5m_input_tokens,
                ephemeral_1h_input_tokens,
            }) => (
                part(ephemeral_5m_input_tokens)?,
                part(ephemeral_1h_input_tokens)?,
            ),
            None => (0, 0),
        };
        let cache_write = part(wire.cache_creation_input_tokens)?.max(minutes + hour);
        let input = sane(wire.input_tokens?)? + cached_input + cache_write;
        let output = sane(wire.output_tokens?)?;
        let thinking = wire.output_tokens_details.and_then(|it| it.thinking_tokens);
        let tools = wire.server_tool_use;
        let usage = Usage {
            input,
            cached_input,
            cache_write,
            cache_write_1h: hour,
            output,
            // An estimate beside the total that is billed.
            reasoning: part(thinking)?,
            web_searches: part(tools.and_then(|tools| tools.web_search_requests))?,
            tier: wire.tier(),
            ..Usage::default()
        };
        usage.sane()
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
/// was cached and written. Sound, pictures and film have no place in it.
#[must_use]
pub fn render(usage: &Usage) -> String {
    let cached = usage.cached_input.saturating_add(usage.cache_write);
    let mut rare = String::new();
    // All of it for five minutes is what is understood where nothing is said.
    if usage.cache_write_1h > 0 {
        rare = format!(
            r#","cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":{}}}"#,
            usage.cache_write.saturating_sub(usage.cache_write_1h),
            usage.cache_write_1h
        );
    }
    if usage.web_searches > 0 {
        let searches = usage.web_searches;
        rare += &format!(r#","server_tool_use":{{"web_search_requests":{searches}}}"#);
    }
    let tier = usage.tier.as_ref().map(Tier::as_str);
    rare += &match tier {
        Some(tier @ ("priority" | "batch" | "unknown")) => format!(r#","service_tier":"{tier}""#),
        Some("fast") => r#","speed":"fast""#.into(),
        Some(tier) => match tier.strip_prefix("geo-") {
            Some(geo) => format!(r#","inference_geo":"{geo}""#),
            // Of another provider's; there is no word for it here.
            None => String::new(),
        },
        None => String::new(),
    };
    format!(
        r#"{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"output_tokens":{},"output_tokens_details":{{"thinking_tokens":{}}}{rare}}}"#,
        usage.input.saturating_sub(cached),
        usage.cache_write,
        usage.cached_input,
        usage.output,
        usage.reasoning,
    )
}
