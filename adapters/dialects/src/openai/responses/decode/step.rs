//! One event of one item.

use super::item::{Field, Item};
use super::{Decoder, member, wire};
use crate::canonical::{Garbled, Sink};

/// What an event is about.
pub(super) enum Step {
    Added,
    Part,
    Piece(Field),
    Whole(Field),
    Done,
    Ignored,
}

impl Step {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "response.output_item.added" => Self::Added,
            "response.output_item.done" => Self::Done,
            "response.content_part.added" => Self::Part,
            "response.output_text.delta" => Self::Piece(Field::Text),
            "response.output_text.done" => Self::Whole(Field::Text),
            "response.refusal.delta" => Self::Piece(Field::Refusal),
            "response.refusal.done" => Self::Whole(Field::Refusal),
            "response.reasoning_summary_text.delta" => Self::Piece(Field::Summary),
            "response.reasoning_summary_text.done" => Self::Whole(Field::Summary),
            "response.reasoning_text.delta" => Self::Piece(Field::Thought),
            "response.reasoning_text.done" => Self::Whole(Field::Thought),
            "response.function_call_arguments.delta" => Self::Piece(Field::Arguments),
            "response.function_call_arguments.done" => Self::Whole(Field::Arguments),
            // The progress of hosted tools, annotations, and whatever OpenAI adds.
            _ => Self::Ignored,
        }
    }
}

impl Decoder {
    /// Takes an event of the item whose turn it is.
    pub(super) fn take(
        &mut self,
        step: Step,
        event: wire::Event<'_>,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        self.start(None, sink);
        match step {
            Step::Added => {
                let item: wire::Item<'_> = member(event.item, "item")?;
                self.item(event.output_index, Some(&item), Field::Text)
                    .announced(&item, sink);
            }
            Step::Done => {
                let item: wire::Item<'_> = member(event.item, "item")?;
                self.item(event.output_index, Some(&item), Field::Text);
                self.close(Some(&item), sink)?;
            }
            Step::Part => {
                let part: wire::Part<'_> = member(event.part, "part")?;
                let field = match part.kind.as_ref().map(|kind| &*kind.0) {
                    Some("output_text") => Field::Text,
                    Some("refusal") => Field::Refusal,
                    _ => return Ok(()),
                };
                let at = event.content_index.unwrap_or(0);
                self.item(event.output_index, None, field)
                    .part(field, at, sink);
            }
            Step::Piece(field) | Step::Whole(field) => {
                let at = match field {
                    Field::Summary => event.summary_index,
                    Field::Arguments => None,
                    Field::Text | Field::Refusal | Field::Thought => event.content_index,
                };
                let at = at.unwrap_or(0);
                let is_piece = matches!(step, Step::Piece(_));
                let text = if is_piece {
                    event.delta
                } else {
                    match field {
                        Field::Refusal => event.refusal,
                        Field::Arguments => event.arguments,
                        Field::Text | Field::Summary | Field::Thought => event.text,
                    }
                };
                let Some(text) = wire::text(text)? else {
                    return Ok(());
                };
                let item = self.item(event.output_index, None, field);
                let held = if is_piece {
                    item.piece(field, at, text, sink)
                } else {
                    item.whole(field, at, text, sink)
                };
                self.hold(held)?;
            }
            Step::Ignored => {}
        }
        Ok(())
    }

    /// The item whose turn it is, begun if there is none.
    pub(super) fn item(
        &mut self,
        index: Option<u64>,
        item: Option<&wire::Item<'_>>,
        piece: Field,
    ) -> &mut Item {
        self.any = true;
        self.current
            .get_or_insert_with(|| Item::begin(index, item, piece))
    }

    pub(super) fn close(
        &mut self,
        item: Option<&wire::Item<'_>>,
        sink: Sink<'_>,
    ) -> Result<(), Garbled> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        if let Some(index) = current.index {
            self.hold(size_of::<u64>())?;
            self.over.insert(index);
        }
        self.calls |= current.is_call();
        current.finish(item, sink)
    }
}
