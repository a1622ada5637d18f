//! The numbers of events.

use crate::firewall::Fault;
use crate::firewall::document::Object;

/// They are the server's until an event passes another, or is replaced by more or fewer.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Of the event that is being read, and at the end of the last that was.
    last: Option<u64>,
    /// Of the next event that is told; `None`: as the server says.
    next: Option<u64>,
}

impl Numbers {
    pub(super) fn are_ours(&self) -> bool {
        self.next.is_some()
    }

    /// The event that is read now.
    pub(super) fn seen(&mut self, root: &Object<'_>) -> Result<(), Fault> {
        let number = root.get("sequence_number")?;
        self.last = number.and_then(|number| number.parse().ok());
        Ok(())
    }

    /// The event that is read now is the first to wait.
    pub(super) fn hold(&mut self) {
        if self.next.is_none() {
            self.next = self.last;
        }
    }

    /// The event that was read has been told, and nothing waits.
    pub(super) fn rest(&mut self) {
        let follows = self.last.and_then(|last| last.checked_add(1));
        if self.next == follows {
            self.next = None;
        }
    }

    /// The number of the event that is told now; `None`: its own, or none.
    pub(super) fn take(&mut self) -> Option<u64> {
        let next = self.next?;
        self.next = next.checked_add(1);
        Some(next)
    }
}
