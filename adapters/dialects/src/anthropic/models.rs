//! The listing of models.

use crate::json::quote;

/// A model on offer, as `GET /v1/models` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model<'a> {
    /// The name to ask for.
    pub id: &'a str,
    /// What people call it.
    pub display_name: &'a str,
    /// RFC 3339; Anthropic itself says 1970 where it is not known.
    pub created_at: &'a str,
}

impl Model<'_> {
    /// The JSON of `GET /v1/models/{id}`.
    #[must_use]
    pub fn render(&self) -> String {
        format!(
            r#"{{"type":"model","id":{},"display_name":{},"created_at":{},"lifecycle":"active"}}"#,
            quote(self.id),
            quote(self.display_name),
            quote(self.created_at)
        )
    }
}

/// The JSON of one page of `GET /v1/models`; `has_more`: there are others in the
/// direction that was asked for.
#[must_use]
pub fn list_models<'a>(page: impl IntoIterator<Item = Model<'a>>, has_more: bool) -> String {
    let page: Vec<Model<'a>> = page.into_iter().collect();
    let id = |model: Option<&Model<'_>>| model.map_or("null".to_owned(), |model| quote(model.id));
    let rendered: Vec<String> = page.iter().map(Model::render).collect();
    format!(
        r#"{{"data":[{}],"has_more":{has_more},"first_id":{},"last_id":{}}}"#,
        rendered.join(","),
        id(page.first()),
        id(page.last())
    )
}
