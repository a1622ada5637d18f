//! When a plan is walked again, and when the caller is told to come back.

use std::time::Duration;

use lattice_kernel::{Code, Ending};
use tokio::time::Instant;

use crate::script::{Act, whole};
use crate::stage::Setting;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_tried_again_after_a_short_random_wait() {
    for act in [Act::Unreached, Act::Status(500, &[]), Act::Status(503, &[])] {
        let house = Setting::of(["a"]).retries(1).open();
        house.script.set("a", [act.clone(), whole()]);
        let start = Instant::now();
        let answer = house.answer().await;
        assert!(
            start.elapsed() <= Duration::from_millis(260),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(answer.record.close(Ending::Finished).attempts, 2, "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_target_is_asked_again_as_often_as_the_plan_says() {
    for retries in 0..4 {
        let house = Setting::of(["a", "b"]).retries(retries).open();
        house.script.set("a", [Act::Unreached]);
        house.script.set("b", [Act::Status(500, &[])]);
        house.failure().await;
        let names = house.script.names();
        for provider in ["a", "b"] {
            let times = names.iter().filter(|name| *name == provider).count();
            assert_eq!(times, 1 + retries as usize, "{provider} of {names:?}");
        }
        assert_eq!(names[..2], ["a", "b"], "everyone once before anyone twice");
        assert_eq!(house.closed.last().cost.unwrap().get(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_provider_asks_for_is_kept() {
    let house = Setting::of(["a"]).retries(1).open();
    house
        .script
        .set("a", [Act::Status(429, &[("retry-after", "3")]), whole()]);
    let start = Instant::now();
    drop(house.answer().await);
    let asked = house.script.asked(start);
    assert_eq!((asked[0].1, asked.len()), (0, 2));
    assert!((3_000..3_010).contains(&asked[1].1), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn one_target_is_not_asked_early_because_another_need_not_wait() {
    let house = Setting::of(["a", "b"]).retries(2).open();
    house
        .script
        .set("a", [Act::Status(429, &[("retry-after", "5")]), whole()]);
    house.script.set("b", [Act::Status(500, &[])]);
    let start = Instant::now();
    let answer = house.answer().await;
    assert_eq!(&*answer.target.provider, "a");
    for (who, millis) in &house.script.asked(start)[1..] {
        assert!(who == "b" || *millis >= 5_000, "{who} at {millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_the_callers() {
    for (told, total) in [("11", 3600), ("4", 3)] {
        let fields: &'static [_] = Box::leak(Box::new([("retry-after", told)]));
        let house = Setting::of(["a"]).retries(5).total(seconds(total)).open();
        house.script.set("a", [Act::Status(429, fields), whole()]);
        let start = Instant::now();
        let refusal = house.failure().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(refusal.code, Code::ProviderOverloaded);
        let wait = refusal.retry_after.unwrap().as_secs();
        assert_eq!(wait.to_string(), told);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waiting_does_not_mend_is_not_waited_for() {
    for act in [
        Act::Status(401, &[]),
        Act::Status(402, &[]),
        Act::Status(403, &[]),
        Act::Status(307, &[]),
        Act::Refused(Code::LimitQueue),
        Act::Refused(Code::CallerUnsupported),
    ] {
        let house = Setting::of(["a"]).retries(5).open();
        house.script.set("a", [act.clone(), whole()]);
        house.failure().await;
        assert_eq!(house.script.names(), ["a"], "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_we_wait_leaves_nothing_behind() {
    let house = Setting::of(["a"]).retries(1).open();
    house
        .script
        .set("a", [Act::Status(429, &[("retry-after", "9")]), whole()]);
    let left = tokio::time::timeout(seconds(1), house.ask()).await;
    assert!(left.is_err());
    let outcome = house.closed.last();
    assert_eq!(
        (outcome.ending, outcome.cost.unwrap().get()),
        (Ending::Dropped, 0)
    );
    assert_eq!((house.closed.count(), house.in_flight("a")), (1, 0));
}
