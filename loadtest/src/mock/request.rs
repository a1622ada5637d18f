//! What the mock reads of a chat request.

use std::borrow::Cow;

use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct ChatRequest<'a> {
    #[serde(borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) messages: Vec<Message<'a>>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    n: Option<u64>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Parts(#[serde(borrow)] Vec<Part<'a>>),
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
}

impl ChatRequest<'_> {
    pub(super) fn streamed(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub(super) fn include_usage(&self) -> bool {
        self.stream_options
            .as_ref()
            .and_then(|options| options.include_usage)
            .unwrap_or(false)
    }

    pub(super) fn output_cap(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    pub(super) fn choices(&self) -> u64 {
        self.n.unwrap_or(1).max(1)
    }

    /// One token per word of the messages' text, and never none.
    pub(super) fn prompt_tokens(&self) -> u64 {
        let words = |text: &str| text.split_whitespace().count() as u64;
        let tokens: u64 = self
            .messages
            .iter()
            .filter_map(|message| message.content.as_ref())
            .map(|content| match content {
                Content::Text(text) => words(text),
                Content::Parts(parts) => parts
                    .iter()
                    .filter_map(|part| part.text.as_deref())
                    .map(words)
                    .sum(),
            })
            .sum();
        tokens.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::ChatRequest;

    fn tokens(messages: &str) -> u64 {
        let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
        serde_json::from_str::<ChatRequest<'_>>(&body)
            .unwrap()
            .prompt_tokens()
    }

    #[test]
    fn a_prompt_costs_its_words_in_strings_and_parts() {
        assert_eq!(tokens(r#"[{"content":"one two\n three"}]"#), 3);
        assert_eq!(
            tokens(r#"[{"content":[{"text":"one two"},{"image_url":{}}]},{"content":"three"}]"#),
            3
        );
    }

    #[test]
    fn a_prompt_without_words_costs_one() {
        assert_eq!(tokens(r#"[{"content":null},{"role":"user"}]"#), 1);
        assert_eq!(tokens("[]"), 1);
    }
}
