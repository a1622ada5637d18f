//! What has been seen of a stream, and what becomes of each event.

mod chunk;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error_event;
use crate::canonical::{ProviderError, Usage};
use crate::error::ErrorBody;
use crate::json;
use crate::reply::{Asked, Fate, Price, Progress, Verdict, Watch};
use crate::splice::Edits;
use crate::sse::Event;
pub(super) use chunk::is_done;
use chunk::{Choice, Chunk, matters};

/// Reads a chat stream as it passes. Two things may change, both in usage events:
/// one that the caller did not ask for is taken out, one that it did ask for gets
/// the cost.
#[derive(Debug)]
pub struct ChatWatch {
    asked: Asked,
    /// How many choices must finish.
    choices: u32,
    progress: Progress,
    /// `[DONE]` has come.
    done: bool,
    /// One bit for each choice that has a finish reason.
    finished: u128,
}

impl ChatWatch {
    /// For a stream of `choices` choices (the request's `n`).
    #[must_use]
    pub fn new(asked: Asked, choices: u32) -> Self {
        Self {
            asked,
            choices,
            progress: Progress::default(),
            done: false,
            finished: 0,
        }
    }
}

impl Watch for ChatWatch {
    /// A piece of an event that is too long to be read: it counts as output.
    fn oversize(&mut self, _piece: &[u8], last: bool) {
        self.progress.first_token_seen = true;
        self.progress.output_events += u64::from(last);
    }

    fn event(&mut self, event: &Event, price: Price<'_>) -> Fate {
        let Some(data) = event.data() else {
            return Fate::Pass;
        };
        if is_done(&data) {
            self.done = true;
            return Fate::Pass;
        }
        if self.progress.first_token_seen && !matters(&data) {
            self.progress.output_events += 1;
            return Fate::Pass;
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(&data) else {
            self.progress.output_events += 1;
            return Fate::Pass;
        };
        let choices = chunk.choices();
        let no_choices = choices.as_ref().is_some_and(Vec::is_empty);
        self.choices(&choices.unwrap_or_default());
        match chunk.error {
            Some(error) => self.progress.error = Some(ProviderError::read(error)),
            None => self.progress.output_events += u64::from(!no_choices),
        }
        match chunk.usage.map(RawValue::get) {
            Some(usage) if usage.starts_with('{') => {
                let alone = no_choices && chunk.error.is_none();
                let counts = Usage::served(usage, chunk.service_tier);
                self.usage((usage, counts), alone, &data, event, price)
            }
            _ => Fate::Pass,
        }
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn ended(&self) -> Verdict {
        if self.progress.error.is_some() {
            Verdict::Errored
        } else if self.done || self.finished.count_ones() >= self.choices {
            Verdict::Finished
        } else {
            Verdict::Cut
        }
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> String {
        error_event(error)
    }
}

impl ChatWatch {
    fn choices(&mut self, choices: &[Choice<'_>]) {
        for choice in choices {
            self.progress.first_token_seen |= choice.speaks();
            if choice.finish_reason.is_some() {
                self.finished |= 1_u128.checked_shl(choice.index).unwrap_or(0);
            }
        }
    }

    fn usage(
        &mut self,
        (json, usage): (&str, Option<Usage>),
        alone: bool,
        data: &[u8],
        event: &Event,
        price: Price<'_>,
    ) -> Fate {
        self.progress.usage = usage.or(self.progress.usage);
        match (self.asked, usage) {
            (Asked::No, _) if alone => Fate::Drop,
            (Asked::Yes, Some(usage)) => price(&usage)
                .filter(|cost| cost.parse::<serde_json::Number>().is_ok())
                .and_then(|cost| with_cost(json, &cost, data, event))
                .map_or(Fate::Pass, Fate::Change),
            _ => Fate::Pass,
        }
    }
}

/// The event with `lattice_cost_usd` as the last member of its usage; in place of
/// that of another gateway upstream, if there is one.
fn with_cost(usage: &str, cost: &str, data: &[u8], event: &Event) -> Option<Bytes> {
    let raw_offset = |part: &str, within: usize| {
        event.raw_offset(part.as_ptr().addr() - data.as_ptr().addr() + within)
    };
    let mut edits = Edits::default();
    if let Some(theirs) = json::members(usage)?.get("lattice_cost_usd") {
        let start = raw_offset(theirs, 0)?;
        edits.replace(start..raw_offset(theirs, theirs.len() - 1)? + 1, cost);
    } else {
        // `Usage::read` found counts, so there is a member before this one.
        let closing_brace = raw_offset(usage, usage.len() - 1)?;
        edits.insert(closing_brace, format!(r#","lattice_cost_usd":{cost}"#));
    }
    Some(edits.apply(event.raw()))
}

impl ProviderError {
    /// Errors are objects, or plain strings (xAI); codes are words or numbers.
    pub(in crate::openai) fn read(error: &RawValue) -> Self {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(borrow)]
            message: Option<&'a RawValue>,
            #[serde(borrow)]
            code: Option<&'a RawValue>,
            #[serde(borrow, rename = "type")]
            kind: Option<&'a RawValue>,
        }
        let word = |json: &RawValue, longest| {
            let text = serde_json::from_str::<String>(json.get());
            let text = text.unwrap_or_else(|_| json.get().to_owned());
            text.chars().take(longest).collect()
        };
        match serde_json::from_str::<Wire<'_>>(error.get()) {
            Ok(wire) => Self {
                message: wire.message.map(|message| word(message, 512)),
                code: wire.code.or(wire.kind).map(|code| word(code, 64)),
            },
            Err(_) => Self {
                message: Some(word(error, 512)),
                code: None,
            },
        }
    }
}
