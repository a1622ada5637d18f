//! The document that is imported: YAML as values, and the paths to them.

use std::path::Path;

use serde_json::{Map, Value};

use crate::command::CommandError;
use crate::config::ConfigError;

/// Reads a configuration file of another gateway.
///
/// # Errors
/// It cannot be read, or is no mapping; with line and column where it is not YAML.
pub fn read(path: &Path) -> Result<Value, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(parse(path, &text)?)
}

/// Reads the text of one.
pub fn parse(path: &Path, text: &str) -> Result<Value, ConfigError> {
    let malformed = |what| ConfigError::Malformed {
        path: path.to_owned(),
        what,
    };
    // Python reads `y` and `n` as text; the words that it takes for switches are `is_off`'s.
    let options = serde_saphyr::options! { strict_booleans: true };
    let document: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error
            .location()
            .map(|at| format!("{}:{}: ", at.line(), at.column()))
            .unwrap_or_default();
        malformed(format!("{place}{}", explain(&error)))
    })?;
    match document {
        Value::Object(_) => Ok(document),
        _ => Err(malformed(
            "1:1: is not a mapping of settings such as `model_list`".into(),
        )),
    }
}

/// What is wrong, without the line that it is wrong in: secrets are written in such files.
fn explain(error: &serde_saphyr::Error) -> String {
    let options = serde_saphyr::render_options! { snippets: serde_saphyr::SnippetMode::Off };
    let said = error.without_snippet().render_with_options(options);
    let what = said.split(" at line ").next().unwrap_or_default();
    what.lines().next().unwrap_or_default().to_owned()
}

/// The path to a member of the mapping at `path`.
pub fn member(path: &str, key: &str) -> String {
    let is_plain = !key.is_empty()
        && key
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
    let key = if is_plain {
        key.to_owned()
    } else {
        format!("{key:?}")
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// The path to an item of the list at `path`.
pub fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The mapping under `key`, empty where there is none.
pub fn mapping<'a>(map: &'a Map<String, Value>, key: &str) -> &'a Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    map.get(key).and_then(Value::as_object).unwrap_or(&EMPTY)
}

/// The text under `key`.
pub fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str()
}

/// A number, also where YAML 1.1 knows one and YAML 1.2 does not (`20_000`), or where it
/// stands in quotes.
pub fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.replace('_', "").parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// A whole number, 0 or more.
pub fn count(value: &Value) -> Option<u64> {
    let number = number(value)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within u64, as the line before has found"
    )]
    let whole = ((0.0..=1e15).contains(&number) && number.fract() == 0.0).then_some(number as u64);
    whole
}

/// Whether a switch is off; YAML 1.1 has further words for that.
pub fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => {
            matches!(text.to_ascii_lowercase().as_str(), "false" | "no" | "off")
        }
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// The variable that `os.environ/NAME` points to.
pub fn variable(text: &str) -> Option<&str> {
    text.strip_prefix("os.environ/")
        .map(str::trim)
        .filter(|name| is_variable(name))
}

/// Whether a shell can set a variable of this name.
fn is_variable(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(text: &str) -> String {
        parse(Path::new("config.yaml"), text)
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_place_and_without_its_text() {
        let said = refused("model_list:\n  - model_name: [a\n    api_key: sk-secret-canary\n");
        assert!(said.starts_with("config.yaml:"), "{said}");
        assert!(!said.contains("sk-secret-canary"), "{said}");
        assert!(refused("a: 1\na: 2").starts_with("config.yaml:2:1: "));
        assert_eq!(
            refused("- a"),
            "config.yaml:1:1: is not a mapping of settings such as `model_list`"
        );
    }

    #[test]
    fn numbers_and_switches_are_read_as_python_reads_them() {
        assert_eq!(count(&json!("20_000")), Some(20_000));
        assert_eq!(number(&json!("1e-6")), Some(1e-6));
        assert_eq!(number(&json!("NaN")), None);
        assert_eq!(count(&json!(0.5)), None);
        assert_eq!(count(&json!(-1)), None);
        assert!(is_off(&json!("Off")) && is_off(&json!(null)) && !is_off(&json!(0)));
        assert_eq!(variable("os.environ/KEY_1"), Some("KEY_1"));
        for literal in ["os.environ/", "os.environ/A B", "sk-os.environ/A", "1"] {
            assert_eq!(variable(literal), None, "{literal}");
        }
    }
}
