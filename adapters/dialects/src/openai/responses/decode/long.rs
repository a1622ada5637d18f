//! An event that is too long to be held: what it repeats has been told, and the few
//! words that it does not are picked out of it as it passes.

use serde::Deserialize;

use super::{Decoder, garbled, wire};
use crate::canonical::{Garbled, Sink};
use crate::json::{Path, Step};
use crate::sse::LongEvent;

const TYPE: usize = 0;
const OUTPUT_INDEX: usize = 1;
const ID: usize = 2;
const MODEL: usize = 3;
const STATUS: usize = 4;
const DETAILS: usize = 5;
const ERROR: usize = 6;
const USAGE: usize = 7;
const TIER: usize = 8;

/// Where these are.
const PATHS: &[Path] = &[
    &[Step::Key("type")],
    &[Step::Key("output_index")],
    &[Step::Key("response"), Step::Key("id")],
    &[Step::Key("response"), Step::Key("model")],
    &[Step::Key("response"), Step::Key("status")],
    &[Step::Key("response"), Step::Key("incomplete_details")],
    &[Step::Key("response"), Step::Key("error")],
    &[Step::Key("response"), Step::Key("usage")],
    &[Step::Key("response"), Step::Key("service_tier")],
];

impl Decoder {
    pub(super) fn long(&mut self, piece: &[u8], last: bool, sink: Sink<'_>) -> Result<(), Garbled> {
        if self.ended.is_some() {
            return Ok(());
        }
        let long = self.long.get_or_insert_with(|| LongEvent::new(PATHS));
        long.push(piece);
        match self.long.take_if(|_| last) {
            Some(long) if long.is_done() => self.sifted(&long, sink),
            // Not yet all of it; or the stream was cut, which its end tells.
            _ => Ok(()),
        }
    }

    fn sifted(&mut self, long: &LongEvent, sink: Sink<'_>) -> Result<(), Garbled> {
        fn found<'l, T: Deserialize<'l>>(long: &'l LongEvent, path: usize) -> Option<T> {
            serde_json::from_str(long.get(path)?).ok()
        }
        let response = wire::Response {
            id: found(long, ID),
            model: found(long, MODEL),
            status: found(long, STATUS),
            error: found::<Option<_>>(long, ERROR).flatten(),
            incomplete_details: found::<Option<_>>(long, DETAILS).flatten(),
            output: None,
            usage: found(long, USAGE),
            service_tier: found(long, TIER),
        };
        let kind: Option<wire::Text<'_>> = found(long, TYPE);
        let kind = kind.as_ref().map_or("", |kind| &*kind.0);
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(Some(&response), sink);
                Ok(())
            }
            "response.completed" | "response.incomplete" | "response.failed" if self.any => {
                let named = kind.strip_prefix("response.").unwrap_or_default();
                self.conclude(response, named, sink)
            }
            _ if kind.ends_with(".done") => self.repeated(kind, found(long, OUTPUT_INDEX), sink),
            _ => garbled("an event of more than 1 MiB that repeats nothing"),
        }
    }

    /// The end of an item, or of a part of one, all of which has been told.
    fn repeated(&mut self, kind: &str, index: Option<u64>, sink: Sink<'_>) -> Result<(), Garbled> {
        let current = self.current.as_ref();
        let told = current.filter(|item| item.index == index && item.repeats());
        match (told, kind) {
            (Some(_), "response.output_item.done") => {
                self.close(None, sink)?;
                self.go_on(sink)
            }
            (Some(_), _) => Ok(()),
            (None, _) => garbled("an event of more than 1 MiB that repeats nothing"),
        }
    }
}
