//! One pass through the five gates, up to the reply of a target that answers at
//! once.
//!
//! Each gate is measured as it serves (a key in memory, the shipped policy from its
//! cache, a hard budget of key and team, the journal in buffered mode) among others
//! that do nothing, then all of them together; `none` is what remains of a pass
//! without them. The body is parsed before: `translation` says what that costs.

#![expect(clippy::expect_used, reason = "a bench stops at what should not be")]

mod answer;
mod budgets;
mod idle;
mod keys;
mod request;
mod trail;

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use lattice_kernel::gates::{Audit, Authorization, Constraints, Identity};
use lattice_kernel::{Clock, Dialect, Draft, Gates, SystemClock, pipeline};
use lattice_policy::{Options, Policy, PolicySet};
use tokio::runtime::Runtime;

use answer::Answer;
use budgets::Budgets;
use idle::Idle;
use request::{Body, Sample};
use trail::Records;

/// Passes between two looks at whether the journal keeps up.
const BATCH: u64 = 1024;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let records = Records::open();
    passes(&mut criterion, &records);
    records.close();
    criterion.final_summary();
}

fn passes(criterion: &mut Criterion, records: &Records) {
    let runtime = runtime();
    let (sample, idle) = (Sample::new(), Idle::new);
    let mut bench = Bench {
        group: criterion.benchmark_group("pipeline"),
        runtime: &runtime,
        records,
        sample: &sample,
    };
    bench.row("none", &gates(idle(), idle(), idle(), idle()));
    bench.row("identity", &gates(keys::known(), idle(), idle(), idle()));
    bench.row("policy", &gates(idle(), policy(), idle(), idle()));
    bench.row("limits", &gates(idle(), idle(), Budgets::new(), idle()));
    bench.row("audit", &gates(idle(), idle(), idle(), records.trail()));
    bench.row(
        "all",
        &gates(keys::known(), policy(), Budgets::new(), records.trail()),
    );
    bench.group.finish();
}

fn policy() -> Policy {
    Policy::new(
        PolicySet::shipped().expect("the shipped set loads"),
        Options::default(),
    )
}

fn gates<I, Z, C, A>(
    identity: I,
    authorization: Z,
    constraints: C,
    audit: A,
) -> Gates<I, Z, C, A, Answer> {
    Gates {
        identity,
        authorization,
        constraints,
        audit,
        execution: Answer,
    }
}

struct Bench<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    runtime: &'a Runtime,
    records: &'a Records,
    sample: &'a Sample,
}

impl Bench<'_> {
    fn row<I, Z, C, A>(&mut self, name: &str, gates: &Gates<I, Z, C, A, Answer>)
    where
        I: Identity,
        Z: Authorization,
        C: Constraints<Body = Body>,
        A: Audit,
    {
        let Self {
            group,
            runtime,
            records,
            sample,
        } = self;
        group.bench_function(name, |bencher| {
            bencher
                .to_async(*runtime)
                .iter_custom(|passes| timed(passes, records, || pass(gates, sample)));
        });
    }
}

async fn pass<I, Z, C, A>(gates: &Gates<I, Z, C, A, Answer>, sample: &Sample)
where
    I: Identity,
    Z: Authorization,
    C: Constraints<Body = Body>,
    A: Audit,
{
    let mut draft = Draft::new(Dialect::OpenAi, SystemClock.now(), Instant::now());
    let reply = pipeline::govern(gates, &mut draft, sample.request()).await;
    black_box(reply.expect("every gate lets the sample pass"));
}

/// The time of so many passes, without that in which the journal catches up: on a
/// disk that is slower than the loop, it would refuse in the end.
async fn timed<F: Future>(passes: u64, records: &Records, pass: impl Fn() -> F) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = passes;
    while left > 0 {
        let batch = left.min(BATCH);
        let started = Instant::now();
        for _ in 0..batch {
            pass().await;
        }
        spent += started.elapsed();
        left -= batch;
        records.catch_up().await;
    }
    spent
}

/// Everything on one thread, as a worker of the gateway sees it.
fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime starts")
}
