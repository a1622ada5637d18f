//! The provider's books: what arrived, how it ended, and what it was billed.
//!
//! Input is billed on arrival and output as it is generated, for that is what
//! a provider does to a caller who leaves early. A refusal (a status fault, a
//! malformed body) is seen and not billed.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use serde::Serialize;

use super::record::Record;

/// Requests that the ledger remembers one by one; totals count all of them.
const KEPT: usize = 20_000;

/// Tokens that a caller owes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Billed {
    /// Prompt tokens, billed on arrival.
    pub input_tokens: u64,
    /// Completion tokens, billed as they were generated.
    pub output_tokens: u64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The whole reply was handed to the connection.
    Finished,
    /// The client left, or the mock stopped, before that.
    Cut,
    /// A fault that was ordered ended it.
    Faulted,
    /// Answered with an error status and not billed.
    Refused,
}

/// One chat request.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// Position in the order of arrival, from 1; a reset does not start anew.
    pub sequence: u64,
    /// The caller's `x-request-id`.
    pub request_id: Option<String>,
    /// The model as it was asked for, settings included; empty where the body
    /// could not be read.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Milliseconds from the start of the mock to the arrival.
    pub arrived_ms: u64,
    /// How it ended, or nothing while it runs.
    pub ending: Option<Ending>,
    /// What it was billed so far.
    #[serde(flatten)]
    pub billed: Billed,
}

/// Counts over all chat requests since the start or the last reset.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Totals {
    /// Requests that arrived.
    pub seen: u64,
    /// Requests that have not ended, also those from before a reset.
    pub running: u64,
    /// Requests that ended as [`Ending::Finished`].
    pub finished: u64,
    /// Requests that ended as [`Ending::Cut`].
    pub cut: u64,
    /// Requests that ended as [`Ending::Faulted`].
    pub faulted: u64,
    /// Requests that ended as [`Ending::Refused`].
    pub refused: u64,
    /// Tokens billed over all of them.
    #[serde(flatten)]
    pub billed: Billed,
}

/// What `GET /__mock/state` shows.
#[derive(Debug, Clone, Serialize)]
pub struct State {
    /// Counts over all requests.
    #[serde(flatten)]
    pub totals: Totals,
    /// `x-request-id` of the remembered requests that were billed.
    pub billed_request_ids: Vec<String>,
    /// The last 20,000 requests in order of arrival.
    pub requests: Vec<Seen>,
}

/// A chat request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What is known of a request when it is entered.
pub(super) struct Arrival {
    pub(super) request_id: Option<String>,
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) input_tokens: u64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    started: Instant,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    totals: Totals,
    requests: VecDeque<Seen>,
    next_sequence: u64,
    /// Requests below this sequence were forgotten by a reset.
    forgotten_below: u64,
    last: Option<Received>,
    record: Record,
}

impl Ledger {
    pub(super) fn open(record: Option<&Path>) -> io::Result<Self> {
        Ok(Self {
            started: Instant::now(),
            books: Mutex::new(Books {
                totals: Totals::default(),
                requests: VecDeque::new(),
                next_sequence: 1,
                forgotten_below: 0,
                last: None,
                record: Record::open(record)?,
            }),
        })
    }

    /// Enters a request and bills its input. The ticket bills the rest; one
    /// that is dropped without an ending is a client that left.
    pub(super) fn arrive(self: &Arc<Self>, arrival: Arrival) -> Ticket {
        let at_ms = self.elapsed_ms();
        let mut books = self.books.lock();
        let sequence = books.next_sequence;
        books.next_sequence += 1;
        books.totals.seen += 1;
        books.totals.running += 1;
        books.totals.billed.input_tokens += arrival.input_tokens;
        let seen = Seen {
            sequence,
            request_id: arrival.request_id,
            model: arrival.model,
            stream: arrival.stream,
            arrived_ms: at_ms,
            ending: None,
            billed: Billed {
                input_tokens: arrival.input_tokens,
                output_tokens: 0,
            },
        };
        books.record.arrival(&seen);
        if books.requests.len() == KEPT {
            books.requests.pop_front();
        }
        books.requests.push_back(seen);
        Ticket {
            ledger: Arc::clone(self),
            sequence,
            ended: false,
        }
    }

    pub(super) fn keep(&self, received: Received) {
        self.books.lock().last = Some(received);
    }

    pub(super) fn last(&self) -> Option<Received> {
        self.books.lock().last.clone()
    }

    pub(super) fn totals(&self) -> Totals {
        self.books.lock().totals
    }

    pub(super) fn state(&self) -> State {
        let books = self.books.lock();
        State {
            totals: books.totals,
            billed_request_ids: books
                .requests
                .iter()
                .filter(|seen| seen.billed != Billed::default())
                .filter_map(|seen| seen.request_id.clone())
                .collect(),
            requests: books.requests.iter().cloned().collect(),
        }
    }

    pub(super) fn reset(&self) {
        let mut books = self.books.lock();
        books.totals = Totals {
            running: books.totals.running,
            ..Totals::default()
        };
        books.requests.clear();
        books.forgotten_below = books.next_sequence;
        books.last = None;
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Books {
    fn entry(&mut self, sequence: u64) -> Option<&mut Seen> {
        let first = self.requests.front()?.sequence;
        let index = usize::try_from(sequence.checked_sub(first)?).ok()?;
        self.requests.get_mut(index)
    }

    fn bill_output(&mut self, sequence: u64, tokens: u64) {
        if sequence < self.forgotten_below {
            return;
        }
        self.totals.billed.output_tokens += tokens;
        if let Some(seen) = self.entry(sequence) {
            seen.billed.output_tokens += tokens;
        }
    }

    fn end(&mut self, sequence: u64, ending: Ending, at_ms: u64) {
        self.totals.running -= 1;
        if sequence < self.forgotten_below {
            return;
        }
        let count = match ending {
            Ending::Finished => &mut self.totals.finished,
            Ending::Cut => &mut self.totals.cut,
            Ending::Faulted => &mut self.totals.faulted,
            Ending::Refused => &mut self.totals.refused,
        };
        *count += 1;
        let Some(seen) = self.entry(sequence) else {
            return;
        };
        seen.ending = Some(ending);
        let seen = seen.clone();
        self.record.ending(&seen, at_ms);
    }
}

/// The right to bill one request, and the duty to end it.
#[derive(Debug)]
pub(super) struct Ticket {
    ledger: Arc<Ledger>,
    sequence: u64,
    ended: bool,
}

impl Ticket {
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn bill_output(&self, tokens: u64) {
        self.ledger.books.lock().bill_output(self.sequence, tokens);
    }

    /// The first ending counts.
    pub(super) fn end(&mut self, ending: Ending) {
        if !std::mem::replace(&mut self.ended, true) {
            let at_ms = self.ledger.elapsed_ms();
            self.ledger.books.lock().end(self.sequence, ending, at_ms);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Ending::Cut);
    }
}
