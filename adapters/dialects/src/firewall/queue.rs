//! The order in which events that waited pass.

use std::collections::VecDeque;

/// How much of an event is of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    All,
    /// It is of others too.
    Some,
    None,
}

/// Takes the first event out, and with it what else there is of the same call, up to an
/// event that it shares with others: the pieces of parallel calls may alternate, and
/// clients do best with one after the other.
pub(super) fn take<T>(queue: &mut VecDeque<T>, share: impl Fn(&T) -> Share) -> Vec<T> {
    let Some(first) = queue.pop_front() else {
        return Vec::new();
    };
    let mut shared = share(&first) != Share::All;
    let mut taken = vec![first];
    let mut rest = VecDeque::new();
    for event in std::mem::take(queue) {
        match share(&event) {
            Share::All if !shared => taken.push(event),
            told => {
                shared |= told == Share::Some;
                rest.push_back(event);
            }
        }
    }
    *queue = rest;
    taken
}
