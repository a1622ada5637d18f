//! What a set's files give as `data`, and what the store adds to it.

use std::sync::Arc;

use regorus::{Engine, Value};

use super::sources::{DataFile, Manifest, Sources};
use crate::gate::ast;
use crate::gate::fault::{Fault, Faults, LoadError};
use crate::gate::program::{Program, display};

/// Where what comes from the store lands below `data`.
pub(crate) const STORE: [&str; 2] = ["lattice", "store"];
/// Brackets that a YAML file may leave open at one place. Its parser takes
/// time by the square of them before it comes to its own limit.
const MAX_OPEN: usize = 1000;
/// Bytes.
const MAX_STORE: usize = 16 * 1024 * 1024;

/// What the store gives to policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreData {
    /// Of everything in the store; grows with every change.
    pub revision: i64,
    /// A JSON object; becomes `data.lattice.store`.
    pub json: Arc<str>,
}

impl Default for StoreData {
    /// Nothing, at revision 0.
    fn default() -> Self {
        Self {
            revision: 0,
            json: "{}".into(),
        }
    }
}

impl StoreData {
    /// As a value for all of `data`.
    pub(super) fn value(&self) -> Result<Value, LoadError> {
        let wrong = |reason: String| -> LoadError {
            Fault::of_file(
                "data.lattice.store",
                reason,
                "this is an error of the gateway itself",
            )
            .into()
        };
        if self.json.len() > MAX_STORE {
            return Err(wrong(format!("larger than {MAX_STORE} bytes")));
        }
        let value = Value::from_json_str(&self.json).map_err(|error| wrong(error.to_string()))?;
        if value.as_object().is_err() {
            return Err(wrong("not a JSON object".to_owned()));
        }
        Ok(nest(STORE, value))
    }
}

/// `value` at `path`.
fn nest<'a>(
    path: impl IntoIterator<Item = &'a str, IntoIter: DoubleEndedIterator>,
    value: Value,
) -> Value {
    path.into_iter().rev().fold(value, |inner, name| {
        let fields = std::collections::BTreeMap::from([(Value::from(name), inner)]);
        fields.into()
    })
}

/// What the files of `sources` give, all of it.
///
/// # Errors
/// Every file that cannot be read as data, lies where the store's data do,
/// contradicts another, or is outside of the roots.
pub(crate) fn of(sources: &Sources) -> Result<Value, LoadError> {
    let mut faults = Faults::default();
    let mut engine = Engine::new();
    for file in &sources.data {
        match parse(file).and_then(|value| placed(file, value, sources.manifest.as_ref())) {
            Err(fault) => faults.add(fault),
            Ok(value) => {
                if let Err(error) = engine.add_data(value) {
                    let reason = format!("another data file gives something else: {error}");
                    let mend = "leave one of the two out";
                    faults.add(Fault::of_file(&file.name, reason, mend));
                }
            }
        }
    }
    faults.into_result()?;
    Ok(engine.get_data())
}

fn parse(file: &DataFile) -> Result<Value, Fault> {
    if file.name.ends_with(".json") {
        return serde_json::from_str::<&serde_json::value::RawValue>(&file.text)
            .map_err(|error| {
                let at = crate::gate::fault::Position {
                    line: u32::try_from(error.line()).unwrap_or(u32::MAX),
                    column: u32::try_from(error.column()).unwrap_or(u32::MAX),
                };
                Fault::at(&file.name, at, error.to_string(), "")
            })
            .and_then(|_| {
                Value::from_json_str(&file.text)
                    .map_err(|error| Fault::of_file(&file.name, error.to_string(), ""))
            });
    }
    let mut open = 0_usize;
    for byte in file.text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_OPEN {
            let reason = format!("more than {MAX_OPEN} brackets are open at one place");
            return Err(Fault::of_file(&file.name, reason, "write it as JSON"));
        }
    }
    Value::from_yaml_str(&file.text)
        .map_err(|error| Fault::of_file(&file.name, error.to_string(), ""))
}

/// `value` where the file's folder puts it below `data`.
fn placed(file: &DataFile, value: Value, manifest: Option<&Manifest>) -> Result<Value, Fault> {
    if value.as_object().is_err() {
        let reason = "the topmost value is not an object";
        let mend = "give it a name, as the member of an object";
        return Err(Fault::of_file(&file.name, reason, mend));
    }
    let value = nest(file.path.iter().map(String::as_str), value);
    let store = STORE.iter().fold(&value, |value, name| &value[*name]);
    let above = &value[STORE[0]];
    if *store != Value::Undefined || (*above != Value::Undefined && above.as_object().is_err()) {
        let reason = "data.lattice.store is the store's place";
        return Err(Fault::of_file(&file.name, reason, "put it elsewhere"));
    }
    if let Some(manifest) = manifest {
        outside(&value, manifest, &mut Vec::new()).map_or(Ok(()), |path| {
            let place = display(path.iter().map(String::as_str));
            let reason = format!(
                "{place} is outside of the roots that {} names",
                manifest.name
            );
            Err(Fault::of_file(
                &file.name,
                reason,
                "add a root, or leave it out",
            ))
        })?;
    }
    Ok(value)
}

/// The first place in `value` that no root covers.
fn outside(value: &Value, manifest: &Manifest, path: &mut Vec<String>) -> Option<Vec<String>> {
    if manifest.covers(path) {
        return None;
    }
    let leads_on = manifest.roots.iter().any(|root| root.starts_with(path));
    let Some(fields) = value.as_object().ok().filter(|_| leads_on) else {
        return Some(path.clone());
    };
    fields.iter().find_map(|(name, value)| {
        path.push(
            name.as_string()
                .map_or_else(|_| name.to_string(), |name| name.to_string()),
        );
        let found = outside(value, manifest, path);
        path.pop();
        found
    })
}

/// Refuses packages outside of the roots; tests are not part of what a bundle
/// provides.
pub(super) fn check_packages(program: &Program, manifest: &Manifest, faults: &mut Faults) {
    for unit in program.units.iter().filter(|unit| !unit.test) {
        if !manifest.covers(&unit.package) {
            let package = display(unit.package.iter().map(String::as_str));
            let at = ast::position(&unit.module.package.span);
            let reason = format!(
                "{package} is outside of the roots that {} names",
                manifest.name
            );
            faults.add(Fault::at(
                &unit.file,
                at,
                reason,
                "add a root, or leave it out",
            ));
        }
    }
}
