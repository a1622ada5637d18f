//! Leaves of the audit, as far as they say what a request cost. Leaves of earlier
//! versions lack some of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::CommandError;

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Read {
    /// A request was to leave.
    Intent(Intent),
    /// It has ended.
    Outcome(Box<Outcome>),
    /// It never left.
    Refusal(Refusal),
    /// Something else.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub struct Intent {
    pub request_id: Uuid,
    pub at: String,
    pub model: String,
    pub reserved_nano_usd: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub struct Refusal {
    pub request_id: Option<Uuid>,
    pub gate: String,
    pub code: String,
}

#[derive(Debug, Deserialize)]
pub struct Outcome {
    pub request_id: Uuid,
    pub at: String,
    pub ending: String,
    pub provider: Option<String>,
    pub model: Option<String>,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub abandoned: u32,
    pub usage: Option<Usage>,
    pub bill: Option<Bill>,
    pub abandoned_nano_usd: Option<i64>,
    pub reserved_nano_usd: Option<i64>,
    pub cost_nano_usd: Option<i64>,
    #[serde(default)]
    pub estimated: bool,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Usage {
    pub input: u64,
    pub cached_input: u64,
    pub cache_write: u64,
    pub output: u64,
    pub reasoning: u64,
    pub tier: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct Bill {
    pub price: String,
    pub version: String,
    pub lines: Vec<Line>,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct Line {
    pub class: String,
    pub count: u64,
    pub rate_pico_usd: u64,
    pub cost_nano_usd: i64,
}

/// Reads one.
pub fn read(text: &str) -> Result<Read, CommandError> {
    serde_json::from_str(text).map_err(|error| {
        CommandError::Failed(format!(
            "a leaf cannot be read: {error}; see `lattice audit verify`"
        ))
    })
}
