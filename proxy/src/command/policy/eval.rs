//! `lattice policy eval`

use std::path::PathBuf;
use std::process::ExitCode;

use lattice_policy::authoring::{Expression, Project, QueryResult};
use serde_json::{Value, json};

use crate::cli::{EvalFormat, PolicyEval};
use crate::command::policy::{failed, read, sources, unreadable};
use crate::command::{CommandError, Done};

/// Evaluates the query and shows what it gives.
pub(super) fn run(config: Option<PathBuf>, options: &PolicyEval) -> Done {
    let sources = sources(config, &options.paths)?;
    let input = options.input.as_deref().map(read).transpose()?;
    let project = Project::open(&sources).map_err(unreadable)?;
    let results = project
        .eval(&options.query, input.as_deref())
        .map_err(failed)?;
    match options.format {
        EvalFormat::Json => println!("{}", pretty(&shape(&results))?),
        EvalFormat::Pretty if results.is_empty() => println!("undefined"),
        EvalFormat::Pretty => {
            for result in &results {
                println!("{}", pretty(&value(result))?);
            }
        }
        EvalFormat::Raw => results
            .iter()
            .for_each(|result| println!("{}", raw(result))),
    }
    Ok(ExitCode::SUCCESS)
}

/// As OPA has it: nothing at all where the query is undefined.
fn shape(results: &[QueryResult]) -> Value {
    let rows: Vec<Value> = results
        .iter()
        .map(|result| {
            let expressions = result.expressions.iter().map(expression);
            let mut row = json!({ "expressions": expressions.collect::<Value>() });
            if !result.bindings.is_empty() {
                row["bindings"] = result.bindings.clone().into();
            }
            row
        })
        .collect();
    match rows.is_empty() {
        true => json!({}),
        false => json!({ "result": rows }),
    }
}

fn expression(expression: &Expression) -> Value {
    json!({
        "value": expression.value,
        "text": expression.text,
        "location": { "row": expression.row, "col": expression.col },
    })
}

/// What a person asked for: the variables, else the value.
fn value(result: &QueryResult) -> Value {
    match &result.expressions[..] {
        _ if !result.bindings.is_empty() => result.bindings.clone().into(),
        [one] => one.value.clone(),
        several => several.iter().map(|one| one.value.clone()).collect(),
    }
}

fn raw(result: &QueryResult) -> String {
    let values = result.expressions.iter().map(|one| match &one.value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    values.collect::<Vec<_>>().join(" ")
}

fn pretty(value: &Value) -> Result<String, CommandError> {
    Ok(serde_json::to_string_pretty(value).map_err(std::io::Error::from)?)
}
