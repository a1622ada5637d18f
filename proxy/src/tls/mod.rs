//! TLS of the listeners: `files` reads and checks what an operator provides, `acceptor`
//! makes connections of handshakes and takes changed files over, `peer` reads what a
//! client has shown, and `shown` looks whether that still counts. Both listeners use it; HTTP begins above it.

mod acceptor;
mod admin;
mod files;
mod peer;
mod shown;

pub use acceptor::{Accepted, Acceptor, First};
pub use admin::Handshakes;
pub use files::{ClientCertificates, Files, moment};
pub use shown::Shown;

#[cfg(test)]
mod tests;
