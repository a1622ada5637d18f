//! Gate 3's arithmetic: how much a request may cost at the most, and whether
//! every budget that it falls under still has room for that.
//!
//! Money is reserved before a call and settled after it ([`Ledger::reserve`],
//! [`Lease`]). For a hard budget `settled + reserved ≤ limit` holds at every
//! moment, because a request reserves the most that it can cost.
//!
//! Deliberately absent: persistence (the journal is the truth and the store
//! its copy; [`Ledger::restore`] takes what they know), prices (a target brings
//! its own) and rates per minute.
//!
//! Start reading at [`Ledger`].

mod budget;
mod estimate;
mod lease;
mod ledger;
mod window;

pub use budget::{Budget, Mode, Scope, ScopeKind};
pub use estimate::{Family, PromptSize, input_bound, tokens};
pub use lease::Hold;
pub use ledger::{BudgetState, Exhausted, Ledger, Opening};
pub use window::Window;
