//! kill -9 takes nothing that was acknowledged.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lattice_audit::leaf::{Intent, Named, Policy};
use lattice_audit::{Entry, Journal, Options, Recovered, Timestamp};
use uuid::Uuid;

const NAME: &str = "kill_9_takes_nothing_that_was_acknowledged";
const CHILD: &str = "LATTICE_AUDIT_CRASH_CHILD";
const ROUNDS: u64 = 20;

fn open(dir: &Path) -> (Journal, Recovered) {
    let clock = Arc::new(|| Timestamp::from_micros(1_763_812_345_000_000));
    Journal::open(
        dir,
        Options {
            segment_bytes: 16 << 10,
            ..Options::new("test", clock)
        },
    )
    .unwrap()
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
        targets: &[],
        stream: true,
        input_tokens_bound: Some(12),
        output_cap: None,
        reserved_nano_usd: Some(900),
        reserved_tokens: None,
        policy: Policy {
            revision: "r1",
            cached: false,
        },
        noted: &[],
    }
    .entry()
}

/// Appends from eight tasks and prints what is acknowledged, until it is killed.
fn append_forever(dir: &Path) {
    let (journal, _) = open(dir);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..8_u128)
        .map(|task| {
            let journal = journal.clone();
            runtime.spawn(async move {
                for call in 1.. {
                    let mut room = journal.reserve(2).unwrap();
                    let entry = intent(task << 32 | call);
                    let position = room.commit(entry).await.unwrap().unwrap();
                    writeln!(std::io::stdout().lock(), "acked {}", position.seq).unwrap();
                }
            })
        })
        .collect();
    tasks
        .into_iter()
        .for_each(|task| runtime.block_on(task).unwrap());
}

#[test]
fn kill_9_takes_nothing_that_was_acknowledged() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return append_forever(Path::new(&dir));
    }
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .filter_map(|line| line.split_once("acked ")?.1.parse().ok())
                .collect::<Vec<u64>>()
        });
        std::thread::sleep(Duration::from_millis(50 + 13 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = reader.join().unwrap();

        let (_, recovered) = open(dir.path());
        let kept: Vec<u64> = recovered
            .open_intents
            .iter()
            .map(|open| open.position.seq)
            .collect();
        let lost: Vec<_> = acknowledged
            .iter()
            .filter(|seq| !kept.contains(seq))
            .collect();
        assert!(
            lost.is_empty(),
            "round {round}: lost {lost:?} of {}",
            acknowledged.len()
        );
        if round == ROUNDS - 1 {
            assert!(
                acknowledged.len() > 10,
                "the child was killed before it did anything"
            );
        }
    }
}
