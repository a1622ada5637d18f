//! Gemini, over Google's generateContent API.

use http::HeaderName;
use lattice_dialects::Api;
use lattice_dialects::embed::EmbedApi;
use lattice_dialects::gemini::generate;

use super::{Adapter, Place, Prices};

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

    fn api(&self, _asked: Api) -> Api {
        Api::Generate
    }

    fn path(&self, _api: Api, model: &str, stream: bool) -> String {
        generate::path(model, stream)
    }

    fn counter(&self) -> Option<Api> {
        Some(Api::Generate)
    }

    fn embeds(&self) -> Option<EmbedApi> {
        Some(EmbedApi::Gemini)
    }
}
