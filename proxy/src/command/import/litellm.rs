//! A LiteLLM proxy's `config.yaml`, section by section.

use serde_json::{Map, Value};

use super::document::{count, item, member};
use super::draft::{Draft, Model};
use super::grade::{Row, Verdicts, approximate, manual};
use super::models::{Environment, Reader};
use super::{fallbacks, resilience, tables};

/// The sections of settings; what one of them means does not depend on which it is in.
pub const SETTINGS: [&str; 3] = ["litellm_settings", "router_settings", "general_settings"];

/// What a file comes to.
pub struct Import {
    /// What is written.
    pub draft: Draft,
    /// One row for each leaf of the file, in its order.
    pub rows: Vec<Row>,
}

/// Imports a document, which is a mapping. `environment` looks up what an address may be
/// in; keys are never looked up.
pub fn import(document: &Value, environment: Environment<'_>) -> Import {
    let empty = Map::new();
    let sections = document.as_object().unwrap_or(&empty);
    let mut reader = Reader::new(environment);
    if let Some(list) = sections.get("model_list") {
        reader.read(list);
    }
    let Reader {
        mut draft,
        mut verdicts,
        entries,
        ..
    } = reader;
    let before = draft.models.clone();
    for (name, value) in sections {
        match value.as_object() {
            Some(settings) if SETTINGS.contains(&name.as_str()) => {
                for (key, value) in settings {
                    let path = member(name, key);
                    if !with_models(&path, key, value, &before, &mut draft, &mut verdicts) {
                        setting(name, key, value, &mut verdicts);
                    }
                }
            }
            _ => {
                if let Some(verdict) = tables::section(name, value) {
                    verdicts.say(member("", name), verdict);
                }
                for variable in value.as_object().into_iter().flat_map(Map::keys) {
                    let verdict =
                        tables::variable(variable).filter(|_| name == "environment_variables");
                    if let Some(verdict) = verdict {
                        verdicts.say(member(name, variable), verdict);
                    }
                }
            }
        }
    }
    let own: Vec<usize> = before.iter().map(|model| model.targets.len()).collect();
    let said = resilience::Said {
        entries: &entries,
        sections,
        own: &own,
    };
    resilience::apply(&said, &mut draft, &mut verdicts);
    // An alias has the fallbacks of what it stands for, wherever in the file they are.
    for name in SETTINGS {
        let aliases = sections
            .get(name)
            .and_then(|settings| settings.get("model_group_alias"));
        if let Some(aliases) = aliases {
            let path = member(name, "model_group_alias");
            fallbacks::aliases(&path, aliases, &mut draft, &mut verdicts);
        }
    }
    let rows = verdicts.rows(document);
    Import { draft, rows }
}

/// Settings that change the models; `false`: it is none.
fn with_models(
    path: &str,
    key: &str,
    value: &Value,
    before: &[Model],
    draft: &mut Draft,
    verdicts: &mut Verdicts,
) -> bool {
    let empty = approximate("Names no model, so there is nothing to do.");
    match key {
        "fallbacks" => fallbacks::fallbacks(path, value, before, draft, verdicts),
        "default_fallbacks" => fallbacks::defaults(path, value, before, draft, verdicts),
        "model_group_alias" => {}
        "max_request_size_mb" => {
            let size = count(value).filter(|size| (1..=1024).contains(size));
            draft.max_body_mib = size;
            let verdict = match size {
                Some(_) => approximate("`server.max_body_mib`; a larger body gets a 413."),
                None => manual("Set `server.max_body_mib`, from 1 to 1024."),
            };
            verdicts.say(path, verdict);
            return true;
        }
        _ => return false,
    }
    verdicts.say(path, empty);
    true
}

/// Any other setting.
fn setting(section: &str, key: &str, value: &Value, verdicts: &mut Verdicts) {
    const CALLBACKS: [&str; 5] = [
        "callbacks",
        "success_callback",
        "failure_callback",
        "service_callback",
        "audit_log_callbacks",
    ];
    let path = member(section, key);
    if CALLBACKS.contains(&key) {
        let names = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        for (index, name) in names.iter().enumerate() {
            let at = if value.is_array() {
                item(&path, index)
            } else {
                path.clone()
            };
            verdicts.say(at, tables::callback(name.as_str().unwrap_or_default()));
        }
        return;
    }
    let verdict = resilience::setting(key, value).or_else(|| tables::setting(section, key, value));
    if let Some(verdict) = verdict {
        verdicts.say(path, verdict);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use insta::assert_snapshot;
    use serde_json::json;

    use super::super::{document, screen, write};
    use super::*;
    use crate::config::Config;
    use crate::config::load::parse;

    /// The report and the file, which the gateway could be started with.
    fn imported(text: &str) -> (String, String) {
        let document = document::parse(Path::new("config.yaml"), text).expect("YAML");
        let environment =
            |name: &str| (name == "VLLM_BASE").then(|| "http://127.0.0.1:8000/v1".to_owned());
        let Import { draft, rows } = import(&document, &environment);
        let file = write::text(&draft, "config.yaml");
        let raw = parse(Path::new("lattice.yaml"), &file).expect("well-formed");
        // Which variables are set is another question.
        let without_keys = crate::config::raw::Raw {
            providers: raw
                .providers
                .into_iter()
                .map(|(name, provider)| {
                    let api_key = None;
                    (
                        name,
                        crate::config::raw::Provider {
                            api_key,
                            ..provider
                        },
                    )
                })
                .collect(),
            ..raw
        };
        Config::check(without_keys, Path::new("")).expect("sound");
        (screen::report(&rows, false), file)
    }

    #[test]
    fn entries_of_one_name_are_targets_of_one_model() {
        let (report, file) = imported(
            "model_list:\n\
             - { model_name: m, litellm_params: { model: groq/llama, order: 2, api_key: os.environ/G } }\n\
             - { model_name: m, litellm_params: { model: openai/gpt-5, order: 1, input_cost_per_token: 0.00000125, output_cost_per_token: 1e-5 } }\n\
             - { model_name: n, litellm_params: { model: llama, custom_llm_provider: groq, api_key: os.environ/G, rpm: 6 } }\n",
        );
        assert_snapshot!(file, @r#"
        # yaml-language-server: $schema=./lattice.schema.json
        # Imported from config.yaml by `lattice config import --from litellm`.
        providers:
          groq: { kind: openai_compatible, base_url: "https://api.groq.com/openai/v1", api_key: { env: G } }
          openai: { kind: openai, api_key: { env: OPENAI_API_KEY } }
        models:
          - name: m
            targets:
              - { provider: openai, model: gpt-5, price: { input_usd_per_mtok: 1.25, output_usd_per_mtok: 10 } }
              - { provider: groq, model: llama }
          - name: "n"
            targets:
              - { provider: groq, model: llama }
        "#);
        assert_snapshot!(report, @"
        exact        model_list[0].model_name: Model `m`.
        exact        model_list[0].litellm_params.model: Asked as `llama` at provider `groq`.
        exact        model_list[0].litellm_params.order: Decides the place among the model's targets.
        exact        model_list[0].litellm_params.api_key: The provider's `api_key` is `{ env: G }`.
        approximate  model_list[1].model_name: A further target of model `m`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.
        exact        model_list[1].litellm_params.model: Asked as `gpt-5` at provider `openai`.
        exact        model_list[1].litellm_params.order: Decides the place among the model's targets.
        exact        model_list[1].litellm_params.input_cost_per_token: The target's `price`, per million tokens.
        exact        model_list[1].litellm_params.output_cost_per_token: The target's `price`, per million tokens.
        exact        model_list[2].model_name: Model `n`.
        exact        model_list[2].litellm_params.model: Asked as `llama` at provider `groq`.
        exact        model_list[2].litellm_params.custom_llm_provider: Says whose model it is, as a prefix would.
        exact        model_list[2].litellm_params.api_key: The provider's `api_key` is `{ env: G }`.
        unsupported  model_list[2].litellm_params.rpm: Lattice limits rates by organisation, team, user, key, agent or model, and not by target: set them under `rates`.
        ");
    }

    #[test]
    fn a_key_that_was_written_is_nowhere_in_what_comes_out() {
        let (report, file) = imported(
            "model_list:\n\
             - { model_name: a, litellm_params: { model: openai/gpt-5, api_key: sk-canary } }\n\
             - { model_name: b, litellm_params: { model: openai/gpt-5, api_key: 12345678 } }\n\
             - { model_name: c, litellm_params: { model: openai/x, api_base: 'http://canary:pw@h/v1' } }\n\
             general_settings: { master_key: sk-canary, database_url: 'postgresql://u:canary@h/db' }\n\
             environment_variables: { OPENAI_API_KEY: sk-canary }\n\
             litellm_settings: { canary: sk-canary }\n",
        );
        for said in [&report, &file] {
            assert!(
                !said
                    .replace("litellm_settings.canary", "")
                    .contains("canary"),
                "{said}"
            );
            assert!(!said.contains("12345678"), "{said}");
        }
        assert_snapshot!(file, @r#"
        # yaml-language-server: $schema=./lattice.schema.json
        # Imported from config.yaml by `lattice config import --from litellm`.
        providers:
          openai: { kind: openai, api_key: { env: OPENAI_API_KEY } }
          openai-2: { kind: openai, api_key: { env: OPENAI_2_API_KEY } }
          openai-3: { kind: openai_compatible, base_url: "https://openai.invalid" }  # write the base URL here
        models:
          - name: a
            targets:
              - { provider: openai, model: gpt-5 }
          - name: b
            targets:
              - { provider: openai-2, model: gpt-5 }
          - name: c
            targets:
              - { provider: openai-3, model: x }
        "#);
    }

    #[test]
    fn addresses_are_those_that_litellm_asks() {
        let (report, file) = imported(
            "model_list:\n\
             - { model_name: a, litellm_params: { model: hosted_vllm/a, api_base: os.environ/VLLM_BASE } }\n\
             - { model_name: b, litellm_params: { model: hosted_vllm/b, api_base: os.environ/UNSET_BASE } }\n\
             - { model_name: c, litellm_params: { model: ollama_chat/c, api_base: 'http://0.0.0.0:11434' } }\n\
             - { model_name: d, litellm_params: { model: anthropic/d, api_base: 'https://claude.example/v1/messages', api_key: os.environ/A } }\n\
             - { model_name: e, litellm_params: { model: openai/e, api_base: 'http://vllm:8000/v1' } }\n\
             - { model_name: f, litellm_params: { model: openai/f, api_base: 'https://api.openai.com/v1/' } }\n\
             - { model_name: g, litellm_params: { model: openai/g, api_base: 'http://169.254.169.254/v1', api_key: os.environ/A } }\n",
        );
        assert_snapshot!(file, @r#"
        # yaml-language-server: $schema=./lattice.schema.json
        # Imported from config.yaml by `lattice config import --from litellm`.
        providers:
          hosted_vllm: { kind: openai_compatible, base_url: "http://127.0.0.1:8000/v1" }
          hosted_vllm-2: { kind: openai_compatible, base_url: "https://unset-base.invalid" }  # write the base URL here
          ollama_chat: { kind: openai_compatible, base_url: "http://127.0.0.1:11434/v1" }
          anthropic: { kind: anthropic, base_url: "https://claude.example", api_key: { env: A } }
          vllm-8000: { kind: openai_compatible, base_url: "http://vllm:8000/v1" }
          openai: { kind: openai, api_key: { env: OPENAI_API_KEY } }
          openai-2: { kind: openai_compatible, base_url: "https://openai.invalid", api_key: { env: A } }  # write the base URL here
        models:
          - name: a
            targets:
              - { provider: hosted_vllm, model: a }
          - name: b
            targets:
              - { provider: hosted_vllm-2, model: b }
          - name: c
            targets:
              - { provider: ollama_chat, model: c }
          - name: d
            targets:
              - { provider: anthropic, model: d }
          - name: e
            targets:
              - { provider: vllm-8000, model: e }
          - name: f
            targets:
              - { provider: openai, model: f }
          - name: g
            targets:
              - { provider: openai-2, model: g }
        "#);
        assert_snapshot!(report, @"
        exact        model_list[0].model_name: Model `a`.
        exact        model_list[0].litellm_params.model: Asked as `a` at provider `hosted_vllm`.
        approximate  model_list[0].litellm_params.api_base: The provider's `base_url`, fixed to what VLLM_BASE holds now: a `base_url` is never read from the environment.
        exact        model_list[1].model_name: Model `b`.
        exact        model_list[1].litellm_params.model: Asked as `b` at provider `hosted_vllm-2`.
        manual       model_list[1].litellm_params.api_base: A `base_url` is never read from the environment, and UNSET_BASE holds none that can be used now; replace the `.invalid` address that stands in lattice.yaml for it.
        exact        model_list[2].model_name: Model `c`.
        approximate  model_list[2].litellm_params.model: Asked as `c` at provider `ollama_chat` over OpenAI's API; LiteLLM speaks Ollama's own.
        approximate  model_list[2].litellm_params.api_base: The provider's `base_url`, at 127.0.0.1: servers listen on 0.0.0.0 and are not called there.
        exact        model_list[3].model_name: Model `d`.
        exact        model_list[3].litellm_params.model: Asked as `d` at provider `anthropic`.
        exact        model_list[3].litellm_params.api_base: The provider's `base_url`.
        exact        model_list[3].litellm_params.api_key: The provider's `api_key` is `{ env: A }`.
        exact        model_list[4].model_name: Model `e`.
        manual       model_list[4].litellm_params.model: Asked as `e` at provider `vllm-8000` without a key: LiteLLM sends what OPENAI_API_KEY holds to this address too; write the provider's `api_key` if that is meant.
        approximate  model_list[4].litellm_params.api_base: The provider's `base_url`; if the name leads to a private address, list that under `security.egress.allow`.
        exact        model_list[5].model_name: Model `f`.
        exact        model_list[5].litellm_params.model: Asked as `f` at provider `openai`.
        exact        model_list[5].litellm_params.api_base: The provider's `base_url`.
        exact        model_list[6].model_name: Model `g`.
        exact        model_list[6].litellm_params.model: Asked as `g` at provider `openai-2`.
        manual       model_list[6].litellm_params.api_base: The address 169.254.169.254 is a cloud's metadata service, which gives out credentials; if that is meant, add 169.254.169.254 to security.egress.allow; replace the `.invalid` address that stands in lattice.yaml for it.
        exact        model_list[6].litellm_params.api_key: The provider's `api_key` is `{ env: A }`.
        ");
    }

    #[test]
    fn fallbacks_are_further_targets_and_aliases_further_models() {
        let (report, file) = imported(
            "router_settings:\n\
             \x20 model_group_alias: { x: a, y: { model: b, hidden: true }, b: a, z: none }\n\
             litellm_settings:\n\
             \x20 fallbacks: [ { a: [ b, none ] }, { b: [ a ] }, { none: [ a ] } ]\n\
             model_list:\n\
             - { model_name: a, litellm_params: { model: openai/a } }\n\
             - { model_name: b, litellm_params: { model: gemini/b } }\n",
        );
        assert_snapshot!(file, @r#"
        # yaml-language-server: $schema=./lattice.schema.json
        # Imported from config.yaml by `lattice config import --from litellm`.
        providers:
          openai: { kind: openai, api_key: { env: OPENAI_API_KEY } }
          gemini: { kind: gemini, api_key: { env: GEMINI_API_KEY } }
        models:
          - name: a
            targets:
              - { provider: openai, model: a }
              - { provider: gemini, model: b }
          - name: b
            targets:
              - { provider: gemini, model: b }
              - { provider: openai, model: a }
          - name: x
            targets:
              - { provider: openai, model: a }
              - { provider: gemini, model: b }
          - name: "y"
            targets:
              - { provider: gemini, model: b }
              - { provider: openai, model: a }
        "#);
        assert_snapshot!(report, @"
        exact        router_settings.model_group_alias.x: Model `x`, with the same targets.
        exact        router_settings.model_group_alias.y.model: Model `y`, with the same targets.
        unsupported  router_settings.model_group_alias.y.hidden: Every model is listed to those who may use it.
        manual       router_settings.model_group_alias.b: There is a model of this name already; rename one of them.
        manual       router_settings.model_group_alias.z: The model that it stands for was not written; declare the alias with targets of its own.
        approximate  litellm_settings.fallbacks[0].a[0]: The targets of `b` follow those of `a`, for when none of them can answer; LiteLLM also asks them after a refusal.
        manual       litellm_settings.fallbacks[0].a[1]: `none` is not among the models that were written; add its targets to those of `a` by hand.
        approximate  litellm_settings.fallbacks[1].b[0]: The targets of `a` follow those of `b`, for when none of them can answer; LiteLLM also asks them after a refusal.
        manual       litellm_settings.fallbacks[2].none[0]: `none` is not among the models that were written; declare it with the targets of `a`.
        exact        model_list[0].model_name: Model `a`.
        exact        model_list[0].litellm_params.model: Asked as `a` at provider `openai`.
        exact        model_list[1].model_name: Model `b`.
        exact        model_list[1].litellm_params.model: Asked as `b` at provider `gemini`.
        ");
    }

    #[test]
    fn timeouts_and_retries_are_written_where_entries_agree() {
        let (report, file) = imported(
            "model_list:\n\
             - { model_name: a, litellm_params: { model: openai/a, timeout: 30, stream_timeout: 5, num_retries: 9 } }\n\
             - { model_name: b, litellm_params: { model: openai/b, request_timeout: 30, stream_timeout: '5', num_retries: 0, max_retries: 4 } }\n\
             - { model_name: c, litellm_params: { model: gemini/c, timeout: 1, max_retries: 1 } }\n\
             - { model_name: c, litellm_params: { model: gemini/d, timeout: 2 } }\n\
             - { model_name: e, litellm_params: { model: anthropic/e, timeout: null } }\n\
             - { model_name: f, litellm_params: { model: groq/f, timeout: os.environ/T, num_retries: many } }\n\
             - { model_name: 'xai/*', litellm_params: { model: 'xai/*', num_retries: 2, weight: 2 } }\n\
             litellm_settings: { num_retries: 3, request_timeout: 60 }\n\
             router_settings: { timeout: 40, stream_timeout: null }\n",
        );
        assert_snapshot!(file, @r#"
        # yaml-language-server: $schema=./lattice.schema.json
        # Imported from config.yaml by `lattice config import --from litellm`.
        providers:
          xai: { kind: openai_compatible, base_url: "https://api.x.ai/v1", api_key: { env: XAI_API_KEY }, timeouts: { first_byte_ms: 40000, between_chunks_ms: 40000 } }
          openai: { kind: openai, api_key: { env: OPENAI_API_KEY }, timeouts: { first_byte_ms: 30000, between_chunks_ms: 5000 } }
          gemini: { kind: gemini, api_key: { env: GEMINI_API_KEY } }
          anthropic: { kind: anthropic, api_key: { env: ANTHROPIC_API_KEY }, timeouts: { first_byte_ms: 40000, between_chunks_ms: 40000 } }
          groq: { kind: openai_compatible, base_url: "https://api.groq.com/openai/v1", api_key: { env: GROQ_API_KEY }, timeouts: { first_byte_ms: 40000, between_chunks_ms: 40000 } }
        models:
          - name: a
            retries: 5
            targets:
              - { provider: openai, model: a }
          - name: b
            retries: 0
            targets:
              - { provider: openai, model: b }
          - name: c
            targets:
              - { provider: gemini, model: c }
              - { provider: gemini, model: d }
          - name: e
            retries: 3
            targets:
              - { provider: anthropic, model: e }
          - name: f
            retries: 3
            targets:
              - { provider: groq, model: f }
        "#);
        assert_snapshot!(report, @"
        exact        model_list[0].model_name: Model `a`.
        exact        model_list[0].litellm_params.model: Asked as `a` at provider `openai`.
        approximate  model_list[0].litellm_params.timeout: `timeouts: { first_byte_ms: 30000, between_chunks_ms: 30000 }` at provider `openai`, unless more is said of it; a connection has 10 s of its own.
        approximate  model_list[0].litellm_params.stream_timeout: `timeouts: { between_chunks_ms: 5000 }` at provider `openai`, unless more is said of it; a connection has 10 s of its own.
        approximate  model_list[0].litellm_params.num_retries: `retries: 5` at model `a`, which is the most.
        exact        model_list[1].model_name: Model `b`.
        exact        model_list[1].litellm_params.model: Asked as `b` at provider `openai`.
        approximate  model_list[1].litellm_params.request_timeout: `timeouts: { first_byte_ms: 30000, between_chunks_ms: 30000 }` at provider `openai`, unless more is said of it; a connection has 10 s of its own.
        approximate  model_list[1].litellm_params.stream_timeout: `timeouts: { between_chunks_ms: 5000 }` at provider `openai`, unless more is said of it; a connection has 10 s of its own.
        exact        model_list[1].litellm_params.num_retries: `retries: 0` at model `b`.
        approximate  model_list[1].litellm_params.max_retries: Another key of the same meaning is used in its place.
        exact        model_list[2].model_name: Model `c`.
        exact        model_list[2].litellm_params.model: Asked as `c` at provider `gemini`.
        manual       model_list[2].litellm_params.timeout: Entries of one provider differ, and it has one set of timeouts; set `timeouts: { first_byte_ms: 1000, between_chunks_ms: 1000 }` at provider `gemini` if that is meant for all.
        manual       model_list[2].litellm_params.max_retries: Entries of one model differ, and it has one number of retries; set `retries: 1` at model `c` if that is meant for all.
        approximate  model_list[3].model_name: A further target of model `c`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.
        exact        model_list[3].litellm_params.model: Asked as `d` at provider `gemini`.
        manual       model_list[3].litellm_params.timeout: Entries of one provider differ, and it has one set of timeouts; set `timeouts: { first_byte_ms: 2000, between_chunks_ms: 2000 }` at provider `gemini` if that is meant for all.
        exact        model_list[4].model_name: Model `e`.
        exact        model_list[4].litellm_params.model: Asked as `e` at provider `anthropic`.
        exact        model_list[4].litellm_params.timeout: Is empty.
        exact        model_list[5].model_name: Model `f`.
        exact        model_list[5].litellm_params.model: Asked as `f` at provider `groq`.
        manual       model_list[5].litellm_params.timeout: Is no time from 0.001 s to a day; set `timeouts.first_byte_ms` and `timeouts.between_chunks_ms` at provider `groq`.
        manual       model_list[5].litellm_params.num_retries: Set `retries`, from 0 to 5, at model `f`.
        approximate  model_list[6].model_name: `xai/MODEL` is accepted for every model without being listed; policy says who may.
        exact        model_list[6].litellm_params.model: Provider `xai`, which is asked for models by any name.
        manual       model_list[6].litellm_params.num_retries: Models that are not listed are asked again once; set `retries` where they are.
        manual       model_list[6].litellm_params.weight: Models that are not listed have one target; set `weight` where they are.
        manual       litellm_settings.num_retries: Entries of one model differ, and it has one number of retries; set `retries: 3` at each model if that is meant for all.
        approximate  litellm_settings.request_timeout: Another key of the same meaning is used in its place.
        manual       router_settings.timeout: Entries of one provider differ, and it has one set of timeouts; set `timeouts: { first_byte_ms: 40000, between_chunks_ms: 40000 }` at each provider if that is meant for all.
        exact        router_settings.stream_timeout: Is empty.
        ");
    }

    #[test]
    fn models_are_balanced_where_nothing_keeps_their_targets_in_order() {
        let entries = "model_list:\n\
             - { model_name: a, litellm_params: { model: openai/a, weight: 3 } }\n\
             - { model_name: a, litellm_params: { model: gemini/a, weight: 1 } }\n\
             - { model_name: back, litellm_params: { model: openai/b, weight: 3 } }\n\
             - { model_name: back, litellm_params: { model: gemini/b, weight: 1 } }\n\
             - { model_name: order, litellm_params: { model: openai/c, weight: 3, order: 2 } }\n\
             - { model_name: order, litellm_params: { model: gemini/c, weight: 1, order: 1 } }\n\
             - { model_name: half, litellm_params: { model: openai/d, weight: 0.5 } }\n\
             - { model_name: half, litellm_params: { model: gemini/d, weight: 0.5 } }\n\
             - { model_name: one, litellm_params: { model: openai/e, weight: 3 } }\n\
             - { model_name: none, litellm_params: { model: openai/f } }\n\
             - { model_name: none, litellm_params: { model: gemini/f } }\n\
             litellm_settings: { fallbacks: [ { back: [ one ] } ] }\n\
             router_settings: { model_group_alias: { alias: a }";
        let balanced = |strategy: &str| {
            let (report, file) = imported(&format!("{entries}{strategy} }}\n"));
            let models = file.split("models:\n").nth(1).expect("models").to_owned();
            let lines = report.lines().filter(|line| {
                let about = ["weight:", "routing_strategy:", "model_name: A further"];
                about.iter().any(|key| line.contains(key))
            });
            (models, lines.collect::<Vec<_>>().join("\n"))
        };
        let (models, report) = balanced("");
        assert_snapshot!(models, @"
        - name: a
          balance: weighted
          targets:
            - { provider: openai, model: a, weight: 3 }
            - { provider: gemini, model: a, weight: 1 }
        - name: back
          targets:
            - { provider: openai, model: b }
            - { provider: gemini, model: b }
            - { provider: openai, model: e }
        - name: order
          targets:
            - { provider: gemini, model: c }
            - { provider: openai, model: c }
        - name: half
          targets:
            - { provider: openai, model: d }
            - { provider: gemini, model: d }
        - name: one
          targets:
            - { provider: openai, model: e }
        - name: none
          targets:
            - { provider: openai, model: f }
            - { provider: gemini, model: f }
        - name: alias
          balance: weighted
          targets:
            - { provider: openai, model: a, weight: 3 }
            - { provider: gemini, model: a, weight: 1 }
        ");
        assert_snapshot!(report, @"
        exact        model_list[0].litellm_params.weight: The target's `weight: 3`, and `balance: weighted` at model `a`.
        exact        model_list[1].model_name: A further target of model `a`, beside the others.
        exact        model_list[1].litellm_params.weight: The target's `weight: 1`, and `balance: weighted` at model `a`.
        manual       model_list[2].litellm_params.weight: A balanced model may ask any of its targets first, those of its fallbacks too; if that is meant, set `weight` at each and `balance: weighted` at the model.
        approximate  model_list[3].model_name: A further target of model `back`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.
        manual       model_list[3].litellm_params.weight: A balanced model may ask any of its targets first, those of its fallbacks too; if that is meant, set `weight` at each and `balance: weighted` at the model.
        manual       model_list[4].litellm_params.weight: A balanced model has no order of targets; choose `balance: weighted` at the model with `weight` at each target, or the order, which is written.
        approximate  model_list[5].model_name: A further target of model `order`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.
        manual       model_list[5].litellm_params.weight: A balanced model has no order of targets; choose `balance: weighted` at the model with `weight` at each target, or the order, which is written.
        manual       model_list[6].litellm_params.weight: Set a whole `weight` from 1 to 1000 at every target of the model, and `balance: weighted` at the model.
        approximate  model_list[7].model_name: A further target of model `half`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.
        manual       model_list[7].litellm_params.weight: Set a whole `weight` from 1 to 1000 at every target of the model, and `balance: weighted` at the model.
        exact        model_list[8].litellm_params.weight: The model has one target, which is asked whatever its weight.
        approximate  model_list[10].model_name: A further target of model `none`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.
        ");
        let (shuffled, report) = balanced(", routing_strategy: simple-shuffle");
        let none = "  - name: none\n";
        let weighted = format!("{none}    balance: weighted\n");
        assert_eq!(shuffled, models.replace(none, &weighted));
        assert_snapshot!(report.lines().last().expect("a line"), @"manual       router_settings.routing_strategy: `balance: weighted` at models with several targets, but not at `back`, `order`, `half`, whose targets have an order, fallbacks or weights that cannot be used; set it there if any target may be asked first.");
        let (busy, report) = balanced(", routing_strategy: least-busy");
        assert_eq!(busy.matches("balance: least_busy").count(), 4);
        assert!(!busy.contains("weight"), "{busy}");
        assert_snapshot!(report, @"
        exact        model_list[0].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        exact        model_list[1].model_name: A further target of model `a`, beside the others.
        exact        model_list[1].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        exact        model_list[2].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        approximate  model_list[3].model_name: A further target of model `back`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.
        exact        model_list[3].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        exact        model_list[4].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        approximate  model_list[5].model_name: A further target of model `order`, asked where the ones before it fail; set `balance: weighted` to spread requests over all, as LiteLLM does.
        exact        model_list[5].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        exact        model_list[6].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        exact        model_list[7].model_name: A further target of model `half`, beside the others.
        exact        model_list[7].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        exact        model_list[8].litellm_params.weight: LiteLLM reads no weight under this routing strategy.
        exact        model_list[10].model_name: A further target of model `none`, beside the others.
        manual       router_settings.routing_strategy: `balance: least_busy` at models with several targets, but not at `back`, `order`, whose targets have an order, fallbacks or weights that cannot be used; set it there if any target may be asked first.
        ");
        let (other, report) = balanced(", routing_strategy: latency-based-routing");
        assert!(
            !other.contains("balance") && !other.contains("weight"),
            "{other}"
        );
        assert_snapshot!(report.lines().last().expect("a line"), @"unsupported  router_settings.routing_strategy: Lattice does not route by latency, usage or cost; set `balance: weighted` or `balance: least_busy` at models with several targets.");
    }

    #[test]
    fn a_wildcard_is_a_provider_of_that_name() {
        let (report, file) = imported(
            "model_list:\n\
             - { model_name: mine, litellm_params: { model: anthropic/claude-x, api_key: os.environ/A } }\n\
             - { model_name: 'claude/*', litellm_params: { model: 'anthropic/*', api_key: os.environ/A } }\n\
             - { model_name: '*', litellm_params: { model: 'openai/*' } }\n\
             - { model_name: 'azure/*', litellm_params: { model: 'azure/*' } }\n",
        );
        assert_snapshot!(file, @"
        # yaml-language-server: $schema=./lattice.schema.json
        # Imported from config.yaml by `lattice config import --from litellm`.
        providers:
          claude: { kind: anthropic, api_key: { env: A } }
          openai: { kind: openai, api_key: { env: OPENAI_API_KEY } }
        models:
          - name: mine
            targets:
              - { provider: claude, model: claude-x }
        ");
        assert_snapshot!(report, @"
        exact        model_list[0].model_name: Model `mine`.
        exact        model_list[0].litellm_params.model: Asked as `claude-x` at provider `claude`.
        exact        model_list[0].litellm_params.api_key: The provider's `api_key` is `{ env: A }`.
        approximate  model_list[1].model_name: `claude/MODEL` is accepted for every model without being listed; policy says who may.
        exact        model_list[1].litellm_params.model: Provider `claude`, which is asked for models by any name.
        exact        model_list[1].litellm_params.api_key: The provider's `api_key` is `{ env: A }`.
        manual       model_list[2].model_name: There are no patterns; clients write `openai/MODEL`, or list the models by name.
        exact        model_list[2].litellm_params.model: Provider `openai`, which is asked for models by any name.
        unsupported  model_list[3].model_name: Belongs to a target that was left out; `litellm_params.model` says why.
        unsupported  model_list[3].litellm_params.model: Azure OpenAI is not served; use the model at OpenAI, or put a server that speaks OpenAI's API in front.
        ");
    }

    #[test]
    fn whatever_stands_anywhere_is_graded() {
        let odd = [
            json!(null),
            json!([null, 1, "x", [], {}]),
            json!({ "": 1, "a b": { "c": [] } }),
            json!("text"),
            json!(true),
        ];
        let places: [&dyn Fn(Value) -> Value; 6] = [
            &|odd| json!({ "model_list": odd }),
            &|odd| json!({ "model_list": [odd] }),
            &|odd| json!({ "model_list": [{ "model_name": "m", "litellm_params": odd }] }),
            &|odd| json!({ "model_list": [{ "model_name": odd, "litellm_params": { "model": "openai/m", "api_key": odd, "api_base": odd }, "model_info": odd }] }),
            &|odd| json!({ "litellm_settings": odd, "environment_variables": odd }),
            &|odd| json!({ "router_settings": { "fallbacks": odd, "model_group_alias": odd, "default_fallbacks": odd, "max_request_size_mb": odd, "callbacks": odd } }),
        ];
        for odd in odd {
            for place in places {
                let document = place(odd.clone());
                let rows = import(&document, &|_| None);
                assert!(rows.rows.iter().all(|row| !row.note.is_empty()));
                parse(Path::new("lattice.yaml"), &write::text(&rows.draft, "\n:"))
                    .unwrap_or_else(|error| panic!("{document}: {error}"));
            }
        }
    }
}
