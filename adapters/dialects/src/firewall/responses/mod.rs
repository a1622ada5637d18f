//! Calls in Responses: items of the output that the caller is to run.
//!
//! Clients add items up in the order in which they begin, so what begins after a call
//! that is held waits too; items that had begun before go on. A call is decided with the
//! event that ends its item, which says all of it again, as does the one that ends the
//! response. A refused item becomes a message in the same place: no index changes, but
//! events are numbered, and those after it are numbered anew.

mod item;
mod number;
mod written;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::ask::Decision;
use super::document::{self, Document, Object};
use super::queue::{self, Share, Waiting};
use super::{CONDENSED_AT, Fault, Held, Judge, MAX_CALLS, Machine, read};
use crate::splice::Edits;
use crate::sse::Event;
use item::{Asked, Kind};
use number::Numbers;
use written::Teller;

#[derive(Debug, Default)]
pub(super) struct Responses {
    /// By the places of their items in the output.
    calls: BTreeMap<u64, Item>,
    /// Other items that began while a call was held.
    waiting: BTreeSet<u64>,
    queue: VecDeque<Waiting<Part>>,
    held: Held,
    numbers: Numbers,
}

/// An item that is a call.
#[derive(Debug)]
struct Item {
    asked: Asked,
    /// The arguments that it began with; `None`: it was not announced.
    begun: Option<String>,
    /// What its pieces say of the arguments.
    pieces: String,
    /// The pieces are too many to be passed on one by one.
    condensed: bool,
    decision: Option<Decision>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Added,
    /// A piece of it, or of something else that is said of it.
    Piece,
    /// The arguments, said again.
    Whole,
    Done,
}

impl Machine for Responses {
    fn is_busy(&self) -> bool {
        !self.queue.is_empty() || self.numbers.are_ours()
    }

    fn event(
        &mut self,
        event: &Event,
        suspect: bool,
        judge: Judge<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault> {
        let Some(document) = read(event, suspect)? else {
            out.push(event.raw().clone());
            return Ok(());
        };
        let root = document.root()?;
        let kind = root.text("type")?.unwrap_or_default();
        let named = event.name().is_some_and(|name| name != kind.as_bytes());
        if named || (kind.is_empty() && suspect) {
            return Err(Fault::Unreadable("an event has two types, or none"));
        }
        self.numbers.seen(&root)?;
        if let Some(response) = root.get("response")? {
            let ends = !matches!(
                &*kind,
                "response.created" | "response.in_progress" | "response.queued"
            );
            return self.response(event, &document, response, ends, judge, out);
        }
        self.part(event, &kind, &root, judge, out)?;
        self.flush(out)?;
        if self.queue.is_empty() {
            self.waiting.clear();
            self.numbers.rest();
        }
        Ok(())
    }

    fn whole(&mut self, body: &Bytes, judge: Judge<'_>) -> Result<Bytes, Fault> {
        let document =
            Document::read(body).ok_or(Fault::Unreadable("the reply is not strict JSON"))?;
        let mut edits = Edits::default();
        self.output(&document.root()?, &document, judge, &mut edits)?;
        Ok(edits.apply(body))
    }

    fn held(&self) -> usize {
        self.held.0
    }

    fn is_open(&self) -> bool {
        self.calls.values().any(|call| call.decision.is_none())
    }
}

impl Responses {
    /// An event about an item.
    fn part(
        &mut self,
        event: &Event,
        kind: &str,
        root: &Object<'_>,
        judge: Judge<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault> {
        let index = root.get("output_index")?;
        let index = index
            .map(|it| it.parse().map_err(|_| STRANGE))
            .transpose()?;
        let item = root.get("item")?.map(document::object).transpose()?;
        let asked = match &item {
            Some(item) => Asked::read(item)?,
            None => None,
        };
        match (kind, asked, index) {
            ("response.output_item.added", Some(asked), Some(index)) => {
                self.added(event, index, asked)
            }
            ("response.output_item.done", Some(asked), Some(index)) => {
                self.done(event, index, asked, judge)
            }
            (_, Some(_), _) => Err(STRANGE),
            (_, None, Some(index)) if self.calls.contains_key(&index) => {
                self.more(event, index, kind, root)
            }
            (_, None, _) if item::is_of_call(kind) => Err(STRANGE),
            (kind, None, Some(index)) => {
                if kind == "response.output_item.added" && !self.queue.is_empty() {
                    self.waiting.insert(index);
                }
                if self.waiting.contains(&index) {
                    return self.wait(event, None);
                }
                self.tell(event, out)
            }
            (_, None, None) => self.tell(event, out),
        }
    }

    fn added(&mut self, event: &Event, index: u64, asked: Asked) -> Result<(), Fault> {
        if self.calls.contains_key(&index) {
            return Err(Fault::Unreadable("an item begins twice"));
        }
        let begun = asked.arguments.clone();
        self.begin(index, asked, Some(begun))?;
        self.wait(event, Some((index, Part::Added)))
    }

    fn begin(&mut self, index: u64, asked: Asked, begun: Option<String>) -> Result<(), Fault> {
        if self.calls.len() == MAX_CALLS {
            return Err(Fault::Exceeded);
        }
        self.held.add(asked.len())?;
        let item = Item {
            asked,
            begun,
            pieces: String::new(),
            condensed: false,
            decision: None,
        };
        self.calls.insert(index, item);
        Ok(())
    }

    /// An event of a call that neither begins nor ends it.
    fn more(
        &mut self,
        event: &Event,
        index: u64,
        kind: &str,
        root: &Object<'_>,
    ) -> Result<(), Fault> {
        let Some(call) = self.calls.get_mut(&index) else {
            return Err(STRANGE);
        };
        if call.decision.is_some() {
            return Err(Fault::Unreadable("a call goes on after its end"));
        }
        let part = match kind {
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let piece = root.text("delta")?.unwrap_or_default();
                self.held.add(piece.len())?;
                call.pieces.push_str(&piece);
                Part::Piece
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                let said = root.text(call.asked.kind.arguments())?.unwrap_or_default();
                call.agrees(&said)?;
                if call.asked.arguments.trim().is_empty() {
                    self.held.add(said.len())?;
                    call.asked.arguments = said.into_owned();
                }
                Part::Whole
            }
            _ => Part::Piece,
        };
        if part == Part::Piece && call.condensed {
            return Ok(());
        }
        self.wait(event, Some((index, part)))?;
        if self.held.0 > CONDENSED_AT {
            self.condense();
        }
        Ok(())
    }

    /// The event that ends an item, and says all of it again.
    fn done(
        &mut self,
        event: &Event,
        index: u64,
        asked: Asked,
        judge: Judge<'_>,
    ) -> Result<(), Fault> {
        if !self.calls.contains_key(&index) {
            self.begin(index, asked.unsaid(), None)?;
        }
        self.decide(index, asked, judge)?;
        self.wait(event, Some((index, Part::Done)))
    }

    /// Decides a call by all that is said of it.
    fn decide(&mut self, index: u64, asked: Asked, judge: Judge<'_>) -> Result<(), Fault> {
        let Some(call) = self.calls.get_mut(&index) else {
            return Err(STRANGE);
        };
        let named = (&call.asked.name, call.asked.kind) == (&asked.name, asked.kind);
        if call.decision.is_some() || !named {
            return Err(Fault::Unreadable("an item ends twice, or as another"));
        }
        call.agrees(&asked.arguments)?;
        self.held.free(call.pieces.len() + call.asked.len());
        self.held.add(asked.len())?;
        call.pieces = String::new();
        let mut decision = asked.ask(judge);
        if call.condensed && decision == Decision::Released {
            decision = Decision::Rewritten(asked.arguments.clone());
        }
        call.asked = asked;
        call.decision = Some(decision);
        Ok(())
    }

    fn wait(&mut self, event: &Event, of: Option<(u64, Part)>) -> Result<(), Fault> {
        self.held.add(event.raw().len())?;
        if self.queue.is_empty() {
            self.numbers.hold();
        }
        let event = event.copied();
        self.queue.push_back(Waiting { event, of });
        Ok(())
    }

    /// Forgets the pieces of calls: their arguments will be told in one.
    fn condense(&mut self) {
        let calls = &mut self.calls;
        queue::condense(&mut self.queue, Part::Piece, &mut self.held, |index| {
            let call = calls.get_mut(&index).filter(|it| it.decision.is_none());
            call.map(|call| call.condensed = true).is_some()
        });
    }

    /// Lets pass what need not wait any longer.
    fn flush(&mut self, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        while let Some(first) = self.queue.front() {
            let call = first.of.and_then(|(index, _)| {
                let call = self.calls.get(&index)?;
                Some((index, call))
            });
            if call.is_some_and(|(_, call)| call.decision.is_none()) {
                return Ok(());
            }
            let of_call = |waiting: &Waiting<Part>| match (waiting.of, call) {
                (Some((of, _)), Some((index, _))) if of == index => Share::All,
                _ => Share::None,
            };
            let teller = &mut Teller {
                numbers: &mut self.numbers,
                out,
            };
            for Waiting { event, of } in queue::take(&mut self.queue, of_call) {
                self.held.free(event.raw().len());
                match (call, of) {
                    (Some((index, call)), Some((_, part))) => {
                        written::part(call, index, part, &event, teller)?;
                    }
                    _ => teller.pass(&event)?,
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        let numbers = &mut self.numbers;
        Teller { numbers, out }.pass(event)
    }

    /// An event that says what the response is so far, or how it ended.
    fn response(
        &mut self,
        event: &Event,
        document: &Document,
        response: &str,
        ends: bool,
        judge: Judge<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault> {
        let response = document::object(response)?;
        if ends {
            self.conclude(&response, judge)?;
            self.flush(out)?;
        }
        let mut edits = Edits::default();
        self.output(&response, document, judge, &mut edits)?;
        let numbers = &mut self.numbers;
        Teller { numbers, out }.tell(event, document, edits)
    }

    /// Decides calls whose items have not ended by what the response says of them.
    fn conclude(&mut self, response: &Object<'_>, judge: Judge<'_>) -> Result<(), Fault> {
        let open = self
            .calls
            .iter()
            .filter(|(_, call)| call.decision.is_none());
        let open: Vec<u64> = open.map(|(index, _)| *index).collect();
        let output = response.list("output")?;
        for index in open {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            let item = output.get(place).map(|json| document::object(json));
            let asked = match item.transpose()? {
                Some(item) => Asked::read(&item)?,
                None => None,
            };
            match (asked, self.calls.get_mut(&index)) {
                (Some(asked), _) => self.decide(index, asked, judge)?,
                (None, Some(call)) => call.decision = Some(call.asked.incomplete()),
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Edits the output of a response: what was decided of a call holds here too, and
    /// others are decided now.
    fn output(
        &mut self,
        response: &Object<'_>,
        document: &Document,
        judge: Judge<'_>,
        edits: &mut Edits,
    ) -> Result<(), Fault> {
        for (index, json) in (0..).zip(response.list("output")?) {
            let item = document::object(json)?;
            let Some(asked) = Asked::read(&item)? else {
                continue;
            };
            let is_it = |call: &&Item| call.asked.is(&asked);
            let here = self.calls.get(&index).filter(is_it);
            let known = here.or_else(|| self.calls.values().find(is_it));
            let decision = match known.and_then(|call| call.decision.clone()) {
                Some(decision) => decision,
                None => asked.ask(&mut *judge),
            };
            match decision {
                Decision::Released => {}
                Decision::Rewritten(other) => asked.rewrite(&item, document, &other, edits),
                Decision::Refused(text) => {
                    edits.replace(document.span(json), written::message(&asked, index, &text));
                }
            }
        }
        Ok(())
    }
}

const STRANGE: Fault = Fault::Unreadable("a tool call has a strange form");

impl Item {
    /// Whether it ends with another action than it began with.
    fn has_changed(&self) -> bool {
        let begun = self.begun.as_deref().filter(|begun| !begun.is_empty());
        let changed = begun.is_some_and(|begun| !item::same(begun, &self.asked.arguments));
        self.asked.kind == Kind::Action && changed
    }

    /// Whether what has been said of the arguments so far is nothing, or the same.
    fn agrees(&self, arguments: &str) -> Result<(), Fault> {
        if self.asked.kind == Kind::Action {
            return Ok(());
        }
        let said = [&self.pieces, &self.asked.arguments];
        let same = |said: &&String| said.trim().is_empty() || item::same(said, arguments);
        if said.iter().all(same) {
            return Ok(());
        }
        Err(Fault::Unreadable("a call has two sets of arguments"))
    }
}
