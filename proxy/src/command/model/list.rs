//! `lattice model list`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lattice_inference::{EngineError, LocalModels, ModelInfo, Options};
use serde::Serialize;

use super::catalog::STARTER;
use super::size;
use crate::catalog::Catalog;
use crate::cli::Listing;
use crate::command::server::price_book;
use crate::command::{CommandError, Done, table};
use crate::config::Config;
use crate::config::providers::Local;

#[derive(Serialize)]
struct Listed {
    models: Vec<Model>,
    files: Vec<File>,
}

#[derive(Serialize)]
struct Model {
    name: String,
    targets: Vec<Target>,
}

#[derive(Serialize)]
struct Target {
    provider: String,
    model: String,
    /// Where the price comes from; `None`: it has none.
    price: Option<String>,
    /// Of a model in this process; `None`: it is elsewhere, or has no file.
    file: Option<PathBuf>,
    /// Whether it has no file, and needs one.
    missing: bool,
}

#[derive(Serialize)]
struct File {
    provider: String,
    name: String,
    path: PathBuf,
    bytes: u64,
    context: Option<u32>,
    licence: Option<String>,
    /// What stands in the way of chatting with it.
    problem: Option<String>,
}

/// Shows the configured models and the files of models here.
pub fn run(config: &Config, listing: &Listing) -> Done {
    let mut folders = Vec::new();
    for local in &config.local {
        let found = files(&local.options)
            .map_err(|error| CommandError::Failed(format!("providers.{}: {error}", local.name)))?;
        folders.push((local, found));
    }
    let listed = Listed {
        models: models(&Catalog::new(config, price_book(config)?), &folders),
        files: folders
            .iter()
            .flat_map(|(local, found)| found.iter().map(|info| file(&local.name, info)))
            .collect(),
    };
    if listing.json {
        table::print_json(&listed)?;
    } else {
        show(&listed)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The model files that such a provider has; none of them is loaded.
pub fn files(options: &Options) -> Result<Vec<ModelInfo>, EngineError> {
    let unwatched = Options {
        keep_alive: None,
        ..options.clone()
    };
    Ok(LocalModels::open(unwatched)?.list())
}

/// The file that a target asks for, by the model's name or the file's.
pub fn file_of<'a>(files: &'a [ModelInfo], asked: &str) -> Option<&'a ModelInfo> {
    files.iter().find(|file| {
        file.name.eq_ignore_ascii_case(asked)
            || file
                .path
                .file_name()
                .is_some_and(|name| name == Path::new(asked))
    })
}

/// What stands in the way of chatting with it.
pub fn problem(file: &ModelInfo) -> Option<String> {
    let base = || "no chat template in it: a base model, not for chat".to_owned();
    file.note.clone().or_else(|| (!file.chat).then(base))
}

fn models(catalog: &Catalog, folders: &[(&Local, Vec<ModelInfo>)]) -> Vec<Model> {
    let catalog = catalog.now();
    let models = catalog.models().map(|(name, plan)| Model {
        name: name.to_owned(),
        targets: plan
            .targets()
            .iter()
            .map(|target| {
                let here = folders
                    .iter()
                    .find(|(local, _)| *local.name == *target.provider);
                let file = here.and_then(|(_, files)| file_of(files, &target.model));
                Target {
                    provider: target.provider.to_string(),
                    model: target.model.to_string(),
                    price: target.price.as_ref().map(|price| price.source().to_owned()),
                    missing: here.is_some() && file.is_none(),
                    file: file.map(|file| file.path.clone()),
                }
            })
            .collect(),
    });
    models.collect()
}

fn file(provider: &str, info: &ModelInfo) -> File {
    File {
        provider: provider.to_owned(),
        name: info.name.clone(),
        path: info.path.clone(),
        bytes: info.bytes,
        context: info.context,
        licence: info.licence.clone(),
        problem: problem(info),
    }
}

fn show(listed: &Listed) -> std::io::Result<()> {
    if listed.models.is_empty() {
        println!("no models are configured");
    } else {
        let rows: Vec<(&str, &Target)> = listed
            .models
            .iter()
            .flat_map(|model| model.targets.iter().map(|target| (&*model.name, target)))
            .collect();
        table::print(
            false,
            &rows,
            ["MODEL", "TARGET", "PRICE", "FILE"],
            |(name, target)| {
                [
                    (*name).to_owned(),
                    format!("{}/{}", target.provider, target.model),
                    target
                        .price
                        .clone()
                        .unwrap_or_else(|| "unpriced".to_owned()),
                    match &target.file {
                        Some(path) => file_name(path),
                        None if target.missing => "missing; see lattice doctor".to_owned(),
                        None => "-".to_owned(),
                    },
                ]
            },
        )?;
    }
    println!();
    if listed.files.is_empty() {
        println!(
            "no model files here; `lattice model pull {}` fetches a small one ({})",
            STARTER.name,
            size(STARTER.bytes)
        );
        return Ok(());
    }
    let heads = ["FILE", "NAME", "SIZE", "CONTEXT", "STATE"];
    table::print(false, &listed.files, heads, |file| {
        [
            file_name(&file.path),
            format!("{}/{}", file.provider, file.name),
            size(file.bytes),
            file.context
                .map_or_else(|| "-".to_owned(), |tokens| tokens.to_string()),
            file.problem.clone().unwrap_or_else(|| "ready".to_owned()),
        ]
    })
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
