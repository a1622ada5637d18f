//! How long a provider may be silent.

use serde_json::Value;

use super::super::document::number;
use super::super::draft::{Draft, Timeouts};
use super::super::grade::{Verdict, Verdicts, approximate, manual};
use super::{Said, is_overruled};

/// For all requests; both mean the same.
const WHOLE: [&str; 2] = ["timeout", "request_timeout"];
/// For those that are streamed.
const STREAM: [&str; 1] = ["stream_timeout"];
/// The longest that a timeout may be.
const LONGEST_MS: f64 = 86_400_000.0;

type Found<'a> = Vec<(String, &'a Value)>;

/// A provider has one set of timeouts: entries that share it have to agree.
pub fn apply(said: &Said<'_>, draft: &mut Draft, verdicts: &mut Verdicts) {
    let (whole, stream) = (said.settings(&WHOLE), said.settings(&STREAM));
    let mut all_agree = true;
    for (index, provider) in draft.providers.iter_mut().enumerate() {
        let entries = said.entries.iter().filter(|entry| entry.provider == index);
        let entries: Vec<_> = entries
            .map(|entry| (entry.params(&WHOLE), entry.params(&STREAM)))
            .collect();
        let mut each = entries.iter().map(|(own_whole, own_stream)| {
            let whole = first(own_whole).or(first(&whole));
            let stream = first(own_stream).or(first(&stream)).or(whole);
            Timeouts {
                first_byte_ms: whole,
                between_chunks_ms: stream,
            }
        });
        let agreed = each.next().unwrap_or_default();
        let agree = each.all(|other| other == agreed);
        all_agree &= agree;
        if agree {
            provider.timeouts = agreed;
        }
        let name = format!("provider `{}`", provider.name);
        for (whole, stream) in &entries {
            say(whole, true, agree, &name, verdicts);
            say(stream, false, agree, &name, verdicts);
        }
    }
    say(&whole, true, all_agree, "each provider", verdicts);
    say(&stream, false, all_agree, "each provider", verdicts);
}

/// In milliseconds.
fn first(found: &Found<'_>) -> Option<u64> {
    found.first().and_then(|(_, value)| millis(value))
}

fn millis(value: &Value) -> Option<u64> {
    let millis = (number(value)? * 1000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within u64, as the range says"
    )]
    (1.0..=LONGEST_MS)
        .contains(&millis)
        .then_some(millis as u64)
}

fn say(found: &Found<'_>, is_whole: bool, agree: bool, place: &str, verdicts: &mut Verdicts) {
    for (index, (at, value)) in found.iter().enumerate() {
        let verdict = match index {
            0 => verdict(value, is_whole, agree, place),
            _ => is_overruled(),
        };
        verdicts.say(at, verdict);
    }
}

/// LiteLLM's timeouts are for the silence of a connection, not for a whole call.
fn verdict(value: &Value, is_whole: bool, agree: bool, place: &str) -> Verdict {
    let keys: &[&str] = if is_whole {
        &["first_byte_ms", "between_chunks_ms"]
    } else {
        &["between_chunks_ms"]
    };
    let Some(millis) = millis(value) else {
        let keys = keys.join("` and `timeouts.");
        return manual(format!(
            "Is no time from 0.001 s to a day; set `timeouts.{keys}` at {place}."
        ));
    };
    let members: Vec<String> = keys.iter().map(|key| format!("{key}: {millis}")).collect();
    let members = members.join(", ");
    if agree {
        approximate(format!(
            "`timeouts: {{ {members} }}` at {place}, unless more is said of it; a connection has 10 s of its own."
        ))
    } else {
        manual(format!(
            "Entries of one provider differ, and it has one set of timeouts; set `timeouts: {{ {members} }}` at {place} if that is meant for all."
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seconds_are_milliseconds_here() {
        for (seconds, expected) in [
            (json!(5), Some(5000)),
            (json!("0.5"), Some(500)),
            (json!(86_400), Some(86_400_000)),
            (json!(86_401), None),
            (json!(0), None),
            (json!(-1), None),
            (json!("os.environ/T"), None),
        ] {
            assert_eq!(millis(&seconds), expected, "{seconds}");
        }
    }
}
