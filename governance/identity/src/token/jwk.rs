//! The public keys of an issuer (RFC 7517).

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, crypto};
use serde_json::Value;

use super::algorithm::Algorithm;
use super::fault::Fault;
use super::json::{self, Object};
use super::jws::Jws;

/// Keys of one issuer that are looked at.
const MOST: usize = 100;
/// Bytes of an RSA modulus: 2048 to 4096 bits.
const MODULUS: RangeInclusive<usize> = 256..=512;

/// The keys of an issuer that tokens may be verified with.
#[derive(Default)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// Keys that are for something else, or that cannot be used.
    pub(crate) skipped: usize,
}

/// One of them.
#[derive(PartialEq)]
struct Key {
    id: Option<Box<str>>,
    /// What it may verify.
    algorithms: Vec<Algorithm>,
    material: Material,
}

/// In base64url.
#[derive(PartialEq)]
enum Material {
    Rsa { n: Box<str>, e: Box<str> },
    Curve { x: Box<str>, y: Box<str> },
    Edwards { x: Box<str> },
}

impl KeySet {
    /// The keys in `text` for signatures by one of `wanted`. Others are counted and
    /// left out, as RFC 7517 asks; `None` where the text is no set of keys.
    pub(crate) fn parse(text: &[u8], wanted: &[Algorithm]) -> Option<Self> {
        let set = json::object(text)?;
        let Value::Array(listed) = set.get("keys")? else {
            return None;
        };
        let read = |key: &Value| Key::parse(key.as_object()?, wanted);
        let keys: Vec<_> = listed.iter().take(MOST).filter_map(read).collect();
        Some(Self {
            skipped: listed.len() - keys.len(),
            keys,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is a key that the token can mean.
    pub(crate) fn knows(&self, key_id: Option<&str>) -> bool {
        key_id.is_none_or(|id| self.keys.iter().any(|key| key.id.as_deref() == Some(id)))
    }

    /// Whether the keys are the same ones, in the same order.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.keys == other.keys
    }

    /// Whether the token was signed by one of the keys, the one that it names.
    pub(crate) fn verify(&self, token: &Jws<'_>) -> Result<(), Fault> {
        let id = token.key_id.as_deref();
        if id.is_none() && self.keys.len() > 1 {
            return Err(Fault::NoKeyNamed);
        }
        let mut fault = Fault::UnknownKey;
        for key in self
            .keys
            .iter()
            .filter(|key| id.is_none() || key.id.as_deref() == id)
        {
            match key.verify(token) {
                Ok(()) => return Ok(()),
                Err(why) => fault = why,
            }
        }
        Err(fault)
    }
}

impl Key {
    /// `None` for a key that is for something else, or that cannot be used.
    fn parse(jwk: &Object, wanted: &[Algorithm]) -> Option<Self> {
        let is_for_signatures = matches!(text(jwk, "use")?, None | Some("sig"));
        if !is_for_signatures || !may_verify(jwk.get("key_ops")) {
            return None;
        }
        let (material, fitting) = Material::parse(jwk)?;
        // A key that says what it is for is for nothing else.
        let own = match text(jwk, "alg")? {
            None => None,
            Some(name) => Some(Algorithm::parse(name)?),
        };
        let counts = |algorithm: &&Algorithm| {
            wanted.contains(algorithm) && own.is_none_or(|own| own == **algorithm)
        };
        let algorithms: Vec<_> = fitting.iter().filter(counts).copied().collect();
        (!algorithms.is_empty()).then_some(Self {
            id: text(jwk, "kid")?.map(Into::into),
            algorithms,
            material,
        })
    }

    fn verify(&self, token: &Jws<'_>) -> Result<(), Fault> {
        if !self.algorithms.contains(&token.algorithm) {
            return Err(Fault::KeyMismatch);
        }
        let key = match &self.material {
            Material::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
            Material::Curve { x, y } => DecodingKey::from_ec_components(x, y),
            Material::Edwards { x } => DecodingKey::from_ed_components(x),
        };
        let scheme = token.algorithm.scheme();
        let verified = key
            .and_then(|key| crypto::verify(token.signature, token.signed.as_bytes(), &key, scheme));
        match verified {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Fault::Signature),
        }
    }
}

impl Material {
    /// The key itself, and what a key of its kind may verify.
    fn parse(jwk: &Object) -> Option<(Self, &'static [Algorithm])> {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let curve = |size: usize| {
            Some(Self::Curve {
                x: part(jwk, "x", size..=size)?,
                y: part(jwk, "y", size..=size)?,
            })
        };
        match (text(jwk, "kty")??, text(jwk, "crv")?) {
            ("RSA", None) => {
                let n = part(jwk, "n", MODULUS)?;
                let e = part(jwk, "e", 1..=4)?;
                Some((
                    Self::Rsa { n, e },
                    &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
                ))
            }
            ("EC", Some("P-256")) => Some((curve(32)?, &[Es256])),
            ("EC", Some("P-384")) => Some((curve(48)?, &[Es384])),
            ("OKP", Some("Ed25519")) => {
                let x = part(jwk, "x", 32..=32)?;
                Some((Self::Edwards { x }, &[EdDsa]))
            }
            _ => None,
        }
    }
}

/// A member that is text or not there; `None` where it is something else.
fn text<'a>(jwk: &'a Object, name: &str) -> Option<Option<&'a str>> {
    match jwk.get(name) {
        None => Some(None),
        Some(value) => value.as_str().map(Some),
    }
}

/// A member in base64url that stands for so many bytes.
fn part(jwk: &Object, name: &str, length: RangeInclusive<usize>) -> Option<Box<str>> {
    let part = text(jwk, name)??;
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    length.contains(&bytes.len()).then(|| part.into())
}

fn may_verify(operations: Option<&Value>) -> bool {
    match operations {
        None => true,
        Some(Value::Array(listed)) => listed.iter().any(|operation| operation == "verify"),
        Some(_) => false,
    }
}
