//! Timeouts, retries and balancing: the keys of `lattice.yaml` that they belong in. They are
//! named here and nowhere else.

use serde_json::Value;

use super::document::{count, number};
use super::grade::{Verdict, approximate, manual, unsupported};

/// The most retries that a model may have.
const MOST_RETRIES: u64 = 5;
/// The heaviest that a target may be.
const HEAVIEST: u64 = 1000;

/// What becomes of such a key of `litellm_params`.
pub fn param(key: &str, value: &Value) -> Option<Verdict> {
    match key {
        "timeout" | "stream_timeout" => Some(timeout(key, value, "the provider")),
        "timeout_by_service_tier" | "stream_timeout_by_service_tier" => Some(unsupported(
            "A provider has one set of `timeouts`, whatever the service tier.",
        )),
        "max_retries" | "num_retries" => Some(retries(value, "the model")),
        "weight" => Some(match count(value) {
            Some(weight @ 1..=HEAVIEST) => manual(format!(
                "Set `weight: {weight}` at the target and `balance: weighted` at its model."
            )),
            _ => manual(format!(
                "Set a whole `weight` from 1 to {HEAVIEST} at the target and `balance: weighted` at its model."
            )),
        }),
        _ => None,
    }
}

/// What becomes of such a key of a section of settings.
pub fn setting(key: &str, value: &Value) -> Option<Verdict> {
    match key {
        "timeout" | "request_timeout" | "stream_timeout" => {
            Some(timeout(key, value, "each provider"))
        }
        "num_retries" | "max_retries" => Some(retries(value, "each model")),
        "retry_after" => Some(approximate(
            "Lattice waits as long as the provider's Retry-After says, else a short random time.",
        )),
        "retry_policy" | "model_group_retry_policy" => Some(unsupported(
            "Which failures are tried again cannot be chosen; set `retries` at each model.",
        )),
        "routing_strategy" => Some(balance(value)),
        "allowed_fails" | "allowed_fails_policy" | "cooldown_time" | "disable_cooldowns" => {
            Some(approximate(
                "Each target has a breaker with thresholds of its own; `/readyz` shows those that are open.",
            ))
        }
        _ => None,
    }
}

/// LiteLLM's timeouts are for the silence of a connection, not for a whole call.
fn timeout(key: &str, value: &Value, place: &str) -> Verdict {
    let keys: &[&str] = match key {
        "stream_timeout" => &["between_chunks_ms"],
        _ => &["first_byte_ms", "between_chunks_ms"],
    };
    let millis = number(value).map(|seconds| (seconds * 1000.0).round());
    let Some(millis) = millis.filter(|millis| *millis >= 1.0) else {
        let keys = keys.join("` and `timeouts.");
        return manual(format!("Set `timeouts.{keys}` at {place}."));
    };
    let members: Vec<String> = keys.iter().map(|key| format!("{key}: {millis}")).collect();
    let members = members.join(", ");
    manual(format!("Set `timeouts: {{ {members} }}` at {place}."))
}

fn retries(value: &Value, place: &str) -> Verdict {
    match count(value) {
        Some(retries) => {
            let retries = retries.min(MOST_RETRIES);
            manual(format!("Set `retries: {retries}` at {place}."))
        }
        None => manual(format!(
            "Set `retries`, from 0 to {MOST_RETRIES}, at {place}."
        )),
    }
}

fn balance(value: &Value) -> Verdict {
    let balance = match value.as_str() {
        Some("simple-shuffle") => "weighted",
        Some("least-busy") => "least_busy",
        _ => {
            return unsupported(
                "Lattice does not route by latency, usage or cost; set `balance: weighted` or `balance: least_busy` at models with several targets.",
            );
        }
    };
    manual(format!(
        "Set `balance: {balance}` at models with several targets."
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_note_is_what_to_write() {
        let params = [
            (
                "timeout",
                json!(5),
                "Set `timeouts: { first_byte_ms: 5000, between_chunks_ms: 5000 }` at the provider.",
            ),
            (
                "stream_timeout",
                json!("0.5"),
                "Set `timeouts: { between_chunks_ms: 500 }` at the provider.",
            ),
            (
                "timeout",
                json!("os.environ/T"),
                "Set `timeouts.first_byte_ms` and `timeouts.between_chunks_ms` at the provider.",
            ),
            (
                "timeout",
                json!(-1),
                "Set `timeouts.first_byte_ms` and `timeouts.between_chunks_ms` at the provider.",
            ),
            ("max_retries", json!(9), "Set `retries: 5` at the model."),
            (
                "weight",
                json!(0.5),
                "Set a whole `weight` from 1 to 1000 at the target and `balance: weighted` at its model.",
            ),
        ];
        for (key, value, note) in params {
            assert_eq!(param(key, &value), Some(manual(note)));
        }
        let least_busy = json!("least-busy");
        assert_eq!(
            setting("routing_strategy", &least_busy),
            Some(manual(
                "Set `balance: least_busy` at models with several targets."
            ))
        );
        assert_eq!(param("temperature", &json!(1)), None);
    }
}
