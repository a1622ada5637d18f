//! A token for the upstream out of thin air.

use lattice_kernel::Dispatch;

fn main() {
    let _token = Dispatch { request_id: uuid::Uuid::nil() };
}
