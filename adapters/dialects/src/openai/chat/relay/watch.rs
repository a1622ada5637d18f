//! What has been seen of a stream, and what becomes of each event.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::chunk::{Choice, Chunk, is_done, matters};
use super::{Asked, Price};
use crate::canonical::ProviderError;
use crate::json;
use crate::openai::chat::Usage;
use crate::splice::Edits;
use crate::sse::Event;

/// What has been seen of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Something of the answer has come, beyond a role.
    pub first_token_seen: bool,
    /// The events that may hold output. Providers send about a token in each, so
    /// a stream that was cut can be settled by it.
    pub output_events: u64,
    /// `[DONE]` has come.
    pub done: bool,
    /// The last usage that was reported. Some servers count along in every event:
    /// unless the stream finished it may fall short.
    pub usage: Option<Usage>,
    /// The provider reported an error in the stream.
    pub error: Option<ProviderError>,
    /// One bit for each choice that has a finish reason.
    finished: u128,
}

impl Progress {
    /// How many choices have got a finish reason.
    #[must_use]
    pub fn finished_choices(&self) -> u32 {
        self.finished.count_ones()
    }
}

/// What becomes of an event.
pub(super) enum Fate {
    Pass,
    Drop,
    Change(Bytes),
}

#[derive(Debug)]
pub(super) struct Watch {
    asked: Asked,
    progress: Progress,
}

impl Watch {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            asked,
            progress: Progress::default(),
        }
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// A piece of an event that is too long to be read: it counts as output.
    pub(super) fn oversize(&mut self, last: bool) {
        self.progress.first_token_seen = true;
        self.progress.output_events += u64::from(last);
    }

    pub(super) fn event(&mut self, event: &Event, price: Price<'_>) -> Fate {
        let Some(data) = event.data() else {
            return Fate::Pass;
        };
        if is_done(&data) {
            self.progress.done = true;
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
                self.usage(usage, alone, &data, event, price)
            }
            _ => Fate::Pass,
        }
    }

    fn choices(&mut self, choices: &[Choice<'_>]) {
        for choice in choices {
            self.progress.first_token_seen |= choice.speaks();
            if choice.finish_reason.is_some() {
                self.progress.finished |= 1_u128.checked_shl(choice.index).unwrap_or(0);
            }
        }
    }

    fn usage(
        &mut self,
        json: &str,
        alone: bool,
        data: &[u8],
        event: &Event,
        price: Price<'_>,
    ) -> Fate {
        let usage = Usage::read(json);
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
    pub(in crate::openai::chat) fn read(error: &RawValue) -> Self {
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
