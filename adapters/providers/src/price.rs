//! What a target charges: a price of the configuration's own, or the catalogue's.

use std::sync::Arc;

use genai_prices::{Calculator, PriceRequest, UsageKey};
use lattice_kernel::clock::Clock;
use lattice_kernel::{NanoUsd, Price, Usage};
use time::Date;

/// The version of the catalogue that is built in, for records.
const CATALOG: &str = "genai-prices 0.2.1";

/// Above this many input tokens the catalogue is asked each time, because some
/// models charge more for long prompts (the lowest threshold is 128,000).
const FLAT_BELOW: u64 = 100_000;

/// One rate for input, one for output, written next to the target.
#[derive(Debug, Clone, Copy)]
pub struct FlatPrice {
    /// Pico-USD per input token, cached or not.
    input: u64,
    /// Pico-USD per output token.
    output: u64,
}

impl FlatPrice {
    /// From USD per million tokens; `None` where a rate is negative, not finite
    /// or above one USD a token.
    #[must_use]
    pub fn per_mtok(input_usd: f64, output_usd: f64) -> Option<Self> {
        Some(Self {
            input: pico(input_usd)?,
            output: pico(output_usd)?,
        })
    }

    /// Free of charge, for models on one's own machines.
    pub const FREE: Self = Self {
        input: 0,
        output: 0,
    };
}

impl Price for FlatPrice {
    fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        total([(usage.input, self.input), (usage.output, self.output)])
    }

    fn source(&self) -> &str {
        "config"
    }
}

/// The catalogue's price for one model, as of today.
pub struct CatalogPrice {
    provider: Box<str>,
    model: Box<str>,
    source: Box<str>,
    clock: Arc<dyn Clock>,
    today: parking_lot::RwLock<(Date, Rates)>,
}

/// Pico-USD per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rates {
    input: u64,
    cached_input: u64,
    cache_write: u64,
    output: u64,
}

impl CatalogPrice {
    /// The catalogue's price for `model` at the provider that it knows as
    /// `provider_id`, or that answers at `base_url`. `None`: it has none.
    #[must_use]
    pub fn find(
        provider_id: Option<&str>,
        base_url: &str,
        model: &str,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let probe = genai_prices::Usage::from([(UsageKey::INPUT_TOKENS, 1.0)]);
        let request = PriceRequest::new(model, &probe);
        let request = match provider_id {
            Some(id) => request.with_provider_id(id),
            None => request.with_provider_api_url(base_url),
        };
        let found = Calculator::bundled().calculate(&request).ok()?;
        let (provider, model) = (found.provider_id, found.model_id);
        let now = clock.now();
        let rates = Rates::of(&provider, &model, now)?;
        Some(Self {
            source: format!("{CATALOG} {provider}/{model}").into(),
            provider: provider.into(),
            model: model.into(),
            today: parking_lot::RwLock::new((now.date(), rates)),
            clock,
        })
    }

    /// Prices have start dates, so a rate holds for a day.
    fn rates(&self) -> Option<Rates> {
        let now = self.clock.now();
        let (day, rates) = *self.today.read();
        if day == now.date() {
            return Some(rates);
        }
        let rates = Rates::of(&self.provider, &self.model, now)?;
        *self.today.write() = (now.date(), rates);
        Some(rates)
    }
}

impl Price for CatalogPrice {
    fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        if usage.input > FLAT_BELOW {
            let usd = ask(&self.provider, &self.model, usage, self.clock.now())?;
            return NanoUsd::from_usd_ceil(settle_noise(usd));
        }
        let rates = self.rates()?;
        // Some providers report the same tokens as read and as written.
        let uncached = usage
            .input
            .saturating_sub(usage.cached_input)
            .saturating_sub(usage.cache_write);
        total([
            (uncached, rates.input),
            (usage.cached_input, rates.cached_input),
            (usage.cache_write, rates.cache_write),
            (usage.output, rates.output),
        ])
    }

    fn source(&self) -> &str {
        &self.source
    }
}

impl std::fmt::Debug for CatalogPrice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CatalogPrice").field(&self.source).finish()
    }
}

impl Rates {
    /// Read off the price of 1,000 tokens of one class at a time.
    fn of(provider: &str, model: &str, at: time::OffsetDateTime) -> Option<Self> {
        let rate = |usage: Usage| pico(ask(provider, model, &usage, at)? * 1000.0);
        let input = 1000;
        Some(Self {
            input: rate(Usage {
                input,
                ..Usage::default()
            })?,
            cached_input: rate(Usage {
                input,
                cached_input: input,
                ..Usage::default()
            })?,
            cache_write: rate(Usage {
                input,
                cache_write: input,
                ..Usage::default()
            })?,
            output: rate(Usage {
                output: 1000,
                ..Usage::default()
            })?,
        })
    }
}

fn ask(provider: &str, model: &str, usage: &Usage, at: time::OffsetDateTime) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "token counts stay far below 2^53"
    )]
    let classes = [
        (UsageKey::INPUT_TOKENS, usage.input as f64),
        (UsageKey::CACHE_READ_TOKENS, usage.cached_input as f64),
        (UsageKey::CACHE_WRITE_TOKENS, usage.cache_write as f64),
        (UsageKey::OUTPUT_TOKENS, usage.output as f64),
    ];
    let reported: Vec<_> = classes
        .into_iter()
        .filter(|(_, tokens)| *tokens > 0.0)
        .collect();
    let mut asked = genai_prices::Usage::new();
    for (class, tokens) in reported {
        asked.insert(class, tokens);
    }
    let request = PriceRequest::new(model, &asked)
        .with_provider_id(provider)
        .with_timestamp(at);
    Calculator::bundled()
        .calculate(&request)
        .ok()
        .map(|price| price.total_price)
}

/// The catalogue reckons in `f64`; what is left of that below a thousandth of a
/// nano-USD is noise, which rounding up must not turn into a whole one.
fn settle_noise(usd: f64) -> f64 {
    (usd * 1e12).round() / 1e12
}

/// USD per million tokens → pico-USD per token.
fn pico(usd_per_mtok: f64) -> Option<u64> {
    let pico = (usd_per_mtok * 1e6).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked here"
    )]
    (0.0..=1e12).contains(&pico).then_some(pico as u64)
}

/// Rounded up once, to whole nano-USD.
fn total<const N: usize>(classes: [(u64, u64); N]) -> Option<NanoUsd> {
    let pico: u128 = classes
        .into_iter()
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate))
        .sum();
    NanoUsd::new(u64::try_from(pico.div_ceil(1000)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lattice_kernel::SystemClock;

    fn catalog(model: &str) -> CatalogPrice {
        CatalogPrice::find(Some("openai"), "", model, Arc::new(SystemClock))
            .expect("in the catalogue")
    }

    #[test]
    fn a_flat_price_rounds_up_once() {
        let price = FlatPrice::per_mtok(0.15, 0.6).expect("valid");
        let usage = Usage {
            input: 3,
            output: 5,
            ..Usage::default()
        };
        // 3 × 150,000 + 5 × 600,000 pico-USD.
        assert_eq!(price.cost(&usage), NanoUsd::new(3_450));
        assert_eq!(
            price.cost(&Usage {
                input: 1,
                ..Usage::default()
            }),
            NanoUsd::new(150)
        );
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 2e6] {
            assert!(FlatPrice::per_mtok(wrong, 1.0).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_catalogue_knows_cached_input() {
        let usage = Usage {
            input: 1000,
            cached_input: 400,
            output: 100,
            ..Usage::default()
        };
        // gpt-4.1: 2, 0.5 and 8 USD per million tokens.
        assert_eq!(
            catalog("gpt-4.1").cost(&usage),
            NanoUsd::new(600 * 2000 + 400 * 500 + 100 * 8000)
        );
    }

    #[test]
    fn both_ways_to_reckon_agree() {
        let price = catalog("gpt-4.1");
        for usage in [
            Usage {
                input: 99_999,
                cached_input: 1,
                output: 77,
                ..Usage::default()
            },
            Usage {
                input: 12_345,
                output: 6_789,
                ..Usage::default()
            },
        ] {
            let asked =
                ask(&price.provider, &price.model, &usage, SystemClock.now()).expect("known");
            assert_eq!(
                price.cost(&usage),
                NanoUsd::from_usd_ceil(settle_noise(asked))
            );
        }
    }

    #[test]
    fn tokens_that_are_both_read_and_written_are_charged_as_both() {
        let usage = Usage {
            input: 100,
            cached_input: 100,
            cache_write: 100,
            ..Usage::default()
        };
        assert_eq!(
            catalog("gpt-4.1").cost(&usage),
            NanoUsd::new(100 * 500 + 100 * 2000)
        );
    }

    #[test]
    fn an_unknown_model_is_unpriced_not_free() {
        let clock = Arc::new(SystemClock);
        assert!(
            CatalogPrice::find(Some("openai"), "", "no-such-model-xyz", clock.clone()).is_none()
        );
        assert!(CatalogPrice::find(None, "http://127.0.0.1:9/v1", "mock", clock).is_none());
    }
}
