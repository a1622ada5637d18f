//! A hold on the books.

use lattice_kernel::NanoUsd;
use lattice_kernel::gates::{Lease, Spent};

use crate::books::Held;
use crate::ledger::Ledger;
use crate::limit::Amounts;

/// Amounts held for some spenders. Settling replaces them by what the call came to. A hold
/// that is dropped unsettled is given back: the request went no further than gate 3. From
/// the intent on, the kernel's record settles it in any case.
#[derive(Debug)]
pub struct Hold {
    ledger: Ledger,
    held: Vec<Held>,
    amounts: Amounts,
    reckoned: bool,
    settled: bool,
}

impl Hold {
    pub(crate) fn new(ledger: Ledger, held: Vec<Held>, amounts: Amounts) -> Self {
        Self {
            ledger,
            held,
            amounts,
            reckoned: true,
            settled: false,
        }
    }

    /// The same hold, of a request whose cost did not have to be reckoned: it does not
    /// claim to know what the call can cost.
    #[must_use]
    pub fn unreckoned(mut self) -> Self {
        self.reckoned = false;
        self
    }

    /// What is held.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        self.amounts
    }

    fn end(&mut self, spent: &Amounts) {
        if !std::mem::replace(&mut self.settled, true) {
            self.ledger.settle(&self.held, &self.amounts, spent);
        }
    }
}

impl Lease for Hold {
    fn reserved(&self) -> Option<NanoUsd> {
        self.reckoned.then_some(self.amounts.usd)
    }

    fn settle(mut self, spent: Spent) {
        self.end(&Amounts {
            usd: spent.cost,
            // What it took is not known: what was held for it bounds it.
            tokens: spent.tokens.unwrap_or(self.amounts.tokens),
            requests: self.amounts.requests,
        });
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(&Amounts::default());
    }
}
