//! Where the gates meet the body of this gateway: gate 3 over chat requests,
//! gate 5 over the journal. The other gates need no glue.

pub mod audit;
pub mod constraints;
mod dearest;
