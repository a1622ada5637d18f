//! A look-up takes the same steps whether the key is there or not: as many questions to
//! the store, which is asserted. The times that they took, and Welch's t between them, are
//! printed for a reader and not asserted: a machine that is busy would decide them.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use lattice_identity::{ApiKeys, KeyRow, KeyStore, LatticeKey, Pepper, StoreFailure};
use lattice_kernel::gates::Identity;
use lattice_kernel::principal::Named;
use lattice_kernel::{Clock, Code, Credential, Head, Principal};
use rand::SeedableRng;
use rand::rngs::StdRng;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const KEYS: usize = 64;

#[derive(Clone, Copy)]
struct Still;

impl Clock for Still {
    fn now(&self) -> OffsetDateTime {
        NOW
    }
}

struct Rows {
    rows: HashMap<[u8; 32], KeyRow>,
    asked: AtomicUsize,
}

impl KeyStore for &'static Rows {
    async fn find(&self, mac: &[u8; 32]) -> Result<Option<KeyRow>, StoreFailure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.rows.get(mac).cloned())
    }

    async fn revision(&self) -> Result<i64, StoreFailure> {
        Ok(1)
    }
}

/// Keys that are live, absent and revoked, in this order, and a gate over them.
struct House {
    gate: ApiKeys<&'static Rows, Still>,
    store: &'static Rows,
    kinds: [Vec<Head>; 3],
}

const CODES: [Option<Code>; 3] = [
    None,
    Some(Code::IdentityUnknown),
    Some(Code::IdentityRevoked),
];

impl House {
    fn new() -> Self {
        let pepper = || Pepper::from_bytes(&[9; 32]).unwrap();
        let rng = &mut StdRng::seed_from_u64(3);
        let mut rows = HashMap::new();
        let kinds = CODES.map(|code| {
            let keys = std::iter::repeat_with(|| {
                let key = LatticeKey::generate(rng);
                let mac = pepper().mac(&key);
                if code != Some(Code::IdentityUnknown) {
                    rows.insert(mac, row(mac, code.is_some()));
                }
                Head {
                    credential: Credential::One(key.text()),
                    ..Head::default()
                }
            });
            keys.take(KEYS).collect()
        });
        let asked = AtomicUsize::new(0);
        let store: &'static Rows = Box::leak(Box::new(Rows { rows, asked }));
        let gate = ApiKeys::new(store, pepper(), Still);
        Self { gate, store, kinds }
    }

    /// Looks one key of each kind up, the first kind another one each time; how long each
    /// took in ns, and how many questions to the store.
    async fn round(&self, n: usize) -> [(f64, usize); 3] {
        let mut found = [(0.0, 0); 3];
        for turn in 0..3 {
            let kind = (n + turn) % 3;
            let head = &self.kinds[kind][n / 3 % KEYS];
            let before = self.store.asked.load(Ordering::Relaxed);
            let began = Instant::now();
            let answer = self.gate.identify(head).await;
            let took = began.elapsed();
            assert_eq!(answer.err().map(|refusal| refusal.code), CODES[kind]);
            let asked = self.store.asked.load(Ordering::Relaxed) - before;
            found[kind] = (took.as_secs_f64() * 1e9, asked);
        }
        found
    }
}

fn row(mac: [u8; 32], revoked: bool) -> KeyRow {
    let key = Named {
        id: Uuid::from_bytes(*mac.first_chunk().unwrap()),
        name: "key".into(),
    };
    KeyRow {
        mac,
        principal: Principal::of_key(key),
        expires_at: None,
        revoked_at: revoked.then_some(NOW),
        disabled: false,
    }
}

/// Welch's t of two samples.
#[expect(
    clippy::cast_precision_loss,
    reason = "samples are counted in thousands"
)]
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let moments = |sample: &[f64]| {
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        let squares = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        (mean, squares / (n - 1.0) / n)
    };
    let ((a, va), (b, vb)) = (moments(one), moments(other));
    (a - b) / (va + vb).sqrt()
}

/// What is slower than nine in ten was interrupted, and says nothing about the steps.
fn uninterrupted(mut sample: Vec<f64>) -> Vec<f64> {
    sample.sort_by(f64::total_cmp);
    sample.truncate(sample.len() / 10 * 9);
    sample
}

fn report(what: &str, samples: [Vec<f64>; 3]) {
    let [live, absent, revoked] = samples.map(uninterrupted);
    let median = |sample: &[f64]| sample[sample.len() / 2];
    println!(
        "{what}: {} look-ups of each kind, medians live {:.0} ns, absent {:.0} ns, revoked {:.0} ns; \
         Welch's t live/absent {:.2}, revoked/absent {:.2}, live/revoked {:.2}",
        live.len(),
        median(&live),
        median(&absent),
        median(&revoked),
        welch(&live, &absent),
        welch(&revoked, &absent),
        welch(&live, &revoked),
    );
}

#[tokio::test]
async fn what_is_remembered_is_found_without_the_store_whether_it_is_there_or_not() {
    let house = House::new();
    for n in 0..KEYS * 3 {
        house.round(n).await;
    }
    let mut samples = [const { Vec::new() }; 3];
    for n in 0..20_000 {
        for (sample, (took, asked)) in samples.iter_mut().zip(house.round(n).await) {
            assert_eq!(asked, 0);
            sample.push(took);
        }
    }
    report("remembered", samples);
}

#[tokio::test]
async fn what_is_not_remembered_is_one_question_to_the_store_whether_it_is_there_or_not() {
    let house = House::new();
    let mut samples = [const { Vec::new() }; 3];
    for (n, revision) in (0..10_000).zip(1..) {
        house.gate.refresh(revision);
        for (sample, (took, asked)) in samples.iter_mut().zip(house.round(n).await) {
            assert_eq!(asked, 1);
            sample.push(took);
        }
    }
    report("asked", samples);
}
