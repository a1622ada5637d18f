//! Any server with OpenAI's chat route: vLLM, llama-server, Ollama, …

use lattice_dialects::Api;
use lattice_dialects::embed::EmbedApi;

use super::{Adapter, Place, Prices};

/// Any server with OpenAI's chat route. Most know the old name of the output cap
/// only.
pub struct OpenAiCompatible;

impl Adapter for OpenAiCompatible {
    fn name(&self) -> &'static str {
        "openai_compatible"
    }

    fn place(&self) -> Place {
        Place::Remote {
            base_url: None,
            versions: &[],
            key_variable: None,
        }
    }

    fn prices(&self) -> Prices {
        Prices::BaseUrl
    }

    fn api(&self, _asked: Api) -> Api {
        Api::Chat
    }

    fn path(&self, _api: Api, _model: &str, _stream: bool) -> String {
        "chat/completions".to_owned()
    }

    fn embeds(&self) -> Option<EmbedApi> {
        Some(EmbedApi::OpenAi)
    }
}
