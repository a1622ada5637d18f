//! The time limits of a call, before and after its first byte.

use std::time::Duration;

use lattice_kernel::{Code, Ending};
use lattice_providers::{Exchange as _, TransportError};
use tokio::time::Instant;

use crate::script::{Act, Part};
use crate::stage::Setting;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Providers that may be silent for two seconds, and take ten in all.
fn hurried() -> Setting {
    let mut setting = Setting::of(["a"]).total(seconds(10));
    setting.timeouts.between_chunks = seconds(2);
    setting
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_falls_silent_times_out() {
    let house = hurried().open();
    house
        .script
        .set("a", [Act::Stream(vec![Part::After(1_900), Part::Stall])]);
    let mut answer = house.answer().await;
    assert!(answer.exchange.next().await.unwrap().is_some());
    let start = Instant::now();
    let late = answer.exchange.next().await;
    assert!(matches!(late, Err(TransportError::TimedOut(_))), "{late:?}");
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_the_providers_silence() {
    let house = hurried().open();
    house
        .script
        .set("a", [Act::Stream(vec![Part::After(0), Part::After(1_500)])]);
    let mut answer = house.answer().await;
    for _ in 0..2 {
        tokio::time::sleep(seconds(3)).await;
        assert!(answer.exchange.next().await.unwrap().is_some());
    }
    assert!(answer.exchange.next().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_never_ends_is_ended() {
    for pause in [0, 1_000] {
        let house = hurried().open();
        house
            .script
            .set("a", [Act::Stream(vec![Part::After(pause); 1_000_000])]);
        let start = Instant::now();
        let mut answer = house.answer().await;
        let late = loop {
            // A client that takes its time, where the provider takes none.
            tokio::time::sleep(Duration::from_millis(1_000 - pause)).await;
            match answer.exchange.next().await {
                Ok(chunk) => assert!(chunk.is_some()),
                Err(late) => break late,
            }
        };
        assert!(matches!(late, TransportError::TimedOut(_)), "{late}");
        assert_eq!(start.elapsed().as_secs(), 10, "pauses of {pause} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn the_total_counts_from_the_first_attempt() {
    let mut setting = Setting::of(["a", "b"]).sparing(1).total(seconds(10));
    setting.timeouts.first_byte = seconds(6);
    let house = setting.open();
    house.script.set("a", [Act::Hang]);
    house.script.set("b", [Act::Hang]);
    let start = Instant::now();
    let refusal = house.failure().await;
    assert_eq!(refusal.code, Code::ProviderTimeout);
    assert_eq!(start.elapsed().as_secs(), 10, "six and then four");
    let outcome = house.closed.last();
    assert_eq!(outcome.ending, Ending::Failed(Code::ProviderTimeout));
    assert_eq!((outcome.attempts, outcome.abandoned), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_time_is_over_is_not_asked() {
    let mut setting = Setting::of(["a", "b"]).sparing(1).total(seconds(6));
    setting.timeouts.first_byte = seconds(6);
    let house = setting.open();
    house.script.set("a", [Act::Hang]);
    house.script.set("b", [Act::Hang]);
    assert_eq!(house.failure().await.code, Code::ProviderTimeout);
    assert_eq!(house.script.names(), ["a"]);
}
