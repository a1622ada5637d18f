//! Canonical events as `generateContent` replies, in one piece or streamed.

mod candidate;
mod reply;
mod stream;

use std::collections::BTreeMap;

pub use reply::ReplyWriter;
pub use stream::StreamWriter;

use super::usage;
use crate::canonical::{Event, Usage};
use crate::json::Writer;
use crate::reply::Labels;
use candidate::Candidate;

/// What has been told of a reply.
#[derive(Debug)]
struct Told {
    labels: Labels,
    /// Whether parts are written as they come, not joined.
    streams: bool,
    candidates: BTreeMap<u32, Candidate>,
    usage: Option<Usage>,
}

impl Told {
    fn new(labels: Labels, streams: bool) -> Self {
        Self {
            labels,
            streams,
            candidates: BTreeMap::new(),
            usage: None,
        }
    }

    /// Takes what an event says; of which candidate there may be more to write.
    fn event(&mut self, event: &Event<'_>) -> Option<u32> {
        let choice = match event {
            Event::Start { id, model } => {
                let labels = &mut self.labels;
                for (label, theirs) in [(&mut labels.id, id), (&mut labels.model, model)] {
                    if !theirs.is_empty() {
                        label.clear();
                        label.push_str(theirs);
                    }
                }
                return None;
            }
            Event::Usage(usage) => {
                self.usage = Some(*usage);
                return None;
            }
            Event::Error(_) => return None,
            Event::Open { choice, .. }
            | Event::Delta { choice, .. }
            | Event::Close { choice }
            | Event::Finish { choice, .. } => *choice,
        };
        let streams = self.streams;
        let candidate = self.candidates.entry(choice);
        let candidate = candidate.or_insert_with(|| Candidate::new(streams));
        match event {
            Event::Open { block, .. } => candidate.open(block),
            Event::Delta { delta, .. } => candidate.delta(delta),
            Event::Close { .. } => candidate.close(),
            Event::Finish { finish, native, .. } => candidate.finish(*finish, native),
            _ => {}
        }
        Some(choice)
    }

    fn has_parts(&self, choice: u32) -> bool {
        let candidate = self.candidates.get(&choice);
        candidate.is_some_and(Candidate::has_parts)
    }

    fn omitted(&self) -> u32 {
        self.candidates.values().map(Candidate::omitted).sum()
    }

    /// A chunk, or the whole reply: the candidates as they stand, all of them at
    /// the `end`.
    fn write(&mut self, only: Option<u32>, end: bool, out: &mut Writer) {
        out.open(b'{');
        out.key("candidates");
        out.open(b'[');
        for (index, candidate) in &mut self.candidates {
            if only.is_none_or(|only| only == *index) {
                candidate.write(*index, end, out);
            }
        }
        out.close(b']');
        if let (Some(counts), true) = (&self.usage, end) {
            out.key("usageMetadata");
            out.raw(&usage::render(counts));
        }
        out.member("modelVersion", &self.labels.model);
        out.member("responseId", &self.labels.id);
        out.close(b'}');
    }
}
