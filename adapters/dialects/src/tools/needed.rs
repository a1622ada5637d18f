//! Why a request cannot do without a tool.

use std::fmt;

use crate::json::quote;

/// A tool that is to be taken out of a request which cannot do without it. `Display`
/// is a public sentence without an end, which begins with the field and names the
/// tool and the mend; it quotes no more of the body than 64 characters of the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolNeeded {
    /// The field that needs it, as its API spells it.
    pub field: &'static str,
    /// The tool, as [`Facts::tool_names`](crate::Facts::tool_names) spells it.
    pub tool: String,
    need: Need,
}

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The field demands a call of it.
    Named,
    /// The field demands a call, and it was the last that could be called.
    Any,
    /// The field allows it alone.
    Allowed,
    /// The field stands for what is kept at the provider.
    Stored,
    /// It is offered at a place that nothing can be cut from.
    Entwined,
    /// Nothing that is asked would be left.
    Alone,
}

/// That `field` needs `tool`.
pub(crate) fn needs(field: &'static str, need: Need, tool: &str) -> ToolNeeded {
    let tool = tool.to_owned();
    ToolNeeded { field, tool, need }
}

impl fmt::Display for ToolNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.tool.chars().take(64).collect();
        let (field, tool) = (self.field, quote(&shown));
        match self.need {
            Need::Named => write!(
                f,
                "{field} demands a call of {tool}; leave the choice to the model"
            ),
            Need::Any => write!(
                f,
                "{field} demands a call, and without {tool} there is no tool to call; leave it out"
            ),
            Need::Allowed => write!(
                f,
                "{field} allows none of the tools that are left without {tool}; allow others"
            ),
            Need::Stored => write!(
                f,
                "{field} stands for what is kept at the provider, {tool} among it; send its contents instead"
            ),
            Need::Entwined => write!(
                f,
                "{field} holds {tool} at a place where it cannot be taken out; offer it in tools, or not at all"
            ),
            Need::Alone => write!(
                f,
                "{field} would hold nothing without {tool}; say something beside it"
            ),
        }
    }
}

impl std::error::Error for ToolNeeded {}
