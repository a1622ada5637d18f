//! The order in which events that waited pass.

use std::collections::VecDeque;

use super::Held;
use crate::sse::Event;

/// An event that waits, where each is of one call at the most.
#[derive(Debug)]
pub(super) struct Waiting<P> {
    pub event: Event,
    /// Of which call it is part, and which part.
    pub of: Option<(u64, P)>,
}

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

/// Forgets those that are this `part` of calls of which `forgets` says so: their arguments
/// will be told in one.
pub(super) fn condense<P: Copy + PartialEq>(
    queue: &mut VecDeque<Waiting<P>>,
    part: P,
    held: &mut Held,
    mut forgets: impl FnMut(u64) -> bool,
) {
    queue.retain(|waiting| {
        let of = waiting.of.filter(|(_, of)| *of == part);
        let goes = of.is_some_and(|(call, _)| forgets(call));
        if goes {
            held.free(waiting.event.raw().len());
        }
        !goes
    });
}
