//! `lattice-loadtest run`: one URL, and others beside it in the same run.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::Failure;
use crate::load::{Window, measure};
use crate::proc::{Watched, command};
use crate::report::{Added, Summary};
use crate::target::{LoadArgs, Target};

/// The name of the upstream itself.
const DIRECT: &str = "direct";

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  lattice-loadtest run --url http://127.0.0.1:8080/v1/chat/completions \\\n    --key lat_... --direct http://127.0.0.1:9000/v1/chat/completions --pid 4242"
)]
pub(crate) struct Args {
    /// What is loaded.
    #[arg(long)]
    url: String,
    /// The key that the URL gets as a bearer token; the others get none.
    #[arg(long)]
    key: Option<String>,
    /// The upstream itself: latency over it is what the URL adds.
    #[arg(long)]
    direct: Option<String>,
    /// Another proxy, measured the same way.
    #[arg(long)]
    baseline: Option<String>,
    /// The model that --direct and --baseline are asked for, where it differs.
    #[arg(long)]
    upstream_model: Option<String>,
    /// Windows of each, in turn; figures are over all of them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// A process whose CPU time (all threads) and memory are printed.
    #[arg(long)]
    pid: Vec<u32>,
    /// The same for a process with all its descendants, for instance a postmaster.
    #[arg(long)]
    pid_group: Vec<u32>,
    /// The same under a name of your own: NAME=PID.
    #[arg(long, value_parser = named_tree)]
    beside: Vec<Watched>,
    /// A name for the output.
    #[arg(long, default_value = "url", value_parser = label)]
    label: String,
    #[command(flatten)]
    load: LoadArgs,
}

fn label(text: &str) -> Result<String, String> {
    match text {
        DIRECT => Err("is the upstream's own name".to_owned()),
        label => Ok(label.to_owned()),
    }
}

fn named_tree(text: &str) -> Result<Watched, String> {
    text.split_once('=')
        .and_then(|(name, pid)| Some(Watched::tree(name, pid.parse().ok()?)))
        .ok_or_else(|| "wants NAME=PID".to_owned())
}

#[derive(Serialize)]
struct Report {
    measured: Vec<Summary>,
    /// By name, for all but the direct one.
    added_over_direct_us: BTreeMap<String, Added>,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let watched = args.watched();
    let mut lanes: Vec<(&str, Arc<Target>, Window)> = args
        .targets()?
        .into_iter()
        .map(|(name, target)| (name, Arc::new(target), Window::default()))
        .collect();
    for _ in 0..args.rounds {
        for (_, target, window) in &mut lanes {
            window.add(&measure(target, &args.load, &watched).await);
        }
    }
    let measured: Vec<Summary> = lanes
        .iter()
        .map(|(name, target, window)| Summary::new(name, target, window, &watched))
        .collect();
    let report = Report::new(measured);
    if args.load.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    let nothing = !report.measured.first().is_some_and(Summary::measured);
    Ok(if nothing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl Args {
    /// The URL, then the direct one, then the baseline.
    fn targets(&self) -> Result<Vec<(&str, Target)>, Failure> {
        let upstream_model = self.upstream_model.as_ref().unwrap_or(&self.load.model);
        let key = self.key.as_deref();
        let first = self.load.aimed_at(&self.url, key, &self.load.model)?;
        let mut targets = vec![(self.label.as_str(), first)];
        for (name, url) in [(DIRECT, &self.direct), ("baseline", &self.baseline)] {
            if let Some(url) = url {
                targets.push((name, self.load.aimed_at(url, None, upstream_model)?));
            }
        }
        Ok(targets)
    }

    fn watched(&self) -> Vec<Watched> {
        let name = |pid: u32| command(pid).unwrap_or_else(|_| "process".to_owned());
        let processes = self
            .pid
            .iter()
            .map(|&pid| Watched::process(&name(pid), pid));
        let groups = self
            .pid_group
            .iter()
            .map(|&pid| Watched::tree(&name(pid), pid));
        processes
            .chain(groups)
            .chain(self.beside.iter().cloned())
            .collect()
    }
}

impl Report {
    fn new(measured: Vec<Summary>) -> Self {
        let direct = measured.iter().find(|summary| summary.name == DIRECT);
        let direct = direct.and_then(|summary| summary.latency_us);
        let added_over_direct_us = measured
            .iter()
            .filter(|summary| summary.name != DIRECT)
            .filter_map(|summary| {
                let added = Added::over(direct, summary.latency_us)?;
                Some((summary.name.clone(), added))
            })
            .collect();
        Self {
            measured,
            added_over_direct_us,
        }
    }

    fn print(&self) {
        for summary in &self.measured {
            print!("{summary}");
        }
        for (name, added) in &self.added_over_direct_us {
            println!("{name} over direct µs: {added}");
        }
    }
}
