//! `lattice config import --from litellm`: what people see of it, and LiteLLM's own
//! example configurations, item by item.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::{LATTICE, python};
use insta::assert_snapshot;
use regex::Regex;
use serde_json::Value;

/// Runs `lattice …` in a folder, with nothing in its environment but `variables`.
fn lattice(folder: &Path, arguments: &[&str], variables: &BTreeMap<String, String>) -> Output {
    Command::new(LATTICE)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .envs(variables)
        .output()
        .unwrap()
}

fn import(folder: &Path, more: &[&str]) -> Output {
    let arguments = [&["config", "import", "--from", "litellm"], more].concat();
    lattice(folder, &arguments, &BTreeMap::new())
}

/// What it said, and its exit code.
fn screen(output: &Output) -> String {
    let said = String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap();
    format!("{said}exit code {}\n", output.status.code().unwrap())
}

#[test]
fn every_item_is_listed_with_what_became_of_it() {
    let home = tempfile::tempdir().unwrap();
    let config = "\
model_list:
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, temperature: 0.2 }
  - model_name: gpt-4o
    litellm_params: { model: azure/gpt-4o, api_base: https://x.openai.azure.com, api_key: os.environ/AZURE_API_KEY }
  - model_name: qwen
    litellm_params: { model: hosted_vllm/qwen, api_base: http://10.0.0.5:8000/v1, api_key: secret }
litellm_settings:
  drop_params: false
  callbacks: [prometheus, langfuse]
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
";
    fs::write(home.path().join("config.yaml"), config).unwrap();
    assert_snapshot!(screen(&import(home.path(), &["config.yaml"])), @"
    exact        model_list[0].model_name: Model `gpt-4o`.
    exact        model_list[0].litellm_params.model: Asked as `gpt-4o` at provider `openai`.
    exact        model_list[0].litellm_params.api_key: The provider's `api_key` is `{ env: OPENAI_API_KEY }`.
    unsupported  model_list[0].litellm_params.temperature: LiteLLM adds it to each request; Lattice sends what the client wrote, so let clients send it.
    unsupported  model_list[1].model_name: Belongs to a target that was left out; `litellm_params.model` says why.
    unsupported  model_list[1].litellm_params.model: Azure OpenAI is not served; use the model at OpenAI, or put a server that speaks OpenAI's API in front.
    unsupported  model_list[1].litellm_params.api_base: Belongs to a target that was left out; `litellm_params.model` says why.
    unsupported  model_list[1].litellm_params.api_key: Belongs to a target that was left out; `litellm_params.model` says why.
    exact        model_list[2].model_name: Model `qwen`.
    exact        model_list[2].litellm_params.model: Asked as `qwen` at provider `hosted_vllm`.
    exact        model_list[2].litellm_params.api_base: The provider's `base_url`.
    manual       model_list[2].litellm_params.api_key: A key does not belong in a file: put it in the environment variable HOSTED_VLLM_API_KEY, which the provider reads.
    exact        litellm_settings.drop_params: Is off, as it is in Lattice.
    approximate  litellm_settings.callbacks[0]: `/metrics` on the admin listener is always there; names differ, so change dashboards to `gen_ai_*` and `lattice_*`.
    unsupported  litellm_settings.callbacks[1]: Lattice calls no logging services; read `/metrics`, or `lattice audit export`.
    manual       general_settings.master_key: No key opens everything here: make one for each client with `lattice key create --name NAME`.

    16 items: 7 exact, 1 approximate, 2 manual, 6 unsupported
    lattice.yaml written with 2 providers and 2 models; `lattice config check --config lattice.yaml` reads it
    it reads keys from the environment: HOSTED_VLLM_API_KEY, OPENAI_API_KEY
    exit code 1
    ");
    let written = fs::read_to_string(home.path().join("lattice.yaml")).unwrap();
    assert_snapshot!(written, @r#"
    # yaml-language-server: $schema=./lattice.schema.json
    # Imported from config.yaml by `lattice config import --from litellm`.
    providers:
      openai: { kind: openai, api_key: { env: OPENAI_API_KEY } }
      hosted_vllm: { kind: openai_compatible, base_url: "http://10.0.0.5:8000/v1", api_key: { env: HOSTED_VLLM_API_KEY } }
    models:
      - name: gpt-4o
        targets:
          - { provider: openai, model: gpt-4o }
      - name: qwen
        targets:
          - { provider: hosted_vllm, model: qwen }
    "#);
    let again = import(home.path(), &["config.yaml", "--json"]);
    assert_snapshot!(screen(&again), @"
    lattice: lattice.yaml is there already and is left alone; name another with --output
    exit code 2
    ");
}

#[test]
fn a_file_that_comes_across_whole_is_a_success() {
    let home = tempfile::tempdir().unwrap();
    let config = "model_list: [ { model_name: m, litellm_params: { model: gpt-5-mini } } ]";
    fs::write(home.path().join("config.yaml"), config).unwrap();
    let done = import(
        home.path(),
        &["config.yaml", "--output", "l.yaml", "--json"],
    );
    assert_snapshot!(screen(&done), @r#"
    [
      {
        "path": "model_list[0].model_name",
        "grade": "exact",
        "note": "Model `m`."
      },
      {
        "path": "model_list[0].litellm_params.model",
        "grade": "exact",
        "note": "Asked as `gpt-5-mini` at provider `openai`."
      }
    ]
    exit code 0
    "#);
    let key = BTreeMap::from([("OPENAI_API_KEY".to_owned(), "sk-x".to_owned())]);
    let checked = lattice(
        home.path(),
        &["config", "check", "--config", "l.yaml"],
        &key,
    );
    assert!(checked.status.success(), "{}", screen(&checked));
}

#[test]
fn timeouts_retries_and_weights_come_across() {
    let home = tempfile::tempdir().unwrap();
    let config = "\
model_list:
  - model_name: m
    litellm_params: { model: openai/gpt-5, timeout: 30, weight: 9, num_retries: 2 }
  - model_name: m
    litellm_params: { model: groq/llama, weight: 1, num_retries: 2 }
router_settings: { routing_strategy: simple-shuffle, stream_timeout: 7.5 }
";
    fs::write(home.path().join("config.yaml"), config).unwrap();
    let done = import(home.path(), &["config.yaml"]);
    assert_eq!(done.status.code(), Some(0), "{}", screen(&done));
    check(home.path(), "lattice.yaml");
    let written = fs::read_to_string(home.path().join("lattice.yaml")).unwrap();
    assert_snapshot!(written, @r#"
    # yaml-language-server: $schema=./lattice.schema.json
    # Imported from config.yaml by `lattice config import --from litellm`.
    providers:
      openai: { kind: openai, api_key: { env: OPENAI_API_KEY }, timeouts: { first_byte_ms: 30000, between_chunks_ms: 7500 } }
      groq: { kind: openai_compatible, base_url: "https://api.groq.com/openai/v1", api_key: { env: GROQ_API_KEY }, timeouts: { between_chunks_ms: 7500 } }
    models:
      - name: m
        balance: weighted
        retries: 2
        targets:
          - { provider: openai, model: gpt-5, weight: 9 }
          - { provider: groq, model: llama, weight: 1 }
    "#);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    fs::write(
        home.path().join("broken.yaml"),
        "model_list:\n  - [a\nb: sk-canary\n",
    )
    .unwrap();
    assert_snapshot!(screen(&import(home.path(), &["broken.yaml"])), @"
    lattice: broken.yaml:3:2: illegal placement of ':' indicator
    exit code 2
    ");
    assert_snapshot!(screen(&import(home.path(), &["missing.yaml"])), @"
    lattice: cannot read missing.yaml: No such file or directory (os error 2)
    exit code 2
    ");
    assert!(!home.path().join("lattice.yaml").exists());
}

/// The configurations among the YAML files below `folder`: LiteLLM keeps lists of words in
/// such files too.
fn configurations(folder: &Path, found: &mut Vec<(PathBuf, Value)>) {
    const SECTIONS: [&str; 4] = [
        "model_list",
        "guardrails",
        "litellm_settings",
        "general_settings",
    ];
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            configurations(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = fs::read_to_string(&path).unwrap();
            let options = serde_saphyr::options! { strict_booleans: true };
            let document: Value = serde_saphyr::from_str_with_options(&text, options).unwrap();
            if SECTIONS
                .iter()
                .any(|section| document.get(section).is_some())
            {
                found.push((path, document));
            }
        }
    }
}

/// How many leaves there are; what is empty is one.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(members) if !members.is_empty() => members.values().map(leaves).sum(),
        Value::Array(items) if !items.is_empty() => items.iter().map(leaves).sum(),
        _ => 1,
    }
}

/// The grades of rows whose path ends in `.litellm_params.model`, by the provider that the
/// document names there.
fn grades_of_models(document: &Value, rows: &[Value]) -> Vec<(String, String)> {
    let entries = document["model_list"].as_array().into_iter().flatten();
    let graded = entries.enumerate().filter_map(|(index, entry)| {
        let model = entry["litellm_params"]["model"].as_str()?;
        let path = format!("model_list[{index}].litellm_params.model");
        let row = rows
            .iter()
            .find(|row| row["path"] == path.as_str())
            .unwrap();
        let provider = model.split_once('/').map_or("", |(provider, _)| provider);
        Some((
            provider.to_owned(),
            row["grade"].as_str().unwrap().to_owned(),
        ))
    });
    graded.collect()
}

/// `lattice config check` with every variable set that the file asks for.
fn check(folder: &Path, file: &str) {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let variables = Regex::new(r#"\{ env: "?(\w+)"? \}"#).unwrap();
    let variables = variables
        .captures_iter(&text)
        .map(|found| (found[1].to_owned(), "dummy".to_owned()))
        .collect();
    let checked = lattice(folder, &["config", "check", "--config", file], &variables);
    assert!(checked.status.success(), "{text}{}", screen(&checked));
}

#[test]
fn litellms_own_examples_are_graded_item_by_item() {
    let Some(package) = python::package("litellm") else {
        return;
    };
    let mut found = Vec::new();
    configurations(&package.join("proxy"), &mut found);
    assert!(
        found.len() >= 20,
        "LiteLLM keeps its examples elsewhere now"
    );
    let home = tempfile::tempdir().unwrap();
    let mut grades: BTreeMap<String, usize> = BTreeMap::new();
    for (index, (path, document)) in found.iter().enumerate() {
        let output = format!("{index}.yaml");
        let path = path.to_str().unwrap();
        let done = import(home.path(), &[path, "--output", &output, "--json"]);
        let rows: Vec<Value> = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(rows.len(), leaves(document), "{path}");
        let paths: BTreeSet<&str> = rows
            .iter()
            .map(|row| row["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths.len(), rows.len(), "{path}: an item is listed twice");
        let mut is_open = false;
        for row in &rows {
            let grade = row["grade"].as_str().unwrap();
            is_open |= matches!(grade, "manual" | "unsupported");
            assert!(
                row["note"].as_str().unwrap().ends_with('.'),
                "{path}: {row}"
            );
            *grades.entry(grade.to_owned()).or_default() += 1;
        }
        assert_eq!(done.status.code(), Some(is_open.into()), "{path}");
        for (provider, grade) in grades_of_models(document, &rows) {
            let expected: &[&str] = match provider.as_str() {
                "bedrock" | "azure" | "azure_ai" | "vertex_ai" | "cohere" | "voyage"
                | "auto_router" => &["unsupported"],
                "anthropic" | "openai" | "gemini" | "groq" => &["exact", "manual"],
                "ollama" => &["approximate"],
                _ => &["exact", "manual", "unsupported"],
            };
            assert!(expected.contains(&&*grade), "{path}: {provider} is {grade}");
        }
        check(home.path(), &output);
    }
    let items: usize = grades.values().sum();
    println!(
        "{} example configurations, {items} items: {grades:?}",
        found.len()
    );
    assert_eq!(
        grades.keys().collect::<Vec<_>>(),
        ["approximate", "exact", "manual", "unsupported"]
    );
}
