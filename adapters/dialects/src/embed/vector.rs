//! One embedding, as it is spelled.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::canonical::Garbled;

/// A vector in a reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vector<'a>(pub &'a RawValue);

impl<'a> Vector<'a> {
    /// Whether it is base64 already.
    pub(super) fn is_base64(self) -> bool {
        self.0.get().starts_with('"')
    }

    /// As a JSON array; one that came as such keeps the spelling of its numbers.
    pub(super) fn numbers(self) -> Result<Cow<'a, str>, Garbled> {
        let numbers = self.read()?;
        if !self.is_base64() {
            return Ok(self.0.get().into());
        }
        let spelled = serde_json::to_string(&numbers).map_err(|_| garbled())?;
        Ok(spelled.into())
    }

    /// As little-endian floats of 32 bits in base64, in quotes.
    pub(super) fn base64(self) -> Result<Cow<'a, str>, Garbled> {
        if self.is_base64() {
            return Ok(self.0.get().into());
        }
        let numbers = self.read()?.into_iter();
        let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
        Ok(format!("\"{}\"", STANDARD.encode(bytes)).into())
    }

    fn read(self) -> Result<Vec<f32>, Garbled> {
        if !self.is_base64() {
            return serde_json::from_str(self.0.get()).map_err(|_| garbled());
        }
        let text: String = serde_json::from_str(self.0.get()).map_err(|_| garbled())?;
        let bytes = STANDARD.decode(text).map_err(|_| garbled())?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(garbled());
        }
        let numbers: Vec<f32> = numbers.iter().map(|it| f32::from_le_bytes(*it)).collect();
        match numbers.iter().all(|number| number.is_finite()) {
            true => Ok(numbers),
            false => Err(garbled()),
        }
    }
}

fn garbled() -> Garbled {
    Garbled("an embedding is neither numbers nor base64".to_owned())
}
