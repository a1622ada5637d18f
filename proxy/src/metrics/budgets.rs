//! What budgets come to, as gauges: `lattice_budget_usd` and `lattice_budget_tokens`.

use std::collections::{HashMap, HashSet};

use metrics::gauge;
use parking_lot::Mutex;

use super::OTHER;

/// Scopes that get series of their own while the process lives; what comes later is added
/// up as `other`. Series are never taken away, so this bounds them all.
const MOST_SCOPES: usize = 1000;

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    Usd,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "limits in tokens come with their ledger")
    )]
    Tokens,
}

/// One budget at the moment of a scrape, in its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing<'a> {
    pub unit: Unit,
    /// Its kind, name and window, as in `team:research:month`.
    pub scope: &'a str,
    pub limit: f64,
    pub spent: f64,
    pub reserved: f64,
}

/// Which scopes have series.
#[derive(Default)]
pub struct Budgets(Mutex<HashSet<(Unit, Box<str>)>>);

impl Budgets {
    /// Shows these; a budget that was shown before and is not among them shows no number.
    pub fn show<'a>(&self, standings: impl IntoIterator<Item = Standing<'a>>) {
        for ((unit, scope), amounts) in self.series(standings) {
            let [limit, spent, reserved] = amounts;
            for (state, amount) in [("limit", limit), ("spent", spent), ("reserved", reserved)] {
                let labels = [("scope", scope.to_string()), ("state", state.to_owned())];
                match unit {
                    Unit::Usd => gauge!("lattice_budget_usd", &labels).set(amount),
                    Unit::Tokens => gauge!("lattice_budget_tokens", &labels).set(amount),
                }
            }
        }
    }

    /// Limit, spent and reserved of every scope that has series.
    fn series<'a>(
        &self,
        standings: impl IntoIterator<Item = Standing<'a>>,
    ) -> HashMap<(Unit, Box<str>), [f64; 3]> {
        let mut shown = self.0.lock();
        let mut series: HashMap<_, [f64; 3]> = HashMap::new();
        for standing in standings {
            let mut key = (standing.unit, Box::from(standing.scope));
            if !shown.contains(&key) {
                if shown.len() >= MOST_SCOPES {
                    key.1 = OTHER.into();
                }
                shown.insert(key.clone());
            }
            let sums = series.entry(key).or_default();
            let amounts = [standing.limit, standing.spent, standing.reserved];
            for (sum, amount) in sums.iter_mut().zip(amounts) {
                *sum += amount;
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
    use super::*;

    fn standing(unit: Unit, scope: &str, spent: f64) -> Standing<'_> {
        Standing {
            unit,
            scope,
            limit: 10.0,
            spent,
            reserved: 1.0,
        }
    }

    #[test]
    fn one_scope_may_have_a_budget_in_each_unit() {
        let budgets = Budgets::default();
        let series = budgets.series([
            standing(Unit::Usd, "team:a:day", 2.0),
            standing(Unit::Tokens, "team:a:day", 3.0),
        ]);
        assert_eq!(series[&(Unit::Usd, "team:a:day".into())], [10.0, 2.0, 1.0]);
        assert_eq!(
            series[&(Unit::Tokens, "team:a:day".into())],
            [10.0, 3.0, 1.0]
        );
    }

    #[test]
    fn a_budget_that_is_gone_shows_no_number_and_may_come_back() {
        let budgets = Budgets::default();
        let key = (Unit::Usd, Box::from("key:a:day"));
        budgets.series([standing(Unit::Usd, "key:a:day", 2.0)]);
        assert!(budgets.series([])[&key].iter().all(|sum| sum.is_nan()));
        let series = budgets.series([standing(Unit::Usd, "key:a:day", 4.0)]);
        assert_eq!(series[&key], [10.0, 4.0, 1.0]);
    }

    #[test]
    fn scopes_beyond_the_cap_are_added_up() {
        let budgets = Budgets::default();
        let names: Vec<String> = (0..MOST_SCOPES + 3)
            .map(|n| format!("key:{n}:day"))
            .collect();
        let all = || names.iter().map(|name| standing(Unit::Usd, name, 2.0));
        for _ in 0..2 {
            let series = budgets.series(all());
            assert_eq!(series.len(), MOST_SCOPES + 1);
            assert_eq!(series[&(Unit::Usd, OTHER.into())], [30.0, 6.0, 3.0]);
        }
        // The room of one that is gone is not given to another: its series are still there.
        let series = budgets.series(all().skip(1));
        assert_eq!(series.len(), MOST_SCOPES + 1);
        assert_eq!(series[&(Unit::Usd, OTHER.into())], [30.0, 6.0, 3.0]);
    }
}
