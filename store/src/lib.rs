//! PostgreSQL: every line of SQL of Lattice, and the managed private cluster.
//!
//! The only crate that names sqlx. Rows come back as plain structs; money is in nano-USD
//! (1 USD = 1 000 000 000), instants are UTC.
//!
//! Deliberately not here: time (every function that needs it takes `now`), caching (the
//! governance crates remember what they were told, guided by [`Store::revision`]), retries
//! (an [`StoreError::Unavailable`] goes to the caller, who knows what can wait), and any
//! meaning of a leaf: the audit crate builds and checks chains, this one keeps their bytes.
//!
//! Start reading at [`Store::connect`]; `managed::start` gives the URL to connect to where
//! the operator has set none. The tables are in `migrations/`, with their reasons.

mod audit;
mod budgets;
mod connect;
mod error;
mod gates;
mod keys;
pub mod managed;
mod settings;
mod spend;
mod teams;

pub use audit::{ChainHead, ChainRow, Head, LeafRow, SpendDelta, StoredLeaf};
pub use budgets::{BudgetRow, BudgetSpendRow};
pub use connect::{DatabaseConfig, Schema, Store};
pub use error::StoreError;
pub use keys::{KeyRow, NewKey};
pub use spend::{Amounts, SpendRow, WindowStarts};
pub use teams::TeamRow;
