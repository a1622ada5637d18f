//! Built-in functions that stand in front of regorus' own: they answer as OPA's do, and
//! take no more memory than a decision may.
//!
//! An extension of an engine comes before the built-in function of its name. What it
//! raises ends the evaluation, which denies.

mod bounds;
mod case;
mod regex;

use regorus::{Engine, Value};

use crate::gate::ast::call_builtin;

/// Why a built-in function gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

type Answer = Result<Value, Refused>;

/// Adds all of them to `engine`, which has none yet.
pub(crate) fn install(engine: &mut Engine) {
    case::install(engine);
    regex::install(engine);
    bounds::install(engine);
}

/// Puts `function` before the built-in function of this name.
fn add(engine: &mut Engine, name: &'static str, function: fn(&'static str, Vec<Value>) -> Answer) {
    let parameters = crate::gate::ast::builtin(name).and_then(|count| u8::try_from(count).ok());
    debug_assert!(parameters.is_some(), "{name}");
    let extension = move |arguments| Ok(function(name, arguments)?);
    // It fails where there is one of the name already.
    let added = engine.add_extension(
        name.to_owned(),
        parameters.unwrap_or_default(),
        Box::new(extension),
    );
    debug_assert!(added.is_ok(), "{name}");
}

/// What regorus answers.
fn builtin(name: &str, arguments: &[Value]) -> Answer {
    call_builtin(name, arguments).map_err(Refused)
}
