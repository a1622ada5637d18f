//! `lattice cost reconcile`: our sums beside a provider's, by UTC day and model.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;
use time::Date;
use time::macros::format_description;

use super::Reader;
use super::explain::usd;
use super::export::{Export, Key, Measure, Sum, model_key};
use super::leaf::Read;
use crate::cli::cost::Reconcile;
use crate::command::{CommandError, Done, table};

/// Days and models of ours that are kept.
const MOST: usize = 100_000;

/// What was recorded on the days of an export.
pub struct Ours {
    theirs: Export,
    provider: String,
    days: (Date, Date),
    sums: BTreeMap<Key, Sum>,
    /// Requests without a known cost or usage, and with an estimated cost.
    unknown: u64,
    estimated: u64,
}

impl Ours {
    /// Nothing yet, of the days that `theirs` has.
    pub fn beside(theirs: Export, provider: Option<&str>) -> Self {
        let days = theirs.sums.keys().map(|(day, _)| *day);
        let first = days.clone().min().unwrap_or(Date::MIN);
        Self {
            provider: provider.unwrap_or(theirs.provider).to_owned(),
            days: (first, days.max().unwrap_or(Date::MIN)),
            theirs,
            sums: BTreeMap::new(),
            unknown: 0,
            estimated: 0,
        }
    }
}

impl Reader for Ours {
    fn wants(&self, text: &str) -> bool {
        text.starts_with(r#"{"kind":"outcome""#)
    }

    fn take(&mut self, leaf: Read) -> Result<(), CommandError> {
        let Read::Outcome(outcome) = leaf else {
            return Ok(());
        };
        if outcome.provider.as_deref() != Some(&*self.provider) {
            return Ok(());
        }
        let format = format_description!("[year]-[month]-[day]");
        let day = outcome
            .at
            .get(..10)
            .and_then(|day| Date::parse(day, format).ok());
        let Some(day) = day.filter(|day| (self.days.0..=self.days.1).contains(day)) else {
            return Ok(());
        };
        let known = match self.theirs.measure {
            Measure::Cost => outcome.cost_nano_usd.is_some(),
            Measure::Tokens => outcome.usage.is_some() || outcome.cost_nano_usd == Some(0),
        };
        self.unknown += u64::from(!known);
        self.estimated += u64::from(outcome.estimated);
        let model = outcome.model.unwrap_or_default();
        let key = if self.theirs.by_model {
            model_key(&model)
        } else {
            String::new()
        };
        if self.sums.len() >= MOST {
            return Err(CommandError::Failed(format!(
                "the audit has more than {MOST} days and models; reconcile fewer days"
            )));
        }
        let sum = self.sums.entry((day, key)).or_default();
        if sum.model.is_empty() && self.theirs.by_model {
            sum.model = model;
        }
        sum.cost += i128::from(outcome.cost_nano_usd.unwrap_or(0)) * 1000;
        let usage = outcome.usage.unwrap_or_default();
        sum.input += i128::from(usage.input);
        sum.output += i128::from(usage.output);
        Ok(())
    }
}

#[derive(Serialize)]
struct Row {
    day: String,
    model: String,
    /// `cost_usd`, `input_tokens` or `output_tokens`.
    measure: &'static str,
    ours: String,
    theirs: String,
    difference: String,
    /// The difference as a share of theirs, percent; `None`: they have nothing.
    percent: Option<f64>,
    within: bool,
}

#[derive(Serialize)]
struct Reconciled {
    provider: String,
    tolerance_percent: f64,
    rows: Vec<Row>,
    total: Vec<Row>,
    /// Of ours: requests whose cost or usage is not known, and whose cost is estimated.
    unknown: u64,
    estimated: u64,
    within: bool,
}

/// Prints the two beside each other; 1 where a difference is beyond the tolerance.
pub fn show(ours: Ours, options: &Reconcile) -> Done {
    let tolerance = options.tolerance;
    let reconciled = reconcile(&ours, tolerance);
    if options.listing.json {
        table::print_json(&reconciled)?;
    } else {
        let all: Vec<&Row> = reconciled.rows.iter().chain(&reconciled.total).collect();
        let heads = [
            "DAY",
            "MODEL",
            "OF",
            "OURS",
            "THEIRS",
            "DIFFERENCE",
            "%",
            "",
        ];
        table::print(false, &all, heads, |row| {
            [
                row.day.clone(),
                row.model.clone(),
                row.measure.to_owned(),
                row.ours.clone(),
                row.theirs.clone(),
                row.difference.clone(),
                row.percent
                    .map_or_else(|| "-".to_owned(), |it| format!("{it:.3}")),
                if row.within { "" } else { "beyond" }.to_owned(),
            ]
        })?;
        println!();
        let Reconciled {
            unknown, estimated, ..
        } = &reconciled;
        println!(
            "of ours, {unknown} requests are of unknown cost or usage, and {estimated} are estimated"
        );
        println!(
            "{} of {} differences are beyond {tolerance} %",
            reconciled.rows.iter().filter(|row| !row.within).count(),
            reconciled.rows.len(),
        );
    }
    Ok(if reconciled.within {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn reconcile(ours: &Ours, tolerance: f64) -> Reconciled {
    let nothing = Sum::default();
    let mut keys: Vec<&Key> = ours.theirs.sums.keys().chain(ours.sums.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let (mut rows, mut all, mut their_all) = (Vec::new(), Sum::default(), Sum::default());
    for key in keys {
        let theirs = ours.theirs.sums.get(key).unwrap_or(&nothing);
        let mine = ours.sums.get(key).unwrap_or(&nothing);
        for (to, from) in [(&mut all, mine), (&mut their_all, theirs)] {
            to.cost += from.cost;
            to.rounding += from.rounding;
            to.input += from.input;
            to.output += from.output;
        }
        let name = [&theirs.model, &mine.model];
        let name = name.into_iter().find(|name| !name.is_empty());
        let model = name.map_or("(all)", |name| name.as_str());
        rows.extend(compare(
            ours.theirs.measure,
            (&key.0.to_string(), model),
            (mine, theirs),
            tolerance,
        ));
    }
    let total = compare(
        ours.theirs.measure,
        ("total", ""),
        (&all, &their_all),
        tolerance,
    );
    Reconciled {
        provider: ours.provider.clone(),
        tolerance_percent: tolerance,
        within: rows.iter().all(|row| row.within),
        rows,
        total,
        unknown: ours.unknown,
        estimated: ours.estimated,
    }
}

fn compare(
    measure: Measure,
    (day, model): (&str, &str),
    (ours, theirs): (&Sum, &Sum),
    tolerance: f64,
) -> Vec<Row> {
    let row = |measure, ours: i128, theirs: i128, slack: i128, shown: fn(i128) -> String| {
        let difference = ours - theirs;
        #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
        let percent = (theirs != 0).then(|| difference as f64 / theirs as f64 * 100.0);
        let close = percent.map_or(difference == 0, |percent| percent.abs() <= tolerance);
        Row {
            day: day.to_owned(),
            model: model.to_owned(),
            measure,
            ours: shown(ours),
            theirs: shown(theirs),
            difference: shown(difference),
            percent,
            // What they rounded may be off by that much.
            within: close || difference.abs() <= slack,
        }
    };
    let dollars = |pico: i128| usd(i64::try_from(pico / 1000).unwrap_or(i64::MAX));
    let tokens = |count: i128| count.to_string();
    match measure {
        Measure::Cost => vec![row(
            "cost_usd",
            ours.cost,
            theirs.cost,
            theirs.rounding,
            dollars,
        )],
        Measure::Tokens => vec![
            row("input_tokens", ours.input, theirs.input, 0, tokens),
            row("output_tokens", ours.output, theirs.output, 0, tokens),
        ],
    }
}
