//! OpenAI itself.

use lattice_dialects::canonical::Unsupported;

use super::chat::{Caps, prepare};
use super::{Adapter, Asking, Place, Prepared, Prices};

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

    fn prepare(&self, asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
        prepare(asking, Caps::Either)
    }
}
