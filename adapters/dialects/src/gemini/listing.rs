//! The listing of models.

use crate::json::Writer;

/// What can be done with every model that generates.
const METHODS: [&str; 3] = ["generateContent", "streamGenerateContent", "countTokens"];

/// A model on offer, as `GET /v1beta/models` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model<'a> {
    /// The name to ask for, without `models/`.
    pub name: &'a str,
    /// The most output tokens of one reply.
    pub output_token_limit: Option<u64>,
}

impl Model<'_> {
    /// The JSON of `GET /v1beta/models/{name}`.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = Writer::default();
        out.open(b'{');
        out.member("name", &format!("models/{}", self.name));
        out.member("version", "");
        out.member("displayName", self.name);
        if let Some(limit) = self.output_token_limit {
            out.key("outputTokenLimit");
            out.scalar(limit);
        }
        out.key("supportedGenerationMethods");
        out.open(b'[');
        for method in METHODS {
            out.string(method);
        }
        out.close(b']');
        out.close(b'}');
        String::from_utf8(out.into_bytes()).unwrap_or_default()
    }
}

/// The JSON of `GET /v1beta/models`: all of them on one page.
#[must_use]
pub fn list_models<'a>(models: impl IntoIterator<Item = Model<'a>>) -> String {
    let rendered: Vec<String> = models.into_iter().map(|model| model.render()).collect();
    format!(r#"{{"models":[{}]}}"#, rendered.join(","))
}
