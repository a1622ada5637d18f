//! The disk fails, is full, and comes back.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::*;
use crate::storage::{Disk, Storage};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Half of a write arrives, then the disk is full; it cannot begin a file.
    Full,
    /// As above, but it cannot even be cut back.
    FullAndStuck,
    /// Everything arrives, says the page cache, but the sync fails.
    Sync,
    /// As above, and what arrived cannot be cut off.
    SyncAndStuck,
}

#[derive(Clone, Default)]
struct Switch(Arc<Mutex<Option<Fault>>>);

impl Switch {
    fn set(&self, fault: Option<Fault>) {
        *self.0.lock() = fault;
    }

    fn is(&self, faults: &[Fault]) -> bool {
        self.0.lock().is_some_and(|fault| faults.contains(&fault))
    }
}

struct Faulty {
    disk: Disk,
    switch: Switch,
}

fn no_space() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

impl Storage for Faulty {
    fn create(&mut self, path: &Path, header: &[u8]) -> io::Result<()> {
        if self.switch.is(&[Fault::Full, Fault::FullAndStuck]) {
            fs::write(path, &header[..header.len() / 2])?;
            return Err(no_space());
        }
        self.disk.create(path, header)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.switch.is(&[Fault::Full, Fault::FullAndStuck]) {
            self.disk.append(&bytes[..bytes.len() / 2])?;
            return Err(no_space());
        }
        self.disk.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.switch.is(&[Fault::Sync, Fault::SyncAndStuck]) {
            return Err(io::Error::other("the disk is on fire"));
        }
        self.disk.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        if self.switch.is(&[Fault::FullAndStuck, Fault::SyncAndStuck]) {
            return Err(io::Error::other("the disk is on fire"));
        }
        self.disk.truncate(length)
    }
}

fn faulty(dir: &Path, options: Options) -> (Journal, Switch) {
    let switch = Switch::default();
    let storage = Faulty {
        disk: Disk::new(64 << 10),
        switch: switch.clone(),
    };
    (
        Journal::open_on(dir, options, Box::new(storage)).unwrap().0,
        switch,
    )
}

fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited 20 s in vain"
        );
        sleep(Duration::from_millis(5));
    }
}

const FAULTS: [Fault; 4] = [
    Fault::Full,
    Fault::FullAndStuck,
    Fault::Sync,
    Fault::SyncAndStuck,
];

#[test]
fn a_failed_write_is_told_to_those_who_wait_and_costs_nobody_else() {
    for fault in FAULTS {
        let dir = tempfile::tempdir().unwrap();
        let (journal, switch) = faulty(dir.path(), options());
        let (mut running, started) = commit(&journal, 1);
        switch.set(Some(fault));

        let mut room = journal.reserve(2).unwrap();
        let error = wait(room.commit(intent(2))).unwrap_err();
        assert!(
            matches!(error, JournalError::Unavailable { .. }),
            "{fault:?}: {error}"
        );
        assert!(
            journal.reserve(1).is_err(),
            "{fault:?}: room was given by a broken journal"
        );
        running.append(outcome(1, started));
        drop(running);
        sleep(Duration::from_millis(150));

        switch.set(None);
        until(|| journal.state().is_ok());
        let (_, after) = commit(&journal, 3);
        assert_eq!(
            after.seq,
            started.seq + 2,
            "{fault:?}: the outcome took the place"
        );
        let crash = crashed(dir.path());
        let table = Table::default();
        drain(&journal, &table);
        assert!(table.report().is_sound(), "{fault:?}: {}", table.report());
        let kinds: Vec<_> = table.rows().iter().map(|row| row.index.kind).collect();
        let expected = [
            Kind::Start,
            Kind::Intent,
            Kind::Outcome,
            Kind::Intent,
            Kind::Stop,
        ];
        assert_eq!(kinds, expected, "{fault:?}");

        let recovered = open(crash.path()).1;
        let open: Vec<_> = recovered
            .open_intents
            .iter()
            .map(|open| open.position)
            .collect();
        assert_eq!(
            open,
            [after],
            "{fault:?}: the refused intent came back, or one was lost"
        );
    }
}

#[test]
fn a_crash_while_the_disk_fails_keeps_what_was_acknowledged() {
    for fault in FAULTS {
        let dir = tempfile::tempdir().unwrap();
        let (journal, switch) = faulty(dir.path(), options());
        let (_room, acknowledged) = commit(&journal, 1);
        switch.set(Some(fault));
        let mut room = journal.reserve(2).unwrap();
        wait(room.commit(intent(2))).unwrap_err();
        let at_once = crashed(dir.path());
        // Time for an attempt to begin a new segment.
        sleep(Duration::from_millis(150));
        for crash in [at_once, crashed(dir.path())] {
            let recovered = open(crash.path()).1;
            let open: Vec<_> = recovered
                .open_intents
                .iter()
                .map(|open| open.position)
                .collect();
            assert_eq!(open.first(), Some(&acknowledged), "{fault:?}");
            // What could not be cut off may come back; it is settled then.
            assert!(
                open.len() == 1 || fault == Fault::SyncAndStuck,
                "{fault:?}: {open:?}"
            );
        }
    }
}

#[test]
fn an_intent_that_nobody_waits_for_any_more_takes_its_outcome_along_when_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, switch) = faulty(dir.path(), options());
    switch.set(Some(Fault::Sync));
    let mut room = journal.reserve(2).unwrap();
    let given_up = room.commit(intent(1)).position().unwrap();
    room.append(outcome(1, given_up));
    until(|| journal.state().is_err());
    switch.set(None);
    until(|| journal.state().is_ok());
    let (mut room, position) = commit(&journal, 2);
    assert_eq!(position, given_up);
    room.append(outcome(2, position));
    let table = Table::default();
    drain(&journal, &table);
    let requests: Vec<_> = table
        .rows()
        .iter()
        .filter_map(|row| row.index.request)
        .collect();
    assert_eq!(requests, [Uuid::from_u128(2), Uuid::from_u128(2)]);
}

#[test]
fn a_gap_serves_without_a_record_and_says_so_later() {
    let dir = tempfile::tempdir().unwrap();
    let gap = Options {
        on_full: OnFull::Gap,
        ..options()
    };
    let (journal, switch) = faulty(dir.path(), gap);
    switch.set(Some(Fault::Full));
    let mut room = journal.reserve(2).unwrap();
    assert_eq!(wait(room.commit(intent(1))), Ok(None));
    for number in 2..5 {
        let mut room = journal.reserve(2).unwrap();
        assert!(!room.is_recorded());
        assert_eq!(wait(room.commit(intent(number))), Ok(None));
    }
    assert_eq!(journal.unrecorded(), 4);
    switch.set(None);
    until(|| journal.state().is_ok());
    let (mut room, position) = commit(&journal, 5);
    room.append(outcome(5, position));
    let table = Table::default();
    drain(&journal, &table);
    assert!(table.report().is_sound());
    let rows = table.rows();
    let gap = rows.iter().find(|row| row.index.kind == Kind::Gap).unwrap();
    let text = std::str::from_utf8(&gap.leaf).unwrap();
    assert!(text.contains(r#""count":4"#), "{text}");
}

#[test]
fn buffered_records_outlive_a_failing_disk_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let buffered = Options {
        mode: Mode::Buffered,
        ..options()
    };
    let (journal, switch) = faulty(dir.path(), buffered);
    switch.set(Some(Fault::Full));
    let mut rooms: Vec<_> = (0..10).map(|_| journal.reserve(2).unwrap()).collect();
    for (room, number) in rooms.iter_mut().zip(1..) {
        let position = wait(room.commit(intent(number))).unwrap().unwrap();
        room.append(outcome(number, position));
    }
    until(|| journal.state().is_err());
    assert!(journal.reserve(1).is_err());
    switch.set(None);
    until(|| journal.state().is_ok());
    let table = Table::default();
    drain(&journal, &table);
    assert!(table.report().is_sound());
    let rows = table.rows();
    assert_eq!(rows.len(), 1 + 20 + 1);
    for row in rows.iter().filter(|row| row.index.kind == Kind::Outcome) {
        let intent = row.index.intent.unwrap();
        let named = rows.iter().find(|row| row.seq == intent.seq).unwrap();
        assert_eq!(named.index.request, row.index.request);
    }
}

#[test]
fn a_full_journal_gives_no_room_but_takes_what_has_room() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        max_bytes: 64 << 10,
        segment_bytes: 4 << 10,
        ..options()
    };
    let journal = Journal::open(dir.path(), small).unwrap().0;
    let (mut running, started) = commit(&journal, 1);
    let full = (2..1000).find_map(|number| {
        let mut room = journal.reserve(2).map_err(|error| (number, error)).err();
        if room.is_none() {
            let (mut open, position) = commit(&journal, number);
            open.append(outcome(number, position));
        }
        room.take()
    });
    let (last, error) = full.unwrap();
    assert!(
        matches!(error, JournalError::Full { max: 65_536, .. }),
        "{error}"
    );
    assert!(last > 20, "room for {last} calls only");
    running.append(outcome(1, started));
    drop(running);

    let table = Table::default();
    let shipping = journal.ship(table.clone(), std::future::pending());
    wait(async {
        tokio::select! {
            ended = shipping => panic!("shipping ended: {ended:?}"),
            () = async {
                while journal.reserve(2).is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => {}
        }
    });
    drain(&journal, &table);
    assert!(table.report().is_sound());
    assert_eq!(table.rows().len() as u128, 1 + 2 * (last - 1) + 1);
}

#[test]
fn a_stopped_journal_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut room = journal.reserve(2).unwrap();
    journal.stop().unwrap();
    journal.stop().unwrap();
    assert_eq!(wait(room.commit(intent(1))), Err(JournalError::Stopped));
    room.append(intent(2));
    assert_eq!(journal.reserve(1).err(), Some(JournalError::Stopped));
    assert_eq!(journal.pending(), 2, "start and stop");
}
