//! What has been seen of a stream that passes.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{error_event, usage};
use crate::canonical::ProviderError;
use crate::error::ErrorBody;
use crate::json::{Path, Step, Str};
use crate::reply::{Fate, Price, Progress, Verdict, Watch};
use crate::sse::{Event, LongEvent};

/// Reads a Responses stream as it passes. Every byte passes as it came. Its usage is
/// that of the event that ends it.
///
/// That event repeats the whole output, the tools and the instructions. Where it is
/// too long to be held, a few KiB of what matters are picked out of it.
#[derive(Debug, Default)]
pub struct ResponsesWatch {
    progress: Progress,
    /// How many events have come, which is the number of the next.
    events: u64,
    finished: bool,
    long: Option<LongEvent>,
}

/// What matters of an event.
#[derive(Default)]
struct Told<'a> {
    kind: Option<&'a str>,
    usage: Option<&'a str>,
    tier: Option<&'a str>,
    /// Of an `error` event, as a member or flat.
    error: Option<&'a str>,
    /// Of the response.
    failure: Option<&'a str>,
}

/// The places of the same in the data of an event.
const TOLD: &[Path] = &[
    &[Step::Key("type")],
    &[Step::Key("response"), Step::Key("usage")],
    &[Step::Key("error")],
    &[Step::Key("response"), Step::Key("error")],
    &[Step::Key("response"), Step::Key("service_tier")],
];

impl Watch for ResponsesWatch {
    fn event(&mut self, event: &Event, _price: Price<'_>) -> Fate {
        let Some(data) = event.data() else {
            return Fate::Pass;
        };
        self.events += 1;
        // Nearly every event, which need not be read.
        if event.name().is_some_and(|name| name.ends_with(b".delta")) {
            self.output();
            return Fate::Pass;
        }
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<Str<'a>>,
            #[serde(borrow)]
            response: Option<&'a RawValue>,
            #[serde(borrow)]
            error: Option<&'a RawValue>,
        }
        #[derive(Deserialize, Default)]
        struct Response<'a> {
            #[serde(borrow)]
            usage: Option<&'a RawValue>,
            #[serde(borrow)]
            service_tier: Option<&'a RawValue>,
            #[serde(borrow)]
            error: Option<&'a RawValue>,
        }
        let Ok(wire) = serde_json::from_slice::<Wire<'_>>(&data) else {
            // `[DONE]`, which some servers close with.
            return Fate::Pass;
        };
        let kind = wire.kind.as_ref().map(|kind| &*kind.0);
        let ends = matches!(
            kind,
            Some("response.completed" | "response.incomplete" | "response.failed")
        );
        let response = wire.response.filter(|_| ends);
        let response = response.and_then(|it| serde_json::from_str::<Response<'_>>(it.get()).ok());
        let response = response.unwrap_or_default();
        // Where the error is no member, the event itself is one.
        let flat = || std::str::from_utf8(&data).ok();
        self.told(&Told {
            kind,
            usage: response.usage.map(RawValue::get),
            tier: response.service_tier.map(RawValue::get),
            error: wire.error.map(RawValue::get).or_else(flat),
            failure: response.error.map(RawValue::get),
        });
        Fate::Pass
    }

    fn oversize(&mut self, piece: &[u8], last: bool) {
        let mut long = match self.long.take() {
            Some(long) => long,
            None => LongEvent::new(TOLD),
        };
        long.push(piece);
        if !last {
            self.long = Some(long);
            return;
        }
        self.events += 1;
        // An event that was cut is no end of a stream, whatever it began with.
        if !long.is_done() {
            return;
        }
        let kind = long.get(0).map(serde_json::from_str::<Str<'_>>);
        let kind = kind.and_then(Result::ok);
        self.told(&Told {
            kind: kind.as_ref().map(|kind| &*kind.0),
            usage: long.get(1),
            tier: long.get(4),
            error: long.get(2),
            failure: long.get(3),
        });
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn ended(&self) -> Verdict {
        if self.progress.error.is_some() {
            Verdict::Errored
        } else if self.finished {
            Verdict::Finished
        } else {
            Verdict::Cut
        }
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> String {
        error_event(error, self.events)
    }
}

impl ResponsesWatch {
    fn output(&mut self) {
        self.progress.first_token_seen = true;
        self.progress.output_events += 1;
    }

    fn told(&mut self, told: &Told<'_>) {
        match told.kind {
            Some("response.completed" | "response.incomplete") => self.finished = true,
            Some("response.failed") => self.failed(told.failure),
            Some("error") => self.failed(told.error),
            // Of some tools nothing else is told.
            Some(kind) if kind.ends_with(".delta") || kind == "response.output_item.done" => {
                return self.output();
            }
            _ => return,
        }
        let usage = told.usage.and_then(|json| usage::served(json, told.tier));
        self.progress.usage = usage.or(self.progress.usage);
    }

    /// The first error says the most: a failed response repeats it.
    fn failed(&mut self, error: Option<&str>) {
        let error = error.and_then(|json| serde_json::from_str::<&RawValue>(json).ok());
        let read = || error.map(ProviderError::read).unwrap_or_default();
        self.progress.error.get_or_insert_with(read);
    }
}
