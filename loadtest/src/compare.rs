//! `lattice-loadtest compare`: a gateway beside nginx, window by window, so that
//! whatever else the machine does falls on both.
//!
//! A window's CPU time is what its own requests cost while they ran. A gateway
//! that works afterwards (audit rows shipped in batches) would look cheap, so
//! the whole run is also divided by all of its requests.
//!
//! Under a closed loop that fills the machine, latency is little more than
//! connections over throughput. What a proxy adds to a request is therefore
//! measured over one connection, in windows of its own between the others.

mod findings;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use self::findings::{Report, WholeRun};
use crate::cli::Failure;
use crate::client::wait_for;
use crate::load::{Window, measure};
use crate::proc::Watched;
use crate::report::Summary;
use crate::target::{LoadArgs, Target};

/// How long each server may take to give its first good answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// After-work that is waited for at the end.
const SETTLE: Duration = Duration::from_secs(2);
/// The longest window over one connection, and the longest warm-up of it.
const ALONE_SECONDS: f64 = 2.0;
const ALONE_WARMUP: f64 = 0.5;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The gateway's chat completions.
    #[arg(long)]
    gateway: String,
    /// The gateway's process; its children do not count.
    #[arg(long)]
    gateway_pid: u32,
    /// What the gateway is called in the table.
    #[arg(long, default_value = "lattice")]
    gateway_name: String,
    /// The key that the gateway gets as a bearer token; the others get none.
    #[arg(long)]
    key: Option<String>,
    /// The same route through nginx.
    #[arg(long)]
    nginx: String,
    /// The nginx master; its workers count.
    #[arg(long)]
    nginx_pid: u32,
    /// The postmaster; its backends count.
    #[arg(long)]
    postgres_pid: Option<u32>,
    /// The upstream itself.
    #[arg(long)]
    direct: String,
    /// The model that nginx and the upstream are asked for, where it differs.
    #[arg(long)]
    upstream_model: Option<String>,
    /// Windows of each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    load: LoadArgs,
}

/// One of the servers that take turns.
struct Lane {
    name: String,
    target: Arc<Target>,
    watched: Vec<Watched>,
    rounds: Vec<Summary>,
    all: Window,
    /// Over one connection.
    alone: Window,
}

impl Lane {
    fn new(name: &str, target: Target, watched: Option<Watched>) -> Self {
        Self {
            name: name.to_owned(),
            target: Arc::new(target),
            watched: watched.into_iter().collect(),
            rounds: Vec::new(),
            all: Window::default(),
            alone: Window::default(),
        }
    }

    async fn measure(&mut self, load: &LoadArgs) {
        let window = measure(&self.target, load, &self.watched).await;
        let summary = Summary::new(&self.name, &self.target, &window, &self.watched);
        self.rounds.push(summary);
        self.all.add(&window);
    }

    async fn measure_alone(&mut self, load: &LoadArgs) {
        let one = LoadArgs {
            connections: 1,
            seconds: load.seconds.min(ALONE_SECONDS),
            warmup: load.warmup.min(ALONE_WARMUP),
            ..load.clone()
        };
        self.alone.add(&measure(&self.target, &one, &[]).await);
    }

    /// All requests, measured or not.
    fn sent(&self) -> u64 {
        self.all.tally.sent + self.alone.tally.sent
    }

    fn summary(&self) -> Summary {
        Summary::new(&self.name, &self.target, &self.all, &self.watched)
    }
}

pub(crate) async fn compare(args: Args) -> Result<ExitCode, Failure> {
    let mut lanes = args.lanes()?;
    for lane in &lanes {
        wait_for(&lane.target, PATIENCE)
            .await
            .map_err(|problem| format!("{}: {} {}", lane.name, problem.kind, problem.detail))?;
    }
    let watched = args.watched_throughout();
    let before: Vec<_> = watched.iter().map(Watched::read).collect();
    for _ in 0..args.rounds {
        for lane in &mut lanes {
            lane.measure(&args.load).await;
        }
        for lane in &mut lanes {
            lane.measure_alone(&args.load).await;
        }
    }
    tokio::time::sleep(SETTLE).await;
    let [nginx, gateway, _] = lanes.each_ref().map(Lane::sent);
    let whole_run = watched
        .iter()
        .zip(before)
        // PostgreSQL works for the gateway.
        .zip([nginx, gateway, gateway])
        .map(|((watched, before), requests)| WholeRun::of(watched, before.ok(), requests))
        .collect();
    let report = Report::new(&lanes, whole_run);
    if args.load.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    let measured = report.all.iter().all(Summary::measured);
    Ok(if measured {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Args {
    fn lanes(&self) -> Result<[Lane; 3], Failure> {
        let load = &self.load;
        let upstream_model = self.upstream_model.as_ref().unwrap_or(&load.model);
        let gateway = load.aimed_at(&self.gateway, self.key.as_deref(), &load.model)?;
        Ok([
            Lane::new(
                "nginx",
                load.aimed_at(&self.nginx, None, upstream_model)?,
                Some(Watched::tree("nginx", self.nginx_pid)),
            ),
            Lane::new(
                &self.gateway_name,
                gateway,
                Some(Watched::process(&self.gateway_name, self.gateway_pid)),
            ),
            Lane::new(
                "direct",
                load.aimed_at(&self.direct, None, upstream_model)?,
                None,
            ),
        ])
    }

    fn watched_throughout(&self) -> Vec<Watched> {
        let gateway = Watched::process(&self.gateway_name, self.gateway_pid);
        let postgres = self.postgres_pid.map(|pid| Watched::tree("postgres", pid));
        let nginx = Watched::tree("nginx", self.nginx_pid);
        [nginx, gateway].into_iter().chain(postgres).collect()
    }
}
