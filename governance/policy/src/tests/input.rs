use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use regorus::Value;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Request, requests};
use crate::Input;
use crate::footprint::{Field, Footprint};
use lattice_kernel::principal::Named;

const WHOLE: Footprint = Footprint::WHOLE;

fn key(request: &Request, context: Footprint) -> [u8; 32] {
    request.see(|input| input.digest(context, &Sha256::new()))
}

/// The document's leaves by their path.
fn leaves(request: &Request) -> BTreeMap<String, Value> {
    fn walk(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                walk(
                    &format!("{path}.{}", name.as_string().unwrap()),
                    value,
                    into,
                );
            }),
            leaf => {
                into.insert(path.to_owned(), leaf.clone());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(
        "input",
        &request.see(|input| input.document(WHOLE)),
        &mut found,
    );
    found
}

/// The sample with one thing changed, in each way that can be changed today.
fn changes() -> Vec<Request> {
    vec![
        Request::with(|r| r.who.key.id = Uuid::from_u128(9)),
        Request::with(|r| r.who.key.name = "desk".into()),
        Request::with(|r| r.who.team = None),
        Request::with(|r| {
            r.who.team = Some(Named {
                id: Uuid::nil(),
                name: "sales".into(),
            })
        }),
        Request::with(|r| r.who.models = None),
        Request::with(|r| r.who.models = Some(vec!["small".into(), "assistant".into()])),
        Request::with(|r| r.who.models = Some(vec!["assistantsmall".into()])),
        Request::with(|r| r.who.team_models = Some(Vec::new())),
        Request::with(|r| r.ask.model = "small".into()),
        Request::with(|r| r.ask.stream = false),
        Request::with(|r| r.ask.tools.clear()),
        Request::with(|r| r.ask.tools.reverse()),
        Request::with(|r| r.ask.source = None),
        Request::with(|r| r.ask.source = Some([10, 0, 0, 2].into())),
        Request::with(|r| r.provider = "azure".to_owned()),
        Request::with(|r| r.model = "gpt-5-mini".to_owned()),
        Request::with(|r| r.classification = None),
        Request::with(|r| r.at += Duration::minutes(1)),
        Request::with(|r| r.at += Duration::days(1)),
    ]
}

#[test]
fn every_field_of_the_document_is_in_the_key() {
    let sample = Request::sample();
    let before = leaves(&sample);
    let mut moved = BTreeSet::new();
    for changed in changes() {
        let after = leaves(&changed);
        let differing: Vec<_> = before
            .keys()
            .filter(|path| before[*path] != after[*path])
            .collect();
        assert!(!differing.is_empty(), "changes nothing: {changed:?}");
        assert_ne!(key(&sample, WHOLE), key(&changed, WHOLE), "{differing:?}");
        moved.extend(differing);
    }
    // What no request can change yet. A field that is missing from both lists
    // has no case in `changes`.
    let fixed = [
        "input.action.name",
        "input.context.dialect",
        "input.resource.type",
        "input.subject.properties.auth",
        "input.subject.properties.org",
        "input.subject.properties.roles",
        "input.subject.type",
    ];
    let resting: Vec<_> = before.keys().filter(|path| !moved.contains(path)).collect();
    assert_eq!(resting, fixed);
}

#[test]
fn what_the_set_cannot_see_is_in_neither() {
    let sample = Request::sample();
    for field in Field::ALL {
        let only = Footprint::NONE.with(field);
        let document = sample.see(|input| input.document(only));
        let context = document["context"].as_object().unwrap();
        assert_eq!(
            context.keys().collect::<Vec<_>>(),
            [&Value::from(field.name())]
        );
    }
    let unseen = Request::with(|r| {
        r.ask.tools.clear();
        r.ask.source = None;
        r.at += Duration::minutes(1);
    });
    let seen = Footprint::NONE.with(Field::Stream);
    assert_eq!(key(&sample, seen), key(&unseen, seen));
    assert_ne!(key(&sample, WHOLE), key(&unseen, WHOLE));
}

#[test]
fn the_key_depends_on_the_set() {
    let sample = Request::sample();
    let under =
        |seed: &[u8]| sample.see(|input| input.digest(WHOLE, &Sha256::new_with_prefix(seed)));
    assert_ne!(under(b"one"), under(b"other"));
}

#[test]
fn the_clock_is_read_in_utc() {
    let request = |at: &str| {
        let format = &time::format_description::well_known::Rfc3339;
        Request::with(|r| r.at = OffsetDateTime::parse(at, format).unwrap())
    };
    let context =
        |at: &str| request(at).see(|input: &Input<'_>| input.document(WHOLE))["context"].clone();
    let sunday = context("2026-11-22T23:59:59.9Z");
    assert_eq!(
        (&sunday["weekday"], &sunday["minute_of_day"]),
        (&"sunday".into(), &1439_u64.into())
    );
    let monday = context("2026-11-22T23:00:00-01:00");
    assert_eq!(
        (&monday["weekday"], &monday["minute_of_day"]),
        (&"monday".into(), &0_u64.into())
    );
}

#[test]
fn an_ipv4_caller_of_a_dual_stack_socket_is_an_ipv4_caller() {
    let mapped = Request::with(|r| r.ask.source = Some("::ffff:10.0.0.1".parse().unwrap()));
    assert_eq!(leaves(&mapped)["input.context.source"], "10.0.0.1".into());
    assert_eq!(key(&mapped, WHOLE), key(&Request::sample(), WHOLE));
}

#[test]
fn the_document_is_what_the_contract_says() {
    let wanted = r#"{
        "subject": {"type": "key", "id": "00000000-0000-0000-0000-000000000001", "properties": {
            "org": null, "team": "research", "roles": [], "key": "laptop", "auth": "key",
            "models": ["assistant", "small"], "team_models": null}},
        "action": {"name": "infer"},
        "resource": {"type": "model", "id": "assistant", "properties": {
            "name": "assistant", "provider": "openai", "model": "gpt-5", "classification": "internal"}},
        "context": {"dialect": "openai", "stream": true, "tools": ["search", "mail"],
            "weekday": "sunday", "minute_of_day": 754, "source": "10.0.0.1"}
    }"#;
    let document = Request::sample().see(|input| input.document(WHOLE));
    assert_eq!(document, Value::from_json_str(wanted).unwrap());
}

proptest! {
    #[test]
    fn keys_are_equal_exactly_when_documents_are(one in requests(), other in requests(), bits in 0..64_u8) {
        let context = Field::ALL.into_iter().filter(|field| bits & (1 << *field as u8) != 0);
        let context = context.fold(Footprint::NONE, Footprint::with);
        let document = |request: &Request| request.see(|input| input.document(context));
        prop_assert_eq!(document(&one) == document(&other), key(&one, context) == key(&other, context));
        // Two random requests are rarely alike; these differ in one thing at the most.
        let mut near = one.clone();
        near.ask.tools = other.ask.tools;
        near.ask.source = other.ask.source;
        prop_assert_eq!(document(&one) == document(&near), key(&one, context) == key(&near, context));
        let mut near = one.clone();
        (near.who.models, near.who.team_models) = (other.who.models, other.who.team_models);
        prop_assert_eq!(document(&one) == document(&near), key(&one, context) == key(&near, context));
    }
}
