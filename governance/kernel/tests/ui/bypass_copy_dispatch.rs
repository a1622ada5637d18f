//! A second call on the token of the first.

use lattice_kernel::Dispatch;

fn keep(token: &Dispatch) -> Dispatch {
    token.clone()
}

fn main() {
    let _ = keep;
}
