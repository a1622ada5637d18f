//! What this node holds of one account.

use time::OffsetDateTime;

use crate::window::Bucket;

/// The slice of an account that this node has taken in a bucket, and what of it is gone.
#[derive(Debug, Clone)]
pub(crate) struct Balance {
    pub bucket: Bucket,
    /// Taken here and not given back.
    granted: i64,
    is_new: bool,
    /// Settled or held, of what was granted. More than that where calls cost more than was
    /// held for them.
    used: i64,
    /// What all nodes together had taken when it was last heard, without the part of ours
    /// that was free then.
    elsewhere: i64,
    /// How much of it may stay free.
    pub keep: i64,
    /// The last time that anything was held.
    pub touched: OffsetDateTime,
    /// Until then, nobody asks for more than there was left.
    dry_until: Option<OffsetDateTime>,
}

/// How long an answer that there is no room is believed. Room that comes free on this node
/// is seen at once.
const DRY: time::Duration = time::Duration::milliseconds(100);

impl Balance {
    pub fn new(bucket: Bucket, elsewhere: i64) -> Self {
        Self {
            bucket,
            granted: 0,
            is_new: true,
            used: 0,
            elsewhere,
            keep: 0,
            touched: bucket.starts,
            dry_until: None,
        }
    }

    /// What can be spent here without asking.
    pub fn free(&self) -> i64 {
        self.granted.saturating_sub(self.used)
    }

    /// Whether nothing was ever taken here.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// What all nodes have spent and hold, as far as it is known here.
    pub fn total(&self) -> i64 {
        self.elsewhere.saturating_add(self.used)
    }

    pub fn use_up(&mut self, amount: i64, at: OffsetDateTime) {
        self.used = self.used.saturating_add(amount);
        self.touched = self.touched.max(at);
    }

    /// Replaces what was held by what it came to.
    pub fn settle(&mut self, held: i64, spent: i64) {
        self.used = self.used.saturating_sub(held).saturating_add(spent);
    }

    /// More was granted; all nodes together have taken `taken`.
    pub fn credit(&mut self, granted: i64, taken: i64) {
        self.granted = self.granted.saturating_add(granted);
        self.elsewhere = taken.saturating_sub(self.granted);
        self.dry_until = None;
        self.is_new = false;
    }

    /// There was no room, with `taken` taken by all nodes.
    pub fn ran_dry(&mut self, taken: i64, at: OffsetDateTime) {
        self.elsewhere = taken.saturating_sub(self.granted);
        self.dry_until = Some(at + DRY);
    }

    /// Whether it was heard just now that a limit of `limit` has no room for `need` more.
    pub fn lacks(&self, need: i64, limit: i64, at: OffsetDateTime) -> bool {
        let left = limit.saturating_sub(self.granted.saturating_add(self.elsewhere));
        // A clock that jumps does not keep it dry.
        let dry = self
            .dry_until
            .is_some_and(|until| at < until && until - at <= DRY);
        dry && need > left
    }

    /// Somebody may have raised the limit; `anew`: or taken it away and set it again.
    pub fn ask_again(&mut self, anew: bool) {
        self.dry_until = None;
        self.is_new |= anew;
    }

    /// Takes what is free above `keep` out of the slice, to be given back.
    pub fn give_up(&mut self, keep: i64) -> i64 {
        let surplus = self.free().saturating_sub(keep).max(0);
        self.granted = self.granted.saturating_sub(surplus);
        surplus
    }

    /// Counts all that was used as granted; returns what had not been.
    pub fn cover(&mut self) -> i64 {
        let owed = self.used.saturating_sub(self.granted).max(0);
        self.granted = self.granted.saturating_add(owed);
        owed
    }

    /// Takes that back; `amount` is negative.
    pub fn uncover(&mut self, amount: i64) {
        self.granted = self.granted.saturating_add(amount);
    }

    /// Counts as much as granted that nobody has.
    pub fn go_without(&mut self, amount: i64) {
        self.granted = self.granted.saturating_add(amount);
    }
}
