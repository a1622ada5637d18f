//! `lattice config …`

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lattice_policy::{PolicySet, StoreData};

use crate::catalog::Catalog;
use crate::cli::ConfigCommand;
use crate::command::server::price_book;
use crate::command::{CommandError, Done, import};
use crate::config::load::find;
use crate::config::raw::Raw;
use crate::config::{Config, ConfigError, load};
use crate::data::local;
use crate::tls::moment;

/// A first configuration: it works as it is.
const FIRST: &str = include_str!("first.yaml");

/// Runs one of them.
pub fn run(config: Option<PathBuf>, command: ConfigCommand) -> Done {
    match command {
        ConfigCommand::Init { output } => init(&output),
        ConfigCommand::Check => check(config),
        ConfigCommand::Schema => {
            println!("{}", schema()?);
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Import(options) => import::run(&options),
    }
}

fn init(output: &Path) -> Done {
    create(output, FIRST)?;
    println!(
        "{} written; `lattice config check` reads it, `lattice server` runs it",
        output.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes a configuration file where there is none yet.
pub fn create(output: &Path, text: &str) -> Result<(), CommandError> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(output)
        .map_err(|error| {
            let why = match error.kind() {
                ErrorKind::AlreadyExists => {
                    "is there already and is left alone; name another with --output".into()
                }
                _ => format!("cannot be written: {error}"),
            };
            CommandError::Failed(format!("{} {why}", output.display()))
        })?;
    Ok(file.write_all(text.as_bytes())?)
}

/// The server's own way to boot, as far as nothing runs yet.
fn check(named: Option<PathBuf>) -> Done {
    let source = find(named.clone());
    let checked = load(named).map_err(CommandError::from).and_then(|config| {
        let policy = policy_set(&config)?;
        // The server would not start either.
        drop(local::open(&config.local)?);
        let tls = [&config.tls, &config.admin_tls].into_iter().flatten();
        let ends = tls.map(|files| Ok((files.at, files.load()?.not_after)));
        let ends = ends.collect::<Result<Vec<_>, ConfigError>>()?;
        let catalog = Catalog::new(&config, price_book(&config)?).now();
        Ok((config, catalog, policy, ends))
    });
    let (config, catalog, policy, ends) = match checked {
        Ok(checked) => checked,
        Err(error @ CommandError::Config(ConfigError::Unreadable { .. })) => return Err(error),
        Err(error) => {
            eprintln!("lattice: {error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let source = source.map_or_else(|| "environment".into(), |path| path.display().to_string());
    println!("{source}: sound");
    let providers: Vec<&str> = config
        .providers
        .iter()
        .map(|provider| &*provider.name)
        .collect();
    let none = "none: declare one, or set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY where there is no file";
    println!(
        "  providers  {}",
        if providers.is_empty() {
            none.into()
        } else {
            providers.join(", ")
        }
    );
    for (name, plan) in catalog.models() {
        let targets = plan.targets().iter().map(|target| {
            let price = target
                .price
                .as_ref()
                .map_or("unpriced", |price| price.source());
            format!("{}/{} ({price})", target.provider, target.model)
        });
        println!(
            "  model      {name} -> {}",
            targets.collect::<Vec<_>>().join(", ")
        );
    }
    if let Some(prices) = catalog.prices() {
        println!("  prices     {prices}");
    }
    println!("  policy     {} ({})", config.policy, policy.revision());
    for issuer in &config.identity.oidc {
        println!(
            "  oidc       {} (for {})",
            issuer.keys.issuer, issuer.audience
        );
    }
    for certificate in &config.identity.certificates {
        println!("  client     {} is {}", certificate.name, certificate.to);
    }
    println!("  budgets    {}", config.limits.len());
    for (listener, end) in ends {
        println!("  {listener}: certificate until {}", moment(end));
    }
    Ok(ExitCode::SUCCESS)
}

/// The policy set that the configuration names, with nothing from the store.
pub fn policy_set(config: &Config) -> Result<PolicySet, CommandError> {
    let loaded = config
        .policy
        .read()
        .and_then(|sources| PolicySet::load(&sources, StoreData::default()));
    loaded.map_err(|error| CommandError::Failed(format!("policy: {error}")))
}

/// The JSON Schema of `lattice.yaml`.
pub fn schema() -> Result<String, CommandError> {
    let schema = schemars::schema_for!(Raw);
    serde_json::to_string_pretty(&schema).map_err(|error| CommandError::Failed(error.to_string()))
}
