//! An issuer, a store and a clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lattice_identity::directory::{Handle, Holder, Team};
use lattice_identity::token::{
    Algorithm, ClaimName, ClaimNames, Fetch, FetchFailure, Issuer, KeysAt, Mapping, Others, RoleAt,
    Table,
};
use lattice_identity::{Directory, StoreFailure, Tokens};
use lattice_kernel::principal::{Level, Named};
use lattice_kernel::{Clock, Code, Principal, Refusal};
use parking_lot::Mutex;
use serde_json::{Value, json};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::signer::Signer;

pub const START: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
pub const ISSUER: &str = "https://id.example";
pub const AUDIENCE: &str = "lattice";
/// The key that signs unless a test says otherwise.
pub const KEY: &str = "k1";

#[derive(Clone)]
pub struct Hand(pub Arc<Mutex<OffsetDateTime>>);

impl Clock for Hand {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock()
    }
}

/// Issuers' documents by URL.
#[derive(Default)]
pub struct Web {
    documents: Mutex<HashMap<String, String>>,
    pub fetched: AtomicUsize,
    pub down: AtomicBool,
}

impl Web {
    pub fn publish(&self, url: &str, document: &Value) {
        let text = document.to_string();
        self.documents.lock().insert(url.to_owned(), text);
    }

    pub fn publish_keys(&self, keys: &[Value]) {
        let jwks = format!("{ISSUER}/jwks");
        self.publish(&jwks, &json!({ "keys": keys }));
        let discovery = format!("{ISSUER}/.well-known/openid-configuration");
        self.publish(&discovery, &json!({"issuer": ISSUER, "jwks_uri": jwks}));
    }

    /// How often keys were got.
    pub fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }
}

impl Fetch for Web {
    async fn get(&self, url: &str, configured: &str) -> Result<Vec<u8>, FetchFailure> {
        assert!(configured.starts_with(ISSUER), "{configured}");
        if url.ends_with("jwks") {
            self.fetched.fetch_add(1, Ordering::SeqCst);
        }
        // Lets the requests that wait for this come to wait.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if self.down.load(Ordering::SeqCst) {
            return Err(FetchFailure::new("connection refused"));
        }
        let document = self.documents.lock().get(url).cloned();
        let document = document.ok_or_else(|| FetchFailure::new("404"))?;
        Ok(document.into_bytes())
    }
}

/// What the store knows.
#[derive(Default)]
pub struct People {
    pub holders: Mutex<HashMap<Handle, Holder>>,
    pub teams: Mutex<HashMap<String, Team>>,
    pub orgs: Mutex<HashMap<String, Named>>,
    pub down: AtomicBool,
}

impl People {
    fn state<T>(&self, value: T) -> Result<T, StoreFailure> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreFailure {
                message: "connection refused".to_owned(),
            });
        }
        Ok(value)
    }

    pub fn add_user(&self, subject: &str, edit: impl FnOnce(&mut Holder)) {
        let mut holder = Holder::of_user(named(1, "stored"));
        edit(&mut holder);
        let handle = Handle::Token {
            issuer: ISSUER.into(),
            subject: subject.into(),
        };
        self.holders.lock().insert(handle, holder);
    }

    pub fn add_org(&self, id: u128, name: &str) {
        let org = named(id, name);
        self.orgs.lock().insert(name.to_owned(), org);
    }

    pub fn add_team(&self, name: &str, edit: impl FnOnce(&mut Team)) {
        let mut team = Team {
            named: named(2, name),
            org: None,
            classification: None,
            models: None,
            grants: Vec::new(),
        };
        edit(&mut team);
        self.teams.lock().insert(name.to_owned(), team);
    }
}

impl Directory for People {
    async fn holder(&self, handle: &Handle) -> Result<Option<Holder>, StoreFailure> {
        let holder = match handle {
            Handle::Certificate(names) => names.iter().find_map(|name| {
                let handle = Handle::Certificate(vec![name.clone()]);
                self.holders.lock().get(&handle).cloned()
            }),
            handle => self.holders.lock().get(handle).cloned(),
        };
        self.state(holder)
    }

    async fn team(&self, name: &str) -> Result<Option<Team>, StoreFailure> {
        let team = self.teams.lock().get(name).cloned();
        self.state(team)
    }

    async fn org(&self, name: &str) -> Result<Option<Named>, StoreFailure> {
        let org = self.orgs.lock().get(name).cloned();
        self.state(org)
    }
}

pub fn named(id: u128, name: &str) -> Named {
    Named {
        id: Uuid::from_u128(id),
        name: name.into(),
    }
}

/// The issuer as configured, for a test to edit.
pub fn issuer() -> Issuer {
    let claim = |name: &str| ClaimName::new(name).unwrap();
    let admin = RoleAt {
        role: "admin".into(),
        level: Level::Org,
    };
    Issuer {
        keys: KeysAt {
            issuer: ISSUER.into(),
            jwks_url: None,
        },
        audience: AUDIENCE.into(),
        algorithms: Algorithm::ALL.to_vec(),
        leeway: Duration::seconds(60),
        mapping: Mapping {
            claims: ClaimNames {
                user: claim("sub"),
                team: claim("groups"),
                roles: claim("roles"),
                org: Some(claim("org")),
            },
            teams: Table::new(Vec::new(), Some(Others::Stay)),
            roles: Table::new(vec![("idp-admins".into(), admin)], None),
            required: Vec::new(),
        },
    }
}

/// Tokens of one issuer, whose key [`KEY`] is `key`.
pub struct World {
    pub tokens: Arc<Tokens<Arc<People>, Hand>>,
    pub people: Arc<People>,
    pub web: Arc<Web>,
    pub clock: Hand,
    pub key: Signer,
    turning: JoinSet<()>,
}

impl World {
    pub fn new() -> Self {
        Self::of(issuer())
    }

    pub fn of(issuer: Issuer) -> Self {
        let key = Signer::ed(1);
        let web = Arc::<Web>::default();
        web.publish_keys(&[key.jwk(KEY)]);
        let clock = Hand(Arc::new(Mutex::new(START)));
        let people = Arc::<People>::default();
        let tokens = Arc::new(Tokens::new(vec![issuer], people.clone(), clock.clone()));
        let mut turning = JoinSet::new();
        let (turned, from) = (tokens.clone(), web.clone());
        turning.spawn(async move {
            loop {
                drop(turned.turn(0, &*from).await);
            }
        });
        Self {
            tokens,
            people,
            web,
            clock,
            key,
            turning,
        }
    }

    /// Nobody looks after the keys any more.
    pub fn abandon(&mut self) {
        self.turning.abort_all();
    }

    pub fn pass(&self, span: Duration) {
        *self.clock.0.lock() += span;
    }

    /// A sound header and sound claims.
    pub fn parts(&self) -> (Value, Value) {
        let now = self.clock.now().unix_timestamp();
        (
            json!({"alg": "EdDSA", "kid": KEY, "typ": "at+jwt"}),
            json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "s-1", "iat": now, "exp": now + 300}),
        )
    }

    /// A token that counts, but for what is edited.
    pub fn token(&self, edit: impl FnOnce(&mut Value, &mut Value)) -> String {
        let (mut header, mut claims) = self.parts();
        edit(&mut header, &mut claims);
        self.key.token(&header, &claims)
    }

    pub async fn show(&self, token: &str) -> Result<Arc<Principal>, Refusal> {
        self.tokens.identify(token).await
    }

    pub async fn code(&self, token: &str) -> Option<Code> {
        self.show(token).await.err().map(|refusal| refusal.code)
    }
}
