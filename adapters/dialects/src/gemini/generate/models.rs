//! What the models differ in, by the beginning of their names.

use std::ops::RangeInclusive;

use super::path::name;
use crate::canonical::Effort::{self, ExtraHigh, High, Low, Medium, Minimal};

/// What a model can be asked for.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub thinking: Thinking,
    /// Knows the calling mode `VALIDATED`.
    pub validates: bool,
    /// Takes media inside a function's response.
    pub media_in_results: bool,
}

/// How a model is told to think.
#[derive(Debug, Clone)]
pub(super) enum Thinking {
    /// It cannot.
    Never,
    /// By a number of tokens.
    Budget {
        /// Whether 0 turns it off.
        can_be_off: bool,
        tokens: RangeInclusive<u64>,
    },
    /// By one of these levels, in rising order; it cannot be turned off.
    Levels(&'static [Effort]),
}

const OLD: Model = Model {
    thinking: Thinking::Never,
    validates: false,
    media_in_results: false,
};

const fn budget(can_be_off: bool, least: u64, most: u64) -> Model {
    Model {
        thinking: Thinking::Budget {
            can_be_off,
            tokens: least..=most,
        },
        validates: true,
        media_in_results: false,
    }
}

const fn levels(levels: &'static [Effort]) -> Model {
    Model {
        thinking: Thinking::Levels(levels),
        validates: true,
        media_in_results: true,
    }
}

/// The first that fits counts.
const KNOWN: &[(&str, Model)] = &[
    ("gemini-1", OLD),
    ("gemini-2.0", OLD),
    ("gemma-3", OLD),
    ("gemini-2.5-flash-image", OLD),
    ("gemini-2.5-pro", budget(false, 128, 32_768)),
    ("gemini-2.5-flash-lite", budget(true, 512, 24_576)),
    ("gemini-2.5", budget(true, 1, 24_576)),
    ("gemini-3-pro", levels(&[Low, High])),
    ("gemini-3.1-pro", levels(&[Low, Medium, High])),
    ("gemini-3.8", levels(&[Low, Medium, High])),
    ("gemini-3", levels(&[Minimal, Low, Medium, High])),
];

/// Whatever comes later, and the aliases that name no version.
const NEWEST: Model = levels(&[Low, Medium, High, ExtraHigh]);

impl Model {
    pub(super) fn of(model: &str) -> Self {
        let known = KNOWN
            .iter()
            .find(|(prefix, _)| name(model).starts_with(prefix));
        known.map_or(NEWEST, |(_, model)| model.clone())
    }
}
