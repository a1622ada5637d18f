//! What a provider's error means.

use std::time::Duration;

/// What is to be known of an error reply, whatever its dialect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorFacts {
    /// The provider's words; at most 512 characters.
    pub message: Option<String>,
    /// The provider's word for the kind of error (`overloaded_error`,
    /// `RESOURCE_EXHAUSTED`); at most 64 characters.
    pub kind: Option<String>,
    /// The prompt, or prompt and output cap together, exceed the model's window.
    pub context_length: bool,
    /// The provider refused the gateway's own credential: nothing that the caller
    /// can mend, whatever the status says.
    pub credential: bool,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
}
