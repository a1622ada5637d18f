//! A hold on the books.

use lattice_kernel::NanoUsd;
use lattice_kernel::gates::Lease;

use crate::ledger::{Held, Ledger};

/// An amount held for some spenders. Settling replaces it by the true cost. A
/// hold that is dropped unsettled is given back: the request went no further
/// than gate 3. From the intent on, the kernel's record settles it in any case.
#[derive(Debug)]
pub struct Hold {
    ledger: Ledger,
    held: Vec<Held>,
    amount: NanoUsd,
    reckoned: bool,
    settled: bool,
}

impl Hold {
    pub(crate) fn new(ledger: Ledger, held: Vec<Held>, amount: NanoUsd) -> Self {
        Self {
            ledger,
            held,
            amount,
            reckoned: true,
            settled: false,
        }
    }

    /// The same hold, of a request for which nothing had to be reckoned: it
    /// does not claim to know what the call can cost.
    #[must_use]
    pub fn unreckoned(mut self) -> Self {
        self.reckoned = false;
        self
    }

    fn end(&mut self, cost: NanoUsd) {
        if !std::mem::replace(&mut self.settled, true) {
            self.ledger.settle(&self.held, self.amount, cost);
        }
    }
}

impl Lease for Hold {
    fn reserved(&self) -> Option<NanoUsd> {
        self.reckoned.then_some(self.amount)
    }

    fn settle(mut self, cost: NanoUsd) {
        self.end(cost);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(NanoUsd::ZERO);
    }
}
