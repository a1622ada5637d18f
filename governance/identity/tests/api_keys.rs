//! Gate 1 against a store that can be changed, counted and switched off.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use lattice_identity::{ApiKeys, KeyRow, KeyStore, LatticeKey, Pepper, StoreFailure};
use lattice_kernel::gates::Identity;
use lattice_kernel::principal::Named;
use lattice_kernel::{Clock, Code, Credential, Gate, Head, Principal, Refusal, Secret};
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use time::ext::NumericalDuration;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const START: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

#[derive(Clone)]
struct Hand(Arc<Mutex<OffsetDateTime>>);

impl Clock for Hand {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock()
    }
}

#[derive(Default)]
struct Rows {
    rows: Mutex<HashMap<[u8; 32], KeyRow>>,
    revision: AtomicI64,
    asked: AtomicUsize,
    down: AtomicBool,
    /// Answers with another key's row, as a broken index would.
    confused: AtomicBool,
}

impl Rows {
    fn state<T>(&self, value: T) -> Result<T, StoreFailure> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreFailure {
                message: "connection refused".to_owned(),
            });
        }
        Ok(value)
    }
}

impl KeyStore for &'static Rows {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, StoreFailure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Lets other requests for the same key catch up with this one.
        tokio::task::yield_now().await;
        let rows = self.rows.lock();
        let row = if self.confused.load(Ordering::SeqCst) {
            rows.values().next()
        } else {
            rows.get(mac)
        };
        self.state(row.cloned())
    }

    async fn revision(&self) -> Result<i64, StoreFailure> {
        self.state(self.revision.load(Ordering::SeqCst))
    }
}

/// A gate, its store and its clock.
struct House {
    gate: ApiKeys<&'static Rows, Hand>,
    store: &'static Rows,
    clock: Hand,
    pepper: Pepper,
    rng: StdRng,
}

impl House {
    fn new() -> Self {
        let store: &'static Rows = Box::leak(Box::default());
        let clock = Hand(Arc::new(Mutex::new(START)));
        let pepper = || Pepper::from_bytes(&[9; 32]).unwrap();
        Self {
            gate: ApiKeys::new(store, pepper(), clock.clone()),
            store,
            clock,
            pepper: pepper(),
            rng: StdRng::seed_from_u64(1),
        }
    }

    fn unstored(&mut self) -> LatticeKey {
        LatticeKey::generate(&mut self.rng)
    }

    /// Stores the key, or changes what is stored, as one transaction would.
    fn store(&self, key: &LatticeKey, name: &str, edit: impl FnOnce(&mut KeyRow)) {
        let mac = self.pepper.mac(key);
        let key = Named {
            id: Uuid::from_u128(7),
            name: name.into(),
        };
        let principal = Principal::of_key(key);
        let mut row = KeyRow {
            mac,
            principal,
            expires_at: None,
            revoked_at: None,
            disabled: false,
        };
        edit(&mut row);
        self.store.rows.lock().insert(mac, row);
        self.store.revision.fetch_add(1, Ordering::SeqCst);
    }

    fn stored(&mut self, name: &str) -> LatticeKey {
        let key = self.unstored();
        self.store(&key, name, |_| ());
        key
    }

    async fn show(&self, credential: &str) -> Result<Arc<Principal>, Refusal> {
        let head = Head {
            credential: Credential::One(Secret::new(credential)),
            ..Head::default()
        };
        self.gate.identify(&head).await
    }

    async fn name(&self, key: &LatticeKey) -> Result<String, Code> {
        let shown = self.show(key.text().expose()).await;
        shown
            .map(|who| who.subject.named.name.to_string())
            .map_err(|refusal| refusal.code)
    }

    fn asked(&self) -> usize {
        self.store.asked.load(Ordering::SeqCst)
    }

    fn pass(&self, span: Duration) {
        *self.clock.0.lock() += span;
    }

    fn outage(&self, down: bool) {
        self.store.down.store(down, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_stored_key_is_its_principal() {
    let mut house = House::new();
    let (one, other) = (house.stored("one"), house.stored("other"));
    assert_eq!(house.name(&one).await, Ok("one".to_owned()));
    assert_eq!(house.name(&other).await, Ok("other".to_owned()));
}

#[tokio::test]
async fn no_credential_is_missing() {
    let house = House::new();
    let refusal = house.gate.identify(&Head::default()).await.unwrap_err();
    assert_eq!(
        (refusal.gate, refusal.code),
        (Gate::Identity, Code::IdentityMissing)
    );
}

#[tokio::test]
async fn what_is_no_key_never_reaches_the_store() {
    let mut house = House::new();
    let right = house.stored("one").text();
    let damaged = right.expose().replace("lat_", "lat-");
    let credentials = [
        "",
        "sk-proj-abcdef",
        "' OR '1'='1",
        "lat_' OR '1'='1' -- 0000000000000000000000",
        "lat_00000000000000000000000000000000' or 1",
        "\"; drop table api_key; --",
        "lat_\0",
        "lat_",
        &damaged,
    ];
    for credential in credentials {
        let refusal = house.show(credential).await.unwrap_err();
        assert_eq!(refusal.code, Code::IdentityUnknown, "{credential}");
    }
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn a_key_that_was_seen_is_not_asked_for_again() {
    let mut house = House::new();
    let key = house.stored("one");
    house.gate.poll().await.unwrap();
    for _ in 0..50 {
        assert!(house.name(&key).await.is_ok());
        house.pass(30.seconds());
        house.gate.poll().await.unwrap();
    }
    assert_eq!(house.asked(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_until_something_changes() {
    let mut house = House::new();
    let key = house.unstored();
    assert_eq!(house.name(&key).await, Err(Code::IdentityUnknown));
    assert_eq!(house.name(&key).await, Err(Code::IdentityUnknown));
    assert_eq!(house.asked(), 1);
    house.store(&key, "late", |_| ());
    house.gate.poll().await.unwrap();
    assert_eq!(house.name(&key).await, Ok("late".to_owned()));
}

#[tokio::test]
async fn a_new_key_works_before_the_next_poll() {
    let mut house = House::new();
    house.gate.poll().await.unwrap();
    let key = house.stored("new");
    assert_eq!(house.name(&key).await, Ok("new".to_owned()));
}

#[tokio::test]
async fn requests_for_one_key_share_one_question() {
    let mut house = House::new();
    let key = house.stored("one");
    let ask = || house.name(&key);
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    assert!([a, b, c, d].iter().all(Result::is_ok));
    assert_eq!(house.asked(), 1);
}

#[tokio::test]
async fn a_revoked_key_is_refused_after_the_refresh() {
    let mut house = House::new();
    let key = house.stored("one");
    assert!(house.name(&key).await.is_ok());
    house.store(&key, "one", |row| row.revoked_at = Some(START));
    house.gate.poll().await.unwrap();
    assert_eq!(house.name(&key).await, Err(Code::IdentityRevoked));
    assert_eq!(house.name(&key).await, Err(Code::IdentityRevoked));
    assert_eq!(house.asked(), 2);
}

#[tokio::test]
async fn a_key_whose_holder_is_disabled_is_refused_until_that_one_is_enabled() {
    let mut house = House::new();
    let key = house.stored("one");
    assert!(house.name(&key).await.is_ok());
    house.store(&key, "one", |row| row.disabled = true);
    house.gate.poll().await.unwrap();
    let refusal = house.show(key.text().expose()).await.unwrap_err();
    assert_eq!(refusal.code, Code::IdentityRevoked);
    assert!(refusal.message.contains("enable"), "{refusal}");
    house.store(&key, "one", |_| ());
    house.gate.poll().await.unwrap();
    assert_eq!(house.name(&key).await, Ok("one".to_owned()));
}

#[tokio::test]
async fn a_revision_that_is_heard_late_revives_nothing() {
    let mut house = House::new();
    let key = house.stored("one");
    house.gate.refresh(1);
    assert!(house.name(&key).await.is_ok());
    house.store(&key, "one", |row| row.revoked_at = Some(START));
    house.gate.refresh(2);
    house.gate.refresh(1);
    assert_eq!(house.name(&key).await, Err(Code::IdentityRevoked));
}

#[tokio::test]
async fn a_key_that_is_gone_is_unknown_after_the_refresh() {
    let mut house = House::new();
    let key = house.stored("one");
    assert!(house.name(&key).await.is_ok());
    house.store.rows.lock().clear();
    house.gate.refresh(99);
    assert_eq!(house.name(&key).await, Err(Code::IdentityUnknown));
}

#[tokio::test]
async fn a_key_counts_until_the_instant_it_expires() {
    let mut house = House::new();
    let key = house.unstored();
    house.store(&key, "brief", |row| {
        row.expires_at = Some(START + 10.minutes())
    });
    house.pass(10.minutes() - 1.nanoseconds());
    assert!(house.name(&key).await.is_ok());
    house.pass(1.nanoseconds());
    assert_eq!(house.name(&key).await, Err(Code::IdentityExpired));
    assert_eq!(house.asked(), 1);
}

#[tokio::test]
async fn an_outage_serves_what_was_seen_and_refuses_what_was_not() {
    let mut house = House::new();
    let (seen, unseen) = (house.stored("seen"), house.stored("unseen"));
    assert!(house.name(&seen).await.is_ok());
    house.outage(true);
    assert!(house.name(&seen).await.is_ok());

    let refusal = house.show(unseen.text().expose()).await.unwrap_err();
    assert_eq!(
        (refusal.gate, refusal.code),
        (Gate::Identity, Code::StoreUnavailable)
    );
    let after = refusal.retry_after.unwrap();
    assert!((1..=2).contains(&after.as_secs()));
    assert_eq!(refusal.detail(), Some("connection refused"));

    house.outage(false);
    house.pass(2.seconds());
    assert!(house.name(&unseen).await.is_ok());
}

#[tokio::test]
async fn an_outage_serves_what_went_stale_just_before_it() {
    let mut house = House::new();
    let key = house.stored("seen");
    assert!(house.name(&key).await.is_ok());
    house.gate.refresh(99);
    house.outage(true);
    assert!(house.name(&key).await.is_ok());
    house.pass(1.hours() + 1.seconds());
    assert_eq!(house.name(&key).await, Err(Code::StoreUnavailable));
}

#[tokio::test]
async fn the_grace_counts_from_the_last_confirmation() {
    let mut house = House::new();
    let key = house.stored("seen");
    house.gate.poll().await.unwrap();
    assert!(house.name(&key).await.is_ok());
    house.pass(50.minutes());
    house.gate.poll().await.unwrap();
    assert!(house.name(&key).await.is_ok());
    assert_eq!(house.asked(), 1);
    house.outage(true);
    house.pass(59.minutes());
    assert!(house.name(&key).await.is_ok());
    house.pass(2.minutes());
    assert_eq!(house.name(&key).await, Err(Code::StoreUnavailable));
}

#[tokio::test]
async fn an_outage_does_not_lift_expiry_or_revocation() {
    let mut house = House::new();
    let (brief, taken) = (house.unstored(), house.unstored());
    house.store(&brief, "brief", |row| {
        row.expires_at = Some(START + 1.minutes())
    });
    house.store(&taken, "taken", |row| row.revoked_at = Some(START));
    assert!(house.name(&brief).await.is_ok());
    assert_eq!(house.name(&taken).await, Err(Code::IdentityRevoked));
    house.outage(true);
    house.pass(2.minutes());
    assert_eq!(house.name(&brief).await, Err(Code::IdentityExpired));
    assert_eq!(house.name(&taken).await, Err(Code::IdentityRevoked));
}

#[tokio::test]
async fn a_store_that_failed_is_left_alone_for_a_second() {
    let mut house = House::new();
    let key = house.stored("one");
    house.outage(true);
    for _ in 0..20 {
        assert_eq!(house.name(&key).await, Err(Code::StoreUnavailable));
    }
    assert_eq!(house.asked(), 1);
    house.pass(1.seconds());
    assert_eq!(house.name(&key).await, Err(Code::StoreUnavailable));
    assert_eq!(house.asked(), 2);
    // The poll notices the recovery; a clock that was set back does not hide it.
    house.outage(false);
    house.pass(-1.hours());
    assert!(house.name(&key).await.is_ok());
}

#[tokio::test]
async fn a_row_of_another_key_is_no_answer() {
    let mut house = House::new();
    house.stored("one");
    house.store.confused.store(true, Ordering::SeqCst);
    let key = house.unstored();
    assert_eq!(house.name(&key).await, Err(Code::IdentityUnknown));
}

#[tokio::test]
async fn another_pepper_knows_no_key() {
    let mut house = House::new();
    let key = house.stored("one");
    let other = Pepper::from_bytes(&[8; 32]).unwrap();
    let gate = ApiKeys::new(house.store, other, house.clock.clone());
    let head = Head {
        credential: Credential::One(key.text()),
        ..Head::default()
    };
    assert_eq!(
        gate.identify(&head).await.unwrap_err().code,
        Code::IdentityUnknown
    );
}

#[tokio::test]
async fn no_refusal_repeats_the_credential() {
    let mut house = House::new();
    let (unknown, expired, revoked) = (house.unstored(), house.unstored(), house.unstored());
    house.store(&expired, "expired", |row| row.expires_at = Some(START));
    house.store(&revoked, "revoked", |row| row.revoked_at = Some(START));
    let misspelt = unknown.text().expose().replace("lat_", "lat-");
    let mut codes = Vec::new();
    for credential in [&unknown, &expired, &revoked]
        .map(|key| key.text().expose().to_owned())
        .into_iter()
        .chain([misspelt])
    {
        let refusal = house.show(&credential).await.unwrap_err();
        let shown = format!("{refusal} {refusal:?}");
        assert!(!shown.contains(&credential[4..20]), "{shown}");
        assert!(refusal.message.contains("lat"), "no mend: {shown}");
        codes.push(refusal.code);
    }
    let wanted = [
        Code::IdentityUnknown,
        Code::IdentityExpired,
        Code::IdentityRevoked,
        Code::IdentityUnknown,
    ];
    assert_eq!(codes, wanted);
}
