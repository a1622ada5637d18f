//! Taking tools out of a body, whatever its dialect.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Need, ToolNeeded, needs};
use crate::Facts;
use crate::json::Malformed;
use crate::json::layout::{Layout, elements};
use crate::splice::Edits;

/// The edits that take tools out of one body.
pub(crate) struct Removal<'a> {
    pub layout: Layout<'a>,
    body: &'a Bytes,
    /// What is to go, of the names on offer.
    gone: HashSet<&'a str>,
    edits: Edits,
}

/// One tool of a body.
pub(crate) struct Known {
    /// As the facts have them.
    pub names: Vec<String>,
    /// What it is called by a choice of tools.
    pub calls: Vec<String>,
}

impl From<Vec<String>> for Known {
    fn from(names: Vec<String>) -> Self {
        let calls = names.clone();
        Self { names, calls }
    }
}

/// What became of tools among which the model chooses, by what a choice calls them.
#[derive(Default)]
pub(crate) struct Found {
    /// With the name for which each went.
    taken: BTreeMap<String, String>,
    left: BTreeSet<String>,
}

/// Which tool is to be called.
pub(crate) enum Choice<'a> {
    /// None, or whichever the model likes.
    Free,
    /// Some tool.
    Any,
    /// This one, by whatever names it has.
    Named(Vec<String>),
    /// One of these, by whatever names each has.
    Allowed(Vec<(&'a RawValue, Vec<String>)>),
}

impl Found {
    /// Whether there were tools, and none is left.
    pub(crate) fn is_emptied(&self) -> bool {
        self.left.is_empty() && !self.taken.is_empty()
    }

    pub(crate) fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    pub(crate) fn leave(&mut self, calls: impl IntoIterator<Item = String>) {
        self.left.extend(calls);
    }

    /// Notes that what is called so went for its name `gone`.
    pub(crate) fn take(&mut self, calls: impl IntoIterator<Item = String>, gone: &str) {
        let taken = calls.into_iter().map(|call| (call, gone.to_owned()));
        self.taken.extend(taken);
    }

    /// The name of the tool that was taken out and that one of `calls` means.
    pub(crate) fn missing<S: AsRef<str>>(&self, calls: &[S]) -> Option<&str> {
        let calls = calls.iter().map(AsRef::as_ref);
        let mut lost = calls.filter(|call| !self.left.contains(*call));
        lost.find_map(|call| self.taken.get(call).map(String::as_str))
    }

    /// Any that was taken out.
    fn any(&self) -> &str {
        self.taken.values().next().map_or("", String::as_str)
    }
}

impl<'a> Removal<'a> {
    /// For a body of which these are the facts; `None` where it offers none of `gone`.
    pub(crate) fn of(body: &'a Bytes, facts: &'a Facts, gone: &[&str]) -> Option<Self> {
        let gone: HashSet<&str> = gone.iter().copied().collect();
        let names = facts.tools.iter().map(|tool| tool.name.as_str());
        let gone: HashSet<&'a str> = names.filter(|name| gone.contains(name)).collect();
        (!gone.is_empty()).then(|| Self {
            layout: Layout(body),
            body,
            gone,
            edits: Edits::default(),
        })
    }

    pub(crate) fn is_gone(&self, name: &str) -> bool {
        self.gone.contains(name)
    }

    /// Whether the tool goes: with any of its names.
    pub(crate) fn takes(&self, tool: Known, found: &mut Found) -> bool {
        let gone = tool.names.iter().find(|name| self.is_gone(name));
        match gone {
            Some(name) => found.take(tool.calls, name),
            None => found.leave(tool.calls),
        }
        gone.is_some()
    }

    /// Cuts out of an array of tools those that go; whether all of them go, which
    /// leaves it to the caller to cut the array itself.
    pub(crate) fn list(
        &mut self,
        tools: &'a RawValue,
        found: &mut Found,
        known: impl Fn(&RawValue) -> Known,
    ) -> bool {
        let tools = elements(tools);
        let going = tools.iter().map(|tool| self.takes(known(tool), found));
        let going: Vec<bool> = going.collect();
        let spans = self.layout.spans(&tools);
        self.cut_some(&spans, &going)
    }

    /// Cuts the siblings that are `going`, unless that is all of them; whether it is.
    pub(crate) fn cut_some(&mut self, siblings: &[Range<usize>], going: &[bool]) -> bool {
        let all = !going.is_empty() && !going.contains(&false);
        if !all {
            self.cut(siblings, going);
        }
        all
    }

    /// As [`Edits::cut`].
    pub(crate) fn cut(&mut self, siblings: &[Range<usize>], going: &[bool]) {
        self.edits.cut(siblings, going);
    }

    /// Makes the choice in `field` fit what was found; whether it goes, for there is
    /// nothing to choose.
    ///
    /// # Errors
    /// It demands what was taken out.
    pub(crate) fn choose(
        &mut self,
        field: &'static str,
        choice: Choice<'a>,
        found: &Found,
    ) -> Result<bool, ToolNeeded> {
        let emptied = found.is_emptied();
        match choice {
            Choice::Free => Ok(emptied),
            Choice::Any if emptied => Err(needs(field, Need::Any, found.any())),
            Choice::Any => Ok(false),
            Choice::Named(calls) => match found.missing(&calls) {
                Some(tool) => Err(needs(field, Need::Named, tool)),
                None if emptied => Err(needs(field, Need::Any, found.any())),
                None => Ok(false),
            },
            Choice::Allowed(tools) if tools.is_empty() => Ok(emptied),
            Choice::Allowed(tools) => {
                let missing = tools.iter().map(|(_, calls)| found.missing(calls));
                let missing: Vec<Option<&str>> = missing.collect();
                if emptied || missing.iter().all(Option::is_some) {
                    let tool = missing.iter().flatten().next();
                    let tool = tool.copied().unwrap_or_else(|| found.any());
                    return Err(needs(field, Need::Allowed, tool));
                }
                let tools: Vec<&RawValue> = tools.into_iter().map(|(tool, _)| tool).collect();
                let going: Vec<bool> = missing.iter().map(Option::is_some).collect();
                let spans = self.layout.spans(&tools);
                self.cut(&spans, &going);
                Ok(false)
            }
        }
    }

    /// The edited body, read again.
    ///
    /// # Errors
    /// Nothing is left that could be asked (the conversation is in `field`), or a tool
    /// is still there.
    pub(crate) fn read_again<T>(
        self,
        field: &'static str,
        read: impl FnOnce(Bytes) -> Result<T, Malformed>,
        facts: impl FnOnce(&T) -> &Facts,
    ) -> Result<T, ToolNeeded> {
        let any = self.gone.iter().min().copied().unwrap_or_default();
        let request = read(self.edits.apply(self.body));
        let request = request.map_err(|_| needs(field, Need::Alone, any))?;
        let mut names = facts(&request).tools.iter().map(|tool| &tool.name);
        match names.find(|name| self.gone.contains(name.as_str())) {
            None => Ok(request),
            Some(name) => Err(needs(field, Need::Entwined, name)),
        }
    }
}
