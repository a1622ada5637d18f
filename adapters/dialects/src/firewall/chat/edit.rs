//! An event or a reply after what was decided of its calls.

use bytes::Bytes;

use super::call::Choice;
use super::wire::{Chunk, Piece, Slot, Told, is_call};
use crate::firewall::Fault;
use crate::firewall::ask::Decision;
use crate::firewall::document::{self, Document, Member, Object};
use crate::firewall::edit::Edit;
use crate::json::quote;
use crate::splice::Edits;
use crate::sse::Event;

impl Edit<'_> {
    /// Edits what is told of a choice; `calls` are those of its pieces.
    pub(super) fn choice(
        &mut self,
        told: &Told<'_>,
        choice: &mut Choice,
        calls: &[usize],
    ) -> Result<(), Fault> {
        self.speaks |= told.speaks();
        let mut rest = told.pieces.iter().zip(calls);
        for delta in &told.deltas {
            let mut said = Vec::new();
            let mut gone = Vec::new();
            for member in delta.members.iter().filter(|member| is_call(member)) {
                let count = match () {
                    () if member.value == "null" => 0,
                    () if member.is("function_call") => 1,
                    () => document::list(member.value)?.len(),
                };
                let pieces: Vec<_> = rest.by_ref().take(count).collect();
                if count > 0 && self.calls(&pieces, choice, &mut said) {
                    gone.push(self.document.member(member));
                }
            }
            self.delta(delta, &gone, &said)?;
        }
        if let Some(reason) = told.finish
            && choice.none_left()
            && matches!(reason, r#""tool_calls""# | r#""function_call""#)
        {
            self.edits.replace(self.document.span(reason), r#""stop""#);
        }
        Ok(())
    }

    /// Edits the pieces of one member; whether none of them is left.
    fn calls(
        &mut self,
        pieces: &[(&Piece<'_>, &usize)],
        choice: &mut Choice,
        said: &mut Vec<String>,
    ) -> bool {
        let spans: Vec<_> = pieces
            .iter()
            .map(|(piece, _)| self.document.span(piece.json))
            .collect();
        let mut gone = vec![false; pieces.len()];
        for (gone, (piece, call)) in gone.iter_mut().zip(pieces) {
            *gone = self.piece(piece, **call, choice, said);
        }
        let all = gone.iter().all(|gone| *gone);
        if !all {
            self.speaks = true;
            self.edits.cut(&spans, &gone);
        }
        all
    }

    /// Edits one piece; whether it goes.
    fn piece(
        &mut self,
        piece: &Piece<'_>,
        at: usize,
        choice: &mut Choice,
        said: &mut Vec<String>,
    ) -> bool {
        let Some(call) = choice.call(at) else {
            return true;
        };
        match &mut call.decision {
            Some(Decision::Released) => {}
            Some(Decision::Rewritten(arguments)) => {
                let said = &mut call.said;
                rewrite(self.document, piece, arguments, said, &mut self.edits);
            }
            Some(Decision::Refused(text)) => {
                if !std::mem::replace(&mut call.said, true) {
                    said.push(text.clone());
                }
                return true;
            }
            None => return true,
        }
        if let (Some(number), Slot::Index(theirs, spelled)) = (choice.number(at), piece.slot)
            && number != theirs
        {
            let span = self.document.span(spelled);
            self.edits.replace(span, number.to_string());
        }
        false
    }

    /// Takes members out of a delta, and puts what is said instead of them in.
    fn delta(
        &mut self,
        delta: &Object<'_>,
        gone: &[std::ops::Range<usize>],
        said: &[String],
    ) -> Result<(), Fault> {
        let spans: Vec<_> = delta
            .members
            .iter()
            .map(|it| self.document.member(it))
            .collect();
        if said.is_empty() {
            let gone: Vec<bool> = spans.iter().map(|span| gone.contains(span)).collect();
            self.edits.cut(&spans, &gone);
            return Ok(());
        }
        self.speaks = true;
        let said = said.join("\n\n");
        if let Some(content) = delta.find("content")? {
            let content = self.spoken(content, &said)?;
            let at = delta.members.iter().position(|it| it.is("content"));
            let gone: Vec<bool> = spans.iter().map(|span| gone.contains(span)).collect();
            self.edits.cut(&spans, &gone);
            if let Some(at) = at {
                self.edits
                    .replace(self.document.span(delta.members[at].value), content);
            }
            return Ok(());
        }
        let said = if self.streamed {
            format!("\n\n{said}")
        } else {
            said
        };
        let content = format!(r#""content":{}"#, quote(&said));
        match gone.split_first() {
            Some((first, others)) => {
                let gone: Vec<bool> = spans.iter().map(|span| others.contains(span)).collect();
                self.edits.cut(&spans, &gone);
                self.edits.replace(first.clone(), content);
            }
            None => {
                let first = spans.first().map_or(0, |span| span.start);
                self.edits.insert(first, content + ",");
            }
        }
        Ok(())
    }

    /// The content with more said after it.
    fn spoken(&self, content: &Member<'_>, said: &str) -> Result<String, Fault> {
        if content.value.starts_with('[') {
            // Parts, as Mistral has them.
            let mut parts = document::list(content.value)?;
            let part = format!(r#"{{"type":"text","text":{}}}"#, quote(said));
            parts.push(&part);
            return Ok(format!("[{}]", parts.join(",")));
        }
        let text = document::text(content.value).unwrap_or_default();
        let gap = if self.streamed || !text.is_empty() {
            "\n\n"
        } else {
            ""
        };
        Ok(quote(&format!("{text}{gap}{said}")))
    }
}

/// Other arguments take the place of the first that come, and no others follow.
fn rewrite(
    document: &Document,
    piece: &Piece<'_>,
    arguments: &mut String,
    said: &mut bool,
    edits: &mut Edits,
) {
    let Some(function) = &piece.function else {
        return;
    };
    if let Some(given) = piece.given() {
        let again = std::mem::replace(said, true);
        let other = match (again, given.value.starts_with('{')) {
            (true, _) => r#""""#.to_owned(),
            (false, true) => std::mem::take(arguments),
            (false, false) => quote(&std::mem::take(arguments)),
        };
        edits.replace(document.span(given.value), other);
    } else if let Some(first) = function.members.first()
        && !std::mem::replace(said, true)
    {
        let other = format!(r#""arguments":{},"#, quote(&std::mem::take(arguments)));
        edits.insert(document.member(first).start, other);
    }
}

/// An event that is to wait but says something beside its calls: what it says, and the
/// rest of it.
pub(super) fn split(
    event: &Event,
    document: &Document,
    chunk: &Chunk<'_>,
) -> Result<Option<(Bytes, Event)>, Fault> {
    let is_text = |it: &Member<'_>| !is_call(it) && !it.is("role") && !it.is_blank();
    let deltas = || chunk.choices.iter().flat_map(|choice| &choice.deltas);
    if !deltas().any(|delta| delta.members.iter().any(is_text)) {
        return Ok(None);
    }
    let (mut text, mut calls) = (Edits::default(), Edits::default());
    for delta in deltas() {
        let members = &delta.members;
        let spans: Vec<_> = members.iter().map(|it| document.member(it)).collect();
        let are: Vec<bool> = members.iter().map(is_call).collect();
        text.cut(&spans, &are);
        let are: Vec<bool> = members.iter().map(is_text).collect();
        calls.cut(&spans, &are);
    }
    for reason in chunk.choices.iter().filter_map(|choice| choice.finish) {
        text.replace(document.span(reason), "null");
    }
    if let Some(usage) = &chunk.usage {
        text.replace(document.span(usage.value), "null");
    }
    let text = event.with_data(&text.apply(document.bytes()));
    let calls = event.with_data(&calls.apply(document.bytes()));
    Ok(Some((text, Event::of(calls))))
}
