//! An item of the output that the caller is to run.

use serde_json::Value;

use crate::firewall::ask::{self, Decision};
use crate::firewall::document::{self, Document, Object};
use crate::firewall::{Fault, Judge};
use crate::json::quote;
use crate::splice::Edits;

/// What it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub kind: Kind,
    /// The item's own.
    pub id: String,
    pub call_id: String,
    pub name: String,
    /// As text, or the JSON of an action.
    pub arguments: String,
}

/// Where an item has its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON text.
    Function,
    /// Free text.
    Custom,
    /// An object of its own.
    Action,
}

impl Kind {
    pub(super) fn arguments(self) -> &'static str {
        match self {
            Self::Function => "arguments",
            Self::Custom => "input",
            Self::Action => "action",
        }
    }
}

/// What runs at the provider.
const THEIRS: [&str; 5] = [
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
];

/// Whether an event of this type is about a call that the caller is to run.
pub(super) fn is_of_call(kind: &str) -> bool {
    let item = kind.strip_prefix("response.").unwrap_or(kind);
    let called = item.find("_call").map(|end| &item[..end + "_call".len()]);
    called.is_some_and(|item| !THEIRS.contains(&item) && item != "tool_search_call")
}

/// Whether two texts are the same arguments.
pub(super) fn same(one: &str, other: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || value(one).is_some_and(|one| Some(one) == value(other))
}

impl Asked {
    /// `None` where the item is none for the caller to run. Types that OpenAI will add to
    /// those that it runs itself count as the caller's until they are known.
    pub(super) fn read(item: &Object<'_>) -> Result<Option<Self>, Fault> {
        let kind = item.text("type")?.unwrap_or_default();
        let theirs = THEIRS.contains(&&*kind)
            || (kind == "tool_search_call" && item.text("execution")?.as_deref() != Some("client"));
        let calls = kind.ends_with("_call") && !theirs;
        let (place, name) = match &*kind {
            "function_call" | "mcp_approval_request" => (Kind::Function, item.text("name")?),
            "custom_tool_call" => (Kind::Custom, item.text("name")?),
            _ if calls => {
                let called = kind.strip_suffix("_call").unwrap_or(&kind);
                let name = item.text("name")?;
                (
                    Kind::Action,
                    name.or_else(|| Some(called.to_owned().into())),
                )
            }
            _ => return Ok(None),
        };
        let owned = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().into_owned();
        let given = match place {
            Kind::Action => action(item)?,
            _ => item.get(place.arguments())?.map(str::to_owned),
        };
        let given = given.unwrap_or_default();
        Ok(Some(Self {
            kind: place,
            id: owned(item.text("id")?),
            call_id: owned(item.text("call_id")?),
            name: owned(name),
            arguments: match place {
                Kind::Action => given,
                // Some servers spell the object itself.
                _ => document::text(&given).map_or(given.clone(), std::borrow::Cow::into_owned),
            },
        }))
    }

    /// The same with nothing said of the arguments.
    pub(super) fn unsaid(&self) -> Self {
        Self {
            kind: self.kind,
            id: self.id.clone(),
            call_id: self.call_id.clone(),
            name: self.name.clone(),
            arguments: String::new(),
        }
    }

    /// Whether it is the same call.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.id == other.id
            && self.call_id == other.call_id
            && self.name == other.name
            && same(&self.arguments, &other.arguments)
    }

    pub(super) fn len(&self) -> usize {
        self.id.len() + self.call_id.len() + self.name.len() + self.arguments.len()
    }

    pub(super) fn ask(&self, judge: Judge<'_>) -> Decision {
        match self.kind {
            Kind::Custom => ask::custom(&self.name, &self.arguments, judge),
            Kind::Function | Kind::Action => ask::function(&self.name, &self.arguments, judge),
        }
    }

    /// It was begun, and never ended.
    pub(super) fn incomplete(&self) -> Decision {
        ask::refused(&self.name, "It is not complete.")
    }

    /// Gives the item other arguments.
    pub(super) fn rewrite(
        &self,
        item: &Object<'_>,
        document: &Document,
        other: &str,
        edits: &mut Edits,
    ) {
        let names: &[&str] = match self.kind {
            Kind::Function => &["arguments"],
            Kind::Custom => &["input"],
            Kind::Action => &["action", "operation"],
        };
        let is_there = |name: &&str| item.find(name).ok().flatten();
        let Some(member) = names.iter().find_map(is_there) else {
            if let (Some(first), Some(name)) = (item.members.first(), names.first()) {
                let other = format!(r#""{name}":{},"#, self.spelled(other));
                edits.insert(document.member(first).start, other);
            }
            return;
        };
        let other = match (member.value.starts_with('{'), other) {
            (true, "") => "{}".to_owned(),
            (true, other) => other.to_owned(),
            (false, other) => self.spelled(other),
        };
        edits.replace(document.span(member.value), other);
    }

    fn spelled(&self, arguments: &str) -> String {
        match self.kind {
            Kind::Action => arguments.to_owned(),
            Kind::Function | Kind::Custom => quote(arguments),
        }
    }
}

/// What an item without arguments asks to be done: its one action, or all that it says.
fn action(item: &Object<'_>) -> Result<Option<String>, Fault> {
    let actions = [item.get("action")?, item.get("operation")?];
    let others = ["actions", "arguments", "input"].map(|name| item.get(name));
    let others = others.into_iter().collect::<Result<Vec<_>, _>>()?;
    match (actions, others.iter().all(Option::is_none)) {
        ([Some(one), None] | [None, Some(one)], true) => Ok(Some(one.to_owned())),
        ([None, None], true) => Ok(None),
        _ => Err(Fault::Unreadable("a call has more than one action")),
    }
}
