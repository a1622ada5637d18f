//! A configuration that cannot be wrong.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lattice_kernel::{Balance, Routing, Secret};
use lattice_limits::Limit;
use lattice_providers::{Egress, FlatPrice, Provider};

use crate::config::identity::{self, Identity};
use crate::config::limits;
use crate::config::load::ConfigError;
use crate::config::policy;
use crate::config::providers::{self, Local};
use crate::config::raw::{self, Raw, SecretSource};
use crate::tls::{ClientCertificates, Files};

/// What the gateway runs on.
#[derive(Debug)]
pub struct Config {
    /// Address for clients.
    pub listen: SocketAddr,
    /// Address for metrics and health.
    pub admin_listen: SocketAddr,
    /// TLS for clients; `None`: plain HTTP.
    pub tls: Option<Files>,
    /// TLS for admin; `None`: plain HTTP.
    pub admin_tls: Option<Files>,
    /// The largest request body, bytes.
    pub max_body: usize,
    /// How long streams may take to end at a stop.
    pub drain: Duration,
    /// Journal, managed database, pepper.
    pub data_dir: PathBuf,
    /// Where durable state lives.
    pub database: Database,
    /// The upstreams.
    pub providers: Vec<Provider>,
    /// Where they may be.
    pub egress: Egress,
    /// Those of them whose models run in this process.
    pub local: Vec<Local>,
    /// Classification by provider, where it has one.
    pub classifications: HashMap<Arc<str>, Arc<str>>,
    /// Whether a provider is on this machine, where that is configured.
    pub local_or_not: HashMap<Arc<str>, bool>,
    /// The base URL of each provider, for the price catalogue.
    pub base_urls: HashMap<Arc<str>, Box<str>>,
    /// What clients may ask for.
    pub models: Vec<Model>,
    /// A file of prices, if there is one.
    pub prices: Option<PathBuf>,
    /// Who is recognised beside the holders of keys.
    pub identity: Identity,
    /// Where the policy set comes from.
    pub policy: policy::Source,
    /// How it is asked.
    pub policy_options: lattice_policy::Options,
    /// Where its decisions are logged, if they are.
    pub decision_log: Option<lattice_policy::log::LinesOptions>,
    /// Budgets and rates that the file declares.
    pub limits: Vec<Limit>,
    /// The audit journal.
    pub audit: Audit,
    /// The pepper; `None`: the one in `data_dir`.
    pub pepper: Option<Secret>,
}

/// Where durable state lives.
#[derive(Debug)]
pub enum Database {
    /// A PostgreSQL that Lattice runs itself.
    Managed {
        /// Where PostgreSQL's programs are, if not where they are looked for.
        bin_dir: Option<PathBuf>,
    },
    /// Somebody else's.
    Url(Secret),
}

/// A name that clients ask for.
#[derive(Debug, Clone)]
pub struct Model {
    /// The name.
    pub name: Arc<str>,
    /// Best first; never empty.
    pub targets: Vec<Target>,
    /// Which of them is asked first, and how often again.
    pub routing: Routing,
}

/// One model at one provider.
#[derive(Debug, Clone)]
pub struct Target {
    /// The provider's name.
    pub provider: Arc<str>,
    /// The model's name there.
    pub model: Arc<str>,
    /// A price of its own.
    pub price: Option<FlatPrice>,
    /// The cap under a hard budget.
    pub max_output_tokens: u64,
    /// Its share beside the other targets.
    pub weight: NonZeroU32,
}

/// The audit journal.
#[derive(Debug, Clone, Copy)]
pub struct Audit {
    /// The intent is on disk before the upstream is called.
    pub strict: bool,
    /// Requests are refused where nothing can be recorded.
    pub refuse_on_full: bool,
    /// The most that may wait for the database, bytes.
    pub max_pending: u64,
}

/// The cap that a request gets under a hard budget if nothing else is configured.
pub const DEFAULT_OUTPUT_CAP: u64 = 4096;
/// How often a target is asked again if nothing else is configured.
pub const DEFAULT_RETRIES: u32 = 1;
/// How often it may be at the most.
const MOST_RETRIES: u32 = 5;
/// The largest weight.
const HEAVIEST: u32 = 1000;

impl Config {
    /// What the environment alone says: a provider for each key that it holds.
    ///
    /// # Errors
    /// A base URL of the environment cannot be used.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut raw = Raw {
            providers: providers::of_environment(),
            ..Raw::default()
        };
        providers::add_found_models(&mut raw)?;
        Self::check(raw, Path::new(""))
    }

    /// Checks every value; relative paths start at `base`.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(raw: Raw, base: &Path) -> Result<Self, ConfigError> {
        let [(listen, tls), (admin_listen, admin_tls)] = listeners(&raw.server, base)?;
        let database = match &raw.database.url {
            Some(source) => Database::Url(secret("database.url", source, base)?),
            None => Database::Managed {
                bin_dir: raw.database.bin_dir.as_ref().map(|dir| base.join(dir)),
            },
        };
        let pepper = raw
            .security
            .pepper
            .as_ref()
            .map(|source| secret("security.pepper", source, base))
            .transpose()?;
        if let (Database::Url(_), None) = (&database, &pepper) {
            return Err(ConfigError::invalid(
                "security.pepper",
                "must be set where database.url is: keys in a shared database are stored under it; point it at a secret of at least 32 bytes",
            ));
        }
        let names: HashSet<&str> = raw.providers.keys().map(String::as_str).collect();
        let models = raw
            .models
            .iter()
            .map(|model| check_model(model, &names))
            .collect::<Result<Vec<_>, _>>()?;
        unique("models", models.iter().map(|model| &*model.name))?;
        let data_dir = data_dir(raw.data_dir.clone(), base)?;
        let egress = Egress::allowing(&raw.security.egress.allow)
            .map_err(|what| ConfigError::invalid("security.egress.allow", what))?;
        let upstreams = Upstreams::check(&raw, &egress, base, &data_dir)?;
        let asked = tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        let identity = identity::check(&raw.identity, &egress, asked)?;
        Ok(Self {
            listen,
            admin_listen,
            tls,
            admin_tls,
            max_body: size("server.max_body_mib", raw.server.max_body_mib, 1024)?,
            drain: Duration::from_secs(raw.server.drain_seconds.into()),
            data_dir,
            database,
            classifications: classifications(&raw.providers),
            local_or_not: local_or_not(&raw.providers),
            providers: upstreams.providers,
            egress,
            local: upstreams.local,
            base_urls: upstreams.base_urls,
            models,
            identity,
            prices: raw.prices.file.as_ref().map(|file| base.join(file)),
            policy_options: policy::options(&raw.policy)?,
            decision_log: policy::log(&raw.policy, base)?,
            policy: policy::Source::of(&raw.policy, base)?,
            limits: limits::check(&raw)?,
            audit: Audit {
                strict: matches!(raw.audit.mode, raw::AuditMode::Strict),
                refuse_on_full: matches!(raw.audit.on_full, raw::OnFull::Refuse),
                max_pending: size(
                    "audit.max_pending_mib",
                    raw.audit.max_pending_mib.unwrap_or(1024),
                    1 << 20,
                )? as u64,
            },
            pepper,
        })
    }
}

impl Config {
    /// For clients on this machine alone. They do not call it by the name that its
    /// certificate has, so a listener with TLS becomes one in plain HTTP on loopback.
    pub fn keep_to_this_machine(&mut self) {
        for (tls, address) in [
            (&mut self.tls, &mut self.listen),
            (&mut self.admin_tls, &mut self.admin_listen),
        ] {
            if tls.take().is_some() && !address.ip().is_loopback() {
                *address = (Ipv4Addr::LOCALHOST, 0).into();
            }
        }
    }
}

/// What stands under `providers`.
#[derive(Default)]
struct Upstreams {
    providers: Vec<Provider>,
    local: Vec<Local>,
    base_urls: HashMap<Arc<str>, Box<str>>,
}

impl Upstreams {
    fn check(
        raw: &Raw,
        egress: &Egress,
        base: &Path,
        data_dir: &Path,
    ) -> Result<Self, ConfigError> {
        let mut upstreams = Self::default();
        for (name, provider) in &raw.providers {
            let checked = providers::check(name, provider, base)?;
            providers::admit(egress, &checked.provider)?;
            if let Some(base_url) = checked.base_url {
                let name = checked.provider.name.clone();
                upstreams.base_urls.insert(name, base_url);
            } else {
                let local = providers::local(name, provider, &raw.models, base, data_dir)?;
                upstreams.local.push(local);
            }
            upstreams.providers.push(checked.provider);
        }
        Ok(upstreams)
    }
}

/// That of clients and that of admin, each with its TLS.
fn listeners(
    server: &raw::Server,
    base: &Path,
) -> Result<[(SocketAddr, Option<Files>); 2], ConfigError> {
    let check = |[at, at_tls]: [&'static str; 2], text, section: &Option<raw::Tls>| {
        let section = section.as_ref();
        let tls = section
            .map(|section| tls(at_tls, section, base))
            .transpose()?;
        let address = address(at, text)?;
        // One that other machines can reach wants TLS, or to be told that it is meant so.
        if tls.is_none() && !address.ip().is_loopback() && !server.insecure {
            return Err(ConfigError::invalid(
                at,
                format!(
                    "{address} can be reached by other machines in plain HTTP; set `{at_tls}: {{ cert: PATH, key: PATH }}`, keep to 127.0.0.1 behind a TLS proxy, or say `server.insecure: true`"
                ),
            ));
        }
        Ok((address, tls))
    };
    Ok([
        check(["server.listen", "server.tls"], &server.listen, &server.tls)?,
        check(
            ["server.admin_listen", "server.admin_tls"],
            &server.admin_listen,
            &server.admin_tls,
        )?,
    ])
}

/// Where the files are; what is in them is read by those who serve with them.
fn tls(at: &'static str, tls: &raw::Tls, base: &Path) -> Result<Files, ConfigError> {
    if tls.client_ca.is_none() && (tls.client_auth.is_some() || tls.client_crl.is_some()) {
        return Err(ConfigError::invalid(
            format!("{at}.client_ca"),
            "is missing: certificates of clients are verified against it; point it at the certificate of whoever issues them",
        ));
    }
    let clients = tls.client_ca.as_ref().map(|ca| ClientCertificates {
        ca: base.join(ca),
        crl: tls.client_crl.as_ref().map(|crl| base.join(crl)),
        required: tls.client_auth != Some(raw::ClientAuth::Optional),
    });
    Ok(Files {
        at,
        cert: base.join(&tls.cert),
        key: base.join(&tls.key),
        clients,
    })
}

fn address(at: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    let literal = text.replacen("localhost:", "127.0.0.1:", 1);
    literal.parse().map_err(|_| {
        ConfigError::invalid(
            at,
            format!("{text:?} is not an address; write IP:PORT, for instance 127.0.0.1:8080"),
        )
    })
}

pub(super) fn size(at: &str, mib: u32, most: u32) -> Result<usize, ConfigError> {
    if mib == 0 || mib > most {
        return Err(ConfigError::invalid(
            at,
            format!("{mib} MiB is out of range; from 1 to {most}"),
        ));
    }
    Ok(mib as usize * 1024 * 1024)
}

pub(super) fn secret(at: &str, source: &SecretSource, base: &Path) -> Result<Secret, ConfigError> {
    let text = match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|_| {
            ConfigError::invalid(at, format!("environment variable {name} is not set; export it, or point at a file with {{ file: PATH }}"))
        })?,
        SecretSource::File(path) => {
            let path = base.join(path);
            std::fs::read_to_string(&path)
                .map_err(|error| ConfigError::invalid(at, format!("cannot read {}: {error}", path.display())))?
        }
    };
    match text.trim() {
        "" => Err(ConfigError::invalid(at, "the secret is empty")),
        text => Ok(Secret::new(text)),
    }
}

pub fn data_dir(configured: Option<PathBuf>, base: &Path) -> Result<PathBuf, ConfigError> {
    let home = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let dir = match configured {
        Some(dir) => base.join(dir),
        None => home("XDG_DATA_HOME")
            .or_else(|| home("HOME").map(|home| home.join(".local/share")))
            .map_or_else(|| PathBuf::from(".lattice"), |share| share.join("lattice")),
    };
    std::path::absolute(&dir).map_err(|error| ConfigError::invalid("data_dir", error.to_string()))
}

fn check_model(model: &raw::Model, providers: &HashSet<&str>) -> Result<Model, ConfigError> {
    let at = format!("models.{}", model.name);
    if model.name.is_empty() || model.name.len() > 200 || model.name.chars().any(char::is_control) {
        return Err(ConfigError::invalid(
            "models",
            "a model's name has 1 to 200 printable characters",
        ));
    }
    if model.targets.is_empty() {
        return Err(ConfigError::invalid(
            at,
            "names no target; add at least one { provider, model }",
        ));
    }
    let targets = model.targets.iter().map(|target| {
        if !providers.contains(target.provider.as_str()) {
            let mut known: Vec<_> = providers.iter().copied().collect();
            known.sort_unstable();
            return Err(ConfigError::invalid(
                &at,
                format!(
                    "provider {:?} is not declared; under `providers` are: {}",
                    target.provider,
                    known.join(", ")
                ),
            ));
        }
        let price = target.price.map(|price| {
            FlatPrice::per_mtok(price.input_usd_per_mtok, price.output_usd_per_mtok).ok_or_else(
                || {
                    ConfigError::invalid(
                        &at,
                        "a price is a number of USD per million tokens, from 0 to 1000000",
                    )
                },
            )
        });
        let max_output_tokens = target.max_output_tokens.unwrap_or(DEFAULT_OUTPUT_CAP);
        if !(1..=10_000_000).contains(&max_output_tokens) {
            return Err(ConfigError::invalid(
                &at,
                "max_output_tokens is out of range; from 1 to 10000000",
            ));
        }
        Ok(Target {
            provider: target.provider.as_str().into(),
            model: target.model.as_str().into(),
            price: price.transpose()?,
            max_output_tokens,
            weight: weight(&at, target.weight)?,
        })
    });
    Ok(Model {
        name: model.name.as_str().into(),
        targets: targets.collect::<Result<_, _>>()?,
        routing: routing(&at, model)?,
    })
}

fn weight(at: &str, weight: Option<u32>) -> Result<NonZeroU32, ConfigError> {
    let weight = NonZeroU32::new(weight.unwrap_or(1)).filter(|weight| weight.get() <= HEAVIEST);
    weight.ok_or_else(|| {
        ConfigError::invalid(at, format!("weight is out of range; from 1 to {HEAVIEST}"))
    })
}

fn routing(at: &str, model: &raw::Model) -> Result<Routing, ConfigError> {
    let retries = model.retries.unwrap_or(DEFAULT_RETRIES);
    if retries > MOST_RETRIES {
        return Err(ConfigError::invalid(
            at,
            format!("retries is out of range; from 0 to {MOST_RETRIES}"),
        ));
    }
    let balance = match model.balance {
        raw::Balance::Ordered => Balance::Ordered,
        raw::Balance::Weighted => Balance::Weighted,
        raw::Balance::LeastBusy => Balance::LeastBusy,
    };
    Ok(Routing { balance, retries })
}

fn local_or_not(
    providers: &std::collections::BTreeMap<String, raw::Provider>,
) -> HashMap<Arc<str>, bool> {
    let said = providers
        .iter()
        .filter_map(|(name, provider)| Some((name.as_str().into(), provider.local?)));
    said.collect()
}

fn classifications(
    providers: &std::collections::BTreeMap<String, raw::Provider>,
) -> HashMap<Arc<str>, Arc<str>> {
    let classified = providers.iter().filter_map(|(name, provider)| {
        Some((
            name.as_str().into(),
            provider.classification.as_deref()?.into(),
        ))
    });
    classified.collect()
}

fn unique<'a>(at: &str, mut names: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    match names.find(|name| !seen.insert(*name)) {
        Some(twice) => Err(ConfigError::invalid(
            at,
            format!("{twice:?} is declared twice; keep one"),
        )),
        None => Ok(()),
    }
}
