//! Gate 2 once more: the tool calls of a reply, each judged before the caller gets it.

use std::sync::Arc;

use lattice_dialects::firewall::{Call, Ruling};
use lattice_kernel::{Ask, Draft, Record, Target, ToolCall, gates, pipeline};

use crate::gateway::Gateway;

/// What the calls of one reply are judged by, beside themselves.
pub struct Bench<'a> {
    /// Whose gates they are.
    pub gateway: &'a Gateway,
    /// Who asked, and when.
    pub draft: &'a Draft,
    /// What was asked.
    pub ask: Ask,
    /// Who answers.
    pub target: Arc<Target>,
}

/// So many calls of a reply are judged where it is read. One takes some 0.1 ms where its
/// decision is not cached, and a reply may make 1024 in one event.
const JUDGED_INLINE: u32 = 16;

impl Bench<'_> {
    /// What becomes of a call; it goes on record. From a reply that makes many, other
    /// requests get the thread meanwhile.
    pub fn ruling(&self, record: &mut Record, call: &Call<'_>) -> Ruling {
        let Self {
            gateway,
            draft,
            ask,
            target,
        } = self;
        let call = ToolCall {
            name: call.name,
            arguments: call.arguments,
            json: call.json,
        };
        let aside = record.rulings().total() >= JUDGED_INLINE && has_workers();
        let mut rule = || pipeline::judge(&gateway.gates, draft, ask, target, &call, record);
        let ruling = if aside {
            tokio::task::block_in_place(rule)
        } else {
            rule()
        };
        match ruling {
            gates::Ruling::Release => Ruling::Release,
            gates::Ruling::Rewrite(arguments) => Ruling::Rewrite(arguments.into()),
            gates::Ruling::Refuse(why) => Ruling::Refuse(why.into()),
        }
    }
}

/// Whether another thread of the runtime can take over what waits for this one.
fn has_workers() -> bool {
    let runtime = tokio::runtime::Handle::try_current();
    runtime.is_ok_and(|it| it.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread)
}
