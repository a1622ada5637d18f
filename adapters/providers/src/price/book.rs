//! The price book: an operator's own prices, a newer list where there is one, and the
//! list that is built in, asked in this order.

use std::sync::Arc;

use genai_prices::Calculator;
use lattice_kernel::{Bill, Clock, NanoUsd, Price, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::catalogue::{CatalogPrice, Catalogue, List};
use super::entry::{self, Entry};

/// Prices by provider and model. It never changes; another one takes its place.
pub struct PriceBook {
    /// The operator's own.
    entries: Vec<Entry>,
    /// The name and version of the file that they are of.
    version: Arc<str>,
    /// Newest first.
    catalogues: Vec<Arc<Catalogue>>,
}

/// What a price is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// The provider, as configured.
    pub provider: &'a str,
    /// The provider as the lists know it.
    pub listed_as: Option<&'a str>,
    /// Where it answers: what it is looked up by where the lists' name is not known.
    pub base_url: &'a str,
    /// Its own name of the model.
    pub model: &'a str,
}

/// Why a file holds no prices.
#[derive(Debug, thiserror::Error)]
pub enum PriceFileError {
    /// It is not JSON, or not of a shape that is known; says where.
    #[error("{0}; a price file is {SHAPE}")]
    Shape(#[source] serde_json::Error),
    /// The list in it cannot be used.
    #[error("providers: {0}")]
    List(String),
    /// A price of its own cannot.
    #[error("prices[{number}].{what}")]
    Entry {
        /// Which one, from 0.
        number: usize,
        /// What is wrong with it, by the member's name.
        what: String,
    },
    /// Two prices are for the same.
    #[error(
        "prices[{second}] is for the same model, day, tier and length as prices[{first}]; take one of them out"
    )]
    Double {
        /// The one before.
        first: usize,
        /// The other.
        second: usize,
    },
}

const SHAPE: &str = "either the data of genai-prices (an array of providers) or an object with `version`, `providers` (such an array) and `prices` (your own)";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    version: Option<String>,
    #[serde(borrow)]
    providers: Option<&'a RawValue>,
    #[serde(default)]
    prices: Vec<entry::Raw>,
}

impl Default for PriceBook {
    fn default() -> Self {
        Self::built_in()
    }
}

impl PriceBook {
    /// Only what is built in.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            entries: Vec::new(),
            version: "".into(),
            catalogues: vec![Arc::new(Catalogue::built_in())],
        }
    }

    /// What the file `name` holds, over what is built in. All of it can be used, or none.
    ///
    /// # Errors
    /// See [`PriceFileError`].
    pub fn read(name: &str, text: &str) -> Result<Self, PriceFileError> {
        let digest = Sha256::digest(text);
        let digest: String = digest[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let file: File<'_> = if text.trim_start().starts_with('[') {
            File {
                version: None,
                providers: Some(serde_json::from_str(text).map_err(PriceFileError::Shape)?),
                prices: Vec::new(),
            }
        } else {
            serde_json::from_str(text).map_err(PriceFileError::Shape)?
        };
        let stated = file.version.map(|version| format!(" {version}"));
        let version: Arc<str> =
            format!("{name}{} sha256:{digest}", stated.unwrap_or_default()).into();
        let mut catalogues = vec![Arc::new(Catalogue::built_in())];
        if let Some(list) = file.providers {
            let list = Catalogue::read(list.get(), version.clone())?;
            catalogues.insert(0, Arc::new(list));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(file.prices.len());
        for (number, raw) in file.prices.into_iter().enumerate() {
            let entry = Entry::check(raw).map_err(|what| PriceFileError::Entry { number, what })?;
            if let Some(first) = entries.iter().position(|other| other.key() == entry.key()) {
                return Err(PriceFileError::Double {
                    first,
                    second: number,
                });
            }
            entries.push(entry);
        }
        Ok(Self {
            entries,
            version,
            catalogues,
        })
    }

    /// The file's name and version; `None`: there is only what is built in.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        Some(&*self.version).filter(|version| !version.is_empty())
    }

    /// The price of a model. `None`: it has none, which is not that it is free.
    #[must_use]
    pub fn find(&self, model: Model<'_>, clock: &Arc<dyn Clock>) -> Option<Arc<dyn Price>> {
        let listed = self.catalogues.iter().find_map(|catalogue| {
            CatalogPrice::find(
                catalogue.clone(),
                model.listed_as,
                model.base_url,
                model.model,
                clock.clone(),
            )
        });
        let listed = listed.map(|price| Arc::new(price) as Arc<dyn Price>);
        self.over(listed.clone(), model, clock).or(listed)
    }

    /// The operator's own price of it, if there is one.
    #[must_use]
    pub fn own(&self, model: Model<'_>, clock: &Arc<dyn Clock>) -> Option<Arc<dyn Price>> {
        self.over(None, model, clock)
    }

    /// The operator's own, with what holds `before` it.
    fn over(
        &self,
        before: Option<Arc<dyn Price>>,
        model: Model<'_>,
        clock: &Arc<dyn Clock>,
    ) -> Option<Arc<dyn Price>> {
        let entries = self.entries.iter();
        let entries: Vec<Entry> = entries
            .filter(|entry| entry.is_for(model.provider, model.model))
            .cloned()
            .collect();
        if entries.is_empty() {
            return None;
        }
        Some(Arc::new(OwnPrice {
            source: format!("{} {}/{}", self.version, model.provider, model.model).into(),
            entries,
            version: self.version.clone(),
            before,
            clock: clock.clone(),
        }))
    }
}

/// An operator's prices of one model.
struct OwnPrice {
    entries: Vec<Entry>,
    version: Arc<str>,
    source: Box<str>,
    /// What holds until the first of them does.
    before: Option<Arc<dyn Price>>,
    clock: Arc<dyn Clock>,
}

impl Price for OwnPrice {
    fn bill(&self, usage: &Usage, at: OffsetDateTime) -> Option<Bill> {
        let Ok(chosen) = entry::choose(&self.entries, usage, at) else {
            return self.before.as_ref()?.bill(usage, at);
        };
        let (entry, estimated) = chosen?;
        let bill = Bill::new(entry.id.clone(), self.version.clone(), usage, &entry.rates)?;
        Some(Bill { estimated, ..bill })
    }

    fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        Some(self.bill(usage, self.clock.now())?.total)
    }

    fn source(&self) -> &str {
        &self.source
    }
}

impl std::fmt::Debug for OwnPrice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OwnPrice").field(&self.source).finish()
    }
}

impl Catalogue {
    fn read(text: &str, version: Arc<str>) -> Result<Self, PriceFileError> {
        let list = Calculator::from_json(text).map_err(|error| {
            let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
            PriceFileError::List(format!("{error}{}", why.unwrap_or_default()))
        })?;
        let mut catalogue = Self {
            list: List::Read(Box::new(list)),
            version,
            flat_up_to: u64::MAX,
            slot: 86_400,
        };
        let value: Value = serde_json::from_str(text).map_err(PriceFileError::Shape)?;
        catalogue.bound_by(&value);
        Ok(catalogue)
    }

    /// Looks for whatever makes a rate change: the lengths at which tiers start, and the
    /// times of day at which prices do.
    fn bound_by(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.bound_by(item)),
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), value) {
                        ("start", Value::Number(start)) => {
                            let start = start.as_u64().unwrap_or(0);
                            self.flat_up_to = self.flat_up_to.min(start);
                        }
                        ("start_time" | "end_time", Value::String(time)) => {
                            self.slot = common(self.slot, seconds(time).unwrap_or(1));
                        }
                        _ => self.bound_by(value),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Seconds since midnight of `HH:MM:SSZ`; `None` where it is written in another way.
fn seconds(time: &str) -> Option<i64> {
    let mut parts = time.strip_suffix('Z')?.split(':').map(str::parse::<i64>);
    let mut next = || parts.next()?.ok();
    Some((next()? * 60 + next()?) * 60 + next()?)
}

/// The greatest common divisor.
fn common(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common(b, a % b) }
}
