//! `mlx_lm.server`: OpenAI's chat route on a Mac.

use lattice_dialects::Api;

use super::{Adapter, Place, Prices};

/// `mlx_lm.server`, on one's own machine.
pub struct Mlx;

impl Adapter for Mlx {
    fn name(&self) -> &'static str {
        "mlx"
    }

    fn place(&self) -> Place {
        Place::Remote {
            base_url: None,
            versions: &[],
            key_variable: None,
        }
    }

    fn prices(&self) -> Prices {
        Prices::Free
    }

    fn api(&self, _asked: Api) -> Api {
        Api::Chat
    }

    fn path(&self, _api: Api, _model: &str, _stream: bool) -> String {
        "chat/completions".to_owned()
    }
}
