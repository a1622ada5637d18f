//! The measured loop: every connection sends its next request when the last
//! one was answered, for a bounded time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::client::{Connection, Exchange, Kind, Problem};
use crate::histogram::Histogram;
use crate::proc::{Usage, Watched};
use crate::target::{LoadArgs, Target};

/// Error bodies that are kept for the reader.
const KEPT_DETAILS: usize = 3;
/// How long requests in flight may take to end after the window.
const GRACE: Duration = Duration::from_secs(5);

/// What was measured between two moments, or over several such windows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    pub(crate) tally: Tally,
    pub(crate) elapsed: Duration,
    /// One entry for each watched process, in order; none where it was gone.
    pub(crate) spent: Vec<Option<Spent>>,
}

/// What a process took during a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    pub(crate) rss_before_kib: u64,
    pub(crate) rss_after_kib: u64,
    pub(crate) peak_kib: u64,
}

/// Exchanges that ended within a window, and all that ended beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) latency: Histogram,
    pub(crate) first_content: Histogram,
    pub(crate) gap: Histogram,
    pub(crate) errors: BTreeMap<String, u64>,
    /// Kind and text of the first errors.
    pub(crate) details: Vec<String>,
    pub(crate) bytes: u64,
    /// All exchanges, those of the warm-up and the end included.
    pub(crate) sent: u64,
}

impl Window {
    /// Exchanges that ended within it, failed ones included.
    pub(crate) fn requests(&self) -> u64 {
        self.tally.latency.count() + self.tally.errors.values().sum::<u64>()
    }

    /// Adds a later window of the same load.
    pub(crate) fn add(&mut self, later: &Self) {
        self.tally.add(&later.tally);
        self.elapsed += later.elapsed;
        if self.spent.is_empty() {
            self.spent.clone_from(&later.spent);
            return;
        }
        for (mine, theirs) in self.spent.iter_mut().zip(&later.spent) {
            *mine = mine.zip(*theirs).map(|(mine, theirs)| Spent {
                cpu: mine.cpu + theirs.cpu,
                rss_before_kib: mine.rss_before_kib,
                rss_after_kib: theirs.rss_after_kib,
                peak_kib: mine.peak_kib.max(theirs.peak_kib),
            });
        }
    }
}

impl Spent {
    pub(crate) fn between(before: Usage, after: Usage) -> Self {
        Self {
            cpu: after.cpu.saturating_sub(before.cpu),
            rss_before_kib: before.rss_kib,
            rss_after_kib: after.rss_kib,
            peak_kib: after.peak_kib,
        }
    }
}

impl Tally {
    fn succeeded(&mut self, exchange: &Exchange) {
        self.latency.record(exchange.latency);
        self.bytes += exchange.bytes;
        if let Some(first) = exchange.first_content {
            self.first_content.record(first);
        }
        for &gap in &exchange.gaps {
            self.gap.record(gap);
        }
    }

    fn failed(&mut self, problem: &Problem) {
        *self.errors.entry(problem.kind.to_string()).or_default() += 1;
        self.keep(format!("{}: {}", problem.kind, problem.detail));
    }

    fn keep(&mut self, detail: String) {
        if self.details.len() < KEPT_DETAILS && !self.details.contains(&detail) {
            self.details.push(detail);
        }
    }

    fn add(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.first_content.merge(&other.first_content);
        self.gap.merge(&other.gap);
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        for detail in &other.details {
            self.keep(detail.clone());
        }
        self.bytes += other.bytes;
        self.sent += other.sent;
    }
}

/// Loads a target and measures one window of it, after its warm-up.
pub(crate) async fn measure(target: &Arc<Target>, load: &LoadArgs, watched: &[Watched]) -> Window {
    let from = Instant::now() + Duration::from_secs_f64(load.warmup);
    let until = from + Duration::from_secs_f64(load.seconds);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        let (target, tally) = (Arc::clone(target), Arc::clone(&tally));
        connections.spawn(async move { drive(&target, from, until, &tally).await });
    }
    tokio::time::sleep_until(from.into()).await;
    let opened = Instant::now();
    let before: Vec<_> = watched.iter().map(Watched::read).collect();
    tokio::time::sleep_until(until.into()).await;
    let elapsed = opened.elapsed();
    let after: Vec<_> = watched.iter().map(Watched::read).collect();
    // Those that do not end are dropped with the set.
    let _ = tokio::time::timeout(GRACE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    drop(connections);
    let spent = before
        .into_iter()
        .zip(after)
        .map(|(before, after)| Some(Spent::between(before.ok()?, after.ok()?)))
        .collect();
    let tally = std::mem::take(&mut *tally.lock());
    Window {
        tally,
        elapsed,
        spent,
    }
}

async fn drive(target: &Target, from: Instant, until: Instant, tally: &Mutex<Tally>) {
    let mut connection = None;
    while Instant::now() < until {
        let ended = exchange(&mut connection, target).await;
        let refused = matches!(&ended, Err(problem) if problem.kind == Kind::Connect);
        {
            let mut tally = tally.lock();
            tally.sent += 1;
            if (from..=until).contains(&Instant::now()) {
                match &ended {
                    Ok(exchange) => tally.succeeded(exchange),
                    Err(problem) => tally.failed(problem),
                }
            }
        }
        if refused {
            // Nobody listens: asking faster would only measure this loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One exchange, over the connection if it still holds or else over a new one.
async fn exchange(
    connection: &mut Option<Connection>,
    target: &Target,
) -> Result<Exchange, Problem> {
    let mut held = connection.take();
    if let Some(idle) = &mut held
        && !idle.ready().await
    {
        held = None;
    }
    let mut open = match held {
        Some(open) => open,
        None => Connection::open(target).await?,
    };
    let ended = open.exchange(target).await;
    if ended
        .as_ref()
        .err()
        .is_none_or(|problem| problem.kind.spares_connection())
    {
        *connection = Some(open);
    }
    ended
}
