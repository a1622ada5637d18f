//! Who answers in whose place: fallbacks become further targets, aliases further models.

use serde_json::Value;

use super::document::{is_off, item, member, text};
use super::draft::{Draft, Model, Target};
use super::grade::{Verdict, Verdicts, approximate, exact, manual, unsupported};
use super::models::is_name;

/// `fallbacks`: a list of `{ model: [models] }`. `before` is how the models were before any
/// fallback, so that one of a fallback's own does not come along.
pub fn fallbacks(
    path: &str,
    value: &Value,
    before: &[Model],
    draft: &mut Draft,
    verdicts: &mut Verdicts,
) {
    for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
        let at = item(path, index);
        for (name, others) in entry.as_object().into_iter().flatten() {
            let at = member(&at, name);
            for (index, other) in others.as_array().into_iter().flatten().enumerate() {
                let verdict = follow(name, other, before, draft);
                verdicts.say(item(&at, index), verdict);
            }
        }
    }
}

/// `default_fallbacks`: a list of models that answer in the place of every other one.
pub fn defaults(
    path: &str,
    value: &Value,
    before: &[Model],
    draft: &mut Draft,
    verdicts: &mut Verdicts,
) {
    for (index, other) in value.as_array().into_iter().flatten().enumerate() {
        let verdict = follow("*", other, before, draft);
        verdicts.say(item(path, index), verdict);
    }
}

/// `other` answers where `name` cannot; `*` is every model.
fn follow(name: &str, other: &Value, before: &[Model], draft: &mut Draft) -> Verdict {
    let Some(other) = other.as_str() else {
        return unsupported(
            "A fallback that changes the request is not supported; make it a model of its own.",
        );
    };
    let Some(found) = before.iter().find(|model| model.name == other) else {
        return manual(format!(
            "`{other}` is not among the models that were written; add its targets to those of `{name}` by hand."
        ));
    };
    let models = draft.models.iter_mut();
    let mut followed = false;
    for model in models.filter(|model| name == "*" || model.name == name) {
        followed = true;
        append(&mut model.targets, &found.targets);
    }
    if followed {
        approximate(format!(
            "The targets of `{other}` follow those of `{name}`, for when none of them can answer; LiteLLM also asks them after a refusal."
        ))
    } else {
        manual(format!(
            "`{name}` is not among the models that were written; declare it with the targets of `{other}`."
        ))
    }
}

fn append(targets: &mut Vec<Target>, more: &[Target]) {
    for target in more {
        if !targets.contains(target) {
            targets.push(target.clone());
        }
    }
}

/// `model_group_alias`: further names of models.
pub fn aliases(path: &str, value: &Value, draft: &mut Draft, verdicts: &mut Verdicts) {
    for (alias, of) in value.as_object().into_iter().flatten() {
        let at = member(path, alias);
        let (name, at_name) = match of {
            Value::Object(of) => {
                let hidden = match of.get("hidden") {
                    Some(hidden) if !is_off(hidden) => {
                        unsupported("Every model is listed to those who may use it.")
                    }
                    _ => exact("The model is listed, as it was."),
                };
                verdicts.say(member(&at, "hidden"), hidden);
                (text(of, "model"), member(&at, "model"))
            }
            _ => (of.as_str(), at),
        };
        let model = name.and_then(|name| draft.model(name)).cloned();
        let verdict = match model {
            _ if !is_name(alias) => {
                manual("The alias is not a name of 1 to 200 printable characters.")
            }
            _ if draft.model(alias).is_some() => {
                manual("There is a model of this name already; rename one of them.")
            }
            None => manual(
                "The model that it stands for was not written; declare the alias with targets of its own.",
            ),
            Some(model) => {
                let name = alias.clone();
                draft.models.push(Model { name, ..model });
                exact(format!("Model `{alias}`, with the same targets."))
            }
        };
        verdicts.say(at_name, verdict);
    }
}
