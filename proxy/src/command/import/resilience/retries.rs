//! How often a model is asked again.

use serde_json::Value;

use super::super::document::count;
use super::super::draft::Draft;
use super::super::grade::{Verdict, Verdicts, approximate, exact, manual};
use super::{Entry, Said, is_overruled};

const KEYS: [&str; 2] = ["num_retries", "max_retries"];
/// The most that a model may have.
const MOST: u64 = 5;

/// A model has one number of retries: entries that share it have to agree.
pub fn apply(said: &Said<'_>, draft: &mut Draft, verdicts: &mut Verdicts) {
    let general = said.settings(&KEYS);
    let mut all_agree = true;
    for (index, model) in draft.models.iter_mut().enumerate() {
        let of_model = |entry: &&Entry<'_>| {
            let target = entry.target.as_ref();
            target.is_some_and(|placed| placed.model == index)
        };
        let entries = said.entries.iter().filter(of_model);
        let entries: Vec<_> = entries.map(|entry| entry.params(&KEYS)).collect();
        let mut each = entries.iter().map(|own| first(own).or(first(&general)));
        let agreed = each.next().flatten();
        let agree = each.all(|other| other == agreed);
        all_agree &= agree;
        if agree {
            model.retries = agreed;
        }
        let place = format!("model `{}`", model.name);
        for own in &entries {
            say(own, verdicts, |value| {
                verdict(value, agree, model.targets.len() > 1, &place)
            });
        }
    }
    for entry in said.entries.iter().filter(|entry| entry.target.is_none()) {
        say(&entry.params(&KEYS), verdicts, |_| {
            manual("Models that are not listed are asked again once; set `retries` where they are.")
        });
    }
    let several = draft.models.iter().any(|model| model.targets.len() > 1);
    say(&general, verdicts, |value| {
        verdict(value, all_agree, several, "each model")
    });
}

fn first(found: &[(String, &Value)]) -> Option<u64> {
    let (_, value) = found.first()?;
    count(value).map(|retries| retries.min(MOST))
}

fn say(found: &[(String, &Value)], verdicts: &mut Verdicts, verdict: impl Fn(&Value) -> Verdict) {
    for (index, (at, value)) in found.iter().enumerate() {
        let verdict = match index {
            0 => verdict(value),
            _ => is_overruled(),
        };
        verdicts.say(at, verdict);
    }
}

fn verdict(value: &Value, agree: bool, several: bool, place: &str) -> Verdict {
    let Some(asked) = count(value) else {
        return manual(format!("Set `retries`, from 0 to {MOST}, at {place}."));
    };
    let retries = asked.min(MOST);
    if !agree {
        return manual(format!(
            "Entries of one model differ, and it has one number of retries; set `retries: {retries}` at {place} if that is meant for all."
        ));
    }
    let set = format!("`retries: {retries}` at {place}");
    if asked > MOST {
        approximate(format!("{set}, which is the most."))
    } else if several {
        approximate(format!(
            "{set}: it is for each target, once all have failed."
        ))
    } else {
        exact(format!("{set}."))
    }
}
