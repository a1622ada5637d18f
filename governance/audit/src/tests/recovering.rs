//! What the next start makes of what a crash left.

use proptest::prelude::*;
use proptest::sample;

use super::*;
use crate::frame::OVERHEAD;

/// A journal of one chain in which each leaf was acknowledged on its own,
/// where its frames begin, and where the last one ends.
fn recorded(leaves: u128) -> (tempfile::TempDir, Vec<usize>) {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for number in 1..leaves {
        commit(&journal, number);
    }
    let crash = crashed(dir.path());
    let data = fs::read(&segments(crash.path())[0]).unwrap();
    let mut at = segment::Header::decode(&data).unwrap().1;
    let mut starts = Vec::new();
    while let Ok(frame) = frame::decode(&data[at..]) {
        starts.push(at);
        at += frame.size();
    }
    starts.push(at);
    assert_eq!(starts.len() as u128, leaves + 1);
    (crash, starts)
}

fn open_error(dir: &Path) -> OpenError {
    match Journal::open(dir, options()) {
        Ok((_, recovered)) => panic!("opened in spite of damage: {recovered:?}"),
        Err(error) => error,
    }
}

fn positions(recovered: &Recovered) -> Vec<u64> {
    recovered
        .open_intents
        .iter()
        .map(|open| open.position.seq)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_cut_loses_the_torn_leaf_and_none_before_it(place in any::<sample::Index>()) {
        let (dir, starts) = recorded(6);
        let path = &segments(dir.path())[0];
        let data = fs::read(path).unwrap();
        let end = place.index(starts[6] + 1);
        fs::write(path, &data[..end]).unwrap();
        let whole = starts[1..].iter().filter(|boundary| **boundary <= end).count();
        let (journal, recovered) = open(dir.path());
        let intents: Vec<_> = (1..whole as u64).collect();
        prop_assert_eq!(positions(&recovered), intents);
        prop_assert_eq!(recovered.unshipped, whole as u64);
        if whole > 0 {
            let torn = recovered.torn.map_or(0, |(_, bytes)| bytes as usize);
            prop_assert_eq!(torn, end - starts[whole]);
        }
        let table = Table::default();
        drain(&journal, &table);
        prop_assert!(table.report().is_sound());
    }

    #[test]
    fn any_flipped_byte_before_the_last_leaf_stops_the_start(
        place in any::<sample::Index>(), mask in 1..=255_u8,
    ) {
        let (dir, starts) = recorded(5);
        let path = &segments(dir.path())[0];
        let mut data = fs::read(path).unwrap();
        let place = place.index(starts[4]);
        data[place] ^= mask;
        fs::write(path, &data).unwrap();
        let OpenError::Damaged { path: named, offset, seq, .. } = open_error(dir.path()) else {
            panic!("another error");
        };
        prop_assert_eq!(&named, path);
        let frame = starts.iter().rposition(|start| *start <= place);
        prop_assert_eq!(seq, frame.unwrap_or(0) as u64);
        prop_assert_eq!(offset, frame.map_or(0, |frame| starts[frame]));
        prop_assert_eq!(fs::read(path).unwrap(), data, "the evidence was touched");
    }
}

/// Five leaves, the last three of which were written and synced as one batch.
fn batched() -> (tempfile::TempDir, Vec<u8>, [usize; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let (mut room, first) = commit(&journal, 1);
    let mut other = journal.reserve(2).unwrap();
    room.append(outcome(1, first));
    other.append(intent(2));
    wait(other.commit(intent(3))).unwrap();
    let crash = crashed(dir.path());
    let data = fs::read(&segments(crash.path())[0]).unwrap();
    let mut starts = Vec::new();
    let mut at = segment::Header::decode(&data).unwrap().1;
    while let Ok(frame) = frame::decode(&data[at..]) {
        if frame.batch == 2 {
            starts.push(at);
        }
        at += frame.size();
    }
    (crash, data, starts.try_into().unwrap())
}

#[test]
fn a_batch_of_which_a_sector_never_reached_the_disk_is_a_torn_tail() {
    let (dir, mut data, [_, second, third]) = batched();
    let sector = second.next_multiple_of(512);
    assert!(sector < third, "the frame must reach into another sector");
    data[sector..third.min(sector + 512)].fill(0);
    fs::write(&segments(dir.path())[0], &data).unwrap();
    let (_, recovered) = open(dir.path());
    assert_eq!(recovered.unshipped, 3, "start, intent and outcome");
    assert_eq!(recovered.torn.unwrap().1 as usize, data.len() - second);
}

#[test]
fn a_flipped_byte_in_the_last_batch_is_damage_if_a_leaf_of_the_batch_follows() {
    let (dir, mut data, [first, second, _]) = batched();
    data[first + OVERHEAD + 3] ^= 1;
    fs::write(&segments(dir.path())[0], &data).unwrap();
    assert!(matches!(
        open_error(dir.path()),
        OpenError::Damaged { seq: 2, .. }
    ));
    data[first + OVERHEAD + 3] ^= 1;
    data[second + OVERHEAD + 3] ^= 1;
    fs::write(&segments(dir.path())[0], &data).unwrap();
    assert!(matches!(
        open_error(dir.path()),
        OpenError::Damaged { seq: 3, .. }
    ));
}

#[test]
fn zeroed_leaves_that_were_acknowledged_are_damage() {
    let (dir, starts) = recorded(5);
    let path = &segments(dir.path())[0];
    let mut data = fs::read(path).unwrap();
    data[starts[2]..starts[3]].fill(0);
    fs::write(path, &data).unwrap();
    assert!(matches!(
        open_error(dir.path()),
        OpenError::Damaged { seq: 2, .. }
    ));
}

#[test]
fn an_intent_is_settled_once_though_the_process_dies_while_it_settles() {
    let at = Timestamp::from_micros(1_763_812_400_000_000);
    let first = tempfile::tempdir().unwrap();
    let (journal, _) = open(first.path());
    let (mut room, ended) = commit(&journal, 1);
    commit(&journal, 2);
    commit(&journal, 3);
    room.append(outcome(1, ended));
    sync(&journal);
    let second = crashed(first.path());

    let (journal, recovered) = open(second.path());
    assert_eq!(positions(&recovered), [2, 3, 5]);
    drop(journal.settle(&recovered.open_intents[0], at));
    drop(journal.settle(&recovered.open_intents[0], at));
    sync(&journal);
    drop(journal.settle(&recovered.open_intents[0], at));
    let third = crashed(second.path());

    let (journal, recovered) = open(third.path());
    assert_eq!(
        positions(&recovered),
        [3, 5, 2],
        "the last one is of the second chain"
    );
    for open in &recovered.open_intents {
        drop(journal.settle(open, at));
    }
    sync(&journal);
    let fourth = crashed(third.path());

    let (journal, recovered) = open(fourth.path());
    assert_eq!(recovered.open_intents.len(), 1, "only the last sync");
    drop(journal.settle(&recovered.open_intents[0], at));
    let table = Table::default();
    drain(&journal, &table);
    assert!(table.report().is_sound(), "{}", table.report());
    let mut settled: Vec<_> = table
        .rows()
        .iter()
        .filter_map(|row| row.index.intent)
        .collect();
    let outcomes = settled.len();
    settled.sort();
    settled.dedup();
    assert_eq!((outcomes, settled.len()), (6, 6));
}

#[test]
fn segments_of_a_crash_stay_until_its_intents_are_settled() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    commit(&journal, 1);
    let crash = crashed(dir.path());
    let (journal, recovered) = open(crash.path());
    let table = Table::default();
    let ship = |table: &Table| {
        let flushed = async { journal.flushed().await };
        wait(journal.ship(table.clone(), flushed)).unwrap();
    };
    ship(&table);
    assert_eq!(segments(crash.path()).len(), 2);
    drop(journal.settle(&recovered.open_intents[0], Timestamp::from_micros(0)));
    sync(&journal);
    // One leaf more, so that there is something to ship whatever came before.
    ship(&table);
    drain(&journal, &table);
    assert!(table.report().is_sound());
    assert_eq!(segments(crash.path()).len(), 1, "the sync's intent is open");
}

#[test]
fn a_call_that_outlives_its_segment_is_still_open_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        segment_bytes: 2 << 10,
        ..options()
    };
    let journal = Journal::open(dir.path(), small).unwrap().0;
    let (_room, long) = commit(&journal, 1);
    for number in 2..30 {
        let (mut room, position) = commit(&journal, number);
        room.append(outcome(number, position));
    }
    let table = Table::default();
    wait(journal.ship(table, async { journal.flushed().await })).unwrap();
    let crash = crashed(dir.path());
    let oldest = segment::Name::parse(&segments(crash.path())[0]).unwrap();
    assert!(oldest.first_seq > long.seq, "its segment is deleted");
    let recovered = open(crash.path()).1;
    assert!(positions(&recovered).contains(&long.seq), "{recovered:?}");
}

#[test]
fn an_orderly_stop_leaves_only_the_head_and_the_next_chain_links_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let table = Table::default();
    let mut heads = Vec::new();
    for _ in 0..3 {
        let (journal, recovered) = open(dir.path());
        assert_eq!(
            recovered.previous.map(|head| head.chain),
            heads.last().copied()
        );
        assert!(recovered.open_intents.is_empty() && recovered.unshipped == 0);
        heads.push(journal.chain());
        drain(&journal, &table);
        assert!(segments(dir.path()).is_empty());
    }
    assert!(table.report().is_sound());
    assert_eq!(table.report().chains, 3);
}

#[test]
fn a_chain_that_lost_its_tail_or_a_segment_stops_the_start() {
    let (dir, starts) = recorded(4);
    drop(open(dir.path()));
    let files = segments(dir.path());
    let data = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &data[..starts[3]]).unwrap();
    assert!(matches!(open_error(dir.path()), OpenError::Damaged { .. }));
    fs::write(&files[0], &data[..starts[3] + 5]).unwrap();
    assert!(matches!(
        open_error(dir.path()),
        OpenError::Damaged { seq: 3, .. }
    ));

    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        segment_bytes: 1,
        ..options()
    };
    let journal = Journal::open(dir.path(), small).unwrap().0;
    (1..5).for_each(|number| drop(commit(&journal, number)));
    let crash = crashed(dir.path());
    fs::remove_file(&segments(crash.path())[2]).unwrap();
    assert!(matches!(
        open_error(crash.path()),
        OpenError::Damaged { seq: 2, .. }
    ));
}

#[test]
fn a_chain_that_is_missing_between_two_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..4 {
        commit(&open(dir.path()).0, number);
    }
    fs::remove_file(&segments(dir.path())[1]).unwrap();
    assert!(matches!(open_error(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn a_segment_that_was_only_begun_is_dropped() {
    let (dir, _) = recorded(4);
    let path = segment::Name {
        run: 0,
        first_seq: 4,
    }
    .path(dir.path());
    fs::write(&path, b"half a hea").unwrap();
    let (_, recovered) = open(dir.path());
    assert_eq!(recovered.unshipped, 4);
    assert!(!path.exists());
}

/// A crash between remembering the head and deleting the last segment.
#[test]
fn the_last_segment_and_the_head_must_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.stop().unwrap();
    let path = segments(dir.path()).remove(0);
    let data = fs::read(&path).unwrap();
    let chain = journal.chain();
    drain(&journal, &Table::default());
    drop(journal);

    let end = data.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(&path, &data[..end]).unwrap();
    let error = open_error(dir.path());
    assert!(
        matches!(error, OpenError::Damaged { seq: 1, .. }),
        "{error}"
    );
    fs::write(&path, &data).unwrap();
    let (_, recovered) = open(dir.path());
    assert_eq!(recovered.previous.unwrap().chain, chain);
}

#[test]
fn a_damaged_head_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    drain(&open(dir.path()).0, &Table::default());
    fs::write(head::path(dir.path()), b"{\"run\":0").unwrap();
    assert!(matches!(open_error(dir.path()), OpenError::Damaged { .. }));
}

#[test]
fn one_process_has_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let error = open_error(dir.path());
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    drop(journal);
    open(dir.path());
}
