//! An event or a reply after what was decided of its calls.

use bytes::Bytes;

use super::Call;
use super::wire::{Candidate, Chunk, Piece};
use crate::firewall::ask::Decision;
use crate::firewall::document::Document;
use crate::firewall::edit::Edit;
use crate::json::quote;
use crate::splice::Edits;
use crate::sse::Event;

impl Edit<'_> {
    /// Edits what is told of a candidate; `of` are the calls of its pieces.
    pub(super) fn candidate(&mut self, told: &Candidate<'_>, of: &[usize], calls: &mut [Call]) {
        self.speaks |= told.speaks;
        let parts = &told.parts;
        let spans: Vec<_> = parts
            .iter()
            .map(|part| self.document.span(part.json))
            .collect();
        let mut gone = vec![false; parts.len()];
        let mut of = of.iter();
        for (at, part) in parts.iter().enumerate() {
            let Some(piece) = &part.piece else {
                continue;
            };
            let call = of.next().and_then(|call| calls.get_mut(*call));
            gone[at] = match call {
                Some(call) => self.part(piece, part.json, at > 0, call),
                None => true,
            };
        }
        match told.list {
            // Gemini itself has an empty text where there is nothing to say.
            Some(list) if !parts.is_empty() && gone.iter().all(|gone| *gone) => {
                let list = self.document.span(list);
                self.edits.replace(list, r#"[{"text":""}]"#);
            }
            _ => {
                self.speaks |= !parts.is_empty();
                self.edits.cut(&spans, &gone);
            }
        }
    }

    /// Edits a part that is a call, or a piece of one; whether it goes.
    fn part(&mut self, piece: &Piece<'_>, part: &str, follows: bool, call: &mut Call) -> bool {
        let again = call.said;
        match &call.decision {
            Some(Decision::Released) => return false,
            None => return true,
            Some(_) if again => return true,
            Some(Decision::Rewritten(arguments)) => {
                let span = self.document.span(piece.json);
                self.edits.replace(span, rewritten(piece, arguments));
            }
            Some(Decision::Refused(text)) => {
                // Clients join the texts of parts.
                let gap = if follows || self.streamed { "\n\n" } else { "" };
                let text = quote(&format!("{gap}{text}"));
                let span = self.document.span(part);
                self.edits.replace(span, format!(r#"{{"text":{text}}}"#));
            }
        }
        call.said = true;
        false
    }
}

/// The call with other arguments, all of them.
fn rewritten(piece: &Piece<'_>, arguments: &str) -> String {
    let is_theirs = |name: &str| matches!(name, "args" | "partialArgs" | "willContinue");
    let members = piece.call.members.iter();
    let members = members.filter(|member| !is_theirs(member.name()));
    let mut members: Vec<String> = members
        .map(|member| format!("{}:{}", quote(member.name()), member.value))
        .collect();
    members.push(format!(r#""args":{arguments}"#));
    format!("{{{}}}", members.join(","))
}

/// An event that is to wait but says something beside its calls: what it says, and the
/// rest of it.
pub(super) fn split(
    event: &Event,
    document: &Document,
    chunk: &Chunk<'_>,
) -> Option<(Bytes, Event)> {
    let parts = || {
        chunk
            .candidates
            .iter()
            .flat_map(|candidate| &candidate.parts)
    };
    if !parts().any(|part| part.piece.is_none() && !part.blank) {
        return None;
    }
    let (mut text, mut calls) = (Edits::default(), Edits::default());
    for candidate in &chunk.candidates {
        let parts = &candidate.parts;
        let spans: Vec<_> = parts.iter().map(|part| document.span(part.json)).collect();
        let are: Vec<bool> = parts.iter().map(|part| part.piece.is_some()).collect();
        text.cut(&spans, &are);
        let are: Vec<bool> = are.iter().map(|is_call| !is_call).collect();
        calls.cut(&spans, &are);
        if let Some(reason) = candidate.reason {
            text.replace(document.span(reason), "null");
        }
    }
    let text = event.with_data(&text.apply(document.bytes()));
    let calls = event.with_data(&calls.apply(document.bytes()));
    Some((text, Event::of(calls)))
}
