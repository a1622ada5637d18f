//! Whose fault is a provider's error status?

use std::time::Duration;

use http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use lattice_dialects::canonical::{ErrorFacts, Unsupported};
use lattice_kernel::{Code, Gate, Refusal};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::resilience::Attempted;
use crate::transport::TransportError;

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// A provider that names a longer wait is not believed.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// What a status that is not a success means, and what the caller is told of it.
pub(crate) enum Fault {
    /// The request itself: the provider's status and text pass.
    Caller,
    /// The gateway's account there, or what configuration says of it: asking again
    /// changes nothing.
    Account(Refusal),
    /// The provider limits its rate.
    Limit(Refusal),
    /// The provider.
    Provider(Refusal),
}

impl Fault {
    /// What its target's breaker is told.
    pub fn attempted(&self) -> Attempted {
        match self {
            Self::Caller => Attempted::Rejected,
            Self::Account(_) => Attempted::Refused,
            Self::Limit(_) => Attempted::Limited,
            Self::Provider(_) => Attempted::Failed,
        }
    }
}

/// Statuses that speak of the request pass as they came. Those that speak of
/// the gateway's credential or of the provider's state are not the caller's to
/// mend, and must not look as if they were.
pub(crate) fn fault_of(
    provider: &str,
    status: u16,
    headers: &HeaderMap,
    facts: Option<&ErrorFacts>,
) -> Fault {
    // Some providers answer 400 to a key that they do not know.
    let credential = facts.is_some_and(|facts| facts.credential);
    // OpenAI's 429 for an account whose money is spent: no waiting mends that.
    let broke = facts.is_some_and(|facts| facts.kind.as_deref() == Some("insufficient_quota"));
    let refuse = |code, message: String| Refusal::new(Gate::Execution, code, message);
    match status {
        _ if broke || status == 402 => Fault::Account(refuse(
            Code::ProviderError,
            format!(
                "The gateway's account at provider {provider:?} has no credit ({status}); whoever administers the gateway must see to it."
            ),
        )),
        _ if credential || matches!(status, 401 | 403) => Fault::Account(refuse(
            Code::ProviderError,
            format!(
                "Provider {provider:?} refused the gateway's credential ({status}); whoever administers the gateway must mend its api_key."
            ),
        )),
        // Followed, one would carry the prompt to a host that nobody configured.
        300..=399 => Fault::Account(refuse(
            Code::ProviderError,
            format!(
                "Provider {provider:?} answered with a redirect ({status}), and redirects are not followed; whoever administers the gateway must point its base_url at the place itself."
            ),
        )),
        408 | 504 | 524 => Fault::Provider(refuse(
            Code::ProviderTimeout,
            format!("Provider {provider:?} timed out ({status}); try again."),
        )),
        429 | 503 | 529 => {
            let mut refusal = refuse(
                Code::ProviderOverloaded,
                format!(
                    "Provider {provider:?} is overloaded or limits its rate ({status}); try again later."
                ),
            );
            let told = facts.and_then(|facts| facts.retry_after);
            let told = retry_after(headers).or(told);
            refusal.retry_after = told.map(|after| after.min(LONGEST_WAIT));
            if status == 429 {
                Fault::Limit(refusal)
            } else {
                Fault::Provider(refusal)
            }
        }
        400..=499 => Fault::Caller,
        // Also what asks the gateway to go elsewhere: it goes nowhere that
        // configuration does not name.
        ..=399 => Fault::Account(failed(provider, status)),
        _ => Fault::Provider(failed(provider, status)),
    }
}

fn failed(provider: &str, status: u16) -> Refusal {
    let message = format!("Provider {provider:?} failed with status {status}; try again.");
    Refusal::new(Gate::Execution, Code::ProviderError, message)
}

/// In milliseconds, in seconds, or until a date: then from the reply's own, so that
/// it does not matter whose clock is right.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name| text(name)?.parse().ok();
    let date = |name| OffsetDateTime::parse(text(name)?, &Rfc2822).ok();
    let millis = number(RETRY_AFTER_MS).map(Duration::from_millis);
    let seconds = || number(RETRY_AFTER).map(Duration::from_secs);
    let until = || (date(RETRY_AFTER)? - date(DATE)?).try_into().ok();
    millis.or_else(seconds).or_else(until)
}

/// The refusal of a request that this provider cannot be given.
pub(crate) fn unsupported(provider: &str, error: Unsupported) -> Refusal {
    let message = format!("{} (provider {provider:?})", error.why);
    Refusal::new(Gate::Execution, Code::CallerUnsupported, message).field(error.field)
}

impl TransportError {
    /// Whether the provider has seen nothing, so that another may be asked.
    pub(crate) fn is_unseen(&self) -> bool {
        matches!(
            self,
            Self::Unreached(_) | Self::Forbidden(_) | Self::Refused(_)
        )
    }

    /// The refusal that this amounts to at `provider`.
    #[must_use]
    pub fn refusal(self, provider: &str) -> Refusal {
        let detail = self.to_string();
        let (code, what) = match self {
            Self::Refused(refusal) => return refusal,
            Self::Forbidden(why) => {
                let message = format!("Provider {provider:?} was not called: {why}.");
                return Refusal::new(Gate::Execution, Code::ProviderError, message);
            }
            Self::Unreached(_) => (Code::ProviderError, "cannot be reached"),
            Self::TimedOut(_) => (Code::ProviderTimeout, "did not answer in time"),
            Self::Broken(_) => (Code::ProviderError, "broke the connection"),
        };
        Refusal::new(
            Gate::Execution,
            code,
            format!("Provider {provider:?} {what}; try again."),
        )
        .because(detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter().map(|(name, value)| {
            let value = http::HeaderValue::from_static(value);
            (HeaderName::from_static(name), value)
        });
        fields.collect()
    }

    #[test]
    fn a_wait_is_read_however_it_is_written() {
        let date = ("date", "Mon, 23 Nov 2026 10:00:00 GMT");
        for (fields, millis) in [
            (&[("retry-after", "7")][..], Some(7_000)),
            (&[("retry-after", " 7 ")], Some(7_000)),
            (
                &[("retry-after-ms", "250"), ("retry-after", "1")],
                Some(250),
            ),
            (
                &[date, ("retry-after", "Mon, 23 Nov 2026 10:00:09 GMT")],
                Some(9_000),
            ),
            (
                &[date, ("retry-after", "Mon, 23 Nov 2026 09:59:00 GMT")],
                None,
            ),
            (&[("retry-after", "Mon, 23 Nov 2026 10:00:09 GMT")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ] {
            let expected = millis.map(Duration::from_millis);
            assert_eq!(retry_after(&headers(fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn every_status_is_somebodys_fault() {
        let of = |status| fault_of("p", status, &HeaderMap::new(), None).attempted();
        for status in [400, 404, 409, 413, 422, 499] {
            assert_eq!(of(status), Attempted::Rejected, "{status}");
        }
        for status in [301, 307, 401, 402, 403] {
            assert_eq!(of(status), Attempted::Refused, "{status}");
        }
        for status in [500, 501, 502, 503, 504, 520, 524, 529] {
            assert_eq!(of(status), Attempted::Failed, "{status}");
        }
        assert_eq!(of(429), Attempted::Limited);
    }

    #[test]
    fn a_wait_of_days_is_not_believed() {
        let headers = headers(&[("retry-after", "999999999999")]);
        let Fault::Limit(refusal) = fault_of("p", 429, &headers, None) else {
            panic!("a limit");
        };
        assert_eq!(refusal.retry_after, Some(LONGEST_WAIT));
    }
}
