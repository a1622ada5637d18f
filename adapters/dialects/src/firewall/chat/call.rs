//! The calls of one choice: which pieces make one up, and what has been decided.

use super::wire::{Piece, Slot};
use crate::firewall::ask::{self, Decision};
use crate::firewall::{Fault, Held, Judge};
use crate::openai::chat::Braces;

/// A call, by its choice and its place among the calls of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub choice: u64,
    pub call: usize,
}

/// The calls of a choice, in the order of their first pieces.
#[derive(Debug, Default)]
pub(super) struct Choice {
    calls: Vec<Call>,
    /// The number of the next call that is released.
    next: u64,
}

#[derive(Debug)]
pub(super) struct Call {
    /// What the server numbers it; `None`: it does not.
    number: Option<u64>,
    legacy: bool,
    custom: bool,
    id: String,
    name: String,
    arguments: String,
    braces: Braces,
    /// Whether the arguments can be no object.
    garbled: bool,
    /// The pieces are too many to be passed on one by one.
    pub condensed: bool,
    pub decision: Option<Decision>,
    /// What the client is told as its number, once it has been told.
    pub told: Option<u64>,
    /// Whether what was decided has been said: the other arguments, or the refusal.
    pub said: bool,
}

impl Choice {
    pub(super) fn is_open(&self) -> bool {
        self.calls.iter().any(|call| call.decision.is_none())
    }

    pub(super) fn waits(&self, call: usize) -> bool {
        let call = self.calls.get(call);
        call.is_some_and(|call| call.decision.is_none())
    }

    pub(super) fn is_condensed(&self, call: usize) -> bool {
        self.calls.get(call).is_some_and(|call| call.condensed)
    }

    pub(super) fn call(&mut self, at: usize) -> Option<&mut Call> {
        self.calls.get_mut(at)
    }

    /// Whether calls were made, and all of them refused.
    pub(super) fn none_left(&self) -> bool {
        let refused = |call: &Call| matches!(call.decision, Some(Decision::Refused(_)));
        !self.calls.is_empty() && self.calls.iter().all(refused)
    }

    /// Takes a piece to its call: which one, and whether it is a new one.
    pub(super) fn take(
        &mut self,
        piece: &Piece<'_>,
        held: &mut Held,
        judge: Judge<'_>,
    ) -> Result<(usize, bool), Fault> {
        let found = self.find(piece);
        let at = found.unwrap_or_else(|| {
            self.calls.push(Call::new(piece));
            self.calls.len() - 1
        });
        self.calls[at].take(piece, held, judge)?;
        Ok((at, found.is_none()))
    }

    /// Servers have been seen that number all calls alike, or not at all.
    fn find(&self, piece: &Piece<'_>) -> Option<usize> {
        let id = piece.id.as_deref();
        let at = self.calls.iter().rposition(|call| match piece.slot {
            Slot::Legacy => call.legacy,
            Slot::Index(number, _) => !call.legacy && call.number == Some(number),
            Slot::Unnumbered => {
                !call.legacy && call.number.is_none() && id.is_none_or(|id| call.id == id)
            }
        })?;
        let call = &self.calls[at];
        let another = match (piece.slot, id) {
            (Slot::Legacy, _) => false,
            (_, Some(id)) => !call.id.is_empty() && call.id != id,
            (Slot::Unnumbered, None) => piece.name.is_some(),
            (_, None) => piece.name.is_some() && call.decision.is_some(),
        };
        (!another).then_some(at)
    }

    /// The choice has finished, and so have its calls.
    pub(super) fn conclude(&mut self, held: &mut Held, judge: Judge<'_>) {
        for call in &mut self.calls {
            if call.decision.is_none() {
                call.decide(held, judge);
            }
        }
    }

    /// What the client is told as the number of a call that is released, in the order
    /// in which they are: the server's own, unless it has been told before or a call
    /// was refused.
    pub(super) fn number(&mut self, at: usize) -> Option<u64> {
        let call = self.calls.get(at)?;
        let theirs = call.number?;
        if call.told.is_some() {
            return call.told;
        }
        let refused = |call: &Call| matches!(call.decision, Some(Decision::Refused(_)));
        let shifted = self.calls[..at].iter().any(refused) || theirs < self.next;
        let number = if shifted { self.next } else { theirs };
        self.next = number.saturating_add(1);
        self.calls[at].told = Some(number);
        Some(number)
    }
}

impl Call {
    fn new(piece: &Piece<'_>) -> Self {
        Self {
            number: match piece.slot {
                Slot::Index(number, _) => Some(number),
                Slot::Unnumbered | Slot::Legacy => None,
            },
            legacy: piece.slot == Slot::Legacy,
            custom: piece.custom,
            id: String::new(),
            name: String::new(),
            arguments: String::new(),
            braces: Braces::default(),
            garbled: false,
            condensed: false,
            decision: None,
            told: None,
            said: false,
        }
    }

    fn take(&mut self, piece: &Piece<'_>, held: &mut Held, judge: Judge<'_>) -> Result<(), Fault> {
        if let Some(id) = piece.id.as_deref().filter(|_| self.id.is_empty()) {
            held.add(id.len())?;
            self.id = id.to_owned();
        }
        if let Some(name) = piece.name.as_deref() {
            // Some clients join names, others take the last.
            if !self.name.is_empty() && self.name != name {
                return Err(Fault::Unreadable("a call has two names"));
            }
            if self.name.is_empty() && self.decision.is_some() {
                return Err(Fault::Unreadable("a call is named after its end"));
            }
            if self.name.is_empty() {
                held.add(name.len())?;
                self.name = name.to_owned();
            }
        }
        if piece.function.is_some() && piece.custom != self.custom {
            if !self.arguments.is_empty() || self.decision.is_some() {
                return Err(Fault::Unreadable("a call is of two kinds"));
            }
            self.custom = piece.custom;
        }
        if self.decision.is_some() {
            return self.goes_on(piece);
        }
        held.add(piece.arguments.len())?;
        self.arguments.push_str(&piece.arguments);
        self.garbled |= self.braces.push(&piece.arguments).is_err();
        if !self.custom && !self.garbled && self.braces.complete() && !self.name.is_empty() {
            self.decide(held, judge);
        }
        Ok(())
    }

    /// What comes after a call is complete can only be nothing.
    fn goes_on(&self, piece: &Piece<'_>) -> Result<(), Fault> {
        let refused = matches!(self.decision, Some(Decision::Refused(_)));
        if refused || piece.arguments.trim().is_empty() {
            return Ok(());
        }
        Err(Fault::Unreadable("a call goes on after its end"))
    }

    fn decide(&mut self, held: &mut Held, judge: Judge<'_>) {
        let arguments = std::mem::take(&mut self.arguments);
        held.free(arguments.len());
        let decide = if self.custom {
            ask::custom
        } else {
            ask::function
        };
        self.decision = Some(match decide(&self.name, &arguments, judge) {
            Decision::Released if self.condensed => Decision::Rewritten(arguments),
            decision => decision,
        });
    }
}
