//! Any server with OpenAI's chat route: vLLM, llama-server, Ollama, …

use lattice_dialects::canonical::Unsupported;

use super::chat::{Caps, prepare};
use super::{Adapter, Asking, Place, Prepared, Prices};

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

    fn prepare(&self, asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
        prepare(asking, Caps::MaxTokens)
    }
}
