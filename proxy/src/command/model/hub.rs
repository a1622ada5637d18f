//! The Hugging Face hub, or what `HF_ENDPOINT` names in its place.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_RANGE, RANGE};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::catalog::Known;
use super::part::{Cut, Part};
use super::progress::Progress;

const ENDPOINT: &str = "https://huggingface.co";
const CONNECT: Duration = Duration::from_secs(5);
/// How long the hub may think before its head.
const HEAD: Duration = Duration::from_secs(30);
/// The slowest transfer that is waited for, in bytes a second.
const SLOWEST: u64 = 50_000;

/// Fetches the rest of the model.
pub fn fetch(model: &Known, part: &mut Part<'_>, progress: &Progress) -> Result<String, Cut> {
    let endpoint = std::env::var("HF_ENDPOINT").ok();
    let endpoint = endpoint.filter(|text| !text.is_empty());
    let base = endpoint
        .as_deref()
        .unwrap_or(ENDPOINT)
        .trim_end_matches('/');
    // Addresses are shown, and what stands before an `@` is a secret.
    if base.contains('@') {
        let why = "HF_ENDPOINT: holds a user name or token; name the address without it";
        return Err(Cut::Source(why.to_owned()));
    }
    let url = format!("{base}/{}/resolve/main/{}", model.hub, model.file);
    let patience = HEAD + Duration::from_secs(60 + model.bytes / SLOWEST);
    let mut body = ask(&url, model.bytes, part, patience)?;
    let title = format!("{} from {base}", model.name);
    match part.fill(&mut body, &title, progress) {
        Err(Cut::Source(why)) => Err(Cut::Source(format!("{url}: {why}"))),
        Err(here) => Err(here),
        Ok(()) => Ok(url),
    }
}

/// Asks for what is missing; a hub that sends the whole instead begins anew.
fn ask(
    url: &str,
    bytes: u64,
    part: &mut Part<'_>,
    patience: Duration,
) -> Result<impl Read + use<>, Cut> {
    let agent = agent(patience);
    let mut request = agent.get(url);
    if part.length() > 0 {
        request = request.header(RANGE, format!("bytes={}-", part.length()));
    }
    let response = request
        .call()
        .map_err(|error| Cut::Source(format!("{url}: {error}")))?;
    let starts = response.headers().get(CONTENT_RANGE);
    let starts = starts.and_then(|range| {
        let range = range.to_str().ok()?.strip_prefix("bytes ")?;
        range.split_once('-')?.0.parse::<u64>().ok()
    });
    let length = response.body().content_length();
    match response.status() {
        // A page of a portal, say: none of it is kept.
        StatusCode::OK if length.is_some_and(|length| length != bytes) => {
            let length = length.unwrap_or_default();
            return Err(Cut::Source(format!(
                "{url}: has {length} bytes, not {bytes}"
            )));
        }
        StatusCode::PARTIAL_CONTENT if starts == Some(part.length()) => {}
        StatusCode::OK => part.restart().map_err(Cut::Here)?,
        status => return Err(Cut::Source(format!("{url}: {status}"))),
    }
    Ok(response.into_body().into_reader())
}

fn agent(patience: Duration) -> Agent {
    let found = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<_> = found
        .iter()
        .map(|root| Certificate::from_der(root).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(HEAD))
        .timeout_recv_body(Some(patience))
        .tls_config(tls)
        .build()
        .into()
}
