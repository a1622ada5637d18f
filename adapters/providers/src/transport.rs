//! What the data path must offer to gate 4.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use lattice_kernel::call::Target;
use lattice_kernel::{Dispatch, Refusal};
use uuid::Uuid;

use crate::execute::Outbound;
use crate::kinds::Payload;
use crate::provider::Provider;

/// Opens exchanges with providers.
pub trait Transport: Send + Sync + 'static {
    /// A running exchange.
    type Exchange: Exchange;

    /// Sends `request` to `provider` and waits for the head of its reply, within the
    /// provider's limits for the connection and for the first byte. Its other limits
    /// are seen to by whoever asks.
    ///
    /// # Errors
    /// See [`TransportError`]; only [`TransportError::Unreached`],
    /// [`TransportError::Forbidden`] and [`TransportError::Refused`] promise that the
    /// provider has seen nothing.
    fn open(
        &self,
        dispatch: &Dispatch,
        provider: &Provider,
        request: UpstreamRequest,
    ) -> impl Future<Output = Result<Self::Exchange, TransportError>> + Send;
}

/// A reply whose head has arrived. Dropping it cancels the upstream.
pub trait Exchange: Send + 'static {
    /// The status.
    fn status(&self) -> u16;
    /// The headers.
    fn headers(&self) -> &HeaderMap;
    /// The next bytes of the body; `None` at its end. Safe to drop at any await.
    ///
    /// # Errors
    /// The upstream died, or the body is not framed as its head promised.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, TransportError>> + Send;
    /// Gives a connection whose body has ended back to the pool.
    fn finish(self) -> impl Future<Output = ()> + Send;
    /// What was changed or dropped on the way, for `x-lattice-noted`.
    fn noted(&self) -> &[Box<str>] {
        &[]
    }
}

/// A request to a provider.
#[derive(Debug)]
pub struct UpstreamRequest {
    /// What is sent.
    pub payload: Payload,
    /// The caller's request, for an engine in this process.
    pub body: Arc<Outbound>,
    /// The model there.
    pub target: Arc<Target>,
    /// The caller's key: what an engine keeps of one is never used for another.
    pub scope: Uuid,
}

/// Why an exchange failed.
#[derive(Debug)]
pub enum TransportError {
    /// No connection came about: the provider has seen nothing.
    Unreached(String),
    /// The provider's address may not be dialled: says which, why and the mend.
    Forbidden(String),
    /// An engine in this process did not take the request.
    Refused(Refusal),
    /// The provider kept silent for too long.
    TimedOut(String),
    /// The connection broke, or the reply is not HTTP.
    Broken(String),
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreached(why) => write!(f, "no connection: {why}"),
            Self::Forbidden(why) => write!(f, "not dialled: {why}"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::TimedOut(why) => write!(f, "timed out: {why}"),
            Self::Broken(why) => write!(f, "broken: {why}"),
        }
    }
}

impl std::error::Error for TransportError {}
