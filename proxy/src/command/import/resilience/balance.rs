//! Which of a model's targets is asked first.

use serde_json::Value;

use super::super::document::{count, member};
use super::super::draft::{Balance, Draft, Model};
use super::super::grade::{Verdict, Verdicts, approximate, exact, manual, unsupported};
use super::{Placed, Said, is_overruled};

/// The heaviest that a target may be.
const HEAVIEST: u64 = 1000;

/// What LiteLLM calls a routing strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Strategy {
    /// Any target, by weight. LiteLLM's own default.
    Shuffle,
    LeastBusy,
    /// By latency, usage or cost; LiteLLM reads no weights then.
    Other,
}

/// What one target is to be.
struct Share<'a> {
    placed: &'a Placed,
    /// `model_list[0]`.
    at: &'a str,
    /// The path of the weight, and what is written there.
    weight: Option<(String, &'a Value)>,
}

/// Why the targets of a model are asked in their order.
enum Ordered {
    /// There is one.
    Single,
    /// Those of its fallbacks are to be asked last.
    Fallbacks,
    /// The file gives an order.
    Given,
}

/// Balances the models that nothing keeps in order.
pub fn apply(said: &Said<'_>, draft: &mut Draft, verdicts: &mut Verdicts) {
    let strategies = said.settings(&["routing_strategy"]);
    let strategy = strategies.first().map(|(_, value)| strategy(value));
    let mut left = Vec::new();
    for (index, model) in draft.models.iter_mut().enumerate() {
        let shares = shares(said, index);
        let ordered = ordered(&shares, model, said.own.get(index).copied());
        let verdict = match strategy {
            Some(Strategy::LeastBusy) if ordered.is_none() => {
                model.balance = Some(Balance::LeastBusy);
                Ok(())
            }
            None | Some(Strategy::Shuffle) => {
                weigh(&shares, model, ordered.as_ref(), strategy.is_some())
            }
            _ => Err(exact(
                "LiteLLM reads no weight under this routing strategy.",
            )),
        };
        if matches!(ordered, Some(Ordered::Fallbacks | Ordered::Given))
            || ordered.is_none() && model.balance.is_none()
        {
            left.push(format!("`{}`", model.name));
        }
        for share in &shares {
            tell(share, model, strategy, verdict.as_ref().err(), verdicts);
        }
    }
    wildcards(said, verdicts);
    for (index, (at, value)) in strategies.iter().enumerate() {
        verdicts.say(
            at,
            match index {
                0 => of_strategy(self::strategy(value), &left),
                _ => is_overruled(),
            },
        );
    }
}

fn strategy(value: &Value) -> Strategy {
    match value.as_str() {
        Some("simple-shuffle") => Strategy::Shuffle,
        Some("least-busy") => Strategy::LeastBusy,
        _ => Strategy::Other,
    }
}

fn shares<'a>(said: &Said<'a>, model: usize) -> Vec<Share<'a>> {
    let entries = said.entries.iter().filter_map(|entry| {
        let placed = entry.target.as_ref().filter(|it| it.model == model)?;
        Some(Share {
            placed,
            at: &entry.at,
            weight: entry.params(&["weight"]).pop(),
        })
    });
    entries.collect()
}

fn ordered(shares: &[Share<'_>], model: &Model, own: Option<usize>) -> Option<Ordered> {
    let own = own.unwrap_or_default();
    let rank = |share: &Share<'_>| share.placed.rank;
    if model.targets.len() == 1 {
        Some(Ordered::Single)
    } else if model.targets.len() > own {
        Some(Ordered::Fallbacks)
    } else if shares.windows(2).any(|two| rank(&two[0]) != rank(&two[1])) {
        Some(Ordered::Given)
    } else {
        None
    }
}

/// Balances a model by weight, where weights are given or `asked` for; else what becomes of
/// its weights.
fn weigh(
    shares: &[Share<'_>],
    model: &mut Model,
    ordered: Option<&Ordered>,
    asked: bool,
) -> Result<(), Verdict> {
    match ordered {
        Some(Ordered::Single) => {
            return Err(exact(
                "The model has one target, which is asked whatever its weight.",
            ));
        }
        Some(Ordered::Fallbacks) => {
            return Err(manual(
                "A balanced model may ask any of its targets first, those of its fallbacks too; if that is meant, set `weight` at each and `balance: weighted` at the model.",
            ));
        }
        Some(Ordered::Given) => {
            return Err(manual(
                "A balanced model has no order of targets; choose `balance: weighted` at the model with `weight` at each target, or the order, which is written.",
            ));
        }
        None => {}
    }
    let given = shares.iter().any(|share| share.weight.is_some());
    if given {
        // LiteLLM asks a target without a weight last, which no weight of ours says.
        let weights: Option<Vec<u64>> = shares
            .iter()
            .map(|share| {
                let weight = count(share.weight.as_ref()?.1)?;
                (1..=HEAVIEST).contains(&weight).then_some(weight)
            })
            .collect();
        let is_new = |(index, share): (usize, &Share<'_>)| {
            let before = shares.iter().take(index);
            before
                .into_iter()
                .all(|it| it.placed.target != share.placed.target)
        };
        let is_unlike = shares.iter().enumerate().all(is_new);
        let Some(weights) = weights.filter(|_| is_unlike) else {
            return Err(manual(format!(
                "Set a whole `weight` from 1 to {HEAVIEST} at every target of the model, and `balance: weighted` at the model."
            )));
        };
        for (share, weight) in shares.iter().zip(weights) {
            let mut targets = model.targets.iter_mut();
            if let Some(target) = targets.find(|target| **target == share.placed.target) {
                target.weight = Some(weight);
            }
        }
    }
    if given || asked {
        model.balance = Some(Balance::Weighted);
    }
    Ok(())
}

/// What became of a target's weight, and of its name where the targets are balanced.
fn tell(
    share: &Share<'_>,
    model: &Model,
    strategy: Option<Strategy>,
    otherwise: Option<&Verdict>,
    verdicts: &mut Verdicts,
) {
    if let Some((at, value)) = &share.weight {
        let verdict = match (otherwise, strategy) {
            (Some(verdict), _) => verdict.clone(),
            (None, Some(Strategy::LeastBusy)) => {
                exact("LiteLLM reads no weight under this routing strategy.")
            }
            (None, _) => exact(format!(
                "The target's `weight: {}`, and `balance: weighted` at model `{}`.",
                count(value).unwrap_or(1),
                model.name
            )),
        };
        verdicts.say(at, verdict);
    }
    let is_further = model.balance.is_some() && !share.placed.is_first;
    if is_further {
        let note = format!(
            "A further target of model `{}`, beside the others.",
            model.name
        );
        verdicts.say(member(share.at, "model_name"), exact(note));
    }
}

fn wildcards(said: &Said<'_>, verdicts: &mut Verdicts) {
    for entry in said.entries.iter().filter(|entry| entry.target.is_none()) {
        for (at, _) in entry.params(&["weight"]) {
            let note = "Models that are not listed have one target; set `weight` where they are.";
            verdicts.say(at, manual(note));
        }
    }
}

/// `left`: the models with several targets that stay in order.
fn of_strategy(strategy: Strategy, left: &[String]) -> Verdict {
    let (balance, more) = match strategy {
        Strategy::Shuffle => (
            "weighted",
            "; LiteLLM also weighs by `rpm` and `tpm` where targets have those",
        ),
        Strategy::LeastBusy => ("least_busy", ""),
        Strategy::Other => {
            return unsupported(
                "Lattice does not route by latency, usage or cost; set `balance: weighted` or `balance: least_busy` at models with several targets.",
            );
        }
    };
    if left.is_empty() {
        let note = format!("`balance: {balance}` at models with several targets{more}.");
        return if more.is_empty() {
            exact(note)
        } else {
            approximate(note)
        };
    }
    manual(format!(
        "`balance: {balance}` at models with several targets, but not at {}, whose targets have an order, fallbacks or weights that cannot be used; set it there if any target may be asked first.",
        left.join(", ")
    ))
}
