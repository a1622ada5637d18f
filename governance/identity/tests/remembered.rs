//! Users and teams are remembered like keys: until something changes, and through an outage.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lattice_identity::{
    ApiKeys, Directory, Handle, Holder, KeyRow, KeyStore, Pepper, Remembered, StoreFailure, Team,
};
use lattice_kernel::Clock;
use lattice_kernel::principal::{Auth, Grant, Level, Named, SubjectKind};
use parking_lot::Mutex;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

#[derive(Clone)]
struct Hand(Arc<Mutex<OffsetDateTime>>);

impl Clock for Hand {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock()
    }
}

/// A store with one user and one team.
#[derive(Default)]
struct Stored {
    disabled: AtomicBool,
    down: AtomicBool,
    asked: AtomicUsize,
}

impl Stored {
    fn answer<T>(&self, value: T) -> Result<T, StoreFailure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            let message = "connection refused".to_owned();
            return Err(StoreFailure { message });
        }
        Ok(value)
    }
}

impl Directory for &'static Stored {
    async fn holder(&self, handle: &Handle) -> Result<Option<Holder>, StoreFailure> {
        let known = *handle == Handle::User("ada".into());
        let holder = Holder {
            disabled: self.disabled.load(Ordering::SeqCst),
            ..Holder::of_user(named(1, "ada"))
        };
        self.answer(known.then_some(holder))
    }

    async fn team(&self, name: &str) -> Result<Option<Team>, StoreFailure> {
        self.answer((name == "research").then(|| team(None)))
    }

    async fn org(&self, name: &str) -> Result<Option<Named>, StoreFailure> {
        self.answer((name == "acme").then(|| named(9, "acme")))
    }
}

impl KeyStore for &'static Stored {
    async fn find(&self, _mac: &[u8; 32]) -> Result<Option<KeyRow>, StoreFailure> {
        self.answer(None)
    }

    async fn revision(&self) -> Result<i64, StoreFailure> {
        self.answer(1)
    }
}

fn named(id: u128, name: &str) -> Named {
    Named {
        id: Uuid::from_u128(id),
        name: name.into(),
    }
}

fn grant(level: Level, role: &str) -> Grant {
    let role = role.into();
    Grant { level, role }
}

fn team(org: Option<Named>) -> Team {
    Team {
        named: named(2, "research"),
        org,
        classification: Some("restricted".into()),
        models: Some(vec!["small".into()]),
        grants: vec![grant(Level::Team, "coder"), grant(Level::Own, "writer")],
    }
}

struct House {
    keys: ApiKeys<&'static Stored, Hand>,
    people: Remembered<&'static Stored, Hand>,
    store: &'static Stored,
    clock: Hand,
}

impl House {
    fn new() -> Self {
        let store: &'static Stored = Box::leak(Box::default());
        let clock = Hand(Arc::new(Mutex::new(datetime!(2026-11-22 12:00 UTC))));
        let pepper = Pepper::from_bytes(&[9; 32]).unwrap();
        let keys = ApiKeys::new(store, pepper, clock.clone());
        let people = Remembered::new(store, keys.freshness(), clock.clone());
        Self {
            keys,
            people,
            store,
            clock,
        }
    }

    async fn user(&self, name: &str) -> Result<Option<Holder>, StoreFailure> {
        self.people.holder(&Handle::User(name.into())).await
    }

    fn asked(&self) -> usize {
        self.store.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn who_was_found_and_who_was_not_is_asked_for_once_until_something_changes() {
    let house = House::new();
    house.keys.refresh(1);
    for _ in 0..3 {
        assert!(house.user("ada").await.unwrap().is_some());
        assert_eq!(house.user("eve").await.unwrap(), None);
        assert_eq!(
            house.people.team("research").await.unwrap(),
            Some(team(None))
        );
        assert_eq!(house.people.team("Research").await.unwrap(), None);
    }
    assert_eq!(house.asked(), 4);

    house.store.disabled.store(true, Ordering::SeqCst);
    assert!(!house.user("ada").await.unwrap().unwrap().disabled);
    house.keys.refresh(2);
    assert!(house.user("ada").await.unwrap().unwrap().disabled);
    assert_eq!(house.asked(), 5);
}

#[tokio::test]
async fn an_outage_serves_who_was_seen_and_fails_for_who_was_not() {
    let house = House::new();
    house.keys.refresh(1);
    house.user("ada").await.unwrap();
    house.store.down.store(true, Ordering::SeqCst);
    house.keys.refresh(2);
    assert!(house.user("ada").await.unwrap().is_some());
    assert!(house.user("eve").await.is_err());
    assert!(house.people.team("research").await.is_err());
    *house.clock.0.lock() += Duration::from_secs(60 * 60 + 1);
    assert!(house.user("ada").await.is_err());
}

#[test]
fn a_principal_has_what_its_holder_and_its_team_have() {
    let holder = Holder {
        agent: Some(named(3, "build")),
        org: Some(named(4, "acme")),
        team: Some(team(Some(named(5, "umbrella")))),
        grants: vec![grant(Level::Own, "writer"), grant(Level::Org, "auditor")],
        ..Holder::of_user(named(1, "ada"))
    };
    let who = holder.clone().principal(Auth::Certificate).unwrap();
    assert_eq!(who.subject.kind, SubjectKind::Agent);
    assert_eq!(who.subject.named, named(3, "build"));
    assert_eq!((who.auth, who.key.clone()), (Auth::Certificate, None));
    assert_eq!(who.user, Some(named(1, "ada")));
    assert_eq!(who.team, Some(named(2, "research")));
    assert_eq!(
        who.org,
        Some(named(5, "umbrella")),
        "a team's organisation counts"
    );
    assert_eq!(
        who.grants,
        [
            grant(Level::Org, "auditor"),
            grant(Level::Team, "coder"),
            grant(Level::Own, "writer")
        ]
    );
    assert_eq!(who.classification.as_deref(), Some("restricted"));
    assert_eq!(who.team_models, Some(vec!["small".into()]));

    let key = holder.principal_of_key(named(6, "ci"));
    assert_eq!((key.auth, key.key), (Auth::Key, Some(named(6, "ci"))));
    assert_eq!((key.subject, key.grants), (who.subject, who.grants));

    let nobody = Holder {
        user: None,
        ..Holder::of_user(named(1, "ada"))
    };
    assert_eq!(nobody.clone().principal(Auth::Token), None);
    let alone = nobody.principal_of_key(named(6, "ci"));
    assert_eq!(alone.subject.kind, SubjectKind::Key);
}
