//! Where an event or a reply has calls.

use std::borrow::Cow;

use crate::firewall::document::{self, Object};
use crate::firewall::{Fault, MISPLACED};

/// A `GenerateContentResponse`.
pub(super) struct Chunk<'a> {
    pub candidates: Vec<Candidate<'a>>,
    /// Whether it says anything beside its candidates, as `usageMetadata` does not.
    pub speaks: bool,
}

/// What it says of one candidate.
pub(super) struct Candidate<'a> {
    pub index: u64,
    pub parts: Vec<Part<'a>>,
    /// The list of parts as it was spelled.
    pub list: Option<&'a str>,
    /// Why it has finished, as it was spelled.
    pub reason: Option<&'a str>,
    pub ends: bool,
    /// Whether it says anything beside its content.
    pub speaks: bool,
}

pub(super) struct Part<'a> {
    /// As it was spelled.
    pub json: &'a str,
    pub piece: Option<Piece<'a>>,
    /// Whether it has the key of a call.
    keyed: bool,
    /// Whether it is nothing but an empty text.
    pub blank: bool,
}

/// A call, or a piece of one.
pub(super) struct Piece<'a> {
    /// As it was spelled.
    pub json: &'a str,
    pub call: Object<'a>,
    pub name: Option<Cow<'a, str>>,
    pub arguments: Option<&'a str>,
    /// Of `partialArgs`.
    pub leaves: Vec<&'a str>,
    pub goes_on: bool,
}

impl<'a> Chunk<'a> {
    pub(super) fn read(json: &'a str) -> Result<Self, Fault> {
        let root = document::object(json)?;
        let candidates = root.list("candidates")?.into_iter().map(Candidate::read);
        let says = ["promptFeedback", "error"].map(|name| root.get(name));
        let says = says.into_iter().collect::<Result<Vec<_>, _>>()?;
        let candidates: Vec<_> = candidates.collect::<Result<_, _>>()?;
        let parts = candidates.iter().flat_map(|candidate| &candidate.parts);
        let known: usize = parts.map(Part::mentions).sum();
        if known != document::mentions(json, CALL) {
            return Err(MISPLACED);
        }
        Ok(Self {
            speaks: candidates.is_empty() || says.iter().any(Option::is_some),
            candidates,
        })
    }

    pub(super) fn ends(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.ends)
    }
}

impl<'a> Candidate<'a> {
    fn read(json: &'a str) -> Result<Self, Fault> {
        let candidate = document::object(json)?;
        let index = candidate.get("index")?.map(str::parse);
        let content = candidate
            .get("content")?
            .map(document::object)
            .transpose()?;
        let list = match &content {
            Some(content) => content.get("parts")?,
            None => None,
        };
        let parts = list.map(document::list).transpose()?.unwrap_or_default();
        let reason = candidate.get("finishReason")?;
        let word = reason.and_then(document::text).unwrap_or_default();
        let beside = |it: &&document::Member<'_>| !it.is("content") && !it.is("index");
        Ok(Self {
            index: index.transpose().map_err(|_| STRANGE)?.unwrap_or(0),
            parts: parts
                .into_iter()
                .map(Part::read)
                .collect::<Result<_, _>>()?,
            list,
            reason,
            // Vertex used to send the unspecified reason along with every chunk.
            ends: !matches!(&*word, "" | "FINISH_REASON_UNSPECIFIED"),
            speaks: candidate
                .members
                .iter()
                .filter(beside)
                .any(|it| !it.is_blank()),
        })
    }
}

impl<'a> Part<'a> {
    fn read(json: &'a str) -> Result<Self, Fault> {
        let part = document::object(json)?;
        let call = part.get("functionCall")?;
        Ok(Self {
            json,
            keyed: part.find("functionCall")?.is_some(),
            piece: call.map(Piece::read).transpose()?,
            blank: part.members.iter().all(document::Member::is_blank),
        })
    }
}

impl Part<'_> {
    /// How often it has the key, its own arguments included.
    fn mentions(&self) -> usize {
        let arguments = self.piece.as_ref().and_then(|piece| piece.arguments);
        usize::from(self.keyed) + arguments.map_or(0, |json| document::mentions(json, CALL))
    }
}

const CALL: &[&str] = &["functionCall"];

impl<'a> Piece<'a> {
    fn read(json: &'a str) -> Result<Self, Fault> {
        let call = document::object(json)?;
        let name = call.text("name")?.filter(|name| !name.is_empty());
        let goes_on = call.get("willContinue")?;
        if !matches!(goes_on, None | Some("true" | "false")) {
            return Err(STRANGE);
        }
        Ok(Self {
            json,
            name,
            arguments: call.get("args")?,
            leaves: call.list("partialArgs")?,
            goes_on: goes_on == Some("true"),
            call,
        })
    }
}

const STRANGE: Fault = Fault::Unreadable("a tool call has a strange form");
