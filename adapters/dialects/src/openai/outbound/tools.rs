//! Which of the functions are sent, and what is said about calling them.

use std::collections::BTreeSet;

use super::notes::Notes;
use super::shown;
use crate::canonical::{Request, Tool, ToolChoice, Unsupported};
use crate::json;

/// Which choices a server knows beside `auto`, `none` and `required`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::openai) enum Choices {
    /// A function by name, and several.
    All,
    /// A function by name.
    Named,
    /// Neither: llama-server takes what it does not know for `auto`, and says
    /// nothing.
    Words,
}

/// What is sent.
pub(in crate::openai) struct Offer<'r, 'a> {
    /// In the caller's order.
    pub tools: Vec<&'r Tool<'a>>,
    /// `None` where nothing is to be said.
    pub choice: Option<Choice<'r>>,
}

pub(in crate::openai) enum Choice<'r> {
    Auto,
    None,
    Required,
    Named(&'r str),
    Allowed { required: bool, names: Vec<&'r str> },
}

impl<'r, 'a> Offer<'r, 'a> {
    pub(in crate::openai) fn of(
        request: &'r Request<'a>,
        choices: Choices,
        notes: &mut Notes,
    ) -> Result<Self, Unsupported> {
        check(request)?;
        let all: Vec<&Tool<'a>> = request.tools.iter().collect();
        let offer = |choice| Self {
            tools: all.clone(),
            choice: Some(choice),
        };
        let only = |names: &[&str], choice, notes: &mut Notes| {
            notes.add("tool_choice: only the allowed tools were sent");
            let tools = request.tools.iter();
            Self {
                tools: tools.filter(|tool| names.contains(&&*tool.name)).collect(),
                choice: Some(choice),
            }
        };
        Ok(match &request.tool_choice {
            // Servers refuse a choice where there is nothing to choose from.
            _ if all.is_empty() => Self {
                tools: all,
                choice: None,
            },
            None => Self {
                tools: all,
                choice: None,
            },
            Some(ToolChoice::Auto) => offer(Choice::Auto),
            Some(ToolChoice::None) => offer(Choice::None),
            Some(ToolChoice::Required) => offer(Choice::Required),
            Some(ToolChoice::Named(name)) => match choices {
                Choices::Words => only(&[&**name], Choice::Required, notes),
                Choices::All | Choices::Named => offer(Choice::Named(name)),
            },
            Some(ToolChoice::Allowed { required, names }) => {
                let required = *required;
                let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
                match choices {
                    Choices::All => offer(Choice::Allowed { required, names }),
                    _ if required => only(&names, Choice::Required, notes),
                    _ => only(&names, Choice::Auto, notes),
                }
            }
        })
    }
}

/// Whether every tool that the choice names is offered, and any is that must be
/// called; and whether every schema is one.
fn check(request: &Request<'_>) -> Result<(), Unsupported> {
    let offered: BTreeSet<&str> = request.tools.iter().map(|tool| &*tool.name).collect();
    let (names, needs_one) = match &request.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => (&[][..], false),
        Some(ToolChoice::Required) => (&[][..], true),
        Some(ToolChoice::Named(name)) => (std::slice::from_ref(name), true),
        Some(ToolChoice::Allowed { names, .. }) => (names.as_slice(), true),
    };
    let refuse = |why: String| Err(Unsupported::new("tool_choice", why));
    if let Some(name) = names.iter().find(|name| !offered.contains(&***name)) {
        let name = shown(name);
        return refuse(format!(
            "{name} is not among the tools; offer it or do not name it"
        ));
    }
    let allows_none =
        matches!(&request.tool_choice, Some(ToolChoice::Allowed { names, .. }) if names.is_empty());
    if allows_none || needs_one && offered.is_empty() {
        return refuse("it leaves no tool to call; offer one or leave it out".to_owned());
    }
    for tool in &request.tools {
        let schema = tool.parameters.map(|schema| schema.get());
        if schema.is_some_and(|schema| json::members(schema).is_none()) {
            let why = format!(
                "the parameters of {} must be a JSON object",
                shown(&tool.name)
            );
            return Err(Unsupported::new("tools.function.parameters", why));
        }
    }
    Ok(())
}
