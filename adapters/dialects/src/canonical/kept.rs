//! What a model signed before its calls, kept for clients that cannot give it
//! back themselves.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeMap, HashSet};
use std::mem;

use super::{Block, Delta, Event, Maker, Part, Reasoning, Request, Role};

/// How much of a reply is kept, in bytes.
const MAX_KEPT: usize = 256 * 1024;

/// Reasoning, and the calls that it came before.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Each signed or in cipher; in the order in which it came.
    pub reasoning: Vec<Reasoning<'static>>,
    /// Calls with no reasoning between them; not empty.
    pub calls: Vec<KeptCall>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCall {
    /// Names it in its result.
    pub id: String,
    /// Gemini's thought signature on this call.
    pub signature: Option<String>,
}

/// Collects from the events of one reply what is to be kept of it. It holds at
/// most 256 KiB, and of a reply that has more it keeps nothing: half of what a
/// model thought is worth nothing to it.
#[derive(Debug, Default)]
pub struct Keeper {
    choices: BTreeMap<u32, Choice>,
    kept: Vec<Kept>,
    held: usize,
}

#[derive(Debug, Default)]
struct Choice {
    thought: Option<Reasoning<'static>>,
    in_call: bool,
    reasoning: Vec<Reasoning<'static>>,
    calls: Vec<KeptCall>,
}

impl Keeper {
    /// Takes what the event says.
    pub fn event(&mut self, event: &Event<'_>) {
        if self.held > MAX_KEPT {
            return;
        }
        match event {
            Event::Open { choice, block } => {
                let state = self.choices.entry(*choice).or_default();
                match block {
                    Block::Reasoning { maker, id } => {
                        self.kept.extend(state.group());
                        state.thought = Some(blank(*maker, id.as_deref()));
                    }
                    Block::ToolCall { id, .. } => {
                        self.held += id.len() + size_of::<KeptCall>();
                        state.in_call = true;
                        state.calls.push(KeptCall {
                            id: id.clone().into_owned(),
                            signature: None,
                        });
                    }
                    _ => {}
                }
            }
            Event::Delta { choice, delta } => {
                let state = self.choices.entry(*choice).or_default();
                self.held += state.delta(delta);
            }
            Event::Close { choice } => {
                let state = self.choices.entry(*choice).or_default();
                state.in_call = false;
                let proven = |it: &Reasoning<'_>| it.signature.is_some() || it.encrypted.is_some();
                match state.thought.take() {
                    Some(thought) if proven(&thought) => {
                        self.held += size_of::<Reasoning<'_>>();
                        state.reasoning.push(thought);
                    }
                    // Nobody takes back what nobody signed.
                    Some(thought) => self.held -= thought.text.len(),
                    None => {}
                }
            }
            Event::Finish { choice, .. } => {
                let state = self.choices.entry(*choice).or_default();
                self.kept.extend(state.group());
            }
            _ => {}
        }
        if self.held > MAX_KEPT {
            self.choices.clear();
            self.kept.clear();
        }
    }

    /// What there is to keep, once the reply has ended.
    #[must_use]
    pub fn take(&mut self) -> Vec<Kept> {
        mem::take(&mut self.kept)
    }
}

impl Choice {
    /// Takes a delta; how many bytes of it are held.
    fn delta(&mut self, delta: &Delta<'_>) -> usize {
        match (&mut self.thought, delta) {
            (Some(thought), Delta::Text(more)) => {
                thought.text.to_mut().push_str(more);
                more.len()
            }
            (Some(thought), Delta::Signature(data)) => {
                thought.signature = Some(Cow::Owned(data.clone().into_owned()));
                data.len()
            }
            (Some(thought), Delta::Encrypted(data)) => {
                thought.encrypted = Some(Cow::Owned(data.clone().into_owned()));
                data.len()
            }
            (None, Delta::Signature(data)) if self.in_call => {
                if let Some(call) = self.calls.last_mut() {
                    call.signature = Some(data.clone().into_owned());
                }
                data.len()
            }
            _ => 0,
        }
    }

    /// The calls since the last reasoning, with what came before them, if there
    /// is anything to prove.
    fn group(&mut self) -> Option<Kept> {
        if self.calls.is_empty() {
            return None;
        }
        let reasoning = mem::take(&mut self.reasoning);
        let calls = mem::take(&mut self.calls);
        let signed = calls.iter().any(|call| call.signature.is_some());
        (signed || !reasoning.is_empty()).then_some(Kept { reasoning, calls })
    }
}

fn blank(maker: Maker, id: Option<&str>) -> Reasoning<'static> {
    Reasoning {
        text: Cow::Borrowed(""),
        signature: None,
        encrypted: None,
        id: id.map(|id| Cow::Owned(id.to_owned())),
        maker,
    }
}

impl Request<'_> {
    /// Gives back what the caller's client has lost: to each assistant turn with
    /// calls that carries neither reasoning nor signature, what `look_up` finds
    /// by the calls' ids. Each is given once, however often a caller names it.
    pub fn recall<K: Borrow<Kept>>(&mut self, look_up: impl Fn(&str) -> Option<K>) {
        let mut recall = Recall {
            look_up,
            calls: HashSet::new(),
            groups: HashSet::new(),
        };
        let turns = self.turns.iter_mut();
        for turn in turns.filter(|turn| turn.role == Role::Assistant) {
            let carries = turn.parts.iter().any(|part| match part {
                Part::Reasoning(_) => true,
                Part::ToolCall(call) => call.signature.is_some(),
                _ => false,
            });
            if !carries {
                turn.parts = recall.parts(mem::take(&mut turn.parts));
            }
        }
    }
}

/// One request's recall: where to look, and what was given.
struct Recall<F> {
    look_up: F,
    calls: HashSet<String>,
    /// By the first call of each.
    groups: HashSet<String>,
}

impl<K: Borrow<Kept>, F: Fn(&str) -> Option<K>> Recall<F> {
    fn parts<'a>(&mut self, parts: Vec<Part<'a>>) -> Vec<Part<'a>> {
        let mut whole = Vec::with_capacity(parts.len());
        // Reasoning goes before the text that leads to its calls.
        let mut place = 0;
        for mut part in parts {
            if let Part::ToolCall(call) = &mut part
                && self.calls.insert(call.id.clone().into_owned())
                && let Some(found) = (self.look_up)(&call.id)
            {
                let Kept { reasoning, calls } = found.borrow();
                if let Some(found) = calls.iter().find(|it| it.id == call.id) {
                    call.signature = found.signature.clone().map(Cow::Owned);
                }
                let first = calls.first().map(|call| call.id.clone());
                if first.is_some_and(|first| self.groups.insert(first)) {
                    let reasoning = reasoning.iter().cloned().map(Part::Reasoning);
                    whole.splice(place..place, reasoning);
                }
            }
            let text = matches!(part, Part::Text(_));
            whole.push(part);
            if !text {
                place = whole.len();
            }
        }
        whole
    }
}
