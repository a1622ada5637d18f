//! Where requests go and what they carry.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Uri};
use serde_json::json;

use crate::cli::Failure;
use crate::mock::passage;

/// The load that every target of one run gets.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LoadArgs {
    /// Keep-alive connections, each with one request at a time.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Length of each measured window.
    #[arg(long, default_value_t = 8.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Load before each window that is not measured, in seconds.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    pub(crate) warmup: f64,
    /// A request that takes longer is an error, in seconds.
    #[arg(long, default_value_t = 60.0, value_parser = seconds)]
    pub(crate) timeout: f64,
    /// The model that is asked for.
    #[arg(long, default_value = "mock")]
    pub(crate) model: String,
    /// Ask for a stream.
    #[arg(long)]
    pub(crate) stream: bool,
    /// Pad the prompt so that the body has about this many bytes.
    #[arg(long, default_value_t = 0)]
    pub(crate) body_bytes: usize,
    /// Send this file as the body, as it is; model and stream are then its own.
    #[arg(long, conflicts_with_all = ["body_bytes", "model"])]
    pub(crate) body: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=86_400.0).contains(seconds))
        .ok_or_else(|| "wants seconds, at most a day".to_owned())
}

impl LoadArgs {
    /// The same load aimed at a URL.
    pub(crate) fn aimed_at(
        &self,
        url: &str,
        key: Option<&str>,
        model: &str,
    ) -> Result<Target, Failure> {
        let body = match &self.body {
            Some(path) => Bytes::from(
                std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
            ),
            None => chat_body(model, self.stream, self.body_bytes),
        };
        let mut target = Target::get(url)?;
        target.stream = self.stream;
        target.body = Some(body);
        target.timeout = Duration::from_secs_f64(self.timeout);
        let json = HeaderValue::from_static("application/json");
        target.headers.insert(CONTENT_TYPE, json);
        if let Some(key) = key {
            let mut bearer = HeaderValue::try_from(format!("Bearer {key}"))?;
            bearer.set_sensitive(true);
            target.headers.insert(AUTHORIZATION, bearer);
        }
        Ok(target)
    }
}

/// A server, a path, and the request that it gets over and over.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// Host and port to connect to.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: Uri,
    pub(crate) headers: HeaderMap,
    /// The body of a POST; without one it is a GET.
    pub(crate) body: Option<Bytes>,
    /// Whether the reply is read as a stream of events.
    pub(crate) stream: bool,
    pub(crate) timeout: Duration,
}

impl Target {
    pub(crate) fn get(url: &str) -> Result<Self, Failure> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("{url}: only http:// is spoken here").into());
        }
        let host = uri.host().ok_or_else(|| format!("{url}: no host"))?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            url: url.to_owned(),
            path: path.parse()?,
            headers: HeaderMap::from_iter([(HOST, HeaderValue::try_from(&authority)?)]),
            authority,
            body: None,
            stream: false,
            timeout: Duration::from_secs(10),
        })
    }
}

fn chat_body(model: &str, stream: bool, bytes: usize) -> Bytes {
    let body = |content: &str| {
        json!({
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "stream": stream,
        })
        .to_string()
    };
    let greeting = "Say hello in one short sentence.";
    let padding = passage(0, bytes.saturating_sub(body(greeting).len() + 1));
    Bytes::from(match padding.as_str() {
        "" => body(greeting),
        padding => body(&format!("{greeting} {padding}")),
    })
}

#[cfg(test)]
mod tests {
    use super::{Target, chat_body};

    #[test]
    fn a_padded_body_has_the_size_that_was_asked_for() {
        for bytes in [1_000, 200_000] {
            assert_eq!(chat_body("mock", true, bytes).len(), bytes);
        }
        assert_eq!(chat_body("mock", true, 0), chat_body("mock", true, 10));
    }

    #[test]
    fn a_url_is_taken_apart_or_refused() {
        let parts = Target::get("http://localhost:8080/v1/x?y=1")
            .map(|target| (target.authority, target.path.to_string()))
            .ok();
        assert_eq!(parts, Some(("localhost:8080".into(), "/v1/x?y=1".into())));
        for wrong in ["https://localhost/", "localhost:80", "http://"] {
            assert!(Target::get(wrong).is_err(), "{wrong} was taken");
        }
    }
}
