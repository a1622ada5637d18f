//! Claude, over Anthropic's Messages API.

use http::{HeaderMap, HeaderName};
use lattice_dialects::Api;

use super::{Adapter, Place, Prices, constant};

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

    fn api(&self, _asked: Api) -> Api {
        Api::Messages
    }

    fn path(&self, _api: Api, _model: &str, _stream: bool) -> String {
        "messages".to_owned()
    }

    fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([constant("anthropic-version", VERSION)])
    }

    fn counter(&self) -> Option<Api> {
        Some(Api::Messages)
    }
}
