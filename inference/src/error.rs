//! Why a local model did not answer.

use std::fmt;

use lattice_dialects::canonical::Unsupported;

use crate::engine::Rejected;

/// An engine or a model file failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// Why a request to a local model was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// It asks for what the model cannot do.
    #[error("{0}")]
    Unsupported(#[from] Unsupported),
    /// No model of this name, or more than one: a sentence that names what there is.
    #[error("{0}")]
    UnknownModel(String),
    /// It does not fit, or too many wait.
    #[error("{0}")]
    Rejected(#[from] Rejected),
    /// The model cannot be loaded, or has failed before it said anything.
    #[error("{0}")]
    Engine(#[from] EngineError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { retry_after } => {
                let seconds = retry_after.as_secs_f32().ceil();
                write!(f, "the model's queue is full; try again in {seconds} s")
            }
            Self::TooLong {
                prompt_tokens,
                context,
            } => write!(
                f,
                "the prompt ({prompt_tokens} tokens or more) and the answer do not fit the \
                 context of {context} tokens; shorten the messages or lower the output cap"
            ),
            Self::Gone => f.write_str("the model was unloaded just now; try again"),
        }
    }
}

impl std::error::Error for Rejected {}
