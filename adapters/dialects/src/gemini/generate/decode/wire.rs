//! A piece of a reply as it is spelled.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

/// A string that is borrowed where it was spelled without escapes, also inside
/// an `Option`.
#[derive(Deserialize, Default)]
pub(crate) struct Str<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A `GenerateContentResponse`, or an error in place of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub prompt_feedback: Option<Feedback<'a>>,
    #[serde(borrow)]
    pub usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub model_version: Option<Str<'a>>,
    #[serde(borrow)]
    pub response_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback<'a> {
    #[serde(borrow)]
    pub block_reason: Option<Str<'a>>,
}

/// More of one choice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub index: Option<u32>,
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    #[serde(borrow)]
    pub finish_reason: Option<Str<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub parts: Option<Vec<Part<'a>>>,
}

/// One of text, a call, or something that only Gemini has; perhaps signed.
#[derive(Default)]
pub(super) struct Part<'a> {
    pub text: Option<Str<'a>>,
    pub thought: bool,
    pub signature: Option<Str<'a>>,
    pub call: Option<Call<'a>>,
    /// The key of whatever else it holds.
    pub native: Option<Str<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
    #[serde(borrow)]
    pub partial_args: Option<Vec<PartialArg<'a>>>,
    pub will_continue: Option<bool>,
}

/// A leaf of the arguments, or more of the text of one; with no value at all it
/// is `null`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartialArg<'a> {
    #[serde(borrow)]
    pub json_path: Str<'a>,
    #[serde(borrow)]
    pub string_value: Option<Str<'a>>,
    pub number_value: Option<Number>,
    pub bool_value: Option<bool>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Part<'de>, A::Error> {
        let mut part = Part::default();
        while let Some(key) = members.next_key::<Str<'de>>()? {
            match &*key.0 {
                "text" => part.text = members.next_value()?,
                "thought" => part.thought = members.next_value::<Option<bool>>()? == Some(true),
                "thoughtSignature" => part.signature = members.next_value()?,
                "functionCall" => part.call = members.next_value()?,
                other => {
                    let describes_another =
                        other.ends_with("Metadata") || other.starts_with("media");
                    let there = members.next_value::<Option<IgnoredAny>>()?.is_some();
                    if there && !describes_another {
                        part.native = Some(key);
                    }
                }
            }
        }
        Ok(part)
    }
}
