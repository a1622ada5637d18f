//! Keys that sign tokens, and how an issuer publishes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use rsa::sha2::{Sha256, Sha384, Sha512};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, pkcs1v15, pss};
use serde_json::{Value, json};

pub enum Signer {
    Ed(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Rsa(RsaPrivateKey),
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub fn ed(seed: u8) -> Self {
        Self::Ed(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn p256(seed: u8) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn p384(seed: u8) -> Self {
        Self::P384(p384::ecdsa::SigningKey::from_slice(&[seed; 48]).unwrap())
    }

    /// Takes a second or two.
    pub fn rsa(bits: usize) -> Self {
        Self::Rsa(RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap())
    }

    /// Its public half, under this name.
    pub fn jwk(&self, id: &str) -> Value {
        let mut key = match self {
            Self::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(key.verifying_key())})
            }
            Self::P256(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                json!({"kty": "EC", "crv": "P-256", "x": base64(point.x().unwrap()), "y": base64(point.y().unwrap())})
            }
            Self::P384(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                json!({"kty": "EC", "crv": "P-384", "x": base64(point.x().unwrap()), "y": base64(point.y().unwrap())})
            }
            Self::Rsa(key) => {
                json!({"kty": "RSA", "n": base64(key.n().to_bytes_be()), "e": base64(key.e().to_bytes_be())})
            }
        };
        key["kid"] = id.into();
        key["use"] = "sig".into();
        key
    }

    /// A signature by the algorithm of this name.
    fn sign(&self, algorithm: &str, text: &[u8]) -> Vec<u8> {
        let rng = &mut rsa::rand_core::OsRng;
        match (self, algorithm) {
            (Self::Ed(key), _) => key.sign(text).to_vec(),
            (Self::P256(key), _) => {
                let signature: p256::ecdsa::Signature = key.sign(text);
                signature.to_vec()
            }
            (Self::P384(key), _) => {
                let signature: p384::ecdsa::Signature = key.sign(text);
                signature.to_vec()
            }
            (Self::Rsa(key), "RS256") => {
                let key = pkcs1v15::SigningKey::<Sha256>::new(key.clone());
                key.sign_with_rng(rng, text).to_vec()
            }
            (Self::Rsa(key), "RS384") => {
                let key = pkcs1v15::SigningKey::<Sha384>::new(key.clone());
                key.sign_with_rng(rng, text).to_vec()
            }
            (Self::Rsa(key), "RS512") => {
                let key = pkcs1v15::SigningKey::<Sha512>::new(key.clone());
                key.sign_with_rng(rng, text).to_vec()
            }
            (Self::Rsa(key), "PS256") => {
                let key = pss::BlindedSigningKey::<Sha256>::new(key.clone());
                key.sign_with_rng(rng, text).to_vec()
            }
            (Self::Rsa(key), "PS384") => {
                let key = pss::BlindedSigningKey::<Sha384>::new(key.clone());
                key.sign_with_rng(rng, text).to_vec()
            }
            (Self::Rsa(key), "PS512") => {
                let key = pss::BlindedSigningKey::<Sha512>::new(key.clone());
                key.sign_with_rng(rng, text).to_vec()
            }
            (Self::Rsa(_), other) => panic!("RSA does not sign {other}"),
        }
    }

    /// A token of these parts; whatever `alg` the header has, the key signs.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// The same, of texts that need not be sound.
    pub fn token_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(claims));
        let named: Value = serde_json::from_str(header).unwrap_or_default();
        let algorithm = match (self, named["alg"].as_str()) {
            (Self::Rsa(_), Some(name)) if name.starts_with(['R', 'P']) => name,
            _ => "RS256",
        };
        let signature = base64(self.sign(algorithm, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
