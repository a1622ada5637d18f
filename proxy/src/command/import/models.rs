//! `model_list`: each entry becomes a target, those of one name the targets of one model.

use serde_json::{Map, Value};

use super::address::{self, Found};
use super::document::{count, item, mapping, member, number, text, variable};
use super::draft::{Draft, Key, Model, Target};
use super::grade::{Verdict, Verdicts, approximate, exact, manual, unsupported};
use super::places::{self, Place};
use super::resilience::{self, Entry, Placed};
use super::{price, tables};

/// Looks up a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What reads the list.
pub struct Reader<'a> {
    environment: Environment<'a>,
    /// What was put together so far.
    pub draft: Draft,
    /// What became of which item.
    pub verdicts: Verdicts,
    /// Keys that were written in the file, to tell them apart.
    written: Vec<&'a Value>,
    /// Where they were written, and the provider that they became the key of.
    written_at: Vec<(String, usize)>,
    /// The order that the file gives to targets, beside those of [`Draft::models`].
    ranks: Vec<Vec<u64>>,
    /// What was written, for what depends on more than one entry.
    pub entries: Vec<Entry<'a>>,
}

/// Who answers, before it is known under what name.
struct Destination<'a> {
    place: Place,
    prefix: &'a str,
    model: &'a str,
}

impl<'a> Reader<'a> {
    /// One that has read nothing yet.
    pub fn new(environment: Environment<'a>) -> Self {
        Self {
            environment,
            draft: Draft::default(),
            verdicts: Verdicts::default(),
            written: Vec::new(),
            written_at: Vec::new(),
            ranks: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Reads the whole list. Wildcards first: what they stand for decides what their
    /// provider is called.
    pub fn read(&mut self, list: &'a Value) {
        let Some(entries) = list.as_array() else {
            let not_a_list =
                unsupported("Is not a list of models; LiteLLM reads none from it either.");
            self.verdicts.say("model_list", not_a_list);
            return;
        };
        for wildcards in [true, false] {
            for (index, entry) in entries.iter().enumerate() {
                let params = entry
                    .get("litellm_params")
                    .and_then(|params| params.get("model"));
                let is_wildcard = [entry.get("model_name"), params]
                    .into_iter()
                    .flatten()
                    .any(|name| name.as_str().is_some_and(|name| name.contains('*')));
                if is_wildcard == wildcards {
                    self.entry(&item("model_list", index), entry);
                }
            }
        }
        self.rank();
        self.name_written_keys();
    }

    fn entry(&mut self, path: &str, entry: &'a Value) {
        let Some(entry) = entry.as_object() else {
            let wrong = manual("Is no model; write `model_name` and `litellm_params`.");
            return self.verdicts.say(path, wrong);
        };
        let params = mapping(entry, "litellm_params");
        let info = mapping(entry, "model_info");
        let destination = match destination(params, info) {
            Ok(destination) => destination,
            Err(why) => return self.leave_out(path, params, why),
        };
        let Some(name) = text(entry, "model_name").filter(|name| is_name(name)) else {
            let why = manual(
                "`model_name` is not a name of 1 to 200 printable characters; write one and import again.",
            );
            return self.leave_out(path, params, why);
        };
        for (key, value) in entry {
            let verdict = match key.as_str() {
                // LiteLLM takes them here too.
                "rpm" | "tpm" => tables::param(key, value),
                _ => unsupported(
                    "Is no part of a model that this importer knows; see `lattice config schema`.",
                ),
            };
            self.verdicts.say(member(path, key), verdict);
        }
        let at = member(path, "litellm_params");
        let upstream = self.provider(&at, name, params, &destination);
        let target = self.model(path, name, &destination, upstream, params, info);
        self.entries.push(Entry {
            at: path.to_owned(),
            params,
            provider: upstream.0,
            target,
        });
        self.params(&at, params);
        self.info(&member(path, "model_info"), info);
    }

    /// Nothing is written of an entry; `why` stands at its model.
    fn leave_out(&mut self, path: &str, params: &Map<String, Value>, why: Verdict) {
        let at = member(&member(path, "litellm_params"), "model");
        let rest = if params.contains_key("model") {
            "Belongs to a target that was left out; `litellm_params.model` says why.".to_owned()
        } else {
            why.note.clone()
        };
        let grade = why.grade;
        self.verdicts.say(path, Verdict { grade, note: rest });
        self.verdicts.say(at, why);
    }

    /// The upstream of an entry, what became of its address and key, and the variable of a
    /// key that LiteLLM would send there and Lattice is not made to.
    fn provider(
        &mut self,
        at: &str,
        name: &str,
        params: &'a Map<String, Value>,
        destination: &Destination<'_>,
    ) -> (usize, Option<&'static str>) {
        let found = address::find(
            params,
            destination.prefix,
            destination.place,
            self.environment,
        );
        let Found {
            kind,
            address,
            home,
            key: usual,
            withheld,
            verdict,
        } = found;
        let written = ["api_base", "base_url"]
            .into_iter()
            .find(|key| is_given(params, key));
        if let Some((key, verdict)) = written.zip(verdict) {
            self.verdicts.say(member(at, key), verdict);
        }
        let (key, verdict) = self.key(params, usual);
        // `openai/*` under the name `openai/*`: clients write the provider's name there.
        let wanted = name.strip_suffix("/*").unwrap_or(&home);
        let provider = self.draft.provider(wanted, kind, address, key);
        match verdict {
            Some(verdict) => self.verdicts.say(member(at, "api_key"), verdict),
            None if params.contains_key("api_key") => {
                self.written_at.push((member(at, "api_key"), provider));
            }
            None => {}
        }
        let withheld = withheld.filter(|_| !is_given(params, "api_key"));
        (provider, withheld)
    }

    /// The key, and what became of it; `None`: that is said once all variables are known.
    fn key(
        &mut self,
        params: &'a Map<String, Value>,
        usual: Option<&str>,
    ) -> (Key, Option<Verdict>) {
        if !is_given(params, "api_key") {
            let key = usual.map_or(Key::None, |name| Key::Variable(name.into()));
            return (
                key,
                Some(exact(
                    "Is empty; LiteLLM and Lattice look in the provider's usual variable.",
                )),
            );
        }
        let value = &params["api_key"];
        if let Some(name) = value.as_str().and_then(variable) {
            let verdict = exact(format!("The provider's `api_key` is `{{ env: {name} }}`."));
            return (Key::Variable(name.into()), Some(verdict));
        }
        let known = self.written.iter().position(|known| *known == value);
        let number = known.unwrap_or_else(|| {
            self.written.push(value);
            self.written.len() - 1
        });
        (Key::Written(number), None)
    }

    fn model(
        &mut self,
        path: &str,
        name: &str,
        destination: &Destination<'_>,
        (provider, withheld): (usize, Option<&str>),
        params: &Map<String, Value>,
        info: &Map<String, Value>,
    ) -> Option<Placed> {
        let upstream = self.draft.providers[provider].name.clone();
        let at = member(&member(path, "litellm_params"), "model");
        let name_at = member(path, "model_name");
        if name.contains('*') || destination.model.contains('*') {
            let (named, became) = wildcard(name, destination.model, &upstream);
            self.verdicts.say(name_at, named);
            self.verdicts.say(at, became);
            return None;
        }
        let target = Target {
            provider,
            model: destination.model.to_owned(),
            price: price::read(path, params, info, &mut self.verdicts),
            max_output_tokens: cap(params),
            weight: None,
        };
        let rank = params.get("order").and_then(count).unwrap_or(u64::MAX);
        let said = format!("Asked as `{}` at provider `{upstream}`", target.model);
        self.verdicts.say(
            at,
            match (destination.place, withheld) {
                (_, Some(variable)) => manual(format!(
                    "{said} without a key: LiteLLM sends what {variable} holds to this address too; write the provider's `api_key` if that is meant."
                )),
                (Place::Ollama, None) => approximate(format!(
                    "{said} over OpenAI's API; LiteLLM speaks Ollama's own."
                )),
                _ => exact(format!("{said}.")),
            },
        );
        let at_name = self
            .draft
            .models
            .iter()
            .position(|model| model.name == name);
        match at_name {
            None => {
                self.verdicts
                    .say(name_at, exact(format!("Model `{name}`.")));
                self.draft.models.push(Model {
                    name: name.into(),
                    targets: vec![target.clone()],
                    balance: None,
                    retries: None,
                });
                self.ranks.push(vec![rank]);
            }
            Some(index) if self.draft.models[index].targets.contains(&target) => {
                self.verdicts.say(
                    name_at,
                    exact(format!("Model `{name}` has this target already.")),
                );
            }
            Some(index) => {
                self.verdicts.say(name_at, approximate(format!("A further target of model `{name}`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.")));
                self.draft.models[index].targets.push(target.clone());
                self.ranks[index].push(rank);
            }
        }
        Some(Placed {
            model: at_name.unwrap_or(self.draft.models.len() - 1),
            target,
            rank,
            is_first: at_name.is_none(),
        })
    }

    fn params(&mut self, at: &str, params: &Map<String, Value>) {
        const ELSEWHERE: [&str; 6] = [
            "model",
            "api_key",
            "api_base",
            "base_url",
            "input_cost_per_token",
            "output_cost_per_token",
        ];
        for (key, value) in params
            .iter()
            .filter(|(key, _)| !ELSEWHERE.contains(&key.as_str()))
        {
            let verdict = match key.as_str() {
                "custom_llm_provider" => exact("Says whose model it is, as a prefix would."),
                "order" if count(value).is_some() => {
                    exact("Decides the place among the model's targets.")
                }
                "max_tokens" | "max_completion_tokens" if cap(params).is_some() => approximate(
                    "The target's `max_output_tokens`: a request that names no cap gets it under a hard budget only.",
                ),
                key => resilience::param(key, value).unwrap_or_else(|| tables::param(key, value)),
            };
            self.verdicts.say(member(at, key), verdict);
        }
        let unread = "Another key of the same meaning is used in its place.";
        for key in ["api_base", "base_url"] {
            if !is_given(params, key) {
                self.verdicts.say(
                    member(at, key),
                    exact("Is empty, so the provider's own address is used."),
                );
            } else if key == "base_url" && is_given(params, "api_base") {
                self.verdicts.say(member(at, key), approximate(unread));
            }
        }
    }

    fn info(&mut self, at: &str, info: &Map<String, Value>) {
        for (key, value) in info {
            let verdict = match key.as_str() {
                "mode" => Some(exact("Lattice tells the kind of a request by its route.")),
                "input_cost_per_token" | "output_cost_per_token" => continue,
                key => tables::info(key, value),
            };
            let note = "Nothing in Lattice reads it.";
            self.verdicts.say(
                member(at, key),
                verdict.unwrap_or_else(|| unsupported(note)),
            );
        }
    }

    /// Targets in the order that the file gives them.
    fn rank(&mut self) {
        for (model, ranks) in self.draft.models.iter_mut().zip(&self.ranks) {
            let targets = std::mem::take(&mut model.targets);
            let mut ranked: Vec<_> = ranks.iter().zip(targets).collect();
            ranked.sort_by_key(|(rank, _)| **rank);
            model.targets = ranked.into_iter().map(|(_, target)| target).collect();
        }
    }

    fn name_written_keys(&mut self) {
        let variables = self.draft.key_variables();
        for (path, provider) in std::mem::take(&mut self.written_at) {
            if let Some(Some(name)) = variables.get(provider) {
                let note = format!(
                    "A key does not belong in a file: put it in the environment variable {name}, which the provider reads."
                );
                self.verdicts.say(path, manual(note));
            }
        }
    }
}

/// Whose model an entry asks for.
fn destination<'a>(
    params: &'a Map<String, Value>,
    info: &Map<String, Value>,
) -> Result<Destination<'a>, Verdict> {
    const SERVED: [&str; 4] = ["chat", "completion", "embedding", "responses"];
    let Some(model) = text(params, "model").filter(|model| !model.is_empty()) else {
        return Err(manual(
            "`litellm_params.model` is missing; write it and import again.",
        ));
    };
    if variable(model).is_some() {
        return Err(manual(
            "The model's name is in a variable; write the name itself and import again.",
        ));
    }
    let (prefix, rest) = match text(params, "custom_llm_provider") {
        Some(prefix) => {
            let rest = model
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix('/'));
            (prefix, rest.unwrap_or(model))
        }
        None => match model
            .split_once('/')
            .filter(|(prefix, _)| places::place(prefix).is_some())
        {
            Some((prefix, rest)) => (prefix, rest),
            None => match places::prefix_of(model) {
                Some(prefix) => (prefix, model),
                None => {
                    return Err(manual(
                        "Names no provider that this importer knows; declare it as kind `openai_compatible` if it speaks OpenAI's API.",
                    ));
                }
            },
        },
    };
    let place = places::place(prefix).ok_or_else(|| {
        manual("This importer does not know the provider; declare it as kind `openai_compatible` if it speaks OpenAI's API.")
    })?;
    if let Place::Nowhere(why) = place {
        return Err(unsupported(why));
    }
    let mode = text(info, "mode").or_else(|| text(params, "mode"));
    if mode.is_some_and(|mode| !SERVED.contains(&mode)) || places::is_unserved(rest) {
        return Err(unsupported(
            "Lattice serves chat, responses, messages and embeddings; images, audio, video, ranking and moderation are not.",
        ));
    }
    // LiteLLM's way to say that a model is to be asked over the Responses API.
    let model = rest.strip_prefix("responses/").unwrap_or(rest);
    if model.is_empty() || model.len() > 200 || !model.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(manual(
            "The model's name at its provider is not 1 to 200 printable ASCII characters; correct it and import again.",
        ));
    }
    Ok(Destination {
        place,
        prefix,
        model,
    })
}

/// What becomes of the name and of the model of a wildcard.
fn wildcard(name: &str, model: &str, provider: &str) -> (Verdict, Verdict) {
    let by_hand = format!(
        "There are no patterns; clients write `{provider}/MODEL`, or list the models by name."
    );
    if model != "*" {
        let became =
            format!("Provider `{provider}` is declared; its models have to be listed by name.");
        return (manual(by_hand), manual(became));
    }
    let became = exact(format!(
        "Provider `{provider}`, which is asked for models by any name."
    ));
    match name.strip_suffix("/*") {
        Some(prefix) if prefix == provider => {
            let note = format!(
                "`{provider}/MODEL` is accepted for every model without being listed; policy says who may."
            );
            (approximate(note), became)
        }
        _ => (manual(by_hand), became),
    }
}

fn cap(params: &Map<String, Value>) -> Option<u64> {
    let given = params
        .get("max_tokens")
        .or_else(|| params.get("max_completion_tokens"));
    given
        .and_then(count)
        .filter(|cap| (1..=10_000_000).contains(cap))
}

/// Whether there is something under `key`.
pub fn is_given(params: &Map<String, Value>, key: &str) -> bool {
    params
        .get(key)
        .is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
}

/// What may be a model's name.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && !name.chars().any(char::is_control)
}

/// A rate in USD per token, as USD per million.
pub fn per_million(value: &Value) -> Option<f64> {
    let usd = number(value)? * 1e6;
    // A decimal per token is a decimal per million; the product is off in its last bits.
    let usd = (usd * 1e9).round() / 1e9;
    (0.0..=1e6).contains(&usd).then_some(usd)
}
