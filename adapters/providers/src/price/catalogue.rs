//! Prices as genai-prices lists them. It reckons in `f64` and keeps its rates to itself,
//! so they are read off what it charges for one class of tokens at a time, and all else
//! is reckoned here, in integers.

use std::sync::Arc;

use genai_prices::{Calculator, PriceRequest, Usage as Asked, UsageKey};
use lattice_kernel::{Bill, Class, Clock, NanoUsd, Price, Rates, Tier, Usage};
use time::OffsetDateTime;

use super::{is_discount, pico};

/// So many tokens are never asked about: beyond all tiers, and exact in `f64`.
const MOST: u64 = 1 << 40;

/// A list of prices in the format of genai-prices.
pub(super) struct Catalogue {
    pub list: List,
    /// Its name and version, for records.
    pub version: Arc<str>,
    /// No rate changes with the length of the prompt up to so many tokens.
    pub flat_up_to: u64,
    /// Nor with the time within a slot of so many seconds since midnight.
    pub slot: i64,
}

/// Where the list is.
pub(super) enum List {
    BuiltIn,
    Read(Box<Calculator>),
}

impl Catalogue {
    /// The one that is built in. Its bounds are those of this version; a test asks.
    pub fn built_in() -> Self {
        Self {
            list: List::BuiltIn,
            version: "genai-prices 0.2.1".into(),
            flat_up_to: 32_000,
            slot: 1800,
        }
    }

    pub fn calculator(&self) -> &Calculator {
        match &self.list {
            List::BuiltIn => Calculator::bundled(),
            List::Read(calculator) => calculator,
        }
    }
}

/// The price of one model.
pub(super) struct CatalogPrice {
    catalogue: Arc<Catalogue>,
    provider: Box<str>,
    model: Box<str>,
    /// `provider/model`, as the list has them.
    id: Arc<str>,
    source: Box<str>,
    clock: Arc<dyn Clock>,
    /// The standard rates for short prompts, and the slot that they hold for.
    short: parking_lot::RwLock<(i64, Rates)>,
}

impl CatalogPrice {
    /// The price for `model` at the provider that the list knows as `provider_id`, or
    /// that answers at `base_url`. `None`: it has none.
    pub fn find(
        catalogue: Arc<Catalogue>,
        provider_id: Option<&str>,
        base_url: &str,
        model: &str,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let probe = Asked::from([(UsageKey::INPUT_TOKENS, 1.0)]);
        let request = PriceRequest::new(model, &probe);
        let request = match provider_id {
            Some(id) => request.with_provider_id(id),
            None => request.with_provider_api_url(base_url),
        };
        let found = catalogue.calculator().calculate(&request).ok()?;
        let id: Arc<str> = format!("{}/{}", found.provider_id, found.model_id).into();
        let price = Self {
            source: format!("{} {id}", catalogue.version).into(),
            // The provider of the list may have the model from another one: it is asked
            // for again by the name that was found at first.
            provider: found.provider_id.into(),
            model: model.into(),
            id,
            short: parking_lot::RwLock::new((i64::MIN, Rates::default())),
            clock,
            catalogue,
        };
        price.standard(0, price.clock.now())?;
        Some(price)
    }

    /// The standard rates for a prompt of so many tokens.
    fn standard(&self, input: u64, at: OffsetDateTime) -> Option<Rates> {
        if input > self.catalogue.flat_up_to {
            return self.rates(input, None, at);
        }
        let slot = at.unix_timestamp().div_euclid(self.catalogue.slot);
        let (known, rates) = *self.short.read();
        if known == slot {
            return Some(rates);
        }
        let rates = self.rates(0, None, at)?;
        *self.short.write() = (slot, rates);
        Some(rates)
    }

    /// The rates of `tier`; whether they are not its own but dearer ones.
    fn tiered(&self, usage: &Usage, at: OffsetDateTime) -> Option<(Rates, bool)> {
        let standard = self.standard(usage.input, at)?;
        let Some(tier) = &usage.tier else {
            return Some((standard, false));
        };
        let own = self.rates(usage.input, Some(tier), at)?;
        // A tier that the list does not know gets the standard rates there.
        let known = own != standard;
        (known || is_discount(tier.as_str())).then_some((own, !known))
    }

    fn rates(&self, input: u64, tier: Option<&Tier>, at: OffsetDateTime) -> Option<Rates> {
        let probe = Probe {
            price: self,
            input: input.min(MOST),
            tier,
            at,
        };
        let mut rates = Rates::default();
        for class in Class::ALL {
            rates = rates.with(class, probe.rate(class)?);
        }
        Some(rates)
    }
}

impl Price for CatalogPrice {
    fn bill(&self, usage: &Usage, at: OffsetDateTime) -> Option<Bill> {
        let (rates, estimated) = self.tiered(usage, at)?;
        let version = self.catalogue.version.clone();
        let bill = Bill::new(self.id.clone(), version, usage, &rates)?;
        Some(Bill { estimated, ..bill })
    }

    fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        Some(self.bill(usage, self.clock.now())?.total)
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

/// Asks what one class costs where a prompt of some length was read.
pub(super) struct Probe<'a> {
    price: &'a CatalogPrice,
    input: u64,
    tier: Option<&'a Tier>,
    at: OffsetDateTime,
}

/// So much output is asked about, so that little is lost in `f64`.
const OUTPUT: f64 = 1e6;

impl Probe<'_> {
    /// What the list says of so much input and as much output, per token, in USD.
    #[cfg(test)]
    pub fn total(
        calculator: &Calculator,
        provider: &str,
        model: &str,
        input: u64,
        at: OffsetDateTime,
    ) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let length = input as f64;
        let usage = Asked::from([
            (UsageKey::INPUT_TOKENS, length),
            (UsageKey::OUTPUT_TOKENS, length),
        ]);
        let request = PriceRequest::new(model, &usage)
            .with_provider_id(provider)
            .with_timestamp(at);
        let found = calculator.calculate(&request).ok()?;
        Some((found.input_price + found.output_price) / length)
    }

    /// Pico-USD for one.
    fn rate(&self, class: Class) -> Option<u64> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let length = self.input as f64;
        let most = length.max(1.0);
        let usd = match class {
            Class::WebSearch => {
                let with = self.ask(&[(UsageKey::WEB_SEARCHES, 1.0)])?;
                with.total_price - self.ask(&[])?.total_price
            }
            Class::Request => self.ask(&[])?.total_price,
            class if class >= Class::Output => {
                let mut asked = vec![(UsageKey::INPUT_TOKENS, length)];
                asked.extend(keys(class).iter().cloned().map(|key| (key, OUTPUT)));
                self.ask(&asked)?.output_price / OUTPUT
            }
            class => {
                let asked: Vec<_> = keys(class).iter().cloned().map(|key| (key, most)).collect();
                self.ask(&asked)?.input_price / most
            }
        };
        pico(usd)
    }

    fn ask(&self, counts: &[(UsageKey, f64)]) -> Option<genai_prices::PriceCalculation> {
        let mut usage = Asked::new();
        for (key, count) in counts {
            usage.insert(key.clone(), *count);
        }
        let request = PriceRequest::new(&self.price.model, &usage)
            .with_provider_id(&self.price.provider)
            .with_timestamp(self.at);
        let request = match self.tier.map(Tier::as_str) {
            Some("batch") => request.with_price_context("processing", "batch"),
            Some(tier) => request.with_price_context("service_tier", tier),
            None => request,
        };
        self.price.catalogue.calculator().calculate(&request).ok()
    }
}

/// What a token of this class counts as there: of each wider class too.
fn keys(class: Class) -> &'static [UsageKey] {
    const INPUT: UsageKey = UsageKey::INPUT_TOKENS;
    const READ: UsageKey = UsageKey::CACHE_READ_TOKENS;
    const WRITE: UsageKey = UsageKey::CACHE_WRITE_TOKENS;
    const OUTPUT: UsageKey = UsageKey::OUTPUT_TOKENS;
    match class {
        Class::Input => const { &[INPUT] },
        Class::InputAudio => const { &[INPUT, UsageKey::INPUT_AUDIO_TOKENS] },
        Class::InputImage => const { &[INPUT, UsageKey::INPUT_IMAGE_TOKENS] },
        Class::InputVideo => const { &[INPUT, UsageKey::INPUT_VIDEO_TOKENS] },
        Class::CachedInput => const { &[INPUT, READ] },
        Class::CachedAudio => {
            const {
                &[
                    INPUT,
                    READ,
                    UsageKey::INPUT_AUDIO_TOKENS,
                    UsageKey::CACHE_AUDIO_READ_TOKENS,
                ]
            }
        }
        Class::CachedImage => {
            const {
                &[
                    INPUT,
                    READ,
                    UsageKey::INPUT_IMAGE_TOKENS,
                    UsageKey::CACHE_IMAGE_READ_TOKENS,
                ]
            }
        }
        Class::CacheWrite5m => const { &[INPUT, WRITE, UsageKey::CACHE_WRITE_5M_TOKENS] },
        Class::CacheWrite1h => const { &[INPUT, WRITE, UsageKey::CACHE_WRITE_1H_TOKENS] },
        Class::Output => const { &[OUTPUT] },
        Class::Reasoning => const { &[OUTPUT, UsageKey::OUTPUT_REASONING_TOKENS] },
        Class::OutputAudio => const { &[OUTPUT, UsageKey::OUTPUT_AUDIO_TOKENS] },
        Class::OutputImage => const { &[OUTPUT, UsageKey::OUTPUT_IMAGE_TOKENS] },
        Class::WebSearch | Class::Request => const { &[] },
    }
}
