//! The input that the gateway would build of a request, from what a person
//! says about it.

use std::num::NonZeroU32;
use std::sync::Arc;

use lattice_kernel::principal::{Auth, Grant, Level, Named, SubjectKind};
use lattice_kernel::{Action, Ask, Clock as _, Dialect, Principal, SystemClock, Target, ToolCall};
use lattice_policy::Input;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::cli::PolicyExplain;
use crate::command::CommandError;
use crate::command::server::price_book;
use crate::config::Config;

/// An input for each target of the model, named `PROVIDER/MODEL`.
pub(super) fn inputs(
    config: &Config,
    options: &PolicyExplain,
    model: &str,
) -> Result<Vec<(String, String)>, CommandError> {
    let who = principal(options)?;
    let ask = ask(options, model)?;
    let at = SystemClock.now();
    targets(config, options, model)?
        .iter()
        .map(|target| {
            let mut input = Input::new(&who, &ask, target, at);
            if let (Some(name), Some(arguments)) = (&options.tool, &options.arguments) {
                input = input.about(ToolCall {
                    name,
                    arguments,
                    json: true,
                });
            }
            let text = input
                .json()
                .map_err(|error| CommandError::Usage(format!("--arguments: {error}")))?;
            Ok((format!("{}/{}", target.provider, target.model), text))
        })
        .collect()
}

fn targets(
    config: &Config,
    options: &PolicyExplain,
    model: &str,
) -> Result<Vec<Arc<Target>>, CommandError> {
    if let Some(provider) = &options.provider {
        let target = Target {
            provider: provider.as_str().into(),
            model: model.into(),
            classification: None,
            local: false,
            price: None,
            max_output_tokens: 4096,
            weight: NonZeroU32::MIN,
        };
        return Ok(vec![Arc::new(target)]);
    }
    let plan = Catalog::new(config, price_book(config)?).plan(model).ok_or_else(|| {
        CommandError::Usage(format!(
            "there is no model {model:?} in the configuration; `lattice model list` shows them, or name a --provider"
        ))
    })?;
    Ok(plan.1.targets().to_vec())
}

fn principal(options: &PolicyExplain) -> Result<Principal, CommandError> {
    let named = |name: &Option<String>| {
        name.as_deref().map(|name| Named {
            id: Uuid::nil(),
            name: name.into(),
        })
    };
    let (user, agent) = (named(&options.user), named(&options.agent));
    let key = named(&options.key).unwrap_or_else(|| Named {
        id: Uuid::nil(),
        name: "key".into(),
    });
    let (kind, subject) = match (&agent, &user) {
        (Some(agent), _) => (SubjectKind::Agent, agent.clone()),
        (None, Some(user)) => (SubjectKind::User, user.clone()),
        (None, None) => (SubjectKind::Key, key.clone()),
    };
    let mut grants: Vec<Grant> = options
        .role
        .iter()
        .map(|role| grant(role))
        .collect::<Result<_, _>>()?;
    grants.sort();
    grants.dedup();
    let texts = |list: &Option<Vec<String>>| {
        list.as_ref()
            .map(|list| list.iter().map(|text| text.as_str().into()).collect())
    };
    Ok(Principal {
        key: Some(key),
        user,
        agent,
        team: named(&options.team),
        org: named(&options.org),
        grants,
        classification: options.team_classification.as_deref().map(Into::into),
        models: texts(&options.models),
        ..Principal::of(kind, subject, Auth::Key)
    })
}

fn grant(text: &str) -> Result<Grant, CommandError> {
    let (level, role) = match text.split_once(':') {
        None => (Level::Own, text),
        Some((level, role)) => {
            let known = Level::parse(level).ok_or_else(|| {
                CommandError::Usage(format!(
                    "--role {text}: there is no level {level:?}; the levels are org, team and own"
                ))
            })?;
            (known, role)
        }
    };
    Ok(Grant {
        level,
        role: role.into(),
    })
}

fn ask(options: &PolicyExplain, model: &str) -> Result<Ask, CommandError> {
    let unknown = |flag: &str, given: &str, known: Vec<&str>| {
        CommandError::Usage(format!(
            "--{flag}: there is no {given:?}; there are {}",
            known.join(", ")
        ))
    };
    let actions = Action::ALL;
    let action = actions
        .into_iter()
        .find(|action| action.as_str() == options.action);
    let action = action.ok_or_else(|| {
        unknown(
            "action",
            &options.action,
            actions.map(Action::as_str).to_vec(),
        )
    })?;
    let dialects = Dialect::ALL;
    let dialect = dialects
        .into_iter()
        .find(|dialect| dialect.as_str() == options.dialect);
    let dialect = dialect.ok_or_else(|| {
        unknown(
            "dialect",
            &options.dialect,
            dialects.map(Dialect::as_str).to_vec(),
        )
    })?;
    Ok(Ask {
        action,
        tools: options
            .tool
            .iter()
            .map(|tool| tool.as_str().into())
            .collect(),
        classification: options.classification.as_deref().map(Into::into),
        ..Ask::listing(dialect, model)
    })
}
