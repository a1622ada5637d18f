//! `lattice policy explain`

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use lattice_policy::authoring::{
    Definition, Explanation, Fact, Outcome, Place, Project, RuleTrace, Statement,
};
use serde_json::{Value, json};

use crate::cli::PolicyExplain;
use crate::command::policy::{failed, read, request, sources, unreadable};
use crate::command::{CommandError, Done};
use crate::config::load;

/// Characters of a value that a line shows.
const WIDEST: usize = 120;

/// Explains the decision on the input, or on the model at each of its targets.
pub(super) fn run(config: Option<PathBuf>, options: &PolicyExplain) -> Done {
    let inputs = match (&options.input, &options.model) {
        (Some(file), _) => vec![(String::new(), read(file)?)],
        (None, Some(model)) => request::inputs(&load(config.clone())?, options, model)?,
        (None, None) => {
            let usage = "name a --model or an --input";
            return Err(CommandError::Usage(usage.to_owned()));
        }
    };
    let sources = sources(config, &options.paths)?;
    let project = Project::open(&sources).map_err(unreadable)?;
    let mut rows = Vec::new();
    for (target, input) in &inputs {
        let explanation = project.explain(input).map_err(failed)?;
        if options.listing.json {
            rows.push(shape(target, input, &explanation));
        } else {
            print!("{}", screen(target, &explanation));
        }
    }
    if options.listing.json {
        let text = serde_json::to_string_pretty(&rows).map_err(std::io::Error::from)?;
        println!("{text}");
    }
    Ok(ExitCode::SUCCESS)
}

fn screen(target: &str, explanation: &Explanation) -> String {
    let mut screen = String::new();
    let verdict = match explanation.allowed {
        true => "allowed",
        false => "refused",
    };
    match target {
        "" => line(&mut screen, verdict),
        target => line(&mut screen, format_args!("{verdict} at {target}")),
    }
    match &explanation.decision {
        Err(error) => line(
            &mut screen,
            format_args!("  the policy gave no decision: {error}"),
        ),
        Ok(decision) => {
            line(&mut screen, format_args!("  allow: {}", decision["allow"]));
            if decision["obligations"] != json!([]) {
                line(
                    &mut screen,
                    format_args!("  obligations: {}", decision["obligations"]),
                );
            }
        }
    }
    for reason in &explanation.reasons {
        line(
            &mut screen,
            format_args!("  deny: {}: {}", reason.code, reason.message),
        );
        for place in &reason.rules {
            line(&mut screen, format_args!("    given by {}", at(place)));
        }
    }
    for rule in &explanation.rules {
        trace(&mut screen, rule);
    }
    line(
        &mut screen,
        format_args!(
            "\nShown is every rule that the decision came to, by line, and what of it holds by itself; {} other rules were not needed.\n",
            explanation.unreached
        ),
    );
    screen
}

fn line(screen: &mut String, text: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = writeln!(screen, "{text}");
}

fn at(place: &Place) -> String {
    format!("{}:{}", place.file, place.row)
}

fn trace(screen: &mut String, rule: &RuleTrace) {
    let is_function = rule
        .definitions
        .iter()
        .any(|d| d.outcome == Outcome::Called);
    let value = match &rule.value {
        Some(value) => format!(" = {}", short(value)),
        None if is_function => String::new(),
        None => " is undefined".to_owned(),
    };
    line(screen, format_args!("\n{}{value}", rule.name));
    for definition in &rule.definitions {
        let Definition {
            place,
            text,
            outcome,
        } = definition;
        let (mark, failed): (_, &[Statement]) = match outcome {
            Outcome::Fired(_) => ("fired", &[]),
            Outcome::Failed(statements) => ("did not hold", statements),
            Outcome::StoodIn => ("stood in", &[]),
            Outcome::NotNeeded => ("not needed", &[]),
            Outcome::Called => ("called", &[]),
            Outcome::Unknown => ("reached", &[]),
        };
        let head = text.lines().next().unwrap_or_default();
        line(screen, format_args!("  {mark:12}  {}  {head}", at(place)));
        for statement in failed {
            let text = statement.text.lines().next().unwrap_or_default();
            line(
                screen,
                format_args!("{:16}{}  {text}", "", at(&statement.place)),
            );
            for fact in &statement.facts {
                let value = fact
                    .value
                    .as_ref()
                    .map_or_else(|| "undefined".to_owned(), short);
                line(screen, format_args!("{:18}{} = {value}", "", fact.name));
            }
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn shape(target: &str, input: &str, explanation: &Explanation) -> Value {
    let (decision, error) = match &explanation.decision {
        Ok(decision) => (decision.clone(), None),
        Err(error) => (Value::Null, Some(error.to_string())),
    };
    let reasons = explanation.reasons.iter().map(|reason| {
        json!({
            "code": reason.code,
            "msg": reason.message,
            "rules": reason.rules.iter().map(location).collect::<Value>(),
        })
    });
    json!({
        "target": (!target.is_empty()).then_some(target),
        "input": serde_json::from_str::<Value>(input).unwrap_or_default(),
        "allowed": explanation.allowed,
        "decision": decision,
        "error": error,
        "reasons": reasons.collect::<Value>(),
        "rules": explanation.rules.iter().map(rule).collect::<Value>(),
        "unreached": explanation.unreached,
    })
}

fn location(place: &Place) -> Value {
    json!({ "file": place.file, "row": place.row, "col": place.col })
}

fn rule(rule: &RuleTrace) -> Value {
    json!({
        "name": rule.name,
        "value": rule.value,
        "definitions": rule.definitions.iter().map(definition).collect::<Value>(),
    })
}

fn definition(definition: &Definition) -> Value {
    let mut row = json!({
        "location": location(&definition.place),
        "text": definition.text,
        "outcome": match &definition.outcome {
            Outcome::Fired(_) => "fired",
            Outcome::Failed(_) => "failed",
            Outcome::StoodIn => "stood_in",
            Outcome::NotNeeded => "not_needed",
            Outcome::Called => "called",
            Outcome::Unknown => "reached",
        },
    });
    match &definition.outcome {
        Outcome::Fired(values) => row["values"] = values.clone().into(),
        Outcome::Failed(statements) => {
            row["failed"] = statements.iter().map(statement).collect();
        }
        _ => {}
    }
    row
}

fn statement(statement: &Statement) -> Value {
    let fact = |fact: &Fact| json!({ "name": fact.name, "value": fact.value });
    json!({
        "location": location(&statement.place),
        "text": statement.text,
        "facts": statement.facts.iter().map(fact).collect::<Value>(),
    })
}
