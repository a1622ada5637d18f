//! The models on offer, as each dialect lists them.

use lattice_dialects::{anthropic, gemini, openai};
use lattice_kernel::Dialect;
use percent_encoding::percent_decode_str;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How many models a page of Anthropic's holds where nobody says.
const PAGE: usize = 20;
/// The longest that may be asked for.
const LONGEST_PAGE: usize = 1000;

/// Writes listings of one dialect.
pub struct Listing {
    dialect: Dialect,
    /// Stands for the time at which a model was made, which nobody knows here.
    since: OffsetDateTime,
    written: String,
}

impl Listing {
    /// Models that are on offer since `since`.
    pub fn new(dialect: Dialect, since: OffsetDateTime) -> Self {
        Self {
            dialect,
            since,
            written: since.format(&Rfc3339).unwrap_or_default(),
        }
    }

    /// One model.
    pub fn one(&self, id: &str) -> String {
        match self.dialect {
            Dialect::OpenAi => self.openai(id).render(),
            Dialect::Anthropic => self.anthropic(id).render(),
            Dialect::Gemini => google(id).render(),
        }
    }

    /// All of them, or the page that `query` asks for where the dialect has pages.
    pub fn page(&self, models: &[&str], query: &str) -> String {
        match self.dialect {
            Dialect::OpenAi => openai::list_models(models.iter().map(|id| self.openai(id))),
            Dialect::Gemini => gemini::list_models(models.iter().map(|id| google(id))),
            Dialect::Anthropic => {
                let (page, more) = page(models, query);
                anthropic::list_models(page.iter().map(|id| self.anthropic(id)), more)
            }
        }
    }

    fn openai<'a>(&self, id: &'a str) -> openai::Model<'a> {
        openai::Model {
            id,
            created: self.since.unix_timestamp(),
            owned_by: "lattice",
        }
    }

    fn anthropic<'a>(&'a self, id: &'a str) -> anthropic::Model<'a> {
        anthropic::Model {
            id,
            display_name: id,
            created_at: &self.written,
        }
    }
}

fn google(name: &str) -> gemini::Model<'_> {
    gemini::Model {
        name,
        output_token_limit: None,
    }
}

/// `limit`, `after_id` and `before_id`, and whether there is more that way.
fn page<'m, 'a>(models: &'m [&'a str], query: &str) -> (&'m [&'a str], bool) {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        percent_decode_str(value)
            .decode_utf8()
            .ok()
            .map(|value| value.into_owned())
    };
    let limit = value("limit").and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
    let place = |id: Option<String>| {
        models
            .iter()
            .position(|model| Some(*model) == id.as_deref())
    };
    if let Some(end) = place(value("before_id")) {
        let start = end.saturating_sub(limit);
        return (&models[start..end], start > 0);
    }
    let start = place(value("after_id")).map_or(0, |after| after + 1);
    let end = models.len().min(start + limit);
    (&models[start..end], end < models.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anthropics_pages_follow_each_other() {
        let models = ["a", "b/c", "d"];
        for (query, expected, more) in [
            ("", &["a", "b/c", "d"][..], false),
            ("limit=2", &["a", "b/c"], true),
            ("limit=2&after_id=b%2Fc", &["d"], false),
            ("limit=1&before_id=d", &["b/c"], true),
            ("before_id=a", &[], false),
            ("limit=0&after_id=nobody", &["a"], true),
            ("limit=many", &["a", "b/c", "d"], false),
        ] {
            assert_eq!(page(&models, query), (expected, more), "{query}");
        }
    }
}
