//! Gate 3's arithmetic: how much a request may cost at the most, and whether
//! every budget that it falls under still has room for that.
//!
//! What a request can take is reserved before the call and settled after it
//! ([`Ledger::reserve`], [`Hold`]). A node spends from memory what it has taken of the
//! books that all nodes share ([`Bank`]): a slice of each limit at a time. For a hard limit
//! `settled + reserved ≤ limit` holds at every moment, over all nodes, because no more is
//! ever handed out, and a request reserves the most that it can take.
//!
//! Deliberately absent: the shared books themselves (the store's), persistence (the journal
//! is the truth of what was spent) and prices (a target brings its own).
//!
//! Start reading at [`Ledger::reserve`].

mod balance;
mod books;
mod estimate;
mod lease;
mod ledger;
mod limit;
mod sync;
#[cfg(test)]
mod tests;
mod window;

pub use books::{Applying, Exhausted, Return, Short, Wanted};
pub use estimate::{Family, PromptSize, input_bound, tokens};
pub use lease::Hold;
pub use ledger::{Bank, LIFE, Ledger, NoRoom, Reserved, Taken};
pub use limit::{Account, Amounts, Limit, Mode, Scope, ScopeKind, Unit, model_id};
pub use window::{Bucket, Period, Window};
