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
//! Who is asked first, what a failure means for the next target, and when one is
//! left alone is in `attempts` and [`resilience`].
//!
//! Deliberately absent: sockets and engines (behind [`Transport`]), what a dialect
//! looks like (`lattice-dialects`), and anything that goes on behind a client's
//! back once the first byte of a reply has been passed on.
//!
//! Start reading at [`execute`].

mod attempts;
pub mod egress;
pub mod execute;
pub mod kinds;
mod memory;
pub mod price;
pub mod provider;
pub mod resilience;
mod transport;
mod usage;
mod verdict;

pub use egress::Egress;
pub use execute::{Answer, Asked, Outbound, Rejected, Remote, Reply};
pub use kinds::{Forwarded, Kind, Payload, Place, Prices, Reads};
pub use memory::Memory;
pub use price::{FlatPrice, PriceBook, PriceFileError};
pub use provider::{Directory, Provider, Timeouts};
pub use resilience::{Bounded, Condition, Health};
pub use transport::{Exchange, Transport, TransportError, UpstreamRequest};
pub use usage::used;
