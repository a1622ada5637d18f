//! The command line: which subcommand runs, on what runtime, with which exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{compare, mock, run, wait};

/// Mock upstream and load generator for Lattice.
#[derive(Parser)]
#[command(
    name = "lattice-loadtest",
    version,
    after_help = "Example:\n  lattice-loadtest mock --listen 127.0.0.1:9000 --chunks 50 --delay-ms 20"
)]
struct Cli {
    /// Worker threads of this process; one disturbs a small machine least.
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve OpenAI chat completions that bill, break and hang on request.
    Mock(mock::serve::Args),
    /// Load one URL in a closed loop and print what it took.
    Run(run::Args),
    /// Alternate windows between nginx and a gateway and print both.
    Compare(compare::Args),
    /// Wait until a URL answers 200.
    Wait(wait::Args),
}

/// What stopped a command, as one sentence for stderr.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command line of this process. Exit codes: 0 done, 1 nothing could
/// be measured or a wait ended in vain, 2 used wrongly or could not start.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(cli.threads))
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(perform(cli.command)),
        Err(error) => Err(error.into()),
    };
    ended.unwrap_or_else(|failure| {
        eprintln!("lattice-loadtest: {failure}");
        ExitCode::from(2)
    })
}

async fn perform(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Mock(args) => mock::serve::serve(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Compare(args) => compare::compare(args).await,
        Command::Wait(args) => wait::wait(args).await,
    }
}
