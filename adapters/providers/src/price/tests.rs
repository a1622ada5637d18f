//! Prices over time, by tier and length, and files that are none.

use std::sync::Arc;

use lattice_kernel::{Class, Clock, NanoUsd, Price, SystemClock, Tier, Usage};
use time::OffsetDateTime;
use time::macros::datetime;

use super::catalogue::{Catalogue, Probe};
use super::{FlatPrice, Model, PriceBook, pico};

const NOON: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

fn price(book: &PriceBook, provider: &str, model: &str) -> Option<Arc<dyn Price>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let model = Model {
        provider,
        listed_as: Some(provider),
        base_url: "",
        model,
    };
    book.find(model, &clock)
}

fn usage(input: u64, output: u64, tier: Option<&str>) -> Usage {
    Usage {
        input,
        output,
        tier: tier.map(Tier::new),
        ..Usage::default()
    }
}

/// The cost in nano-USD, and whether it is an estimate.
fn bill(price: &Arc<dyn Price>, usage: &Usage, at: OffsetDateTime) -> Option<(u64, bool)> {
    let bill = price.bill(usage, at)?;
    Some((bill.total.get(), bill.estimated))
}

#[test]
fn a_tier_has_its_own_rates_or_dearer_ones_or_none() {
    let book = PriceBook::built_in();
    // gpt-5: 1.25 in, half of it on flex and in a batch, twice of it on priority.
    let gpt = price(&book, "openai", "gpt-5").expect("listed");
    let cost = |tier| bill(&gpt, &usage(1000, 0, tier), NOON);
    assert_eq!(cost(None), Some((1_250_000, false)));
    assert_eq!(cost(Some("flex")), Some((625_000, false)));
    assert_eq!(cost(Some("batch")), Some((625_000, false)));
    assert_eq!(cost(Some("priority")), Some((2_500_000, false)));
    for unknown in ["turbo", "unknown", "geo-us"] {
        assert_eq!(cost(Some(unknown)), None, "{unknown}");
    }
    assert_eq!(cost(Some("scale")), Some((1_250_000, true)));
    // Before the day of its first known rates a discount is not granted.
    let then = datetime!(2026-10-01 12:00 UTC);
    let flex = bill(&gpt, &usage(1000, 0, Some("flex")), then);
    assert_eq!(flex, Some((1_250_000, true)));
}

#[test]
fn a_bill_names_its_price_and_its_list() {
    let book = PriceBook::built_in();
    let price = price(&book, "openai", "gpt-4.1-mini").expect("listed");
    let bill = price.bill(&usage(3, 2, None), NOON).expect("priced");
    assert_eq!(&*bill.price, "openai/gpt-4.1-mini");
    assert_eq!(&*bill.version, "genai-prices 0.2.1");
    let lines: Vec<_> = bill
        .lines
        .iter()
        .map(|line| (line.class, line.count, line.rate, line.cost.get()))
        .collect();
    let expected = [
        (Class::Input, 3, 400_000, 1_200),
        (Class::Output, 2, 1_600_000, 3_200),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_rate_is_that_of_the_day_on_which_the_call_began() {
    let list = r#"[{"id":"own","name":"Own","api_pattern":"https://own","models":[{"id":"m","match":{"equals":"m"},"prices":[
        {"prices":{"input_mtok":1,"output_mtok":1}},
        {"constraint":{"start_date":"2026-11-24"},"prices":{"input_mtok":{"base":2,"tiers":[{"start":500,"price":4}]},"output_mtok":1}},
        {"constraint":{"start_time":"12:00:15Z","end_time":"13:00:00Z"},"prices":{"input_mtok":3,"output_mtok":1}}]}]}]"#;
    let book = PriceBook::read("list.json", list).expect("sound");
    let price = price(&book, "own", "m").expect("listed");
    let cost = |input, at| bill(&price, &usage(input, 0, None), at).map(|(cost, _)| cost);
    for (at, expected) in [
        (datetime!(2026-11-23 23:59:59 UTC), 1),
        (datetime!(2026-11-24 00:00 UTC), 2),
        (datetime!(2026-11-24 12:00:14 UTC), 2),
        (datetime!(2026-11-24 12:00:15 UTC), 3),
        (datetime!(2026-11-24 13:00 UTC), 2),
        // And back again, past what was kept of the last one.
        (datetime!(2026-11-23 12:00 UTC), 1),
    ] {
        assert_eq!(cost(100, at), Some(expected * 100_000), "{at}");
    }
    assert_eq!(cost(500, NOON), Some(500 * 2_000));
    assert_eq!(cost(501, NOON), Some(501 * 4_000));
}

#[test]
fn an_operators_own_prices_win_from_their_day_on() {
    let file = r#"{"version":"7","prices":[
        {"id":"contract","provider":"openai","model":"gpt-5*","from":"2026-11-24","usd_per_mtok":{"input":1,"cached_input":0.5,"output":2}},
        {"provider":"openai","model":"gpt-5*","from":"2026-11-24","above_input_tokens":1000,"usd_per_mtok":{"input":3,"output":2}},
        {"provider":"openai","model":"gpt-5*","tier":"turbo","from":"2026-11-24","usd_per_mtok":{"input":9,"output":9},"usd_per_request":0.000001},
        {"provider":"openai","model":"gpt-5-mini","usd_per_mtok":{"input":0.0000001,"output":0}}]}"#;
    let book = PriceBook::read("prices.json", file).expect("sound");
    let gpt = price(&book, "openai", "gpt-5").expect("priced");
    let cost = |input, tier, at| bill(&gpt, &usage(input, 0, tier), at);
    let before = datetime!(2026-11-23 23:59 UTC);
    assert_eq!(cost(1000, None, before), Some((1_250_000, false)), "listed");
    assert_eq!(cost(1000, None, NOON), Some((1_000_000, false)));
    assert_eq!(cost(1001, None, NOON), Some((3_003_000, false)));
    assert_eq!(cost(1000, Some("turbo"), NOON), Some((9_001_000, false)));
    assert_eq!(cost(1000, Some("flex"), NOON), Some((1_000_000, true)));
    assert_eq!(cost(1000, Some("priority"), NOON), None);
    let named = gpt.bill(&usage(1, 0, None), NOON).expect("priced");
    assert_eq!(&*named.price, "contract");
    assert!(
        named.version.starts_with("prices.json 7 sha256:"),
        "{}",
        named.version
    );
    // A tenth of a pico-USD a token is one, and what it comes to a whole nano-USD.
    let mini = price(&book, "openai", "gpt-5-mini").expect("priced");
    assert_eq!(bill(&mini, &usage(1, 0, None), NOON), Some((1, false)));
    // What the file does not name is as it was.
    assert!(price(&book, "anthropic", "claude-haiku-4-5").is_some());
}

#[test]
fn a_file_that_cannot_be_used_says_where() {
    let own = |members: &str| {
        format!(
            r#"{{"prices":[{{"provider":"p","model":"m","usd_per_mtok":{{"input":1,"output":1}}{members}}}]}}"#
        )
    };
    for (text, said) in [
        ("", "line 1"),
        ("{\"prices\":\n[{]}", "line 2 column 3"),
        (r#"{"price":[]}"#, "unknown field `price`"),
        (
            r#"{"prices":[{"provider":"p","model":"m","usd_per_mtok":{"input":1}}]}"#,
            "missing field `output`",
        ),
        (
            r#"{"prices":[{"provider":"p","model":"m","usd_per_mtok":{"input":-1,"output":1}}]}"#,
            "prices[0].usd_per_mtok.input: -1 is no rate",
        ),
        (
            r#"{"prices":[{"provider":"p","model":"m","usd_per_mtok":{"input":1,"output":1e99}}]}"#,
            "prices[0].usd_per_mtok.output",
        ),
        (
            &own(r#","from":"24.11.2026""#),
            "prices[0].from: \"24.11.2026\" is no day",
        ),
        (&own(r#","tier":"a b""#), "prices[0].tier"),
        (
            r#"{"prices":[{"provider":"p","model":"m","usd_per_mtok":{"input":1,"output":1}},{"provider":"p","model":"m","usd_per_mtok":{"input":2,"output":1}}]}"#,
            "prices[1] is for the same",
        ),
        (r#"[{"id":"p"}]"#, "providers: "),
        (
            r#"[{"id":"p","name":"P","api_pattern":"x","models":[{"id":"m","match":{"equals":"m"},"prices":{"input_mtok":-1}}]}]"#,
            "model \"m\"",
        ),
        (r#"{"providers":5}"#, "providers: "),
    ] {
        let Err(error) = PriceBook::read("prices.json", text) else {
            panic!("{text} was read");
        };
        assert!(error.to_string().contains(said), "{text}: {error}");
    }
}

#[test]
fn an_unknown_model_is_unpriced_not_free() {
    let book = PriceBook::built_in();
    assert!(price(&book, "openai", "no-such-model-xyz").is_none());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let model = Model {
        provider: "own",
        listed_as: None,
        base_url: "http://127.0.0.1:9/v1",
        model: "mock",
    };
    assert!(book.find(model, &clock).is_none());
}

#[test]
fn absurd_counts_are_no_bill_or_a_large_one() {
    let book = PriceBook::built_in();
    for (provider, model) in [("openai", "gpt-5"), ("google", "gemini-2.5-pro")] {
        let price = price(&book, provider, model).expect("listed");
        let most = price.cost(&usage(u64::MAX, u64::MAX, None));
        assert_eq!(most, None, "{model}");
        let large = price.cost(&usage(1 << 40, 0, None));
        assert!(
            large > NanoUsd::new(1_000_000 * 1_000_000_000),
            "{model}: {large:?}"
        );
    }
}

/// Where the built-in list changes with length or time, so that what is kept of it is
/// asked again in time.
#[test]
fn the_built_in_list_is_as_flat_as_its_bounds_say() {
    let catalogue = Catalogue::built_in();
    let calculator = catalogue.calculator();
    let most = catalogue.flat_up_to;
    let mut models = 0;
    for provider in calculator.providers() {
        for model in provider.models() {
            let cost = |input: u64, at: OffsetDateTime| {
                Probe::total(calculator, provider.id(), model.id(), input, at)
            };
            let short = cost(1000, NOON);
            let long = cost(most, NOON);
            assert_eq!(
                short.map(|usd| (usd * 1e9).round()),
                long.map(|usd| (usd * 1e9).round()),
                "{} {}",
                provider.id(),
                model.id()
            );
            models += 1;
            for slot in 0..86_400 / catalogue.slot {
                let begin = NOON.replace_time(time::Time::MIDNIGHT)
                    + time::Duration::seconds(slot * catalogue.slot);
                let end = begin + time::Duration::seconds(catalogue.slot - 1);
                assert_eq!(cost(1000, begin), cost(1000, end), "{begin}");
            }
        }
    }
    println!("{models} models");
    assert!(models > 1000);
}

#[test]
fn a_flat_price_charges_each_side_by_one_rate() {
    let price = FlatPrice::per_mtok(0.15, 0.6).expect("valid");
    let usage = Usage {
        input: 3,
        cached_input: 1,
        output: 5,
        reasoning: 2,
        ..Usage::default()
    };
    // (2 + 1) × 150,000 + (3 + 2) × 600,000 pico-USD.
    assert_eq!(price.cost(&usage), NanoUsd::new(3_450));
    for wrong in [-1.0, f64::NAN, f64::INFINITY, 2e6] {
        assert!(FlatPrice::per_mtok(wrong, 1.0).is_none(), "{wrong}");
    }
}

#[test]
fn a_flat_price_of_another_tier_is_an_estimate() {
    let usage = Usage {
        input: 1,
        tier: Some(Tier::new("priority")),
        ..Usage::default()
    };
    let estimated = |price: FlatPrice| {
        let bill = price.bill(&usage, OffsetDateTime::UNIX_EPOCH);
        bill.expect("affordable").estimated
    };
    assert!(estimated(FlatPrice::per_mtok(1.0, 1.0).expect("valid")));
    assert!(!estimated(FlatPrice::free()));
}

#[test]
fn rates_are_rounded_up_and_noise_is_none() {
    assert_eq!(pico(0.1 * 3.0 / 1e6), Some(300_000));
    assert_eq!(pico(0.083_333_333_333 / 1e6), Some(83_334));
    assert_eq!(pico(1.000_001), None);
}
