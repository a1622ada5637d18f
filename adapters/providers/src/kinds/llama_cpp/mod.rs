//! GGUF models in this process.

use lattice_dialects::canonical::Unsupported;

use super::{Adapter, Asking, Payload, Place, Prepared, Prices};

/// GGUF models in this process. The engine takes the caller's request as it is and
/// answers in the caller's dialect, so there is nothing to translate here.
pub struct LlamaCpp;

impl Adapter for LlamaCpp {
    fn name(&self) -> &'static str {
        "llama_cpp"
    }

    fn place(&self) -> Place {
        Place::InProcess
    }

    fn prices(&self) -> Prices {
        Prices::Free
    }

    fn prepare(&self, _asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
        Ok(Prepared {
            payload: Payload::InProcess,
            noted: Vec::new(),
        })
    }
}
