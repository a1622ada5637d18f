//! The crate from outside, and samples of what it is asked about.

mod authoring;
mod authzen;
mod builtins;
mod decide;
mod gate;
mod input;
mod limits;
mod log;
mod mutations;
mod oracle;
mod set;
mod shipped;
mod sources;
mod store;
mod swap;

use std::net::IpAddr;

use lattice_kernel::principal::{Grant, Level, Named};
use lattice_kernel::{Action, Ask, Dialect, Principal, Target, Tool, ToolCall};
use proptest::prelude::*;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::{Input, LoadError, PolicySet, Sources, StoreData};

/// Owns what an [`Input`] borrows.
#[derive(Debug, Clone)]
struct Request {
    who: Principal,
    ask: Ask,
    provider: String,
    model: String,
    classification: Option<String>,
    local: bool,
    /// Name and arguments of a tool call.
    call: Option<(String, String, bool)>,
    at: OffsetDateTime,
}

impl Request {
    fn sample() -> Self {
        Self {
            who: Principal {
                team: Some(named(2, "research")),
                models: Some(vec!["assistant".into(), "small".into()]),
                ..Principal::of_key(named(1, "laptop"))
            },
            ask: Ask {
                action: Action::Infer,
                model: "assistant".into(),
                dialect: Dialect::OpenAi,
                stream: true,
                tools: vec!["search".into(), "mail".into()],
                classification: None,
                source: Some([10, 0, 0, 1].into()),
            },
            provider: "openai".to_owned(),
            model: "gpt-5".to_owned(),
            classification: Some("internal".to_owned()),
            local: false,
            call: None,
            at: datetime!(2026-11-22 12:34:56 UTC),
        }
    }

    fn with(edit: impl FnOnce(&mut Self)) -> Self {
        let mut request = Self::sample();
        edit(&mut request);
        request
    }

    fn target(&self) -> Target {
        Target {
            provider: self.provider.as_str().into(),
            model: self.model.as_str().into(),
            classification: self.classification.as_deref().map(Into::into),
            local: self.local,
            price: None,
            max_output_tokens: 4096,
            weight: std::num::NonZeroU32::MIN,
        }
    }

    fn see<T>(&self, look: impl FnOnce(&Input<'_>) -> T) -> T {
        let target = self.target();
        let input = Input::new(&self.who, &self.ask, &target, self.at);
        look(&match &self.call {
            None => input,
            Some((name, arguments, json)) => input.about(ToolCall {
                name,
                arguments,
                json: *json,
            }),
        })
    }
}

/// A set of one file: `body` in the package that is asked.
fn set(body: &str) -> PolicySet {
    load([("authz.rego", source(body))]).unwrap()
}

/// The set of these files, by name and text.
fn load<N: Into<String>, T: Into<String>>(
    files: impl IntoIterator<Item = (N, T)>,
) -> Result<PolicySet, LoadError> {
    PolicySet::load(&Sources::of_files("", files), StoreData::default())
}

fn source(body: &str) -> String {
    format!("package lattice.authz\n\n{body}\n")
}

prop_compose! {
    /// Requests from small alphabets, so that two of them are often alike.
    fn requests()(
        id in 0..2_u128,
        key in text(),
        team in prop::option::of(text()),
        models in prop::option::of(texts()),
        team_models in prop::option::of(texts()),
        (asked, provider, model) in (text(), text(), text()),
        (classification, label) in (prop::option::of(text()), prop::option::of(text())),
        grants in grants(),
        stream in any::<bool>(),
        tools in tools(),
        source in prop::option::of(address()),
        minutes in prop::sample::select(vec![0_i64, 1, 24 * 60, 24 * 60 + 1]),
    ) -> Request {
        let (action, dialect) = (Action::Infer, Dialect::OpenAi);
        Request {
            who: Principal {
                team: team.map(|name| named(0, &name)),
                models,
                team_models,
                grants,
                ..Principal::of_key(named(id, &key))
            },
            ask: Ask { action, model: asked.into(), dialect, stream, tools, classification: label.map(Into::into), source },
            provider,
            model,
            classification,
            local: false,
            call: None,
            at: OffsetDateTime::UNIX_EPOCH + time::Duration::minutes(minutes),
        }
    }
}

/// Texts that would run into each other if lengths were left out.
fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "aa", "a\0", "null", "a/*", "*", "a/a"])
        .prop_map(str::to_owned)
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let level = prop::sample::select(Level::ALL.to_vec());
    let grant = (level, text()).prop_map(|(level, role)| Grant {
        level,
        role: role.into(),
    });
    prop::collection::btree_set(grant, 0..3).prop_map(|grants| grants.into_iter().collect())
}

fn named(id: u128, name: &str) -> Named {
    Named {
        id: Uuid::from_u128(id),
        name: name.into(),
    }
}

fn texts() -> impl Strategy<Value = Vec<Box<str>>> {
    prop::collection::vec(text().prop_map(Into::into), 0..3)
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let tool = (text(), text(), any::<bool>()).prop_map(|(name, kind, hosted)| Tool {
        name: name.into(),
        kind: kind.into(),
        hosted,
    });
    prop::collection::vec(tool, 0..3)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(vec!["10.0.0.1", "::ffff:10.0.0.1", "::1", "10.0.0.2"])
        .prop_map(|text| text.parse().unwrap())
}
