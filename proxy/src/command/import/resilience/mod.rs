//! Timeouts, retries and balancing. What the entries of `model_list` and the settings say of
//! them meets here, once it is known which models have fallbacks.

mod balance;
mod retries;
mod timeouts;

use serde_json::{Map, Value};

use super::document::member;
use super::draft::{Draft, Target};
use super::grade::{Verdict, Verdicts, approximate, unsupported};

/// An entry of `model_list` that was written.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its path.
    pub at: String,
    /// Its `litellm_params`.
    pub params: &'a Map<String, Value>,
    /// Its upstream's place in [`Draft::providers`].
    pub provider: usize,
    /// What it became; `None`: it is a wildcard.
    pub target: Option<Placed>,
}

/// A target of a model.
#[derive(Debug)]
pub struct Placed {
    /// The model's place in [`Draft::models`].
    pub model: usize,
    /// The target.
    pub target: Target,
    /// Its place by the file's `order`; the lowest is asked first.
    pub rank: u64,
    /// Whether it was the model's first entry.
    pub is_first: bool,
}

/// What the file says.
pub struct Said<'a> {
    /// Entry by entry.
    pub entries: &'a [Entry<'a>],
    /// All sections of the file.
    pub sections: &'a Map<String, Value>,
    /// How many targets each model has without those of its fallbacks.
    pub own: &'a [usize],
}

/// Writes into the draft what can be, and says what became of each key.
pub fn apply(said: &Said<'_>, draft: &mut Draft, verdicts: &mut Verdicts) {
    timeouts::apply(said, draft, verdicts);
    retries::apply(said, draft, verdicts);
    balance::apply(said, draft, verdicts);
}

impl<'a> Said<'a> {
    /// The settings of these names, with their paths: first the one that counts.
    fn settings(&self, keys: &[&str]) -> Vec<(String, &'a Value)> {
        let found = keys.iter().flat_map(|key| {
            let sections = super::litellm::SETTINGS.iter();
            sections.filter_map(|section| {
                let value = self.sections.get(*section)?.get(*key)?;
                let at = member(section, key);
                (!value.is_null()).then_some((at, value))
            })
        });
        found.collect()
    }
}

impl<'a> Entry<'a> {
    /// The parameters of these names, with their paths: first the one that counts.
    fn params(&self, keys: &[&str]) -> Vec<(String, &'a Value)> {
        let at = member(&self.at, "litellm_params");
        let found = keys.iter().filter_map(|key| {
            let value = self.params.get(*key)?;
            (!value.is_null()).then_some((member(&at, key), value))
        });
        found.collect()
    }
}

/// What becomes of keys that have no say.
fn is_overruled() -> Verdict {
    approximate("Another key of the same meaning is used in its place.")
}

/// What becomes of such a key of `litellm_params`, unless more is known of it.
pub fn param(key: &str, value: &Value) -> Option<Verdict> {
    match key {
        "timeout" | "request_timeout" | "stream_timeout" | "max_retries" | "num_retries"
        | "weight"
            if value.is_null() =>
        {
            Some(is_empty())
        }
        "timeout_by_service_tier" | "stream_timeout_by_service_tier" => Some(unsupported(
            "A provider has one set of `timeouts`, whatever the service tier.",
        )),
        _ => None,
    }
}

/// What becomes of such a key of a section of settings, unless more is known of it.
pub fn setting(key: &str, value: &Value) -> Option<Verdict> {
    match key {
        "timeout" | "request_timeout" | "stream_timeout" | "num_retries" | "max_retries"
        | "routing_strategy"
            if value.is_null() =>
        {
            Some(is_empty())
        }
        "retry_after" => Some(approximate(
            "Lattice waits as long as the provider's Retry-After says, else a short random time.",
        )),
        "retry_policy" | "model_group_retry_policy" => Some(unsupported(
            "Which failures are tried again cannot be chosen; set `retries` at each model.",
        )),
        "allowed_fails" | "allowed_fails_policy" | "cooldown_time" | "disable_cooldowns" => {
            Some(approximate(
                "Each target has a breaker with thresholds of its own; `/readyz` shows those that are open.",
            ))
        }
        _ => None,
    }
}

fn is_empty() -> Verdict {
    super::grade::exact("Is empty.")
}
