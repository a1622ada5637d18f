//! An identity that no gate has checked.

use std::sync::Arc;

use lattice_kernel::Principal;
use lattice_kernel::proof::Identified;

fn pretend(principal: Arc<Principal>) -> Identified {
    Identified { principal }
}

fn main() {
    let _ = pretend;
}
