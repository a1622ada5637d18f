//! Gate 1: from a credential to the principal behind it.
//!
//! There are three: keys of this gateway, tokens of OpenID providers, and client
//! certificates. A key is looked up by its HMAC under the pepper, never by its text, so
//! neither the database nor a query ever sees one. What the store has confirmed
//! is kept in memory until the store's revision rises, and outlives an outage of
//! the store for a stated time.
//!
//! Deliberately absent: SQL (the store crate implements [`KeyStore`] and
//! [`Directory`]), HTTP (whoever verifies tokens brings a [`token::Fetch`]), TLS,
//! reading the pepper's file, and what a principal may do (gate 2; [`role`] only
//! sees to it that a stored role has the form that gate 2 reads).
//!
//! Start reading at [`authenticator`]; who stands behind a token or a certificate is
//! in [`directory`].

pub mod api_key;
pub mod authenticator;
pub mod certificate;
pub mod directory;
pub mod key;
pub mod pepper;
mod recall;
mod refusals;
mod remembered;
pub mod role;
pub mod store;
pub mod token;

pub use api_key::ApiKeys;
pub use authenticator::Authenticator;
pub use certificate::Certificates;
pub use directory::{Directory, Handle, Holder, Team};
pub use key::LatticeKey;
pub use pepper::{Pepper, PepperTooShort};
pub use recall::Freshness;
pub use remembered::Remembered;
pub use role::{BadRole, Permissions};
pub use store::{KeyRow, KeyStore, StoreFailure};
pub use token::Tokens;
