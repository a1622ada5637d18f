//! One decision, on its way into the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::gates::Decision;
use regorus::Value as Rego;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::mask::{Mask, Masked};
use crate::current::Source;
use crate::decision::{self, EvaluationError};
use crate::set::PolicySet;

/// A rule of the set, under the names of OPA: what it wants masked.
const MASK: &str = "data.system.log.mask";
const MASK_PACKAGE: &str = "data.system.log";
const PATH: &str = "lattice/authz/decision";
/// What an event weighs beside its input, bytes.
const OVERHEAD: usize = 4096;

/// One decision, with what it was about.
pub struct Event {
    pub(crate) set: Arc<PolicySet>,
    pub(crate) at: OffsetDateTime,
    pub(crate) id: Uuid,
    /// Of the event that tells how the decision was made, where it was kept.
    pub(crate) original: Option<Uuid>,
    /// `None` where it could not be put to the set.
    pub(crate) input: Option<Rego>,
    pub(crate) answer: Result<Arc<Decision>, EvaluationError>,
    pub(crate) source: Source,
    pub(crate) took: Duration,
    pub(crate) requested_by: Option<IpAddr>,
    /// Who put the question: `authorization` or `authzen`.
    pub(crate) gate: &'static str,
    /// Bytes of the input's texts, roughly.
    pub(crate) texts: usize,
}

impl Event {
    /// Bytes of memory that it holds, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.texts + OVERHEAD
    }

    /// The event as JSON, masked: first by `mask`, then by what the set's
    /// `data.system.log.mask` says of what that left. Where that rule fails, nothing of
    /// the input stays, nor of what the policy said about it.
    #[must_use]
    pub fn masked(&self, mask: &Mask) -> Value {
        let mut masked = Masked::new(self.open());
        masked.apply(mask);
        if self.set.has_package(MASK_PACKAGE) {
            let wanted = self.set.ask(MASK, Rego::from(masked.event().clone()));
            let applied = wanted.is_ok_and(|wanted| masked.apply_rule(&wanted));
            if !applied {
                masked.erase_all();
            }
        }
        masked.finish()
    }

    /// The event with nothing masked. Members are in OPA's order.
    fn open(&self) -> Value {
        let mut event = Map::new();
        let mut put = |name: &str, value| event.insert(name.to_owned(), value);
        put("decision_id", self.id.to_string().into());
        let revision = &**self.set.revision();
        put("bundles", json!({"lattice": {"revision": revision}}));
        put("path", PATH.into());
        if let Some(input) = &self.input {
            // What cannot be said is left out, and that it was is said.
            put("input", serde_json::to_value(input).unwrap_or_default());
        }
        match &self.answer {
            Ok(decision) => put("result", decision::write(decision)),
            Err(error) => put("error", json!({"code": error.code()})),
        };
        if let Some(source) = self.requested_by {
            put("requested_by", source.to_canonical().to_string().into());
        }
        put(
            "timestamp",
            self.at.format(&Rfc3339).unwrap_or_default().into(),
        );
        let nanoseconds = u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX);
        put("metrics", json!({"timer_server_handler_ns": nanoseconds}));
        let mut lattice = json!({
            "cache": self.source.as_str(),
            "data_revision": self.set.store_revision(),
            "gate": self.gate,
        });
        if let Some(original) = self.original {
            lattice["decided_as"] = original.to_string().into();
        }
        put("lattice", lattice);
        event.into()
    }
}
