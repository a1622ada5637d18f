//! Appending to audit chains, the spend that comes with it, and reading both back.

use lattice_audit::Scopes;
use lattice_store::{
    Amounts, ChainRow, Head, LeafRow, SpendDelta, SpendRow, Store, StoreError, StoredLeaf,
};
use sqlx::Row;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::servers::Bench;

const NOW: OffsetDateTime = datetime!(2026-11-22 10:30 UTC);
const KEY: Uuid = Uuid::from_u128(11);
const TEAM: Uuid = Uuid::from_u128(22);

cases! { CASES:
    a_leaf_is_read_back_byte_for_byte,
    appending_again_changes_nothing,
    of_an_overlapping_batch_only_the_new_leaves_count,
    a_leaf_with_another_hash_is_refused_with_its_whole_batch,
    the_head_only_moves_forwards,
    the_newest_chain_of_a_node_is_its_head,
    a_chain_is_read_in_pages,
    a_settlement_returns_what_its_intent_reserved,
    sums_follow_the_windows_of_the_utc_calendar,
    every_scope_is_charged_money_and_tokens_and_each_node_for_itself,
    replicas_that_append_at_once_lose_nothing,
}

fn chain(n: u128) -> ChainRow {
    ChainRow {
        id: Uuid::from_u128(n),
        node: "here".to_owned(),
        started_at: NOW,
        previous: None,
    }
}

fn leaf(seq: i64, delta: Option<SpendDelta>) -> StoredLeaf {
    StoredLeaf {
        seq,
        leaf: format!("{{\"n\":{seq}}}").into(),
        hash: hash(seq),
        delta,
    }
}

fn hash(seq: i64) -> [u8; 32] {
    std::array::from_fn(|at| seq.to_be_bytes()[at % 8])
}

fn spent(nano: i64) -> Option<SpendDelta> {
    Some(SpendDelta {
        scopes: Scopes {
            key: Some(KEY),
            team: Some(TEAM),
            ..Scopes::default()
        },
        at: NOW,
        reserved_nano: 0,
        spent_nano: nano,
        estimated_nano: 0,
        reserved_tokens: 0,
        spent_tokens: 0,
        requests: 1,
    })
}

async fn total(store: &Store, scope: Uuid) -> Amounts {
    match store
        .spend_since(NOW, Some(&[scope]))
        .await
        .unwrap()
        .as_slice()
    {
        [] => Amounts::default(),
        [row] => row.total,
        more => panic!("{more:?}"),
    }
}

async fn head(store: &Store, node: &str) -> Option<Head> {
    store
        .chain_head(node)
        .await
        .unwrap()
        .and_then(|chain| chain.head)
}

async fn a_leaf_is_read_back_byte_for_byte(Bench { store, .. }: Bench) {
    // What jsonb would change: order of keys, doubled keys, spaces, numbers, escapes.
    let texts = [
        "{\"b\":1.0,\"a\" : 1e3,\"a\":\"\\u0000\\u00e9é😀\"}",
        "",
        " ",
        "no json",
    ];
    let leaves: Vec<_> = (0..)
        .zip(texts)
        .map(|(seq, text)| StoredLeaf {
            seq,
            leaf: text.into(),
            hash: hash(seq),
            delta: None,
        })
        .collect();
    store.append(&chain(1), &leaves).await.unwrap();
    let read = store.leaves(chain(1).id, 0, 100).await.unwrap();
    let expected: Vec<_> = leaves
        .into_iter()
        .map(|leaf| LeafRow {
            seq: leaf.seq,
            leaf: leaf.leaf.into(),
            hash: leaf.hash,
        })
        .collect();
    assert_eq!(read, expected);
}

async fn appending_again_changes_nothing(Bench { store, .. }: Bench) {
    let batch = [leaf(0, spent(5)), leaf(1, None), leaf(2, spent(7))];
    for _ in 0..3 {
        store.append(&chain(1), &batch).await.unwrap();
    }
    assert_eq!(store.leaves(chain(1).id, 0, 100).await.unwrap().len(), 3);
    for scope in [KEY, TEAM] {
        assert_eq!(
            total(&store, scope).await,
            Amounts {
                spent_nano: 12,
                reserved_nano: 0
            }
        );
    }
}

async fn of_an_overlapping_batch_only_the_new_leaves_count(bench: Bench) {
    let store = &bench.store;
    store
        .append(&chain(1), &[leaf(0, spent(1)), leaf(1, spent(10))])
        .await
        .unwrap();
    store
        .append(&chain(1), &[leaf(1, spent(10)), leaf(2, spent(100))])
        .await
        .unwrap();
    assert_eq!(total(store, KEY).await.spent_nano, 111);
    let query = sqlx::query("select requests from spend where scope_kind = 'key'");
    let row = query
        .fetch_one(&mut bench.connection().await)
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), 3);
}

async fn a_leaf_with_another_hash_is_refused_with_its_whole_batch(Bench { store, .. }: Bench) {
    store
        .append(&chain(1), &[leaf(0, spent(1)), leaf(1, spent(1))])
        .await
        .unwrap();
    let forged = StoredLeaf {
        hash: [9; 32],
        ..leaf(1, spent(1))
    };
    let error = store
        .append(&chain(1), &[leaf(0, None), forged, leaf(2, spent(1))])
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Diverged { chain, seq: 1 } if chain == Uuid::from_u128(1)),
        "{error}"
    );
    assert_eq!(total(&store, KEY).await.spent_nano, 2);
    assert_eq!(store.leaves(chain(1).id, 0, 100).await.unwrap().len(), 2);
    assert_eq!(
        head(&store, "here").await,
        Some(Head {
            seq: 1,
            hash: hash(1)
        })
    );
}

async fn the_head_only_moves_forwards(Bench { store, .. }: Bench) {
    store.append(&chain(1), &[]).await.unwrap();
    assert_eq!(store.chains().await.unwrap().len(), 1);
    assert_eq!(head(&store, "here").await, None);
    store
        .append(&chain(1), &[leaf(0, None), leaf(1, None), leaf(2, None)])
        .await
        .unwrap();
    store.append(&chain(1), &[leaf(0, None)]).await.unwrap();
    assert_eq!(
        head(&store, "here").await,
        Some(Head {
            seq: 2,
            hash: hash(2)
        })
    );
}

async fn the_newest_chain_of_a_node_is_its_head(Bench { store, .. }: Bench) {
    let old = ChainRow {
        previous: Some(Uuid::from_u128(99)),
        ..chain(3)
    };
    let new = ChainRow {
        started_at: NOW + Duration::HOUR,
        previous: Some(old.id),
        ..chain(2)
    };
    let other = ChainRow {
        node: "there".to_owned(),
        started_at: NOW + Duration::DAY,
        ..chain(1)
    };
    for chain in [&new, &other, &old] {
        store.append(chain, &[leaf(0, None)]).await.unwrap();
    }
    assert_eq!(store.chain_head("here").await.unwrap().unwrap().chain, new);
    assert_eq!(store.chain_head("nowhere").await.unwrap(), None);
    let listed: Vec<_> = store
        .chains()
        .await
        .unwrap()
        .into_iter()
        .map(|head| head.chain)
        .collect();
    assert_eq!(listed, [old, new, other]);
}

async fn a_chain_is_read_in_pages(Bench { store, .. }: Bench) {
    // A gap, as a deleted leaf leaves it: the reader must get to see it, and what follows.
    let leaves: Vec<_> = (0..10)
        .filter(|seq| *seq != 4)
        .map(|seq| leaf(seq, None))
        .collect();
    store.append(&chain(1), &leaves).await.unwrap();
    store.append(&chain(2), &[leaf(3, None)]).await.unwrap();
    let (mut seen, mut from) = (Vec::new(), 0);
    loop {
        let page = store.leaves(chain(1).id, from, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        from = last.seq + 1;
        seen.extend(page.iter().map(|leaf| leaf.seq));
    }
    assert_eq!(seen, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
}

async fn a_settlement_returns_what_its_intent_reserved(bench: Bench) {
    let intent = SpendDelta {
        reserved_nano: 500,
        spent_nano: 0,
        requests: 1,
        ..spent(0).unwrap()
    };
    let outcome = SpendDelta {
        reserved_nano: -500,
        spent_nano: 300,
        estimated_nano: 300,
        requests: 0,
        ..intent
    };
    bench
        .store
        .append(&chain(1), &[leaf(0, Some(intent))])
        .await
        .unwrap();
    assert_eq!(
        total(&bench.store, KEY).await,
        Amounts {
            spent_nano: 0,
            reserved_nano: 500
        }
    );
    bench
        .store
        .append(&chain(1), &[leaf(1, Some(outcome))])
        .await
        .unwrap();
    assert_eq!(
        total(&bench.store, TEAM).await,
        Amounts {
            spent_nano: 300,
            reserved_nano: 0
        }
    );

    let query = sqlx::query(
        "select estimated_nano_usd, requests, hour from spend where scope_kind = 'team'",
    );
    let row = query
        .fetch_one(&mut bench.connection().await)
        .await
        .unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (300, 1));
    assert_eq!(
        row.get::<OffsetDateTime, _>(2),
        datetime!(2026-11-22 10:00 UTC)
    );
}

async fn sums_follow_the_windows_of_the_utc_calendar(Bench { store, .. }: Bench) {
    let times = [
        datetime!(2026-11-22 12:05 +02:00), // this hour, said with another offset
        datetime!(2026-11-22 09:59:59 UTC), // this day
        datetime!(2026-11-21 23:59:59 UTC), // this month
        datetime!(2026-10-31 23:59:59 UTC), // before
    ];
    for (at, (seq, nano)) in times
        .into_iter()
        .zip([(0, 1), (1, 10), (2, 100), (3, 1000)])
    {
        let delta = SpendDelta {
            at,
            scopes: Scopes {
                key: Some(KEY),
                ..Scopes::default()
            },
            reserved_nano: 2 * nano,
            ..spent(nano).unwrap()
        };
        store
            .append(&chain(1), &[leaf(seq, Some(delta))])
            .await
            .unwrap();
    }
    let sums = |spent_nano| Amounts {
        spent_nano,
        reserved_nano: 2 * spent_nano,
    };
    let row = SpendRow {
        scope_kind: "key".to_owned(),
        scope_id: KEY,
        hour: sums(1),
        day: sums(11),
        month: sums(111),
        total: sums(1111),
    };
    assert_eq!(store.spend_since(NOW, None).await.unwrap(), [row]);
    assert_eq!(store.spend_since(NOW, Some(&[TEAM])).await.unwrap(), []);
}

async fn every_scope_is_charged_money_and_tokens_and_each_node_for_itself(bench: Bench) {
    let id = |n| Some(Uuid::from_u128(n));
    let delta = SpendDelta {
        scopes: Scopes {
            org: id(1),
            team: id(2),
            user: id(3),
            agent: id(4),
            key: id(5),
            model: id(6),
        },
        reserved_nano: 30,
        reserved_tokens: 40,
        spent_tokens: 2,
        ..spent(1).unwrap()
    };
    let there = ChainRow {
        node: "there".to_owned(),
        ..chain(2)
    };
    for (chain, leaves) in [(chain(1), 2), (there, 1)] {
        let leaves: Vec<_> = (0..leaves).map(|seq| leaf(seq, Some(delta))).collect();
        bench.store.append(&chain, &leaves).await.unwrap();
    }
    let rows = sqlx::query_as::<_, (String, String, Vec<i64>)>(
        "select scope_kind, node, array[spent_nano_usd, reserved_nano_usd, spent_tokens, reserved_tokens, requests]
         from spend order by scope_id, node",
    );
    let rows = rows.fetch_all(&mut bench.connection().await).await.unwrap();
    let kinds = ["org", "team", "user", "agent", "key", "model"].into_iter();
    let expected: Vec<_> = kinds
        .flat_map(|kind| {
            [
                (kind.to_owned(), "here".to_owned(), vec![2, 60, 4, 80, 2]),
                (kind.to_owned(), "there".to_owned(), vec![1, 30, 2, 40, 1]),
            ]
        })
        .collect();
    assert_eq!(rows, expected);
}

async fn replicas_that_append_at_once_lose_nothing(bench: Bench) {
    let other = bench.another_store().await;
    // Opposite orders of the scopes, and one node: locks taken in the order given would block
    // for good.
    let batch = |first: i64, keys: Vec<u128>| -> Vec<StoredLeaf> {
        let deltas = keys.into_iter().map(|n| SpendDelta {
            scopes: Scopes {
                org: Some(Uuid::from_u128(n % 3)),
                team: Some(TEAM),
                user: Some(Uuid::from_u128(n % 7)),
                agent: Some(Uuid::from_u128(n % 11)),
                key: Some(Uuid::from_u128(n)),
                model: Some(Uuid::from_u128(n % 5)),
            },
            ..spent(1).unwrap()
        });
        (first..)
            .zip(deltas)
            .map(|(seq, delta)| leaf(seq, Some(delta)))
            .collect()
    };
    let one = async {
        for n in 0..20 {
            bench
                .store
                .append(&chain(1), &batch(n * 50, (100..150).collect()))
                .await
                .unwrap();
        }
    };
    let two = async {
        for n in 0..20 {
            other
                .append(&chain(2), &batch(n * 50, (100..150).rev().collect()))
                .await
                .unwrap();
        }
    };
    tokio::join!(one, two);
    assert_eq!(total(&bench.store, TEAM).await.spent_nano, 2000);
    assert_eq!(
        total(&bench.store, Uuid::from_u128(120)).await.spent_nano,
        40
    );
}
