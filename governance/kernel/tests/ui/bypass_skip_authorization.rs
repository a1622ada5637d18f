//! A plan that policy has not filtered.

use std::sync::Arc;

use lattice_kernel::gates::Verdict;
use lattice_kernel::proof::Authorized;
use lattice_kernel::{Ask, Plan, Principal};

fn skip(principal: Arc<Principal>, ask: Ask, plan: Plan, verdict: Verdict) -> Authorized<()> {
    Authorized { principal, ask, plan, verdict, body: (), dropped: vec![] }
}

fn main() {
    let _ = skip;
}
