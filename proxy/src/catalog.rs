//! The models of one configuration, and the plan behind each.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use http::Uri;
use lattice_kernel::{Clock, Plan, Price, Routing, SystemClock, Target};
use lattice_providers::price::Model;
use lattice_providers::{FlatPrice, Kind, Place, PriceBook, Prices, Provider};
use parking_lot::{Mutex, RwLock};

use crate::config::Config;
use crate::config::checked::{self, DEFAULT_OUTPUT_CAP, DEFAULT_RETRIES};

/// What clients may ask for, at the prices of the day. Other prices take the place of
/// these in one step; whoever holds a plan keeps those that it began with.
pub struct Catalog {
    models: Vec<checked::Model>,
    pricer: Pricer,
    now: RwLock<Arc<Priced>>,
}

/// The models and what they cost.
pub struct Priced {
    models: BTreeMap<Arc<str>, Plan>,
    /// The targets of all models, by provider and by the model's name there.
    targets: HashMap<TargetName, Arc<Target>>,
    /// Targets that were asked for by their own names, so that a price is looked for once.
    others: Mutex<HashMap<TargetName, Arc<Target>>>,
    book: Arc<PriceBook>,
}

/// A provider, and its own name of a model.
type TargetName = (Arc<str>, Arc<str>);

/// Callers choose these names, so that no more of them are kept.
const MOST_OTHERS: usize = 256;

/// Finds prices and builds targets.
struct Pricer {
    providers: HashMap<Arc<str>, (Kind, Box<str>)>,
    classifications: HashMap<Arc<str>, Arc<str>>,
    local_or_not: HashMap<Arc<str>, bool>,
    clock: Arc<dyn Clock>,
}

impl Catalog {
    /// The models of `config`, each target with its price.
    pub fn new(config: &Config, book: PriceBook) -> Self {
        let providers = config.providers.iter().map(|provider: &Provider| {
            let base_url = config
                .base_urls
                .get(&provider.name)
                .cloned()
                .unwrap_or_default();
            (provider.name.clone(), (provider.kind, base_url))
        });
        let pricer = Pricer {
            providers: providers.collect(),
            classifications: config.classifications.clone(),
            local_or_not: config.local_or_not.clone(),
            clock: Arc::new(SystemClock),
        };
        Self {
            now: RwLock::new(Arc::new(Priced::new(&config.models, &pricer, book))),
            models: config.models.clone(),
            pricer,
        }
    }

    /// As it is now.
    pub fn now(&self) -> Arc<Priced> {
        self.now.read().clone()
    }

    /// Puts these prices in force.
    pub fn reprice(&self, book: PriceBook) {
        let priced = Arc::new(Priced::new(&self.models, &self.pricer, book));
        *self.now.write() = priced;
    }

    /// The model's name and its targets. `provider/model` names a model of a
    /// configured provider directly; such a plan is made for the one request.
    pub fn plan(&self, name: &str) -> Option<(Arc<str>, Plan)> {
        let now = self.now();
        if let Some((name, plan)) = now.models.get_key_value(name) {
            return Some((name.clone(), plan.clone()));
        }
        let (provider, model) = name.split_once('/')?;
        let (provider, _) = self.pricer.providers.get_key_value(provider)?;
        if model.is_empty()
            || model.len() > 200
            || !model.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return None;
        }
        let target = (provider.clone(), model.into());
        Some((name.into(), alone(now.target(target, &self.pricer))))
    }
}

impl Priced {
    fn new(models: &[checked::Model], pricer: &Pricer, book: PriceBook) -> Self {
        let models = models.iter().map(|model| {
            let targets: Vec<_> = model
                .targets
                .iter()
                .map(|target| pricer.target(target, &book))
                .collect();
            (model.name.clone(), Plan::new(targets).routed(model.routing))
        });
        let models: BTreeMap<Arc<str>, Plan> = models.collect();
        let targets = models.values().flat_map(Plan::targets);
        let targets = targets.map(|target| {
            (
                (target.provider.clone(), target.model.clone()),
                target.clone(),
            )
        });
        Self {
            targets: targets.collect(),
            models,
            others: Mutex::default(),
            book: Arc::new(book),
        }
    }

    /// The target of that name: what is configured of it, its price above all, holds by
    /// this name too.
    fn target(&self, name: TargetName, pricer: &Pricer) -> Arc<Target> {
        if let Some(target) = self.targets.get(&name) {
            return target.clone();
        }
        if let Some(target) = self.others.lock().get(&name) {
            return target.clone();
        }
        let target = checked::Target {
            provider: name.0.clone(),
            model: name.1.clone(),
            price: None,
            max_output_tokens: DEFAULT_OUTPUT_CAP,
            weight: NonZeroU32::MIN,
        };
        let target = pricer.target(&target, &self.book);
        let mut others = self.others.lock();
        if others.len() < MOST_OTHERS {
            others.insert(name, target.clone());
        }
        target
    }

    /// The targets of all models.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.targets.values()
    }

    /// The configured models, in the order of their names.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Plan)> {
        self.models.iter().map(|(name, plan)| (&**name, plan))
    }

    /// The name and version of the file of prices, where there is one.
    pub fn prices(&self) -> Option<&str> {
        self.book.version()
    }
}

/// The plan of a target that is asked for by its own name.
fn alone(target: Arc<Target>) -> Plan {
    Plan::new([target]).routed(Routing {
        retries: DEFAULT_RETRIES,
        ..Routing::default()
    })
}

impl Pricer {
    fn target(&self, target: &checked::Target, book: &PriceBook) -> Arc<Target> {
        Arc::new(Target {
            provider: target.provider.clone(),
            model: target.model.clone(),
            classification: self.classifications.get(&target.provider).cloned(),
            local: self.local(&target.provider),
            price: self.price(target, book),
            max_output_tokens: target.max_output_tokens,
            weight: target.weight,
        })
    }

    /// Whether what a provider is told stays on this machine: as configured, else by
    /// where it is.
    fn local(&self, provider: &Arc<str>) -> bool {
        if let Some(said) = self.local_or_not.get(provider) {
            return *said;
        }
        self.providers
            .get(provider)
            .is_some_and(|(kind, base_url)| match kind.place() {
                Place::InProcess => true,
                Place::Remote { .. } => is_loopback(base_url),
            })
    }

    /// A price of the target's own, else the book's. Models on one's own machine cost
    /// nothing unless somebody says otherwise.
    fn price(&self, target: &checked::Target, book: &PriceBook) -> Option<Arc<dyn Price>> {
        if let Some(price) = target.price {
            return Some(Arc::new(price));
        }
        let (kind, base_url) = self.providers.get(&target.provider)?;
        let listed_as = match kind.prices() {
            Prices::Provider(id) => Some(id),
            Prices::BaseUrl | Prices::Free => None,
        };
        let model = Model {
            provider: &target.provider,
            listed_as,
            base_url,
            model: &target.model,
        };
        if let Prices::Free = kind.prices() {
            let own = book.own(model, &self.clock);
            return Some(own.unwrap_or_else(|| Arc::new(FlatPrice::free())));
        }
        book.find(model, &self.clock)
    }
}

/// Whether whatever is at `url` is on this machine: its host is a loopback address as
/// it stands, or `localhost`.
fn is_loopback(url: &str) -> bool {
    let host = url
        .parse::<Uri>()
        .ok()
        .and_then(|url| url.host().map(str::to_owned));
    host.is_some_and(|host| {
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || literal.is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lattice_kernel::{Balance, Usage};

    use super::*;
    use crate::config::load::{ConfigError, parse};

    fn listed(config: Result<Config, ConfigError>) -> Catalog {
        Catalog::new(&config.expect("sound"), PriceBook::built_in())
    }

    #[test]
    fn other_prices_are_for_those_who_come_after() {
        let text = "providers: { own: { kind: openai_compatible, base_url: http://127.0.0.1:9/v1 }, here: { kind: llama_cpp, model_dir: . } }\n\
                    models: [ { name: m, targets: [ { provider: own, model: big } ] } ]";
        let raw = parse(Path::new("lattice.yaml"), text).expect("well-formed");
        let catalog = listed(Config::check(raw, Path::new("")));
        let usage = Usage {
            input: 1_000_000,
            ..Usage::default()
        };
        let cost = |plan: &Plan| {
            let price = plan.targets()[0].price.clone()?;
            price.cost(&usage).map(|cost| cost.to_string())
        };
        let plan = |name: &str| catalog.plan(name).expect("known").1;
        let under_way = plan("m");
        assert_eq!(cost(&under_way), None, "no list has it");
        assert_eq!(cost(&plan("here/any")).as_deref(), Some("0"));
        let book = r#"{"prices":[
            {"provider":"own","model":"*","usd_per_mtok":{"input":3,"output":4}},
            {"provider":"here","model":"any","usd_per_mtok":{"input":1,"output":1}}]}"#;
        catalog.reprice(PriceBook::read("prices.json", book).expect("sound"));
        assert_eq!(cost(&under_way), None, "it keeps what it began with");
        for (name, expected) in [("m", "3"), ("own/other", "3"), ("here/any", "1")] {
            assert_eq!(cost(&plan(name)).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_target_keeps_its_price_under_its_providers_name() {
        let text = "providers: { own: { kind: openai_compatible, base_url: http://127.0.0.1:9/v1 } }\n\
                    models: [ { name: m, targets: [ { provider: own, model: big, price: \
                    { input_usd_per_mtok: 1, output_usd_per_mtok: 2 }, max_output_tokens: 7 } ] } ]";
        let raw = parse(Path::new("lattice.yaml"), text).expect("well-formed");
        let catalog = listed(Config::check(raw, Path::new("")));
        let cost = |name: &str| {
            let (_, plan) = catalog.plan(name)?;
            let usage = Usage {
                input: 1,
                ..Usage::default()
            };
            plan.targets().first()?.price.as_ref()?.cost(&usage)
        };
        assert!(cost("m").is_some());
        assert_eq!(cost("own/big"), cost("m"));
        assert_eq!(cost("own/another"), None, "unpriced, not free");
        assert!(catalog.plan("own/another").is_some());
        for unknown in ["big", "other/big", "own/", "own/a b"] {
            assert!(catalog.plan(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_provider_is_local_by_its_address_unless_somebody_says_otherwise() {
        let local = |base_url: &str, more: &str| {
            let text = format!(
                "providers: {{ own: {{ kind: openai_compatible, base_url: \"{base_url}\"{more} }} }}"
            );
            let raw = parse(Path::new("lattice.yaml"), &text).expect("well-formed");
            let catalog = listed(Config::check(raw, Path::new("")));
            let (_, plan) = catalog.plan("own/m").expect("known");
            plan.targets()[0].local
        };
        for here in [
            "http://127.0.0.1:9/v1",
            "http://[::1]:9/v1",
            "http://localhost:9/v1",
        ] {
            assert!(local(here, ""), "{here}");
            assert!(!local(here, ", local: false"), "{here}");
        }
        for elsewhere in ["https://127.0.0.1.example/v1", "https://8.8.8.8/v1"] {
            assert!(!local(elsewhere, ""), "{elsewhere}");
            assert!(local(elsewhere, ", local: true"), "{elsewhere}");
        }
    }

    #[test]
    fn how_a_plan_is_walked_is_its_models_to_say() {
        let check = |model: &str, target: &str| {
            let text = format!(
                "providers: {{ own: {{ kind: openai_compatible, base_url: http://127.0.0.1:9/v1 }} }}\n\
                 models: [ {{ name: m, {model} targets: [ {{ provider: own, model: x, {target} }} ] }} ]"
            );
            let raw = parse(Path::new("lattice.yaml"), &text).expect("well-formed");
            Config::check(raw, Path::new(""))
        };
        let walked = |model: &str, target: &str, name: &str| {
            let catalog = listed(check(model, target));
            let (_, plan) = catalog.plan(name).expect("known");
            let Routing { balance, retries } = plan.routing();
            (balance, retries, plan.targets()[0].weight.get())
        };
        assert_eq!(walked("", "", "m"), (Balance::Ordered, 1, 1));
        let chosen = "balance: least_busy, retries: 0,";
        let expected = (Balance::LeastBusy, 0, 7);
        assert_eq!(walked(chosen, "weight: 7", "m"), expected);
        assert_eq!(
            walked(chosen, "weight: 7", "own/x"),
            (Balance::Ordered, 1, 7)
        );
        for (model, target, named) in [
            ("retries: 6,", "", "retries"),
            ("", "weight: 0", "weight"),
            ("", "weight: 1001", "weight"),
        ] {
            let error = check(model, target).expect_err("out of range").to_string();
            assert!(error.starts_with("models.m: "), "{error}");
            assert!(
                error.contains(&format!("{named} is out of range")),
                "{error}"
            );
        }
    }
}
