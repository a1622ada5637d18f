//! What quickstart prints.

use std::io::Write as _;

use lattice_kernel::{NanoUsd, Secret};
use serde_json::Value;

use super::ask::{Asked, QUESTION};
use crate::listen::Addresses;
use crate::say::say;

/// A step has begun, or is done.
pub fn step(number: u8, name: &str, what: &str) {
    say!("{number}/4 {name:<9} {what}");
}

/// More of the step.
pub fn detail(what: &str) {
    say!("              {what}");
}

/// Where the gateway is.
pub fn gateway(addresses: Addresses) {
    let Addresses { clients, admin } = addresses;
    step(
        2,
        "gateway",
        &format!("{clients}/v1 for clients, {admin} for /metrics and /readyz"),
    );
}

/// The key, this once.
pub fn key(name: &str, secret: &Secret) {
    step(
        3,
        "key",
        &format!("{} (named {name}, shown this once)", secret.expose()),
    );
}

/// What is asked of whom.
pub fn request(model: &str) {
    step(4, "request", &format!("{model}, streamed: {QUESTION:?}\n"));
}

/// A piece of the answer, as it comes.
pub fn piece(text: &str) {
    // Somebody who cannot see the answer cannot be told so either.
    drop(write!(std::io::stdout(), "{text}"));
    drop(std::io::stdout().flush());
}

/// What each gate decided, by the request's own records in the audit chain.
pub fn gates(asked: &Asked, leaves: &[(i64, Value)], verified: &str) {
    say!(
        "\n\nWhat each gate decided ({} µs in all before the model was asked):",
        asked.overhead_us
    );
    for line in decided(leaves, verified) {
        say!("  {line}");
    }
}

fn decided(leaves: &[(i64, Value)], verified: &str) -> Vec<String> {
    let none = (0, Value::Null);
    let of = |kind: &str| {
        leaves
            .iter()
            .find(|(_, leaf)| leaf["kind"] == kind)
            .unwrap_or(&none)
    };
    let ((before, intent), (after, outcome)) = (of("intent"), of("outcome"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let held = match intent["reserved_nano_usd"]
        .as_i64()
        .and_then(NanoUsd::from_i64)
    {
        Some(held) => format!("{held} USD held before the call"),
        None => "no budget applies to this key".to_owned(),
    };
    let cost = match outcome["cost_nano_usd"]
        .as_i64()
        .and_then(NanoUsd::from_i64)
    {
        Some(NanoUsd::ZERO) => "free of charge".to_owned(),
        Some(cost) => format!("{cost} USD"),
        None => "no price".to_owned(),
    };
    let milliseconds = |value: &Value| value.as_u64().unwrap_or_default() / 1000;
    vec![
        format!("identity       key {:?}", text(&intent["key"]["name"])),
        format!(
            "authorization  allowed by the policy set of revision {:.12}",
            text(&intent["policy"]["revision"])
        ),
        format!("constraints    {held}"),
        format!(
            "execution      {}/{}: {} tokens in, {} out, first after {} ms, last after {} ms, {cost}",
            text(&outcome["provider"]),
            text(&outcome["model"]),
            outcome["usage"]["input"],
            outcome["usage"]["output"],
            milliseconds(&outcome["ttft_us"]),
            milliseconds(&outcome["duration_us"]),
        ),
        format!(
            "audit          leaf {before} on disk before the call, leaf {after} after it; {verified}"
        ),
    ]
}

/// What to do next.
pub fn stays_up(addresses: Addresses, secret: &Secret, model: &str) {
    let clients = addresses.clients;
    say!(
        "\nThe gateway stays up until Ctrl-C. In another terminal, with any OpenAI client:\n\n\
         \u{20} export OPENAI_BASE_URL={clients}/v1 OPENAI_API_KEY={}\n\
         \u{20} curl $OPENAI_BASE_URL/chat/completions -H \"Authorization: Bearer $OPENAI_API_KEY\" -H 'Content-Type: application/json' \\\n\
         \u{20}   -d '{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'\n\n\
         `lattice server` starts it again with the same data; with ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY\n\
         set it serves those providers too. `lattice audit verify` proves the record, `lattice doctor` looks at the machine.",
        secret.expose()
    );
}
