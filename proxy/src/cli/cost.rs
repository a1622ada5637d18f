//! The arguments of `lattice cost …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::Listing;

/// `lattice cost …`
#[derive(Debug, Subcommand)]
pub enum CostCommand {
    /// Show how the cost of a request came about, line by line.
    #[command(
        after_help = "Example:\n  lattice cost explain 0193a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b\n  lattice cost explain 0193a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b --audit audit.jsonl --json"
    )]
    Explain {
        /// The request, as in its header `x-request-id`.
        request_id: Uuid,
        #[command(flatten)]
        leaves: Leaves,
        #[command(flatten)]
        listing: Listing,
    },
    /// Compare what was recorded with a provider's own export, by UTC day and model.
    #[command(
        after_help = "Example:\n  lattice cost reconcile openai-costs.csv\n  lattice cost reconcile anthropic-usage.csv --tolerance 1 --json\n\nReads the usage and the cost exports (CSV) of OpenAI and Anthropic; ends with 1 where a difference is beyond the tolerance."
    )]
    Reconcile(Reconcile),
}

/// Where the leaves of the audit are read.
#[derive(Debug, Args)]
pub struct Leaves {
    /// An export of the audit (`lattice audit export`) to read instead of the database.
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
}

/// `lattice cost reconcile`
#[derive(Debug, Args)]
pub struct Reconcile {
    /// The provider's export.
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,
    /// The provider's name in lattice.yaml [default: openai or anthropic, as the file says].
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// The largest difference that passes, in percent of what the provider says.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.5, value_parser = percent)]
    pub tolerance: f64,
    #[command(flatten)]
    pub leaves: Leaves,
    #[command(flatten)]
    pub listing: Listing,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("write a number of percent from 0 to 100, for instance 0.5".into()),
    }
}
