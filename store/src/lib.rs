//! PostgreSQL: every line of SQL of Lattice, and the managed private cluster.
//!
//! The only crate that names sqlx. Rows come back as plain structs; money is in nano-USD
//! (1 USD = 1 000 000 000), instants are UTC.
//!
//! Deliberately not here: time (every function that needs it takes `now`; only how long ago
//! a gateway was heard of is the database's own, since gateways have clocks that differ), caching (the
//! governance crates remember what they were told, guided by [`Store::revision`]), retries
//! (an [`StoreError::Unavailable`] goes to the caller, who knows what can wait), and any
//! meaning of a leaf: the audit crate builds and checks chains, this one keeps their bytes.
//!
//! Start reading at [`Store::connect`]; `managed::start` gives the URL to connect to where
//! the operator has set none. The tables are in `migrations/`, with their reasons.

mod audit;
mod budgets;
mod connect;
mod directory;
mod error;
mod gates;
mod gateways;
mod holders;
mod keys;
pub mod managed;
mod roles;
mod settings;
mod slices;
mod spend;
mod teams;
mod usage;

pub use audit::{ChainHead, ChainRow, Head, LeafRow, SpendDelta, StoredLeaf};
pub use budgets::BudgetRow;
pub use connect::{DatabaseConfig, Schema, Store};
pub use directory::CertificateRow;
pub use error::StoreError;
pub use gateways::Notices;
pub use holders::{AgentRow, Owner, UserRow};
pub use keys::{KeyRow, NewKey};
pub use roles::{GrantRow, Grantee, PolicyData, RoleRow};
pub use slices::{AccountKey, Bucket, Node, Part, Released, Take, Taken};
pub use spend::{Amounts, SpendRow, WindowStarts};
pub use teams::{OrgRow, TeamRow};
pub use usage::AccountUsage;
