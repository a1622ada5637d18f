//! `generationConfig`: sampling, the answer's shape, and thinking.

use std::borrow::Cow;

use serde_json::Number;

use super::schema::Schemas;
use super::tools;
use crate::canonical::{Effort, Format, Request, Schema, Unsupported};
use crate::fields::{Dropped, Path};
use crate::gemini::fields::Object;
use crate::json::Str;

/// What it says.
#[derive(Default)]
pub(super) struct Config<'a> {
    stop: Vec<Cow<'a, str>>,
    temperature: Option<Number>,
    top_p: Option<Number>,
    top_k: Option<u64>,
    seed: Option<i64>,
    presence_penalty: Option<Number>,
    frequency_penalty: Option<Number>,
    format: Format<'a>,
    thinking: Thinking,
}

#[derive(Default)]
struct Thinking {
    effort: Option<Effort>,
    budget: Option<u64>,
    shown: Option<bool>,
}

impl<'a> Config<'a> {
    pub(super) fn read(
        body: &mut Object<'_, 'a>,
        at: &Path<'_>,
        schemas: &Schemas<'a>,
        dropped: &mut Dropped,
    ) -> Result<Self, Unsupported> {
        let Some(field) = body.take("generationConfig") else {
            return Ok(Self::default());
        };
        let at = at.member(&field.key);
        let mut config = Object::read(field.json, &at)?;
        // Read by `parse`.
        for known in ["maxOutputTokens", "candidateCount"] {
            config.take(known);
        }
        // How finely it looks at media.
        if config.take("mediaResolution").is_some() {
            dropped.note("generationConfig.mediaResolution");
        }
        refuse_foreign(&mut config)?;
        let stop: Option<Vec<Str<'a>>> = config.typed("stopSequences", "an array of strings")?;
        let read = Self {
            stop: stop.into_iter().flatten().map(|text| text.0).collect(),
            temperature: config.typed("temperature", "a number")?,
            top_p: config.typed("topP", "a number")?,
            top_k: top_k(&mut config)?,
            seed: config.typed("seed", "an integer")?,
            presence_penalty: config.typed("presencePenalty", "a number")?,
            frequency_penalty: config.typed("frequencyPenalty", "a number")?,
            format: format(&mut config, &at, schemas, dropped)?,
            thinking: thinking(&mut config, &at)?,
        };
        config.end()?;
        Ok(read)
    }

    /// A request that asks for this and nothing else yet.
    pub(super) fn into_request(self) -> Request<'a> {
        Request {
            stop: self.stop,
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            seed: self.seed,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            format: self.format,
            effort: self.thinking.effort,
            thinking_budget: self.thinking.budget,
            show_thoughts: self.thinking.shown,
            ..Request::default()
        }
    }
}

fn refuse_foreign(config: &mut Object<'_, '_>) -> Result<(), Unsupported> {
    let modalities: Option<Vec<Str<'_>>> =
        config.typed("responseModalities", "an array of strings")?;
    let is_text = |name: &Str<'_>| name.0.eq_ignore_ascii_case("TEXT");
    if modalities.is_some_and(|names| !names.iter().all(is_text)) {
        let why = "must be [\"TEXT\"]: the answer can be text only";
        return Err(config.refuse("responseModalities", why));
    }
    let logprobs = config.typed("responseLogprobs", "true or false")?;
    if logprobs == Some(true) || config.take("logprobs").is_some() {
        let why =
            "cannot be carried: this model's provider tells no log probabilities; leave it out";
        return Err(config.refuse("responseLogprobs", why));
    }
    if config.take("speechConfig").is_some() {
        let why = "cannot be carried: the answer can be text only; leave it out";
        return Err(config.refuse("speechConfig", why));
    }
    Ok(())
}

/// Google's clients spell it with a fraction.
fn top_k(config: &mut Object<'_, '_>) -> Result<Option<u64>, Unsupported> {
    let Some(number) = config.typed::<f64>("topK", "a number")? else {
        return Ok(None);
    };
    if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
        Ok(Some(number as u64))
    } else {
        Err(config.refuse("topK", "must be a non-negative integer"))
    }
}

fn format<'a>(
    config: &mut Object<'_, 'a>,
    at: &Path<'_>,
    schemas: &Schemas<'a>,
    dropped: &mut Dropped,
) -> Result<Format<'a>, Unsupported> {
    let media_type = config.text("responseMimeType")?;
    let schema = tools::schema(
        (config.take("responseSchema"), "responseSchema"),
        config.take("responseJsonSchema"),
        at,
        schemas,
        dropped,
    )?;
    match (media_type.as_deref(), schema) {
        (None | Some("application/json"), Some(schema)) => Ok(Format::JsonSchema(Schema {
            // There it has none, and elsewhere it must have one.
            name: "response".into(),
            schema,
            strict: None,
        })),
        (Some("application/json"), None) => Ok(Format::JsonObject),
        (None | Some("text/plain"), None) => Ok(Format::Text),
        _ => {
            let why = "must be text/plain without a schema, or application/json";
            Err(config.refuse("responseMimeType", why))
        }
    }
}

fn thinking(config: &mut Object<'_, '_>, at: &Path<'_>) -> Result<Thinking, Unsupported> {
    let Some(field) = config.take("thinkingConfig") else {
        return Ok(Thinking::default());
    };
    let at = at.member(&field.key);
    let mut thinking = Object::read(field.json, &at)?;
    let shown = thinking.typed("includeThoughts", "true or false")?;
    let budget: Option<i64> = thinking.typed("thinkingBudget", "an integer")?;
    let level = match thinking.text("thinkingLevel")?.as_deref() {
        None | Some("THINKING_LEVEL_UNSPECIFIED") => None,
        Some(level) => {
            let known = Effort::parse(&level.to_ascii_lowercase());
            let known = known.filter(|it| (Effort::Minimal..=Effort::ExtraHigh).contains(it));
            Some(known.ok_or_else(|| {
                let why = "must be MINIMAL, LOW, MEDIUM, HIGH or XHIGH";
                thinking.refuse("thinkingLevel", why)
            })?)
        }
    };
    let read = match (budget, level) {
        (Some(_), Some(_)) => {
            let why = "contradicts thinkingLevel; send one of the two";
            return Err(thinking.refuse("thinkingBudget", why));
        }
        // As much as it likes.
        (None | Some(-1), effort) => (effort, None),
        (Some(0), None) => (Some(Effort::None), None),
        (Some(tokens @ 1..), None) => (Some(nearest(tokens)), u64::try_from(tokens).ok()),
        (Some(_), None) => {
            let why = "must be a number of tokens, 0 for none, or -1";
            return Err(thinking.refuse("thinkingBudget", why));
        }
    };
    thinking.end()?;
    Ok(Thinking {
        effort: read.0,
        budget: read.1,
        shown,
    })
}

/// The effort that Google's own endpoint for OpenAI's clients takes for a budget.
fn nearest(tokens: i64) -> Effort {
    match tokens {
        ..=1024 => Effort::Low,
        1025..=8192 => Effort::Medium,
        _ => Effort::High,
    }
}
