//! Whatever providers do, the books show at least what they billed.

use std::time::Duration;

use lattice_kernel::{Code, Ending, NanoUsd, Usage};
use lattice_providers::{Exchange as _, Reply};
use proptest::prelude::*;

use crate::script::{Act, Part};
use crate::stage::{BOUND, House, Setting};

const PROVIDERS: [&str; 3] = ["a", "b", "c"];

/// An act, and whether a provider may bill for it.
fn any_act() -> impl Strategy<Value = (Act, bool)> {
    let certain = prop::sample::select(vec![401, 402, 403, 429, 500, 503, 529, 400]);
    let uncertain = prop::sample::select(vec![408, 502, 504, 520, 524]);
    prop_oneof![
        Just((Act::Unreached, false)),
        Just((Act::Refused(Code::LimitQueue), false)),
        Just((Act::Hang, true)),
        Just((Act::Broken, true)),
        certain.prop_map(|status| (Act::Status(status, &[]), false)),
        uncertain.prop_map(|status| (Act::Status(status, &[]), true)),
        Just((Act::Status(429, &[("retry-after", "2")]), false)),
        Just((Act::Stream(vec![Part::After(3)]), true)),
        Just((Act::Stream(vec![Part::After(3), Part::Break]), true)),
    ]
}

/// Reads a reply as the data path does; its usage is told at its proper end.
async fn read(reply: Reply<crate::script::Played>, billed: u64) {
    let Reply::Answer(answer) = reply else { return };
    let mut answer = *answer;
    let ending = loop {
        match answer.exchange.next().await {
            Ok(Some(_)) => {}
            Ok(None) => break Ending::Finished,
            Err(_) => break Ending::Cut,
        }
    };
    if ending == Ending::Finished {
        answer.record.used(Usage {
            output: billed,
            ..Usage::default()
        });
    }
    answer.record.close(ending);
}

/// What the providers bill at the most for what they were asked, each `bill`.
fn billed(house: &House, acts: &[Vec<(Act, bool)>; 3], bill: u64) -> u64 {
    let mut asked = [0; 3];
    let mut sum = 0;
    for name in house.script.names() {
        let who = PROVIDERS.iter().position(|known| *known == name).unwrap();
        let script = &acts[who];
        let (_, bills) = script[asked[who].min(script.len() - 1)];
        asked[who] += 1;
        sum += if bills { bill } else { 0 };
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_charge_covers_every_bill(
        acts in prop::array::uniform3(prop::collection::vec(any_act(), 1..5)),
        retries in 0_u32..4,
        spare_attempts in 0_u32..2,
        bill in 0..=BOUND,
        patience in prop::option::of(0_u64..700_000),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (outcome, closed, billed) = runtime.block_on(async {
            let house = Setting::of(PROVIDERS).retries(retries).sparing(spare_attempts).open();
            for (name, script) in PROVIDERS.iter().zip(&acts) {
                house.script.set(name, script.iter().map(|(act, _)| act.clone()));
            }
            let served = async { read(house.ask().await, bill).await };
            // A client with or without patience.
            match patience {
                None => served.await,
                Some(millis) => drop(tokio::time::timeout(Duration::from_millis(millis), served).await),
            }
            let billed = billed(&house, &acts, bill);
            (house.closed.last(), house.closed.count(), billed)
        });
        prop_assert_eq!(closed, 1);
        let cost = outcome.cost.map(NanoUsd::get).unwrap();
        prop_assert!(cost >= billed, "{} < {}: {:?}", cost, billed, acts);
        prop_assert!(cost <= BOUND * u64::from(spare_attempts + 1));
        prop_assert!(outcome.abandoned <= spare_attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_one_attempt_is_given_up_and_the_record_says_so() {
    let setting = Setting {
        reserved: false,
        ..Setting::of(PROVIDERS).sparing(1)
    };
    let house = setting.open();
    house.script.set("a", [Act::Broken]);
    house.script.set("b", [Act::Stream(vec![Part::After(0)])]);
    let reply = house.ask().await;
    read(reply, 30).await;
    let outcome = house.closed.last();
    assert_eq!((outcome.attempts, outcome.abandoned), (2, 1));
    assert_eq!((outcome.cost, outcome.estimated), (NanoUsd::new(30), true));
}
