//! Where an event or a reply has pieces of calls.

use std::borrow::Cow;

use crate::firewall::document::{self, Document, Member, Object};
use crate::firewall::{Fault, MISPLACED};

/// A `chat.completion.chunk`, or a whole reply.
pub(super) struct Chunk<'a> {
    pub choices: Vec<Told<'a>>,
    /// The member `usage`, where it has counts.
    pub usage: Option<Member<'a>>,
    pub counts: bool,
}

/// What it says of one choice.
pub(super) struct Told<'a> {
    pub index: u64,
    /// Why it has finished, as it was spelled.
    pub finish: Option<&'a str>,
    /// `delta`, or `message`.
    pub deltas: Vec<Object<'a>>,
    /// Of all of them, in their order.
    pub pieces: Vec<Piece<'a>>,
}

/// A piece of a call.
pub(super) struct Piece<'a> {
    pub slot: Slot<'a>,
    /// The element of `tool_calls`, or the `function_call`, as it was spelled.
    pub json: &'a str,
    pub id: Option<Cow<'a, str>>,
    pub name: Option<Cow<'a, str>>,
    /// What `name` and the arguments are members of.
    pub function: Option<Object<'a>>,
    /// Of the arguments, decoded.
    pub arguments: Cow<'a, str>,
    pub custom: bool,
}

/// How a piece says which call it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot<'a> {
    /// With its number as it was spelled.
    Index(u64, &'a str),
    Unnumbered,
    /// The one call of the older kind.
    Legacy,
}

impl<'a> Chunk<'a> {
    pub(super) fn read(document: &'a Document) -> Result<Self, Fault> {
        let root = document.root()?;
        let choices = root.list("choices")?.into_iter().map(Told::read);
        let choices: Vec<Told<'a>> = choices.collect::<Result<_, _>>()?;
        root.find("usage")?;
        let usage = root.members.into_iter().find(|it| it.is("usage"));
        let deltas = choices.iter().flat_map(|choice| &choice.deltas);
        let known = deltas
            .flat_map(|delta| &delta.members)
            .filter(|it| is_call(it))
            .count();
        let mentioned = document::mentions(document.text(), &["tool_calls", "function_call"]);
        if mentioned != known {
            return Err(MISPLACED);
        }
        Ok(Self {
            choices,
            counts: usage.as_ref().is_some_and(|it| !it.is_blank()),
            usage,
        })
    }
}

impl Chunk<'_> {
    /// Whether it says nothing but more arguments of calls.
    pub(super) fn goes_on(&self) -> bool {
        let adds = |piece: &Piece<'_>| piece.id.is_none() && piece.name.is_none();
        let told = self.choices.iter();
        let only = |told: &Told<'_>| !told.speaks() && told.pieces.iter().all(adds);
        !self.choices.is_empty() && !self.counts && told.clone().all(only)
    }
}

impl<'a> Told<'a> {
    fn read(json: &'a str) -> Result<Self, Fault> {
        let choice = document::object(json)?;
        let index = match choice.get("index")? {
            Some(index) => index.parse().map_err(|_| strange())?,
            None => 0,
        };
        let mut deltas = Vec::new();
        let mut pieces = Vec::new();
        for name in ["delta", "message"] {
            let Some(delta) = choice.get(name)? else {
                continue;
            };
            let delta = document::object(delta)?;
            for element in delta.list("tool_calls")? {
                pieces.push(Piece::read(element)?);
            }
            if let Some(call) = delta.get("function_call")? {
                let called = document::object(call)?;
                pieces.push(Piece::of(called, call, Slot::Legacy, None, "arguments")?);
            }
            deltas.push(delta);
        }
        Ok(Self {
            index,
            finish: choice.get("finish_reason")?,
            deltas,
            pieces,
        })
    }

    /// Whether it says anything beside its calls.
    pub(super) fn speaks(&self) -> bool {
        let mut members = self.deltas.iter().flat_map(|delta| &delta.members);
        self.finish.is_some() || members.any(|it| !is_call(it) && !it.is_blank())
    }
}

impl<'a> Piece<'a> {
    fn read(json: &'a str) -> Result<Self, Fault> {
        let element = document::object(json)?;
        let slot = match element.get("index")? {
            Some(index) => Slot::Index(index.parse().map_err(|_| strange())?, index),
            None => Slot::Unnumbered,
        };
        let id = element.text("id")?;
        let kind = element.text("type")?;
        let (function, custom) = (element.get("function")?, element.get("custom")?);
        match (function, custom, kind.as_deref()) {
            (Some(function), None, None | Some("function" | "")) => {
                Self::of(document::object(function)?, json, slot, id, "arguments")
            }
            (None, Some(custom), None | Some("custom")) => {
                Self::of(document::object(custom)?, json, slot, id, "input")
            }
            (None, None, _) => Ok(Self {
                slot,
                json,
                id,
                name: None,
                function: None,
                arguments: Cow::Borrowed(""),
                custom: false,
            }),
            _ => Err(strange()),
        }
    }

    fn of(
        function: Object<'a>,
        json: &'a str,
        slot: Slot<'a>,
        id: Option<Cow<'a, str>>,
        arguments: &str,
    ) -> Result<Self, Fault> {
        let given = function.get(arguments)?;
        // Some servers spell the object itself.
        let given = given.map(|it| document::text(it).unwrap_or(Cow::Borrowed(it)));
        Ok(Self {
            slot,
            json,
            id: id.filter(|id| !id.is_empty()),
            name: function.text("name")?.filter(|name| !name.is_empty()),
            arguments: given.unwrap_or_default(),
            custom: arguments == "input",
            function: Some(function),
        })
    }

    /// The member that holds its arguments.
    pub(super) fn given(&self) -> Option<&Member<'a>> {
        let name = if self.custom { "input" } else { "arguments" };
        let function = self.function.as_ref()?;
        function.find(name).ok().flatten()
    }
}

pub(super) fn is_call(member: &Member<'_>) -> bool {
    member.is("tool_calls") || member.is("function_call")
}

fn strange() -> Fault {
    Fault::Unreadable("a tool call has a strange form")
}
