//! How many input tokens a prompt can be at the most, without asking anyone.

use bpe_openai::Tokenizer;

/// Tokens that one image can cost at the most: the dearest published formula
/// (a base of 2,833 and 5,667 for each of eight tiles).
const IMAGE: u64 = 48_169;
/// Tokens that one document can cost at the most: a hundred pages, each read as text
/// and as a picture. What its bytes may say beyond that is added to it.
const DOCUMENT: u64 = 300_000;
/// Flat reserve for a part that only the provider can see (a file by its id, an earlier
/// response, what a search finds): the largest window that any model has.
const OPAQUE: u64 = 1_048_576;

/// How a model's tokens relate to those that can be counted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Counted with o200k, plus a tenth.
    OpenAi,
    /// Claude up to 4.6: o200k plus a quarter.
    ClaudeEarly,
    /// Claude 4.7 and later: o200k plus three fifths.
    Claude,
    /// Gemini: o200k plus 15 %.
    Gemini,
    /// Any other tokenizer, and any other server: it may read fields that are not
    /// known here. A token stands for at least one byte, so the bytes of the whole
    /// request are a bound that no vocabulary can exceed.
    Unknown,
}

impl Family {
    /// By the model's name at its provider.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let model = model.rsplit('/').next().unwrap_or(model);
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| model.starts_with(prefix));
        if starts(&["gpt-", "o1", "o3", "o4", "chatgpt-"]) && !model.starts_with("gpt-oss") {
            Self::OpenAi
        } else if starts(&[
            "claude-3",
            "claude-sonnet-4-",
            "claude-opus-4-",
            "claude-haiku-4-",
        ]) {
            // The minor version follows the family; 4.7 changed the tokenizer.
            let late = ["-4-7", "-4-8", "-4-9"]
                .iter()
                .any(|minor| model.contains(minor));
            if late {
                Self::Claude
            } else {
                Self::ClaudeEarly
            }
        } else if starts(&["claude"]) {
            Self::Claude
        } else if starts(&["gemini"]) {
            Self::Gemini
        } else {
            Self::Unknown
        }
    }
}

/// What a prompt is made of, besides its text.
#[derive(Debug, Clone, Copy, Default)]
pub struct PromptSize {
    /// Messages.
    pub messages: u64,
    /// Images, inline or by URL.
    pub images: u64,
    /// Documents, inline or by URL: few bytes may be many pages.
    pub documents: u64,
    /// Bytes of inline audio and files, base64 as they came, and of what else is sent
    /// along.
    pub inline_bytes: u64,
    /// Parts that only the provider can see.
    pub opaque: u64,
    /// Whether any tool is offered.
    pub tools: bool,
    /// Whether a JSON schema is asked for.
    pub schema: bool,
    /// Bytes of the whole request.
    pub body_bytes: u64,
}

/// An upper bound of the input, in tokens, by rules fitted to recorded traffic;
/// see the crate's tests for what they were checked against. Saturates.
#[must_use]
pub fn input_bound<'a>(
    family: Family,
    texts: impl Iterator<Item = &'a str>,
    size: PromptSize,
) -> u64 {
    let schema = |tokens| if size.schema { tokens } else { 0 };
    let tools = |tokens| if size.tools { tokens } else { 0 };
    let (text, constant) = match family {
        Family::OpenAi => (share(tokens(texts), 110), 20 + schema(100)),
        Family::ClaudeEarly => (share(tokens(texts), 125), 30 + tools(750) + schema(250)),
        Family::Claude => (share(tokens(texts), 160), 30 + tools(750) + schema(250)),
        Family::Gemini => (share(tokens(texts), 115), 40),
        Family::Unknown => (size.body_bytes, 40 + tools(750) + schema(250)),
    };
    [
        size.messages.saturating_mul(8),
        size.images.saturating_mul(IMAGE),
        size.documents.saturating_mul(DOCUMENT),
        size.inline_bytes,
        size.opaque.saturating_mul(OPAQUE),
        constant,
    ]
    .into_iter()
    .fold(text, u64::saturating_add)
}

/// Tokens of these texts by o200k: exact for OpenAI's newer models, near for others.
#[must_use]
pub fn tokens<'a>(texts: impl Iterator<Item = &'a str>) -> u64 {
    let tokenizer: &Tokenizer = bpe_openai::o200k_base();
    texts.map(|text| tokenizer.count(text) as u64).sum()
}

fn share(tokens: u64, percent: u64) -> u64 {
    tokens.saturating_mul(percent).div_ceil(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_go_by_name() {
        for (model, family) in [
            ("gpt-5", Family::OpenAi),
            ("openai/o4-mini", Family::OpenAi),
            ("gpt-oss-20b", Family::Unknown),
            ("claude-sonnet-4-5", Family::ClaudeEarly),
            ("claude-opus-4-7", Family::Claude),
            ("claude-opus-5-5", Family::Claude),
            ("gemini-3-pro", Family::Gemini),
            ("smollm2-135m-instruct", Family::Unknown),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }

    #[test]
    fn an_unknown_tokenizer_is_bounded_by_the_bytes_of_the_request() {
        let size = PromptSize {
            messages: 1,
            body_bytes: 700,
            ..PromptSize::default()
        };
        let bound = input_bound(Family::Unknown, ["Grüße"].into_iter(), size);
        assert_eq!(bound, 700 + 8 + 40);
    }

    #[test]
    fn what_cannot_be_counted_is_reserved_flat() {
        let size = PromptSize {
            images: 2,
            documents: 1,
            opaque: 1,
            inline_bytes: 10,
            ..PromptSize::default()
        };
        let bound = input_bound(Family::OpenAi, std::iter::empty(), size);
        assert_eq!(bound, 2 * IMAGE + DOCUMENT + OPAQUE + 10 + 20);
    }
}
