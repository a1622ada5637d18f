//! `lattice`: an inference gateway and governance proxy for LLM traffic.
//!
//! This crate is the composition root: the command line, configuration, the
//! listeners and the byte pumps. What the gates decide lives in `governance/`,
//! what dialects mean in `adapters/`. Start reading at `data/serve.rs` for the
//! walk of a request, at `command/server.rs` for how a gateway is put together.

mod activity;
mod admin;
mod background;
mod books;
mod catalog;
mod changes;
mod cli;
mod command;
mod config;
mod data;
mod gates;
mod gateway;
mod listen;
mod metrics;
mod policies;
mod prices;
mod say;
mod state;
mod tls;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One TLS provider for the whole process, before anything builds a TLS
    // configuration. It fails only if there is one already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    cli::Cli::parse().run()
}
