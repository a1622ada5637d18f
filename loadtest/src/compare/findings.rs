//! What a comparison found: figures round by round, their ratio, and a table.

use std::fmt;

use serde::Serialize;

use super::Lane;
use crate::load::Spent;
use crate::proc::{Usage, Watched};
use crate::report::{Added, Quantiles, Summary, number, per_request};

#[derive(Serialize)]
pub(super) struct Report {
    rounds: Vec<[Summary; 3]>,
    pub(super) all: [Summary; 3],
    /// Gateway over nginx, CPU time for each request, round by round.
    cpu_ratios: Vec<f64>,
    cpu_ratio_median: Option<f64>,
    /// Over one connection.
    direct_alone_us: Option<Quantiles>,
    nginx_added_us: Option<Added>,
    gateway_added_us: Option<Added>,
    whole_run: Vec<WholeRun>,
}

/// CPU time from the first warm-up until after-work is over, divided by all
/// requests that caused it.
#[derive(Serialize)]
pub(super) struct WholeRun {
    name: String,
    requests: u64,
    cpu_us_per_request: Option<f64>,
}

impl WholeRun {
    pub(super) fn of(watched: &Watched, before: Option<Usage>, requests: u64) -> Self {
        let spent = before
            .zip(watched.read().ok())
            .map(|(before, after)| Spent::between(before, after));
        Self {
            name: watched.name.clone(),
            requests,
            cpu_us_per_request: spent.and_then(|spent| per_request(spent.cpu, requests)),
        }
    }
}

impl Report {
    pub(super) fn new(lanes: &[Lane; 3], whole_run: Vec<WholeRun>) -> Self {
        let [nginx, gateway, direct] = lanes;
        let rounds: Vec<[Summary; 3]> = nginx
            .rounds
            .iter()
            .zip(&gateway.rounds)
            .zip(&direct.rounds)
            .map(|((nginx, gateway), direct)| [nginx, gateway, direct].map(Summary::clone))
            .collect();
        let all = [nginx, gateway, direct].map(Lane::summary);
        let [nginx, gateway, direct] =
            [nginx, gateway, direct].map(|lane| Quantiles::of(&lane.alone.tally.latency));
        let cpu_ratios: Vec<f64> = rounds.iter().filter_map(cpu_ratio).collect();
        Self {
            cpu_ratio_median: median(&cpu_ratios),
            cpu_ratios,
            direct_alone_us: direct,
            nginx_added_us: Added::over(direct, nginx),
            gateway_added_us: Added::over(direct, gateway),
            rounds,
            all,
            whole_run,
        }
    }
}

fn cpu_of(summary: &Summary) -> Option<f64> {
    summary.processes.first()?.cpu_us_per_request
}

fn cpu_ratio([nginx, gateway, _]: &[Summary; 3]) -> Option<f64> {
    let nginx = cpu_of(nginx).filter(|cpu| *cpu > 0.0)?;
    Some(cpu_of(gateway)? / nginx)
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<6} {:<10} {:>10} {:>12} {:>9} {:>9} {:>14} {:>7}",
            "round", "server", "req/s", "CPU µs/req", "p50 µs", "p99 µs", "peak RSS MiB", "failed"
        )?;
        for (round, summaries) in (1..).zip(&self.rounds) {
            for summary in summaries {
                write_row(f, &format!("{round}"), summary)?;
            }
        }
        for summary in &self.all {
            write_row(f, "all", summary)?;
        }
        self.write_findings(f)
    }
}

impl Report {
    fn write_findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [nginx, gateway, _] = &self.all;
        for summary in &self.all {
            for detail in &summary.error_details {
                let detail: String = detail.chars().take(400).collect();
                writeln!(f, "{} failed: {detail}", summary.name)?;
            }
        }
        let ratios: Vec<String> = self.cpu_ratios.iter().map(|r| format!("{r:.2}")).collect();
        writeln!(
            f,
            "CPU per request, {} / {}: {}; median {}",
            gateway.name,
            nginx.name,
            ratios.join(" "),
            self.cpu_ratio_median
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        )?;
        if let Some(direct) = self.direct_alone_us {
            writeln!(f, "one connection, direct µs: {direct}")?;
        }
        for (summary, added) in [
            (nginx, self.nginx_added_us),
            (gateway, self.gateway_added_us),
        ] {
            if let Some(added) = added {
                writeln!(f, "one connection, {} adds µs: {added}", summary.name)?;
            }
        }
        writeln!(f, "whole run, warm-up and after-work included:")?;
        for whole in &self.whole_run {
            let cpu = number(whole.cpu_us_per_request);
            let requests = whole.requests;
            writeln!(f, "  {}: CPU {cpu} µs/request over {requests}", whole.name)?;
        }
        Ok(())
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, round: &str, summary: &Summary) -> fmt::Result {
    let peak = summary
        .processes
        .first()
        .and_then(|process| process.peak_rss_kib);
    writeln!(
        f,
        "{round:<6} {:<10} {:>10.1} {:>12} {:>9} {:>9} {:>14} {:>7}",
        summary.name,
        summary.requests_per_second,
        number(cpu_of(summary)),
        number(summary.latency_us.map(|latency| latency.p50)),
        number(summary.latency_us.map(|latency| latency.p99)),
        number(peak.map(|kib| kib as f64 / 1024.0)),
        summary.failures(),
    )
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
