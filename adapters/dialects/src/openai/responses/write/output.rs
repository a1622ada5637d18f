//! The items of a reply, gathered from its events.

use super::item::{Item, Said};
use super::response::Ending;
use crate::canonical::{Block, Delta, Event, Finish, Usage};

/// What has come of a reply.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// The name of the response.
    response: String,
    /// Items so far, the open one included.
    count: u32,
    pub open: Option<Item>,
    /// Complete items as JSON, with commas between them.
    pub done: String,
    finish: Option<(Finish, String)>,
    refused: bool,
    usage: Option<Usage>,
    pub omitted: u32,
}

/// An item that is complete, and its JSON.
pub(super) struct Closed {
    pub item: Item,
    pub json: String,
}

impl Output {
    pub(super) fn new(response: &str) -> Self {
        Self {
            response: response.to_owned(),
            ..Self::default()
        }
    }

    /// Opens the item that a block becomes, if it has a form.
    pub(super) fn open(&mut self, block: &Block<'_>) -> Option<&Item> {
        match Item::open(block, &self.response, self.count) {
            Some(item) => {
                self.count += 1;
                self.refused |= *block == Block::Refusal;
                self.open = Some(item);
            }
            None => self.omitted += 1,
        }
        self.open.as_ref()
    }

    /// Completes the open item. One more comes of what has no place in it.
    pub(super) fn close(&mut self) -> Vec<Closed> {
        let Some(item) = self.open.take() else {
            return Vec::new();
        };
        let homeless = item.homeless();
        let mut closed = vec![self.complete(item)];
        if let Some(seal) = homeless {
            let item = Item::sealed(seal, &self.response, self.count);
            self.count += 1;
            closed.push(self.complete(item));
        }
        closed
    }

    fn complete(&mut self, mut item: Item) -> Closed {
        if let Said::Call { arguments, .. } = &mut item.said
            && arguments.trim().is_empty()
        {
            "{}".clone_into(arguments);
        }
        let mut json = crate::json::Writer::default();
        item.write(true, &mut json);
        let json = String::from_utf8(json.into_bytes()).unwrap_or_default();
        if !self.done.is_empty() {
            self.done.push(',');
        }
        self.done.push_str(&json);
        Closed { item, json }
    }

    /// Takes what an event says that opens, fills and closes no item.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Finish { finish, native, .. } => {
                self.finish = Some((*finish, native.clone().into_owned()));
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            _ => {}
        }
    }

    pub(super) fn add<'d>(&mut self, delta: &'d Delta<'_>) -> Option<(&Item, &'d str)> {
        let item = self.open.as_mut()?;
        let more = item.add(delta)?;
        Some((item, more))
    }

    /// The bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.done.len() + self.open.as_ref().map_or(0, Item::held)
    }

    pub(super) fn ending(&self) -> Ending {
        let (finish, native) = self.finish.clone().unwrap_or((Finish::Stop, String::new()));
        Ending {
            finish,
            native,
            refused: self.refused,
            usage: self.usage,
        }
    }
}
