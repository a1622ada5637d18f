//! Gate 4: a target that answers at once.

use lattice_kernel::gates::Execution;
use lattice_kernel::{Ending, Intended, Outcome, Usage};

use crate::request::Body;

/// Reports some usage and is done.
pub struct Answer;

impl Execution for Answer {
    type Body = Body;
    type Reply = Outcome;

    async fn execute(&self, intended: Intended<Body>) -> Outcome {
        let departure = intended.depart();
        let mut record = departure.record;
        if let Some(target) = departure.plan.targets().first() {
            record.attempt(target.clone());
        }
        record.answered(200);
        record.used(Usage {
            input: 100,
            output: 200,
            ..Usage::default()
        });
        record.close(Ending::Finished)
    }
}
