//! How tokens are signed.

use std::fmt;

use jsonwebtoken::Algorithm as Scheme;

/// A signature whose key is public. What signs with a shared secret (`HS256`), or
/// not at all (`none`), has no place here: whoever reads the public key could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// The same with SHA-384.
    Rs384,
    /// The same with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// The same with SHA-384.
    Ps384,
    /// The same with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519, under its own name or that of its family.
    EdDsa,
}

impl Algorithm {
    /// Every one that is verified.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Those that count where configuration names none.
    pub const DEFAULT: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name in `alg`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The one with this name, to the letter.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        // RFC 9864 gives the one curve of the family that is used here its own name.
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Self::Rs256 => Scheme::RS256,
            Self::Rs384 => Scheme::RS384,
            Self::Rs512 => Scheme::RS512,
            Self::Ps256 => Scheme::PS256,
            Self::Ps384 => Scheme::PS384,
            Self::Ps512 => Scheme::PS512,
            Self::Es256 => Scheme::ES256,
            Self::Es384 => Scheme::ES384,
            Self::EdDsa => Scheme::EdDSA,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
