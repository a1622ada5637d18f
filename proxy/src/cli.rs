//! The command line: every command, its arguments and its help, here and in `cli/`.

pub mod cost;
pub mod identity;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command;

use cost::CostCommand;
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
    /// Replace the key that the admin listener asks for.
    #[command(subcommand)]
    AdminKey(AdminKeyCommand),
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
    /// Test, check, evaluate and explain policies.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Verify and export the audit chain.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show budgets and what was spent.
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// Show how costs came about, and compare them with a provider's export.
    #[command(subcommand)]
    Cost(CostCommand),
    /// Find what is wrong with this machine, configuration or database, and the mend.
    #[command(after_help = "Example:\n  lattice doctor\n  lattice doctor --json")]
    Doctor(Listing),
    /// List every route of both listeners, and the credential that it asks for.
    #[command(after_help = "Example:\n  lattice routes --json")]
    Routes(Listing),
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

/// `lattice admin-key …`
#[derive(Debug, Subcommand)]
pub enum AdminKeyCommand {
    /// Make another admin key, shown once; the old one stops working at once.
    #[command(after_help = "Example:\n  lattice admin-key rotate --json")]
    Rotate(Listing),
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

/// `lattice policy …`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Run the tests of a policy set: its rules `test_…`.
    ///
    /// Ends with 0 if all pass, 1 if one fails or too few lines are reached, 2 if the set
    /// cannot be read.
    #[command(
        after_help = "Example:\n  lattice policy test\n  lattice policy test ./policies -v --run 'authz_test\\.test_team'\n  lattice policy test ./policies --coverage --threshold 90\n  lattice policy test ./policies --format junit > report.xml"
    )]
    Test(PolicyTest),
    /// Find what would keep a policy set from serving.
    #[command(
        after_help = "Example:\n  lattice policy check ./policies\n  lattice policy check ./policies --strict --json"
    )]
    Check {
        #[command(flatten)]
        set: PolicyPaths,
        /// Warnings count as well.
        #[arg(long)]
        strict: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Evaluate a query, or the decision, as `opa eval` does.
    #[command(
        after_help = "Example:\n  lattice policy eval -d ./policies -i input.json\n  lattice policy eval --format raw 'count(data.lattice.roles)'\n  echo '{}' | lattice policy eval -i - data.lattice.authz.deny"
    )]
    Eval(PolicyEval),
    /// Show why a request is decided as it is: the rules that fired, and what kept the others.
    #[command(
        after_help = "Example:\n  lattice policy explain -d ./policies -i input.json\n  lattice policy explain --model assistant --team research --role member\n  lattice policy explain --model assistant --tool shell --arguments '{\"cmd\":\"ls\"}'"
    )]
    Explain(Box<PolicyExplain>),
}

/// Where a policy set is.
#[derive(Debug, Args)]
pub struct PolicyPaths {
    /// Its folders and files [default: what lattice.yaml names, else the set in the binary].
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// An OPA bundle instead.
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    pub bundle: Option<PathBuf>,
    /// In place of the set's topmost data file.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
}

/// `lattice policy test`
#[derive(Debug, Args)]
pub struct PolicyTest {
    #[command(flatten)]
    pub set: PolicyPaths,
    /// Only tests whose `data.PACKAGE.NAME` matches.
    #[arg(long, short, value_name = "REGEX")]
    pub run: Option<String>,
    /// Show tests that pass as well.
    #[arg(long, short)]
    pub verbose: bool,
    /// Show which lines the tests reach.
    #[arg(long)]
    pub coverage: bool,
    /// Fail where fewer lines are reached, in percent; turns coverage on.
    #[arg(long, value_name = "PERCENT")]
    pub threshold: Option<f64>,
    /// As what: pretty, json (OPA's shape) or junit.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "pretty",
        hide_possible_values = true
    )]
    pub format: TestFormat,
}

/// How tests are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people.
    Pretty,
    /// In OPA's shape.
    Json,
    /// `JUnit` XML.
    Junit,
}

/// `lattice policy eval`
#[derive(Debug, Args)]
pub struct PolicyEval {
    /// In Rego.
    #[arg(default_value = lattice_policy::set::ENTRY_POINT)]
    pub query: String,
    /// Policies and data [default: what lattice.yaml names, else the set in the binary].
    #[arg(long = "data", short = 'd', value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A JSON file for `input`; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// As what: json (OPA's shape), pretty or raw.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "json",
        hide_possible_values = true
    )]
    pub format: EvalFormat,
}

/// How the result of a query is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EvalFormat {
    /// In OPA's shape.
    Json,
    /// The value, indented.
    Pretty,
    /// The value, a text without its quotes.
    Raw,
}

/// `lattice policy explain`
#[derive(Debug, Args)]
pub struct PolicyExplain {
    /// Policies and data [default: what lattice.yaml names, else the set in the binary].
    #[arg(long = "data", short = 'd', value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A JSON file for `input`; `-` is standard input.
    #[arg(long, short, value_name = "FILE", conflicts_with = "model")]
    pub input: Option<PathBuf>,
    /// Instead of an input: the model that is asked for, at each of its targets.
    #[arg(long, required_unless_present = "input")]
    pub model: Option<String>,
    /// The provider, where lattice.yaml does not know the model.
    #[arg(long, requires = "model")]
    pub provider: Option<String>,
    /// infer, embed or count_tokens.
    #[arg(long, default_value = "infer")]
    pub action: String,
    /// Name of the key that is shown.
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Whom the key belongs to.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The agent that acts.
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Its team.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// Its organisation.
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// A role that it has; `org:admin` and `team:admin` are roles at these levels.
    #[arg(long, value_name = "ROLE")]
    pub role: Vec<String>,
    /// What its data are classified as, by its own account.
    #[arg(long, value_name = "LEVEL")]
    pub classification: Option<String>,
    /// What the team's data are classified as.
    #[arg(long, value_name = "LEVEL")]
    pub team_classification: Option<String>,
    /// Models that the key is limited to, with commas between.
    #[arg(long, value_delimiter = ',', value_name = "MODELS")]
    pub models: Option<Vec<String>>,
    /// A tool that the model calls, or, without arguments, that the request offers.
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    /// What the tool is called with, a JSON object.
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub arguments: Option<String>,
    /// openai, anthropic or gemini.
    #[arg(long, default_value = "openai")]
    pub dialect: String,
    #[command(flatten)]
    pub listing: Listing,
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
    /// Show the budgets of one scope.
    #[command(after_help = "Example:\n  lattice budget show team:research")]
    Show(ShownBudget),
    /// Set a budget, or change the one of this scope, unit and window.
    #[command(
        after_help = "Example:\n  lattice budget set team:research --window month --limit-usd 500"
    )]
    Set(NewBudget),
    /// Delete a budget that was set with this command or made with a key.
    #[command(after_help = "Example:\n  lattice budget delete team:research --window month")]
    Delete(NamedBudget),
    /// Release what a gateway that is gone for good has taken of limits and not spent. What it
    /// had not yet written to the database is lost to the count.
    #[command(
        after_help = "Example:\n  lattice budget release gateway-0198c2f4-7d1e-7c3a-9a55-0f6a3b1c2d4e"
    )]
    Release {
        /// The gateway, as the file `node` in its data_dir names it.
        node: String,
    },
}

/// `lattice budget show`
#[derive(Debug, Args)]
pub struct ShownBudget {
    /// KIND:NAME, with one of org, team, user, key, agent, model.
    pub scope: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `lattice budget set`
#[derive(Debug, Args)]
pub struct NewBudget {
    /// KIND:NAME, with one of org, team, user, key, agent, model.
    pub scope: String,
    /// minute, hour, day, month or total.
    #[arg(long, default_value = "month")]
    pub window: String,
    /// The window ends now, and does not wait for the calendar.
    #[arg(long)]
    pub rolling: bool,
    /// The most that may be spent, in USD.
    #[arg(long)]
    pub limit_usd: Option<f64>,
    /// The most tokens of input and output together.
    #[arg(long)]
    pub limit_tokens: Option<u32>,
    /// The most requests.
    #[arg(long)]
    pub limit_requests: Option<u32>,
    /// What happens at the limit: hard, soft or downgrade.
    #[arg(long, default_value = "hard")]
    pub mode: String,
    /// With downgrade: the model that is served from then on.
    #[arg(long, value_name = "MODEL")]
    pub downgrade_to: Option<String>,
}

/// `lattice budget delete`
#[derive(Debug, Args)]
pub struct NamedBudget {
    /// KIND:NAME, with one of org, team, user, key, agent, model.
    pub scope: String,
    /// minute, hour, day, month or total.
    #[arg(long, default_value = "month")]
    pub window: String,
    /// The one whose window rolls.
    #[arg(long)]
    pub rolling: bool,
    /// usd, tokens or requests.
    #[arg(long, default_value = "usd")]
    pub unit: String,
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
            Command::AdminKey(command) => command::admin_key::run(config, command),
            Command::Team(command) => command::team::run(config, command),
            Command::Org(command) => command::org::run(config, command),
            Command::User(command) => command::user::run(config, command),
            Command::Agent(command) => command::agent::run(config, command),
            Command::Role(command) => command::role::run(config, command),
            Command::Certificate(command) => command::certificate::run(config, command),
            Command::Config(command) => command::config::run(config, command),
            Command::Model(command) => command::model::run(config, command),
            Command::Policy(command) => command::policy::run(config, command),
            Command::Audit(command) => command::audit::run(config, command),
            Command::Budget(command) => command::budget::run(config, command),
            Command::Cost(command) => command::cost::run(config, command),
            Command::Doctor(listing) => command::doctor::run(config, &listing),
            Command::Routes(listing) => command::routes::run(listing.json),
        };
        done.unwrap_or_else(|error| {
            eprintln!("lattice: {error}");
            error.exit_code()
        })
    }
}
