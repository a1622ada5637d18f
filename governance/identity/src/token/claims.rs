//! What the claims of a verified token must say (RFC 7519, RFC 9068), and finding
//! those that configuration names.

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::fault::Fault;
use super::json::Object;

/// The longest name that is taken over from a claim, in bytes.
const LONGEST_NAME: usize = 256;

/// The name of a claim in configuration: its own (`groups`, `https://corp/roles`), or
/// the way to it through objects (`realm_access.roles`) where none is called so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimName(Box<str>);

impl ClaimName {
    /// `None` for an empty name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self(name.into()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn find<'a>(&self, claims: &'a Object) -> Option<&'a Value> {
        let name = &*self.0;
        claims.get(name).or_else(|| {
            let mut steps = name.split('.');
            let first = claims.get(steps.next()?)?;
            steps.try_fold(first, |at, step| at.get(step))
        })
    }

    /// The text of the claim, where it is one that can be a name.
    pub(crate) fn text<'a>(&self, claims: &'a Object) -> Option<&'a str> {
        self.find(claims)?.as_str().filter(|text| is_name(text))
    }

    /// Each text of the claim: the members of a list, the one that it is itself, or
    /// the words of `scope` (RFC 6749) and `scp`.
    pub(crate) fn texts<'a>(&self, claims: &'a Object) -> Vec<&'a str> {
        let texts = match self.find(claims) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(words)) if matches!(&*self.0, "scope" | "scp") => {
                words.split_ascii_whitespace().collect()
            }
            Some(Value::String(text)) => vec![text.as_str()],
            _ => Vec::new(),
        };
        texts.into_iter().filter(|text| is_name(text)).collect()
    }
}

/// Whether `text` may stand in records and policy input.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control)
}

/// A claim that must have one of these values, or hold one in its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// Which claim.
    pub claim: ClaimName,
    /// What would do; never empty.
    pub values: Vec<Box<str>>,
}

impl Required {
    pub(crate) fn is_met(&self, claims: &Object) -> bool {
        let texts = self.claim.texts(claims);
        texts
            .iter()
            .any(|text| self.values.iter().any(|value| **value == **text))
    }
}

/// Checks `aud` and the times; tells when the token ends.
pub(crate) fn check(
    claims: &Object,
    audience: &str,
    leeway: Duration,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, Fault> {
    let is_ours = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => {
            // One that is no text makes a list that nobody has specified.
            several.iter().all(Value::is_string) && several.iter().any(|one| one == audience)
        }
        _ => false,
    };
    if !is_ours {
        return Err(Fault::Audience);
    }
    let ends = time(claims, "exp", Fault::NoExpiry)?.ok_or(Fault::NoExpiry)?;
    if ends + leeway <= now {
        return Err(Fault::Expired);
    }
    if time(claims, "nbf", Fault::Early)?.is_some_and(|begins| begins - leeway > now) {
        return Err(Fault::Early);
    }
    if time(claims, "iat", Fault::Future)?.is_some_and(|issued| issued - leeway > now) {
        return Err(Fault::Future);
    }
    if !matches!(claims.get("sub"), Some(Value::String(subject)) if is_name(subject)) {
        return Err(Fault::Subject);
    }
    Ok(ends)
}

/// A NumericDate: seconds since 1970, whole or not.
fn time(claims: &Object, name: &str, fault: Fault) -> Result<Option<OffsetDateTime>, Fault> {
    /// 9999-12-31, beyond which no date is held.
    const LAST: f64 = 253_402_300_799.0;
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_f64()
        .filter(|seconds| (0.0..LAST).contains(seconds));
    let whole = seconds.ok_or(fault)?.floor() as i64;
    OffsetDateTime::from_unix_timestamp(whole)
        .map(Some)
        .map_err(|_| fault)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn name(name: &str) -> ClaimName {
        ClaimName::new(name).unwrap()
    }

    #[test]
    fn a_claim_is_found_by_its_own_name_first_and_by_its_way_then() {
        let claims = object(json!({
            "https://corp.example/roles": ["a"],
            "realm_access": {"roles": ["b", "c"]},
            "x.y": "own",
            "x": {"y": "way"},
        }));
        assert_eq!(name("https://corp.example/roles").texts(&claims), ["a"]);
        assert_eq!(name("realm_access.roles").texts(&claims), ["b", "c"]);
        assert_eq!(name("x.y").text(&claims), Some("own"));
        for none in ["realm_access.groups", "realm_access", "x.y.z", "x..y", "."] {
            assert_eq!(name(none).texts(&claims), [""; 0], "{none}");
        }
    }

    #[test]
    fn a_scope_is_words_and_any_other_text_is_one() {
        let claims = object(json!({"scope": "read  write", "groups": "two words"}));
        assert_eq!(name("scope").texts(&claims), ["read", "write"]);
        assert_eq!(name("groups").texts(&claims), ["two words"]);
    }

    #[test]
    fn what_cannot_be_a_name_is_left_out() {
        let long = "x".repeat(LONGEST_NAME + 1);
        let claims = object(json!({"g": [1, null, "", "a\nb", long, "ok", ["deep"]], "n": 7}));
        assert_eq!(name("g").texts(&claims), ["ok"]);
        assert_eq!(name("n").text(&claims), None);
    }
}
