//! What providers export: usage and costs of OpenAI and Anthropic as CSV.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use time::Date;
use time::macros::format_description;

use super::csv::Rows;
use crate::command::CommandError;

/// Days and models of one export, at most; beyond that it is no daily one.
const MOST: usize = 100_000;

/// A day, UTC, and a model by the name that both sides can be brought to.
pub type Key = (Date, String);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Pico-USD.
    Cost,
    /// Tokens in, cached ones included, and tokens out.
    Tokens,
}

/// Of one day and model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sum {
    /// As the provider spells the model.
    pub model: String,
    /// Pico-USD.
    pub cost: i128,
    /// By how much the cost may be off because its parts were rounded, pico-USD.
    pub rounding: i128,
    /// Tokens.
    pub input: i128,
    /// Tokens.
    pub output: i128,
}

/// An export, summed.
#[derive(Debug)]
pub struct Export {
    /// `openai` or `anthropic`.
    pub provider: &'static str,
    /// What it says.
    pub measure: Measure,
    /// Whether it tells models apart.
    pub by_model: bool,
    /// By day and model.
    pub sums: BTreeMap<Key, Sum>,
}

/// The columns of one kind of export.
struct Kind {
    provider: &'static str,
    what: &'static str,
    measure: Measure,
    day: &'static str,
    model: &'static str,
    cost: &'static [&'static str],
    input: &'static [&'static str],
    output: &'static [&'static str],
}

const KINDS: [Kind; 4] = [
    Kind {
        provider: "openai",
        what: "costs",
        measure: Measure::Cost,
        day: "start_time_iso",
        model: "line_item",
        cost: &["amount_value"],
        input: &[],
        output: &[],
    },
    Kind {
        provider: "openai",
        what: "usage",
        measure: Measure::Tokens,
        day: "start_time_iso",
        model: "model",
        cost: &[],
        input: &["input_tokens"],
        output: &["output_tokens"],
    },
    Kind {
        provider: "anthropic",
        what: "costs",
        measure: Measure::Cost,
        day: "usage_date_utc",
        model: "model",
        cost: &["cost_usd"],
        input: &[],
        output: &[],
    },
    Kind {
        provider: "anthropic",
        what: "usage",
        measure: Measure::Tokens,
        day: "usage_date_utc",
        model: "model_version",
        cost: &[],
        input: &[
            "usage_input_tokens_no_cache",
            "usage_input_tokens_cache_write_5m",
            "usage_input_tokens_cache_write_1h",
            "usage_input_tokens_cache_read",
        ],
        output: &["usage_output_tokens"],
    },
];

impl Kind {
    /// Where its columns are; `None` where one is missing.
    fn columns(&self, head: &[String]) -> Option<Columns> {
        let at = |name: &str| head.iter().position(|head| head.trim() == name);
        let all =
            |names: &[&str]| -> Option<Vec<usize>> { names.iter().map(|name| at(name)).collect() };
        Some(Columns {
            day: at(self.day)?,
            model: at(self.model)?,
            currency: at("amount_currency"),
            cost: all(self.cost)?,
            input: all(self.input)?,
            output: all(self.output)?,
        })
    }
}

struct Columns {
    day: usize,
    model: usize,
    currency: Option<usize>,
    cost: Vec<usize>,
    input: Vec<usize>,
    output: Vec<usize>,
}

/// Reads an export; which one it is, its columns say.
///
/// # Errors
/// It is none that is known, or a row of it cannot be read: names the line.
pub fn read(path: &Path) -> Result<Export, CommandError> {
    let place = path.display();
    let failed = |why: String| CommandError::Failed(format!("{place}: {why}"));
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut rows = Rows::new(BufReader::new(file));
    let next = |rows: &mut Rows<_>| {
        let row = rows.next();
        row.map_err(|error| failed(format!("line {}: {error}", rows.line() + 1)))
    };
    let head = next(&mut rows)?.ok_or_else(|| failed("it is empty".into()))?;
    let known = KINDS
        .iter()
        .find_map(|kind| Some((kind, kind.columns(&head)?)));
    let (kind, columns) = known.ok_or_else(|| failed(unknown(&head)))?;
    let mut export = Export {
        provider: kind.provider,
        measure: kind.measure,
        by_model: false,
        sums: BTreeMap::new(),
    };
    while let Some(row) = next(&mut rows)? {
        let added = export.add(&row, &columns);
        added.map_err(|why| failed(format!("line {}: {why}", rows.line())))?;
    }
    if export.sums.is_empty() {
        return Err(failed("it has no rows with an amount".into()));
    }
    Ok(export)
}

fn unknown(head: &[String]) -> String {
    let known: Vec<String> = KINDS
        .iter()
        .map(|kind| {
            let columns = [kind.day, kind.model].into_iter();
            let columns: Vec<&str> = columns
                .chain(
                    kind.cost
                        .iter()
                        .chain(kind.input)
                        .chain(kind.output)
                        .copied(),
                )
                .collect();
            format!("{} {} ({})", kind.provider, kind.what, columns.join(", "))
        })
        .collect();
    let found: Vec<&str> = head.iter().take(12).map(|name| name.trim()).collect();
    format!(
        "no export that is known has the columns {}; known are, by their columns: {}",
        found.join(", "),
        known.join("; ")
    )
}

impl Export {
    fn add(&mut self, row: &[String], columns: &Columns) -> Result<(), String> {
        let field = |at: usize| row.get(at).map_or("", |field| field.trim());
        let amounts = |at: &[usize]| -> Result<Amount, String> {
            let mut sum = Amount::default();
            for at in at {
                sum.add(field(*at))?;
            }
            Ok(sum)
        };
        let (cost, input, output) = (
            amounts(&columns.cost)?,
            amounts(&columns.input)?,
            amounts(&columns.output)?,
        );
        // Days without any are listed too.
        if !(cost.told || input.told || output.told) {
            return Ok(());
        }
        if let Some(currency) = columns.currency.map(field)
            && !currency.is_empty()
            && !currency.eq_ignore_ascii_case("usd")
        {
            return Err(format!("the amount is in {currency:?}, not in USD"));
        }
        let day = day(field(columns.day))?;
        let name = field(columns.model);
        // A line of an OpenAI cost export: the model, then what of it is charged.
        let name = name.split(", ").next().unwrap_or(name);
        self.by_model |= !name.is_empty();
        if self.sums.len() >= MOST {
            return Err(format!("it has more than {MOST} days and models"));
        }
        let sum = self.sums.entry((day, model_key(name))).or_default();
        if sum.model.is_empty() {
            name.clone_into(&mut sum.model);
        }
        sum.cost += cost.pico;
        sum.rounding += cost.rounding;
        sum.input += input.pico / PICO;
        sum.output += output.pico / PICO;
        Ok(())
    }
}

const PICO: i128 = 1_000_000_000_000;

/// Decimal numbers added up, in 10⁻¹².
#[derive(Default)]
struct Amount {
    pico: i128,
    /// Half of the last digit, where they have so few that they must be rounded.
    rounding: i128,
    told: bool,
}

impl Amount {
    fn add(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        let wrong = || format!("{text:?} is no number");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text.strip_prefix('$').unwrap_or(text)),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || !plain(part) || whole.len() > 18 || (whole.len() + part.len()) == 0 {
            return Err(wrong());
        }
        let kept = &part[..part.len().min(12)];
        let whole: i128 = format!("0{whole}").parse().map_err(|_| wrong())?;
        let part_of: i128 = format!("{kept:0<12}").parse().map_err(|_| wrong())?;
        self.pico += sign * (whole * PICO + part_of);
        if (1..=4).contains(&part.len()) {
            let last = u32::try_from(12 - part.len()).unwrap_or(0);
            self.rounding += 10_i128.pow(last) / 2;
        }
        self.told = true;
        Ok(())
    }
}

/// The day of `2026-11-24`, or of a moment that begins like it and is in UTC.
fn day(text: &str) -> Result<Date, String> {
    let format = format_description!("[year]-[month]-[day]");
    let date = text.get(..10).unwrap_or(text);
    Date::parse(date, format).map_err(|_| format!("{text:?} is no day"))
}

/// The name that a model has in spite of how it is written: `claude-haiku-4-5-20251001`
/// and `Claude Haiku 4.5` are one, and so are `gpt-5` and `gpt-5-2025-08-07`.
pub fn model_key(name: &str) -> String {
    let name = name.to_lowercase();
    let parts: Vec<&str> = name.split(['-', ' ', '.', '_', '@']).collect();
    let number = |part: &&str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut kept: Vec<&str> = Vec::with_capacity(parts.len());
    let mut rest = parts.as_slice();
    while let [part, after @ ..] = rest {
        rest = match after {
            // 2025-08-07
            [month, day, after @ ..] if number(part, 4) && number(month, 2) && number(day, 2) => {
                after
            }
            _ => {
                // 20251001, `latest`, and the 0 of 4.0
                if !(number(part, 8) || *part == "latest" || *part == "0" || part.is_empty()) {
                    kept.push(part);
                }
                after
            }
        };
    }
    kept.sort_unstable();
    kept.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_each_of_its_names() {
        for (one, other) in [
            ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
            ("claude-3-7-sonnet-20250219", "Claude Sonnet 3.7"),
            ("claude-sonnet-4-0", "Claude Sonnet 4"),
            ("gpt-5", "gpt-5-2025-08-07"),
            ("claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
        ] {
            assert_eq!(model_key(one), model_key(other), "{one}");
        }
        for (one, other) in [
            ("gpt-5", "gpt-5-mini"),
            ("gpt-4.1", "gpt-4"),
            ("claude-opus-4-5", "claude-opus-4-1"),
        ] {
            assert_ne!(model_key(one), model_key(other), "{one}");
        }
    }

    #[test]
    fn amounts_are_exact_and_know_how_they_were_rounded() {
        let read = |text: &str| {
            let mut amount = Amount::default();
            amount.add(text).map(|()| (amount.pico, amount.rounding))
        };
        assert_eq!(read("0.8958740000000000"), Ok((895_874_000_000, 0)));
        assert_eq!(read("0.05"), Ok((50_000_000_000, 5_000_000_000)));
        assert_eq!(read("-1.5"), Ok((-1_500_000_000_000, 50_000_000_000)));
        assert_eq!(read("12"), Ok((12 * PICO, 0)));
        for wrong in ["1e3", "1,5", "x", ".", "--1", "9999999999999999999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
