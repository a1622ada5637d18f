//! What a request would cost in tokens: `countTokens`.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::GenerateRequest;
use super::facts::{At, Facts};
use super::path::path_of;
use crate::canonical::{Encoded, Request, Unsupported};
use crate::fields::Path;
use crate::gemini::fields::Object;
use crate::json::Malformed;
use crate::splice::Edits;
use crate::tools::ToolNeeded;

/// A `countTokens` request: contents, or a whole request to generate in
/// `generateContentRequest`.
#[derive(Debug, Clone)]
pub struct CountRequest(GenerateRequest);

impl CountRequest {
    /// Reads `body`; `model` is what the path says.
    ///
    /// # Errors
    /// As [`GenerateRequest::parse`].
    pub fn parse(body: Bytes, model: &str) -> Result<Self, Malformed> {
        let found = Facts::read(&body, At::Count)?;
        GenerateRequest::of(found, body, model, false).map(Self)
    }

    /// What the gates ask of it.
    #[must_use]
    pub fn facts(&self) -> &crate::Facts {
        &self.0.facts
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.0.body()
    }

    /// The body for this model, as [`GenerateRequest::rewrite`] writes it.
    #[must_use]
    pub fn rewrite(&self, model: &str) -> Encoded {
        let mut edits = Edits::default();
        let noted = self.0.respell(model, &mut edits);
        let body = edits.apply(self.body());
        Encoded { body, noted }
    }

    /// As [`GenerateRequest::without_tools`].
    ///
    /// # Errors
    /// As there.
    pub fn without_tools(&self, gone: &[&str]) -> Result<Self, ToolNeeded> {
        self.0.without(gone, At::Count).map(Self)
    }

    /// The request that is to be counted.
    ///
    /// # Errors
    /// As [`GenerateRequest::canonical`].
    pub fn canonical(&self) -> Result<Request<'_>, Unsupported> {
        let whole: &RawValue = serde_json::from_slice(self.body())
            .map_err(|_| Path::Body.refuse("must be a JSON object"))?;
        let mut body = Object::read(whole, &Path::Body)?;
        let Some(inner) = body.take("generateContentRequest") else {
            return self.0.read(body, &Path::Body);
        };
        // Google takes one of the two.
        body.take("model");
        body.end()?;
        let at = Path::Body.member(&inner.key);
        self.0.read(Object::read(inner.json, &at)?, &at)
    }
}

/// The path below the API's version that counts for `model`, which may begin with
/// `models/`.
#[must_use]
pub fn count_path(model: &str) -> String {
    path_of(model, "countTokens")
}
