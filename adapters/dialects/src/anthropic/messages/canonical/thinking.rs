//! How hard to think, and what the answer must look like.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::canonical::{Effort, Format, Schema, Unsupported};
use crate::fields::{Dropped, Object, Path};

/// `output_config`, and `output_format`, as its second half was called before.
pub(super) struct Answer<'a> {
    pub format: Format<'a>,
    pub effort: Option<Effort>,
}

/// `thinking`, with the effort that goes with it.
pub(super) struct Thinking {
    pub effort: Option<Effort>,
    pub budget: Option<u64>,
    pub show: Option<bool>,
}

impl<'a> Answer<'a> {
    pub(super) fn read(
        body: &mut Object<'_, 'a>,
        dropped: &mut Dropped,
    ) -> Result<Self, Unsupported> {
        let mut answer = Self {
            format: Format::Text,
            effort: None,
        };
        if let Some(json) = body.take("output_format") {
            answer.format = format(json, &Path::Body.member("output_format"))?;
        }
        let Some(json) = body.take("output_config") else {
            return Ok(answer);
        };
        let at = Path::Body.member("output_config");
        let mut config = Object::read(json, &at)?;
        if let Some(json) = config.take("format") {
            if !matches!(answer.format, Format::Text) {
                return Err(config.refuse("format", "comes beside output_format; send one of them"));
            }
            answer.format = format(json, &at.member("format"))?;
        }
        if config.take("task_budget").is_some() {
            dropped.note("output_config.task_budget");
        }
        answer.effort = effort(&mut config)?;
        config.end()?;
        Ok(answer)
    }
}

fn format<'a>(json: &'a RawValue, at: &Path<'_>) -> Result<Format<'a>, Unsupported> {
    let mut format = Object::read(json, at)?;
    if format.needed("type")? != "json_schema" {
        return Err(format.refuse("type", "must be json_schema"));
    }
    let schema = format.schema("schema")?;
    let schema =
        schema.ok_or_else(|| format.refuse("schema", "must be a JSON schema: an object"))?;
    format.end()?;
    Ok(Format::JsonSchema(Schema {
        name: Cow::Borrowed(""),
        schema,
        // As it is at Anthropic.
        strict: Some(true),
    }))
}

/// The `output_config` of one message.
pub(super) fn effort_alone(json: &RawValue, at: &Path<'_>) -> Result<Option<Effort>, Unsupported> {
    let mut config = Object::read(json, at)?;
    let effort = effort(&mut config)?;
    config.end()?;
    Ok(effort)
}

fn effort(config: &mut Object<'_, '_>) -> Result<Option<Effort>, Unsupported> {
    let Some(word) = config.text("effort")? else {
        return Ok(None);
    };
    let effort = Effort::parse(&word).filter(|effort| *effort >= Effort::Low);
    match effort {
        Some(effort) => Ok(Some(effort)),
        None => Err(config.refuse("effort", "must be low, medium, high, xhigh or max")),
    }
}

impl Thinking {
    /// `effort` is what was asked for beside it.
    pub(super) fn read(
        body: &mut Object<'_, '_>,
        effort: Option<Effort>,
        dropped: &mut Dropped,
    ) -> Result<Self, Unsupported> {
        let mut read = Self {
            effort,
            budget: None,
            show: None,
        };
        let Some(json) = body.take("thinking") else {
            return Ok(read);
        };
        let at = Path::Body.member("thinking");
        let mut thinking = Object::read(json, &at)?;
        match &*thinking.needed("type")? {
            "disabled" => read.off(dropped),
            "between_tools" => {
                dropped.note("thinking.type: disabled");
                read.off(dropped);
            }
            // What Anthropic's models do when they are asked for no other.
            "adaptive" => read.effort = effort.or(Some(Effort::High)),
            "enabled" => {
                let budget = thinking.typed("budget_tokens", "a non-negative integer")?;
                let needed = || thinking.refuse("budget_tokens", "must be an integer");
                let budget = budget.ok_or_else(needed)?;
                read.budget = Some(budget);
                read.effort = effort.or(Some(nearest(budget)));
            }
            _ => {
                let why = "must be adaptive, enabled, between_tools or disabled";
                return Err(thinking.refuse("type", why));
            }
        }
        read.show = match thinking.text("display")?.as_deref() {
            None => None,
            Some("omitted") => Some(false),
            Some("summarized" | "updates") => Some(true),
            Some(_) => return Err(thinking.refuse("display", "must be summarized or omitted")),
        };
        if thinking.take("block_binding").is_some() {
            dropped.note("thinking.block_binding");
        }
        thinking.end()?;
        Ok(read)
    }

    fn off(&mut self, dropped: &mut Dropped) {
        if self.effort.is_some() {
            dropped.note("output_config.effort");
        }
        self.effort = Some(Effort::None);
    }
}

/// The effort that is mostly thought so long: the steps between are those at
/// which [`encode`](crate::anthropic::messages::encode) gives tokens for efforts,
/// and what every target knows is the highest.
fn nearest(budget: u64) -> Effort {
    match budget {
        0..2048 => Effort::Low,
        2048..8192 => Effort::Medium,
        _ => Effort::High,
    }
}
