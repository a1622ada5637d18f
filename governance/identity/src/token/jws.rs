//! The compact form of a signed token: `header.claims.signature`, each in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::fault::Fault;
use super::json::{self, Object};

/// The longest token, in bytes.
pub(crate) const LONGEST: usize = 16 * 1024;

/// What `typ` may say: RFC 7519's, and that of access tokens (RFC 9068).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// A token taken apart; nothing in it is believed yet.
pub(crate) struct Jws<'a> {
    pub(crate) algorithm: Algorithm,
    /// Which key has signed it, as it says itself.
    pub(crate) key_id: Option<Box<str>>,
    pub(crate) claims: Object,
    /// What was signed.
    pub(crate) signed: &'a str,
    /// In base64url, as it came.
    pub(crate) signature: &'a str,
}

/// Whether `credential` has the form of a token: three parts.
pub(crate) fn is_token(credential: &str) -> bool {
    credential.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, Fault> {
        if token.len() > LONGEST {
            return Err(Fault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Fault::Malformed)?;
        let header = decode(header)?;
        // Tells how to read the rest, in ways that nobody here knows.
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(Fault::Critical);
        }
        let is_known = |kind: &str| TYPES.contains(&kind.to_ascii_lowercase().as_str());
        match header.get("typ") {
            None => {}
            Some(Value::String(kind)) if is_known(media_type(kind)) => {}
            Some(_) => return Err(Fault::Type),
        }
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.as_str().into()),
            Some(_) => return Err(Fault::Malformed),
        };
        let named = header.get("alg").and_then(Value::as_str);
        Ok(Self {
            algorithm: named.and_then(Algorithm::parse).ok_or(Fault::Algorithm)?,
            key_id,
            claims: decode(claims)?,
            signed,
            signature,
        })
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

/// RFC 7515 lets `application/` be left out.
fn media_type(kind: &str) -> &str {
    match kind.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => kind,
    }
}

fn decode(part: &str) -> Result<Object, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok();
    bytes
        .and_then(|bytes| json::object(&bytes))
        .ok_or(Fault::Malformed)
}
