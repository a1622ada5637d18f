//! Gate 1 as a whole: keys, tokens and certificates.
//!
//! A credential in a header is looked at first: it was sent on purpose, while a
//! certificate comes with the connection. The certificate counts where there is no
//! other credential; where every client must have one, it must be good as well. Of
//! different credentials in one head none counts: what stands before the gateway may
//! have looked at another one than it would.

use std::sync::Arc;

use lattice_kernel::gates::Identity;
use lattice_kernel::{Clock, Credential, Head, Principal, Refusal};

use crate::api_key::ApiKeys;
use crate::certificate::Certificates;
use crate::directory::Directory;
use crate::key;
use crate::refusals;
use crate::store::KeyStore;
use crate::token::{self, Tokens};

/// Every way in which a caller may show who it is.
pub struct Authenticator<S, D, C> {
    /// Keys of this gateway.
    pub keys: ApiKeys<S, C>,
    /// Tokens of OpenID providers.
    pub tokens: Arc<Tokens<D, C>>,
    /// Client certificates.
    pub certificates: Certificates<D, C>,
    /// Whether nobody passes without a certificate.
    pub certificate_required: bool,
}

impl<S: KeyStore, D: Directory, C: Clock> Authenticator<S, D, C> {
    async fn by_credential(
        &self,
        head: &Head,
        credential: &str,
    ) -> Result<Arc<Principal>, Refusal> {
        let tokens_count = self.tokens.issuers().next().is_some();
        if credential.starts_with(key::PREFIX) || !tokens_count {
            self.keys.identify(head).await
        } else if token::is_token(credential) {
            self.tokens.identify(credential).await
        } else {
            Err(refusals::unrecognisable())
        }
    }
}

impl<S: KeyStore, D: Directory, C: Clock> Identity for Authenticator<S, D, C> {
    async fn identify(&self, head: &Head) -> Result<Arc<Principal>, Refusal> {
        // Such a connection would not be made now, whatever else is sent on it.
        if let Some(why) = head.distrust {
            return Err(refusals::certificate_distrusted(why));
        }
        let certificate = head.certificate.as_deref();
        if self.certificate_required && certificate.is_none() {
            return Err(refusals::certificate_missing());
        }
        match (&head.credential, certificate) {
            (Credential::Several, _) => Err(refusals::several()),
            (Credential::One(credential), certificate) => {
                if let Some(certificate) = certificate.filter(|_| self.certificate_required) {
                    self.certificates.admit(certificate).await?;
                }
                self.by_credential(head, credential.expose()).await
            }
            (Credential::None, Some(certificate)) => self.certificates.identify(certificate).await,
            (Credential::None, None) => Err(refusals::missing()),
        }
    }
}
