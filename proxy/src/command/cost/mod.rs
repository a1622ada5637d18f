//! `lattice cost …`: how costs came about, and whether they are those of the invoice.
//! Both read the leaves of the audit one by one.

mod csv;
mod explain;
mod export;
mod leaf;
mod reconcile;

use std::path::PathBuf;

use self::leaf::Read;
use crate::cli::cost::{CostCommand, Leaves};
use crate::command::audit::{each_exported, each_leaf};
use crate::command::{CommandError, Done, with_state};

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: CostCommand) -> Done {
    match command {
        CostCommand::Explain {
            request_id,
            leaves,
            listing,
        } => {
            let found = explain::Found::of(request_id);
            let found = over(config, &leaves, found)?;
            explain::show(&found, listing.json)
        }
        CostCommand::Reconcile(options) => {
            let theirs = export::read(&options.file)?;
            let ours = reconcile::Ours::beside(theirs, options.provider.as_deref());
            let ours = over(config, &options.leaves, ours)?;
            reconcile::show(ours, &options)
        }
    }
}

/// Takes what it needs of each leaf.
trait Reader: Send + 'static {
    /// Whether the leaf may matter: asked before it is parsed.
    fn wants(&self, text: &str) -> bool;
    fn take(&mut self, leaf: Read) -> Result<(), CommandError>;
}

/// Shows every leaf to `reader`: those of an export, else those of the database.
fn over<R: Reader>(
    config: Option<PathBuf>,
    leaves: &Leaves,
    mut reader: R,
) -> Result<R, CommandError> {
    let mut failed = None;
    let mut take = |text: &str| {
        if failed.is_some() || !reader.wants(text) {
            return;
        }
        let taken = leaf::read(text).and_then(|leaf| reader.take(leaf));
        failed = taken.err();
    };
    if let Some(file) = &leaves.audit {
        each_exported(file, |text| take(text))?;
    } else {
        let mut store_failed = None;
        let took = &mut take;
        with_state(config, |_, state| async {
            let read = each_leaf(&state.store, |_, leaf| {
                took(&leaf.leaf);
                Ok(())
            });
            if let Err(error) = read.await {
                store_failed = Some(error);
            }
            (state, Ok(std::process::ExitCode::SUCCESS))
        })?;
        if let Some(error) = store_failed {
            return Err(error);
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(reader),
    }
}
