//! The command line: every command, its arguments and its help, here and in `cli/`.

pub mod identity;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command;

use identity::{AgentCommand, CertificateCommand, OrgCommand, Owned, RoleCommand, UserCommand};

/// High-performance inference gateway and AI governance proxy.
#[derive(Debug, Parser)]
#[command(
    name = "lattice",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Example:\n  lattice config init\n  lattice key create --name me\n  lattice server"
)]
pub struct Cli {
    /// Configuration file [default: ./lattice.yaml where there is one].
    #[arg(long, global = true, env = "LATTICE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    #[command(
        after_help = "Example:\n  OPENAI_API_KEY=sk-… lattice server\n  lattice server --config lattice.yaml"
    )]
    Server,
    /// From nothing to a governed answer of a model on this machine.
    #[command(after_help = "Example:\n  lattice quickstart --once")]
    Quickstart(Quickstart),
    /// Run a command with a gateway of its own, and end with it.
    #[command(after_help = "Example:\n  lattice run -- claude\n  lattice run -- python agent.py")]
    Run(Run),
    /// Make, list and revoke keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make, list and delete teams.
    #[command(subcommand)]
    Team(TeamCommand),
    /// Make, list and delete organisations.
    #[command(subcommand)]
    Org(OrgCommand),
    /// Make, list, disable and delete users.
    #[command(subcommand)]
    User(UserCommand),
    /// Make, list, disable and delete agents.
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Make, list and delete roles, grant them and take them back.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Say whose client certificates are.
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Write, check and describe configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List models and fetch known ones.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Verify and export the audit chain.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show budgets and what was spent.
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// Find what is wrong with this machine, configuration or database, and the mend.
    #[command(after_help = "Example:\n  lattice doctor\n  lattice doctor --json")]
    Doctor(Listing),
}

/// `lattice quickstart`
#[derive(Debug, Args)]
pub struct Quickstart {
    /// End after the answer instead of staying up.
    #[arg(long)]
    pub once: bool,
}

/// `lattice run`
#[derive(Debug, Args)]
pub struct Run {
    /// The command and its arguments. The base URLs and keys of the OpenAI, Anthropic and
    /// Gemini clients in its environment are those of the gateway.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `lattice key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key; it is shown once.
    #[command(
        after_help = "Example:\n  lattice key create --name ci --team research --budget-usd 50 --window month --expires 90d"
    )]
    Create(NewKey),
    /// List keys.
    #[command(after_help = "Example:\n  lattice key list --json")]
    List(Listing),
    /// Take a key back, by name or id.
    #[command(after_help = "Example:\n  lattice key revoke ci")]
    Revoke {
        /// Name or id.
        key: String,
    },
    /// Give a key a new secret; the old one stops working at once, or when the overlap ends.
    #[command(
        after_help = "Example:\n  lattice key rotate ci --json\n  lattice key rotate ci --overlap 24h"
    )]
    Rotate {
        /// Name or id.
        key: String,
        /// How long the old secret counts beside the new one, for instance 30m, 24h or 7d
        /// [default: not at all].
        #[arg(long, value_name = "SPAN")]
        overlap: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
}

/// `lattice key create`
#[derive(Debug, Args)]
pub struct NewKey {
    /// What people call the key.
    #[arg(long)]
    pub name: String,
    /// The team that owns it [default: that of its user or agent].
    #[arg(long)]
    pub team: Option<String>,
    #[command(flatten)]
    pub owner: Owned,
    /// Models that it is limited to, with commas between [default: all].
    #[arg(long, value_delimiter = ',', value_name = "MODELS")]
    pub models: Option<Vec<String>>,
    /// A hard budget of its own, in USD.
    #[arg(long, value_name = "USD", allow_negative_numbers = true)]
    pub budget_usd: Option<f64>,
    /// The budget's span: hour, day, month or total.
    #[arg(long, default_value = "month", requires = "budget_usd")]
    pub window: String,
    /// How long it counts, for instance 12h, 90d or 52w [default: for ever].
    #[arg(long, value_name = "SPAN")]
    pub expires: Option<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// How something is shown.
#[derive(Debug, Args)]
pub struct Listing {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `lattice team …`
#[derive(Debug, Subcommand)]
pub enum TeamCommand {
    /// Make a team.
    #[command(after_help = "Example:\n  lattice team create research --models assistant,smollm2")]
    Create {
        /// What people call the team.
        name: String,
        /// Models that its keys are limited to, with commas between [default: all].
        #[arg(long, value_delimiter = ',', value_name = "MODELS")]
        models: Option<Vec<String>>,
        /// The organisation that it belongs to.
        #[arg(long)]
        org: Option<String>,
        /// What its data are classified as: a label of the policy set, such as restricted
        /// [default: not].
        #[arg(long, value_name = "LABEL")]
        classification: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
    /// List teams.
    #[command(after_help = "Example:\n  lattice team list --json")]
    List(Listing),
    /// Delete a team that owns no live key.
    #[command(after_help = "Example:\n  lattice team delete research")]
    Delete {
        /// Its name.
        name: String,
    },
}

/// `lattice config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Write a first lattice.yaml.
    #[command(after_help = "Example:\n  lattice config init --output lattice.yaml")]
    Init {
        /// Where to; an existing file is left alone.
        #[arg(long, short, default_value = "lattice.yaml")]
        output: PathBuf,
    },
    /// Check the configuration the way the server boots.
    #[command(after_help = "Example:\n  lattice config check --config lattice.yaml")]
    Check,
    /// Print the JSON Schema of lattice.yaml.
    #[command(after_help = "Example:\n  lattice config schema > lattice.schema.json")]
    Schema,
    /// Make a lattice.yaml of another gateway's configuration, and say what became of each item.
    #[command(
        after_help = "Example:\n  lattice config import --from litellm config.yaml --output lattice.yaml"
    )]
    Import(Import),
}

/// `lattice config import`
#[derive(Debug, Args)]
pub struct Import {
    /// Whose configuration it is.
    #[arg(long, value_name = "GATEWAY")]
    pub from: Source,
    /// Its file.
    pub file: PathBuf,
    /// Where to; an existing file is left alone.
    #[arg(long, short, default_value = "lattice.yaml")]
    pub output: PathBuf,
    #[command(flatten)]
    pub listing: Listing,
}

/// A gateway whose configuration can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The proxy server of LiteLLM.
    Litellm,
}

/// `lattice model …`
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the configured models and the model files on this machine.
    #[command(after_help = "Example:\n  lattice model list --json")]
    List(Listing),
    /// Fetch a known model, checked by its SHA-256.
    #[command(
        after_help = "Example:\n  lattice model pull smollm2-135m-instruct\n  lattice model pull smollm2-135m-instruct --dir ./models"
    )]
    Pull {
        /// A known model; a wrong name lists them.
        name: String,
        /// Where to [default: the folder that the first llama_cpp provider looks in].
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        #[command(flatten)]
        listing: Listing,
    },
}

/// `lattice audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify the chain in the database, or an exported file.
    #[command(
        after_help = "Example:\n  lattice audit verify\n  lattice audit verify --file audit.jsonl"
    )]
    Verify {
        /// An export to verify instead; needs no database.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        listing: Listing,
    },
    /// Write every leaf as JSON Lines.
    #[command(after_help = "Example:\n  lattice audit export > audit.jsonl")]
    Export {
        /// Where to [default: standard output].
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// `lattice budget …`
#[derive(Debug, Subcommand)]
pub enum BudgetCommand {
    /// List every budget beside what was spent and is held.
    #[command(after_help = "Example:\n  lattice budget list --json")]
    List(Listing),
}

impl Cli {
    /// Runs the command that was named.
    pub fn run(self) -> ExitCode {
        let config = self.config;
        let done = match self.command {
            Command::Server => command::server::run(config),
            Command::Quickstart(options) => command::quickstart::run(config, &options),
            Command::Run(options) => command::run::run(config, &options),
            Command::Key(command) => command::key::run(config, command),
            Command::Team(command) => command::team::run(config, command),
            Command::Org(command) => command::org::run(config, command),
            Command::User(command) => command::user::run(config, command),
            Command::Agent(command) => command::agent::run(config, command),
            Command::Role(command) => command::role::run(config, command),
            Command::Certificate(command) => command::certificate::run(config, command),
            Command::Config(command) => command::config::run(config, command),
            Command::Model(command) => command::model::run(config, command),
            Command::Audit(command) => command::audit::run(config, command),
            Command::Budget(command) => command::budget::run(config, command),
            Command::Doctor(listing) => command::doctor::run(config, &listing),
        };
        done.unwrap_or_else(|error| {
            eprintln!("lattice: {error}");
            error.exit_code()
        })
    }
}
