//! The tools on offer: how policy knows them, and a request without some of them.

mod needed;
mod offered;
mod removal;

pub use needed::ToolNeeded;
pub(crate) use needed::{Need, needs};
pub use offered::Offer;
pub(crate) use offered::Offered;
pub(crate) use removal::{Choice, Found, Known, Removal};
