//! From what a policy returned to a decision of the kernel.

use lattice_kernel::Code;
use lattice_kernel::gates::{Decision, Denial, Obligation};
use regorus::Value;
use serde_json::json;

/// Reasons and obligations that one decision may have. The shipped set has an
/// obligation for each tool that it takes out of a request.
const ENTRIES: usize = 1024;
/// Characters of a message that a caller is shown.
const MESSAGE: usize = 512;
/// Bytes of one obligation. A longer one cannot be cut, so it is an error.
const OBLIGATION: usize = 4096;
/// Bytes of the arguments that a tool call gets instead of its own.
const ARGUMENTS: usize = 256 * 1024;

/// Why a set gave no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// The engine gave up: an error in a rule, a conflict, or the time limit.
    #[error("{0}")]
    Failed(String),
    /// The decision is undefined for this input.
    #[error("data.lattice.authz.decision is undefined")]
    Undefined,
    /// The decision is not what `policies/README.md` asks for.
    #[error("data.lattice.authz.decision: {0}")]
    Malformed(&'static str),
    /// A tool call was to be judged whose arguments are not a JSON object.
    #[error("the arguments of the tool call are not a JSON object that the engine reads")]
    Arguments,
    /// The store is silent, and what it says now may forbid what it allowed.
    #[error("the store has been silent for longer than `policy.stale_after_seconds`")]
    Stale,
}

impl EvaluationError {
    /// One word, which quotes neither policy nor input.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::Undefined => "undefined",
            Self::Malformed(_) => "malformed",
            Self::Arguments => "arguments",
            Self::Stale => "stale",
        }
    }
}

/// The form that [`read`] reads.
pub(crate) fn write(decision: &Decision) -> serde_json::Value {
    let deny = decision.deny.iter().map(|denial| {
        let Denial { code, message } = denial;
        json!({"code": code.as_str(), "msg": &**message})
    });
    // Text of ours, which is JSON.
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
    let obligations = decision
        .obligations
        .iter()
        .map(|obligation| match obligation {
            Obligation::DropTool(name) => json!({"type": "drop_tool", "name": &**name}),
            Obligation::SetArguments(text) => {
                json!({"type": "set_arguments", "arguments": parsed(text)})
            }
            Obligation::Unknown(text) => parsed(text),
        });
    json!({
        "allow": decision.allow,
        "deny": deny.collect::<Vec<_>>(),
        "obligations": obligations.collect::<Vec<_>>(),
    })
}

/// Reads `{"allow": bool, "deny": [{"code", "msg"}], "obligations": [{…}]}`; each
/// list may be a set.
pub(crate) fn read(value: &Value) -> Result<Decision, EvaluationError> {
    if *value == Value::Undefined {
        return Err(EvaluationError::Undefined);
    }
    let Value::Bool(allow) = value["allow"] else {
        return Err(EvaluationError::Malformed("`allow` is not a boolean"));
    };
    let deny = entries(&value["deny"], "`deny` is not a set or an array")?;
    let obligations = entries(
        &value["obligations"],
        "`obligations` is not a set or an array",
    )?;
    Ok(Decision {
        allow,
        deny: deny.into_iter().map(denial).collect::<Result<_, _>>()?,
        obligations: obligations
            .into_iter()
            .map(obligation)
            .collect::<Result<_, _>>()?,
    })
}

/// The entries of a list, sets in Rego's order.
fn entries<'a>(
    list: &'a Value,
    otherwise: &'static str,
) -> Result<Vec<&'a Value>, EvaluationError> {
    let entries: Vec<&Value> = match list {
        Value::Array(entries) => entries.iter().collect(),
        Value::Set(entries) => entries.iter_sorted().collect(),
        _ => return Err(EvaluationError::Malformed(otherwise)),
    };
    if entries.len() > ENTRIES {
        return Err(EvaluationError::Malformed(
            "a list has more than 1024 entries",
        ));
    }
    Ok(entries)
}

fn denial(entry: &Value) -> Result<Denial, EvaluationError> {
    let (Value::String(code), Value::String(message)) = (&entry["code"], &entry["msg"]) else {
        return Err(EvaluationError::Malformed(
            "an entry of `deny` lacks `code` or `msg`",
        ));
    };
    let code = match Code::parse(code) {
        Some(code @ (Code::PolicyModel | Code::PolicyTool)) => code,
        _ => Code::PolicyDenied,
    };
    Ok(Denial {
        code,
        message: message.chars().take(MESSAGE).collect::<String>().into(),
    })
}

fn obligation(entry: &Value) -> Result<Obligation, EvaluationError> {
    let (Value::Object(_), Value::String(kind)) = (entry, &entry["type"]) else {
        return Err(EvaluationError::Malformed(
            "an entry of `obligations` lacks `type`",
        ));
    };
    match (&**kind, &entry["name"], &entry["arguments"]) {
        ("drop_tool", Value::String(name), _) => Ok(Obligation::DropTool((&**name).into())),
        ("set_arguments", _, arguments @ Value::Object(_)) => {
            canonical(arguments, ARGUMENTS).map(Obligation::SetArguments)
        }
        _ => canonical(entry, OBLIGATION).map(Obligation::Unknown),
    }
}

/// Canonical JSON of at most so many bytes.
fn canonical(value: &Value, most: usize) -> Result<Box<str>, EvaluationError> {
    match serde_json::to_string(value) {
        Ok(text) if text.len() <= most => Ok(text.into()),
        _ => Err(EvaluationError::Malformed("an obligation is too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(text: &str) -> Result<Decision, EvaluationError> {
        read(&Value::from_json_str(text).unwrap())
    }

    #[test]
    fn codes_that_are_not_a_policys_to_give_become_policy_denied() {
        for (given, code) in [
            ("policy_model", Code::PolicyModel),
            ("policy_tool", Code::PolicyTool),
            ("policy_denied", Code::PolicyDenied),
            ("limit_budget", Code::PolicyDenied),
            ("region.residency", Code::PolicyDenied),
        ] {
            let text = format!(
                r#"{{"allow": true, "deny": [{{"code": "{given}", "msg": "No."}}], "obligations": []}}"#
            );
            let decision = read_json(&text).unwrap();
            assert_eq!(
                decision.deny,
                [Denial {
                    code,
                    message: "No.".into()
                }]
            );
            assert!(!decision.allows());
            assert_eq!(decision.refusal().code, code);
        }
    }

    #[test]
    fn obligations_are_canonical_json() {
        let text = r#"{"allow": true, "deny": [], "obligations": [{"z": 1, "type": "mask", "a": [1, null]}]}"#;
        assert_eq!(
            *read_json(text).unwrap().obligations,
            [Obligation::Unknown(
                r#"{"a":[1,null],"type":"mask","z":1}"#.into()
            )]
        );
    }

    #[test]
    fn obligations_that_the_gates_fulfil_are_read() {
        let text = r#"{"allow": true, "deny": [], "obligations": [
            {"type": "drop_tool", "name": "shell"}, {"type": "set_arguments", "arguments": {"b": 1, "a": "x"}},
            {"type": "drop_tool"}, {"type": "set_arguments", "arguments": "x"}]}"#;
        let unknown = |text: &str| Obligation::Unknown(text.into());
        assert_eq!(
            read_json(text).unwrap().obligations,
            [
                Obligation::DropTool("shell".into()),
                Obligation::SetArguments(r#"{"a":"x","b":1}"#.into()),
                unknown(r#"{"type":"drop_tool"}"#),
                unknown(r#"{"arguments":"x","type":"set_arguments"}"#),
            ]
        );
    }

    #[test]
    fn what_was_read_is_written_as_it_was() {
        let text = r#"{"allow": false, "deny": [{"code": "policy_tool", "msg": "No."}], "obligations": [
            {"type": "drop_tool", "name": "shell"}, {"type": "set_arguments", "arguments": {"a": [1, "x"]}},
            {"type": "mask", "a": {"b": null}}]}"#;
        let written = write(&read_json(text).unwrap());
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(text).unwrap()
        );
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let text = format!(
            r#"{{"allow": true, "deny": [{{"code": "x", "msg": "{}"}}], "obligations": []}}"#,
            "é".repeat(2000)
        );
        assert_eq!(*read_json(&text).unwrap().deny[0].message, *"é".repeat(512));
    }

    #[test]
    fn every_other_shape_is_an_error() {
        let long = format!(
            r#"{{"allow": true, "deny": [], "obligations": [{{"type": "{}"}}]}}"#,
            "x".repeat(5000)
        );
        let many = format!(
            r#"{{"allow": true, "deny": [], "obligations": [{}{{"type": "x"}}]}}"#,
            r#"{"type": "x"},"#.repeat(1024)
        );
        for text in [
            "true",
            "null",
            "[]",
            "{}",
            r#"{"allow": true}"#,
            r#"{"allow": true, "deny": []}"#,
            r#"{"allow": true, "obligations": []}"#,
            r#"{"deny": [], "obligations": []}"#,
            r#"{"allow": "true", "deny": [], "obligations": []}"#,
            r#"{"allow": 1, "deny": [], "obligations": []}"#,
            r#"{"allow": true, "deny": {}, "obligations": []}"#,
            r#"{"allow": true, "deny": null, "obligations": []}"#,
            r#"{"allow": true, "deny": ["no"], "obligations": []}"#,
            r#"{"allow": true, "deny": [{"code": "x"}], "obligations": []}"#,
            r#"{"allow": true, "deny": [{"code": "x", "msg": 5}], "obligations": []}"#,
            r#"{"allow": true, "deny": [], "obligations": [{}]}"#,
            r#"{"allow": true, "deny": [], "obligations": ["mask"]}"#,
            &long,
            &many,
        ] {
            assert!(
                matches!(read_json(text), Err(EvaluationError::Malformed(_))),
                "{text}"
            );
        }
        assert_eq!(read(&Value::Undefined), Err(EvaluationError::Undefined));
    }
}
