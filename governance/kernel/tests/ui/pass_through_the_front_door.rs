//! The control: the same calls by way of the pipeline do compile.

use lattice_kernel::gates::{Audit, Authorization, Constraints, Execution, Identity};
use lattice_kernel::{Arrival, Dispatch, Draft, Gates, Intended, Refusal, pipeline};

pub async fn serve<I, Z, C, A, X, R>(gates: &Gates<I, Z, C, A, X>, draft: &mut Draft, arrival: R) -> Result<X::Reply, Refusal>
where
    I: Identity,
    Z: Authorization,
    C: Constraints<Body = R::Body>,
    A: Audit,
    X: Execution<Body = R::Body>,
    R: Arrival,
{
    pipeline::govern(gates, draft, arrival).await
}

fn call(_token: &Dispatch) {}

pub fn execute<B>(intended: Intended<B>) {
    call(&intended.depart().dispatch);
}

fn main() {}
