//! A departure that is not on record.

use lattice_kernel::Intended;
use lattice_kernel::proof::Constrained;

fn unrecorded<B, L>(constrained: Constrained<B, L>) -> Intended<B> {
    Intended::new(constrained)
}

fn main() {
    let _ = unrecorded::<(), ()>;
}
