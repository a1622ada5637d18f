//! Rate limits, the provider's or our own, told to the caller in the headers of the caller's
//! dialect. OpenAI tells until when by a duration (`6m0s`, `20ms`), Anthropic by a
//! point in time; Gemini tells nothing, and its clients look for nothing.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use lattice_kernel::Dialect;
use lattice_kernel::allowance::Allowances;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const OPENAI: &str = "x-ratelimit-";
const ANTHROPIC: &str = "anthropic-ratelimit-";
/// What both dialects count.
const COUNTED: [&str; 2] = ["requests", "tokens"];
/// No provider's window is longer; a longer word is not a duration.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// The limits that `headers` tell, for a caller of `dialect`, at `now`. Those of
/// the caller's own dialect are as they came.
pub fn told(
    headers: &HeaderMap,
    dialect: Dialect,
    now: OffsetDateTime,
) -> Vec<(HeaderName, HeaderValue)> {
    let (own, theirs) = match dialect {
        Dialect::OpenAi => (OPENAI, ANTHROPIC),
        Dialect::Anthropic => (ANTHROPIC, OPENAI),
        Dialect::Gemini => return Vec::new(),
    };
    let passing = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with(own));
    let mut told: Vec<_> = passing
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let foreign = |name: &HeaderName| name.as_str().starts_with(theirs);
    if told.is_empty() && headers.keys().any(foreign) {
        for counted in COUNTED {
            for fact in ["limit", "remaining", "reset"] {
                told.extend(translated(headers, dialect, counted, fact, now));
            }
        }
    }
    told
}

/// The gateway's own limits at `now`: in the headers that OpenAI's clients read, whatever
/// the dialect, and in those of Anthropic's for them.
pub fn own(
    allowances: &Allowances,
    dialect: Dialect,
    now: OffsetDateTime,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut told = Vec::new();
    let mut tell = |name: String, value: String| {
        let name = HeaderName::try_from(name).ok();
        told.extend(name.zip(HeaderValue::try_from(value).ok()));
    };
    for (counted, allowance) in COUNTED
        .into_iter()
        .zip([allowances.requests, allowances.tokens])
    {
        let Some(allowance) = allowance else { continue };
        let reset = format!("{}ms", allowance.reset.as_millis());
        let counts = [
            ("limit", allowance.limit),
            ("remaining", allowance.remaining),
        ];
        for (fact, count) in counts {
            tell(format!("{OPENAI}{fact}-{counted}"), count.to_string());
        }
        tell(format!("{OPENAI}reset-{counted}"), reset);
        if dialect == Dialect::Anthropic {
            for (fact, count) in counts {
                tell(format!("{ANTHROPIC}{counted}-{fact}"), count.to_string());
            }
            if let Ok(reset) = (now + allowance.reset).format(&Rfc3339) {
                tell(format!("{ANTHROPIC}{counted}-reset"), reset);
            }
        }
    }
    told
}

fn translated(
    headers: &HeaderMap,
    dialect: Dialect,
    counted: &str,
    fact: &str,
    now: OffsetDateTime,
) -> Option<(HeaderName, HeaderValue)> {
    let openai = format!("{OPENAI}{fact}-{counted}");
    let anthropic = format!("{ANTHROPIC}{counted}-{fact}");
    let (ours, theirs) = match dialect {
        Dialect::OpenAi => (openai, anthropic),
        Dialect::Anthropic => (anthropic, openai),
        Dialect::Gemini => return None,
    };
    let value = headers.get(theirs)?.to_str().ok()?;
    let value = match (fact, dialect) {
        ("reset", Dialect::OpenAi) => {
            let until = OffsetDateTime::parse(value, &Rfc3339).ok()? - now;
            format!("{}s", until.whole_seconds().max(0))
        }
        ("reset", _) => (now + duration(value)?).format(&Rfc3339).ok()?,
        _ => value.to_owned(),
    };
    let name = HeaderName::try_from(ours).ok()?;
    Some((name, HeaderValue::try_from(value).ok()?))
}

/// Reads `1h2m3.5s` and `20ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let (unit, after) = ["ms", "h", "m", "s"]
            .into_iter()
            .find_map(|unit| Some((unit, rest[digits..].strip_prefix(unit)?)))?;
        let seconds = match unit {
            "ms" => 1e-3,
            "h" => 3600.0,
            "m" => 60.0,
            _ => 1.0,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty() && total <= LONGEST).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn shown(from: &HeaderMap, dialect: Dialect) -> Vec<String> {
        told(from, dialect, OffsetDateTime::UNIX_EPOCH)
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
            .collect()
    }

    #[test]
    fn a_callers_own_dialect_passes_whole() {
        let openai = headers(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-reset-images", "1d"),
            ("content-type", "application/json"),
        ]);
        assert_eq!(
            shown(&openai, Dialect::OpenAi),
            [
                "x-ratelimit-limit-requests: 500",
                "x-ratelimit-reset-images: 1d"
            ]
        );
    }

    #[test]
    fn names_and_the_reset_are_translated() {
        let anthropic = headers(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-tokens-remaining", "7"),
            ("anthropic-ratelimit-tokens-reset", "1970-01-01T00:01:30Z"),
            ("anthropic-ratelimit-requests-reset", "1969-12-31T23:59:00Z"),
        ]);
        assert_eq!(
            shown(&anthropic, Dialect::OpenAi),
            [
                "x-ratelimit-limit-requests: 50",
                "x-ratelimit-reset-requests: 0s",
                "x-ratelimit-remaining-tokens: 7",
                "x-ratelimit-reset-tokens: 90s",
            ]
        );
        let openai = headers(&[
            ("x-ratelimit-limit-tokens", "9"),
            ("x-ratelimit-reset-tokens", "1m0.5s"),
            ("x-ratelimit-reset-requests", "soon"),
        ]);
        assert_eq!(
            shown(&openai, Dialect::Anthropic),
            [
                "anthropic-ratelimit-tokens-limit: 9",
                "anthropic-ratelimit-tokens-reset: 1970-01-01T00:01:00.5Z",
            ]
        );
        assert!(shown(&openai, Dialect::Gemini).is_empty());
    }

    #[test]
    fn durations_are_read_as_openai_writes_them() {
        for (text, milliseconds) in [
            ("6ms", 6),
            ("1s", 1000),
            ("6m0s", 360_000),
            ("1h2m", 3_720_000),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "5", "s", "1x", "-1s", "1e9h", "99999999h", "1.2.3s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
