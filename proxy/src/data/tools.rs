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

impl Bench<'_> {
    /// What becomes of a call; it goes on record.
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
        match pipeline::judge(&gateway.gates, draft, ask, target, &call, record) {
            gates::Ruling::Release => Ruling::Release,
            gates::Ruling::Rewrite(arguments) => Ruling::Rewrite(arguments.into()),
            gates::Ruling::Refuse(why) => Ruling::Refuse(why.into()),
        }
    }
}
