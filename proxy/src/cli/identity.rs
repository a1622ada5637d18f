//! Commands about who may do what: organisations, users, agents, roles, certificates.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lattice_kernel::principal;
use lattice_store::Owner;

use super::Listing;

/// `lattice org …`
#[derive(Debug, Subcommand)]
pub enum OrgCommand {
    /// Make an organisation.
    #[command(after_help = "Example:\n  lattice org create acme")]
    Create {
        /// What people call the organisation.
        name: String,
        #[command(flatten)]
        listing: Listing,
    },
    /// List organisations.
    #[command(after_help = "Example:\n  lattice org list --json")]
    List(Listing),
    /// Delete an organisation that has no team and no user.
    #[command(after_help = "Example:\n  lattice org delete acme")]
    Delete {
        /// Its name.
        name: String,
    },
}

/// `lattice user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user.
    #[command(
        after_help = "Example:\n  lattice user create ada --org acme --team research\n  lattice user create ada --issuer https://id.example.com --subject 248289761001"
    )]
    Create(NewUser),
    /// List users.
    #[command(after_help = "Example:\n  lattice user list --json")]
    List(Listing),
    /// Refuse a user, with all that the user's keys, tokens, certificates and agents do.
    #[command(after_help = "Example:\n  lattice user disable ada")]
    Disable {
        /// The user's name.
        name: String,
    },
    /// Refuse a disabled user no longer.
    #[command(after_help = "Example:\n  lattice user enable ada")]
    Enable {
        /// The user's name.
        name: String,
    },
    /// Delete a user that has no live key and no agent.
    #[command(after_help = "Example:\n  lattice user delete ada")]
    Delete {
        /// The user's name.
        name: String,
    },
}

/// `lattice user create`
#[derive(Debug, Args)]
pub struct NewUser {
    /// What people call the user.
    pub name: String,
    /// The organisation that the user belongs to.
    #[arg(long)]
    pub org: Option<String>,
    /// The team that the user acts for where a key or token names none.
    #[arg(long)]
    pub team: Option<String>,
    /// Who names the user in tokens, exactly as in their `iss`.
    #[arg(long, value_name = "URL", requires = "subject")]
    pub issuer: Option<String>,
    /// How: the claim that tells users apart there, as a rule `sub`.
    #[arg(long, requires = "issuer")]
    pub subject: Option<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// `lattice agent …`
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Make an agent.
    #[command(after_help = "Example:\n  lattice agent create build --team research --owner ada")]
    Create(NewAgent),
    /// List agents.
    #[command(after_help = "Example:\n  lattice agent list --json")]
    List(Listing),
    /// Refuse an agent, with its keys and certificates.
    #[command(after_help = "Example:\n  lattice agent disable build")]
    Disable {
        /// The agent's name.
        name: String,
    },
    /// Refuse a disabled agent no longer.
    #[command(after_help = "Example:\n  lattice agent enable build")]
    Enable {
        /// The agent's name.
        name: String,
    },
    /// Delete an agent that has no live key.
    #[command(after_help = "Example:\n  lattice agent delete build")]
    Delete {
        /// The agent's name.
        name: String,
    },
}

/// `lattice agent create`
#[derive(Debug, Args)]
pub struct NewAgent {
    /// What people call the agent.
    pub name: String,
    /// The team that it acts for [default: its owner's].
    #[arg(long)]
    pub team: Option<String>,
    /// The user that it acts for: with that user's roles, and as long as that user may.
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// Whose something is.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Owned {
    /// The user that it belongs to.
    #[arg(long)]
    pub user: Option<String>,
    /// The agent that it belongs to.
    #[arg(long)]
    pub agent: Option<String>,
}

impl Owned {
    /// The one that was named.
    pub fn owner(&self) -> Option<Owner<'_>> {
        let agent = || self.agent.as_deref().map(Owner::Agent);
        self.user.as_deref().map(Owner::User).or_else(agent)
    }
}

/// `lattice role …`
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Make a role.
    #[command(
        after_help = "Example:\n  lattice role create coder --allow 'infer:model:gpt-*' --allow 'tool.call:tool:*' --deny tool.call:tool:shell\n  lattice role create coder --file permissions.json"
    )]
    Create(NewRole),
    /// List roles and who has them.
    #[command(after_help = "Example:\n  lattice role list --json")]
    List(Listing),
    /// Delete a role that nobody has.
    #[command(after_help = "Example:\n  lattice role delete coder")]
    Delete {
        /// Its name.
        name: String,
    },
    /// Give a role to a user, agent, key or team.
    #[command(
        after_help = "Example:\n  lattice role grant coder --to team:research --level team\n  lattice role grant coder --to key:ci"
    )]
    Grant(RoleGrant),
    /// Take a role back.
    #[command(after_help = "Example:\n  lattice role revoke coder --to team:research --level team")]
    Revoke(RoleGrant),
}

/// `lattice role create`
#[derive(Debug, Args)]
pub struct NewRole {
    /// What people call the role.
    pub name: String,
    /// What it allows; may be given several times. Actions: infer, embed, count_tokens,
    /// tool.call; resources: model:NAME, tool:NAME; * for any, or at the end of a name.
    #[arg(long, value_name = "ACTION:RESOURCE", required_unless_present_any = ["deny", "file"])]
    pub allow: Vec<String>,
    /// What it denies, also where another role of the same level allows it.
    #[arg(long, value_name = "ACTION:RESOURCE")]
    pub deny: Vec<String>,
    /// A JSON array of {"actions": […], "resources": […], "effect": "allow" or "deny"} instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allow", "deny"])]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub listing: Listing,
}

/// `lattice role grant` and `lattice role revoke`
#[derive(Debug, Args)]
pub struct RoleGrant {
    /// The role.
    pub role: String,
    /// Whose: user:NAME, agent:NAME, key:NAME or team:NAME.
    #[arg(long, value_name = "HOLDER")]
    pub to: String,
    /// How far it reaches; what a higher level denies, no lower one allows.
    #[arg(long, default_value = "own")]
    pub level: Level,
}

/// How far a role reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// To everything in the organisation.
    Org,
    /// To what the team has.
    Team,
    /// To what is the holder's own.
    Own,
}

impl From<Level> for principal::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Org => Self::Org,
            Level::Team => Self::Team,
            Level::Own => Self::Own,
        }
    }
}

/// `lattice certificate …`
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Say whose a client certificate is.
    #[command(
        after_help = "Example:\n  lattice certificate create uri:spiffe://corp/agent/build --agent build\n  lattice certificate create sha256:9F:86:… --user ada"
    )]
    Create {
        /// A name that it carries (uri:…, dns:…, email:…, cn:…), or sha256: and its fingerprint.
        name: String,
        #[command(flatten)]
        owner: Owned,
    },
    /// List certificates.
    #[command(after_help = "Example:\n  lattice certificate list --json")]
    List(Listing),
    /// Make a certificate nobody's.
    #[command(after_help = "Example:\n  lattice certificate delete uri:spiffe://corp/agent/build")]
    Delete {
        /// As it was declared.
        name: String,
    },
}
