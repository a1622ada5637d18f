//! A reply or stream as canonical events.

mod choice;
mod finish;
mod partial;
mod wire;

use choice::Choice;
pub(crate) use partial::Partial;
use wire::{Candidate, Chunk, Str};

use super::error::in_stream;
use super::usage;
use crate::canonical::{Decode, Ended, Event, Garbled, Sink, Usage};

/// How the ids begin that [`Decoder`] makes for calls that came without one.
/// Gemini has never seen them, so they are not sent back to it.
pub const MADE_ID: &str = "call_lat_";

/// As many choices as can be asked for anywhere.
const MAX_CHOICES: u32 = 128;

/// Reads what `generateContent` and `streamGenerateContent` reply. There is no
/// end mark: a stream is whole when every candidate that was seen has a reason
/// to be finished. The finish of a choice is told at the end, because chunks
/// without a reason may follow the one that has it.
///
/// Holds the last usage, a few words for each choice, and at most 1 MiB of a
/// call's arguments where they come leaf by leaf.
#[derive(Debug)]
pub struct Decoder {
    ids: Ids,
    /// How many candidates must finish.
    candidates: u32,
    /// The prompt was refused: there are none.
    blocked: bool,
    choices: Vec<Choice>,
    begun: bool,
    usage: Option<Usage>,
    ended: Option<Ended>,
}

impl Decoder {
    /// For one reply. Calls without an id get `call_lat_{seed}_0` and so on, so
    /// the `seed` is best letters and digits, and must differ from reply to reply
    /// within a conversation.
    #[must_use]
    pub fn new(seed: &str) -> Self {
        Self {
            ids: Ids {
                seed: seed.to_owned(),
                made: 0,
            },
            candidates: 1,
            choices: Vec::new(),
            blocked: false,
            begun: false,
            usage: None,
            ended: None,
        }
    }

    /// The same for a reply of so many candidates, each of which must finish.
    #[must_use]
    pub fn of(self, candidates: u32) -> Self {
        Self { candidates, ..self }
    }

    /// One chunk, or an array of them.
    fn read(&mut self, json: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        let chunks = match json.trim_ascii_start().first() {
            Some(b'[') => serde_json::from_slice::<Vec<Chunk<'_>>>(json),
            _ => serde_json::from_slice::<Chunk<'_>>(json).map(|chunk| vec![chunk]),
        };
        // The error's own words may quote the reply.
        let chunks = chunks.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Garbled(format!(
                "not a GenerateContentResponse at line {line} column {column}"
            ))
        })?;
        for chunk in chunks {
            if self.ended.is_none() {
                self.chunk(chunk, sink)?;
            }
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: Chunk<'_>, sink: Sink<'_>) -> Result<(), Garbled> {
        if let Some(error) = chunk.error {
            self.ended = Some(Ended::Errored);
            sink(Event::Error(in_stream(error)));
            return Ok(());
        }
        if !self.begun {
            self.begun = true;
            sink(Event::Start {
                id: chunk.response_id.unwrap_or_default().0,
                model: chunk.model_version.unwrap_or_default().0,
            });
        }
        for candidate in chunk.candidates.into_iter().flatten() {
            self.candidate(candidate, sink)?;
        }
        let blocked = chunk.prompt_feedback.and_then(|it| it.block_reason);
        if let (Some(Str(reason)), true) = (blocked, self.choices.is_empty()) {
            self.blocked = true;
            self.choice(0)?.0.blocked(&reason);
        }
        // Counts are cumulative; chunks that lack them say nothing.
        let usage = chunk.usage_metadata.and_then(|it| usage::read(it.get()));
        self.usage = usage.or(self.usage);
        Ok(())
    }

    fn candidate(&mut self, candidate: Candidate<'_>, sink: Sink<'_>) -> Result<(), Garbled> {
        let (choice, ids) = self.choice(candidate.index.unwrap_or(0))?;
        let parts = candidate.content.and_then(|content| content.parts);
        for part in parts.into_iter().flatten() {
            choice.part(part, ids, sink)?;
        }
        if let Some(Str(reason)) = candidate.finish_reason {
            choice.finished(&reason);
        }
        Ok(())
    }

    fn choice(&mut self, index: u32) -> Result<(&mut Choice, &mut Ids), Garbled> {
        if index >= MAX_CHOICES {
            return Err(Garbled(format!("candidate {index} was never asked for")));
        }
        let known = self.choices.iter().position(|it| it.index == index);
        let at = known.unwrap_or_else(|| {
            self.choices.push(Choice::new(index));
            self.choices.len() - 1
        });
        Ok((&mut self.choices[at], &mut self.ids))
    }
}

impl Decode for Decoder {
    fn event(&mut self, _: Option<&[u8]>, data: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        self.read(data, sink)
    }

    fn whole(&mut self, body: &[u8], sink: Sink<'_>) -> Result<(), Garbled> {
        self.read(body, sink)?;
        match self.end(sink) {
            Ended::Whole | Ended::Errored => Ok(()),
            Ended::Cut => Err(Garbled("no candidate is finished".to_owned())),
        }
    }

    fn end(&mut self, sink: Sink<'_>) -> Ended {
        if let Some(ended) = self.ended {
            return ended;
        }
        let enough = self.blocked || self.choices.len() >= self.candidates as usize;
        let finished = self.choices.iter().all(Choice::is_finished);
        let whole = !self.choices.is_empty() && enough && finished;
        let ended = if whole { Ended::Whole } else { Ended::Cut };
        self.ended = Some(ended);
        if whole {
            self.choices.sort_by_key(|choice| choice.index);
            for choice in &mut self.choices {
                choice.end(sink);
            }
            if let Some(usage) = self.usage {
                sink(Event::Usage(usage));
            }
        }
        ended
    }
}

/// Makes ids for calls.
#[derive(Debug)]
struct Ids {
    seed: String,
    made: u64,
}

impl Ids {
    fn make(&mut self) -> String {
        let id = format!("{MADE_ID}{}_{}", self.seed, self.made);
        self.made += 1;
        id
    }
}
