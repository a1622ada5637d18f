//! What people read on a terminal, and what programs read in its place.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::path::Path;
use std::process::{Command, Output};

use harness::{Gateway, LATTICE, MODELS, Upstream, ask, config};
use insta::assert_snapshot;
use serde_json::{Value, json};

/// Runs `lattice …` in a folder where it finds nothing but what is in there.
fn lattice(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(LATTICE)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .output()
        .unwrap()
}

/// What it said, and its exit code where that is not 0.
fn said(output: &Output) -> String {
    let mut said = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
    if let Some(code @ 1..) = output.status.code() {
        said += &format!("exit code {code}\n");
    }
    said
}

/// Ids, times and revisions are other ones each time.
fn settled(text: &str) -> String {
    let is_id =
        |word: &str| word.len() == 36 && word.bytes().filter(|byte| *byte == b'-').count() == 4;
    let is_time = |word: &str| word.len() == 20 && word.ends_with('Z') && word.contains('T');
    let is_revision =
        |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut settled = String::new();
    for word in
        text.split_inclusive(|char: char| !(char.is_ascii_alphanumeric() || "-:_".contains(char)))
    {
        let end = word
            .find(|char: char| !(char.is_ascii_alphanumeric() || "-:_".contains(char)))
            .unwrap_or(word.len());
        settled += match &word[..end] {
            id if is_id(id) => "[id]",
            time if is_time(time) => "[time]",
            revision if is_revision(revision) => "[revision]",
            key if key.starts_with("lat_") && key.len() == 42 => "[key]",
            other => other,
        };
        settled += &word[end..];
    }
    settled
}

/// What is wrong, and a file with just that wrong.
const BROKEN: &[(&str, &str)] = &[
    ("an unknown key", "server:\n  lisen: 127.0.0.1:8080"),
    ("an unknown section", "modells: []"),
    (
        "a kind that nobody knows",
        "providers:\n  x: { kind: opnai }",
    ),
    (
        "a folder of models at a provider elsewhere",
        "providers:\n  x: { kind: anthropic, model_dir: ./models }",
    ),
    (
        "an unknown provider",
        "providers:\n  local: { kind: openai_compatible, base_url: http://127.0.0.1:8000/v1 }\n\
         models:\n  - { name: a, targets: [ { provider: locl, model: m } ] }",
    ),
    (
        "a model without a target",
        "models:\n  - { name: a, targets: [] }",
    ),
    (
        "a provider without an address",
        "providers:\n  x: { kind: openai_compatible }",
    ),
    (
        "half an address",
        "providers:\n  x: { kind: openai, base_url: localhost:8000 }",
    ),
    (
        "a secret that is not set",
        "providers:\n  x: { kind: openai, api_key: { env: NO_SUCH_KEY } }",
    ),
    (
        "a secret file that is not there",
        "providers:\n  x: { kind: openai, api_key: { file: ./key } }",
    ),
    (
        "a secret in the file",
        "providers:\n  x: { kind: openai, api_key: sk-secret }",
    ),
    (
        "a listener that others reach",
        "server: { listen: 0.0.0.0:8080 }",
    ),
    ("a port for an address", "server: { listen: 8080 }"),
    ("a word for a number", "server: { max_body_mib: lots }"),
    ("no body at all", "server: { max_body_mib: 0 }"),
    (
        "a window that nobody counts",
        "budgets:\n  - { scope: { team: x }, window: year, limit_usd: 5 }",
    ),
    (
        "a scope that nobody counts",
        "budgets:\n  - { scope: { tem: x }, window: month, limit_usd: 5 }",
    ),
    (
        "a budget without a limit",
        "budgets:\n  - { scope: { team: x }, window: month }",
    ),
    (
        "a limit below nothing",
        "budgets:\n  - { scope: { team: x }, window: month, limit_usd: -5 }",
    ),
    ("a section twice", "server: {}\nserver: {}"),
    ("an open bracket", "server: {"),
    (
        "a database of one's own without a pepper",
        "database: { url: { file: ./lattice.yaml } }",
    ),
    (
        "a policy folder that is not there",
        "policy: { dir: ./rules }",
    ),
    ("a cache that is neither", "policy: { cache: maybe }"),
    ("more than all", "policy: { shadow: 1.5 }"),
    (
        "a place that no event has",
        "policy: { decision_log: { file: d.jsonl, mask: [/inputs] } }",
    ),
];

#[test]
fn a_broken_configuration_is_refused_with_the_place_and_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = String::new();
    for (what, text) in BROKEN {
        std::fs::write(folder.path().join("lattice.yaml"), text).unwrap();
        let output = lattice(folder.path(), &["config", "check"]);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
        assert!(output.stdout.is_empty(), "{what}");
        report += &format!(
            "{what}\n  {}\n",
            String::from_utf8(output.stderr).unwrap().trim_end()
        );
        // The server boots the same way, and does not.
        assert_eq!(
            lattice(folder.path(), &["server"]).status.code(),
            Some(2),
            "{what}"
        );
    }
    assert_snapshot!(report, @r#"
    an unknown key
      lattice: lattice.yaml:2:3: unknown key `lisen`; did you mean `listen`? (known: listen, admin_listen, max_body_mib, drain_seconds, insecure, tls, admin_tls)
    an unknown section
      lattice: lattice.yaml:1:1: unknown key `modells`; did you mean `models`? (known: server, data_dir, database, providers, models, identity, prices, policy, budgets, rates, audit, security)
    a kind that nobody knows
      lattice: lattice.yaml:2:8: `opnai` is not known here; did you mean `openai`? (known: openai, openai_compatible, mlx, anthropic, gemini, llama_cpp)
    a folder of models at a provider elsewhere
      lattice: providers.x.model_dir: has no meaning for kind `anthropic`; remove it
    an unknown provider
      lattice: models.a: provider "locl" is not declared; under `providers` are: local
    a model without a target
      lattice: models.a: names no target; add at least one { provider, model }
    a provider without an address
      lattice: providers.x.base_url: is missing; for instance http://127.0.0.1:8000/v1
    half an address
      lattice: providers.x.base_url: is not a base URL; write http(s)://HOST[:PORT]/PATH, without user, query or fragment
    a secret that is not set
      lattice: providers.x.api_key: environment variable NO_SUCH_KEY is not set; export it, or point at a file with { file: PATH }
    a secret file that is not there
      lattice: providers.x.api_key: cannot read ./key: No such file or directory (os error 2)
    a secret in the file
      lattice: lattice.yaml:2:31: a secret is never written here; point to it with { env: NAME } or { file: PATH }
    a listener that others reach
      lattice: server.listen: 0.0.0.0:8080 can be reached by other machines in plain HTTP; set `server.tls: { cert: PATH, key: PATH }`, keep to 127.0.0.1 behind a TLS proxy, or say `server.insecure: true`
    a port for an address
      lattice: server.listen: "8080" is not an address; write IP:PORT, for instance 127.0.0.1:8080
    a word for a number
      lattice: lattice.yaml:1:25: must be a whole number, 0 or more
    no body at all
      lattice: server.max_body_mib: 0 MiB is out of range; from 1 to 1024
    a window that nobody counts
      lattice: lattice.yaml:2:35: `year` is not known here (known: minute, hour, day, month, total)
    a scope that nobody counts
      lattice: lattice.yaml:2:16: `tem` is not known here; did you mean `team`? (known: org, team, user, key, agent, model)
    a budget without a limit
      lattice: budgets.team.x: takes one of limit_usd and limit_tokens
    a limit below nothing
      lattice: budgets.team.x: limit_usd is a number of USD, 0 or more
    a section twice
      lattice: lattice.yaml:2:1: `server` is there twice; keep one
    an open bracket
      lattice: lattice.yaml:1:9: unclosed bracket '{'
    a database of one's own without a pepper
      lattice: security.pepper: must be set where database.url is: keys in a shared database are stored under it; point it at a secret of at least 32 bytes
    a policy folder that is not there
      lattice: policy: ./rules: cannot be read: No such file or directory (os error 2)
    a cache that is neither
      lattice: lattice.yaml:1:18: `maybe` is not known here (known: on, off)
    more than all
      lattice: policy.shadow: a share is a number from 0 to 1, for instance 0.01
    a place that no event has
      lattice: policy.decision_log.mask: `/inputs` is not a JSON pointer below /input or /result, such as /input/resource/properties/arguments
    "#);
}

#[test]
fn a_first_configuration_is_sound_and_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| settled(&said(&lattice(folder.path(), arguments)));
    let first = [
        run(&["config", "check"]),
        run(&["config", "init"]),
        run(&["config", "check"]),
        run(&["config", "init"]),
        run(&["config", "init", "--output", "other.yaml"]),
        run(&["config", "check", "--config", "other.yaml"]),
        run(&["config", "check", "--config", "nowhere.yaml"]),
    ];
    assert_snapshot!(first.concat(), @r#"
    environment: sound
      providers  none: declare one, or set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY where there is no file
      policy     shipped ([revision])
      budgets    0
    lattice.yaml written; `lattice config check` reads it, `lattice server` runs it
    lattice.yaml: sound
      providers  local
      model      assistant -> local/smollm2-135m-instruct (config)
      policy     shipped ([revision])
      budgets    0
    lattice: lattice.yaml is there already and is left alone; name another with --output
    exit code 2
    other.yaml written; `lattice config check` reads it, `lattice server` runs it
    other.yaml: sound
      providers  local
      model      assistant -> local/smollm2-135m-instruct (config)
      policy     shipped ([revision])
      budgets    0
    lattice: cannot read nowhere.yaml: No such file or directory (os error 2)
    exit code 2
    "#);
}

#[test]
fn the_schema_covers_every_section_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let output = lattice(folder.path(), &["config", "schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut sections: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    sections.sort();
    assert_eq!(
        sections,
        [
            "audit",
            "budgets",
            "data_dir",
            "database",
            "identity",
            "models",
            "policy",
            "prices",
            "providers",
            "rates",
            "security",
            "server"
        ]
    );
    assert_eq!(schema["additionalProperties"], false);
    for (name, section) in schema["properties"].as_object().unwrap() {
        assert!(
            section["description"].is_string(),
            "{name} has no description"
        );
    }
}

/// Every command, with the words that lead to it.
fn commands(folder: &Path, words: &[&str]) -> Vec<Vec<String>> {
    let help = said(&lattice(folder, &[words, &["--help"]].concat()));
    let listed = help
        .split("Commands:\n")
        .nth(1)
        .map(|rest| rest.split("\n\n").next().unwrap());
    let Some(listed) = listed else {
        return vec![words.iter().map(|word| (*word).to_owned()).collect()];
    };
    let names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    names
        .flat_map(|name| commands(folder, &[words, &[name]].concat()))
        .collect()
}

#[test]
fn help_has_an_example_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let all = commands(folder.path(), &[]);
    println!("{} commands", all.len());
    assert!(all.len() >= 14, "{all:?}");
    for words in &all {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let help = said(&lattice(folder.path(), &[&words[..], &["--help"]].concat()));
        let example = help
            .split("Example:\n")
            .nth(1)
            .unwrap_or_else(|| panic!("{words:?} has no example"));
        assert!(example.contains(&words.join(" ")), "{words:?}: {example}");
    }
    assert_snapshot!(said(&lattice(folder.path(), &["--help"])), @r#"
    High-performance inference gateway and AI governance proxy

    Usage: lattice [OPTIONS] <COMMAND>

    Commands:
      server       Run the gateway
      quickstart   From nothing to a governed answer of a model on this machine
      run          Run a command with a gateway of its own, and end with it
      key          Make, list and revoke keys
      admin-key    Replace the key that the admin listener asks for
      team         Make, list and delete teams
      org          Make, list and delete organisations
      user         Make, list, disable and delete users
      agent        Make, list, disable and delete agents
      role         Make, list and delete roles, grant them and take them back
      certificate  Say whose client certificates are
      config       Write, check and describe configuration
      model        List models and fetch known ones
      policy       Test, check, evaluate and explain policies
      audit        Verify and export the audit chain
      budget       Show budgets and what was spent
      cost         Show how costs came about, and compare them with a provider's export
      doctor       Find what is wrong with this machine, configuration or database, and the mend
      routes       List every route of both listeners, and the credential that it asks for
      help         Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  Configuration file [default: ./lattice.yaml where there is one] [env: LATTICE_CONFIG=]
      -h, --help           Print help
      -V, --version        Print version

    Example:
      lattice config init
      lattice key create --name me
      lattice server
    "#);
    assert_snapshot!(said(&lattice(folder.path(), &["key", "create", "--help"])), @r#"
    Make a key; it is shown once

    Usage: lattice key create [OPTIONS] --name <NAME>

    Options:
          --config <FILE>     Configuration file [default: ./lattice.yaml where there is one] [env: LATTICE_CONFIG=]
          --name <NAME>       What people call the key
          --team <TEAM>       The team that owns it [default: that of its user or agent]
          --user <USER>       The user that it belongs to
          --agent <AGENT>     The agent that it belongs to
          --models <MODELS>   Models that it is limited to, with commas between [default: all]
          --budget-usd <USD>  A hard budget of its own, in USD
          --window <WINDOW>   The budget's span: hour, day, month or total [default: month]
          --expires <SPAN>    How long it counts, for instance 12h, 90d or 52w [default: for ever]
          --json              As JSON
      -h, --help              Print help
      -V, --version           Print version

    Example:
      lattice key create --name ci --team research --budget-usd 50 --window month --expires 90d
    "#);
}

#[test]
fn what_is_used_wrongly_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::fs::write(
        folder.path().join("taken.yaml"),
        format!("server: {{ listen: '{address}' }}\ndata_dir: ./data\n"),
    )
    .unwrap();
    let run = |arguments: &[&str]| {
        let output = lattice(folder.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            said(&output)
        );
        let said = String::from_utf8(output.stderr)
            .unwrap()
            .replace(&address.to_string(), "[address]");
        // The one number here that each system has its own for.
        said.replace("(os error 48)", "(os error 98)")
    };
    let report = [
        &["frobnicate"][..],
        &["key", "create"],
        &["server", "--config", "nowhere.yaml"],
        &["server", "--config", "taken.yaml"],
        &["audit", "verify", "--file", "nowhere.jsonl"],
    ]
    .map(run);
    assert!(
        !folder.path().join("data").exists(),
        "nothing is made before the address is ours"
    );
    assert_snapshot!(report.join("\n"), @r#"
    error: unrecognized subcommand 'frobnicate'

      tip: a similar subcommand exists: 'certificate'

    Usage: lattice [OPTIONS] <COMMAND>

    For more information, try '--help'.

    error: the following required arguments were not provided:
      --name <NAME>

    Usage: lattice key create --name <NAME>

    For more information, try '--help'.

    lattice: cannot read nowhere.yaml: No such file or directory (os error 2)

    lattice: server.listen: cannot listen on [address]: Address already in use (os error 98); choose another address, or stop what uses it

    lattice: nowhere.jsonl: No such file or directory (os error 2)
    "#);
}

/// Commands that make keys and teams, and some that cannot.
const MAKING: &[&str] = &[
    "team create research --models mock,other",
    "team create research",
    "key create --name ci --team research --models mock --expires 90d",
    "key create --name ci",
    "key create --name me --budget-usd 0.5 --json",
    "key create --name lost --team nowhere",
    "key create --name old",
    "key create --name x --expires soon",
    "key create --name x --budget-usd 1 --window year",
    "key create --name x --budget-usd -1",
    "key revoke old",
    "key revoke old",
    "key rotate me --overlap 24h --json",
    "key rotate ci --overlap soon",
    "key rotate ci",
    "team delete research",
    "team delete nowhere",
];

/// Commands about who may do what, and some that cannot.
const PEOPLE: &[&str] = &[
    "org create acme",
    "org create acme",
    "team create research --org acme --classification restricted",
    "team create lost --org nowhere",
    "user create ada --org acme --issuer https://id.example.com --subject 4711",
    "user create eve --json",
    "user create eve --issuer https://id.example.com",
    "agent create build --team research --owner ada",
    "agent create x --owner nobody",
    "key create --name ci --agent build",
    "key create --name mine --user ada --team research",
    "key create --name x --user ada --agent build",
    "key create --name x --user nobody",
    "role create coder --allow infer:model:gpt-* --allow tool.call:tool:* --deny tool.call:tool:shell",
    "role create none",
    "role create odd --allow chat:model:gpt-5",
    "role create odd --allow infer:gpt-5",
    "role create odd --file nowhere.json",
    "role grant coder --to team:research --level team",
    "role grant coder --to team:research --level team",
    "role grant admin --to user:ada --level org",
    "role grant coder --to ada",
    "role grant coder --to key:nothing",
    "role grant coder --to key:ci --level all",
    "certificate create uri:spiffe://corp/agent/build --agent build",
    "certificate create build --agent build",
    "certificate create cn:x",
    "user disable ada",
    "agent disable nobody",
];

/// Taking it all back, in an order that must be kept.
const UNDOING: &[&str] = &[
    "role revoke coder --to team:research",
    "role delete coder",
    "role revoke coder --to team:research --level team",
    "role delete coder",
    "role delete coder",
    "user delete ada",
    "agent delete build",
    "key revoke ci",
    "key revoke mine",
    "agent delete build",
    "user delete eve",
    "user enable eve",
    "org delete acme",
    "team delete research",
    "org delete acme",
    "certificate delete uri:spiffe://corp/agent/build",
    "user delete ada",
    "org delete acme",
];

#[test]
fn keys_and_teams_are_made_listed_and_taken_back() {
    let upstream = Upstream::start();
    let gateway = Gateway::prepare(&config(&upstream, MODELS), &[]);
    // Else each command starts PostgreSQL and stops it again.
    let _kept = gateway.database();
    let run = |command: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        settled(&said(&gateway.cli(&words)))
    };
    let made: String = MAKING.iter().map(|command| run(command)).collect();
    assert_snapshot!(made, @r#"
    team research made ([id])
    lattice: there is a team `research` already
    exit code 2
    key ci ([id]), shown this once:
    [key]
    lattice: there is a live key `ci` already: revoke or rotate it
    exit code 2
    {"name":"me","key":"[key]","id":"[id]"}
    lattice: there is no team `nowhere`
    exit code 2
    key old ([id]), shown this once:
    [key]
    lattice: --expires "soon" is not a span; write for instance 12h, 90d or 52w
    exit code 2
    lattice: --window "year" is not one of minute, hour, day, month, total
    exit code 2
    lattice: --budget-usd is a number of USD, 0 or more
    exit code 2
    key old revoked; no gateway is running
    lattice: there is no live key "old"; `lattice key list` shows them
    exit code 2
    {"name":"me","key":"[key]","id":"[id]","former_until":"[time]"}
    lattice: --overlap "soon" is not a span; write for instance 12h, 90d or 52w
    exit code 2
    key ci ([id]), shown this once:
    [key]
    the old secret is unknown from now on; no gateway is running
    lattice: the team `research` still has live keys, users or agents: revoke or delete them first
    exit code 2
    lattice: there is no team "nowhere"; `lattice team list` shows them
    exit code 2
    "#);
    let listings = ["key list", "team list", "budget list", "audit verify"];
    assert_snapshot!(listings.map(run).join("\n"), @r#"
    NAME  TEAM      OWNER  MODELS  STATE    EXPIRES               OLD SECRET                  ID
    ci    research  -      mock    live     [time]  -                           [id]
    me    -         -      all     live     never                 until [time]  [id]
    old   -         -      all     revoked  never                 -                           [id]

    NAME      ORG  CLASSIFICATION  MODELS      ID
    research  -    -               mock,other  [id]

    SCOPE   WINDOW  LIMIT  SPENT  RESERVED  MODE
    key me  month   0.5    0      0         hard

    sound: 0 leaves in 0 chains
    "#);
    listed_as_json(&run("key list --json"), &run("team list --json"));
}

fn listed_as_json(keys: &str, teams: &str) {
    assert_snapshot!(keys, @r#"
    [
      {
        "name": "ci",
        "id": "[id]",
        "team": "research",
        "user": null,
        "agent": null,
        "models": [
          "mock"
        ],
        "state": "live",
        "created_at": "[time]",
        "expires_at": "[time]",
        "former_until": null
      },
      {
        "name": "me",
        "id": "[id]",
        "team": null,
        "user": null,
        "agent": null,
        "models": null,
        "state": "live",
        "created_at": "[time]",
        "expires_at": null,
        "former_until": "[time]"
      },
      {
        "name": "old",
        "id": "[id]",
        "team": null,
        "user": null,
        "agent": null,
        "models": null,
        "state": "revoked",
        "created_at": "[time]",
        "expires_at": null,
        "former_until": null
      }
    ]
    "#);
    assert_snapshot!(teams, @r#"
    [
      {
        "name": "research",
        "id": "[id]",
        "models": [
          "mock",
          "other"
        ],
        "org": null,
        "classification": null
      }
    ]
    "#);
}

#[test]
fn organisations_users_agents_and_roles_are_made_listed_and_taken_back() {
    let upstream = Upstream::start();
    let gateway = Gateway::prepare(&config(&upstream, MODELS), &[]);
    // Else each command starts PostgreSQL and stops it again.
    let _kept = gateway.database();
    let run = |command: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        settled(&said(&gateway.cli(&words)))
    };
    let all = |commands: &[&str]| {
        commands
            .iter()
            .map(|command| run(command))
            .collect::<String>()
    };
    assert_snapshot!("people_made", all(PEOPLE));
    let listings = [
        "org list",
        "team list",
        "user list",
        "agent list",
        "key list",
        "role list",
        "certificate list",
    ];
    assert_snapshot!("people_listed", listings.map(run).join("\n"));
    let as_json = listings.map(|listing| run(&format!("{listing} --json")));
    assert_snapshot!("people_listed_as_json", as_json.concat());
    assert_snapshot!("people_taken_back", all(UNDOING));
}

#[test]
fn budgets_are_listed_in_the_shape_of_the_contract() {
    let upstream = Upstream::start();
    let more = format!(
        "{MODELS}budgets:\n  - {{ scope: {{ team: research }}, window: month, limit_usd: 500.25, mode: soft }}\n"
    );
    let gateway = Gateway::start(&config(&upstream, &more));
    gateway.lattice(&["team", "create", "research"]);
    let key = gateway.key(
        "k",
        &[
            "--team",
            "research",
            "--budget-usd",
            "0.1",
            "--window",
            "day",
        ],
    );
    assert_eq!(gateway.chat(&key, &ask("mock", "")).status, 200);
    gateway.shipped();
    let listed = gateway.budgets();
    assert_eq!(
        json!(listed),
        json!([
            {"scope": {"team": "research"}, "window": "month", "limit_usd": 500.25, "spent_usd": 0.000_019, "reserved_usd": 0, "mode": "soft"},
            {"scope": {"key": "k"}, "window": "day", "limit_usd": 0.1, "spent_usd": 0.000_019, "reserved_usd": 0, "mode": "hard"},
        ])
    );
    assert_snapshot!(gateway.lattice(&["budget", "list"]), @r#"
    SCOPE          WINDOW  LIMIT   SPENT     RESERVED  MODE
    team research  month   500.25  0.000019  0         soft
    key k          day     0.1     0.000019  0         hard
    "#);
}
