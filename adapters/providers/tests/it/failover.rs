//! Who is asked next, and who is not.

use lattice_kernel::{Balance, Code, Ending};
use lattice_providers::{Exchange as _, Reply};
use tokio::time::Instant;

use crate::script::{Act, Part, whole};
use crate::stage::Setting;

#[tokio::test(start_paused = true)]
async fn what_cannot_have_been_billed_goes_to_the_next_target_at_once() {
    for act in [
        Act::Unreached,
        Act::Refused(Code::LimitQueue),
        Act::Refused(Code::CallerUnsupported),
        Act::Status(401, &[]),
        Act::Status(402, &[]),
        Act::Status(403, &[]),
        Act::Status(429, &[("retry-after", "30")]),
        Act::Status(500, &[]),
        Act::Status(503, &[]),
        Act::Status(529, &[]),
    ] {
        let house = Setting::of(["a", "b"]).retries(1).open();
        house.script.set("a", [act.clone()]);
        house.script.set("b", [whole()]);
        let start = Instant::now();
        let answer = house.answer().await;
        assert_eq!(&*answer.target.provider, "b", "{act:?}");
        assert_eq!(answer.record.attempts(), 2);
        let asked = [("a".to_owned(), 0), ("b".to_owned(), 0)];
        assert_eq!(house.script.asked(start), asked, "{act:?}");
        let outcome = answer.record.close(Ending::ClientGone);
        assert_eq!(outcome.abandoned, 0, "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_fault_is_the_callers_to_hear() {
    for status in [400, 404, 413, 422] {
        let house = Setting::of(["a", "b"]).retries(5).open();
        house.script.set("a", [Act::Status(status, &[])]);
        house.script.set("b", [whole()]);
        let Reply::Rejected(rejected) = house.ask().await else {
            panic!("{status} is the caller's");
        };
        assert_eq!(
            (rejected.status, &*rejected.body),
            (status, &b"data: {}\n\n"[..])
        );
        assert_eq!(house.script.names(), ["a"]);
        assert_eq!(house.closed.last().ending, Ending::Rejected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_billed_is_given_up_once_and_only_for_money_that_is_held() {
    for act in [
        Act::Hang,
        Act::Broken,
        Act::Status(502, &[]),
        Act::Status(504, &[]),
        Act::Status(522, &[]),
    ] {
        let asked = async |spare| {
            let house = Setting::of(["a", "b", "c"])
                .retries(5)
                .sparing(spare)
                .open();
            for provider in ["a", "b", "c"] {
                house.script.set(provider, [act.clone()]);
            }
            house.failure().await;
            let outcome = house.closed.last();
            assert_eq!(outcome.abandoned, spare, "{act:?}");
            house.script.names()
        };
        assert_eq!(asked(0).await, ["a"], "{act:?}");
        assert_eq!(asked(1).await, ["a", "b"], "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certain_failure_between_two_uncertain_ones_costs_nothing() {
    let house = Setting::of(["a", "b", "c"]).sparing(1).open();
    house.script.set("a", [Act::Hang]);
    house.script.set("b", [Act::Unreached]);
    house.script.set("c", [whole()]);
    let answer = house.answer().await;
    assert_eq!(&*answer.target.provider, "c");
    assert_eq!(answer.record.close(Ending::Cut).abandoned, 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_again_once_a_reply_has_begun() {
    let house = Setting::of(["a", "b"]).retries(5).sparing(1).open();
    house
        .script
        .set("a", [Act::Stream(vec![Part::After(5), Part::Break])]);
    house.script.set("b", [whole()]);
    let mut answer = house.answer().await;
    assert!(answer.exchange.next().await.unwrap().is_some());
    assert!(answer.exchange.next().await.is_err());
    drop(answer);
    assert_eq!(house.script.names(), ["a"]);
    assert_eq!(house.closed.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_refusal_says_what_may_pass_rather_than_what_a_target_lacks() {
    let house = Setting::of(["a", "b"]).open();
    house
        .script
        .set("a", [Act::Status(503, &[("retry-after", "7")])]);
    house
        .script
        .set("b", [Act::Refused(Code::CallerUnsupported)]);
    let refusal = house.failure().await;
    assert_eq!(refusal.code, Code::ProviderOverloaded);
    assert_eq!(refusal.retry_after.unwrap().as_secs(), 7);
    house
        .script
        .set("a", [Act::Refused(Code::CallerUnsupported)]);
    assert_eq!(house.failure().await.code, Code::CallerUnsupported);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_limits_its_rate_is_asked_last_for_a_while() {
    let house = Setting::of(["a", "b"]).open();
    house
        .script
        .set("a", [Act::Status(429, &[("retry-after", "20")])]);
    house.script.set("b", [whole()]);
    drop(house.answer().await);
    drop(house.answer().await);
    assert_eq!(house.script.names(), ["a", "b", "b"]);
    house.script.set("b", [Act::Unreached]);
    house.failure().await;
    assert_eq!(house.script.names(), ["b", "a"], "last, but not left out");
    tokio::time::advance(std::time::Duration::from_secs(21)).await;
    house.script.set("a", [whole()]);
    drop(house.answer().await);
    assert_eq!(house.script.names(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn the_least_busy_target_is_asked_and_an_ended_reply_no_longer_counts() {
    let setting = Setting {
        providers: vec![("a", 1), ("b", 2)],
        balance: Balance::LeastBusy,
        ..Setting::of([])
    };
    let house = setting.open();
    house.script.set("a", [whole()]);
    house.script.set("b", [whole()]);
    let mut running = Vec::new();
    for _ in 0..6 {
        running.push(house.answer().await);
    }
    assert_eq!((house.in_flight("a"), house.in_flight("b")), (2, 4));
    running.retain(|answer| &*answer.target.provider == "b");
    assert_eq!((house.in_flight("a"), house.in_flight("b")), (0, 4));
    house.script.names();
    let next = house.answer().await;
    assert_eq!(&*next.target.provider, "a");
    next.record.close(Ending::Finished);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _running = running;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!((house.in_flight("a"), house.in_flight("b")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_not_under_way_any_more() {
    let house = Setting::of(["a", "b"]).open();
    house.script.set("a", [Act::Unreached]);
    house.script.set("b", [Act::Status(400, &[])]);
    house.ask().await;
    assert_eq!((house.in_flight("a"), house.in_flight("b")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn weights_say_how_often_each_target_is_first() {
    let setting = Setting {
        providers: vec![("a", 1), ("b", 9)],
        balance: Balance::Weighted,
        ..Setting::of([])
    };
    let house = setting.open();
    house.script.set("a", [whole()]);
    house.script.set("b", [whole()]);
    for _ in 0..1000 {
        drop(house.answer().await);
    }
    let first = house
        .script
        .names()
        .iter()
        .filter(|name| *name == "a")
        .count();
    assert!((50..200).contains(&first), "{first} of 1000");
}
