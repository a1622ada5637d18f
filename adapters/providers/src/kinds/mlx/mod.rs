//! `mlx_lm.server`: OpenAI's chat route on a Mac.

use lattice_dialects::canonical::Unsupported;

use super::chat::{Caps, prepare};
use super::{Adapter, Asking, Place, Prepared, Prices};

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

    fn prepare(&self, asking: &Asking<'_>) -> Result<Prepared, Unsupported> {
        prepare(asking, Caps::MaxTokens)
    }
}
