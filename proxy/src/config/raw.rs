//! `lattice.yaml` as it is written. Unknown keys are refused; the doc comments
//! here are what editors show, by way of `lattice config schema`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// Configuration of a Lattice gateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Raw {
    /// Listeners and their limits.
    pub server: Server,
    /// Folder for the journal, the managed database and models. Default: `$XDG_DATA_HOME/lattice`.
    pub data_dir: Option<PathBuf>,
    /// Where durable state lives. Left out: a private PostgreSQL that Lattice runs itself.
    pub database: Database,
    /// Upstreams by name. Left out altogether: those that the environment names (`OPENAI_API_KEY`).
    pub providers: BTreeMap<String, Provider>,
    /// The names that clients ask for.
    pub models: Vec<Model>,
    /// Who is recognised beside the holders of keys.
    pub identity: Identity,
    /// What models cost, where the list that is built in does not say or is out of date.
    pub prices: Prices,
    /// The Rego policy set.
    pub policy: Policy,
    /// Limits on what may be spent, by whom and in which time.
    pub budgets: Vec<Budget>,
    /// Limits on what may be asked in a minute.
    pub rates: Vec<Rate>,
    /// How the audit journal behaves.
    pub audit: Audit,
    /// Secrets of the gateway itself, and where it may connect to.
    pub security: Security,
}

/// Listeners and their limits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address for clients.
    pub listen: String,
    /// Address for `/metrics`, `/healthz` and `/readyz`.
    pub admin_listen: String,
    /// The largest request body, in MiB.
    pub max_body_mib: u32,
    /// How long running streams may take to end once the gateway is told to stop, in seconds.
    pub drain_seconds: u32,
    /// Allows plain HTTP on an address that other machines can reach.
    pub insecure: bool,
    /// TLS for clients. Left out: plain HTTP.
    pub tls: Option<Tls>,
    /// TLS for `/metrics`, `/healthz` and `/readyz`. Left out: plain HTTP.
    pub admin_tls: Option<Tls>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            admin_listen: "127.0.0.1:8081".into(),
            max_body_mib: 32,
            drain_seconds: 60,
            insecure: false,
            tls: None,
            admin_tls: None,
        }
    }
}

/// TLS 1.2 and 1.3, with HTTP/1.1 inside. The files are taken over anew when they change,
/// and at SIGHUP; running connections go on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate in PEM form, its own first, then those between it and the root.
    pub cert: PathBuf,
    /// Its private key in PEM form, not encrypted.
    pub key: PathBuf,
    /// Who issues certificates to clients, in PEM form. Left out: clients are asked for none.
    pub client_ca: Option<PathBuf>,
    /// Certificates of clients that are revoked, in PEM form; one list for each that issues them.
    pub client_crl: Option<PathBuf>,
    /// Whether a client must show a certificate. Default: required.
    pub client_auth: Option<ClientAuth>,
}

/// Whether a client must show a certificate. One that is shown is verified either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// It may.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// A secret: never written here, always pointed to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum SecretSource {
    /// The environment variable that holds it.
    Env(String),
    /// The file that holds it; white space around it is dropped.
    File(PathBuf),
}

impl SecretSource {
    /// How the variants are written.
    pub const SPELLINGS: [&str; 2] = ["env", "file"];
}

/// Where durable state lives.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://…`, 13 or newer.
    pub url: Option<SecretSource>,
    /// Folder of PostgreSQL's own programs, for the managed one. Default: looked for.
    pub bin_dir: Option<PathBuf>,
}

/// One upstream, or models in this process.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What it speaks.
    pub kind: Kind,
    /// Where it is. Default for `openai`, `anthropic` and `gemini`: their own.
    pub base_url: Option<String>,
    /// The provider's key.
    pub api_key: Option<SecretSource>,
    /// The highest data classification that may go there, for policy.
    pub classification: Option<String>,
    /// Whether what it is told stays on this machine, for policy. Default: yes for models in this process
    /// and for a `base_url` at a loopback address. Say `false` of a proxy or tunnel that leads elsewhere.
    pub local: Option<bool>,
    /// How long it may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// `llama_cpp`: folder of GGUF files. Default: `models` in `data_dir`.
    pub model_dir: Option<PathBuf>,
    /// `llama_cpp`: what runs the models.
    pub engine: Option<Engine>,
    /// `llama_cpp`: tokens of prompt and output together, of one request. Default: the model's own, at most 8192.
    pub context: Option<u32>,
    /// `llama_cpp`: requests that a model generates at once. Default: 4.
    pub parallel: Option<u32>,
    /// `llama_cpp`: requests that may wait for a model. Default: 64.
    pub queue: Option<u32>,
    /// `llama_cpp`: threads of one model. Default: one for each core.
    pub threads: Option<u32>,
    /// `llama_cpp`: how long an idle model stays in memory, in seconds; -1 for ever. Default: 300.
    pub keep_alive_seconds: Option<i64>,
}

impl Provider {
    /// A provider of this kind, everything else left out.
    pub fn new(kind: lattice_providers::Kind) -> Self {
        Self {
            kind: Kind(kind),
            base_url: None,
            api_key: None,
            classification: None,
            local: None,
            timeouts: Timeouts::default(),
            model_dir: None,
            engine: None,
            context: None,
            parallel: None,
            queue: None,
            threads: None,
            keep_alive_seconds: None,
        }
    }
}

/// How long a provider may take, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection. Default: 10000.
    pub connect_ms: Option<u64>,
    /// From the end of the request to the first byte of the reply. Default: 300000.
    pub first_byte_ms: Option<u64>,
    /// For more of a reply that has begun. Default: 300000.
    pub between_chunks_ms: Option<u64>,
    /// For the whole call, retries and waits included; a stream that still runs is ended. Default: 3600000.
    pub total_ms: Option<u64>,
}

/// What runs the models of a `llama_cpp` provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// llama.cpp where it is built in, else candle.
    #[default]
    Auto,
    /// llama.cpp.
    LlamaCpp,
    /// candle: pure Rust, slower, fewer architectures.
    Candle,
}

/// What an upstream speaks: one of the kinds that `lattice-providers` lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kind(pub lattice_providers::Kind);

/// The names of all kinds.
static KINDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    lattice_providers::Kind::all()
        .map(|kind| kind.name())
        .collect()
});

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        lattice_providers::Kind::named(&name)
            .map(Self)
            .ok_or_else(|| serde::de::Error::unknown_variant(&name, &KINDS))
    }
}

impl JsonSchema for Kind {
    fn schema_name() -> Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": *KINDS })
    }
}

/// A name that clients ask for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What clients write in `model`.
    pub name: String,
    /// Who answers, best first; the next one where the one before fails before its first byte.
    pub targets: Vec<Target>,
    /// Which of the targets is asked first.
    #[serde(default)]
    pub balance: Balance,
    /// How often each target is asked again once all have failed in a way that may pass: from 0 to 5. Default: 1.
    pub retries: Option<u32>,
}

/// Which of a model's targets is asked first. The others stand in for it in their order.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The first one.
    #[default]
    Ordered,
    /// Any one, each as often as its weight says.
    Weighted,
    /// The one with the fewest requests under way for its weight.
    LeastBusy,
}

/// One model at one provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A provider of this file.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// Overrides the price catalogue.
    pub price: Option<Price>,
    /// The cap that a request gets under a hard budget if it names none, in tokens.
    pub max_output_tokens: Option<u64>,
    /// Its share beside the other targets, where the model is balanced: from 1 to 1000. Default: 1.
    pub weight: Option<u32>,
}

/// A price in USD per million tokens.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Input.
    pub input_usd_per_mtok: f64,
    /// Output.
    pub output_usd_per_mtok: f64,
}

/// What models cost. A `price` of a target wins over all of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// A file of prices, which is read again when it changes: the data of genai-prices, or an
    /// object with `version`, `providers` (that data) and `prices` (your own, which win).
    pub file: Option<PathBuf>,
}

/// Who is recognised beside the holders of keys.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Providers of OpenID whose tokens count, sent where a key would be.
    pub oidc: Vec<Oidc>,
    /// Client certificates and whose they are; the store may hold more. Needs `server.tls.client_ca`.
    pub certificates: Vec<Certificate>,
}

/// A provider of OpenID whose tokens count. They are JWTs that it has signed for `audience`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// What its tokens name in `iss`, to the letter. `https://`, or `http://` on this machine.
    pub issuer: String,
    /// What its tokens must name in `aud`.
    pub audience: String,
    /// Where its keys are. Default: where `/.well-known/openid-configuration` below the issuer says.
    pub jwks_url: Option<String>,
    /// How its tokens may be signed: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA. Default: RS256, ES256, EdDSA.
    pub algorithms: Option<Vec<String>>,
    /// Which claims say what. A name with dots is also the way to a claim in objects (`realm_access.roles`).
    #[serde(default)]
    pub claims: Claims,
    /// From the provider's roles to ours: `idp-admins: admin`. A role is the caller's own; `org:admin` or
    /// `team:admin` reach further. Those that are not listed do not count, unless `"*"` is: `"*": "*"`
    /// leaves them their names, `"*": member` makes all the same.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// From the provider's groups to our teams, `"*"` as for roles. Of several groups the first counts whose team exists.
    #[serde(default)]
    pub teams: BTreeMap<String, String>,
    /// Claims that a token must have, each with a value or a list of those that would do: `azp: [web, cli]`.
    #[serde(default)]
    pub required: BTreeMap<String, OneOrMore>,
    /// How far its clock and this one may be apart, from 0 to 60. Default: 60.
    pub leeway_seconds: Option<u32>,
}

/// Which claims say what.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Claims {
    /// Who it is: stable, and never given to somebody else. Default: `sub`.
    pub user: Option<String>,
    /// Groups. Default: `groups`.
    pub team: Option<String>,
    /// Roles. Default: `roles`.
    pub roles: Option<String>,
    /// The organisation, by name; one that the store does not know refuses. Left out: that of team or user in the store.
    pub org: Option<String>,
}

/// A value, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several, any of which would do.
    More(Vec<String>),
}

/// A client certificate, by one of its names, and whose it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// `uri:`, `dns:` or `email:` and an alternative name, `cn:` and the common name, or `sha256:` and its fingerprint.
    pub name: String,
    /// The agent that has it.
    pub agent: Option<String>,
    /// The user who has it. Either this or `agent`.
    pub user: Option<String>,
    /// The team that it acts for, which must be in the store.
    pub team: Option<String>,
    /// Roles of its own.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// The Rego policy set.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Folder with `*.rego`. Left out, and no bundle either: the set that ships in the binary.
    pub dir: Option<PathBuf>,
    /// An OPA bundle (`.tar.gz`) instead of a folder.
    pub bundle: Option<PathBuf>,
    /// Data for the shipped set, in place of its own `data.json`: roles, classification, windows, tools.
    pub data: Option<PathBuf>,
    /// Whether decisions are kept for a while. Default: on.
    pub cache: Switch,
    /// The share of kept decisions, from 0 to 1, that are made again and compared. Default: 0.01.
    pub shadow: Option<f64>,
    /// How long the database may be silent before decisions are no longer kept, in seconds. Default: 10.
    pub stale_after_seconds: Option<u32>,
    /// What becomes of requests then: decided on what was last known, or refused. Default: bypass.
    pub on_stale: OnStale,
    /// A line for each decision. Left out: none.
    pub decision_log: Option<DecisionLog>,
}

/// What becomes of requests while the database is silent.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStale {
    /// They are decided on what was last known, and no decision is kept.
    #[default]
    Bypass,
    /// They are refused.
    Deny,
}

/// On or off.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// On.
    #[default]
    On,
    /// Off.
    Off,
}

/// A line for each decision, in the shape of OPA's decision log.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionLog {
    /// The file; appended to, and opened again at SIGHUP.
    pub file: PathBuf,
    /// What no line shows: JSON pointers below `/input` or `/result`, in which `*` is every member.
    /// Default: the arguments of tool calls. The set's own `data.system.log.mask` is followed too.
    pub mask: Option<Vec<String>>,
    /// The size at which the file is renamed, `.1` added to its name, and another begun, in MiB. Default: 100.
    pub max_mib: Option<u32>,
}

/// A limit on what may be spent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Whose spending is limited.
    pub scope: Scope,
    /// The span it counts over, in UTC.
    pub window: Window,
    /// The span ends now, and does not wait for the calendar. Default: false.
    #[serde(default)]
    pub rolling: bool,
    /// The most that may be spent in it, in USD.
    pub limit_usd: Option<f64>,
    /// The most that may be spent in it, in tokens of input and output together.
    pub limit_tokens: Option<u64>,
    /// What happens at the limit.
    #[serde(default)]
    pub mode: Mode,
    /// With mode downgrade: the model that is served from then on, by the name that clients ask for.
    pub downgrade_to: Option<String>,
}

/// A limit on what may be asked in a minute.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Whose requests are limited.
    pub scope: Scope,
    /// The most requests.
    pub requests_per_minute: Option<u64>,
    /// The most tokens of input and output together.
    pub tokens_per_minute: Option<u64>,
    /// The minute ends now, and not with the clock's. Default: false.
    #[serde(default)]
    pub rolling: bool,
}

/// Whose spending is limited, by name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Scope {
    /// An organisation and all its teams.
    Org(String),
    /// A team and all its keys, users and agents.
    Team(String),
    /// A user, by whatever credential.
    User(String),
    /// One key.
    Key(String),
    /// An agent, by whatever credential.
    Agent(String),
    /// A model, by the name that clients ask for, whoever asks.
    Model(String),
}

/// A span of time.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The running minute.
    Minute,
    /// The running hour.
    Hour,
    /// The running day.
    Day,
    /// The running month; rolling, thirty days.
    Month,
    /// All time.
    Total,
}

/// What happens at a limit.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Requests are refused.
    #[default]
    Hard,
    /// Requests are served and noted.
    Soft,
    /// Another model is served.
    Downgrade,
}

/// How the audit journal behaves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// When an intent counts as recorded.
    pub mode: AuditMode,
    /// What happens where nothing can be recorded.
    pub on_full: OnFull,
    /// The most that may wait for the database, in MiB. Default: 1024.
    pub max_pending_mib: Option<u32>,
}

/// When an intent counts as recorded.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditMode {
    /// It is on disk before the upstream is called.
    #[default]
    Strict,
    /// It is on disk within 50 ms.
    Buffered,
}

/// What happens where nothing can be recorded.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// Requests are refused with `audit_unavailable`.
    #[default]
    Refuse,
    /// Requests are served; the gap is counted and recorded afterwards.
    Gap,
}

/// Secrets of the gateway itself, and where it may connect to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// Keys are stored as HMAC under it. Left out: made once, in `data_dir`. Must be set with `database.url`.
    pub pepper: Option<SecretSource>,
    /// Where the gateway may connect to.
    pub egress: Egress,
}

/// Where the gateway may connect to. Public addresses always; a private or loopback
/// one where a `base_url` or an issuer's URL holds it literally, or `localhost`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// Further addresses (`10.1.2.3`) and ranges (`10.0.0.0/8`) that host names may resolve to.
    /// Link-local addresses and metadata services open only to an entry of their own.
    pub allow: Vec<String>,
}
