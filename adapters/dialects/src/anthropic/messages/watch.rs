//! What has been seen of a stream, which passes as it came.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{error_event, provider_error};
use super::usage::{self, Counts};
use crate::canonical::Usage;
use crate::error::ErrorBody;
use crate::reply::{Fate, Price, Progress, Verdict, Watch};
use crate::sse::Event;

/// Reads a stream of messages as it passes. Nothing of it is changed: its usage is
/// told unasked.
#[derive(Debug, Default)]
pub struct MessagesWatch {
    progress: Progress,
    counts: Counts,
    /// `message_stop` has come.
    stopped: bool,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Watch for MessagesWatch {
    fn event(&mut self, event: &Event, _price: Price<'_>) -> Fate {
        let name = event.name();
        // Nearly every event is one of these, so this spares them the parse.
        if matches!(name, Some(b"content_block_delta" | b"content_block_start")) {
            self.output();
        } else if matches!(name, Some(b"message_stop")) {
            self.stopped = true;
        } else if let Some(data) = event.data() {
            match serde_json::from_slice::<Wire<'_>>(&data) {
                Ok(wire) => self.read(name, &wire),
                Err(_) => self.output(),
            }
        }
        Fate::Pass
    }

    /// Results of tools that run at Anthropic are long.
    fn oversize(&mut self, _piece: &[u8], last: bool) {
        self.progress.first_token_seen = true;
        self.progress.output_events += u64::from(last);
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn ended(&self) -> Verdict {
        if self.progress.error.is_some() {
            Verdict::Errored
        } else if self.stopped {
            Verdict::Finished
        } else {
            Verdict::Cut
        }
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> String {
        error_event(error)
    }
}

impl MessagesWatch {
    fn output(&mut self) {
        self.progress.first_token_seen = true;
        self.progress.output_events += 1;
    }

    fn read(&mut self, name: Option<&[u8]>, wire: &Wire<'_>) {
        let kind = wire.kind.map(|kind| kind.get().trim_matches('"'));
        match kind.map(str::as_bytes).or(name).unwrap_or_default() {
            b"content_block_delta" | b"content_block_start" => self.output(),
            b"message_stop" => self.stopped = true,
            b"message_start" => self.count(wire.message.and_then(usage_in)),
            b"message_delta" => self.count(wire.usage),
            b"error" => {
                let error = wire.error.and_then(provider_error);
                self.progress.error = Some(error.unwrap_or_default());
            }
            // `content_block_stop`, `ping`, and whatever Anthropic adds.
            _ => {}
        }
    }

    fn count(&mut self, usage: Option<&RawValue>) {
        if let Some(usage) = usage {
            self.counts.merge(usage.get());
        }
        self.progress.usage = self.counts.usage();
    }
}

fn usage_in(message: &RawValue) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
    }
    let message: Message<'_> = serde_json::from_str(message.get()).ok()?;
    message.usage
}

/// The usage that a reply in one piece reports; `None` when it does not, or when
/// the body is anything else.
#[must_use]
pub fn usage_of(body: &[u8]) -> Option<Usage> {
    let reply: &RawValue = serde_json::from_slice(body).ok()?;
    usage::read(usage_in(reply)?.get())
}
