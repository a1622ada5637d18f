//! What a policy is asked about.

mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lattice_kernel::principal::{Grant, Named, Subject};
use lattice_kernel::{Ask, Principal, Target, Tool, ToolCall};
use regorus::Value;
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, Weekday};
use uuid::Uuid;

use crate::decision::EvaluationError;
use crate::footprint::{Field, Footprint};
use crate::seed::Seeded;

pub(crate) use shape::{Shape, Shapes};

/// One question: may this caller do this at this target, now? Or: may it be asked to
/// make this tool call?
///
/// Shaped like an `AuthZEN` evaluation; `policies/README.md` lists the fields.
pub struct Input<'a> {
    who: &'a Principal,
    ask: &'a Ask,
    target: &'a Target,
    call: Option<ToolCall<'a>>,
    weekday: Weekday,
    minute_of_day: u64,
    second: u8,
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
            call: None,
            weekday: at.weekday(),
            minute_of_day,
            second: at.second(),
        }
    }

    /// For how long it stays the same question, where its set sees these fields of
    /// the context: to the end of the minute or the day.
    pub(crate) fn lasts(&self, context: Footprint) -> Duration {
        let day = 24 * 60 * 60;
        let minute = 60 - u64::from(self.second.min(59));
        let left = |field| match field {
            Field::MinuteOfDay => minute,
            Field::Weekday => day - 60 * (self.minute_of_day + 1) + minute,
            _ => day,
        };
        Duration::from_secs(context.fields().map(left).min().unwrap_or(day))
    }

    /// The question about a tool call in the reply instead.
    #[must_use]
    pub fn about(self, call: ToolCall<'a>) -> Self {
        Self {
            call: Some(call),
            ..self
        }
    }

    /// What it is about, tool call and time aside.
    pub(crate) fn parts(&self) -> (&'a Principal, &'a Ask, &'a Target) {
        (self.who, self.ask, self.target)
    }

    /// The caller's address.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.ask.source
    }

    /// Bytes of those of its texts whose length a caller chooses.
    pub(crate) fn texts(&self) -> usize {
        let call = self
            .call
            .map_or(0, |call| call.name.len() + call.arguments.len());
        let tools = self.ask.tools.iter();
        let tools: usize = tools.map(|it| it.name.len() + it.kind.len() + 32).sum();
        call + tools
    }

    /// What the policy sees, with only these fields of the context.
    ///
    /// # Errors
    /// The arguments of a tool call are not the JSON that they are said to be.
    pub(crate) fn document(&self, context: Footprint) -> Result<Value, EvaluationError> {
        let mut document = Document::default();
        self.visit(context, &mut document);
        match document.garbled {
            false => Ok(document.fields.into()),
            true => Err(EvaluationError::Arguments),
        }
    }

    /// The same with all of the context, as a JSON text: for an explanation.
    ///
    /// # Errors
    /// The arguments of a tool call are not the JSON that they are said to be.
    pub fn json(&self) -> Result<String, EvaluationError> {
        let text = self.document(Footprint::WHOLE)?.to_json_str();
        text.map_err(|error| EvaluationError::Failed(error.to_string()))
    }

    /// The cache key: `seed`, which stands for the set, the tenant, and all that
    /// [`Self::document`] holds.
    pub(crate) fn digest(&self, context: Footprint, seed: &Seeded) -> [u8; 32] {
        let mut fingerprint = Fingerprint::new(seed);
        fingerprint.tenant(self.who);
        self.visit(context, &mut fingerprint);
        fingerprint.finish()
    }

    /// The one place that says what is in the input. The patterns name every
    /// field, so that a new one in the kernel has to be placed here.
    fn visit(&self, context: Footprint, to: &mut impl Visitor) {
        let Principal {
            subject: Subject { kind, named },
            auth,
            key,
            user,
            agent,
            team,
            org,
            grants,
            classification,
            models,
            team_models,
        } = self.who;
        to.object("subject", |to| {
            to.leaf("type", Leaf::Text(kind.as_str()));
            to.leaf("id", Leaf::Id(named.id));
            to.object("properties", |to| {
                to.leaf("org", name(org.as_ref()));
                to.leaf("team", name(team.as_ref()));
                to.leaf("user", name(user.as_ref()));
                to.leaf("agent", name(agent.as_ref()));
                to.leaf("key", name(key.as_ref()));
                to.leaf("auth", Leaf::Text(auth.as_str()));
                to.leaf("roles", Leaf::Roles(grants));
                to.leaf("grants", Leaf::Grants(grants));
                to.leaf("classification", text(classification.as_deref()));
                to.leaf("models", texts(models.as_deref()));
                to.leaf("team_models", texts(team_models.as_deref()));
            });
        });
        let action = match self.call {
            None => self.ask.action.as_str(),
            Some(_) => "tool.call",
        };
        to.object("action", |to| to.leaf("name", Leaf::Text(action)));
        to.object("resource", |to| self.visit_resource(to));
        to.object("context", |to| {
            context
                .fields()
                .for_each(|field| to.leaf(field.name(), self.context(field)));
        });
    }

    fn visit_resource(&self, to: &mut impl Visitor) {
        let Ask {
            action: _,
            model: asked,
            dialect: _,
            stream: _,
            tools: _,
            classification: _,
            source: _,
        } = self.ask;
        let Target {
            provider,
            model,
            classification,
            local,
            price: _,
            max_output_tokens: _,
            weight: _,
        } = self.target;
        let (kind, id) = match self.call {
            None => ("model", &**asked),
            Some(call) => ("tool", call.name),
        };
        to.leaf("type", Leaf::Text(kind));
        to.leaf("id", Leaf::Text(id));
        to.object("properties", |to| {
            to.leaf("name", Leaf::Text(id));
            if let Some(call) = self.call {
                let (kind, hosted) = self.kind_of(&call);
                to.leaf("type", Leaf::Text(kind));
                to.leaf("hosted", Leaf::Bool(hosted));
                let arguments = if call.json { Leaf::Json } else { Leaf::Text };
                to.leaf("arguments", arguments(call.arguments));
                to.leaf("asked", Leaf::Text(asked));
            }
            to.leaf("provider", Leaf::Text(provider));
            to.leaf("model", Leaf::Text(model));
            to.leaf("classification", text(classification.as_deref()));
            to.leaf("local", Leaf::Bool(*local));
        });
    }

    /// The type of the tool that is called, as it was offered, and whether its provider
    /// runs it. What was not offered is taken for what it looks like.
    fn kind_of(&self, call: &ToolCall<'_>) -> (&str, bool) {
        let mut tools = self.ask.tools.iter();
        match tools.find(|tool| *tool.name == *call.name) {
            Some(tool) => (&tool.kind, tool.hosted),
            None if call.json => (Tool::FUNCTION, false),
            None => ("custom", false),
        }
    }

    fn context(&self, field: Field) -> Leaf<'_> {
        match field {
            Field::Dialect => Leaf::Text(self.ask.dialect.as_str()),
            Field::Stream => Leaf::Bool(self.ask.stream),
            Field::Tools => Leaf::Names(&self.ask.tools),
            Field::Offered => Leaf::Tools(&self.ask.tools),
            Field::Weekday => Leaf::Text(weekday(self.weekday)),
            Field::MinuteOfDay => Leaf::Number(self.minute_of_day),
            // An IPv4 caller of a dual-stack socket is an IPv4 caller.
            Field::Source => self
                .ask
                .source
                .map_or(Leaf::Null, |source| Leaf::Address(source.to_canonical())),
            Field::Classification => text(self.ask.classification.as_deref()),
        }
    }
}

fn name(named: Option<&Named>) -> Leaf<'_> {
    text(named.map(|named| &*named.name))
}

fn text(text: Option<&str>) -> Leaf<'_> {
    text.map_or(Leaf::Null, Leaf::Text)
}

fn texts(texts: Option<&[Box<str>]>) -> Leaf<'_> {
    texts.map_or(Leaf::Null, Leaf::Texts)
}

/// The names of roles, in order and each once.
fn roles(grants: &[Grant]) -> BTreeSet<&str> {
    grants.iter().map(|grant| &*grant.role).collect()
}

/// The name of the day in policy input.
pub(crate) fn weekday(day: Weekday) -> &'static str {
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
    /// The names of tools alone.
    Names(&'a [Tool]),
    Tools(&'a [Tool]),
    /// The text of an object.
    Json(&'a str),
    /// The names of the roles alone.
    Roles(&'a [Grant]),
    Grants(&'a [Grant]),
    Id(Uuid),
    Address(IpAddr),
}

/// Is shown the input, field by field, in a fixed order.
trait Visitor: Sized {
    fn object(&mut self, name: &'static str, fields: impl FnOnce(&mut Self));
    fn leaf(&mut self, name: &'static str, leaf: Leaf<'_>);
}

#[derive(Default)]
struct Document {
    fields: BTreeMap<Value, Value>,
    /// Something in it could not be read.
    garbled: bool,
}

impl Visitor for Document {
    fn object(&mut self, name: &'static str, fields: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fields(&mut inner);
        self.garbled |= inner.garbled;
        self.fields.insert(name.into(), inner.fields.into());
    }

    fn leaf(&mut self, name: &'static str, leaf: Leaf<'_>) {
        let value = match leaf {
            Leaf::Null => Value::Null,
            Leaf::Bool(flag) => flag.into(),
            Leaf::Number(number) => number.into(),
            Leaf::Text(text) => text.into(),
            Leaf::Texts(texts) => array(texts.iter().map(|text| Value::from(&**text))),
            Leaf::Names(tools) => array(tools.iter().map(|tool| Value::from(&*tool.name))),
            Leaf::Tools(tools) => array(tools.iter().map(|Tool { name, kind, hosted }| {
                let fields: BTreeMap<Value, Value> = BTreeMap::from([
                    ("hosted".into(), (*hosted).into()),
                    ("name".into(), (&**name).into()),
                    ("type".into(), (&**kind).into()),
                ]);
                fields.into()
            })),
            Leaf::Roles(grants) => array(roles(grants).into_iter().map(Value::from)),
            Leaf::Grants(grants) => array(grants.iter().map(|Grant { level, role }| {
                let fields: BTreeMap<Value, Value> = BTreeMap::from([
                    ("level".into(), level.as_str().into()),
                    ("role".into(), (&**role).into()),
                ]);
                fields.into()
            })),
            Leaf::Json(text) => match Value::from_json_str(text) {
                Ok(object @ Value::Object(_)) => object,
                _ => {
                    self.garbled = true;
                    return;
                }
            },
            Leaf::Id(id) => id.to_string().into(),
            Leaf::Address(address) => address.to_string().into(),
        };
        self.fields.insert(name.into(), value);
    }
}

fn array(values: impl Iterator<Item = Value>) -> Value {
    values.collect::<Vec<_>>().into()
}

/// Tag, length and bytes of each leaf. Names and nesting are left out: they
/// follow from the footprint, which follows from the set.
struct Fingerprint {
    /// Of what the buffer had no room for.
    hash: Sha256,
    /// Hashed at once: an update for each of some fifty parts takes longer than what
    /// they are hashed in.
    buffer: [u8; BUFFER],
    filled: usize,
}

/// An ordinary question takes half of it.
const BUFFER: usize = 512;

impl Fingerprint {
    fn new(seed: &Seeded) -> Self {
        Self {
            hash: seed.hash(),
            buffer: [0; BUFFER],
            filled: 0,
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        match self.buffer.get_mut(self.filled..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.filled = end;
            }
            None => self.spill(bytes),
        }
    }

    /// The same for what has a length that is known here, and so needs no call to be copied.
    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        let rest = self.buffer.get_mut(self.filled..);
        match rest.and_then(<[u8]>::first_chunk_mut) {
            Some(room) => {
                *room = bytes;
                self.filled += N;
            }
            None => self.spill(&bytes),
        }
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        self.hash.update(&self.buffer[..self.filled]);
        self.hash.update(bytes);
        self.filled = 0;
    }

    fn finish(mut self) -> [u8; 32] {
        self.hash.update(&self.buffer[..self.filled]);
        self.hash.finalize().into()
    }

    /// Tenants never share an entry, whatever else is alike: names are unique within
    /// one only, and a fault elsewhere in the key must not reach beyond it.
    fn tenant(&mut self, who: &Principal) {
        let (tag, id) = match (&who.org, &who.team) {
            (Some(org), _) => (12, org.id),
            (None, Some(team)) => (11, team.id),
            (None, None) => (10, Uuid::nil()),
        };
        self.fixed([tag]);
        self.fixed(*id.as_bytes());
    }

    /// One byte for what is short: most names are, and a block less is hashed for it.
    #[inline]
    fn length(&mut self, length: usize) {
        match u8::try_from(length) {
            Ok(short) if short < u8::MAX => self.fixed([short]),
            _ => {
                self.fixed([u8::MAX]);
                self.fixed((length as u64).to_le_bytes());
            }
        }
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.put(text.as_bytes());
    }
}

impl Visitor for Fingerprint {
    fn object(&mut self, _: &'static str, fields: impl FnOnce(&mut Self)) {
        fields(self);
    }

    #[expect(
        clippy::inline_always,
        reason = "each place puts one kind of leaf, and a look at which it is, out of line, \
                  takes longer than the leaf"
    )]
    #[inline(always)]
    fn leaf(&mut self, _: &'static str, leaf: Leaf<'_>) {
        match leaf {
            Leaf::Null => self.fixed([0]),
            Leaf::Bool(flag) => self.fixed([1, u8::from(flag)]),
            Leaf::Number(number) => {
                self.fixed([2]);
                self.fixed(number.to_le_bytes());
            }
            Leaf::Text(text) => {
                self.fixed([3]);
                self.text(text);
            }
            Leaf::Texts(texts) => {
                self.fixed([4]);
                self.length(texts.len());
                texts.iter().for_each(|text| self.text(text));
            }
            Leaf::Names(tools) => {
                self.fixed([13]);
                self.length(tools.len());
                tools.iter().for_each(|tool| self.text(&tool.name));
            }
            Leaf::Tools(tools) => {
                self.fixed([14]);
                self.length(tools.len());
                for Tool { name, kind, hosted } in tools {
                    self.fixed([u8::from(*hosted)]);
                    self.text(name);
                    self.text(kind);
                }
            }
            // They follow from the grants.
            Leaf::Roles(_) => {}
            Leaf::Grants(grants) => {
                self.fixed([8]);
                self.length(grants.len());
                for Grant { level, role } in grants {
                    self.fixed([*level as u8]);
                    self.text(role);
                }
            }
            Leaf::Json(text) => {
                self.fixed([9]);
                self.text(text);
            }
            Leaf::Id(id) => {
                self.fixed([5]);
                self.fixed(*id.as_bytes());
            }
            Leaf::Address(IpAddr::V4(address)) => {
                self.fixed([6]);
                self.fixed(address.octets());
            }
            Leaf::Address(IpAddr::V6(address)) => {
                self.fixed([7]);
                self.fixed(address.octets());
            }
        }
    }
}
