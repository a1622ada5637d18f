//! Claude, over Anthropic's Messages API.

use http::HeaderName;
use lattice_dialects::anthropic::messages;
use lattice_dialects::canonical::{Decode, ErrorFacts, Unsupported};
use uuid::Uuid;

use super::{Adapter, Asking, Payload, Place, Prepared, Prices, boxed, constant, post};

/// The version of the wire that the encoder and the decoder were written for.
const VERSION: &str = "2023-06-01";

/// Claude, over Anthropic's Messages API.
pub struct Anthropic;

impl Adapter for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn place(&self) -> Place {
        Place::Remote {
            base_url: Some("https://api.anthropic.com"),
            versions: &["/v1"],
            key_variable: Some("ANTHROPIC_API_KEY"),
        }
    }

    fn prices(&self) -> Prices {
        Prices::Provider("anthropic")
    }

    fn credential(&self, key: &str) -> (HeaderName, String) {
        (HeaderName::from_static("x-api-key"), key.to_owned())
    }

    fn prepare(&self, asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
        let encoded = messages::encode(&asking.canonical()?, &asking.encode_for())?;
        let mut payload = post(
            format!("{}/messages", asking.provider.base_path),
            encoded.body,
        );
        if let Payload::Http { headers, .. } = &mut payload {
            headers.extend([constant("anthropic-version", VERSION)]);
        }
        Ok(Prepared {
            payload,
            noted: boxed(encoded.noted),
        })
    }

    fn decoder(&self, _request_id: Uuid) -> Option<Box<dyn Decode>> {
        Some(Box::<messages::Decoder>::default())
    }

    fn read_error(&self, body: &[u8]) -> Option<ErrorFacts> {
        messages::read_error(body)
    }
}
