//! Gate 4 on what gate 3 passed, without the intent in between.

use lattice_kernel::gates::Execution;
use lattice_kernel::proof::Constrained;

async fn hasty<X: Execution, L>(execution: X, constrained: Constrained<X::Body, L>) {
    execution.execute(constrained).await;
}

fn main() {
    let _ = 0;
}
