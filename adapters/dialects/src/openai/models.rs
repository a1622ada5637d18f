//! The listing of models.

use crate::json::quote;

/// A model on offer, as `GET /v1/models` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model<'a> {
    /// The name to ask for.
    pub id: &'a str,
    /// Unix seconds.
    pub created: i64,
    /// Who provides it.
    pub owned_by: &'a str,
}

impl Model<'_> {
    /// The JSON of `GET /v1/models/{id}`.
    #[must_use]
    pub fn render(&self) -> String {
        format!(
            r#"{{"id":{},"object":"model","created":{},"owned_by":{}}}"#,
            quote(self.id),
            self.created,
            quote(self.owned_by)
        )
    }
}

/// The JSON of `GET /v1/models`.
#[must_use]
pub fn list_models<'a>(models: impl IntoIterator<Item = Model<'a>>) -> String {
    let rendered: Vec<String> = models.into_iter().map(|model| model.render()).collect();
    format!(r#"{{"object":"list","data":[{}]}}"#, rendered.join(","))
}
