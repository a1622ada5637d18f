//! What a target charges: a price of the configuration's own, or one of the [`PriceBook`].

mod book;
mod catalogue;
mod entry;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use lattice_kernel::{Bill, NanoUsd, Price, Rates, Usage};
use time::OffsetDateTime;

pub use book::{Model, PriceBook, PriceFileError};

/// One rate for input, one for output, written next to the target.
#[derive(Debug, Clone, Copy)]
pub struct FlatPrice(Rates);

impl FlatPrice {
    /// From USD per million tokens; `None` where a rate is negative, not finite
    /// or above one USD a token.
    #[must_use]
    pub fn per_mtok(input_usd: f64, output_usd: f64) -> Option<Self> {
        let rates = Rates::flat(pico(input_usd / 1e6)?, pico(output_usd / 1e6)?);
        Some(Self(rates))
    }

    /// Free of charge, for models on one's own machines.
    #[must_use]
    pub fn free() -> Self {
        Self(Rates::default())
    }
}

/// What bills name as price and as price list.
static CONFIG: LazyLock<Arc<str>> = LazyLock::new(|| "config".into());

impl Price for FlatPrice {
    fn bill(&self, usage: &Usage, _at: OffsetDateTime) -> Option<Bill> {
        let mut bill = Bill::new(CONFIG.clone(), CONFIG.clone(), usage, &self.0)?;
        // One price is all that is known, and it is not said of which tier.
        bill.estimated = usage.tier.is_some() && bill.total > NanoUsd::ZERO;
        Some(bill)
    }

    fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        let bill = self.bill(usage, OffsetDateTime::UNIX_EPOCH)?;
        Some(bill.total)
    }

    fn source(&self) -> &str {
        "config"
    }
}

/// The tiers that cost no more than the standard one: where their own rates are not
/// known, those are an upper bound. Of any other tier nothing is known.
fn is_discount(tier: &str) -> bool {
    matches!(tier, "flex" | "batch" | "scale" | "provisioned_throughput")
}

/// USD for one → pico-USD, rounded up; `None` where it is negative, not finite or above
/// one USD.
fn pico(usd: f64) -> Option<u64> {
    let pico = usd * 1e12;
    let whole = pico.round();
    // What is left of a division below a thousandth is noise, which rounding up must
    // not turn into a whole one.
    let pico = if (pico - whole).abs() < 1e-3 {
        whole
    } else {
        pico.ceil()
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked here"
    )]
    (0.0..=1e12).contains(&pico).then_some(pico as u64)
}
