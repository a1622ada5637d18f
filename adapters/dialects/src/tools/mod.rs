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
mod marker;
mod messages;

use std::fmt;

use bytes::Bytes;

use crate::Api;
use crate::reply::Run;
use crate::sse::{Event, Frame, Framer};
use marker::Marker;

/// How much of one reply is held, in bytes, and how long one event may be.
pub const MAX_HELD: usize = 1024 * 1024;

/// How many calls one reply may make.
const MAX_CALLS: usize = 1024;

/// A call that the caller's client is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The tool; of built-in ones that have no name their type, such as `shell_call`.
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

/// One reply's way through. It holds an event and the events of open calls, each of at
/// most [`MAX_HELD`].
#[derive(Debug)]
pub struct Firewall {
    framer: Framer,
    marker: Marker,
    machine: Box<dyn Machine>,
    fault: Option<Fault>,
}

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
            _ => Box::new(messages::Messages::default()),
        };
        Self {
            framer: Framer::with_limit(MAX_HELD),
            marker: Marker::of(api),
            machine,
            fault: None,
        }
    }

    /// Takes the next piece of a stream, cut anywhere, and appends to `out` what the
    /// caller gets for it. After a fault that is nothing.
    pub fn push(&mut self, piece: Bytes, judge: Judge<'_>, out: &mut Vec<Bytes>) {
        if self.fault.is_some() || piece.is_empty() {
            return;
        }
        // Whole events, all of them harmless: they need not be told apart.
        let at_rest = self.framer.held() == 0 && !self.machine.is_busy();
        if at_rest && piece.ends_with(b"\n\n") && !self.marker.is_in(&piece) {
            return out.push(piece);
        }
        let Self {
            framer,
            marker,
            machine,
            fault,
        } = self;
        let mut run = Run::new(&piece, out);
        framer.push(piece.clone(), |frame| {
            pass(frame, marker, machine.as_mut(), fault, judge, &mut run);
        });
        run.flush();
    }

    /// The upstream has ended. A call that has not is never released.
    pub fn finish(&mut self, judge: Judge<'_>, out: &mut Vec<Bytes>) {
        let Self {
            framer,
            marker,
            machine,
            fault,
        } = self;
        let nothing = Bytes::new();
        let mut run = Run::new(&nothing, out);
        framer.finish(|frame| match &frame {
            // No client can read half of an event.
            Frame::Event(event) if !event.is_complete() && !event.is_whole() => {}
            _ => pass(frame, marker, machine.as_mut(), fault, judge, &mut run),
        });
        run.flush();
        if machine.is_open() {
            fault.get_or_insert(Fault::Unreadable("the reply ends in the middle of one"));
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

    /// Why nothing more passes, if so. The stream is then to be ended by an error event,
    /// which stands after whole events.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Bytes that wait for the end of their event, or of a call.
    #[must_use]
    pub fn held(&self) -> usize {
        self.framer.held() + self.machine.held()
    }
}

fn pass(
    frame: Frame,
    marker: &Marker,
    machine: &mut dyn Machine,
    fault: &mut Option<Fault>,
    judge: Judge<'_>,
    run: &mut Run<'_>,
) {
    if fault.is_some() {
        return;
    }
    let Frame::Event(event) = frame else {
        *fault = Some(Fault::Exceeded);
        return;
    };
    let suspect = marker.is_in(event.raw());
    if !suspect && !machine.is_busy() {
        return run.pass(event.raw().clone());
    }
    let mut told = Vec::new();
    *fault = machine.event(&event, suspect, judge, &mut told).err();
    told.into_iter().for_each(|raw| run.pass(raw));
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
