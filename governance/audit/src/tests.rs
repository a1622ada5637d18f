//! The journal as a whole, on real files.

mod faults;
mod recovering;
mod shipping;
mod verifying;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::leaf::{Ending, Intent, Named, Outcome, Policy, Target};
use crate::*;

/// A leaf as a store would have it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    chain: Uuid,
    seq: u64,
    hash: LeafHash,
    leaf: Vec<u8>,
    index: Index,
}

/// A store that keeps what it has, and fails as it is told to.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rows: Vec<Row>,
    largest_batch: usize,
    /// Calls to come that fail; every second of them after it has stored.
    outage: u32,
    refuse: bool,
}

impl Table {
    fn rows(&self) -> Vec<Row> {
        self.0.lock().rows.clone()
    }

    fn report(&self) -> Report {
        verify(&self.rows())
    }
}

impl Sink for Table {
    async fn append(&self, chain: &ChainInfo, leaves: &[ShippedLeaf<'_>]) -> Result<(), SinkError> {
        let mut state = self.0.lock();
        let fails = |unavailable| {
            Err(SinkError {
                unavailable,
                message: "told to".into(),
            })
        };
        if state.refuse {
            return fails(false);
        }
        let outage = state.outage;
        state.outage = outage.saturating_sub(1);
        if outage % 2 == 1 {
            return fails(true);
        }
        state.largest_batch = state.largest_batch.max(leaves.len());
        for ShippedLeaf {
            seq,
            hash,
            leaf,
            index,
        } in leaves
        {
            if !state
                .rows
                .iter()
                .rev()
                .any(|row| (row.chain, row.seq) == (chain.id, *seq))
            {
                let (leaf, index) = (leaf.to_vec(), *index);
                state.rows.push(Row {
                    chain: chain.id,
                    seq: *seq,
                    hash: *hash,
                    leaf,
                    index,
                });
            }
        }
        if outage > 0 { fails(true) } else { Ok(()) }
    }
}

fn verify(rows: &[Row]) -> Report {
    let mut verifier = Verifier::new();
    for row in rows {
        verifier.leaf(row.chain, row.seq, &row.leaf, &row.hash);
    }
    verifier.finish()
}

fn options() -> Options {
    let tick = Mutex::new(1_763_812_345_000_000);
    let clock = move || {
        let mut now = tick.lock();
        *now += 1;
        Timestamp::from_micros(*now)
    };
    Options::new("test", Arc::new(clock))
}

fn open(dir: &Path) -> (Journal, Recovered) {
    Journal::open(dir, options()).unwrap()
}

fn intent(number: u128) -> Entry {
    Intent {
        at: Timestamp::from_micros(1_763_812_345_000_000),
        request_id: Uuid::from_u128(number),
        dialect: "openai",
        action: "chat",
        org: None,
        team: None,
        user: None,
        agent: None,
        key: Some(Named {
            id: Uuid::from_u128(4),
            name: "ci",
        }),
        auth: "key",
        model: "assistant",
        model_id: None,
        targets: &[Target {
            provider: "openai",
            model: "gpt-5",
        }],
        stream: true,
        input_tokens_bound: Some(12),
        output_cap: Some(4096),
        reserved_nano_usd: Some(900),
        reserved_tokens: Some(4108),
        policy: Policy {
            revision: "r1",
            cached: false,
        },
        noted: &[],
    }
    .entry()
}

fn outcome(number: u128, intent: Position) -> Entry {
    let account = Account {
        at: Timestamp::default(),
        scopes: Scopes {
            key: Some(Uuid::from_u128(4)),
            ..Scopes::default()
        },
        reserved_nano: Some(900),
        reserved_tokens: Some(4108),
    };
    Outcome {
        at: Timestamp::from_micros(1_763_812_346_000_000),
        request_id: Uuid::from_u128(number),
        intent,
        ending: Ending::Finished,
        code: None,
        status: Some(200),
        provider: Some("openai"),
        model: Some("gpt-5"),
        attempts: 1,
        abandoned: 0,
        usage: None,
        bill: None,
        abandoned_nano_usd: None,
        reserved_nano_usd: Some(900),
        cost_nano_usd: Some(7),
        estimated: false,
        ttft_us: None,
        duration_us: 1_000_000,
        tools: None,
    }
    .entry(&account, Some(7))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Commits an intent and waits for it; the room is left for its outcome.
fn commit(journal: &Journal, number: u128) -> (Room, Position) {
    let mut room = journal.reserve(2).unwrap();
    let receipt = room.commit(intent(number));
    let position = wait(receipt).unwrap().unwrap();
    (room, position)
}

/// Waits until everything that was appended is durable.
fn sync(journal: &Journal) {
    commit(journal, u128::MAX);
}

/// What a crash leaves: the files as they are now, without the lock.
fn crashed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(dir).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// The segment files, oldest first.
fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| segment::Name::parse(path).is_some())
        .collect();
    files.sort();
    files
}

/// Stops the journal and ships all that it has.
fn drain(journal: &Journal, table: &Table) {
    journal.stop().unwrap();
    wait(journal.ship(table.clone(), std::future::pending())).unwrap();
    assert_eq!(journal.pending(), 0);
}
