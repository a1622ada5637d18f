//! A client's certificate for as long as its connection lasts. The handshake has verified
//! it; the list of revoked ones, the authorities and the time move on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::principal::Distrust;
use lattice_kernel::{Certificate, Clock as _, SystemClock};
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use tokio::time::Instant;

use crate::tls::Acceptor;

/// How long a certificate is believed where no file has changed: its own end and that of
/// a list of revoked ones come by themselves.
const BELIEVED: Duration = Duration::from_secs(10);

/// A certificate that a client has shown.
pub struct Shown {
    certificate: Arc<Certificate>,
    /// As it came, its own first.
    chain: Vec<CertificateDer<'static>>,
    acceptor: Acceptor,
    last: Mutex<Look>,
}

/// What a look at it has shown.
#[derive(Clone, Copy)]
struct Look {
    /// Of the files that it was held against.
    edition: u64,
    at: Instant,
    found: Result<(), Distrust>,
}

impl Shown {
    /// One that a handshake of `acceptor` has verified, by this edition of its files.
    pub(super) fn new(
        certificate: Certificate,
        chain: &[CertificateDer<'_>],
        acceptor: Acceptor,
        edition: u64,
    ) -> Self {
        Self {
            certificate: Arc::new(certificate),
            chain: chain.iter().map(|one| one.clone().into_owned()).collect(),
            acceptor,
            last: Mutex::new(Look {
                edition,
                at: Instant::now(),
                found: Ok(()),
            }),
        }
    }

    /// What it says.
    pub fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    /// Whether a handshake would let it in now. It is verified anew where other files were
    /// taken over, and every few seconds.
    ///
    /// # Errors
    /// Why it would not.
    pub fn stands(&self) -> Result<(), Distrust> {
        let (edition, clients) = self.acceptor.clients();
        let mut last = self.last.lock();
        if last.edition == edition && last.at.elapsed() < BELIEVED {
            return last.found;
        }
        let now = SystemClock.now().unix_timestamp();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.unsigned_abs()));
        let found = match (self.chain.split_first(), clients) {
            (Some((own, others)), Some(clients)) => clients
                .verify_client_cert(own, others, now)
                .map(drop)
                .map_err(|error| distrust(&error)),
            // Nobody is asked for one any more.
            _ => Err(Distrust::Untrusted),
        };
        *last = Look {
            edition,
            at: Instant::now(),
            found,
        };
        found
    }
}

fn distrust(error: &Error) -> Distrust {
    match error {
        Error::InvalidCertificate(CertificateError::Revoked) => Distrust::Revoked,
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => Distrust::Expired,
        _ => Distrust::Untrusted,
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.certificate.fmt(f)
    }
}
