//! Remote upstreams: where they are, what they charge, and the one call that a
//! governed request makes to them (gate 4).
//!
//! [`Transport`] is declared here and implemented by the binary, which alone
//! knows the HTTP stack. It asks for a [`lattice_kernel::Dispatch`], so that
//! nothing can be sent that was not identified, authorized, limited and
//! recorded before.
//!
//! What is particular to a kind of provider is in [`kinds`], a folder for each:
//! how it is asked, how its replies and errors are read, where its prices are.
//!
//! Deliberately absent: sockets and engines (behind [`Transport`]), what a dialect
//! looks like (`lattice-dialects`), and retries after a provider has seen a
//! request (the resilience milestone).
//!
//! Start reading at [`execute`].

pub mod egress;
pub mod execute;
pub mod kinds;
mod memory;
mod price;
pub mod provider;
mod transport;
mod verdict;

pub use egress::Egress;
pub use execute::{Answer, Outbound, Rejected, Remote, Reply};
pub use kinds::{Kind, Payload, Place, Prices};
pub use memory::Memory;
pub use price::{CatalogPrice, FlatPrice};
pub use provider::{Directory, Provider};
pub use transport::{Exchange, Transport, TransportError, UpstreamRequest};
