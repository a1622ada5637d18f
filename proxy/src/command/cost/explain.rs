//! `lattice cost explain`: the bill of one request. No price list is asked: what was
//! charged is on its outcome.

use std::process::ExitCode;

use lattice_kernel::NanoUsd;
use serde::Serialize;
use uuid::Uuid;

use super::Reader;
use super::leaf::{Bill, Intent, Outcome, Read, Refusal, Usage};
use crate::command::{CommandError, Done, table};

/// What the audit has of a request.
pub struct Found {
    request: Uuid,
    text: String,
    intent: Option<Intent>,
    outcome: Option<Box<Outcome>>,
    refusal: Option<Refusal>,
}

impl Found {
    /// Nothing yet.
    pub fn of(request: Uuid) -> Self {
        Self {
            request,
            text: request.to_string(),
            intent: None,
            outcome: None,
            refusal: None,
        }
    }
}

impl Reader for Found {
    fn wants(&self, text: &str) -> bool {
        text.contains(&self.text)
    }

    fn take(&mut self, leaf: Read) -> Result<(), CommandError> {
        match leaf {
            Read::Intent(intent) if intent.request_id == self.request => self.intent = Some(intent),
            Read::Outcome(outcome) if outcome.request_id == self.request => {
                self.outcome = Some(outcome);
            }
            Read::Refusal(refusal) if refusal.request_id == Some(self.request) => {
                self.refusal = Some(refusal);
            }
            _ => {}
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Explained<'a> {
    request_id: Uuid,
    /// `refused`, `under_way`, or as the audit has it.
    ending: &'a str,
    at: Option<&'a str>,
    provider: Option<&'a str>,
    model: Option<&'a str>,
    attempts: u32,
    abandoned: u32,
    usage: Option<&'a Usage>,
    bill: Option<&'a Bill>,
    abandoned_nano_usd: Option<i64>,
    reserved_nano_usd: Option<i64>,
    cost_nano_usd: Option<i64>,
    /// The same in USD, as a decimal number.
    cost_usd: Option<String>,
    estimated: bool,
    /// The code and gate of the refusal, where it was refused.
    refused: Option<(&'a str, &'a str)>,
    /// Why the cost is what it is, in a sentence.
    because: &'static str,
}

/// Prints it; 1 where the audit has nothing of the request.
pub fn show(found: &Found, json: bool) -> Done {
    let Some(explained) = explain(found) else {
        eprintln!(
            "lattice: the audit has no request {}; what was served in the last seconds may not be in the database yet",
            found.request
        );
        return Ok(ExitCode::FAILURE);
    };
    if json {
        table::print_json(&explained)?;
    } else {
        print(&explained)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(found: &Found) -> Option<Explained<'_>> {
    let nothing = Explained {
        request_id: found.request,
        ending: "refused",
        at: None,
        provider: None,
        model: None,
        attempts: 0,
        abandoned: 0,
        usage: None,
        bill: None,
        abandoned_nano_usd: None,
        reserved_nano_usd: None,
        cost_nano_usd: Some(0),
        cost_usd: Some("0".into()),
        estimated: false,
        refused: found
            .refusal
            .as_ref()
            .map(|it| (it.code.as_str(), it.gate.as_str())),
        because: "it was refused before anything left, and cost nothing",
    };
    if let Some(outcome) = &found.outcome {
        let held = found.intent.as_ref().and_then(|it| it.reserved_nano_usd);
        return Some(Explained {
            ending: &outcome.ending,
            at: Some(&outcome.at),
            provider: outcome.provider.as_deref(),
            model: outcome.model.as_deref(),
            attempts: outcome.attempts,
            abandoned: outcome.abandoned,
            usage: outcome.usage.as_ref(),
            bill: outcome.bill.as_ref(),
            abandoned_nano_usd: outcome.abandoned_nano_usd,
            reserved_nano_usd: outcome.reserved_nano_usd.or(held),
            cost_nano_usd: outcome.cost_nano_usd,
            cost_usd: outcome.cost_nano_usd.map(usd),
            estimated: outcome.estimated,
            because: because(outcome),
            ..nothing
        });
    }
    if let Some(intent) = &found.intent {
        return Some(Explained {
            ending: "under_way",
            at: Some(&intent.at),
            model: Some(&intent.model),
            reserved_nano_usd: intent.reserved_nano_usd,
            cost_nano_usd: None,
            cost_usd: None,
            because: "it has not ended; what is reserved is held for it",
            ..nothing
        });
    }
    found.refusal.is_some().then_some(nothing)
}

fn because(outcome: &Outcome) -> &'static str {
    match (&outcome.bill, &outcome.usage, outcome.cost_nano_usd) {
        (_, _, None) => "what it cost is not known: the model has no price, or none for its tier",
        (Some(_), _, Some(_)) if outcome.abandoned > 0 => {
            "as the provider counted, and the most that the attempts before it can have cost"
        }
        (Some(_), _, Some(_)) if outcome.estimated => {
            "as the provider counted, at dearer rates than its tier's, which are not known"
        }
        (Some(_), ..) => "as the provider counted",
        (None, Some(_), Some(_)) if outcome.estimated => {
            "there is no price for what the provider counted, so it is the most that it can be"
        }
        (None, None, Some(_)) if outcome.estimated => {
            "the provider told no usage, so it is the most that it can be"
        }
        (None, _, Some(0)) => "nothing was done that is charged",
        (None, ..) => "as it was recorded, without its lines",
    }
}

fn print(explained: &Explained<'_>) -> std::io::Result<()> {
    let target = explained.provider.zip(explained.model);
    let target = target.map(|(provider, model)| format!("  {provider}/{model}"));
    println!(
        "request {}  {}{}  {}",
        explained.request_id,
        explained.ending,
        target.unwrap_or_default(),
        explained.at.unwrap_or_default(),
    );
    if let Some(bill) = explained.bill {
        println!("price   {} ({})\n", bill.price, bill.version);
        let heads = ["CLASS", "COUNT", "USD PER MILLION", "COST USD"];
        table::print(false, &bill.lines, heads, |line| {
            // A pico-USD each is a micro-USD for a million.
            let rate = i64::try_from(line.rate_pico_usd.saturating_mul(1000));
            [
                line.class.clone(),
                line.count.to_string(),
                usd(rate.unwrap_or(i64::MAX)),
                usd(line.cost_nano_usd),
            ]
        })?;
        println!();
    }
    if let Some((code, gate)) = explained.refused {
        println!("refused   {code} (gate {gate})");
    }
    if let Some(tier) = explained.usage.and_then(|usage| usage.tier.as_deref()) {
        println!("tier      {tier}");
    }
    if explained.abandoned > 0 {
        let at_most = explained
            .abandoned_nano_usd
            .map_or_else(|| "not reckoned".to_owned(), usd);
        println!(
            "given up  {} of {} attempts, at most {at_most}",
            explained.abandoned, explained.attempts
        );
    }
    if let Some(reserved) = explained.reserved_nano_usd {
        println!("reserved  {}", usd(reserved));
    }
    println!(
        "cost      {}{}",
        explained.cost_usd.as_deref().unwrap_or("unknown"),
        if explained.estimated {
            " (estimated)"
        } else {
            ""
        }
    );
    println!("          {}", explained.because);
    Ok(())
}

/// Nano-USD as dollars.
pub fn usd(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let nano = NanoUsd::new(nano.unsigned_abs()).unwrap_or(NanoUsd::MAX);
    format!("{sign}{nano}")
}
