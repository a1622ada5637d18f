//! Measurements as JSON and as text.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::histogram::Histogram;
use crate::load::{Spent, Window};
use crate::proc::Watched;
use crate::target::Target;

/// Microseconds, for people who compare with other tools' figures.
pub(crate) fn micros(duration: Duration) -> f64 {
    (duration.as_nanos() as f64 / 100.0).round() / 10.0
}

/// Microseconds of CPU time for each request; none without requests.
pub(crate) fn per_request(cpu: Duration, requests: u64) -> Option<f64> {
    (requests > 0).then(|| micros(cpu) / requests as f64)
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
}

impl Quantiles {
    pub(crate) fn of(histogram: &Histogram) -> Option<Self> {
        let at = |share| micros(histogram.quantile(share));
        (histogram.count() > 0).then(|| Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: micros(histogram.max()),
            mean: micros(histogram.mean()),
        })
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.0}  p90 {:.0}  p99 {:.0}  max {:.0}  mean {:.0}",
            self.p50, self.p90, self.p99, self.max, self.mean
        )
    }
}

/// How much slower one target's quantiles are than another's.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Added {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Added {
    pub(crate) fn over(direct: Option<Quantiles>, target: Option<Quantiles>) -> Option<Self> {
        let (direct, target) = direct.zip(target)?;
        Some(Self {
            p50: target.p50 - direct.p50,
            p99: target.p99 - direct.p99,
        })
    }
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:+.0}  p99 {:+.0}", self.p50, self.p99)
    }
}

/// What a watched process took; no figures where it was gone.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ProcessSummary {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Whether its descendants are in the figures.
    pub(crate) tree: bool,
    pub(crate) cpu_us: Option<f64>,
    pub(crate) cpu_us_per_request: Option<f64>,
    pub(crate) rss_before_kib: Option<u64>,
    pub(crate) rss_after_kib: Option<u64>,
    pub(crate) peak_rss_kib: Option<u64>,
}

impl ProcessSummary {
    fn new(watched: &Watched, spent: Option<Spent>, requests: u64) -> Self {
        Self {
            name: watched.name.clone(),
            pid: watched.pid,
            tree: watched.tree,
            cpu_us: spent.map(|spent| micros(spent.cpu)),
            cpu_us_per_request: spent.and_then(|spent| per_request(spent.cpu, requests)),
            rss_before_kib: spent.map(|spent| spent.rss_before_kib),
            rss_after_kib: spent.map(|spent| spent.rss_after_kib),
            peak_rss_kib: spent.map(|spent| spent.peak_kib),
        }
    }
}

impl fmt::Display for ProcessSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: Option<u64>| number(kib.map(|kib| kib as f64 / 1024.0));
        write!(
            f,
            "{} {}{}: CPU {} µs/request, RSS {} -> {} MiB, peak {} MiB",
            self.name,
            self.pid,
            if self.tree { " and children" } else { "" },
            number(self.cpu_us_per_request),
            mib(self.rss_before_kib),
            mib(self.rss_after_kib),
            mib(self.peak_rss_kib),
        )
    }
}

/// One decimal, or a dash where there is nothing to say.
pub(crate) fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

/// One target's measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) seconds: f64,
    /// Failed ones included.
    pub(crate) requests: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// The first few, as the server told them.
    pub(crate) error_details: Vec<String>,
    pub(crate) body_bytes: u64,
    pub(crate) latency_us: Option<Quantiles>,
    pub(crate) first_content_us: Option<Quantiles>,
    pub(crate) gap_us: Option<Quantiles>,
    pub(crate) processes: Vec<ProcessSummary>,
}

impl Summary {
    pub(crate) fn new(name: &str, target: &Target, window: &Window, watched: &[Watched]) -> Self {
        let requests = window.requests();
        let seconds = window.elapsed.as_secs_f64();
        Self {
            name: name.to_owned(),
            url: target.url.clone(),
            seconds,
            requests,
            requests_per_second: requests as f64 / seconds.max(f64::MIN_POSITIVE),
            errors: window.tally.errors.clone(),
            error_details: window.tally.details.clone(),
            body_bytes: window.tally.bytes,
            latency_us: Quantiles::of(&window.tally.latency),
            first_content_us: Quantiles::of(&window.tally.first_content),
            gap_us: Quantiles::of(&window.tally.gap),
            processes: watched
                .iter()
                .zip(&window.spent)
                .map(|(watched, spent)| ProcessSummary::new(watched, *spent, requests))
                .collect(),
        }
    }

    /// Whether anything came back as it should.
    pub(crate) fn measured(&self) -> bool {
        self.latency_us.is_some()
    }

    pub(crate) fn failures(&self) -> u64 {
        self.errors.values().sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {}\n  {} requests in {:.2} s: {:.1}/s, {} failed, {:.1} MB of bodies",
            self.name,
            self.url,
            self.requests,
            self.seconds,
            self.requests_per_second,
            self.failures(),
            self.body_bytes as f64 / 1e6,
        )?;
        for (kind, count) in &self.errors {
            writeln!(f, "  error {kind}: {count}")?;
        }
        for detail in &self.error_details {
            writeln!(f, "    {}", detail.chars().take(400).collect::<String>())?;
        }
        for (what, quantiles) in [
            ("latency", self.latency_us),
            ("first content", self.first_content_us),
            ("gap", self.gap_us),
        ] {
            if let Some(quantiles) = quantiles {
                writeln!(f, "  {what} µs: {quantiles}")?;
            }
        }
        for process in &self.processes {
            writeln!(f, "  {process}")?;
        }
        Ok(())
    }
}
