//! One item of the output: which block is open, and what of it has been told.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::wire;
use super::{CHOICE, parse};
use crate::canonical::{Block, Delta, Event, Garbled, Maker, Sink};

/// The item whose turn it is.
#[derive(Debug)]
pub(super) struct Item {
    /// Where it stands in the output; `None` from servers that do not say.
    pub index: Option<u64>,
    kind: Kind,
    /// Whether a block is open.
    open: bool,
    /// Parts that have been told as they came, and are not to be told again.
    told: BTreeSet<(Field, u64)>,
    /// The part that the open block is of.
    part: Option<(Field, u64)>,
}

#[derive(Debug)]
enum Kind {
    Message,
    Reasoning {
        id: Option<String>,
    },
    Call {
        id: String,
        name: String,
        /// Arguments that came before the name.
        held: String,
    },
    Native,
}

/// What a part is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Text,
    Refusal,
    Summary,
    Thought,
    Arguments,
}

impl Item {
    /// What `item` begins, or what the first piece of one that was not announced
    /// must be of.
    pub(super) fn begin(index: Option<u64>, item: Option<&wire::Item<'_>>, piece: Field) -> Self {
        let kind = match (item, piece) {
            (Some(item), _) => match &*item.kind.0 {
                "message" => Kind::Message,
                "reasoning" => Kind::Reasoning {
                    id: item.id.as_ref().map(|id| id.0.clone().into_owned()),
                },
                "function_call" => Kind::call(),
                _ => Kind::Native,
            },
            (None, Field::Text | Field::Refusal) => Kind::Message,
            (None, Field::Summary | Field::Thought) => Kind::Reasoning { id: None },
            (None, Field::Arguments) => Kind::call(),
        };
        Self {
            index,
            kind,
            open: false,
            told: BTreeSet::new(),
            part: None,
        }
    }

    pub(super) fn is_call(&self) -> bool {
        matches!(self.kind, Kind::Call { .. })
    }

    /// Whether its end can only repeat what has been told. That of a thought has what
    /// proves it.
    pub(super) fn repeats(&self) -> bool {
        match self.kind {
            Kind::Native => true,
            Kind::Message | Kind::Call { .. } => self.open && !self.told.is_empty(),
            Kind::Reasoning { .. } => false,
        }
    }

    /// What the announcement of the item tells beside its kind.
    pub(super) fn announced(&mut self, item: &wire::Item<'_>, sink: Sink<'_>) {
        match &self.kind {
            Kind::Call { .. } => self.name(item, sink),
            Kind::Native if !self.open => {
                let kind = item.kind.0.chars().take(64).collect();
                self.open(Block::Native { kind }, sink);
            }
            _ => {}
        }
    }

    /// Opens a call once its id and name are known.
    fn name(&mut self, item: &wire::Item<'_>, sink: Sink<'_>) {
        let Kind::Call { id, name, held } = &mut self.kind else {
            return;
        };
        if self.open {
            return;
        }
        let known = |text: &Option<wire::Text<'_>>| text.as_ref().map(|text| text.0.to_string());
        if id.is_empty() {
            let named = known(&item.call_id).filter(|id| !id.is_empty());
            *id = named.or(known(&item.id)).unwrap_or_default();
        }
        if name.is_empty() {
            *name = known(&item.name).unwrap_or_default();
        }
        if id.is_empty() || name.is_empty() {
            return;
        }
        let block = Block::ToolCall {
            id: Cow::Borrowed(id),
            name: Cow::Borrowed(name),
        };
        sink(Event::Open {
            choice: CHOICE,
            block,
        });
        let held = std::mem::take(held);
        if !held.is_empty() {
            let delta = Delta::Arguments(held.into());
            sink(Event::Delta {
                choice: CHOICE,
                delta,
            });
        }
        self.open = true;
    }

    /// Begins a part of a message, empty as it may stay.
    pub(super) fn part(&mut self, field: Field, index: u64, sink: Sink<'_>) {
        if matches!(self.kind, Kind::Message) && self.part != Some((field, index)) {
            self.turn_to(field, index, sink);
        }
    }

    /// More of a part. How many bytes of it are held.
    pub(super) fn piece(
        &mut self,
        field: Field,
        index: u64,
        text: Cow<'_, str>,
        sink: Sink<'_>,
    ) -> usize {
        let new = self.told.insert((field, index));
        self.tell(field, index, text, sink) + usize::from(new) * size_of::<(Field, u64)>()
    }

    /// All of a part, which is told unless it was already.
    pub(super) fn whole(
        &mut self,
        field: Field,
        index: u64,
        text: Cow<'_, str>,
        sink: Sink<'_>,
    ) -> usize {
        if self.told.contains(&(field, index)) {
            return 0;
        }
        self.piece(field, index, text, sink)
    }

    fn tell(&mut self, field: Field, index: u64, text: Cow<'_, str>, sink: Sink<'_>) -> usize {
        let delta = match (&mut self.kind, field) {
            (Kind::Message, Field::Text | Field::Refusal) => {
                if self.part != Some((field, index)) {
                    self.turn_to(field, index, sink);
                }
                Delta::Text(text)
            }
            (Kind::Reasoning { .. }, Field::Summary | Field::Thought) => {
                if text.is_empty() {
                    return 0;
                }
                self.think(field, index, sink);
                Delta::Text(text)
            }
            (Kind::Call { held, .. }, Field::Arguments) => {
                if !self.open {
                    held.push_str(&text);
                    return text.len();
                }
                Delta::Arguments(text)
            }
            // A part of some other kind of item: nothing of it is passed on.
            _ => return 0,
        };
        let (Delta::Text(said) | Delta::Arguments(said)) = &delta else {
            return 0;
        };
        if !said.is_empty() {
            sink(Event::Delta {
                choice: CHOICE,
                delta,
            });
        }
        0
    }

    /// Each part of a message is a block of its own.
    fn turn_to(&mut self, field: Field, index: u64, sink: Sink<'_>) {
        self.leave(sink);
        self.part = Some((field, index));
        let block = match field {
            Field::Refusal => Block::Refusal,
            _ => Block::Text,
        };
        self.open(block, sink);
    }

    /// All parts of a thought are one block, with blank lines between them. It is
    /// opened late: most are empty.
    fn think(&mut self, field: Field, index: u64, sink: Sink<'_>) {
        let before = self.part.replace((field, index));
        if !self.open {
            self.open_thought(sink);
        } else if before.is_some_and(|before| before != (field, index)) {
            let delta = Delta::Text(Cow::Borrowed("\n\n"));
            sink(Event::Delta {
                choice: CHOICE,
                delta,
            });
        }
    }

    fn open_thought(&mut self, sink: Sink<'_>) {
        let Kind::Reasoning { id } = &self.kind else {
            return;
        };
        let maker = Maker::OpenAi;
        let id = id.as_deref().map(Cow::Borrowed);
        sink(Event::Open {
            choice: CHOICE,
            block: Block::Reasoning { maker, id },
        });
        self.open = true;
    }

    /// The item is complete; `item` is what its end repeats of it.
    pub(super) fn finish(
        mut self,
        item: Option<&wire::Item<'_>>,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        if let Some(item) = item.filter(|item| self.kind.is(&item.kind.0)) {
            self.announced(item, sink);
            match self.kind {
                Kind::Message => self.parts(item.content, Field::Text, sink)?,
                Kind::Reasoning { .. } => {
                    self.parts(item.summary, Field::Summary, sink)?;
                    self.parts(item.content, Field::Thought, sink)?;
                    self.encrypted(item, sink);
                }
                Kind::Call { .. } => {
                    if let Some(arguments) = wire::text(item.arguments)? {
                        self.whole(Field::Arguments, 0, arguments, sink);
                    }
                }
                Kind::Native => {}
            }
        }
        if self.is_call() && !self.open {
            return Err(Garbled("a call without an id or a name".into()));
        }
        self.leave(sink);
        Ok(())
    }

    /// Tells of a list of parts what has not been told.
    fn parts(
        &mut self,
        list: Option<&RawValue>,
        field: Field,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let Some(list) = list else { return Ok(()) };
        let parts: Vec<wire::Part<'_>> = parse(list.get().as_bytes())?;
        for (index, part) in (0..).zip(parts) {
            let refuses = part.kind.as_ref().is_some_and(|kind| kind.0 == "refusal");
            let (field, text) = if refuses {
                (Field::Refusal, part.refusal)
            } else {
                (field, part.text)
            };
            if let Some(text) = wire::text(text)? {
                self.whole(field, index, text, sink);
            }
        }
        Ok(())
    }

    /// What proves the thought. Before its end it may not be whole.
    fn encrypted(&mut self, item: &wire::Item<'_>, sink: Sink<'_>) {
        if let Kind::Reasoning { id: id @ None } = &mut self.kind {
            *id = item.id.as_ref().map(|id| id.0.clone().into_owned());
        }
        let data = item.encrypted_content.as_ref().map(|data| &*data.0);
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            if !self.open {
                self.open_thought(sink);
            }
            let delta = Delta::Encrypted(Cow::Borrowed(data));
            sink(Event::Delta {
                choice: CHOICE,
                delta,
            });
        }
    }

    fn open(&mut self, block: Block<'_>, sink: Sink<'_>) {
        self.open = true;
        sink(Event::Open {
            choice: CHOICE,
            block,
        });
    }

    fn leave(&mut self, sink: Sink<'_>) {
        if std::mem::take(&mut self.open) {
            sink(Event::Close { choice: CHOICE });
        }
    }
}

impl Kind {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Message => name == "message",
            Self::Reasoning { .. } => name == "reasoning",
            Self::Call { .. } => name == "function_call",
            Self::Native => !matches!(name, "message" | "reasoning" | "function_call"),
        }
    }

    fn call() -> Self {
        Self::Call {
            id: String::new(),
            name: String::new(),
            held: String::new(),
        }
    }
}
