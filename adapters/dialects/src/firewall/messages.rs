//! Calls in Messages replies: blocks of type `tool_use`.
//!
//! Blocks follow one another, and clients count them as they begin. So what follows a
//! call that is held waits too, save for blocks that had begun before, and pings. A
//! refused block becomes a block of text in the same place: no index changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::ask::{self, Decision};
use super::document::{self, Document, Object};
use super::queue::{self, Share, Waiting};
use super::{CONDENSED_AT, Fault, Held, Judge, MAX_CALLS, Machine, read};
use crate::json::quote;
use crate::splice::Edits;
use crate::sse::Event;

#[derive(Debug, Default)]
pub(super) struct Messages {
    /// By the index of their blocks, until their last event has passed.
    calls: BTreeMap<u64, Block>,
    /// Other blocks that began while a call was held.
    waiting: BTreeSet<u64>,
    queue: VecDeque<Waiting<Part>>,
    held: Held,
    tally: Tally,
}

/// A call of which not everything has passed.
#[derive(Debug)]
struct Block {
    name: String,
    /// What it began with, where that is not `{}`.
    input: Option<String>,
    pieces: String,
    /// The pieces are too many to be passed on one by one.
    condensed: bool,
    decision: Option<Decision>,
}

/// What has become of the calls.
#[derive(Debug, Default)]
struct Tally {
    released: usize,
    refused: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    Delta,
    Stop,
}

impl Machine for Messages {
    fn is_busy(&self) -> bool {
        !self.queue.is_empty()
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
        if kind.is_empty() || event.name().is_some_and(|name| name != kind.as_bytes()) {
            return Err(Fault::Unreadable("an event has two types, or none"));
        }
        match &*kind {
            "content_block_start" => self.start(event, &root)?,
            "content_block_delta" => self.delta(event, &root, out)?,
            "content_block_stop" => self.stop(event, &root, judge, out)?,
            "message_delta" | "message_stop" if self.is_open() => {
                return Err(Fault::Unreadable("the message ends in the middle of one"));
            }
            "message_delta" => return self.ending(event, &document, &root, out),
            "message_start" => return self.begin(event, &document, &root, judge, out),
            _ => {
                out.push(event.raw().clone());
                return Ok(());
            }
        }
        self.flush(out);
        Ok(())
    }

    fn whole(&mut self, body: &Bytes, judge: Judge<'_>) -> Result<Bytes, Fault> {
        let document =
            Document::read(body).ok_or(Fault::Unreadable("the reply is not strict JSON"))?;
        let root = document.root()?;
        let mut edits = Edits::default();
        self.content(&root, &document, judge, &mut edits)?;
        self.reason(&root, &document, &mut edits)?;
        Ok(edits.apply(body))
    }

    fn held(&self) -> usize {
        self.held.0
    }

    fn is_open(&self) -> bool {
        let mut calls = self.calls.values();
        calls.any(|call| call.decision.is_none())
    }
}

impl Messages {
    fn start(&mut self, event: &Event, root: &Object<'_>) -> Result<(), Fault> {
        let index = index(root)?;
        let block = document::object(root.get("content_block")?.unwrap_or_default())?;
        if self.calls.contains_key(&index) {
            return Err(Fault::Unreadable("a block begins twice"));
        }
        if !is_call(&block)? {
            if self.is_busy() {
                self.waiting.insert(index);
            }
            return self.wait(event, None);
        }
        if self.calls.len() == MAX_CALLS {
            return Err(Fault::Exceeded);
        }
        let name = block.text("name")?.unwrap_or_default().into_owned();
        let input = block.get("input")?.filter(|input| !is_empty(input));
        self.calls.insert(
            index,
            Block {
                name,
                input: input.map(str::to_owned),
                pieces: String::new(),
                condensed: false,
                decision: None,
            },
        );
        // Its name and its input are held with the event.
        self.wait(event, Some((index, Part::Start)))
    }

    fn delta(
        &mut self,
        event: &Event,
        root: &Object<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault> {
        let index = index(root)?;
        let Some(call) = self.calls.get_mut(&index) else {
            return self.in_turn(event, index, out);
        };
        let delta = document::object(root.get("delta")?.unwrap_or_default())?;
        if call.decision.is_some() {
            return Err(Fault::Unreadable("a block goes on after its end"));
        }
        if let Some(piece) = delta.text("partial_json")? {
            self.held.add(piece.len())?;
            call.pieces.push_str(&piece);
        }
        if call.condensed {
            return Ok(());
        }
        self.wait(event, Some((index, Part::Delta)))?;
        if self.held.0 > CONDENSED_AT {
            self.condense();
        }
        Ok(())
    }

    /// Forgets the pieces of calls: their input will be told in one.
    fn condense(&mut self) {
        let calls = &mut self.calls;
        queue::condense(&mut self.queue, Part::Delta, &mut self.held, |index| {
            let call = calls.get_mut(&index).filter(|it| it.decision.is_none());
            call.map(|call| call.condensed = true).is_some()
        });
    }

    fn stop(
        &mut self,
        event: &Event,
        root: &Object<'_>,
        judge: Judge<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault> {
        let index = index(root)?;
        let Some(call) = self.calls.get_mut(&index) else {
            return self.in_turn(event, index, out);
        };
        let input = match (&call.input, call.pieces.trim()) {
            (Some(_), pieces) if !pieces.is_empty() => {
                return Err(Fault::Unreadable("a call has two inputs"));
            }
            (Some(input), _) => input,
            (None, _) => &call.pieces,
        };
        let mut decision = ask::function(&call.name, input, judge);
        if call.condensed && decision == Decision::Released {
            decision = Decision::Rewritten(input.clone());
        }
        self.tally.count(&decision);
        self.held.free(call.pieces.len());
        call.pieces = String::new();
        call.decision = Some(decision);
        self.wait(event, Some((index, Part::Stop)))
    }

    /// An event of a block that is no call.
    fn in_turn(&mut self, event: &Event, index: u64, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        if self.waiting.contains(&index) {
            return self.wait(event, None);
        }
        out.push(event.raw().clone());
        Ok(())
    }

    fn wait(&mut self, event: &Event, of: Option<(u64, Part)>) -> Result<(), Fault> {
        self.held.add(event.raw().len())?;
        let passes = of.is_none() && self.queue.is_empty();
        let event = if passes {
            event.clone()
        } else {
            event.copied()
        };
        self.queue.push_back(Waiting { event, of });
        Ok(())
    }

    /// Lets pass what need not wait any longer.
    fn flush(&mut self, out: &mut Vec<Bytes>) {
        while let Some(first) = self.queue.front() {
            let Some((index, _)) = first.of else {
                self.pop(out);
                continue;
            };
            let call = self.calls.get(&index);
            let Some(decision) = call.and_then(|call| call.decision.as_ref()) else {
                return;
            };
            let of_call = |waiting: &Waiting<Part>| match waiting.of {
                Some((of, _)) if of == index => Share::All,
                _ => Share::None,
            };
            for Waiting { event, of } in queue::take(&mut self.queue, of_call) {
                self.held.free(event.raw().len());
                let part = of.map_or(Part::Delta, |(_, part)| part);
                out.extend(told(event, index, part, decision));
            }
            self.calls.remove(&index);
        }
        self.waiting.clear();
    }

    /// Lets the first pass.
    fn pop(&mut self, out: &mut Vec<Bytes>) {
        if let Some(first) = self.queue.pop_front() {
            self.held.free(first.event.raw().len());
            out.push(first.event.raw().clone());
        }
    }

    /// The event that tells why the message ends.
    fn ending(
        &self,
        event: &Event,
        document: &Document,
        root: &Object<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault> {
        let mut edits = Edits::default();
        if let Some(delta) = root.get("delta")? {
            self.reason(&document::object(delta)?, document, &mut edits)?;
        }
        out.push(edited(event, document, edits));
        Ok(())
    }

    /// The event that a message begins with, which may have content already.
    fn begin(
        &mut self,
        event: &Event,
        document: &Document,
        root: &Object<'_>,
        judge: Judge<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault> {
        let mut edits = Edits::default();
        if let Some(message) = root.get("message")? {
            let message = document::object(message)?;
            self.content(&message, document, judge, &mut edits)?;
        }
        out.push(edited(event, document, edits));
        Ok(())
    }

    /// Judges the calls in the content of a message.
    fn content(
        &mut self,
        message: &Object<'_>,
        document: &Document,
        judge: Judge<'_>,
        edits: &mut Edits,
    ) -> Result<(), Fault> {
        for json in message.list("content")? {
            let block = document::object(json)?;
            if !is_call(&block)? {
                continue;
            }
            let name = block.text("name")?.unwrap_or_default();
            let input = block.get("input")?.unwrap_or("{}");
            let decision = ask::function(&name, input, judge);
            self.tally.count(&decision);
            match decision {
                Decision::Released => {}
                Decision::Rewritten(other) => replace_input(&block, document, other, edits),
                Decision::Refused(said) => {
                    let text = format!(r#"{{"type":"text","text":{}}}"#, quote(&said));
                    edits.replace(document.span(json), text);
                }
            }
        }
        Ok(())
    }

    /// A message without calls has not stopped to have them run.
    fn reason(&self, of: &Object<'_>, document: &Document, edits: &mut Edits) -> Result<(), Fault> {
        let none_left = self.tally.refused > 0 && self.tally.released == 0;
        if let Some(reason) = of.get("stop_reason")?
            && none_left
            && document::text(reason).is_some_and(|reason| reason == "tool_use")
        {
            edits.replace(document.span(reason), r#""end_turn""#);
        }
        Ok(())
    }
}

impl Tally {
    fn count(&mut self, decision: &Decision) {
        match decision {
            Decision::Refused(_) => self.refused += 1,
            Decision::Released | Decision::Rewritten(_) => self.released += 1,
        }
    }
}

fn index(root: &Object<'_>) -> Result<u64, Fault> {
    let index = root.get("index")?.and_then(|index| index.parse().ok());
    index.ok_or(Fault::Unreadable("a block has no index"))
}

/// Whether a block is a call for the caller to run. Types that Anthropic will add to
/// those that it runs itself count as such until they are known.
fn is_call(block: &Object<'_>) -> Result<bool, Fault> {
    let kind = block.text("type")?.unwrap_or_default();
    let theirs = matches!(&*kind, "server_tool_use" | "mcp_tool_use");
    Ok(kind.ends_with("tool_use") && !theirs)
}

fn is_empty(object: &str) -> bool {
    let inside = object.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    inside.is_some_and(|inside| inside.trim().is_empty())
}

fn replace_input(block: &Object<'_>, document: &Document, other: String, edits: &mut Edits) {
    if let Ok(Some(input)) = block.find("input") {
        edits.replace(document.span(input.value), other);
    } else if let Some(first) = block.members.first() {
        edits.insert(document.member(first).start, format!(r#""input":{other},"#));
    }
}

fn edited(event: &Event, document: &Document, edits: Edits) -> Bytes {
    if edits.is_empty() {
        return event.raw().clone();
    }
    event.with_data(&edits.apply(document.bytes()))
}

/// What becomes of an event of a call.
fn told(event: Event, index: u64, part: Part, decision: &Decision) -> Option<Bytes> {
    match (decision, part) {
        (Decision::Released, _) | (_, Part::Stop) => Some(event.raw().clone()),
        (Decision::Refused(text), Part::Start) => Some(refusal(index, text)),
        (Decision::Rewritten(input), Part::Start) => Some(rewritten(&event, index, input)),
        (Decision::Refused(_) | Decision::Rewritten(_), Part::Delta) => None,
    }
}

/// How a text begins that is said in place of a call, and all of it.
fn refusal(index: u64, text: &str) -> Bytes {
    let begins = r#""content_block":{"type":"text","text":""}"#;
    let says = format!(r#""delta":{{"type":"text_delta","text":{}}}"#, quote(text));
    let start = written("content_block_start", index, begins);
    (start + &written("content_block_delta", index, &says)).into()
}

/// How a call begins, and all of its other input.
fn rewritten(event: &Event, index: u64, input: &str) -> Bytes {
    let piece = quote(input);
    let delta = format!(r#""delta":{{"type":"input_json_delta","partial_json":{piece}}}"#);
    let delta = written("content_block_delta", index, &delta);
    let start = emptied(event).unwrap_or_else(|| event.raw().clone());
    [&start[..], delta.as_bytes()].concat().into()
}

/// The event that begins a call, without its input.
fn emptied(event: &Event) -> Option<Bytes> {
    let document = Document::read(&event.data()?)?;
    let root = document.root().ok()?;
    let block = document::object(root.get("content_block").ok()??).ok()?;
    let mut edits = Edits::default();
    replace_input(&block, &document, "{}".to_owned(), &mut edits);
    Some(edited(event, &document, edits))
}

fn written(kind: &str, index: u64, rest: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"index\":{index},{rest}}}\n\n")
}
