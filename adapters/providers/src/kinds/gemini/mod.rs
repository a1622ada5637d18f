//! Gemini, over Google's generateContent API.

use http::HeaderName;
use lattice_dialects::canonical::{Decode, ErrorFacts, Unsupported};
use lattice_dialects::gemini::generate;
use uuid::Uuid;

use super::{Adapter, Asking, Place, Prepared, Prices, boxed, post};

/// Gemini, over Google's generateContent API.
pub struct Gemini;

impl Adapter for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn place(&self) -> Place {
        Place::Remote {
            base_url: Some("https://generativelanguage.googleapis.com"),
            versions: &["/v1beta", "/v1"],
            key_variable: Some("GEMINI_API_KEY"),
        }
    }

    fn prices(&self) -> Prices {
        Prices::Provider("google")
    }

    fn credential(&self, key: &str) -> (HeaderName, String) {
        (HeaderName::from_static("x-goog-api-key"), key.to_owned())
    }

    fn prepare(&self, asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
        let encoded = generate::encode(&asking.canonical()?, &asking.encode_for())?;
        let path = generate::path(&asking.target.model, asking.body.chat.stream);
        Ok(Prepared {
            payload: post(
                format!("{}/{path}", asking.provider.base_path),
                encoded.body,
            ),
            noted: boxed(encoded.noted),
        })
    }

    fn decoder(&self, request_id: Uuid) -> Option<Box<dyn Decode>> {
        let seed = request_id.simple().to_string();
        Some(Box::new(generate::Decoder::new(&seed)))
    }

    fn read_error(&self, body: &[u8]) -> Option<ErrorFacts> {
        generate::read_error(body)
    }
}
