//! Every leaf reaches the store once and in order.

use std::time::Duration;

use super::*;

#[test]
fn sixty_four_tasks_get_their_receipts_while_the_store_comes_and_goes() {
    const TASKS: u128 = 64;
    const CALLS: u128 = 20;
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        segment_bytes: 64 << 10,
        ..options()
    };
    let journal = Journal::open(dir.path(), small).unwrap().0;
    let table = Table::default();
    table.0.lock().outage = 9;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shipping = runtime.spawn({
        let (journal, table) = (journal.clone(), table.clone());
        async move { journal.ship(table, std::future::pending()).await }
    });
    let call = async |journal: &Journal, number| {
        let mut room = journal.reserve(2).unwrap();
        let position = room.commit(intent(number)).await.unwrap().unwrap();
        room.append(outcome(number, position));
    };
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let journal = journal.clone();
            runtime.spawn(async move {
                for number in task * CALLS..(task + 1) * CALLS {
                    call(&journal, number + 1).await;
                }
            })
        })
        .collect();
    tasks
        .into_iter()
        .for_each(|task| runtime.block_on(task).unwrap());
    journal.stop().unwrap();
    runtime.block_on(shipping).unwrap().unwrap();
    runtime.block_on(journal.flushed());
    let rows = table.rows();
    assert_eq!(rows.len() as u128, 2 + 2 * TASKS * CALLS);
    assert!(
        rows.iter().map(|row| row.seq).eq(0..rows.len() as u64),
        "in order and once"
    );
    assert!(table.report().is_sound(), "{}", table.report());
    assert!(table.0.lock().largest_batch <= BATCH_LEAVES);
    let reserved: i64 = rows
        .iter()
        .filter_map(|row| row.index.reserved_delta_nano)
        .sum();
    assert_eq!(reserved, 0, "every reservation was returned");
    assert_eq!(
        segments(dir.path()),
        Vec::<std::path::PathBuf>::new(),
        "all files are deleted"
    );
}

#[test]
fn a_store_that_refuses_ends_shipping_and_nothing_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    commit(&journal, 1);
    let table = Table::default();
    table.0.lock().refuse = true;
    let error = wait(journal.ship(table.clone(), std::future::pending())).unwrap_err();
    assert!(
        matches!(error, ShipError::Refused { seq: 0, .. }),
        "{error}"
    );
    table.0.lock().refuse = false;
    drain(&journal, &table);
    assert_eq!(table.rows().len(), 3);
}

#[test]
fn shutdown_ends_shipping_though_the_store_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let table = Table::default();
    table.0.lock().outage = 1_000_001;
    let shutdown = async { tokio::time::sleep(Duration::from_millis(50)).await };
    wait(journal.ship(table.clone(), shutdown)).unwrap();
    assert_eq!(journal.pending(), 1);
}

#[test]
fn what_a_crash_left_is_shipped_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for number in 1..2500 {
        journal.record(intent(number)).unwrap();
    }
    sync(&journal);
    let crash = crashed(dir.path());
    let (journal, recovered) = open(crash.path());
    assert_eq!(recovered.unshipped, 2501);
    for open in &recovered.open_intents {
        drop(journal.settle(open, Timestamp::from_micros(1_763_812_350_000_000)));
    }
    let table = Table::default();
    drain(&journal, &table);
    assert!(table.report().is_sound(), "{}", table.report());
    let rows = table.rows();
    assert_eq!(rows.len(), 2501 + 1 + 2500 + 1);
    let spent: i64 = rows
        .iter()
        .filter_map(|row| row.index.spent_delta_nano)
        .sum();
    assert_eq!(spent, 2500 * 900, "a crash settles in full");
    assert_eq!(table.0.lock().largest_batch, BATCH_LEAVES);
}

#[test]
fn a_leaf_larger_than_a_batch_is_shipped_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut large = intent(1);
    large.leaf = vec![b' '; 9 << 20];
    journal.record(large.clone()).unwrap();
    journal.record(intent(2)).unwrap();
    let table = Table::default();
    drain(&journal, &table);
    let rows = table.rows();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[1].leaf, large.leaf);
}
