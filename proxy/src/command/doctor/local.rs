//! Models that run in this process: their folders and files.

use std::path::Path;

use lattice_inference::ModelInfo;

use super::check::Check;
use super::known::Known;
use crate::command::model::list::{file_of, files, problem};
use crate::command::model::{catalog, size};
use crate::config::providers::Local;

/// Looks at every provider in this process.
pub fn look(known: &Known) -> Vec<Check> {
    known
        .locals()
        .flat_map(|local| provider(known, local))
        .collect()
}

fn provider(known: &Known, local: &Local) -> Vec<Check> {
    let found = match files(&local.options) {
        Ok(found) => found,
        Err(error) => {
            let mend = format!("correct providers.{} or its models", local.name);
            return vec![Check::fail(&local.name, error.to_string(), mend)];
        }
    };
    let mut checks: Vec<Check> = found.iter().map(|info| file(local, info)).collect();
    let asked: Vec<&str> = known
        .models
        .iter()
        .filter_map(|(_, targets)| targets.as_ref().ok())
        .flatten()
        .filter(|(provider, _)| *provider == local.name)
        .map(|(_, model)| model.as_str())
        .collect();
    let missing = asked
        .iter()
        .filter(|model| file_of(&found, model).is_none());
    let dir = local.options.model_dir.as_deref().unwrap_or(Path::new("."));
    checks.extend(missing.map(|model| lacks(local, model, dir)));
    if checks.is_empty() {
        checks.push(Check::warn(
            &local.name,
            format!("{} has no GGUF files", dir.display()),
            format!(
                "lattice model pull {} --dir '{}'",
                catalog::STARTER.name,
                dir.display()
            ),
        ));
    }
    checks
}

fn file(local: &Local, info: &ModelInfo) -> Check {
    let name = format!("{}/{}", local.name, info.name);
    let path = info.path.display();
    match (problem(info), info.architecture.is_empty()) {
        (None, _) => Check::ok(name, format!("{path}, {}", size(info.bytes))),
        (Some(problem), true) => Check::fail(
            name,
            format!("{path} is no model: {problem}"),
            format!("rm '{path}'    # and fetch it again"),
        ),
        (Some(problem), false) => Check::warn(
            name,
            format!("{path}: {problem}"),
            "move it to another folder, or leave it: the others are served",
        ),
    }
}

fn lacks(local: &Local, model: &str, dir: &Path) -> Check {
    let there = if dir.is_dir() {
        "has no file for it"
    } else {
        "is not there"
    };
    let mend = match catalog::find(model) {
        Some(_) => format!("lattice model pull {model} --dir '{}'", dir.display()),
        None => format!(
            "copy its GGUF file to {}, or name another model",
            dir.display()
        ),
    };
    Check::fail(
        format!("{}/{model}", local.name),
        format!("{} {there}", dir.display()),
        mend,
    )
}
