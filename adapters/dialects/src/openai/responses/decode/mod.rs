//! A reply of the Responses API, whole or streamed, as canonical events.

mod item;
mod long;
mod wire;

use std::collections::{BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::value::RawValue;

use self::item::{Field, Item};
use super::usage;
use crate::canonical::{Decode, Ended, Event, Finish, Garbled, ProviderError, Sink};
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

/// What an event is about.
enum Step {
    Added,
    Part,
    Piece(Field),
    Whole(Field),
    Done,
    Ignored,
}

impl Step {
    fn of(kind: &str) -> Self {
        match kind {
            "response.output_item.added" => Self::Added,
            "response.output_item.done" => Self::Done,
            "response.content_part.added" => Self::Part,
            "response.output_text.delta" => Self::Piece(Field::Text),
            "response.output_text.done" => Self::Whole(Field::Text),
            "response.refusal.delta" => Self::Piece(Field::Refusal),
            "response.refusal.done" => Self::Whole(Field::Refusal),
            "response.reasoning_summary_text.delta" => Self::Piece(Field::Summary),
            "response.reasoning_summary_text.done" => Self::Whole(Field::Summary),
            "response.reasoning_text.delta" => Self::Piece(Field::Thought),
            "response.reasoning_text.done" => Self::Whole(Field::Thought),
            "response.function_call_arguments.delta" => Self::Piece(Field::Arguments),
            "response.function_call_arguments.done" => Self::Whole(Field::Arguments),
            // The progress of hosted tools, annotations, and whatever OpenAI adds.
            _ => Self::Ignored,
        }
    }
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

    /// Takes an event of the item whose turn it is.
    fn take(&mut self, step: Step, event: wire::Event<'_>, sink: Sink<'_>) -> Result<(), Garbled> {
        self.start(None, sink);
        match step {
            Step::Added => {
                let item: wire::Item<'_> = member(event.item, "item")?;
                self.item(event.output_index, Some(&item), Field::Text)
                    .announced(&item, sink);
            }
            Step::Done => {
                let item: wire::Item<'_> = member(event.item, "item")?;
                self.item(event.output_index, Some(&item), Field::Text);
                self.close(Some(&item), sink)?;
            }
            Step::Part => {
                let part: wire::Part<'_> = member(event.part, "part")?;
                let field = match part.kind.as_ref().map(|kind| &*kind.0) {
                    Some("output_text") => Field::Text,
                    Some("refusal") => Field::Refusal,
                    _ => return Ok(()),
                };
                let at = event.content_index.unwrap_or(0);
                self.item(event.output_index, None, field)
                    .part(field, at, sink);
            }
            Step::Piece(field) | Step::Whole(field) => {
                let at = match field {
                    Field::Summary => event.summary_index,
                    Field::Arguments => None,
                    Field::Text | Field::Refusal | Field::Thought => event.content_index,
                };
                let at = at.unwrap_or(0);
                let is_piece = matches!(step, Step::Piece(_));
                let text = if is_piece {
                    event.delta
                } else {
                    match field {
                        Field::Refusal => event.refusal,
                        Field::Arguments => event.arguments,
                        Field::Text | Field::Summary | Field::Thought => event.text,
                    }
                };
                let Some(text) = wire::text(text)? else {
                    return Ok(());
                };
                let item = self.item(event.output_index, None, field);
                let held = if is_piece {
                    item.piece(field, at, text, sink)
                } else {
                    item.whole(field, at, text, sink)
                };
                self.hold(held)?;
            }
            Step::Ignored => {}
        }
        Ok(())
    }

    /// The item whose turn it is, begun if there is none.
    fn item(
        &mut self,
        index: Option<u64>,
        item: Option<&wire::Item<'_>>,
        piece: Field,
    ) -> &mut Item {
        self.any = true;
        self.current
            .get_or_insert_with(|| Item::begin(index, item, piece))
    }

    fn close(&mut self, item: Option<&wire::Item<'_>>, sink: Sink<'_>) -> Result<(), Garbled> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        if let Some(index) = current.index {
            self.hold(size_of::<u64>())?;
            self.over.insert(index);
        }
        self.calls |= current.is_call();
        current.finish(item, sink)
    }

    /// The reply is complete, or has failed. `named` is its status where it does not
    /// tell one.
    fn conclude(
        &mut self,
        response: wire::Response<'_>,
        named: &str,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let status = response.status.as_ref().map_or(named, |status| &*status.0);
        let reason = response.incomplete_details.as_ref();
        let reason = reason.and_then(|details| details.reason.as_ref());
        let (mut finish, native) = match (status, reason.map(|reason| &*reason.0)) {
            ("failed" | "cancelled", _) => {
                let error = response.error.map(ProviderError::read);
                return self.fail(error.unwrap_or_else(|| status_error(status)), sink);
            }
            ("completed", _) => (Finish::Stop, status),
            ("incomplete", Some("max_output_tokens")) => (Finish::Length, "max_output_tokens"),
            ("incomplete", Some("content_filter")) => (Finish::ContentFilter, "content_filter"),
            ("incomplete", reason) => (Finish::Error, reason.unwrap_or(status)),
            _ => return garbled("the response is not complete"),
        };
        self.start(Some(&response), sink);
        self.rest(response.output.as_deref().unwrap_or_default(), sink)?;
        if finish == Finish::Stop && self.calls {
            finish = Finish::ToolCalls;
        }
        let native: String = native.chars().take(64).collect();
        sink(Event::Finish {
            choice: CHOICE,
            finish,
            native: native.into(),
        });
        if let Some(usage) = response.usage.and_then(|usage| usage::read(usage.get())) {
            sink(Event::Usage(usage));
        }
        self.ended = Some(Ended::Whole);
        Ok(())
    }

    /// Tells what is only in the final output: all of it, where nothing came before,
    /// else the ends of items that had none.
    fn rest(&mut self, output: &[&RawValue], sink: Sink<'_>) -> Result<(), Garbled> {
        if !self.any {
            for (index, json) in (0..).zip(output) {
                let item: wire::Item<'_> = parse(json.get().as_bytes())?;
                self.item(Some(index), Some(&item), Field::Text);
                self.close(Some(&item), sink)?;
            }
        }
        while let Some(current) = &self.current {
            let place = current.index.and_then(|index| usize::try_from(index).ok());
            let json = place.and_then(|place| output.get(place));
            let item: Option<wire::Item<'_>> =
                json.map(|json| parse(json.get().as_bytes())).transpose()?;
            self.close(item.as_ref(), sink)?;
            self.go_on(sink)?;
        }
        Ok(())
    }

    /// An error by itself: its members stand in an `error`, or beside it, or there is
    /// none.
    fn error(&mut self, json: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            error: Option<&'a RawValue>,
        }
        let wire: Wire<'_> = parse(json)?;
        let beside = || -> Result<ProviderError, Garbled> {
            let mut beside = ProviderError::read(parse(json)?);
            // The type of the event.
            beside.code = beside.code.filter(|code| code != "error");
            Ok(beside)
        };
        let error = match wire.error {
            Some(error) if error.get().starts_with('{') => ProviderError::read(error),
            Some(error) => ProviderError {
                message: ProviderError::read(error).message,
                code: beside()?.code,
            },
            None => beside()?,
        };
        self.fail(error, sink)
    }

    fn fail(&mut self, error: ProviderError, sink: Sink<'_>) -> Result<(), Garbled> {
        self.ended = Some(Ended::Errored);
        sink(Event::Error(error));
        Ok(())
    }
}

fn status_error(status: &str) -> ProviderError {
    ProviderError {
        message: None,
        code: Some(status.to_owned()),
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
