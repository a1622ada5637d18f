//! Prices that an operator writes down: those of a contract, of a tier or of a model that
//! no list has.

use std::sync::Arc;

use lattice_kernel::{Class, Rates, Tier, Usage};
use serde::Deserialize;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::pico;

/// One of them, as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    /// What bills name it; left out: `provider/model`.
    id: Option<String>,
    /// A provider of the configuration, by its name there.
    provider: String,
    /// The model's name there; `*` at its end stands for any ending.
    model: String,
    /// The first day that it holds, UTC; left out: it always has.
    from: Option<String>,
    /// The service tier; left out: the standard one.
    tier: Option<String>,
    /// It holds for longer prompts only.
    above_input_tokens: Option<u64>,
    usd_per_mtok: RawRates,
    /// For each search of the web that the provider makes.
    #[serde(default)]
    usd_per_web_search: f64,
    /// For each call.
    #[serde(default)]
    usd_per_request: f64,
}

/// In USD per million tokens. What is left out costs what it is a part of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRates {
    input: f64,
    output: f64,
    input_audio: Option<f64>,
    input_image: Option<f64>,
    input_video: Option<f64>,
    cached_input: Option<f64>,
    cached_audio: Option<f64>,
    cached_image: Option<f64>,
    cache_write_5m: Option<f64>,
    cache_write_1h: Option<f64>,
    reasoning: Option<f64>,
    output_audio: Option<f64>,
    output_image: Option<f64>,
}

/// One of them, checked.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub id: Arc<str>,
    provider: Box<str>,
    model: Box<str>,
    any_ending: bool,
    from: Option<Date>,
    tier: Option<Tier>,
    above: Option<u64>,
    pub rates: Rates,
}

impl Entry {
    /// What cannot be, by the member's name.
    pub fn check(raw: Raw) -> Result<Self, String> {
        let from = raw.from.as_deref().map(|from| {
            Date::parse(from, format_description!("[year]-[month]-[day]"))
                .map_err(|_| format!("from: {from:?} is no day; write it as 2026-11-24"))
        });
        let tier = raw.tier.as_deref().map(|name| match Tier::new(name) {
            Tier::UNKNOWN => Err(format!(
                "tier: {name:?} is no name; it is at most {} letters, digits, '.', '-' and '_'",
                Tier::LONGEST
            )),
            tier => Ok(tier),
        });
        let rates = raw.usd_per_mtok.check()?;
        let each = |name: &str, usd: f64| pico(usd).ok_or_else(|| no_rate(name, usd));
        let rates = rates
            .with(
                Class::WebSearch,
                each("usd_per_web_search", raw.usd_per_web_search)?,
            )
            .with(
                Class::Request,
                each("usd_per_request", raw.usd_per_request)?,
            );
        if raw.provider.is_empty() || raw.model.is_empty() {
            return Err("provider and model: both must be named".into());
        }
        let id = raw
            .id
            .unwrap_or_else(|| format!("{}/{}", raw.provider, raw.model));
        let stem = raw.model.strip_suffix('*');
        Ok(Self {
            id: id.into(),
            provider: raw.provider.into(),
            any_ending: stem.is_some(),
            model: stem.unwrap_or(&raw.model).into(),
            from: from.transpose()?,
            tier: tier.transpose()?,
            above: raw.above_input_tokens,
            rates,
        })
    }

    /// Whether it is for this model.
    pub fn is_for(&self, provider: &str, model: &str) -> bool {
        let same = match model.strip_prefix(&*self.model) {
            Some(ending) => self.any_ending || ending.is_empty(),
            None => false,
        };
        same && *self.provider == *provider
    }

    /// What tells two entries apart: which model, from when, for what.
    pub fn key(&self) -> impl PartialEq + use<'_> {
        let model = (&*self.provider, &*self.model, self.any_ending);
        (model, self.from, self.tier, self.above)
    }

    fn holds(&self, at: OffsetDateTime) -> bool {
        self.from.is_none_or(|from| from <= at.date())
    }

    /// Best first: the more exact name, the later day, the longer prompt.
    fn rank(&self) -> impl Ord + use<> {
        let exact = (!self.any_ending, self.model.len());
        (exact, self.from, self.above)
    }
}

/// The entry that `usage` is charged by, and whether it is that of another tier, which
/// is dearer. `Err`: none of `entries` holds yet. `Ok(None)`: none is for this tier.
pub(super) fn choose<'a>(
    entries: &'a [Entry],
    usage: &Usage,
    at: OffsetDateTime,
) -> Result<Option<(&'a Entry, bool)>, NotYet> {
    let at = at.to_offset(time::UtcOffset::UTC);
    if !entries.iter().any(|entry| entry.holds(at)) {
        return Err(NotYet);
    }
    let of = |tier: Option<Tier>| {
        let fitting = entries.iter().filter(|entry| {
            let long_enough = entry.above.is_none_or(|above| usage.input > above);
            entry.tier == tier && long_enough && entry.holds(at)
        });
        fitting.max_by_key(|entry| entry.rank())
    };
    if let Some(entry) = of(usage.tier) {
        return Ok(Some((entry, false)));
    }
    let discount = usage
        .tier
        .is_some_and(|tier| super::is_discount(tier.as_str()));
    Ok(of(None).filter(|_| discount).map(|entry| (entry, true)))
}

/// No price holds yet.
#[derive(Debug)]
pub(super) struct NotYet;

impl RawRates {
    fn check(&self) -> Result<Rates, String> {
        let input_audio = self.input_audio.unwrap_or(self.input);
        let input_image = self.input_image.unwrap_or(self.input);
        let cache_write_5m = self.cache_write_5m.unwrap_or(self.input);
        let all = [
            (Class::Input, self.input),
            (Class::InputAudio, input_audio),
            (Class::InputImage, input_image),
            (Class::InputVideo, self.input_video.unwrap_or(self.input)),
            (Class::CachedInput, self.cached_input.unwrap_or(self.input)),
            (Class::CachedAudio, self.cached_audio.unwrap_or(input_audio)),
            (Class::CachedImage, self.cached_image.unwrap_or(input_image)),
            (Class::CacheWrite5m, cache_write_5m),
            (
                Class::CacheWrite1h,
                self.cache_write_1h.unwrap_or(cache_write_5m),
            ),
            (Class::Output, self.output),
            (Class::Reasoning, self.reasoning.unwrap_or(self.output)),
            (Class::OutputAudio, self.output_audio.unwrap_or(self.output)),
            (Class::OutputImage, self.output_image.unwrap_or(self.output)),
        ];
        let mut rates = Rates::default();
        for (class, usd) in all {
            let name = || format!("usd_per_mtok.{}", class.as_str());
            let rate = pico(usd / 1e6).ok_or_else(|| no_rate(&name(), usd))?;
            rates = rates.with(class, rate);
        }
        Ok(rates)
    }
}

fn no_rate(name: &str, usd: f64) -> String {
    format!("{name}: {usd} is no rate; one token, search or call costs from 0 to 1 USD")
}
