//! The ids of calls, for servers that do not take every one.

use std::collections::{HashMap, HashSet};

use crate::canonical::{Part, Request};

/// What an id must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::openai) enum Shape {
    /// At most 64 characters: OpenAI says so in its errors.
    Short,
    /// Nine letters and digits: Mistral does.
    Nine,
}

impl Shape {
    fn fits(self, id: &str) -> bool {
        match self {
            Self::Short => id.chars().count() <= 64,
            Self::Nine => id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        }
    }

    fn make(self, number: usize) -> String {
        match self {
            Self::Short => format!("call_lat_{number}"),
            Self::Nine => format!("L{number:08}"),
        }
    }
}

/// What stands in for ids that do not fit: numbered as they come, so that the
/// beginning of a conversation stays the same from turn to turn.
#[derive(Debug)]
pub(in crate::openai) struct Ids<'r>(HashMap<&'r str, String>);

impl<'r> Ids<'r> {
    pub(in crate::openai) fn new(request: &'r Request<'_>, shape: Shape) -> Self {
        let parts = request.turns.iter().flat_map(|turn| &turn.parts);
        let all: Vec<&str> = parts
            .filter_map(|part| match part {
                Part::ToolCall(call) => Some(&*call.id),
                Part::ToolResult(result) => Some(&*result.id),
                _ => None,
            })
            .collect();
        let taken: HashSet<&str> = all.iter().copied().filter(|id| shape.fits(id)).collect();
        let mut made = (0..).map(|number| shape.make(number));
        let mut ids = HashMap::new();
        for id in all.into_iter().filter(|id| !shape.fits(id)) {
            if !ids.contains_key(id)
                && let Some(free) = made.find(|made| !taken.contains(made.as_str()))
            {
                ids.insert(id, free);
            }
        }
        Self(ids)
    }

    /// How `id` is spelled to the server.
    pub(in crate::openai) fn spell<'s>(&'s self, id: &'s str) -> &'s str {
        self.0.get(id).map_or(id, String::as_str)
    }
}
