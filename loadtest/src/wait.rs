//! `lattice-loadtest wait`: until a server is up, for scripts.

use std::process::ExitCode;
use std::time::Duration;

use crate::cli::Failure;
use crate::client::wait_for;
use crate::target::Target;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is asked, by GET, for instance http://127.0.0.1:8081/readyz.
    #[arg(long)]
    url: String,
    /// For how long to ask.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

pub(crate) async fn wait(args: Args) -> Result<ExitCode, Failure> {
    let target = Target::get(&args.url)?;
    match wait_for(&target, Duration::from_secs(args.seconds)).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(problem) => {
            eprintln!("{}: {} {}", args.url, problem.kind, problem.detail);
            Ok(ExitCode::FAILURE)
        }
    }
}
