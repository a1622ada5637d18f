//! Nodes that take and give back at once.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use lattice_store::{Node, Part, Store, Take};
use sqlx::PgConnection;

use crate::servers::Bench;
use crate::slices::{ACCOUNT, TAKE, node, part};

const LIMIT: i64 = 1000;
const NODES: [&str; 3] = ["a", "b", "c"];
const WORKERS: usize = 8;
const STEPS: usize = 40;

cases! { CASES:
    nodes_that_take_and_return_at_once_never_have_more_than_the_limit,
    accounts_are_locked_in_one_order_whatever_the_order_of_the_returns,
}

/// Xorshift: no crate is needed for this.
struct Random(Cell<u64>);

impl Random {
    fn below(&self, bound: i64) -> i64 {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        i64::try_from(state % bound.unsigned_abs()).unwrap()
    }
}

/// What a node remembers.
struct Replica<'a> {
    store: Store,
    node: Node<'a>,
    held: Cell<i64>,
}

impl Replica<'_> {
    async fn work(&self, random: &Random) {
        for _ in 0..STEPS {
            if random.below(2) == 0 {
                let need = 1 + random.below(120);
                let want = need + random.below(200);
                let take = Take { need, want, ..TAKE };
                let taken = self.store.take_slice(self.node, &take).await.unwrap();
                assert!(
                    taken.granted == 0 || (need..=want).contains(&taken.granted),
                    "{taken:?} of {take:?}"
                );
                assert!(taken.used <= LIMIT, "{taken:?}");
                self.held.set(self.held.get() + taken.granted);
            } else {
                let amount = random.below(self.held.get() + 1);
                self.held.set(self.held.get() - amount);
                let returns = [part(amount)];
                self.store.return_slices(self.node, &returns).await.unwrap();
            }
        }
    }
}

async fn granted(admin: &mut PgConnection) -> Vec<(String, i64)> {
    sqlx::query_as("select node, granted from slice order by node")
        .fetch_all(admin)
        .await
        .unwrap()
}

async fn nodes_that_take_and_return_at_once_never_have_more_than_the_limit(bench: Bench) {
    let seed = RandomState::new().hash_one(0) | 1;
    println!("seed: {seed}");
    let random = Random(Cell::new(seed));
    let mut replicas = Vec::new();
    for name in NODES {
        let store = bench.another_store().await;
        replicas.push(Replica {
            node: node(&store, name).await,
            store,
            held: Cell::new(0),
        });
    }
    let workers = replicas
        .iter()
        .flat_map(|replica| (0..WORKERS).map(|_| replica.work(&random)));
    let done = Cell::new(false);
    let working = async {
        let mut running: Vec<_> = workers.map(Box::pin).collect();
        std::future::poll_fn(|context| {
            running.retain_mut(|worker| worker.as_mut().poll(context).is_pending());
            if running.is_empty() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        done.set(true);
    };
    let mut admin = bench.connection().await;
    let watching = async {
        while !done.get() {
            let rows = granted(&mut admin).await;
            let sum: i64 = rows.iter().map(|row| row.1).sum();
            assert!(sum <= LIMIT, "{rows:?}");
        }
    };
    tokio::join!(working, watching);

    let held = replicas
        .iter()
        .map(|replica| (replica.node.name.to_owned(), replica.held.get()));
    assert_eq!(granted(&mut admin).await, held.collect::<Vec<_>>());
    for replica in &replicas {
        let all = [part(replica.held.get())];
        replica
            .store
            .return_slices(replica.node, &all)
            .await
            .unwrap();
    }
    let everything = Take {
        need: LIMIT,
        want: LIMIT,
        ..TAKE
    };
    let last = &replicas[0];
    let taken = last.store.take_slice(last.node, &everything).await.unwrap();
    assert_eq!((taken.granted, taken.used), (LIMIT, LIMIT));
}

async fn accounts_are_locked_in_one_order_whatever_the_order_of_the_returns(bench: Bench) {
    let units = ["usd", "tokens", "requests"];
    let other = bench.another_store().await;
    let (a, b) = (node(&bench.store, "a").await, node(&other, "b").await);
    let account = |unit| lattice_store::AccountKey { unit, ..ACCOUNT };
    for unit in units {
        let take = Take {
            account: account(unit),
            ..TAKE
        };
        for node in [a, b] {
            bench.store.take_slice(node, &take).await.unwrap();
        }
    }
    let parts = |units: &[&'static str]| -> Vec<Part<'static>> {
        let part = |unit: &&'static str| Part {
            account: account(unit),
            ..part(1)
        };
        units.iter().map(part).collect()
    };
    let (forwards, mut backwards) = (parts(&units), parts(&units));
    backwards.reverse();
    let one = async {
        for _ in 0..30 {
            bench.store.return_slices(a, &forwards).await.unwrap();
        }
    };
    let two = async {
        for _ in 0..30 {
            other.return_slices(b, &backwards).await.unwrap();
        }
    };
    tokio::join!(one, two);
    let rows = granted(&mut bench.connection().await).await;
    assert!(rows.iter().all(|row| row.1 == 70), "{rows:?}");
}
