//! The price book in force: read at the start, and again whenever its file has changed or
//! SIGHUP has come. A file that cannot be used is refused whole, and the last good one
//! keeps serving. Requests under way keep the prices with which they began: they are in
//! their plans.

use std::path::Path;
use std::sync::Arc;

use lattice_providers::{PriceBook, PriceFileError};
use metrics::counter;

use crate::gateway::Gateway;
use crate::watch::{Reason, Watch};

/// Beyond every list of prices; the one that is built in is a tenth of it.
const LARGEST: u64 = 16 << 20;

/// Why there are no prices.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(std::io::Error),
    /// It is larger than any list of prices.
    #[error("it is larger than {} MiB, which no list of prices is", LARGEST >> 20)]
    TooLarge,
    /// What it holds cannot be used.
    #[error(transparent)]
    Unusable(#[from] PriceFileError),
}

/// The book of that file, over what is built in.
///
/// # Errors
/// See [`PricesError`].
pub fn read(file: Option<&Path>) -> Result<PriceBook, PricesError> {
    let Some(path) = file else {
        return Ok(PriceBook::built_in());
    };
    let unreadable = PricesError::Unreadable;
    if path.metadata().map_err(unreadable)?.len() > LARGEST {
        return Err(PricesError::TooLarge);
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(PriceBook::read(&name, &text)?)
}

/// Takes the file over whenever it changes, and at SIGHUP.
pub async fn follow(gateway: Arc<Gateway>, mut watch: Watch) {
    loop {
        if let Reason::Hangup = watch.changed().await {
            tracing::info!("SIGHUP: the price file is read again");
        }
        let gateway = gateway.clone();
        let reload = move || take_over(&gateway);
        if let Err(error) = tokio::task::spawn_blocking(reload).await {
            tracing::error!(%error, "the price file was not read again");
        }
    }
}

fn take_over(gateway: &Gateway) {
    let file = gateway.prices.as_deref();
    let path = file.unwrap_or(Path::new("")).display();
    let result = match read(file) {
        Ok(book) => {
            let before = gateway.catalog.now();
            let after = book.version().unwrap_or_default().to_owned();
            if before.prices() == Some(&*after) {
                tracing::info!(version = after, "the prices are as they were");
                return;
            }
            gateway.catalog.reprice(book);
            tracing::info!(
                version = after,
                before = before.prices(),
                "other prices are in force"
            );
            "taken"
        }
        Err(error) => {
            let serving = gateway.catalog.now();
            let version = serving.prices();
            tracing::error!(%error, file = %path, version, "the new price file is refused; the last good one keeps serving");
            "refused"
        }
    };
    counter!("lattice_price_reloads_total", "result" => result).increment(1);
}
