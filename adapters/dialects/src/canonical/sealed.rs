//! Thoughts of one maker in the hands of clients of another dialect.
//!
//! A dialect has one field for what proves its own maker's thoughts (a signature,
//! encrypted content). For a reply of another maker that field carries a seal: the
//! foreign proof with its maker's name, which the client gives back unread, and
//! which goes to that maker alone. A seal is base64, since one dialect's clients
//! decode the field.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Maker;

/// What every seal begins with, before and after base64: nine bytes fill twelve
/// characters, so it can be searched for in a body.
const MAGIC: &[u8; 9] = b"\x00lattice1";
/// [`MAGIC`] in base64.
pub(crate) const PREFIX: &str = "AGxhdHRpY2Ux";

/// What a seal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Who can read it.
    pub maker: Maker,
    /// What it proves.
    pub proves: Proves,
    /// The maker's own name for the thought, or the id of the call.
    pub id: Option<String>,
    /// The proof itself.
    pub data: String,
}

/// What a foreign proof is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proves {
    /// The text beside it: a signature.
    Text,
    /// Itself: thoughts in cipher.
    Cipher,
    /// The tool call that its id names.
    Call,
}

impl Sealed {
    /// The seal.
    #[must_use]
    pub fn render(&self) -> String {
        let maker = match self.maker {
            Maker::Anthropic => b'a',
            Maker::Gemini => b'g',
            Maker::OpenAi => b'o',
            Maker::Unknown => b'u',
        };
        let proves = match self.proves {
            Proves::Text => b't',
            Proves::Cipher => b'c',
            Proves::Call => b'f',
        };
        let id = self.id.as_deref().unwrap_or_default();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 3 + id.len() + self.data.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[maker, proves]);
        bytes.extend_from_slice(id.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.data.as_bytes());
        STANDARD.encode(bytes)
    }

    /// What `text` holds, where it is a seal; anything else is the dialect's own.
    #[must_use]
    pub fn open(text: &str) -> Option<Self> {
        if !text.starts_with(PREFIX) {
            return None;
        }
        let bytes = STANDARD.decode(text).ok()?;
        let [maker, proves, rest @ ..] = bytes.strip_prefix(MAGIC)? else {
            return None;
        };
        let maker = match maker {
            b'a' => Maker::Anthropic,
            b'g' => Maker::Gemini,
            b'o' => Maker::OpenAi,
            b'u' => Maker::Unknown,
            _ => return None,
        };
        let proves = match proves {
            b't' => Proves::Text,
            b'c' => Proves::Cipher,
            b'f' => Proves::Call,
            _ => return None,
        };
        let (id, data) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
        Some(Self {
            maker,
            proves,
            id: (!id.is_empty()).then(|| id.to_owned()),
            data: data.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_again() {
        for maker in [
            Maker::Anthropic,
            Maker::Gemini,
            Maker::OpenAi,
            Maker::Unknown,
        ] {
            for proves in [Proves::Text, Proves::Cipher, Proves::Call] {
                for (id, data) in [(None, ""), (Some("rs_1"), "EqQBCkYIB+/="), (None, "a\0b")] {
                    let id = id.map(str::to_owned);
                    let data = data.to_owned();
                    let sealed = Sealed {
                        maker,
                        proves,
                        id,
                        data,
                    };
                    let text = sealed.render();
                    assert!(text.starts_with(PREFIX), "{text}");
                    assert_eq!(Sealed::open(&text), Some(sealed));
                }
            }
        }
    }

    #[test]
    fn what_makers_write_themselves_is_no_seal() {
        for text in ["", "EqQBCkYIBxgCKkD", PREFIX, "AGxhdHRpY2Uxenp6"] {
            assert_eq!(Sealed::open(text), None, "{text}");
        }
    }
}
