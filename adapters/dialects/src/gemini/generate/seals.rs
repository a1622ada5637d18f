//! Cutting thoughts that are sealed for another maker out of a body.

use memchr::memmem;
use serde_json::value::RawValue;

use crate::canonical::SEAL;
use crate::gemini::fields::camel;
use crate::json::layout::{Layout, Member, members};
use crate::splice::Edits;

/// What is noted of it.
pub(super) const NOTE: &str = "contents.parts: thoughts of another provider were left out";

/// Cuts what is sealed: whole parts that are thoughts, with the pieces of the same
/// thought before them, and the mere seal of other parts. A content of nothing else
/// goes with them. Whether there was anything.
pub(super) fn cut(body: &[u8], edits: &mut Edits) -> bool {
    if memmem::find(body, SEAL.as_bytes()).is_none() {
        return false;
    }
    let body = Body(Layout(body));
    let cut = |contents| body.contents(contents, edits);
    body.contents_of_request().and_then(cut).unwrap_or(false)
}

/// The body, which is known to be well-formed.
struct Body<'a>(Layout<'a>);

/// What becomes of a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// A thought without a signature: a piece of the next that has one.
    Piece,
    Goes,
    LosesSeal,
}

impl<'a> Body<'a> {
    /// The contents of the request, which may be one within a request to count.
    fn contents_of_request(&self) -> Option<&'a RawValue> {
        let body = self.0.body();
        let request = of(&body, "generateContentRequest").map(members);
        of(request.as_deref().unwrap_or(&body), "contents")
    }

    fn contents(&self, contents: &'a RawValue, edits: &mut Edits) -> Option<bool> {
        let is_list = contents.get().starts_with('[');
        let contents = list(contents)?;
        let parts = contents.iter().map(|content| {
            let parts = of(&members(content), "parts").and_then(list);
            parts.unwrap_or_default()
        });
        let parts: Vec<Vec<&RawValue>> = parts.collect();
        let mut fates: Vec<Fate> = parts.iter().flatten().map(|it| self.fate(it)).collect();
        for at in 1..fates.len() {
            // Backwards: a thought's pieces come before its seal.
            let at = fates.len() - at;
            if fates[at] == Fate::Goes && fates[at - 1] == Fate::Piece {
                fates[at - 1] = Fate::Goes;
            }
        }
        let mut rest = &fates[..];
        let mut gone = Vec::with_capacity(contents.len());
        for parts in &parts {
            let fates;
            (fates, rest) = rest.split_at(parts.len());
            let whole = is_list && !fates.is_empty() && fates.iter().all(|it| *it == Fate::Goes);
            gone.push(whole);
            if !whole {
                self.parts(parts, fates, edits);
            }
        }
        edits.cut(&self.0.spans(&contents), &gone);
        let cut = |fate: &Fate| matches!(fate, Fate::Goes | Fate::LosesSeal);
        Some(fates.iter().any(cut))
    }

    fn fate(&self, part: &'a RawValue) -> Fate {
        let part = members(part);
        let thought = of(&part, "thought");
        let thought = thought.is_some_and(|it| it.get() == "true");
        let signature = of(&part, "thoughtSignature");
        let sealed = signature.is_some_and(is_seal);
        match (thought, sealed) {
            (true, true) => Fate::Goes,
            (true, false) if signature.is_none_or(|it| it.get() == "null") => Fate::Piece,
            (false, true) => Fate::LosesSeal,
            (_, false) => Fate::Stays,
        }
    }

    fn parts(&self, parts: &[&'a RawValue], fates: &[Fate], edits: &mut Edits) {
        let gone: Vec<bool> = fates.iter().map(|it| *it == Fate::Goes).collect();
        edits.cut(&self.0.spans(parts), &gone);
        for (part, fate) in parts.iter().zip(fates) {
            if *fate == Fate::LosesSeal {
                self.seal(part, edits);
            }
        }
    }

    /// Cuts the member that is the seal.
    fn seal(&self, part: &'a RawValue, edits: &mut Edits) {
        let members = members(part);
        let is_gone =
            |member: &Member<'_>| camel(&member.key) == "thoughtSignature" && is_seal(member.value);
        let gone: Vec<bool> = members.iter().map(is_gone).collect();
        edits.cut(&self.0.members(&members), &gone);
    }
}

/// The value of the member of this name.
fn of<'a>(members: &[Member<'a>], name: &str) -> Option<&'a RawValue> {
    let mut named = members.iter().filter(|member| camel(&member.key) == name);
    named.next().map(|member| member.value)
}

fn is_seal(json: &RawValue) -> bool {
    let text = json.get().strip_prefix('"');
    text.is_some_and(|text| text.starts_with(SEAL))
}

/// The elements of a list, or the one that stands for it.
fn list(json: &RawValue) -> Option<Vec<&RawValue>> {
    if json.get().starts_with('[') {
        serde_json::from_str(json.get()).ok()
    } else {
        Some(vec![json])
    }
}
