//! Remote upstreams: where they are, what they charge, and the one call that a
//! governed request makes to them (gate 4).
//!
//! [`Transport`] is declared here and implemented by the binary, which alone
//! knows the HTTP stack. It asks for a [`lattice_kernel::Dispatch`], so that
//! nothing can be sent that was not identified, authorized, limited and
//! recorded before.
//!
//! Deliberately absent: sockets, retries and failover across targets (the
//! resilience milestone), and any dialect but OpenAI chat as it came.
//!
//! Start reading at [`execute`].

pub mod execute;
mod price;
pub mod provider;
mod transport;
mod verdict;

pub use execute::{Answer, Outbound, Remote, Reply};
pub use price::{CatalogPrice, FlatPrice};
pub use provider::{Directory, Kind, Provider};
pub use transport::{Exchange, Transport, TransportError, UpstreamRequest};
