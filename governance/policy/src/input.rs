//! What a policy is asked about.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lattice_kernel::principal::Named;
use lattice_kernel::{Ask, Principal, Target};
use regorus::Value;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, Weekday};
use uuid::Uuid;

use crate::footprint::{Field, Footprint};

/// One question: may this caller do this at this target, now?
///
/// Shaped like an `AuthZEN` evaluation; `policies/README.md` lists the fields.
pub struct Input<'a> {
    who: &'a Principal,
    ask: &'a Ask,
    target: &'a Target,
    weekday: Weekday,
    minute_of_day: u64,
}

impl<'a> Input<'a> {
    /// The question as it stands at `at`.
    #[must_use]
    pub fn new(who: &'a Principal, ask: &'a Ask, target: &'a Target, at: OffsetDateTime) -> Self {
        let at = at.to_offset(time::UtcOffset::UTC);
        let minute_of_day = u64::from(at.hour()) * 60 + u64::from(at.minute());
        Self {
            who,
            ask,
            target,
            weekday: at.weekday(),
            minute_of_day,
        }
    }

    /// What the policy sees, with only these fields of the context.
    pub(crate) fn document(&self, context: Footprint) -> Value {
        let mut document = Document::default();
        self.visit(context, &mut document);
        document.0.into()
    }

    /// The cache key: `seed`, which stands for the set, and all that
    /// [`Self::document`] holds.
    pub(crate) fn digest(&self, context: Footprint, seed: &Sha256) -> [u8; 32] {
        let mut fingerprint = Fingerprint(seed.clone());
        self.visit(context, &mut fingerprint);
        fingerprint.0.finalize().into()
    }

    /// The one place that says what is in the input. The patterns name every
    /// field, so that a new one in the kernel has to be placed here.
    fn visit(&self, context: Footprint, to: &mut impl Visitor) {
        let Principal {
            key,
            team,
            models,
            team_models,
        } = self.who;
        to.object("subject", |to| {
            to.leaf("type", Leaf::Text("key"));
            to.leaf("id", Leaf::Id(key.id));
            to.object("properties", |to| {
                to.leaf("org", Leaf::Null);
                to.leaf(
                    "team",
                    team.as_ref()
                        .map_or(Leaf::Null, |Named { name, .. }| Leaf::Text(name)),
                );
                to.leaf("roles", Leaf::Texts(&[]));
                to.leaf("key", Leaf::Text(&key.name));
                to.leaf("auth", Leaf::Text("key"));
                to.leaf("models", models.as_deref().map_or(Leaf::Null, Leaf::Texts));
                to.leaf(
                    "team_models",
                    team_models.as_deref().map_or(Leaf::Null, Leaf::Texts),
                );
            });
        });
        let Ask {
            action,
            model: asked,
            dialect: _,
            stream: _,
            tools: _,
            source: _,
        } = self.ask;
        to.object("action", |to| to.leaf("name", Leaf::Text(action.as_str())));
        let Target {
            provider,
            model,
            classification,
            price: _,
            max_output_tokens: _,
            weight: _,
        } = self.target;
        to.object("resource", |to| {
            to.leaf("type", Leaf::Text("model"));
            to.leaf("id", Leaf::Text(asked));
            to.object("properties", |to| {
                to.leaf("name", Leaf::Text(asked));
                to.leaf("provider", Leaf::Text(provider));
                to.leaf("model", Leaf::Text(model));
                to.leaf(
                    "classification",
                    classification.as_deref().map_or(Leaf::Null, Leaf::Text),
                );
            });
        });
        to.object("context", |to| {
            context
                .fields()
                .for_each(|field| to.leaf(field.name(), self.context(field)));
        });
    }

    fn context(&self, field: Field) -> Leaf<'_> {
        match field {
            Field::Dialect => Leaf::Text(self.ask.dialect.as_str()),
            Field::Stream => Leaf::Bool(self.ask.stream),
            Field::Tools => Leaf::Texts(&self.ask.tools),
            Field::Weekday => Leaf::Text(weekday(self.weekday)),
            Field::MinuteOfDay => Leaf::Number(self.minute_of_day),
            // An IPv4 caller of a dual-stack socket is an IPv4 caller.
            Field::Source => self
                .ask
                .source
                .map_or(Leaf::Null, |source| Leaf::Address(source.to_canonical())),
        }
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

/// A value without parts, or a list of names.
#[derive(Clone, Copy)]
enum Leaf<'a> {
    Null,
    Bool(bool),
    Number(u64),
    Text(&'a str),
    Texts(&'a [Box<str>]),
    Id(Uuid),
    Address(IpAddr),
}

/// Is shown the input, field by field, in a fixed order.
trait Visitor: Sized {
    fn object(&mut self, name: &'static str, fields: impl FnOnce(&mut Self));
    fn leaf(&mut self, name: &'static str, leaf: Leaf<'_>);
}

#[derive(Default)]
struct Document(BTreeMap<Value, Value>);

impl Visitor for Document {
    fn object(&mut self, name: &'static str, fields: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fields(&mut inner);
        self.0.insert(name.into(), inner.0.into());
    }

    fn leaf(&mut self, name: &'static str, leaf: Leaf<'_>) {
        let value = match leaf {
            Leaf::Null => Value::Null,
            Leaf::Bool(flag) => flag.into(),
            Leaf::Number(number) => number.into(),
            Leaf::Text(text) => text.into(),
            Leaf::Texts(texts) => texts
                .iter()
                .map(|text| Value::from(&**text))
                .collect::<Vec<_>>()
                .into(),
            Leaf::Id(id) => id.to_string().into(),
            Leaf::Address(address) => address.to_string().into(),
        };
        self.0.insert(name.into(), value);
    }
}

/// Tag, length and bytes of each leaf. Names and nesting are left out: they
/// follow from the footprint, which follows from the set.
struct Fingerprint(Sha256);

impl Fingerprint {
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }
}

impl Visitor for Fingerprint {
    fn object(&mut self, _: &'static str, fields: impl FnOnce(&mut Self)) {
        fields(self);
    }

    fn leaf(&mut self, _: &'static str, leaf: Leaf<'_>) {
        match leaf {
            Leaf::Null => self.0.update([0]),
            Leaf::Bool(flag) => self.0.update([1, u8::from(flag)]),
            Leaf::Number(number) => {
                self.0.update([2]);
                self.0.update(number.to_le_bytes());
            }
            Leaf::Text(text) => {
                self.0.update([3]);
                self.text(text);
            }
            Leaf::Texts(texts) => {
                self.0.update([4]);
                self.0.update((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|text| self.text(text));
            }
            Leaf::Id(id) => {
                self.0.update([5]);
                self.0.update(id.as_bytes());
            }
            Leaf::Address(IpAddr::V4(address)) => {
                self.0.update([6]);
                self.0.update(address.octets());
            }
            Leaf::Address(IpAddr::V6(address)) => {
                self.0.update([7]);
                self.0.update(address.octets());
            }
        }
    }
}
