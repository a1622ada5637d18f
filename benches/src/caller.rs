//! Who asks, and where it goes.

use lattice_kernel::principal::Named;
use lattice_kernel::{Action, Ask, Bill, Dialect, NanoUsd, Price, Principal, Rates, Target, Usage};
use std::num::NonZeroU32;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::chat::MODEL;

/// A key of a team, limited to some models of which [`MODEL`] is the last.
#[must_use]
pub fn principal() -> Principal {
    let named = |id, name: &str| Named {
        id: Uuid::from_u128(id),
        name: name.into(),
    };
    Principal {
        team: Some(named(2, "research")),
        models: Some(vec!["openai/*".into(), "small".into(), MODEL.into()]),
        ..Principal::of_key(named(1, "laptop"))
    }
}

/// A streamed question without tools.
#[must_use]
pub fn ask() -> Ask {
    Ask {
        action: Action::Infer,
        model: MODEL.into(),
        dialect: Dialect::OpenAi,
        stream: true,
        tools: Vec::new(),
        classification: None,
        source: Some([10, 0, 0, 1].into()),
    }
}

/// A model with a price, whose tokens can be counted.
#[must_use]
pub fn target() -> Target {
    Target {
        provider: "openai".into(),
        model: "gpt-5".into(),
        classification: None,
        local: false,
        price: Some(Arc::new(PerToken)),
        max_output_tokens: 4096,
        weight: NonZeroU32::MIN,
    }
}

/// 2 nano-USD for each token in, 8 for each token out.
#[derive(Debug)]
struct PerToken;

impl Price for PerToken {
    fn bill(&self, usage: &Usage, _: OffsetDateTime) -> Option<Bill> {
        Bill::new(
            "bench".into(),
            "1".into(),
            usage,
            &Rates::flat(2_000, 8_000),
        )
    }

    fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        let bill = self.bill(usage, OffsetDateTime::UNIX_EPOCH)?;
        Some(bill.total)
    }

    fn source(&self) -> &str {
        "bench"
    }
}
