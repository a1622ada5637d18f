//! Whatever is changed in the stored audit, or in an export of it, is found, and
//! named by its sequence number.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::path::Path;
use std::process::Command;

use harness::{Database, Gateway, LATTICE, MODELS, Upstream, ask, config};
use serde_json::Value;

/// A gateway that has been stopped twice: two chains, with every kind of leaf
/// that ordinary work leaves.
fn recorded() -> Gateway {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&config(&upstream, MODELS));
    let key = gateway.key("k", &[]);
    for _ in 0..2 {
        if gateway.clients.is_empty() {
            gateway.launch();
        }
        assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
        assert_eq!(gateway.chat("lat_nonsense", &ask("mock", "")).status, 401);
        assert_eq!(
            gateway.chat(&key, &ask("mock", r#","stream":true"#)).status,
            200
        );
        assert_eq!(gateway.stop(), Some(0));
        gateway.clients.clear();
    }
    gateway
}

/// One line of `audit export`.
#[derive(Clone)]
struct Leaf {
    chain: String,
    seq: u64,
    kind: String,
    /// As it is stored, byte for byte.
    text: String,
    line: String,
}

fn exported(gateway: &Gateway) -> Vec<Leaf> {
    let export = gateway.lattice(&["audit", "export"]);
    let leaves = export.lines().map(|line| {
        let parsed: Value = serde_json::from_str(line).unwrap();
        let text = line.split_once(r#""leaf":"#).unwrap().1;
        Leaf {
            chain: parsed["chain"].as_str().unwrap().into(),
            seq: parsed["seq"].as_u64().unwrap(),
            kind: parsed["leaf"]["kind"].as_str().unwrap().into(),
            text: text[..text.len() - 1].into(),
            line: line.into(),
        }
    });
    leaves.collect()
}

impl Leaf {
    /// The condition that picks its row.
    fn row(&self) -> String {
        format!("chain = '{}' and seq = {}", self.chain, self.seq)
    }

    /// How a finding names it.
    fn name(&self) -> String {
        format!("chain {}, leaf {}:", self.chain, self.seq)
    }

    /// Another byte at `at`; a digit stays a digit and a letter a letter, so that
    /// what is said changes and not what it is written in.
    fn altered_at(&self, at: usize) -> String {
        let mut bytes = self.text.clone().into_bytes();
        bytes[at] = match bytes[at] {
            b'9' => b'0',
            b'z' => b'a',
            b'}' => b']',
            byte => byte + 1,
        };
        String::from_utf8(bytes).unwrap()
    }
}

/// The store and what watches over it.
struct Bench<'a> {
    gateway: &'a Gateway,
    database: Database,
    tried: u32,
}

impl Bench<'_> {
    /// Changes the store, finds that verify names `leaf`, and changes it back.
    #[track_caller]
    fn finds(&mut self, what: &str, change: &str, leaf: &Leaf) {
        let saved = "create table saved_leaf as table audit_leaf; create table saved_chain as table audit_chain;";
        self.database.sql(&format!("{saved} {change}"));
        let (code, said) = self.gateway.verify();
        assert_eq!(code, 1, "{what}: {said}");
        assert!(
            said.contains(&leaf.name()),
            "{what}: {} is not named: {said}",
            leaf.name()
        );
        self.database.sql(
            "delete from audit_leaf; delete from audit_chain;
             insert into audit_chain table saved_chain; insert into audit_leaf table saved_leaf;
             drop table saved_leaf; drop table saved_chain",
        );
        self.tried += 1;
    }

    #[track_caller]
    fn is_sound(&self) {
        let (code, said) = self.gateway.verify();
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn every_change_of_the_stored_audit_is_found_and_named() {
    let gateway = recorded();
    let leaves = exported(&gateway);
    let mut bench = Bench {
        database: gateway.database(),
        gateway: &gateway,
        tried: 0,
    };
    bench.is_sound();
    each_leaf_altered(&mut bench, &leaves);
    let chain: Vec<&Leaf> = leaves
        .iter()
        .filter(|leaf| leaf.chain == leaves[0].chain)
        .collect();
    leaves_moved(&mut bench, &chain);
    ends_cut(
        &mut bench,
        chain[chain.len() - 1],
        &leaves[leaves.len() - 1],
    );
    bench.is_sound();
    println!("{} changes of the store were found", bench.tried);
}

fn each_leaf_altered(bench: &mut Bench<'_>, leaves: &[Leaf]) {
    for leaf in leaves {
        // A digit or letter in the middle, and the very ends.
        let middle = leaf.text.len() / 2
            + leaf.text[leaf.text.len() / 2..]
                .find(char::is_alphanumeric)
                .unwrap();
        let places = if leaf.chain == leaves[0].chain {
            vec![0, middle, leaf.text.len() - 1]
        } else {
            vec![middle]
        };
        for at in places {
            let change = format!(
                "update audit_leaf set leaf = $leaf${}$leaf$ where {}",
                leaf.altered_at(at),
                leaf.row()
            );
            bench.finds(&format!("byte {at} of a {} leaf", leaf.kind), &change, leaf);
        }
    }
}

fn leaves_moved(bench: &mut Bench<'_>, chain: &[&Leaf]) {
    let (middle, next) = (chain[2], chain[3]);
    bench.finds(
        "a middle leaf deleted",
        &format!("delete from audit_leaf where {}", middle.row()),
        middle,
    );
    bench.finds(
        "a first leaf deleted",
        &format!("delete from audit_leaf where {}", chain[0].row()),
        chain[0],
    );
    bench.finds("a hash changed", &hash_changed(middle), middle);
    let swap = format!(
        "update audit_leaf a set leaf = b.leaf, hash = b.hash from audit_leaf b
         where a.chain = b.chain and a.chain = '{}' and (a.seq, b.seq) in (({m}, {n}), ({n}, {m}))",
        middle.chain,
        m = middle.seq,
        n = next.seq
    );
    bench.finds("two leaves swapped", &swap, middle);
    let copied = format!(
        "update audit_leaf set (leaf, hash) = (select leaf, hash from audit_leaf where {}) where {}",
        middle.row(),
        next.row()
    );
    bench.finds("a leaf put in the place of another", &copied, next);
}

fn hash_changed(leaf: &Leaf) -> String {
    format!(
        "update audit_leaf set hash = set_byte(hash, 31, 255 - get_byte(hash, 31)) where {}",
        leaf.row()
    )
}

/// `last` ends a chain that another follows, `newest` the record as a whole.
fn ends_cut(bench: &mut Bench<'_>, last: &Leaf, newest: &Leaf) {
    bench.finds("the last hash changed", &hash_changed(newest), newest);
    let tail = |leaf: &Leaf| format!("delete from audit_leaf where {}", leaf.row());
    bench.finds("the tail of the last chain cut", &tail(newest), newest);
    let covered = format!(
        "{}; update audit_chain c set (head_seq, head_hash) =
         (select seq, hash from audit_leaf l where l.chain = c.id order by seq desc limit 1) where id = '{}'",
        tail(last), last.chain
    );
    bench.finds(
        "the tail of an earlier chain cut, and its head with it",
        &covered,
        last,
    );
    let gone = format!(
        "delete from audit_leaf where chain = '{0}'; delete from audit_chain where id = '{0}'",
        last.chain
    );
    bench.finds("an earlier chain deleted whole", &gone, last);
}

/// `lattice audit verify --file` where there is neither configuration nor database.
fn verify_file(folder: &Path, name: &str) -> (i32, String) {
    let output = Command::new(LATTICE)
        .args(["audit", "verify", "--file", name])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
    )
}

#[test]
fn every_change_of_an_export_is_found_and_named_without_a_database() {
    let gateway = recorded();
    let leaves = exported(&gateway);
    let folder = tempfile::tempdir().unwrap();
    let verify = |lines: &[String]| {
        std::fs::write(folder.path().join("audit.jsonl"), lines.join("\n") + "\n").unwrap();
        verify_file(folder.path(), "audit.jsonl")
    };
    let lines: Vec<String> = leaves.iter().map(|leaf| leaf.line.clone()).collect();
    let finds = |what: &str, lines: &[String], name: &str| {
        let (code, said) = verify(lines);
        assert_eq!(code, 1, "{what}: {said}");
        assert!(said.contains(name), "{what}: {name} is not named: {said}");
    };
    let changed = |at: usize, line: String| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines
    };
    assert_eq!(verify(&lines).0, 0);

    for (at, leaf) in leaves.iter().enumerate() {
        for member in ["kind", "at"] {
            let value = leaf.text.find(&format!(r#""{member}":""#)).unwrap() + member.len() + 4;
            let line = leaf.line.replacen(&leaf.text, &leaf.altered_at(value), 1);
            finds(
                &format!("{member} of a {} leaf", leaf.kind),
                &changed(at, line),
                &leaf.name(),
            );
        }
        let (head, hash) = leaf.line.split_once(r#""hash":""#).unwrap();
        let digit = if hash.starts_with('0') { '1' } else { '0' };
        let line = format!(r#"{head}"hash":"{digit}{}"#, &hash[1..]);
        finds("a hash", &changed(at, line), &leaf.name());
    }
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat();
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    finds("a middle line deleted", &without(2), &leaves[2].name());
    finds("two lines swapped", &swapped, &leaves[2].name());
    let last = leaves
        .iter()
        .rposition(|leaf| leaf.chain == leaves[0].chain)
        .unwrap();
    finds(
        "the tail of an earlier chain cut",
        &without(last),
        &leaves[last].name(),
    );
    finds("a line cut", &changed(4, lines[4][..50].into()), "line 5:");

    assert_eq!(verify(&lines).0, 0);
    let (code, said) = verify_file(folder.path(), "nowhere.jsonl");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("nowhere.jsonl"), "{said}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "verifying a file makes nothing beside it");
}
