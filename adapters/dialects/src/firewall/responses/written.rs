//! Events as the caller gets them.

use bytes::Bytes;

use super::item::{Asked, Kind};
use super::number::Numbers;
use super::{Item, Part};
use crate::firewall::ask::Decision;
use crate::firewall::document::{self, Document};
use crate::firewall::{Fault, UNREADABLE};
use crate::json::quote;
use crate::splice::Edits;
use crate::sse::Event;

/// Tells events, and numbers them.
pub(super) struct Teller<'t> {
    pub numbers: &'t mut Numbers,
    pub out: &'t mut Vec<Bytes>,
}

impl Teller<'_> {
    /// An event as it came, but for its number.
    pub(super) fn pass(&mut self, event: &Event) -> Result<(), Fault> {
        if !self.numbers.are_ours() {
            self.out.push(event.raw().clone());
            return Ok(());
        }
        let document = read(event)?;
        self.tell(event, &document, Edits::default())
    }

    /// An edited event.
    pub(super) fn tell(
        &mut self,
        event: &Event,
        document: &Document,
        mut edits: Edits,
    ) -> Result<(), Fault> {
        let root = document.root()?;
        if let Some(theirs) = root.get("sequence_number")?
            && let Some(ours) = self.numbers.take()
            && theirs.parse() != Ok(ours)
        {
            edits.replace(document.span(theirs), ours.to_string());
        }
        self.out.push(if edits.is_empty() {
            event.raw().clone()
        } else {
            event.with_data(&edits.apply(document.bytes()))
        });
        Ok(())
    }

    /// An event of ours.
    fn write(&mut self, kind: &str, rest: &str) {
        let number = self.numbers.take();
        let number = number.map_or(String::new(), |it| format!(r#","sequence_number":{it}"#));
        let event = format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{number},{rest}}}\n\n");
        self.out.push(event.into());
    }
}

fn read(event: &Event) -> Result<Document, Fault> {
    let data = event.data().unwrap_or_default();
    Document::read(&data).ok_or(UNREADABLE)
}

/// Tells an event of a call that has been decided.
pub(super) fn part(
    call: &Item,
    index: u64,
    part: Part,
    event: &Event,
    teller: &mut Teller<'_>,
) -> Result<(), Fault> {
    match (&call.decision, part) {
        (None, _) => Ok(()),
        // What it was to do may have changed since.
        (Some(Decision::Released), Part::Added) if call.has_changed() => {
            rewritten(call, event, &call.asked.arguments, teller)
        }
        (Some(Decision::Released), _) => teller.pass(event),
        (Some(Decision::Refused(text)), Part::Added) => {
            refused(&call.asked, index, text, teller);
            Ok(())
        }
        // Of an item that was never announced.
        (Some(Decision::Refused(text)), Part::Done) if call.begun.is_none() => {
            refused(&call.asked, index, text, teller);
            Ok(())
        }
        (Some(Decision::Refused(_)), _) | (Some(Decision::Rewritten(_)), Part::Piece) => Ok(()),
        (Some(Decision::Rewritten(_)), Part::Added) if call.asked.kind != Kind::Action => {
            begun(call, index, event, teller)
        }
        (Some(Decision::Rewritten(other)), Part::Added | Part::Done | Part::Whole) => {
            rewritten(call, event, other, teller)
        }
    }
}

/// How an item begins that gets other arguments, and all of them.
fn begun(call: &Item, index: u64, event: &Event, teller: &mut Teller<'_>) -> Result<(), Fault> {
    let Some(Decision::Rewritten(other)) = &call.decision else {
        return Ok(());
    };
    rewritten(call, event, "", teller)?;
    let kind = match call.asked.kind {
        Kind::Custom => "response.custom_tool_call_input.delta",
        _ => "response.function_call_arguments.delta",
    };
    let (id, delta) = (quote(&call.asked.id), quote(other));
    let rest = format!(r#""item_id":{id},"output_index":{index},"delta":{delta}"#);
    teller.write(kind, &rest);
    Ok(())
}

/// An event that says what an item is, or its arguments, with others.
fn rewritten(
    call: &Item,
    event: &Event,
    other: &str,
    teller: &mut Teller<'_>,
) -> Result<(), Fault> {
    let document = read(event)?;
    let root = document.root()?;
    let mut edits = Edits::default();
    let item = match root.get("item")? {
        Some(item) => document::object(item)?,
        // The arguments alone are a member of the event.
        None => document.root()?,
    };
    call.asked.rewrite(&item, &document, other, &mut edits);
    teller.tell(event, &document, edits)
}

/// All events of the message that stands in place of a call.
fn refused(asked: &Asked, index: u64, text: &str, teller: &mut Teller<'_>) {
    let id = quote(&message_id(asked, index));
    let place = format!(r#""output_index":{index}"#);
    let of_part = format!(r#""item_id":{id},{place},"content_index":0"#);
    let begun = format!(
        r#"{{"id":{id},"type":"message","role":"assistant","content":[],"status":"in_progress"}}"#
    );
    let (empty, whole, said) = (part_of(""), part_of(text), quote(text));
    let item = message(asked, index, text);
    for (kind, rest) in [
        (
            "response.output_item.added",
            format!(r#"{place},"item":{begun}"#),
        ),
        (
            "response.content_part.added",
            format!(r#"{of_part},"part":{empty}"#),
        ),
        (
            "response.output_text.delta",
            format!(r#"{of_part},"delta":{said},"logprobs":[]"#),
        ),
        (
            "response.output_text.done",
            format!(r#"{of_part},"text":{said},"logprobs":[]"#),
        ),
        (
            "response.content_part.done",
            format!(r#"{of_part},"part":{whole}"#),
        ),
        (
            "response.output_item.done",
            format!(r#"{place},"item":{item}"#),
        ),
    ] {
        teller.write(kind, &rest);
    }
}

/// The message that stands in place of a call.
pub(super) fn message(asked: &Asked, index: u64, text: &str) -> String {
    let id = quote(&message_id(asked, index));
    let part = part_of(text);
    format!(
        r#"{{"id":{id},"type":"message","role":"assistant","content":[{part}],"status":"completed"}}"#
    )
}

fn part_of(text: &str) -> String {
    let text = quote(text);
    format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":{text}}}"#)
}

/// The same wherever the message is told.
fn message_id(asked: &Asked, index: u64) -> String {
    match asked.id.split_once('_') {
        Some((_, rest)) if !rest.is_empty() => format!("msg_{rest}"),
        _ => format!("msg_refused_{index}"),
    }
}
