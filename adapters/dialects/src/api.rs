//! The APIs that clients ask for and providers offer.

use crate::error::ErrorBody;
use crate::{anthropic, gemini, openai};

/// One API: the shape of a request and of its replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Messages,
    /// Gemini's `generateContent`, streamed or not.
    Generate,
}

impl Api {
    /// The field of a request that holds the conversation.
    pub(crate) fn conversation(self) -> &'static str {
        match self {
            Self::Chat | Self::Messages => "messages",
            Self::Responses => "input",
            Self::Generate => "contents",
        }
    }

    /// The body of an error reply.
    #[must_use]
    pub fn render_error(self, error: &ErrorBody<'_>) -> String {
        match self {
            Self::Chat | Self::Responses => openai::render_error(error),
            Self::Messages => anthropic::render_error(error),
            Self::Generate => gemini::render_error(error),
        }
    }
}
