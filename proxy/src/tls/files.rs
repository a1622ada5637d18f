//! Certificate, key and whom to trust: read, and checked as far as files can be.
//!
//! No text here repeats anything of a key's file, whatever is in it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lattice_kernel::{Clock as _, SystemClock};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{RootCertStore, ServerConfig};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::config::ConfigError;

/// The largest file that is read, in bytes. Revocation lists can be long.
const LARGEST: u64 = 16 << 20;
/// What is spoken inside. `Strict` reads HTTP/1.1 alone, so nothing else is offered.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Where the files of one listener are.
#[derive(Debug, Clone)]
pub struct Files {
    /// The key of the configuration, for messages.
    pub at: &'static str,
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// What clients must or may show; `None`: they are asked for nothing.
    pub clients: Option<ClientCertificates>,
}

/// How certificates of clients are judged.
#[derive(Debug, Clone)]
pub struct ClientCertificates {
    /// Who issues them.
    pub ca: PathBuf,
    /// Which are revoked.
    pub crl: Option<PathBuf>,
    /// Without one there is no connection.
    pub required: bool,
}

/// What a listener serves with.
pub struct Identity {
    /// For new handshakes.
    pub config: Arc<ServerConfig>,
    /// What verifies certificates of clients, there and afterwards.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
    /// From then on clients refuse the certificate.
    pub not_after: OffsetDateTime,
}

impl Files {
    /// All of them.
    pub fn paths(&self) -> Vec<PathBuf> {
        let clients = self.clients.as_ref();
        let of_clients = clients.map(|clients| [Some(clients.ca.clone()), clients.crl.clone()]);
        [Some(self.cert.clone()), Some(self.key.clone())]
            .into_iter()
            .chain(of_clients.into_iter().flatten())
            .flatten()
            .collect()
    }

    /// Reads and checks them.
    ///
    /// # Errors
    /// The first file that cannot be used, by name, and the mend.
    pub fn load(&self) -> Result<Identity, ConfigError> {
        let now = SystemClock.now();
        let chain = certificates(&self.place("cert", &self.cert))?;
        let not_after = self.check_validity(&chain[0], now)?;
        let key = key(&self.place("key", &self.key))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::invalid(self.at, error.to_string()))?;
        let clients = self.clients.as_ref();
        let clients = clients.map(|clients| self.verifier(clients, now));
        let clients = clients.transpose()?;
        let builder = match clients.clone() {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            let why = match error {
                rustls::Error::InconsistentKeys(_) => format!(
                    "{} is not the key of the certificate in {}, whose own certificate must come first; put the two that belong together there",
                    self.key.display(),
                    self.cert.display()
                ),
                // What rustls says of a key may not be repeated.
                _ => format!(
                    "{} is no key that is usable here; make one with RSA of 2048 bits or more, ECDSA on P-256 or P-384, or Ed25519",
                    self.key.display()
                ),
            };
            ConfigError::invalid(format!("{}.key", self.at), why)
        })?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        if clients.is_some() {
            // A session that is taken up again is not verified again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Identity {
            config: Arc::new(config),
            clients,
            not_after,
        })
    }

    fn place<'a>(&self, key: &str, path: &'a Path) -> Place<'a> {
        let at = format!("{}.{key}", self.at);
        Place { at, path }
    }

    /// The end of the certificate, which must be to come.
    fn check_validity(
        &self,
        der: &CertificateDer<'_>,
        now: OffsetDateTime,
    ) -> Result<OffsetDateTime, ConfigError> {
        let place = self.place("cert", &self.cert);
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|_| place.refuse("holds a certificate that cannot be read; issue it anew"))?;
        let validity = certificate.validity();
        let (from, end) = (
            validity.not_before.to_datetime(),
            validity.not_after.to_datetime(),
        );
        if end <= now {
            return Err(place.refuse(&format!(
                "holds a certificate that ended at {}; renew it",
                moment(end)
            )));
        }
        if from > now {
            return Err(place.refuse(&format!(
                "holds a certificate that is not valid before {}; wait until then, or set this machine's clock right",
                moment(from)
            )));
        }
        Ok(end)
    }

    fn verifier(
        &self,
        clients: &ClientCertificates,
        now: OffsetDateTime,
    ) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
        let ca = self.place("client_ca", &clients.ca);
        let mut roots = RootCertStore::empty();
        for root in certificates(&ca)? {
            roots.add(root).map_err(|_| {
                ca.refuse("holds a certificate that cannot be trusted as an issuer; put those of certificate authorities there")
            })?;
        }
        let provider = Arc::new(ring::default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let mut place = ca;
        if let Some(path) = &clients.crl {
            place = self.place("client_crl", path);
            // A list that is out of date says nothing: who was revoked since would pass.
            builder = builder
                .with_crls(revocations(&place, now)?)
                .enforce_revocation_expiration();
        }
        if !clients.required {
            builder = builder.allow_unauthenticated();
        }
        builder
            .build()
            .map_err(|error| place.refuse(&format!("cannot be used: {error}")))
    }
}

/// A file and the key that names it.
struct Place<'a> {
    at: String,
    path: &'a Path,
}

impl Place<'_> {
    /// `what` follows the file's name.
    fn refuse(&self, what: &str) -> ConfigError {
        ConfigError::invalid(&self.at, format!("{} {what}", self.path.display()))
    }

    fn read(&self) -> Result<Vec<u8>, ConfigError> {
        let mut bytes = Vec::new();
        let read = File::open(self.path).and_then(|file| {
            let mut file = file.take(LARGEST + 1);
            file.read_to_end(&mut bytes)
        });
        match read {
            Ok(length) if length as u64 > LARGEST => {
                Err(self.refuse("is larger than 16 MiB; it is not the file that is wanted"))
            }
            Ok(_) => Ok(bytes),
            Err(error) => Err(ConfigError::invalid(
                &self.at,
                format!(
                    "cannot read {}: {error}; correct the path, or let this user read it",
                    self.path.display()
                ),
            )),
        }
    }

    /// Every section of this kind; none is refused, and so is anything that breaks off.
    fn sections<T: PemObject>(&self, bytes: &[u8], kind: &str) -> Result<Vec<T>, ConfigError> {
        let sections: Result<Vec<T>, _> = T::pem_slice_iter(bytes).collect();
        match sections {
            Ok(sections) if !sections.is_empty() => Ok(sections),
            Ok(_) => Err(self.refuse(&format!(
                "holds no {kind}; put it there in PEM form, from `-----BEGIN` to `-----END`"
            ))),
            // The parser's own words may hold a line of the file.
            Err(_) => Err(self.refuse(&format!(
                "is damaged; put the {kind} there in PEM form, each marker on a line of its own"
            ))),
        }
    }
}

/// The certificates in a file; at least one.
fn certificates(place: &Place<'_>) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    place.sections(&place.read()?, "certificate")
}

fn key(place: &Place<'_>) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let bytes = place.read()?;
    if bytes.windows(9).any(|word| word == b"ENCRYPTED") {
        return Err(place.refuse(
            "holds an encrypted key; decrypt it with `openssl pkey`, and let nobody else read it",
        ));
    }
    let mut keys = place.sections(&bytes, "private key")?;
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        _ => Err(place.refuse("holds more than one private key; keep that of the certificate")),
    }
}

/// The lists of revoked certificates in a file; all must be of today.
fn revocations(
    place: &Place<'_>,
    now: OffsetDateTime,
) -> Result<Vec<CertificateRevocationListDer<'static>>, ConfigError> {
    let lists: Vec<CertificateRevocationListDer<'static>> =
        place.sections(&place.read()?, "revocation list")?;
    for list in &lists {
        let (_, list) = CertificateRevocationList::from_der(list)
            .map_err(|_| place.refuse("holds a revocation list that cannot be read"))?;
        let next = list.next_update().map(|next| next.to_datetime());
        if let Some(next) = next.filter(|next| *next <= now) {
            return Err(place.refuse(&format!(
                "holds a revocation list that is out of date since {}; fetch the new one",
                moment(next)
            )));
        }
    }
    Ok(lists)
}

/// A time as it is shown to people.
pub fn moment(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}
