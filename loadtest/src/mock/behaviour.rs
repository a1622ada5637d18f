//! What a request gets: how much, how fast, and which fault.

use std::time::Duration;

use super::fault::Fault;

/// The reply that a request gets. One content chunk is one completion token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Content chunks of each choice, before the caller's output cap.
    pub chunks: u64,
    /// Bytes of text in each chunk.
    pub chunk_bytes: usize,
    /// Wait before the response header.
    pub latency: Duration,
    /// Wait before the first content chunk.
    pub first_delay: Duration,
    /// Wait before each further content chunk.
    pub delay: Duration,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            chunks: 8,
            chunk_bytes: 16,
            latency: Duration::ZERO,
            first_delay: Duration::ZERO,
            delay: Duration::ZERO,
            fault: None,
        }
    }
}

impl Behaviour {
    /// This behaviour with the settings of `query` laid over it, for instance
    /// `chunks=50&chunk_bytes=64&latency_ms=5&first_delay_ms=100&delay_ms=20&fault=reset_after:5`.
    ///
    /// # Errors
    /// A sentence that names the setting: a mistyped one must fail the test
    /// that wrote it, not pass it.
    pub fn overlaid(&self, query: &str) -> Result<Self, String> {
        let mut behaviour = self.clone();
        for setting in query.split('&').filter(|setting| !setting.is_empty()) {
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| format!("{setting} has no value"))?;
            match key {
                "chunks" => behaviour.chunks = number(key, value)?,
                "chunk_bytes" => behaviour.chunk_bytes = number(key, value)?,
                "latency_ms" => behaviour.latency = milliseconds(key, value)?,
                "first_delay_ms" => behaviour.first_delay = milliseconds(key, value)?,
                "delay_ms" => behaviour.delay = milliseconds(key, value)?,
                "fault" => behaviour.fault = Some(value.parse()?),
                _ => return Err(format!("unknown setting {key}")),
            }
        }
        Ok(behaviour)
    }

    /// How long the token with this number, over all choices, takes. Tokens of
    /// one position come together, as providers sample choices in one batch.
    pub(super) fn wait_before(&self, token: u64, choices: u64) -> Duration {
        match token {
            0 => self.first_delay,
            _ if token.is_multiple_of(choices) => self.delay,
            _ => Duration::ZERO,
        }
    }
}

fn number<N: std::str::FromStr>(key: &str, value: &str) -> Result<N, String> {
    value
        .parse()
        .map_err(|_| format!("{key} wants a number, not {value}"))
}

fn milliseconds(key: &str, value: &str) -> Result<Duration, String> {
    number(key, value).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::{Behaviour, Duration, Fault};

    #[test]
    fn a_query_changes_only_what_it_names() {
        let overlaid = Behaviour::default()
            .overlaid("chunks=50&delay_ms=20&chunk_bytes=64&fault=reset_after:5");
        let expected = Behaviour {
            chunks: 50,
            chunk_bytes: 64,
            delay: Duration::from_millis(20),
            fault: Some(Fault::ResetAfter(5)),
            ..Behaviour::default()
        };
        assert_eq!(overlaid, Ok(expected));
    }

    #[test]
    fn a_mistyped_setting_is_refused_by_name() {
        for (query, named) in [
            ("chunk=5", "chunk"),
            ("chunks", "chunks"),
            ("delay_ms=soon", "delay_ms"),
            ("fault=reset", "reset"),
        ] {
            let refusal = Behaviour::default().overlaid(query);
            assert!(
                refusal
                    .as_ref()
                    .is_err_and(|sentence| sentence.contains(named)),
                "{query}: {refusal:?}"
            );
        }
    }
}
