//! Schemas in Google's older dialect as JSON Schema.
//!
//! It is OpenAPI's of old: types in capitals, `nullable`, an order of properties.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::canonical::Unsupported;
use crate::fields::{Dropped, Path, read};
use crate::gemini::fields::{Field, camel};
use crate::gemini::generate::GenerateRequest;

/// Where a request keeps its schemas once they are converted.
pub(super) struct Schemas<'a>(&'a GenerateRequest);

impl<'a> Schemas<'a> {
    pub(super) fn of(request: &'a GenerateRequest) -> Self {
        Self(request)
    }

    /// The schema of the field at `at`, which may be in the older dialect.
    pub(super) fn modern(
        &self,
        field: &Field<'a>,
        at: &Path<'_>,
        dropped: &mut Dropped,
    ) -> Result<&'a RawValue, Unsupported> {
        let wrong = || at.refuse("must be a schema: an object");
        let Value::Object(old) = read(field.json, at, "a schema")? else {
            return Err(wrong());
        };
        let mut ordered = false;
        let modern = Value::Object(convert(old, &mut ordered));
        if ordered {
            dropped.note("propertyOrdering");
        }
        let modern = serde_json::value::to_raw_value(&modern).map_err(|_| wrong())?;
        let body = self.0.body.as_ptr().addr();
        let start = field.json.get().as_ptr().addr() - body;
        let known = self.0.spans.old_schemas.binary_search(&start);
        let place = known.ok().and_then(|at| self.0.schemas.get(at));
        let kept = place.ok_or_else(wrong)?.get_or_init(|| modern);
        Ok(kept)
    }
}

/// `ordered`: there was an order of properties, which nobody else knows.
fn convert(old: Map<String, Value>, ordered: &mut bool) -> Map<String, Value> {
    let mut modern = Map::new();
    let mut nullable = false;
    for (key, value) in old {
        match (&*camel(&key), value) {
            (_, Value::Null) => {}
            ("type", Value::String(name)) if name.eq_ignore_ascii_case("TYPE_UNSPECIFIED") => {}
            ("type", Value::String(name)) => {
                modern.insert("type".into(), name.to_ascii_lowercase().into());
            }
            ("nullable", value) => nullable = value == Value::Bool(true),
            ("propertyOrdering", _) => *ordered = true,
            // Beside `enum` it says nothing.
            ("format", value) if value == "enum" => {}
            ("example", value) => {
                modern.insert("examples".into(), vec![value].into());
            }
            (name @ ("properties" | "defs"), Value::Object(named)) => {
                let named = named.into_iter();
                let named = named.map(|(name, schema)| (name, inner(schema, ordered)));
                let named = Value::Object(named.collect());
                modern.insert(keyword(name).into(), named);
            }
            (name @ ("anyOf" | "oneOf" | "allOf" | "prefixItems"), Value::Array(schemas)) => {
                let schemas = schemas.into_iter().map(|schema| inner(schema, ordered));
                modern.insert(name.into(), schemas.collect());
            }
            (name @ ("items" | "additionalProperties"), schema) => {
                modern.insert(name.into(), inner(schema, ordered));
            }
            (name @ ("default" | "const" | "enum" | "required"), value) => {
                modern.insert(name.into(), value);
            }
            (name, value) => {
                modern.insert(keyword(name).into(), number(name, value));
            }
        }
    }
    if nullable {
        or_null(&mut modern);
    }
    modern
}

fn inner(schema: Value, ordered: &mut bool) -> Value {
    match schema {
        Value::Object(old) => Value::Object(convert(old, ordered)),
        other => other,
    }
}

/// The JSON Schema keyword.
fn keyword(name: &str) -> &str {
    match name {
        "defs" => "$defs",
        "ref" => "$ref",
        other => other,
    }
}

/// Counts have 64 bits there, and may come as strings.
fn number(name: &str, value: Value) -> Value {
    let counts = ["Items", "Length", "Properties"];
    let is_count = name.starts_with("min") || name.starts_with("max");
    match &value {
        Value::String(text) if is_count && counts.iter().any(|it| name.ends_with(it)) => {
            text.parse::<u64>().map_or(value, Value::from)
        }
        _ => value,
    }
}

fn or_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    if let Some(name @ Value::String(_)) = schema.get("type") {
        let either = vec![name.clone(), "null".into()];
        schema.insert("type".into(), either.into());
    } else if let Some(Value::Array(schemas)) = schema.get_mut("anyOf") {
        schemas.push(serde_json::json!({"type": "null"}));
    }
}
