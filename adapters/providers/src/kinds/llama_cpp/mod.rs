//! GGUF models in this process.

use lattice_dialects::Api;

use super::{Adapter, Place, Prices};

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

    fn api(&self, asked: Api) -> Api {
        asked
    }

    fn path(&self, _api: Api, _model: &str, _stream: bool) -> String {
        String::new()
    }
}
