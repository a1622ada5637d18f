//! `lattice-loadtest mock`: the mock as a process of its own.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::{Behaviour, Fault, Mock, Options};
use crate::cli::Failure;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Content chunks of each choice; one chunk is one completion token.
    #[arg(long, default_value_t = 8)]
    chunks: u64,
    /// Bytes of text in each chunk.
    #[arg(long, default_value_t = 16)]
    chunk_bytes: usize,
    /// Wait before the response header.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Wait before the first content chunk.
    #[arg(long, default_value_t = 0)]
    first_delay_ms: u64,
    /// Wait before each further content chunk.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// A fault for every request, for instance status:429 or reset_after:5.
    #[arg(long)]
    fault: Option<Fault>,
    /// Write the port to this file once it listens.
    #[arg(long)]
    port_file: Option<PathBuf>,
    /// Append one JSON line for every arrival and ending to this file.
    #[arg(long)]
    record: Option<PathBuf>,
}

pub(crate) async fn serve(args: Args) -> Result<ExitCode, Failure> {
    let mock = Mock::start(Options {
        listen: args.listen,
        behaviour: Behaviour {
            chunks: args.chunks,
            chunk_bytes: args.chunk_bytes,
            latency: Duration::from_millis(args.latency_ms),
            first_delay: Duration::from_millis(args.first_delay_ms),
            delay: Duration::from_millis(args.delay_ms),
            fault: args.fault,
        },
        record: args.record,
    })
    .await?;
    if let Some(path) = &args.port_file {
        write_port(path, mock.addr().port())?;
    }
    println!("mock listening on http://{}", mock.addr());
    told_to_stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever waits for the file must never read half a number.
fn write_port(path: &Path, port: u16) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    std::fs::write(&unfinished, format!("{port}\n"))?;
    std::fs::rename(unfinished, path)
}

#[cfg(unix)]
async fn told_to_stop() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn told_to_stop() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
