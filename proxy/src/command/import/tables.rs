//! What becomes of settings whose fate does not depend on anything else in the file.

use serde_json::Value;

use super::document::is_off;
use super::grade::{Grade, Verdict, exact, verdict};

/// A setting's fate.
#[derive(Debug, Clone, Copy)]
struct Rule {
    grade: Grade,
    note: &'static str,
    /// It is a switch, and Lattice behaves as if it were off.
    switch: bool,
}

const fn rule(grade: Grade, note: &'static str) -> Rule {
    let switch = false;
    Rule {
        grade,
        note,
        switch,
    }
}

const fn switch(grade: Grade, note: &'static str) -> Rule {
    let switch = true;
    Rule {
        grade,
        note,
        switch,
    }
}

impl Rule {
    fn verdict(self, value: &Value) -> Verdict {
        if self.switch && is_off(value) {
            exact("Is off, as it is in Lattice.")
        } else {
            verdict(self.grade, self.note)
        }
    }
}

type Table = &'static [(&'static [&'static str], Rule)];

fn find(table: Table, key: &str, value: &Value) -> Option<Verdict> {
    let (_, rule) = table.iter().find(|(keys, _)| keys.contains(&key))?;
    Some(rule.verdict(value))
}

/// A key of `litellm_params` that is neither address, key nor price.
pub fn param(key: &str, value: &Value) -> Verdict {
    const CLOUDS: [&str; 7] = [
        "aws_", "vertex_", "azure_", "watsonx_", "s3_", "gcs_", "bedrock_",
    ];
    if CLOUDS.iter().any(|cloud| key.starts_with(cloud)) {
        return exact("Has no meaning for this provider, in LiteLLM either.");
    }
    find(PARAMS, key, value).unwrap_or_else(|| {
        verdict(
            Grade::Unsupported,
            "LiteLLM adds it to each request; Lattice sends what the client wrote, so let clients send it.",
        )
    })
}

/// A key of `model_info` that is neither mode nor price.
pub fn info(key: &str, value: &Value) -> Option<Verdict> {
    if key.starts_with("supports_") || key.starts_with("max_") {
        return Some(verdict(
            Grade::Approximate,
            "Describes the model to LiteLLM's clients; nothing in Lattice depends on it, so it was left out.",
        ));
    }
    find(INFO, key, value)
}

/// A key of one of the three sections of settings.
pub fn setting(section: &str, key: &str, value: &Value) -> Option<Verdict> {
    let own = match section {
        "litellm_settings" => LITELLM,
        "router_settings" => ROUTER,
        _ => GENERAL,
    };
    if key.starts_with("redis_") {
        return Some(verdict(Grade::Unsupported, REDIS));
    }
    find(own, key, value).or_else(|| find(SHARED, key, value))
}

/// A section of the file that has no counterpart.
pub fn section(key: &str, value: &Value) -> Option<Verdict> {
    find(SECTIONS, key, value)
}

/// One of the variables that the file sets.
pub fn variable(name: &str) -> Option<Verdict> {
    let is_redis = name.starts_with("REDIS_");
    is_redis.then(|| verdict(Grade::Unsupported, REDIS))
}

const RATES: &str = "Lattice limits rates by organisation, team, user, key, agent or model, and not by target: set them under `rates`.";
const REDIS: &str = "Lattice keeps nothing in Redis; what has to last is in its PostgreSQL.";
const CALLBACKS: &str =
    "Lattice calls no logging services; read `/metrics`, or `lattice audit export`.";
const GUARDRAILS: &str =
    "Guardrails are not supported yet; nothing is scanned, so do not rely on them after the move.";
const CACHE: &str = "Lattice caches no replies; caching by the provider works as it did.";
const LEFT_OUT: &str = "Only LiteLLM's own pages and records use it, so it was left out.";
const TAGS: &str = "Lattice does not route by tags; give the targets model names of their own and limit keys to them.";
const CONTEXT: &str = "A request that a provider has refused is not sent to another model; ask for the larger model by name.";
const USERS: &str = "There are no users or defaults for them; give keys and teams their limits with `lattice key create` and `lattice team create`.";
const BUDGET: &str = "There is no budget over everything; give keys and teams theirs under `budgets`, or with `lattice key create --budget-usd`.";
const VERBOSE: &str = "Set RUST_LOG=debug in the gateway's environment.";
const ADMISSION: &str = "Lattice has no limit of its own on how many requests run at once.";
const DATABASE: &str = "LiteLLM's tables are not read: Lattice runs its own PostgreSQL, or set `database.url` to an empty database and `security.pepper`.";
const POOL: &str = "Lattice chooses how it connects to its database itself.";
const HEALTH: &str =
    "Lattice sends no requests to try models out; `/readyz` tells how its providers are.";
const IDENTITY: &str =
    "Lattice knows callers by its own keys only; make them with `lattice key create`.";
const STORED: &str = "Models are declared in the configuration file alone.";
const ALERTS: &str = "Lattice sends no alerts; set them on `/metrics`.";
const TOOLS: &str = "Lattice runs no tools; clients call them themselves.";
const SECRETS: &str = "Lattice reads secrets from its environment or from files (`{ env: NAME }`, `{ file: PATH }`); have your secret manager put them there.";

const PARAMS: Table = &[
    (
        &[
            "rpm",
            "tpm",
            "itpm",
            "otpm",
            "max_parallel_requests",
            "default_api_key_tpm_limit",
            "default_api_key_rpm_limit",
        ],
        rule(Grade::Unsupported, RATES),
    ),
    (
        &["max_budget", "budget_duration"],
        rule(
            Grade::Unsupported,
            "There is no budget for a target; limit keys and teams under `budgets`.",
        ),
    ),
    (
        &[
            "drop_params",
            "additional_drop_params",
            "allowed_openai_params",
            "modify_params",
        ],
        switch(
            Grade::Unsupported,
            "Lattice notes hints that it leaves out in `x-lattice-noted` and refuses other fields by name; let clients leave them out.",
        ),
    ),
    (&["tags", "tag_regex"], switch(Grade::Unsupported, TAGS)),
    (
        &[
            "api_version",
            "region_name",
            "tenant_id",
            "client_id",
            "client_secret",
        ],
        rule(
            Grade::Exact,
            "Has no meaning for this provider, in LiteLLM either.",
        ),
    ),
    (
        &["organization", "openai_organization"],
        rule(
            Grade::Unsupported,
            "Lattice sends no organisation header; use a key that belongs to the one that is to pay.",
        ),
    ),
    (
        &["extra_headers", "headers", "default_headers", "extra_query"],
        switch(
            Grade::Unsupported,
            "Lattice adds no headers to requests; have clients or a proxy behind it add them.",
        ),
    ),
    (
        &["mock_response"],
        rule(
            Grade::Unsupported,
            "Lattice makes no replies up; put a mock server in the provider's place.",
        ),
    ),
    (
        &["litellm_credential_name"],
        rule(
            Grade::Manual,
            "Write the provider's `api_key` (and `base_url`) from `credential_list`.",
        ),
    ),
    (
        &["ssl_verify", "verify_ssl"],
        rule(
            Grade::Unsupported,
            "Certificates are always verified against the system's roots; add yours to them.",
        ),
    ),
    (
        &[
            "use_in_pass_through",
            "use_litellm_proxy",
            "merge_reasoning_content_in_choices",
        ],
        switch(Grade::Unsupported, "Lattice has no such mode."),
    ),
    (
        &[
            "max_file_size_mb",
            "litellm_trace_id",
            "input_cost_per_second",
            "output_cost_per_second",
            "cost_per_second",
        ],
        rule(
            Grade::Unsupported,
            "Lattice has no use for it: its prices are per token, its routes take no files.",
        ),
    ),
    (
        &[
            "cache_read_input_token_cost",
            "cache_creation_input_token_cost",
            "input_cost_per_audio_token",
            "output_cost_per_reasoning_token",
        ],
        rule(
            Grade::Unsupported,
            "A price of your own has one rate for input and one for output; leave `price` out to have the catalogue's, which tells cached tokens apart.",
        ),
    ),
    (
        &["cache_control_injection_points"],
        switch(
            Grade::Unsupported,
            "Lattice adds no cache hints to requests; let clients send theirs.",
        ),
    ),
    (
        &["configurable_clientside_auth_params"],
        switch(
            Grade::Unsupported,
            "Clients cannot bring provider's keys or addresses.",
        ),
    ),
    (
        &["model_info"],
        rule(
            Grade::Unsupported,
            "Belongs beside `litellm_params`; move it there and import again.",
        ),
    ),
];

const INFO: Table = &[
    (
        &[
            "id",
            "db_model",
            "updated_at",
            "updated_by",
            "created_at",
            "created_by",
            "description",
            "tier",
            "litellm_provider",
            "metadata",
            "version",
            "discoverable",
        ],
        rule(Grade::Approximate, LEFT_OUT),
    ),
    (
        &["base_model"],
        rule(
            Grade::Manual,
            "LiteLLM prices the target as this model; see what `lattice config check` says of its price, and set `price` where that is not right.",
        ),
    ),
    (
        &[
            "access_groups",
            "team_id",
            "team_public_model_name",
            "access_windows",
        ],
        rule(
            Grade::Manual,
            "Limit teams and keys to models with `--models` when you make them.",
        ),
    ),
    (
        &["blocked"],
        switch(
            Grade::Manual,
            "Remove the target from lattice.yaml while it is blocked.",
        ),
    ),
    (
        &[
            "health_check_model",
            "health_check_timeout",
            "disable_background_health_check",
        ],
        rule(Grade::Approximate, HEALTH),
    ),
];

const SHARED: Table = &[
    (
        &[
            "set_verbose",
            "debug_level",
            "verbose",
            "json_logs",
            "detailed_debug",
        ],
        switch(Grade::Manual, VERBOSE),
    ),
    (
        &["context_window_fallbacks", "content_policy_fallbacks"],
        switch(Grade::Unsupported, CONTEXT),
    ),
    (
        &[
            "cache",
            "cache_params",
            "cache_responses",
            "cache_kwargs",
            "caching_groups",
            "enable_caching",
        ],
        switch(Grade::Unsupported, CACHE),
    ),
    (
        &["guardrails", "prompt_injection_params"],
        switch(Grade::Unsupported, GUARDRAILS),
    ),
    (
        &[
            "max_parallel_requests",
            "global_max_parallel_requests",
            "default_max_parallel_requests",
            "max_in_flight_requests_per_worker",
            "max_queued_requests_per_worker",
        ],
        rule(Grade::Unsupported, ADMISSION),
    ),
    (
        &[
            "enable_tag_filtering",
            "tag_filtering_match_any",
            "tag_routing_prefix",
        ],
        switch(Grade::Unsupported, TAGS),
    ),
    (
        &[
            "alerting",
            "alerting_threshold",
            "alerting_config",
            "alerting_args",
            "alert_types",
            "alert_to_webhook_url",
        ],
        switch(Grade::Unsupported, ALERTS),
    ),
];

const LITELLM: Table = &[
    (
        &["drop_params", "modify_params"],
        switch(
            Grade::Unsupported,
            "Lattice notes hints that it leaves out in `x-lattice-noted` and refuses other fields by name; let clients leave them out.",
        ),
    ),
    (
        &["max_budget", "budget_duration"],
        rule(Grade::Manual, BUDGET),
    ),
    (
        &[
            "max_internal_user_budget",
            "internal_user_budget_duration",
            "max_end_user_budget",
            "default_internal_user_params",
            "default_team_params",
            "upperbound_key_generate_params",
            "default_key_generate_params",
            "max_user_budget",
        ],
        switch(Grade::Manual, USERS),
    ),
    (
        &["default_team_settings"],
        switch(Grade::Unsupported, CALLBACKS),
    ),
    (
        &["include_cost_in_streaming_usage"],
        switch(
            Grade::Approximate,
            "Where a caller asks for usage, `usage.lattice_cost_usd` is in a stream's last chunk.",
        ),
    ),
    (
        &["ssl_verify"],
        rule(
            Grade::Unsupported,
            "Certificates are always verified against the system's roots; add yours to them.",
        ),
    ),
    (
        &[
            "turn_off_message_logging",
            "redact_messages_in_exceptions",
            "redact_user_api_key_info",
        ],
        rule(
            Grade::Approximate,
            "Lattice's log holds no messages and no keys.",
        ),
    ),
    (
        &["require_auth_for_metrics_endpoint"],
        switch(
            Grade::Manual,
            "`/metrics` asks for no key; keep `server.admin_listen` on loopback or behind a proxy that asks.",
        ),
    ),
    (
        &[
            "disable_end_user_cost_tracking",
            "disable_end_user_cost_tracking_prometheus_only",
        ],
        rule(
            Grade::Approximate,
            "Lattice keeps costs by key and team, never by end user.",
        ),
    ),
    (
        &["telemetry"],
        rule(Grade::Approximate, "Lattice reports nothing to anybody."),
    ),
    (
        &[
            "websearch_interception_params",
            "code_interpreter_interception_params",
            "mcp_semantic_tool_filter",
            "mcp_aliases",
        ],
        switch(Grade::Unsupported, TOOLS),
    ),
    (
        &["public_model_groups", "public_agent_groups"],
        switch(
            Grade::Unsupported,
            "Lattice has no public list; `GET /v1/models` lists what a key may use.",
        ),
    ),
];

const ROUTER: Table = &[
    (
        &["enable_pre_call_checks", "optional_pre_call_checks"],
        switch(
            Grade::Unsupported,
            "Lattice does not choose targets by the length of a prompt; keep models of one window under one name.",
        ),
    ),
    (
        &[
            "routing_strategy_args",
            "routing_groups",
            "model_group_affinity_config",
            "deployment_affinity_ttl_seconds",
            "weights",
        ],
        switch(
            Grade::Unsupported,
            "Lattice does not route by latency, usage, cost or session.",
        ),
    ),
    (
        &["default_litellm_params"],
        switch(
            Grade::Unsupported,
            "Lattice sends what the client wrote; let clients send it.",
        ),
    ),
    (
        &["provider_budget_config"],
        switch(
            Grade::Unsupported,
            "There is no budget for a provider; limit keys and teams under `budgets`.",
        ),
    ),
    (
        &["client_ttl", "polling_interval", "default_priority"],
        rule(
            Grade::Approximate,
            "Tunes LiteLLM's own workings; nothing in Lattice needs it.",
        ),
    ),
];

const GENERAL: Table = &[
    (
        &["master_key"],
        rule(
            Grade::Manual,
            "No key opens everything here: make one for each client with `lattice key create --name NAME`.",
        ),
    ),
    (
        &["dangerously_permit_weak_or_unset_master_key"],
        switch(Grade::Unsupported, "Every request needs a key."),
    ),
    (&["database_url"], rule(Grade::Manual, DATABASE)),
    (
        &[
            "database_connection_pool_limit",
            "database_connection_timeout",
            "database_connect_timeout",
            "database_socket_timeout",
            "database_max_idle_connection_lifetime",
            "database_extra_connection_params",
            "database_disable_prepared_statements",
            "proxy_batch_write_at",
            "disable_prisma_schema_update",
            "allow_requests_on_db_unavailable",
        ],
        rule(Grade::Approximate, POOL),
    ),
    (
        &["database_type", "database_args"],
        rule(Grade::Unsupported, "Lattice's database is PostgreSQL."),
    ),
    (
        &[
            "store_model_in_db",
            "supported_db_objects",
            "proxy_config_reload_interval_seconds",
        ],
        switch(Grade::Unsupported, STORED),
    ),
    (
        &["store_prompts_in_spend_logs"],
        switch(Grade::Unsupported, "Lattice stores no prompts."),
    ),
    (
        &[
            "disable_spend_logs",
            "disable_error_logs",
            "maximum_spend_logs_retention_period",
        ],
        switch(
            Grade::Unsupported,
            "Every request leaves its record in the audit chain.",
        ),
    ),
    (&["otel"], switch(Grade::Unsupported, CALLBACKS)),
    (
        &[
            "custom_auth",
            "custom_auth_run_common_checks",
            "custom_key_generate",
            "custom_sso",
            "enable_jwt_auth",
            "litellm_jwtauth",
            "enable_oauth2_auth",
            "enable_oauth2_proxy_auth",
            "oauth2_config_mappings",
            "user_header_name",
            "litellm_key_header_name",
        ],
        switch(Grade::Unsupported, IDENTITY),
    ),
    (
        &[
            "custom_team_metadata_validate",
            "team_metadata_validation_timeout",
            "team_metadata_validation_error_message",
            "enforce_user_param",
            "enforced_params",
        ],
        switch(
            Grade::Unsupported,
            "Lattice runs no code of yours; say who may do what in Rego under `policy.dir`.",
        ),
    ),
    (
        &[
            "background_health_checks",
            "health_check_interval",
            "health_check_concurrency",
            "health_check_details",
            "enable_health_check_routing",
        ],
        switch(Grade::Unsupported, HEALTH),
    ),
    (
        &["pass_through_endpoints", "auth", "forward_openai_org_id"],
        switch(Grade::Unsupported, "Lattice passes only its own routes on."),
    ),
    (
        &["forward_client_headers_to_llm_api"],
        switch(
            Grade::Unsupported,
            "Only the headers that a provider's dialect knows go on.",
        ),
    ),
    (
        &["use_redis_transaction_buffer", "coordination_redis"],
        switch(Grade::Unsupported, REDIS),
    ),
    (
        &[
            "key_management_system",
            "key_management_settings",
            "use_google_kms",
            "use_azure_key_vault",
        ],
        rule(Grade::Manual, SECRETS),
    ),
    (
        &["reject_clientside_metadata_tags"],
        switch(
            Grade::Approximate,
            "No tag of a client's has a say in budgets here, so there is nothing to reject.",
        ),
    ),
    (
        &["cancel_on_disconnect"],
        rule(
            Grade::Approximate,
            "A client that leaves always cancels its request to the provider.",
        ),
    ),
    (
        &[
            "ui_access_mode",
            "ui_logo_path",
            "allowed_routes",
            "admin_only_routes",
            "public_routes",
            "control_plane_url",
        ],
        switch(Grade::Unsupported, "Lattice has no such pages or routes."),
    ),
    (
        &["allow_user_auth", "allowed_ips", "use_x_forwarded_for"],
        switch(
            Grade::Unsupported,
            "Restrict who can reach the gateway in front of it.",
        ),
    ),
    (
        &["completion_model"],
        rule(
            Grade::Unsupported,
            "Lattice never answers with another model than was asked for; have clients ask for this one.",
        ),
    ),
];

const SECTIONS: Table = &[
    (
        &["environment_variables"],
        rule(
            Grade::Manual,
            "Set it in the gateway's environment: `lattice.yaml` holds no variables.",
        ),
    ),
    (
        &["include"],
        rule(
            Grade::Manual,
            "Was not followed: import that file too, and put the two results together.",
        ),
    ),
    (
        &["guardrails", "policies", "policy_attachments"],
        switch(Grade::Unsupported, GUARDRAILS),
    ),
    (
        &[
            "mcp_servers",
            "mcp_tools",
            "search_tools",
            "sandbox_tools",
            "agents",
            "agent_list",
            "assistant_settings",
        ],
        switch(Grade::Unsupported, TOOLS),
    ),
    (
        &[
            "vector_store_registry",
            "prompts",
            "finetune_settings",
            "files_settings",
            "batch_settings",
        ],
        switch(
            Grade::Unsupported,
            "Files, fine-tuning, prompts and vector stores are not served.",
        ),
    ),
    (
        &["credential_list"],
        rule(
            Grade::Manual,
            "Write it as `api_key: { env: NAME }` (and `base_url`) of the provider that uses it.",
        ),
    ),
    (
        &["callback_settings"],
        switch(Grade::Unsupported, CALLBACKS),
    ),
    (
        &["pass_through_endpoints"],
        switch(Grade::Unsupported, "Lattice passes only its own routes on."),
    ),
    (&["key_management_settings"], rule(Grade::Manual, SECRETS)),
    (
        &["plugins", "custom_provider_map"],
        switch(Grade::Unsupported, "Lattice runs no code of yours."),
    ),
    (
        &["model_group_settings", "router_plugins"],
        switch(
            Grade::Unsupported,
            "Lattice has no such settings of a model.",
        ),
    ),
];

/// One of the services that requests are reported to.
pub fn callback(name: &str) -> Verdict {
    match name {
        "prometheus" => verdict(
            Grade::Approximate,
            "`/metrics` on the admin listener is always there; names differ, so change dashboards to `gen_ai_*` and `lattice_*`.",
        ),
        "websearch_interception" | "code_interpreter_interception" => {
            verdict(Grade::Unsupported, TOOLS)
        }
        _ => verdict(Grade::Unsupported, CALLBACKS),
    }
}
