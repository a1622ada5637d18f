use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use regorus::Value;
use time::{Duration, OffsetDateTime};

use super::{Request, named, requests};
use crate::Input;
use crate::footprint::{Field, Footprint};
use crate::seed::Seeded;
use lattice_kernel::principal::{Auth, Grant, Level, SubjectKind};
use lattice_kernel::{Action, Dialect};

const WHOLE: Footprint = Footprint::WHOLE;

fn key(request: &Request, context: Footprint) -> [u8; 32] {
    request.see(|input| input.digest(context, &Seeded::new(&[0; 32])))
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
        &request.see(|input| input.document(WHOLE)).unwrap(),
        &mut found,
    );
    found
}

fn grant(level: Level, role: &str) -> Grant {
    Grant {
        level,
        role: role.into(),
    }
}

/// The sample with one thing changed, in each way that it can be.
fn changes() -> Vec<Request> {
    let grants = |grants: &[Grant]| Request::with(|r| r.who.grants = grants.to_vec());
    vec![
        Request::with(|r| r.who.subject.kind = SubjectKind::User),
        Request::with(|r| r.who.subject.named = named(9, "laptop")),
        Request::with(|r| r.who.key = Some(named(1, "desk"))),
        Request::with(|r| r.who.key = None),
        Request::with(|r| r.who.auth = Auth::Token),
        Request::with(|r| r.who.user = Some(named(3, "ada"))),
        Request::with(|r| r.who.agent = Some(named(3, "ada"))),
        Request::with(|r| r.who.org = Some(named(3, "ada"))),
        Request::with(|r| r.who.team = None),
        Request::with(|r| r.who.team = Some(named(0, "sales"))),
        Request::with(|r| r.who.classification = Some("restricted".into())),
        grants(&[grant(Level::Org, "admin")]),
        grants(&[grant(Level::Team, "admin")]),
        grants(&[grant(Level::Org, "a"), grant(Level::Org, "dmin")]),
        Request::with(|r| r.who.models = None),
        Request::with(|r| r.who.models = Some(vec!["small".into(), "assistant".into()])),
        Request::with(|r| r.who.models = Some(vec!["assistantsmall".into()])),
        Request::with(|r| r.who.team_models = Some(Vec::new())),
        Request::with(|r| r.ask.action = Action::Embed),
        Request::with(|r| r.ask.dialect = Dialect::Gemini),
        Request::with(|r| r.ask.model = "small".into()),
        Request::with(|r| r.ask.stream = false),
        Request::with(|r| r.ask.tools.clear()),
        Request::with(|r| r.ask.tools.reverse()),
        Request::with(|r| r.ask.tools[0].kind = "search_20260101".into()),
        Request::with(|r| r.ask.tools[0].hosted = true),
        Request::with(|r| r.ask.classification = Some("restricted".into())),
        Request::with(|r| r.ask.source = None),
        Request::with(|r| r.ask.source = Some([10, 0, 0, 2].into())),
        Request::with(|r| r.provider = "azure".to_owned()),
        Request::with(|r| r.model = "gpt-5-mini".to_owned()),
        Request::with(|r| r.classification = None),
        Request::with(|r| r.local = true),
        Request::with(|r| r.at += Duration::minutes(1)),
        Request::with(|r| r.at += Duration::days(1)),
        tool_call("shell", r#"{"cmd": "ls"}"#, true),
    ]
}

fn tool_call(name: &str, arguments: &str, json: bool) -> Request {
    Request::with(|r| r.call = Some((name.to_owned(), arguments.to_owned(), json)))
}

#[test]
fn every_field_of_the_document_is_in_the_key() {
    let sample = Request::sample();
    let before = leaves(&sample);
    let mut moved = BTreeSet::new();
    let mut keys = BTreeSet::from([key(&sample, WHOLE)]);
    let changes = changes();
    for changed in &changes {
        let after = leaves(changed);
        let differing: Vec<_> = before
            .keys()
            .filter(|path| before.get(*path) != after.get(*path))
            .collect();
        assert!(!differing.is_empty(), "changes nothing: {changed:?}");
        assert_ne!(key(&sample, WHOLE), key(changed, WHOLE), "{differing:?}");
        keys.insert(key(changed, WHOLE));
        moved.extend(differing);
    }
    assert_eq!(keys.len(), changes.len() + 1, "no two of them share a key");
    // A field that is missing here has no case in `changes`.
    assert_eq!(moved, before.keys().collect());
}

#[test]
fn every_part_of_a_tool_call_is_in_the_key() {
    let sample = tool_call("shell", r#"{"cmd": "ls"}"#, true);
    let others = [
        tool_call("shells", r#"{"cmd": "ls"}"#, true),
        tool_call("shell", r#"{"cmd": "rm"}"#, true),
        tool_call("shell", r#"{"cmd": "ls"}"#, false),
    ];
    for other in others {
        assert_ne!(leaves(&sample), leaves(&other));
        assert_ne!(key(&sample, WHOLE), key(&other, WHOLE));
    }
    let leaves = leaves(&sample);
    assert_eq!(leaves["input.action.name"], "tool.call".into());
    assert_eq!(
        leaves["input.resource.properties.asked"],
        "assistant".into()
    );
    assert_eq!(
        leaves["input.resource.properties.arguments.cmd"],
        "ls".into()
    );
}

#[test]
fn arguments_that_are_no_object_give_no_document() {
    for arguments in ["", "[]", "\"ls\"", "{", "{\"a\": 1} 2"] {
        let call = tool_call("shell", arguments, true);
        assert!(
            call.see(|input| input.document(WHOLE)).is_err(),
            "{arguments}"
        );
    }
    let text = tool_call("patch", "not JSON", false);
    let leaves = leaves(&text);
    assert_eq!(
        leaves["input.resource.properties.arguments"],
        "not JSON".into()
    );
}

#[test]
fn what_the_set_cannot_see_is_in_neither() {
    let sample = Request::sample();
    for field in Field::ALL {
        let only = Footprint::NONE.with(field);
        let document = sample.see(|input| input.document(only)).unwrap();
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
fn tenants_never_share_a_key() {
    let of = |org: Option<u128>, team: Option<u128>| {
        Request::with(|r| {
            r.who.org = org.map(|id| named(id, "acme"));
            r.who.team = team.map(|id| named(id, "research"));
        })
    };
    // What the policy sees is the same in each group; whose it is differs.
    let groups = [
        vec![of(Some(1), Some(3)), of(Some(2), Some(3))],
        vec![of(Some(1), None), of(Some(2), None)],
        vec![of(None, Some(1)), of(None, Some(2))],
    ];
    let mut keys = BTreeSet::new();
    for group in &groups {
        assert_eq!(leaves(&group[0]), leaves(&group[1]));
        keys.extend(group.iter().map(|request| key(request, Footprint::NONE)));
    }
    assert_eq!(keys.len(), 6);
    // Teams of one organisation are told apart by what the policy sees alone.
    let colleagues = [of(Some(1), Some(3)), of(Some(1), Some(4))];
    assert_eq!(key(&colleagues[0], WHOLE), key(&colleagues[1], WHOLE));
}

#[test]
fn a_question_lasts_as_long_as_the_time_that_is_seen() {
    let lasts = |fields: &[Field]| {
        let context = fields
            .iter()
            .fold(Footprint::NONE, |all, field| all.with(*field));
        // 12:34:56
        Request::sample()
            .see(|input| input.lasts(context))
            .as_secs()
    };
    assert_eq!(lasts(&[]), 86_400);
    assert_eq!(lasts(&[Field::Stream, Field::Source]), 86_400);
    assert_eq!(lasts(&[Field::MinuteOfDay]), 4);
    assert_eq!(
        lasts(&[Field::Weekday]),
        86_400 - (12 * 3600 + 34 * 60 + 56)
    );
    assert_eq!(lasts(&[Field::Weekday, Field::MinuteOfDay]), 4);
}

/// However a text lies in the buffer that is hashed, and beyond it.
#[test]
fn texts_of_any_length_are_told_apart() {
    let mut keys = std::collections::BTreeSet::new();
    let lengths = (0..=600).chain([1000, 65_535, 65_536]);
    for length in lengths.clone() {
        // The same letters, cut elsewhere.
        let request = Request::with(|r| {
            r.provider = "x".repeat(length);
            r.model = "x".repeat(65_536 - length);
        });
        keys.insert(key(&request, WHOLE));
        let last = Request::with(|r| r.model = format!("{}y", "x".repeat(length)));
        keys.insert(key(&last, WHOLE));
    }
    assert_eq!(keys.len(), 2 * lengths.count());
}

#[test]
fn the_key_depends_on_the_set() {
    let sample = Request::sample();
    let under = |seed: u8| sample.see(|input| input.digest(WHOLE, &Seeded::new(&[seed; 32])));
    assert_ne!(under(1), under(2));
}

#[test]
fn the_clock_is_read_in_utc() {
    let request = |at: &str| {
        let format = &time::format_description::well_known::Rfc3339;
        Request::with(|r| r.at = OffsetDateTime::parse(at, format).unwrap())
    };
    let context = |at: &str| {
        request(at)
            .see(|input: &Input<'_>| input.document(WHOLE))
            .unwrap()["context"]
            .clone()
    };
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
            "org": null, "team": "research", "user": null, "agent": null, "key": "laptop",
            "auth": "key", "roles": [], "grants": [], "classification": null,
            "models": ["assistant", "small"], "team_models": null}},
        "action": {"name": "infer"},
        "resource": {"type": "model", "id": "assistant", "properties": {
            "name": "assistant", "provider": "openai", "model": "gpt-5", "classification": "internal", "local": false}},
        "context": {"dialect": "openai", "stream": true, "tools": ["search", "mail"],
            "offered": [{"name": "search", "type": "function", "hosted": false},
                {"name": "mail", "type": "function", "hosted": false}],
            "weekday": "sunday", "minute_of_day": 754, "source": "10.0.0.1",
            "classification": null}
    }"#;
    let document = Request::sample()
        .see(|input| input.document(WHOLE))
        .unwrap();
    assert_eq!(document, Value::from_json_str(wanted).unwrap());
}

proptest! {
    #[test]
    fn keys_are_equal_exactly_when_documents_are(one in requests(), other in requests(), bits in 0..256_u16) {
        let context = Field::ALL.into_iter().filter(|field| bits & (1 << *field as u8) != 0);
        let context = context.fold(Footprint::NONE, Footprint::with);
        let document = |request: &Request| request.see(|input| input.document(context)).unwrap();
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
