//! A Gemini request as the canonical one, for an upstream of another dialect.
//!
//! Strict rather than lossy: what is neither understood nor a harmless hint is
//! refused by the name of its field.

mod calls;
mod config;
mod contents;
mod media;
mod schema;
mod tools;

use serde_json::value::RawValue;

use super::GenerateRequest;
use crate::canonical::{Request, Unsupported};
use crate::fields::{Dropped, Path};
use crate::gemini::fields::Object;
use config::Config;
use contents::Conversation;
use schema::Schemas;

/// Hints to Google that change nothing of what is asked for.
const HINTS: [&str; 4] = ["safetySettings", "labels", "serviceTier", "store"];

impl GenerateRequest {
    /// What the request asks for, whatever provider it goes to. Texts and media
    /// are borrowed from the body.
    ///
    /// # Errors
    /// [`Unsupported`] names the first field that no other dialect can carry, or
    /// that is not what Google's documentation says it is.
    pub fn canonical(&self) -> Result<Request<'_>, Unsupported> {
        let whole: &RawValue = serde_json::from_slice(&self.body)
            .map_err(|_| Path::Body.refuse("must be a JSON object"))?;
        self.read(Object::read(whole, &Path::Body)?, &Path::Body)
    }

    /// As [`canonical`](Self::canonical), where the request is the object at `at`.
    pub(super) fn read<'a>(
        &'a self,
        mut body: Object<'_, 'a>,
        at: &Path<'_>,
    ) -> Result<Request<'a>, Unsupported> {
        let mut dropped = Dropped::default();
        for hint in HINTS {
            if body.take(hint).is_some() {
                dropped.note(hint);
            }
        }
        if body.take("cachedContent").is_some() {
            let why = "cannot be carried: what it names is at Google only; send its contents";
            return Err(body.refuse("cachedContent", why));
        }
        // Read by `parse`.
        body.take("model");
        let schemas = Schemas::of(self);
        let system = contents::system(&mut body, at)?;
        let conversation = Conversation::read(&mut body, at, &mut dropped)?;
        let tools = tools::offered(&mut body, at, &schemas, &mut dropped)?;
        let tool_choice = tools::choice(&mut body, at, &tools, &mut dropped)?;
        let config = Config::read(&mut body, at, &schemas, &mut dropped)?;
        body.end()?;
        Ok(Request {
            model: self.facts.model.as_str().into(),
            system,
            turns: conversation.dialogue.turns,
            tools,
            tool_choice,
            max_output_tokens: self.facts.output_cap,
            n: self.facts.n,
            stream: self.facts.stream,
            dropped: dropped.0,
            ..config.into_request()
        })
    }
}
