//! Targets that are left alone, and how they come back.

use std::time::Duration;

use lattice_kernel::{Code, Ending};
use lattice_providers::{Condition, Exchange as _, Reply};
use tokio::time::Instant;

use crate::script::{Act, Part, whole};
use crate::stage::{House, Setting};

fn condition(house: &House, provider: &str) -> Condition {
    let targets = house.health().targets(Instant::now());
    let target = targets
        .iter()
        .find(|it| &*it.provider == provider && &*it.model == "m");
    target.unwrap().condition
}

/// A house whose only provider has failed until its breaker opened.
async fn shut() -> House {
    let house = Setting::of(["a"]).open();
    house.script.set("a", [Act::Status(500, &[])]);
    for _ in 0..5 {
        assert_eq!(house.failure().await.code, Code::ProviderError);
    }
    house.script.names();
    house
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_five_times_is_left_alone() {
    let house = shut().await;
    let refusal = house.failure().await;
    assert_eq!(house.script.names().len(), 0);
    assert_eq!(
        (refusal.code, refusal.code.status()),
        (Code::ProviderOverloaded, 503)
    );
    assert!(refusal.message.contains("\"a\""), "{}", refusal.message);
    let wait = refusal.retry_after.unwrap();
    assert!((8..=10).contains(&wait.as_secs()), "{wait:?}");
    let outcome = house.closed.last();
    assert_eq!((outcome.attempts, outcome.cost.unwrap().get()), (0, 0));
    assert!(matches!(condition(&house, "a"), Condition::Open { .. }));
}

#[tokio::test(start_paused = true)]
async fn one_probe_decides() {
    let house = shut().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    house.script.set("a", [Act::Hang, whole()]);
    let (probe, other) = tokio::join!(house.ask(), house.ask());
    let Reply::Failed(other) = other else {
        panic!("there is one probe only");
    };
    assert_eq!(other.refusal.code, Code::ProviderOverloaded);
    assert!(matches!(probe, Reply::Failed(_)));
    assert_eq!(house.script.names(), ["a"]);
    tokio::time::advance(Duration::from_secs(10)).await;
    house.failure().await;
    assert_eq!(house.script.names().len(), 0, "for longer than before");
    tokio::time::advance(Duration::from_secs(10)).await;
    let answer = house.answer().await;
    assert_eq!(condition(&house, "a"), Condition::Closed, "it speaks again");
    answer.record.close(Ending::Finished);
    drop(house.answer().await);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_client_leaves_decides_nothing() {
    let house = shut().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    house.script.set("a", [Act::Hang, whole()]);
    let left = tokio::time::timeout(Duration::from_secs(1), house.ask()).await;
    assert!(left.is_err());
    assert_eq!(condition(&house, "a"), Condition::HalfOpen);
    drop(house.answer().await);
}

#[tokio::test(start_paused = true)]
async fn an_open_target_is_passed_over() {
    let house = Setting::of(["a", "b"]).open();
    house.script.set("a", [Act::Unreached]);
    house.script.set("b", [whole()]);
    for _ in 0..5 {
        drop(house.answer().await);
    }
    house.script.names();
    let answer = house.answer().await;
    assert_eq!(house.script.names(), ["b"]);
    assert_eq!(answer.record.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_every_breaker_is_open_the_first_probe_is_named() {
    let house = Setting::of(["a", "b"]).open();
    house
        .script
        .set("a", [Act::Status(500, &[]), Act::Status(500, &[]), whole()]);
    house.script.set("b", [Act::Unreached]);
    house.failure().await;
    house.failure().await;
    house.script.set("a", [Act::Status(500, &[])]);
    for _ in 0..3 {
        house.failure().await;
    }
    house.script.names();
    let refusal = house.failure().await;
    let targets = house.health().targets(Instant::now());
    let opens = targets.iter().filter_map(|it| match it.condition {
        Condition::Open { until } => Some((until, it.provider.clone())),
        _ => None,
    });
    let (until, first) = opens.min().unwrap();
    assert!(
        refusal.message.contains(&format!("{first:?}")),
        "{}",
        refusal.message
    );
    assert_eq!(refusal.retry_after, Some(until - Instant::now()));
    assert_eq!(house.script.names().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn limits_callers_and_leavers_open_nothing() {
    for act in [
        Act::Status(429, &[]),
        Act::Status(400, &[]),
        Act::Status(401, &[]),
        Act::Status(404, &[]),
        Act::Refused(Code::LimitQueue),
        Act::Refused(Code::CallerUnsupported),
    ] {
        let house = Setting::of(["a"]).open();
        house.script.set("a", [act.clone()]);
        for _ in 0..20 {
            house.ask().await;
        }
        assert_eq!(house.script.names().len(), 20, "{act:?}");
    }
    let house = Setting::of(["a"]).open();
    house.script.set("a", [Act::Hang]);
    for _ in 0..20 {
        let left = tokio::time::timeout(Duration::from_secs(1), house.ask()).await;
        assert!(left.is_err());
    }
    assert_eq!(condition(&house, "a"), Condition::Closed);
    assert_eq!(house.in_flight("a"), 0);
}

#[tokio::test(start_paused = true)]
async fn who_gets_what_others_left_of_the_time_is_not_to_blame() {
    let mut setting = Setting::of(["a", "b"])
        .sparing(1)
        .total(Duration::from_secs(10));
    setting.timeouts.first_byte = Duration::from_secs(9);
    let house = setting.open();
    house.script.set("a", [Act::Hang]);
    house.script.set("b", [Act::Hang]);
    for _ in 0..5 {
        house.failure().await;
    }
    assert_eq!(house.script.names().len(), 10);
    assert!(matches!(condition(&house, "a"), Condition::Open { .. }));
    assert_eq!(condition(&house, "b"), Condition::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_we_end_is_not_the_providers_fault() {
    let house = Setting::of(["a"]).total(Duration::from_secs(10)).open();
    let flowing = Act::Stream(vec![Part::After(100); 1_000]);
    house.script.set("a", [flowing]);
    for _ in 0..5 {
        let mut answer = house.answer().await;
        while answer.exchange.next().await.is_ok() {}
        let ending = Ending::Failed(Code::ProviderTimeout);
        answer.record.close(ending);
    }
    assert_eq!(condition(&house, "a"), Condition::Closed);
}

#[tokio::test(start_paused = true)]
async fn replies_that_break_off_open_it_and_those_that_are_left_do_not() {
    for (ending, opens) in [
        (Ending::Cut, true),
        (Ending::Failed(Code::ProviderTimeout), true),
        (Ending::ClientGone, false),
        (Ending::Failed(Code::LatticeStopping), false),
    ] {
        let house = Setting::of(["a"]).open();
        house
            .script
            .set("a", [Act::Stream(vec![Part::After(0), Part::Break])]);
        for _ in 0..5 {
            house.answer().await.record.close(ending);
        }
        let open = matches!(condition(&house, "a"), Condition::Open { .. });
        assert_eq!(open, opens, "{ending:?}");
    }
}
