//! Whose fault is a provider's error status?

use std::time::Duration;

use http::{HeaderMap, header::RETRY_AFTER};
use lattice_dialects::canonical::{ErrorFacts, Unsupported};
use lattice_kernel::{Code, Gate, Refusal};

use crate::transport::TransportError;

/// A provider that names a longer wait is not believed.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// What the caller is told of a status that is not a success.
pub(crate) enum Fault {
    /// The request itself: the provider's status and text pass.
    Caller,
    /// The provider, or our account there.
    Provider(Refusal),
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
    let refusal = match status {
        402 => Refusal::new(
            Gate::Execution,
            Code::ProviderError,
            format!(
                "The gateway's account at provider {provider:?} has no credit ({status}); whoever administers the gateway must see to it."
            ),
        ),
        _ if credential || matches!(status, 401 | 403) => Refusal::new(
            Gate::Execution,
            Code::ProviderError,
            format!(
                "Provider {provider:?} refused the gateway's credential ({status}); whoever administers the gateway must mend its api_key."
            ),
        ),
        // Followed, one would carry the prompt to a host that nobody configured.
        300..=399 => Refusal::new(
            Gate::Execution,
            Code::ProviderError,
            format!(
                "Provider {provider:?} answered with a redirect ({status}), and redirects are not followed; whoever administers the gateway must point its base_url at the place itself."
            ),
        ),
        408 | 504 | 524 => Refusal::new(
            Gate::Execution,
            Code::ProviderTimeout,
            format!("Provider {provider:?} timed out ({status}); try again."),
        ),
        429 | 503 | 529 => {
            let refusal = Refusal::new(
                Gate::Execution,
                Code::ProviderOverloaded,
                format!(
                    "Provider {provider:?} is overloaded or limits its rate ({status}); try again later."
                ),
            );
            let told = facts
                .and_then(|facts| facts.retry_after)
                .map(|after| after.min(LONGEST_WAIT));
            match retry_after(headers).or(told) {
                Some(after) => refusal.retry_after(after),
                None => refusal,
            }
        }
        400..=499 => return Fault::Caller,
        _ => Refusal::new(
            Gate::Execution,
            Code::ProviderError,
            format!("Provider {provider:?} failed with status {status}; try again."),
        ),
    };
    Fault::Provider(refusal)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
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

    /// The refusal that this amounts to.
    pub(crate) fn refusal(self, provider: &str) -> Refusal {
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
