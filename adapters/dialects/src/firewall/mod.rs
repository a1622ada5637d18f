//! A firewall for tool calls: what a reply asks the caller to run is judged before the
//! caller gets it.
//!
//! It stands at the exit and reads the caller's own API, whether the reply was passed on
//! or translated. Text flows through; from where a call begins its events are held until
//! the arguments are complete. Then a [`Judge`] says whether the call is released,
//! released with other arguments, or refused, and in that case a text in its place says
//! so. What cannot be understood while it might be a call is a [`Fault`]: nothing more
//! passes then.
//!
//! Judged is what the caller is to run. Calls of tools that the provider runs itself have
//! been made already and pass.
//!
//! Start with [`Firewall`]; `messages` is the shortest of the four machines behind it.

mod ask;
mod chat;
mod document;
mod edit;
mod generate;
mod marker;
mod messages;
mod queue;
mod responses;

use std::fmt;

use bytes::Bytes;

use crate::Api;
use crate::reply::Run;
use crate::sse::{Event, Frame, Framer};
use document::Document;
use marker::{Marker, REACH};

/// How much of the calls of one reply is held, in bytes, and how long an event may be
/// that is read.
pub const MAX_HELD: usize = 1024 * 1024;

/// Where more than this is held, pieces are joined: a call that is released then has its
/// arguments in one.
const CONDENSED_AT: usize = MAX_HELD / 4;

/// How many calls one reply may make.
const MAX_CALLS: usize = 1024;

/// A call that the caller's client is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The tool; of built-in ones that have no name what their items are called, such as
    /// `shell` of `shell_call`.
    pub name: &'a str,
    /// What it is called with.
    pub arguments: &'a str,
    /// Whether the arguments are one JSON object, without duplicate keys; else they are
    /// the free text of a custom tool.
    pub json: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The caller gets it as it came.
    Release,
    /// The caller gets it with these arguments, a JSON object. Free text cannot be
    /// replaced so: such a call is refused.
    Rewrite(String),
    /// The caller gets a text in its place, which ends in this sentence.
    Refuse(String),
}

/// Asked once about each call, in the order in which they are complete.
pub type Judge<'a> = &'a mut dyn FnMut(&Call<'_>) -> Ruling;

/// Why nothing more passes. The caller is to be told by an error event, or by an error in
/// place of the reply. `Display` quotes nothing of the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A call, or an event that may hold one, is too long to be held; or there are too
    /// many.
    Exceeded,
    /// What may be a call cannot be read, or could be read in two ways.
    Unreadable(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded => f.write_str("the tool calls of the reply are too long to be judged"),
            Self::Unreadable(what) => {
                write!(
                    f,
                    "the reply may hold a tool call that cannot be judged: {what}"
                )
            }
        }
    }
}

impl std::error::Error for Fault {}

/// One reply's way through. It holds the events of open calls, at most [`MAX_HELD`], and
/// one event more.
#[derive(Debug)]
pub struct Firewall {
    framer: Framer,
    marker: Marker,
    machine: Box<dyn Machine>,
    fault: Option<Fault>,
    long: Option<Long>,
}

/// The end of what has passed of an event that is too long to be held.
#[derive(Debug, Default)]
struct Long(Vec<u8>);

/// What knows one API.
trait Machine: fmt::Debug + Send {
    /// Whether every event is to be read: a call is open, or events are renumbered.
    fn is_busy(&self) -> bool;

    /// Takes an event that may be part of a call (`suspect`), or comes while the machine
    /// is busy, and appends to `out` what the caller gets.
    fn event(
        &mut self,
        event: &Event,
        suspect: bool,
        judge: Judge<'_>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), Fault>;

    /// Judges a reply in one piece that may hold calls.
    fn whole(&mut self, body: &Bytes, judge: Judge<'_>) -> Result<Bytes, Fault>;

    /// The bytes that wait.
    fn held(&self) -> usize;

    /// Whether a call has begun that has not ended.
    fn is_open(&self) -> bool;
}

impl Firewall {
    /// For one reply of an API.
    #[must_use]
    pub fn new(api: Api) -> Self {
        let machine: Box<dyn Machine> = match api {
            Api::Chat => Box::new(chat::Chat::default()),
            Api::Messages => Box::new(messages::Messages::default()),
            Api::Responses => Box::new(responses::Responses::default()),
            Api::Generate => Box::new(generate::Generate::default()),
        };
        Self {
            framer: Framer::with_limit(MAX_HELD),
            marker: Marker::of(api),
            machine,
            fault: None,
            long: None,
        }
    }

    /// Takes the next piece of a stream, cut anywhere, and appends to `out` what the
    /// caller gets for it. After a fault that is nothing.
    pub fn push(&mut self, piece: Bytes, judge: Judge<'_>, out: &mut Vec<Bytes>) {
        if self.fault.is_some() || piece.is_empty() {
            return;
        }
        // Whole events, all of them harmless: they need not be told apart.
        let between = self.framer.held() == 0 && self.long.is_none();
        let at_rest = between && !self.machine.is_busy();
        if at_rest && piece.ends_with(b"\n\n") && !self.marker.is_in(&piece) {
            return out.push(piece);
        }
        let mut run = Run::new(&piece, out);
        let mut framer = std::mem::take(&mut self.framer);
        framer.push(piece.clone(), |frame| self.pass(frame, judge, &mut run));
        self.framer = framer;
        run.flush();
    }

    /// The upstream has ended. A call that has not is never released.
    pub fn finish(&mut self, judge: Judge<'_>, out: &mut Vec<Bytes>) {
        let nothing = Bytes::new();
        let mut run = Run::new(&nothing, out);
        let mut framer = std::mem::take(&mut self.framer);
        framer.finish(|frame| match &frame {
            // No client can read half of an event.
            Frame::Event(event) if !event.is_complete() && !event.is_whole() => {}
            Frame::Oversize { .. } => {}
            Frame::Event(_) => self.pass(frame, judge, &mut run),
        });
        self.framer = framer;
        run.flush();
        if self.machine.is_open() {
            let why = Fault::Unreadable("the reply ends in the middle of one");
            self.fault.get_or_insert(why);
        }
    }

    /// Judges a reply in one piece, of status 200; what the caller gets.
    ///
    /// # Errors
    /// [`Fault`]: the caller is to get an error in place of it.
    pub fn whole(&mut self, body: Bytes, judge: Judge<'_>) -> Result<Bytes, Fault> {
        if !self.marker.is_in(&body) {
            return Ok(body);
        }
        self.machine.whole(&body, judge)
    }

    /// Why nothing more passes, if so. The stream is then to be ended by an error event.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Whether what has passed ends in the middle of an event, so that an error event
    /// needs a blank line before it.
    #[must_use]
    pub fn is_mid_event(&self) -> bool {
        self.long.is_some()
    }

    /// Bytes that wait for the end of their event, or of a call.
    #[must_use]
    pub fn held(&self) -> usize {
        self.framer.held() + self.machine.held()
    }

    fn pass(&mut self, frame: Frame, judge: Judge<'_>, run: &mut Run<'_>) {
        if self.fault.is_some() {
            return;
        }
        let event = match frame {
            Frame::Event(event) => event,
            Frame::Oversize { raw, last } => {
                match self.long(&raw, last) {
                    Ok(()) => run.pass(raw),
                    Err(fault) => self.fault = Some(fault),
                }
                return;
            }
        };
        let suspect = self.marker.is_in(event.raw());
        if !suspect && !self.machine.is_busy() {
            return run.pass(event.raw().clone());
        }
        let mut told = Vec::new();
        self.fault = self.machine.event(&event, suspect, judge, &mut told).err();
        told.into_iter().for_each(|raw| run.pass(raw));
    }

    /// A piece of an event that is too long to be held, such as a picture of Gemini's, or
    /// a document that Anthropic fetched: it passes as long as no call shows.
    ///
    /// In Messages and Responses a call may say what it is called with before it says that
    /// it is one. Of such an event, if it is longer than [`MAX_HELD`], bytes have passed by
    /// then; but its end never does, so that no client can read it.
    fn long(&mut self, piece: &[u8], last: bool) -> Result<(), Fault> {
        let begun = self.long.take();
        let has_begun = begun.is_some();
        let Long(mut seen) = begun.unwrap_or_default();
        // The first piece is all that was held, and needs no copy.
        let found = if seen.is_empty() {
            self.marker.is_in(piece)
        } else {
            let before = seen.len();
            seen.extend_from_slice(piece);
            self.marker.goes_on(&seen, before)
        };
        let harmless = !self.machine.is_busy() && !found;
        let goes_on = if harmless { !last } else { has_begun };
        self.long = goes_on.then(|| Long(end_of(if seen.is_empty() { piece } else { &seen })));
        if harmless {
            Ok(())
        } else {
            Err(Fault::Exceeded)
        }
    }
}

const UNREADABLE: Fault = Fault::Unreadable("an event is not strict JSON");

/// What an event holds; `None` where that is no JSON and no call either: it passes as it is.
fn read(event: &Event, suspect: bool) -> Result<Option<Document>, Fault> {
    match event.data().and_then(|data| Document::read(&data)) {
        None if suspect => Err(UNREADABLE),
        document => Ok(document),
    }
}

/// A key of a call is where no call is known to be.
const MISPLACED: Fault = Fault::Unreadable("a call is in a strange place");

/// As much of it as can matter to what comes next.
fn end_of(bytes: &[u8]) -> Vec<u8> {
    bytes[bytes.len().saturating_sub(REACH)..].to_vec()
}

/// Counts what is held.
#[derive(Debug, Default)]
struct Held(usize);

impl Held {
    fn add(&mut self, bytes: usize) -> Result<(), Fault> {
        self.0 += bytes;
        if self.0 > MAX_HELD {
            return Err(Fault::Exceeded);
        }
        Ok(())
    }

    fn free(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }
}
