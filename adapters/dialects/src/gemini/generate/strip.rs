//! The same request without some of its tools.

use serde_json::value::RawValue;

use super::GenerateRequest;
use super::facts::{At, Facts, names_of};
use crate::gemini::fields::camel;
use crate::json::layout::{Member, elements, members, text};
use crate::tools::{Choice, Found, Known, Need, Removal, ToolNeeded, needs};

const ALLOWED: &str = "toolConfig.functionCallingConfig.allowedFunctionNames";
const MODE: &str = "toolConfig.functionCallingConfig.mode";

impl GenerateRequest {
    /// As [`Inbound::without_tools`](crate::Inbound::without_tools).
    ///
    /// # Errors
    /// A [`ToolNeeded`] names the field that cannot do without one of them.
    pub fn without_tools(&self, gone: &[&str]) -> Result<Self, ToolNeeded> {
        self.without(gone, At::Body)
    }

    /// As [`without_tools`](Self::without_tools), of a body that is what `top` says.
    pub(super) fn without(&self, gone: &[&str], top: At) -> Result<Self, ToolNeeded> {
        let Some(mut removal) = Removal::of(&self.body, &self.facts, gone) else {
            return Ok(self.clone());
        };
        let body = removal.layout.body();
        let counted = body
            .iter()
            .find(|it| camel(&it.key) == "generateContentRequest");
        if let Some(counted) = counted.filter(|_| top == At::Count) {
            strip(&mut removal, &members(counted.value))?;
        }
        strip(&mut removal, &body)?;
        let parse = |body: bytes::Bytes| {
            let found = Facts::read(&body, top)?;
            Self::of(found, body, &self.facts.model, self.facts.stream)
        };
        removal.read_again("contents", parse, |request| &request.facts)
    }
}

/// The tools of one request.
#[derive(Default)]
struct Tools {
    functions: Found,
    /// Those that run at Google.
    provided: Found,
}

impl Tools {
    fn are_emptied(&self) -> bool {
        let emptied = self.functions.is_emptied() || self.provided.is_emptied();
        emptied && !self.functions.has_left() && !self.provided.has_left()
    }
}

fn strip<'a>(removal: &mut Removal<'a>, request: &[Member<'a>]) -> Result<(), ToolNeeded> {
    let mut tools = Tools::default();
    let mut going = Vec::with_capacity(request.len());
    for Member { key, value } in request {
        going.push(match &*camel(key) {
            "tools" => list(removal, value, |removal, tool| {
                entry(removal, tool, &mut tools)
            }),
            "cachedContent" if removal.is_gone("cachedContent") => {
                return Err(needs("cachedContent", Need::Stored, "cachedContent"));
            }
            _ => false,
        });
    }
    for (Member { key, value }, going) in request.iter().zip(&mut going) {
        if camel(key) == "toolConfig" {
            *going = config(removal, value, &tools)?;
        }
    }
    removal.cut(&removal.layout.members(request), &going);
    Ok(())
}

/// Cuts the elements of a list that `goes` says so of; whether all of them go, and the
/// list is to be cut instead. One that stands by itself is a list of one.
fn list<'a>(
    removal: &mut Removal<'a>,
    list: &'a RawValue,
    mut goes: impl FnMut(&mut Removal<'a>, &'a RawValue) -> bool,
) -> bool {
    if !list.get().starts_with('[') {
        return goes(removal, list);
    }
    let elements = elements(list);
    let going: Vec<bool> = elements.iter().map(|it| goes(removal, it)).collect();
    let spans = removal.layout.spans(&elements);
    removal.cut_some(&spans, &going)
}

/// Cuts functions, and what runs at Google, out of an entry of `tools`; whether nothing
/// is left of it.
fn entry<'a>(removal: &mut Removal<'a>, entry: &'a RawValue, tools: &mut Tools) -> bool {
    let entry = members(entry);
    let mut going = Vec::with_capacity(entry.len());
    for Member { key, value } in &entry {
        going.push(match &*camel(key) {
            "functionDeclarations" => list(removal, value, |removal, function| {
                let known: Known = names_of(function.get()).into();
                removal.takes(known, &mut tools.functions)
            }),
            _ if value.get() == "null" => false,
            name => removal.takes(vec![name.to_owned()].into(), &mut tools.provided),
        });
    }
    let spans = removal.layout.members(&entry);
    removal.cut_some(&spans, &going)
}

/// Makes `toolConfig` fit what is left; whether nothing is left of it.
fn config<'a>(
    removal: &mut Removal<'a>,
    config: &'a RawValue,
    tools: &Tools,
) -> Result<bool, ToolNeeded> {
    let config = members(config);
    let mut going = Vec::with_capacity(config.len());
    for Member { key, value } in &config {
        going.push(match &*camel(key) {
            "functionCallingConfig" => calling(removal, value, tools)?,
            _ => false,
        });
    }
    if tools.are_emptied() {
        return Ok(true);
    }
    let spans = removal.layout.members(&config);
    Ok(removal.cut_some(&spans, &going))
}

/// Makes `functionCallingConfig` fit the functions that are left; whether it goes, for
/// Google refuses it without any.
fn calling<'a>(
    removal: &mut Removal<'a>,
    config: &'a RawValue,
    tools: &Tools,
) -> Result<bool, ToolNeeded> {
    let mut goes = tools.functions.is_emptied();
    for Member { key, value } in members(config) {
        let (field, choice) = match &*camel(&key) {
            "allowedFunctionNames" => (ALLOWED, Choice::Allowed(allowed(value))),
            "mode" => (MODE, mode(value)),
            _ => continue,
        };
        goes |= removal.choose(field, choice, &tools.functions)?;
    }
    Ok(goes)
}

fn allowed(names: &RawValue) -> Vec<(&RawValue, Vec<String>)> {
    let named = |name| {
        let text = text(name).map(|name| name.into_owned());
        (name, text.into_iter().collect())
    };
    elements(names).into_iter().map(named).collect()
}

fn mode<'a>(mode: &RawValue) -> Choice<'a> {
    if mode.get() == "null" {
        return Choice::Free;
    }
    let mode = text(mode).map(|mode| mode.to_ascii_uppercase());
    match mode.as_deref() {
        Some("" | "MODE_UNSPECIFIED" | "AUTO" | "NONE" | "VALIDATED") => Choice::Free,
        _ => Choice::Any,
    }
}
