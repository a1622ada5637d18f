//! What the configuration says, section by section: one that cannot be used hides
//! nothing of the others.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lattice_kernel::Secret;
use lattice_providers::{Egress, Provider};

use crate::command::config::policy_set;
use crate::config::checked::Database;
use crate::config::providers::{self, Local};
use crate::config::raw::{self, Raw};
use crate::config::{Config, ConfigError, limits, load};
use crate::tls::Files;

/// A part of the configuration, or why it cannot be used.
pub type Part<T> = Result<T, ConfigError>;

/// What the configuration says, as far as it can be used.
pub struct Known {
    /// The file; `None`: the environment alone.
    pub file: Option<PathBuf>,
    /// What the server would say of the whole.
    pub whole: Part<()>,
    /// Addresses for clients and for admin.
    pub listeners: Part<(SocketAddr, SocketAddr)>,
    /// The files of those listeners that speak TLS.
    pub tls: Vec<Files>,
    /// Where everything is kept.
    pub data_dir: Part<PathBuf>,
    /// Where durable state lives, and the configured pepper.
    pub database: Part<(Database, Option<Secret>)>,
    /// Providers by name.
    pub providers: Vec<(String, Part<Upstream>)>,
    /// Models by name.
    pub models: Vec<(String, Part<Vec<Target>>)>,
    /// What may be dialled; where it cannot be used, as `whole` says, what may be by default.
    pub egress: Egress,
    /// How many budgets the file declares.
    pub budgets: Part<usize>,
    /// The policy set: where it is and its revision.
    pub policy: Result<String, String>,
}

/// A provider.
pub enum Upstream {
    /// Elsewhere.
    Remote(Provider),
    /// In this process.
    Local(Local),
}

/// A model's target: the provider and the model's name there.
pub type Target = (String, String);

impl Known {
    /// Reads the file that applies, or the environment.
    pub fn read(named: Option<PathBuf>) -> Self {
        let file = load::find(named.clone());
        let base = file
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""));
        let raw = match &file {
            // What cannot be parsed is said by `whole`; nothing more is known then.
            Some(path) => std::fs::read_to_string(path)
                .ok()
                .and_then(|text| load::parse(path, &text).ok())
                .unwrap_or_default(),
            None => of_environment(),
        };
        let whole = load(named).map(drop);
        Self::of(raw, base, whole, file.clone())
    }

    fn of(raw: Raw, base: &Path, whole: Part<()>, file: Option<PathBuf>) -> Self {
        let check = |raw| Config::check(raw, base);
        let budgets = limits::check(&raw).map(|limits| limits.len());
        let data_dir = check(Raw {
            data_dir: raw.data_dir,
            ..Raw::default()
        })
        .map(|config| config.data_dir);
        let models_dir = data_dir.as_deref().unwrap_or(Path::new(""));
        let providers = raw.providers.iter().map(|(name, provider)| {
            let checked = upstream(name, provider, &raw.models, base, models_dir);
            (name.clone(), checked)
        });
        let providers = providers.collect();
        let models = models(&raw.providers, &raw.models, base);
        let egress = Egress::allowing(&raw.security.egress.allow).unwrap_or_default();
        let server = check(Raw {
            server: raw.server,
            ..Raw::default()
        });
        let tls = server.as_ref().ok().map(|config| {
            let both = [&config.tls, &config.admin_tls].into_iter().flatten();
            both.cloned().collect()
        });
        Self {
            listeners: server.map(|config| (config.listen, config.admin_listen)),
            tls: tls.unwrap_or_default(),
            database: check(Raw {
                database: raw.database,
                security: raw.security,
                ..Raw::default()
            })
            .map(|config| (config.database, config.pepper)),
            budgets,
            policy: policy(check(Raw {
                policy: raw.policy,
                ..Raw::default()
            })),
            file,
            whole,
            data_dir,
            providers,
            models,
            egress,
        }
    }

    /// Whether the sections below are those of the file.
    pub fn is_readable(&self) -> bool {
        matches!(self.whole, Ok(()) | Err(ConfigError::Invalid { .. }))
    }

    /// The providers elsewhere that can be used.
    pub fn remotes(&self) -> impl Iterator<Item = &Provider> {
        self.upstreams().filter_map(|upstream| match upstream {
            Upstream::Remote(provider) => Some(provider),
            Upstream::Local(_) => None,
        })
    }

    /// The providers in this process that can be used.
    pub fn locals(&self) -> impl Iterator<Item = &Local> {
        self.upstreams().filter_map(|upstream| match upstream {
            Upstream::Remote(_) => None,
            Upstream::Local(local) => Some(local),
        })
    }

    fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        let parts = self.providers.iter();
        parts.filter_map(|(_, upstream)| upstream.as_ref().ok())
    }
}

fn of_environment() -> Raw {
    let mut raw = Raw {
        providers: providers::of_environment(),
        ..Raw::default()
    };
    // Fails only where `data_dir` does, which is said there.
    let _ = providers::add_found_models(&mut raw);
    raw
}

fn upstream(
    name: &str,
    provider: &raw::Provider,
    models: &[raw::Model],
    base: &Path,
    data_dir: &Path,
) -> Part<Upstream> {
    let checked = providers::check(name, provider, base)?;
    if checked.base_url.is_some() {
        return Ok(Upstream::Remote(checked.provider));
    }
    providers::local(name, provider, models, base, data_dir).map(Upstream::Local)
}

/// Each model on its own; then all together, for a name that is there twice.
fn models(
    providers: &std::collections::BTreeMap<String, raw::Provider>,
    models: &[raw::Model],
    base: &Path,
) -> Vec<(String, Part<Vec<Target>>)> {
    let check = |models: &[raw::Model]| {
        let raw = Raw {
            providers: providers.clone(),
            models: models.to_vec(),
            ..Raw::default()
        };
        match Config::check(raw, base) {
            Err(ConfigError::Invalid { at, what }) if at.starts_with("models") => {
                Err(ConfigError::invalid(at, what))
            }
            // A provider's fault is said of the provider.
            _ => Ok(()),
        }
    };
    let targets = |model: &raw::Model| {
        let targets = model.targets.iter();
        targets
            .map(|target| (target.provider.clone(), target.model.clone()))
            .collect()
    };
    let mut checked: Vec<_> = models
        .iter()
        .map(|model| {
            let part = check(std::slice::from_ref(model)).map(|()| targets(model));
            (model.name.clone(), part)
        })
        .collect();
    if checked.iter().all(|(_, part)| part.is_ok())
        && let Err(error) = check(models)
    {
        checked.push((String::new(), Err(error)));
    }
    checked
}

fn policy(config: Part<Config>) -> Result<String, String> {
    let config = config.map_err(|error| error.to_string())?;
    let set = policy_set(&config).map_err(|error| error.to_string())?;
    Ok(format!("{}, revision {}", config.policy, set.revision()))
}
