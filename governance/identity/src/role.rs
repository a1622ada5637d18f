//! What a role may say. The shipped policy set reads it; what is misspelt there would
//! give nothing, or forbid nothing, so it is refused when the role is made.

use serde::{Deserialize, Serialize};

/// What callers do, as policy names it.
const ACTIONS: [&str; 4] = ["infer", "embed", "count_tokens", "tool.call"];
/// What they do it to.
const KINDS: [&str; 2] = ["model", "tool"];

/// The permissions of a role, in order; each has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(Vec<Permission>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    actions: Vec<String>,
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Effect::is_allow")]
    effect: Effect,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Effect {
    #[default]
    Allow,
    Deny,
}

impl Effect {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    fn is_allow(&self) -> bool {
        *self == Self::Allow
    }
}

/// Why a role cannot be made; a sentence for the operator that names the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRole(String);

impl Permissions {
    /// Reads a JSON array of `{"actions": […], "resources": […], "effect": "allow"|"deny"}`,
    /// or an object with that array as `permissions` and nothing else.
    ///
    /// # Errors
    /// [`BadRole`].
    pub fn parse(json: &str) -> Result<Self, BadRole> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            permissions: Vec<Permission>,
        }
        let read = if json.trim_start().starts_with('{') {
            serde_json::from_str(json).map(|whole: Whole| whole.permissions)
        } else {
            serde_json::from_str(json)
        };
        let permissions: Vec<Permission> = read.map_err(|error| {
            BadRole(format!(
                "{error}; a role is written [{{\"actions\": [\"infer\"], \"resources\": [\"model:gpt-*\"], \"effect\": \"allow\"}}]"
            ))
        })?;
        for permission in &permissions {
            if permission.actions.is_empty() || permission.resources.is_empty() {
                return Err(BadRole(
                    "a permission without an action or without a resource has no effect; name at least one of each, or write \"*\"".to_owned(),
                ));
            }
            permission
                .actions
                .iter()
                .try_for_each(|name| action(name))?;
            permission
                .resources
                .iter()
                .try_for_each(|name| resource(name))?;
        }
        Self::of(permissions)
    }

    /// One permission for each `ACTION:RESOURCE`, such as `infer:model:gpt-*`; those that
    /// deny go first.
    ///
    /// # Errors
    /// [`BadRole`].
    pub fn of_rules<'a>(
        allow: impl IntoIterator<Item = &'a str>,
        deny: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BadRole> {
        let deny = deny.into_iter().map(|rule| (rule, Effect::Deny));
        let allow = allow.into_iter().map(|rule| (rule, Effect::Allow));
        Self::of(
            deny.chain(allow)
                .map(|(text, effect)| rule(text, effect))
                .collect::<Result<_, _>>()?,
        )
    }

    fn of(permissions: Vec<Permission>) -> Result<Self, BadRole> {
        if permissions.is_empty() {
            return Err(BadRole(
                "a role without permissions gives nothing; say what it allows or denies".to_owned(),
            ));
        }
        Ok(Self(permissions))
    }

    /// The JSON array, in one line.
    #[must_use]
    pub fn json(&self) -> String {
        // Strings and an enum: there is nothing in it that JSON has no form for.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// `allow ACTION:RESOURCE` and `deny ACTION:RESOURCE`, one for each pair.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        let pairs = |permission: &Permission| {
            let word = match permission.effect {
                Effect::Allow => "allow",
                Effect::Deny => "deny",
            };
            let of_action = |action: &String| -> Vec<String> {
                let resources = permission.resources.iter();
                resources
                    .map(|resource| format!("{word} {action}:{resource}"))
                    .collect()
            };
            permission
                .actions
                .iter()
                .flat_map(of_action)
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(pairs).collect()
    }
}

fn rule(text: &str, effect: Effect) -> Result<Permission, BadRole> {
    let (of, on) = text.split_once(':').ok_or_else(|| {
        BadRole(format!(
            "{text:?} is not ACTION:RESOURCE; write for instance infer:model:gpt-* or tool.call:tool:shell"
        ))
    })?;
    action(of)?;
    resource(on)?;
    Ok(Permission {
        actions: vec![of.to_owned()],
        resources: vec![on.to_owned()],
        effect,
    })
}

fn action(name: &str) -> Result<(), BadRole> {
    if name == "*" || ACTIONS.contains(&name) {
        return Ok(());
    }
    Err(BadRole(format!(
        "the action {name:?} is not known; there are {} and *",
        ACTIONS.join(", ")
    )))
}

/// `*`, or `model:` or `tool:` before a name or the beginning of one.
fn resource(pattern: &str) -> Result<(), BadRole> {
    if pattern == "*" {
        return Ok(());
    }
    let named = pattern
        .split_once(':')
        .filter(|(kind, _)| KINDS.contains(kind));
    let Some((_, name)) = named else {
        return Err(BadRole(format!(
            "the resource {pattern:?} is neither of a model nor of a tool; write model:NAME, tool:NAME or *"
        )));
    };
    let stem = name.strip_suffix('*').unwrap_or(name);
    if stem.contains('*') || name.is_empty() {
        return Err(BadRole(format!(
            "the resource {pattern:?} is not a name or the beginning of one; * stands at the end only, as in model:gpt-*"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_permissions_and_come_back() {
        let role = Permissions::of_rules(
            ["infer:model:gpt-*", "*:*"],
            ["tool.call:tool:mcp:files:delete"],
        )
        .unwrap();
        assert_eq!(
            role.rules(),
            [
                "deny tool.call:tool:mcp:files:delete",
                "allow infer:model:gpt-*",
                "allow *:*"
            ]
        );
        assert_eq!(
            role.json(),
            r#"[{"actions":["tool.call"],"resources":["tool:mcp:files:delete"],"effect":"deny"},{"actions":["infer"],"resources":["model:gpt-*"]},{"actions":["*"],"resources":["*"]}]"#
        );
        assert_eq!(Permissions::parse(&role.json()), Ok(role.clone()));
        let whole = format!(r#" {{"permissions": {} }}"#, role.json());
        assert_eq!(Permissions::parse(&whole), Ok(role));
    }

    #[test]
    fn what_policy_would_not_read_is_refused_by_name() {
        let refused = |json: &str| Permissions::parse(json).unwrap_err().to_string();
        for (json, named) in [
            ("[]", "without permissions"),
            ("7", "a role is written"),
            (
                r#"[{"actions": ["infer"], "resources": ["*"], "efect": "deny"}]"#,
                "efect",
            ),
            (
                r#"[{"actions": ["infer"], "resources": ["*"], "effect": "Deny"}]"#,
                "Deny",
            ),
            (r#"[{"actions": ["infer"]}]"#, "resources"),
            (r#"[{"actions": [], "resources": ["*"]}]"#, "no effect"),
            (r#"[{"actions": ["chat"], "resources": ["*"]}]"#, "\"chat\""),
            (
                r#"[{"actions": ["infer"], "resources": ["gpt-5"]}]"#,
                "\"gpt-5\"",
            ),
            (
                r#"[{"actions": ["infer"], "resources": ["model:*-mini"]}]"#,
                "at the end",
            ),
            (
                r#"[{"actions": ["infer"], "resources": ["model:"]}]"#,
                "at the end",
            ),
            (r#"{"permissions": [], "level": "org"}"#, "level"),
        ] {
            assert!(refused(json).contains(named), "{json}: {}", refused(json));
        }
        for rule in [
            "infer",
            "infer:",
            "chat:model:x",
            "infer:model",
            "infer:tool",
        ] {
            assert!(Permissions::of_rules([rule], []).is_err(), "{rule}");
        }
    }
}
