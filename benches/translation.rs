//! What translation costs beside passing on: a request on its way out, a stream on
//! its way back.

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use lattice_benches::{
    EVENTS, anthropic_stream, chat_stream, from_anthropic, from_gemini, gemini_stream, large_chat,
    relayed, rewritten, small_chat, to_anthropic, to_gemini,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    requests(&mut criterion, "request of 0.5 KB", &small_chat());
    requests(&mut criterion, "request of 170 KB", &large_chat());
    streams(&mut criterion);
    criterion.final_summary();
}

/// The whole way of a body: read, and made what the upstream wants.
fn requests(criterion: &mut Criterion, name: &str, body: &Bytes) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("same dialect", |bencher| bencher.iter(|| rewritten(body)));
    group.bench_function("to Anthropic", |bencher| {
        bencher.iter(|| to_anthropic(body))
    });
    group.bench_function("to Gemini", |bencher| bencher.iter(|| to_gemini(body)));
    group.finish();
}

/// Whole streams, whose events come one in each read; elements are events.
fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream of 200 events");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let (chat, claude, gemini) = (chat_stream(), anthropic_stream(), gemini_stream());
    group.bench_function("same dialect", |bencher| bencher.iter(|| relayed(&chat)));
    group.bench_function("from Anthropic", |bencher| {
        bencher.iter(|| from_anthropic(&claude));
    });
    group.bench_function("from Gemini", |bencher| {
        bencher.iter(|| from_gemini(&gemini));
    });
    group.finish();
}
