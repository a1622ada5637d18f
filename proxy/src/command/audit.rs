//! `lattice audit …`

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lattice_audit::{ChainHead, LeafHash, Report, Verifier, read_line, verify_export, write_line};
use lattice_store::{Head, LeafRow, Store};
use serde::Serialize;
use uuid::Uuid;

use crate::cli::AuditCommand;
use crate::command::{CommandError, Done, table, with_state};

/// Longest line of an export, in bytes: far beyond any leaf.
const LONGEST_LINE: u64 = 16 << 20;
/// Leaves that are read from the store at once.
const PAGE: u32 = 1000;

#[derive(Serialize)]
struct Verified {
    sound: bool,
    leaves: u64,
    chains: u64,
    findings: Vec<String>,
}

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: AuditCommand) -> Done {
    match command {
        AuditCommand::Verify {
            file: Some(file),
            listing,
        } => {
            let open = File::open(&file).map_err(|error| unreadable(&file, &error))?;
            let report = verify_export(BufReader::new(open), Verifier::new())?;
            conclude(&report, listing.json)
        }
        AuditCommand::Verify {
            file: None,
            listing,
        } => with_state(config, |_, state| async move {
            let done = match verify(&state.store).await {
                Ok(report) => conclude(&report, listing.json),
                Err(error) => Err(error),
            };
            (state, done)
        }),
        AuditCommand::Export { output } => with_state(config, |_, state| async move {
            let done = export(&state.store, output.as_deref()).await;
            (state, done)
        }),
    }
}

fn conclude(report: &Report, json: bool) -> Done {
    if json {
        table::print_json(&Verified {
            sound: report.is_sound(),
            leaves: report.leaves,
            chains: report.chains,
            findings: report.findings.iter().map(ToString::to_string).collect(),
        })?;
    } else {
        println!("{report}");
    }
    Ok(if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Verifies every chain of the store.
pub async fn verify(store: &Store) -> Result<Report, CommandError> {
    let mut verifier = Verifier::new();
    each_leaf(store, |chain, leaf| {
        verifier.leaf(
            chain,
            leaf.seq.unsigned_abs(),
            leaf.leaf.as_bytes(),
            &LeafHash(leaf.hash),
        );
        Ok(())
    })
    .await?
    .into_iter()
    .for_each(|head| verifier.expect(head));
    Ok(verifier.finish())
}

async fn export(store: &Store, output: Option<&Path>) -> Done {
    let mut out: BufWriter<Box<dyn Write + Send>> = BufWriter::new(match output {
        Some(path) => Box::new(File::create(path).map_err(|error| unreadable(path, &error))?),
        None => Box::new(std::io::stdout()),
    });
    each_leaf(store, |chain, leaf| {
        write_line(
            &mut out,
            chain,
            leaf.seq.unsigned_abs(),
            &LeafHash(leaf.hash),
            leaf.leaf.as_bytes(),
        )
    })
    .await?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Every leaf that the store had when this began, chain by chain; what a
/// running gateway adds meanwhile is left for the next time. Yields the heads.
pub async fn each_leaf(
    store: &Store,
    mut take: impl FnMut(Uuid, &LeafRow) -> std::io::Result<()>,
) -> Result<Vec<ChainHead>, CommandError> {
    let mut heads = Vec::new();
    for chain in store.chains().await? {
        let id = chain.chain.id;
        let Some(Head { seq: last, hash }) = chain.head else {
            continue;
        };
        heads.push(ChainHead {
            chain: id,
            seq: last.unsigned_abs(),
            hash: LeafHash(hash),
        });
        let mut from = 0;
        while from <= last {
            let page = store.leaves(id, from, PAGE).await?;
            let Some(end) = page.last().map(|leaf| leaf.seq) else {
                break;
            };
            for leaf in page.iter().filter(|leaf| leaf.seq <= last) {
                take(id, leaf)?;
            }
            from = end + 1;
        }
    }
    Ok(heads)
}

/// Every leaf of an export, in bounded memory. Its hashes are not looked at.
///
/// # Errors
/// The file cannot be read, or a line of it is none.
pub fn each_exported(path: &Path, mut take: impl FnMut(&str)) -> Result<(), CommandError> {
    let failed = |error: &std::io::Error| unreadable(path, error);
    let mut reader = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    let mut bytes = Vec::new();
    for number in 1_u64.. {
        bytes.clear();
        let mut limited = reader.by_ref().take(LONGEST_LINE);
        let read = limited.read_until(b'\n', &mut bytes);
        if read.map_err(|error| failed(&error))? == 0 {
            break;
        }
        let leaf = read_line(&bytes).ok();
        let leaf = leaf.and_then(|line| std::str::from_utf8(line.leaf()).ok());
        let leaf = leaf.ok_or_else(|| {
            CommandError::Failed(format!(
                "{}: line {number} is no leaf; see `lattice audit verify --file`",
                path.display()
            ))
        })?;
        take(leaf);
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::Failed(format!("{}: {error}", path.display()))
}
