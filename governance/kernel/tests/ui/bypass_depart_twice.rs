//! Two departures on one intent.

use lattice_kernel::Intended;

fn twice(intended: Intended<Vec<u8>>) {
    let _first = intended.depart();
    let _second = intended.depart();
}

fn main() {
    let _ = twice;
}
