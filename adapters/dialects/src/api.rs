//! The APIs that clients ask for and providers offer.

use crate::error::ErrorBody;
use crate::openai;

/// One API: the shape of a request and of its replies. Its dialect is that of the
/// company that made it up, whoever speaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI chat completions.
    Chat,
}

impl Api {
    /// The body of an error reply.
    #[must_use]
    pub fn render_error(self, error: &ErrorBody<'_>) -> String {
        match self {
            Self::Chat => openai::render_error(error),
        }
    }
}
