//! OpenAI itself.

use lattice_dialects::Api;
use lattice_dialects::embed::EmbedApi;
use lattice_dialects::openai::chat::Server;

use super::{Adapter, Caps, Place, Prices};

/// OpenAI itself. Its reasoning models refuse the old name of the output cap, and
/// it refuses a request that has both.
pub struct OpenAi;

impl Adapter for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn place(&self) -> Place {
        Place::Remote {
            base_url: Some("https://api.openai.com/v1"),
            versions: &[],
            key_variable: Some("OPENAI_API_KEY"),
        }
    }

    fn prices(&self) -> Prices {
        Prices::Provider("openai")
    }

    fn api(&self, asked: Api) -> Api {
        match asked {
            Api::Chat => Api::Chat,
            // Its newer models take tools and thoughts together there alone.
            Api::Responses | Api::Messages | Api::Generate => Api::Responses,
        }
    }

    fn path(&self, api: Api, _model: &str, _stream: bool) -> String {
        match api {
            Api::Responses => "responses",
            _ => "chat/completions",
        }
        .to_owned()
    }

    fn caps(&self) -> Caps {
        Caps::Either
    }

    fn server(&self, _host: &str) -> Server {
        Server::OpenAi
    }

    fn counter(&self) -> Option<Api> {
        Some(Api::Responses)
    }

    fn embeds(&self) -> Option<EmbedApi> {
        Some(EmbedApi::OpenAi)
    }
}
