//! What budgets and rates come to, as gauges: `lattice_budget_usd`, `lattice_budget_tokens`,
//! `lattice_budget_requests` and `lattice_rate_limit`.

use std::collections::{HashMap, HashSet};

use lattice_kernel::NanoUsd;
use lattice_limits::{Limit, Unit};
use metrics::gauge;
use parking_lot::Mutex;

use super::OTHER;

/// Scopes that get series of their own while the process lives; what comes later is added
/// up as `other`. Series are never taken away, so this bounds them all.
const MOST_SCOPES: usize = 1000;

/// One limit at the moment of a scrape, in its unit.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    pub limit: &'a Limit,
    pub spent: i64,
    pub reserved: i64,
}

/// Limits whose amounts may be added up: of one unit, all rates or all budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Family {
    unit: Unit,
    rate: bool,
}

impl Family {
    fn of(limit: &Limit) -> Self {
        Self {
            unit: limit.unit,
            rate: limit.is_rate(),
        }
    }

    /// USD are shown as such, and not in nano-USD.
    #[expect(
        clippy::cast_precision_loss,
        reason = "metrics are floating-point by nature"
    )]
    fn shown(self, amount: i64) -> f64 {
        match self.unit {
            Unit::Usd => NanoUsd::from_i64(amount).unwrap_or_default().as_usd(),
            Unit::Tokens | Unit::Requests => amount as f64,
        }
    }

    fn set(self, scope: &str, state: &str, amount: f64) {
        let mut labels = vec![("scope", scope.to_owned()), ("state", state.to_owned())];
        let name = match (self.unit, self.rate) {
            (unit, true) => {
                labels.push(("unit", unit.as_str().to_owned()));
                "lattice_rate_limit"
            }
            (Unit::Usd, false) => "lattice_budget_usd",
            (Unit::Tokens, false) => "lattice_budget_tokens",
            (Unit::Requests, false) => "lattice_budget_requests",
        };
        gauge!(name, &labels).set(amount);
    }
}

/// A limit as a label: `team:research:month`, and `:rolling` where it rolls.
pub fn scope_label(limit: &Limit) -> String {
    let rolling = if limit.period.rolling { ":rolling" } else { "" };
    format!(
        "{}:{}:{}{rolling}",
        limit.kind.as_str(),
        limit.name,
        limit.period.window.as_str()
    )
}

/// Which scopes have series.
#[derive(Default)]
pub struct Budgets(Mutex<HashSet<(Family, Box<str>)>>);

impl Budgets {
    /// Shows these; a budget that was shown before and is not among them shows no number.
    pub fn show<'a>(&self, standings: impl IntoIterator<Item = Standing<'a>>) {
        for ((family, scope), amounts) in self.series(standings) {
            let [limit, spent, reserved] = amounts;
            for (state, amount) in [("limit", limit), ("spent", spent), ("reserved", reserved)] {
                family.set(&scope, state, amount);
            }
        }
    }

    /// Limit, spent and reserved of every scope that has series.
    fn series<'a>(
        &self,
        standings: impl IntoIterator<Item = Standing<'a>>,
    ) -> HashMap<(Family, Box<str>), [f64; 3]> {
        let mut shown = self.0.lock();
        let mut series: HashMap<_, [f64; 3]> = HashMap::new();
        for standing in standings {
            let family = Family::of(standing.limit);
            let mut key = (family, scope_label(standing.limit).into_boxed_str());
            if !shown.contains(&key) {
                if shown.len() >= MOST_SCOPES {
                    key.1 = OTHER.into();
                }
                shown.insert(key.clone());
            }
            let sums = series.entry(key).or_default();
            let amounts = [standing.limit.amount, standing.spent, standing.reserved];
            for (sum, amount) in sums.iter_mut().zip(amounts) {
                *sum += family.shown(amount);
            }
        }
        for gone in shown.iter() {
            series.entry(gone.clone()).or_insert([f64::NAN; 3]);
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use lattice_limits::{Mode, Period, ScopeKind, Window};

    use super::*;

    const USD: Family = Family {
        unit: Unit::Usd,
        rate: false,
    };

    fn limit(unit: Unit, name: &str) -> Limit {
        Limit {
            kind: ScopeKind::Key,
            name: name.into(),
            unit,
            period: Period::calendar(Window::Day),
            amount: 10_000_000_000,
            mode: Mode::Hard,
        }
    }

    fn standing(limit: &Limit, spent: i64) -> Standing<'_> {
        Standing {
            limit,
            spent: spent * 1_000_000_000,
            reserved: 1_000_000_000,
        }
    }

    #[test]
    fn one_scope_may_have_a_budget_in_each_unit_and_a_rate() {
        let budgets = Budgets::default();
        let (usd, tokens) = (limit(Unit::Usd, "a"), limit(Unit::Tokens, "a"));
        let mut rate = limit(Unit::Tokens, "a");
        rate.period.window = Window::Minute;
        let all = [standing(&usd, 2), standing(&tokens, 3), standing(&rate, 4)];
        let series = budgets.series(all);
        assert_eq!(series[&(USD, "key:a:day".into())], [10.0, 2.0, 1.0]);
        let tokens = Family {
            unit: Unit::Tokens,
            rate: false,
        };
        assert_eq!(series[&(tokens, "key:a:day".into())], [1e10, 3e9, 1e9]);
        let rate = Family {
            rate: true,
            ..tokens
        };
        assert_eq!(series[&(rate, "key:a:minute".into())], [1e10, 4e9, 1e9]);
    }

    #[test]
    fn a_budget_that_is_gone_shows_no_number_and_may_come_back() {
        let budgets = Budgets::default();
        let key = (USD, Box::from("key:a:day"));
        let limit = limit(Unit::Usd, "a");
        budgets.series([standing(&limit, 2)]);
        assert!(budgets.series([])[&key].iter().all(|sum| sum.is_nan()));
        let series = budgets.series([standing(&limit, 4)]);
        assert_eq!(series[&key], [10.0, 4.0, 1.0]);
    }

    #[test]
    fn scopes_beyond_the_cap_are_added_up() {
        let budgets = Budgets::default();
        let limits: Vec<Limit> = (0..MOST_SCOPES + 3)
            .map(|n| limit(Unit::Usd, &n.to_string()))
            .collect();
        let all = || limits.iter().map(|limit| standing(limit, 2));
        for _ in 0..2 {
            let series = budgets.series(all());
            assert_eq!(series.len(), MOST_SCOPES + 1);
            assert_eq!(series[&(USD, OTHER.into())], [30.0, 6.0, 3.0]);
        }
        // The room of one that is gone is not given to another: its series are still there.
        let series = budgets.series(all().skip(1));
        assert_eq!(series.len(), MOST_SCOPES + 1);
        assert_eq!(series[&(USD, OTHER.into())], [30.0, 6.0, 3.0]);
    }
}
