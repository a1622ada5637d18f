//! A reply of the Responses API, whole or streamed, as canonical events.

mod ending;
mod item;
mod long;
mod step;
mod wire;

use std::collections::{BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::value::RawValue;

use self::item::Item;
use self::step::Step;
use crate::canonical::{Decode, Ended, Event, Garbled, Sink};
use crate::sse::LongEvent;

/// A reply has one choice.
const CHOICE: u32 = 0;

/// How much of a reply waits for something that must come before it, in bytes.
const MAX_HELD: usize = 1024 * 1024;

/// Reads one reply of the Responses API.
///
/// Items are told one after the other, in the order in which they begin: what comes
/// for a later one waits. What a server tells twice, as it comes and at its end, is
/// told once; what it tells only at the end of an item, or of the reply, is told
/// then. Of what waits it holds at most 1 MiB.
///
/// The event that ends a reply repeats all of it, and the tools and instructions of
/// the request; where it is too long to be held, its status and usage are picked out
/// as it passes.
#[derive(Debug, Default)]
pub struct Decoder {
    begun: bool,
    current: Option<Item>,
    waiting: VecDeque<Waiting>,
    /// Items that have ended.
    over: BTreeSet<u64>,
    /// Whether any item has begun.
    any: bool,
    /// Whether one was a call.
    calls: bool,
    held: usize,
    /// One that is passing.
    long: Option<LongEvent>,
    ended: Option<Ended>,
}

/// What came for an item whose turn it is not.
#[derive(Debug)]
struct Waiting {
    index: u64,
    events: Vec<Vec<u8>>,
}

fn garbled<T>(what: impl Into<String>) -> Result<T, Garbled> {
    Err(Garbled(what.into()))
}

impl Decode for Decoder {
    fn event(&mut self, name: Option<&[u8]>, data: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        if self.ended.is_some() || data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let event: wire::Event<'_> = parse(data)?;
        let kind = match &event.kind {
            Some(kind) => kind.0.clone(),
            None => String::from_utf8_lossy(name.unwrap_or_default()),
        };
        match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                let response: wire::Response<'_> = member(event.response, "response")?;
                self.start(Some(&response), sink);
                Ok(())
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => {
                let response: wire::Response<'_> = member(event.response, "response")?;
                let named = kind.strip_prefix("response.").unwrap_or_default();
                self.conclude(response, named, sink)
            }
            "error" => self.error(data, sink),
            "" if event.error.is_some() => self.error(data, sink),
            _ => self.route(Step::of(&kind), event, data, sink),
        }
    }

    fn oversize(&mut self, piece: &[u8], last: bool, sink: Sink<'_>) -> Result<(), Garbled> {
        self.long(piece, last, sink)
    }

    fn whole(&mut self, body: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        let response: wire::Response<'_> = parse(body)?;
        if response.status.is_none() && response.output.is_none() {
            return match response.error {
                Some(_) => self.error(body, sink),
                None => garbled("it is no response"),
            };
        }
        self.conclude(response, "completed", sink)
    }

    fn end(&mut self, _sink: Sink<'_>) -> Ended {
        self.ended.unwrap_or(Ended::Cut)
    }
}

impl Decoder {
    fn start(&mut self, response: Option<&wire::Response<'_>>, sink: Sink<'_>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let id = response.and_then(|response| response.id.as_ref());
        let model = response.and_then(|response| response.model.as_ref());
        sink(Event::Start {
            id: id.map_or("", |id| &*id.0).into(),
            model: model.map_or("", |model| &*model.0).into(),
        });
    }

    /// To the item that the event is about, or to those that wait.
    fn route(
        &mut self,
        step: Step,
        event: wire::Event<'_>,
        data: &[u8],
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        if matches!(step, Step::Ignored) {
            return Ok(());
        }
        let index = event.output_index;
        if index.is_some_and(|index| self.over.contains(&index)) {
            return Ok(());
        }
        let other = self.current.as_ref().and_then(|item| item.index);
        match (index, other) {
            (Some(index), Some(other)) if index != other => self.wait(index, data),
            _ => {
                self.take(step, event, sink)?;
                self.go_on(sink)
            }
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Garbled> {
        self.held += bytes;
        if self.held > MAX_HELD {
            return garbled("more than 1 MiB of items that alternate");
        }
        Ok(())
    }

    fn wait(&mut self, index: u64, data: &[u8]) -> Result<(), Garbled> {
        self.hold(data.len() + size_of::<Waiting>())?;
        let event = data.to_vec();
        match self.waiting.iter_mut().find(|it| it.index == index) {
            Some(waiting) => waiting.events.push(event),
            None => self.waiting.push_back(Waiting {
                index,
                events: vec![event],
            }),
        }
        Ok(())
    }

    /// Takes up those that wait, one after the other, as long as they end.
    fn go_on(&mut self, sink: Sink<'_>) -> Result<(), Garbled> {
        while self.current.is_none()
            && let Some(waiting) = self.waiting.pop_front()
        {
            for data in waiting.events {
                self.held -= data.len() + size_of::<Waiting>();
                if self.over.contains(&waiting.index) {
                    continue;
                }
                let event: wire::Event<'_> = parse(&data)?;
                let kind = event.kind.as_ref().map_or("", |kind| &*kind.0);
                self.take(Step::of(kind), event, sink)?;
            }
        }
        Ok(())
    }
}

/// The reader's own words are left out: they quote what came.
fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Garbled> {
    let unlike = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        Garbled(format!("not as expected at line {line} column {column}"))
    };
    serde_json::from_slice(json).map_err(unlike)
}

fn member<'a, T: Deserialize<'a>>(json: Option<&'a RawValue>, name: &str) -> Result<T, Garbled> {
    match json {
        Some(json) => parse(json.get().as_bytes()),
        None => garbled(format!("no {name}")),
    }
}
