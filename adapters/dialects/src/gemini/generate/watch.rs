//! What has been seen of a stream that passes.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{self, in_stream};
use super::usage;
use crate::error::ErrorBody;
use crate::json::{self, Path, Step, Str};
use crate::reply::{Fate, Price, Progress, Verdict, Watch};
use crate::sse::{Event, LongEvent};

/// Reads a stream of `generateContent` replies as it passes, byte for byte. Usage is
/// told in every event, and counts along; the last counts. There is no end mark: a
/// stream is finished when every candidate that was seen has a reason to be, or the
/// prompt was refused.
///
/// Pictures come in one event. Of one that is too long to be held, a few KiB of what
/// matters are picked out, of its last candidate.
#[derive(Debug, Default)]
pub struct GenerateWatch {
    /// How many candidates must finish.
    candidates: u32,
    progress: Progress,
    /// One bit for each candidate that was seen, and for each that is finished.
    seen: u128,
    finished: u128,
    blocked: bool,
    long: Option<LongEvent>,
}

/// The places of what matters in a long event.
const TOLD: &[Path] = &[
    &[Step::Key("usageMetadata")],
    &[Step::Key("error")],
    &[Step::Key("candidates"), Step::Each, Step::Key("index")],
    &[
        Step::Key("candidates"),
        Step::Each,
        Step::Key("finishReason"),
    ],
];

/// A `GenerateContentResponse`, or an error in place of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    finish_reason: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: Option<Str<'a>>,
}

impl Watch for GenerateWatch {
    fn event(&mut self, event: &Event, _price: Price<'_>) -> Fate {
        let Some(data) = event.data() else {
            return Fate::Pass;
        };
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(&data) else {
            self.progress.output_events += 1;
            return Fate::Pass;
        };
        if let Some(error) = chunk.error {
            self.progress.error = Some(in_stream(error));
            return Fate::Pass;
        }
        let candidates = chunk.candidates.unwrap_or_default();
        self.progress.output_events += u64::from(!candidates.is_empty());
        for candidate in &candidates {
            self.candidate(candidate);
        }
        let blocked = chunk.prompt_feedback.and_then(|it| it.block_reason);
        self.blocked |= blocked.is_some();
        let usage = chunk.usage_metadata.and_then(|it| usage::read(it.get()));
        self.progress.usage = usage.or(self.progress.usage);
        Fate::Pass
    }

    fn oversize(&mut self, piece: &[u8], last: bool) {
        self.progress.first_token_seen = true;
        let mut long = match self.long.take() {
            Some(long) => long,
            None => LongEvent::new(TOLD),
        };
        long.push(piece);
        match last {
            // An event that was cut is no end of a stream, whatever it began with.
            true if long.is_done() => self.long_event(&long),
            true => {}
            false => self.long = Some(long),
        }
    }

    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn ended(&self) -> Verdict {
        let enough = self.finished.count_ones() >= self.candidates.max(1);
        let whole = enough && self.finished & self.seen == self.seen;
        if self.progress.error.is_some() {
            Verdict::Errored
        } else if whole || self.blocked {
            Verdict::Finished
        } else {
            Verdict::Cut
        }
    }

    fn error_event(&self, error: &ErrorBody<'_>) -> String {
        error::event(error)
    }
}

impl GenerateWatch {
    /// For a stream of so many candidates (the request's `candidateCount`).
    #[must_use]
    pub fn new(candidates: u32) -> Self {
        Self {
            candidates,
            ..Self::default()
        }
    }

    fn candidate(&mut self, candidate: &Candidate<'_>) {
        let reason = candidate.finish_reason.as_ref();
        self.seen(candidate.index, reason.map(|reason| &*reason.0));
        if !self.progress.first_token_seen {
            self.progress.first_token_seen = candidate.content.is_some_and(speaks);
        }
    }

    fn seen(&mut self, index: Option<u32>, reason: Option<&str>) {
        let bit = 1_u128.checked_shl(index.unwrap_or(0)).unwrap_or(0);
        self.seen |= bit;
        // Vertex used to send the unspecified reason along with every chunk.
        if !matches!(reason, None | Some("" | "FINISH_REASON_UNSPECIFIED")) {
            self.finished |= bit;
        }
    }

    fn long_event(&mut self, long: &LongEvent) {
        fn read<'a, T: Deserialize<'a>>(json: Option<&'a str>) -> Option<T> {
            serde_json::from_str(json?).ok()
        }
        if let Some(error) = read::<&RawValue>(long.get(1)) {
            self.progress.error = Some(in_stream(error));
            return;
        }
        self.progress.output_events += 1;
        let reason: Option<Str<'_>> = read(long.get(3));
        self.seen(read(long.get(2)), reason.as_ref().map(|reason| &*reason.0));
        let usage = long.get(0).and_then(usage::read);
        self.progress.usage = usage.or(self.progress.usage);
    }
}

/// Whether a content holds anything of the answer: text, a call, or whatever else
/// a part may be.
fn speaks(content: &RawValue) -> bool {
    let members = json::members(content.get()).unwrap_or_default();
    let parts = members.get("parts");
    let parts = parts.and_then(|parts| serde_json::from_str::<Vec<&RawValue>>(parts).ok());
    parts.unwrap_or_default().iter().any(|part| {
        let members = json::members(part.get()).unwrap_or_default();
        let mut said = members.iter().filter(|(key, _)| *key != "thought");
        said.any(|(_, value)| !matches!(*value, "null" | r#""""#))
    })
}
