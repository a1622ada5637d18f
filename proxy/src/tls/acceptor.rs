//! From a connection to TLS on it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::{Clock as _, SystemClock};
use metrics::counter;
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::ConfigError;
use crate::tls::files::{Files, Identity, moment};
use crate::tls::peer;
use crate::tls::shown::Shown;
use crate::watch::{Reason, Watch};

/// How long a handshake may take, the wait for its turn included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes at once, of one listener; the others wait. Whoever has not said a word
/// does not count.
const MOST: usize = 1024;
/// How long a client may take to be told why there will be no connection.
const LAST_WORD: Duration = Duration::from_secs(1);
/// The first byte of every handshake.
const HANDSHAKE: u8 = 0x16;

/// A connection whose first byte can be looked at.
pub trait First: AsyncRead + AsyncWrite + Unpin {
    /// The first byte, which stays to be read; waits for it.
    fn first(&mut self) -> impl Future<Output = io::Result<u8>> + Send;
}

/// A connection after its handshake.
pub struct Accepted<S> {
    /// What was encrypted.
    pub stream: TlsStream<S>,
    /// The certificate that the client has shown, verified.
    pub certificate: Option<Shown>,
}

/// Makes the handshakes of one listener, with whatever its files hold.
#[derive(Clone)]
pub struct Acceptor(Arc<Inner>);

struct Inner {
    /// `clients` or `admin`: a label of metrics, and what people are told.
    listener: &'static str,
    files: Files,
    serving: RwLock<Serving>,
    turns: Semaphore,
}

struct Serving {
    config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Another one whenever files were taken over.
    edition: u64,
    not_after: OffsetDateTime,
    /// Why the files that are there now are not served with.
    refused: Option<String>,
}

impl Acceptor {
    /// An acceptor over these files, and a watch over them for [`Self::follow`].
    ///
    /// # Errors
    /// See [`Files::load`].
    pub fn open(listener: &'static str, files: &Files) -> Result<(Self, Watch), ConfigError> {
        // First of all: what changes while it is read is read again.
        let watch = Watch::new(files.paths());
        let Identity {
            config,
            clients,
            not_after,
        } = files.load()?;
        let serving = Serving {
            config,
            clients,
            edition: 0,
            not_after,
            refused: None,
        };
        let inner = Inner {
            listener,
            files: files.clone(),
            serving: RwLock::new(serving),
            turns: Semaphore::new(MOST),
        };
        Ok((Self(Arc::new(inner)), watch))
    }

    /// `clients` or `admin`.
    pub fn listener(&self) -> &'static str {
        self.0.listener
    }

    /// The handshake; `None`: there is none, and the connection is closed.
    pub async fn accept<S: First>(&self, stream: S) -> Option<Accepted<S>> {
        let (result, accepted) = match timeout(PATIENCE, self.shake_hands(stream)).await {
            Ok(Ok(accepted)) => ("done", Some(accepted)),
            Ok(Err(failed)) => {
                tracing::debug!(listener = self.0.listener, why = %failed.why, "no handshake");
                (failed.result, None)
            }
            Err(_) => ("timeout", None),
        };
        counter!("lattice_tls_handshakes_total", "listener" => self.0.listener, "result" => result)
            .increment(1);
        accepted
    }

    async fn shake_hands<S: First>(&self, mut stream: S) -> Result<Accepted<S>, Failed> {
        let failed = |result| {
            move |error: io::Error| Failed {
                result,
                why: error.to_string(),
            }
        };
        if stream.first().await.map_err(failed("failed"))? != HANDSHAKE {
            let text = "This port speaks TLS: use https:// instead of http://.\n";
            refuse(&mut stream, text).await;
            return Err(Failed {
                result: "plain",
                why: "the client does not speak TLS".into(),
            });
        }
        // Never closed.
        let turn = self.0.turns.acquire().await;
        let (config, edition) = {
            let serving = self.0.serving.read();
            (serving.config.clone(), serving.edition)
        };
        let shaken = TlsAcceptor::from(config).accept(stream).await;
        drop(turn);
        let mut stream = shaken.map_err(failed("failed"))?;
        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = shown
            .first()
            .map(|own| peer::read(own).map(|read| Shown::new(read, shown, self.clone(), edition)));
        match certificate.transpose() {
            Ok(certificate) => Ok(Accepted {
                stream,
                certificate,
            }),
            Err(why) => {
                let text = format!("Your certificate cannot be used: {why}.\n");
                refuse(&mut stream, &text).await;
                Err(Failed {
                    result: "unusable",
                    why: why.into(),
                })
            }
        }
    }

    /// Takes the files over whenever they change, and at SIGHUP.
    pub async fn follow(self, mut watch: Watch) {
        loop {
            let reason = watch.changed().await;
            let acceptor = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || acceptor.reload(reason));
            // It fails only at the end of the runtime.
            drop(reloaded.await);
        }
    }

    /// All or nothing: with files that cannot be used, the last good ones go on.
    pub(super) fn reload(&self, reason: Reason) {
        let Inner {
            listener, files, ..
        } = &*self.0;
        let result = match files.load() {
            Ok(Identity {
                config,
                clients,
                not_after,
            }) => {
                let until = moment(not_after);
                let mut serving = self.0.serving.write();
                *serving = Serving {
                    config,
                    clients,
                    edition: serving.edition + 1,
                    not_after,
                    refused: None,
                };
                drop(serving);
                tracing::info!(
                    listener,
                    ?reason,
                    until,
                    "new handshakes use the files as they are now"
                );
                "taken"
            }
            Err(error) => {
                tracing::error!(
                    listener,
                    ?reason,
                    %error,
                    "files are not taken over; the last good ones go on"
                );
                self.0.serving.write().refused = Some(error.to_string());
                "refused"
            }
        };
        counter!("lattice_tls_reloads_total", "listener" => *listener, "result" => result)
            .increment(1);
    }

    /// What certificates of clients are verified with now, and the edition of the files
    /// that it is from.
    pub(super) fn clients(&self) -> (u64, Option<Arc<dyn ClientCertVerifier>>) {
        let serving = self.0.serving.read();
        (serving.edition, serving.clients.clone())
    }

    /// Until when the certificate counts, or what is wrong with it.
    ///
    /// # Errors
    /// It has ended, or what the files hold now was refused.
    pub fn state(&self) -> Result<String, String> {
        let serving = self.0.serving.read();
        let until = moment(serving.not_after);
        if serving.not_after <= SystemClock.now() {
            return Err(format!(
                "the certificate ended at {until}; renew {}",
                self.0.files.cert.display()
            ));
        }
        match &serving.refused {
            Some(why) => Err(format!(
                "the certificate until {until} goes on, for the files were refused: {why}"
            )),
            None => Ok(format!("certificate until {until}")),
        }
    }
}

struct Failed {
    /// A label of metrics.
    result: &'static str,
    why: String,
}

/// Says why there will be no connection, to whoever understands HTTP.
async fn refuse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) {
    let length = text.len();
    let reply = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
    let said = async {
        stream.write_all(reply.as_bytes()).await?;
        stream.shutdown().await?;
        // What is not read would become a reset, which takes the answer with it.
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    };
    // A client that is gone need not hear it.
    drop(timeout(LAST_WORD, said).await);
}
