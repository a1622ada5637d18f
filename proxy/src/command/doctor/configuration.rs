//! The configuration: what it names, whether its secrets are there, what in it cannot
//! be used.

use lattice_providers::{Place, Provider};

use super::check::Check;
use super::known::{Known, Part, Upstream};
use crate::config::ConfigError;

/// What else there would be to look at.
const LATER: &str = "network, state and models are looked at once it can be read";

/// Looks at every section.
pub fn look(known: &Known) -> Vec<Check> {
    let mut checks = vec![file(known)];
    if !known.is_readable() {
        return checks;
    }
    checks.extend(broken(&known.listeners));
    checks.extend(broken(&known.data_dir));
    checks.extend(broken(&known.database));
    checks.extend(
        known
            .providers
            .iter()
            .map(|(name, part)| provider(name, part)),
    );
    checks.extend(models(known));
    match &known.budgets {
        Ok(0) => {}
        Ok(budgets) => checks.push(Check::ok("budgets", budgets.to_string())),
        Err(error) => checks.push(refused(error)),
    }
    checks.push(match &known.policy {
        Ok(policy) => Check::ok("policy", policy.as_str()),
        Err(error) => Check::fail(
            "policy",
            error.as_str(),
            "correct policy.dir or its rules; without it the set that ships with Lattice applies",
        ),
    });
    // What only the sections together get wrong.
    if let Err(error @ ConfigError::Invalid { at, .. }) = &known.whole
        && !checks.iter().any(|check| check.name == *at)
    {
        checks.push(refused(error));
    }
    checks
}

fn file(known: &Known) -> Check {
    let Some(path) = &known.file else {
        return match &known.whole {
            Ok(()) if known.providers.is_empty() => Check::warn(
                "file",
                "no lattice.yaml here, and no provider's key in the environment",
                "lattice quickstart    # a local model; or export OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY; or lattice config init",
            ),
            _ => Check::ok("file", "no lattice.yaml here; the environment applies"),
        };
    };
    let path = path.display();
    match &known.whole {
        Ok(()) => Check::ok("file", format!("{path}: sound")),
        Err(ConfigError::Invalid { .. }) => Check::fail(
            "file",
            format!("{path}: the server refuses it"),
            "mend what follows, then: lattice config check",
        ),
        Err(ConfigError::Unreadable { source, .. }) => Check::fail(
            "file",
            format!("{path}: {source}"),
            format!(
                "name another with --config, or write a first one: lattice config init; {LATER}"
            ),
        ),
        Err(error @ ConfigError::Malformed { .. }) => {
            let said = error.to_string();
            let (found, mend) = said.split_once("; ").unwrap_or((&said, "correct it"));
            Check::fail("file", found, format!("{mend}; {LATER}"))
        }
    }
}

fn broken<T>(part: &Part<T>) -> Option<Check> {
    part.as_ref().err().map(refused)
}

fn refused(error: &ConfigError) -> Check {
    match error {
        ConfigError::Invalid { at, what } => {
            Check::failed(at, what, "; ", "correct it in the configuration")
        }
        other => Check::fail("file", other.to_string(), "correct it"),
    }
}

fn provider(name: &str, part: &Part<Upstream>) -> Check {
    let title = format!("provider {name}");
    match part {
        Err(error) => refused(error),
        Ok(Upstream::Local(_)) => Check::ok(title, "runs models in this process"),
        Ok(Upstream::Remote(provider)) => remote(title, provider),
    }
}

fn remote(title: String, provider: &Provider) -> Check {
    let kind = provider.kind.name();
    if provider.credential.is_some() {
        return Check::ok(
            title,
            format!("{kind} at {}, with a key", provider.authority),
        );
    }
    let found = format!("{kind} at {}, without a key", provider.authority);
    match provider.kind.place() {
        Place::Remote {
            key_variable: Some(variable),
            ..
        } => Check::warn(
            title,
            found,
            format!("add `api_key: {{ env: {variable} }}` to it, and export {variable}"),
        ),
        _ => Check::ok(title, found),
    }
}

fn models(known: &Known) -> Vec<Check> {
    let errors = known.models.iter().filter_map(|(_, part)| broken(part));
    let mut checks: Vec<Check> = errors.collect();
    let named: Vec<&str> = known
        .models
        .iter()
        .filter(|(_, part)| part.is_ok())
        .map(|(name, _)| name.as_str())
        .collect();
    if !named.is_empty() {
        checks.push(Check::ok("models", named.join(", ")));
    } else if let Some((provider, _)) = known.providers.first().filter(|_| checks.is_empty()) {
        checks.push(Check::ok(
            "models",
            format!("none is named; clients ask for {provider}/MODEL"),
        ));
    }
    checks
}
