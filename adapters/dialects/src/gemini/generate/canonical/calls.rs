//! Which call a result is of. Calls hardly ever have an id there; results are told
//! apart by the names of their functions, and by their order.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use crate::gemini::generate::MADE_ID;

/// The calls so far.
#[derive(Default)]
pub(super) struct Calls<'a> {
    made: usize,
    ids: HashSet<Cow<'a, str>>,
    answered: HashSet<Cow<'a, str>>,
    /// Of each function, those that may wait for an answer.
    waiting: HashMap<Cow<'a, str>, VecDeque<Cow<'a, str>>>,
}

impl<'a> Calls<'a> {
    /// A call; what it is named in its result. A made id is the same on every turn
    /// of a conversation, since it says only where the call stands in it.
    pub(super) fn call(
        &mut self,
        id: Option<Cow<'a, str>>,
        function: &Cow<'a, str>,
    ) -> Cow<'a, str> {
        let place = self.made;
        self.made += 1;
        let id = id.unwrap_or_else(|| {
            let mut made = format!("{MADE_ID}{place}_{function}");
            while self.ids.contains(&*made) {
                made.push('_');
            }
            made.into()
        });
        self.ids.insert(id.clone());
        let waiting = self.waiting.entry(function.clone()).or_default();
        waiting.push_back(id.clone());
        id
    }

    /// The call that a result with this id is of, or else the first of its function
    /// that waits for one.
    pub(super) fn answer(
        &mut self,
        id: Option<Cow<'a, str>>,
        function: &str,
    ) -> Option<Cow<'a, str>> {
        if let Some(id) = id.filter(|id| self.ids.contains(id)) {
            self.answered.insert(id.clone());
            return Some(id);
        }
        let waiting = self.waiting.get_mut(function)?;
        loop {
            let id = waiting.pop_front()?;
            if self.answered.insert(id.clone()) {
                return Some(id);
            }
        }
    }
}
