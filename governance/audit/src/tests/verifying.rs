//! Tampering is found and named.

use proptest::prelude::*;
use proptest::sample;

use super::*;

/// Two chains as a store has them, the second linked to the first.
fn history() -> Vec<Row> {
    let dir = tempfile::tempdir().unwrap();
    let table = Table::default();
    for _ in 0..2 {
        let (journal, _) = open(dir.path());
        for number in 1..4 {
            let (mut room, position) = commit(&journal, number);
            room.append(outcome(number, position));
        }
        drain(&journal, &table);
    }
    assert_eq!(table.rows().len(), 16);
    table.rows()
}

fn export(rows: &[Row]) -> Vec<Vec<u8>> {
    let line = |row: &Row| {
        let mut line = Vec::new();
        write_line(&mut line, row.chain, row.seq, &row.hash, &row.leaf).unwrap();
        line
    };
    rows.iter().map(line).collect()
}

fn verified(lines: &[Vec<u8>]) -> Report {
    verify_export(lines.concat().as_slice(), Verifier::new()).unwrap()
}

/// Whether a finding names the leaf.
fn names(report: &Report, row: &Row) -> bool {
    report.findings.iter().any(|finding| match finding {
        Finding::Altered { chain, seq } | Finding::OutOfOrder { chain, seq } => {
            (*chain, *seq) == (row.chain, row.seq)
        }
        Finding::Missing { chain, from, to } => {
            *chain == row.chain && (*from..=*to).contains(&row.seq)
        }
        Finding::HeadDiffers { expected, .. } => {
            (expected.chain, expected.seq) == (row.chain, row.seq)
        }
        Finding::Forked { .. } | Finding::Unreadable { .. } => false,
    })
}

fn assert_named(lines: &[Vec<u8>], row: &Row) {
    let report = verified(lines);
    assert!(
        names(&report, row),
        "leaf {} is not named: {report}",
        row.seq
    );
}

#[test]
fn an_untouched_export_is_sound_and_reads_back_exactly() {
    let rows = history();
    let lines = export(&rows);
    let report = verified(&lines);
    assert_eq!(report.to_string(), "sound: 16 leaves in 2 chains");
    for (line, row) in lines.iter().zip(&rows) {
        let line = read_line(line).unwrap();
        assert_eq!(
            (line.chain, line.seq, line.hash),
            (row.chain, row.seq, row.hash)
        );
        assert_eq!(line.leaf(), row.leaf);
    }
}

/// Every byte of a leaf in the middle, each flipped in turn.
#[test]
fn a_changed_byte_names_its_leaf() {
    let rows = history();
    let lines = export(&rows);
    let leaf = lines[3]
        .windows(8)
        .position(|window| window == br#""leaf":{"#)
        .unwrap()
        + 7;
    for place in leaf..lines[3].len() - 2 {
        for mask in [0x01, 0x20, 0x80] {
            let mut changed = lines.clone();
            changed[3][place] ^= mask;
            assert_named(&changed, &rows[3]);
        }
    }
}

#[test]
fn a_changed_hash_names_its_leaf() {
    let mut rows = history();
    rows[4].hash.0[5] ^= 1;
    assert!(names(&verify(&rows), &rows[4]));
}

#[test]
fn a_leaf_that_was_hashed_anew_breaks_the_next() {
    let mut rows = history();
    rows[4].leaf = br#"{"kind":"outcome","cost_nano_usd":0}"#.to_vec();
    rows[4].hash = LeafHash::of(rows[4].chain, 4, &rows[3].hash, &rows[4].leaf);
    let report = verify(&rows);
    assert!(names(&report, &rows[5]), "{report}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_deleted_leaf_is_named(place in any::<sample::Index>()) {
        let rows = history();
        let place = place.index(rows.len() - 1);
        let mut lines = export(&rows);
        lines.remove(place);
        assert_named(&lines, &rows[place]);
    }

    #[test]
    fn swapped_leaves_are_named(first in any::<sample::Index>(), second in any::<sample::Index>()) {
        let rows = history();
        let (first, second) = (first.index(8), second.index(8));
        prop_assume!(first != second);
        let mut lines = export(&rows);
        lines.swap(first, second);
        assert_named(&lines, &rows[first.min(second)]);

        let mut rows = history();
        let leaf = std::mem::take(&mut rows[first].leaf);
        rows[first].leaf = std::mem::replace(&mut rows[second].leaf, leaf);
        let report = verify(&rows);
        prop_assert!(names(&report, &rows[first]) && names(&report, &rows[second]));
    }
}

#[test]
fn a_cut_tail_is_found_where_the_head_is_known() {
    let rows = history();
    let head = |row: &Row| ChainHead {
        chain: row.chain,
        seq: row.seq,
        hash: row.hash,
    };
    // The next chain knows the first one's head.
    let mut cut = rows.clone();
    cut.drain(6..8);
    assert!(names(&verify(&cut), &rows[7]));
    cut.drain(..6);
    assert!(
        names(&verify(&cut), &rows[7]),
        "a chain that is missing whole"
    );
    // Only the store or a witness knows the last one's.
    let mut verifier = Verifier::new();
    verifier.expect(head(&rows[15]));
    let report = verify_export(export(&rows[..15]).concat().as_slice(), verifier).unwrap();
    assert!(names(&report, &rows[15]), "{report}");
    // An export of the second chain alone is sound if the first is trusted.
    let mut verifier = Verifier::new();
    verifier.trust(head(&rows[7]));
    let report = verify_export(export(&rows[8..]).concat().as_slice(), verifier).unwrap();
    assert_eq!(report.to_string(), "sound: 8 leaves in 1 chain");
}

#[test]
fn a_fork_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let table = Table::default();
    drain(&open(dir.path()).0, &table);
    let copy = crashed(dir.path());
    drain(&open(dir.path()).0, &table);
    let (forked, _) = open(copy.path());
    drain(&forked, &table);
    let report = table.report();
    assert!(
        matches!(report.findings[..], [Finding::Forked { chain, .. }] if chain == forked.chain()),
        "{report}"
    );
}

#[test]
fn a_line_that_is_no_leaf_is_a_finding() {
    let rows = history();
    let mut lines = export(&rows);
    lines[2] = b"not json\n".to_vec();
    let report = verified(&lines);
    assert!(
        matches!(report.findings[0], Finding::Unreadable { line: 3, .. }),
        "{report}"
    );
    assert!(names(&report, &rows[2]));
    assert!(write_line(Vec::new(), rows[0].chain, 0, &rows[0].hash, b"{\n}").is_err());
    assert!(write_line(Vec::new(), rows[0].chain, 0, &rows[0].hash, b"{").is_err());
}
