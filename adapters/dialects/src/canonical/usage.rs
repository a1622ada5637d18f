//! What a reply cost in tokens.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::Str;

/// Tokens of one reply, all choices together. Every dialect's reader brings its
/// provider's counts into this form, whatever includes what there.
///
/// Every count is at most 2^53, and no part is larger than what it is a part of. Parts
/// may overlap: sound may have been cached. A provider may even write and read the same
/// tokens in one request, so `cached_input + cache_write` may exceed `input` (recorded
/// from OpenRouter, which charges both): subtract with saturation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Read by the model, cached ones included.
    pub input: u64,
    /// Of `input`, read from the provider's cache.
    pub cached_input: u64,
    /// Of `input`, written to the provider's cache.
    pub cache_write: u64,
    /// Of `cache_write`, to be kept for an hour and not for five minutes.
    pub cache_write_1h: u64,
    /// Of `input`, sound.
    pub input_audio: u64,
    /// Of `input`, pictures.
    pub input_image: u64,
    /// Of `input`, film.
    pub input_video: u64,
    /// Of `cached_input` and `input_audio`.
    pub cached_audio: u64,
    /// Of `cached_input` and `input_image`.
    pub cached_image: u64,
    /// Made by the model, reasoning included.
    pub output: u64,
    /// Of `output`, not shown to the caller.
    pub reasoning: u64,
    /// Of `output`, sound.
    pub output_audio: u64,
    /// Of `output`, pictures.
    pub output_image: u64,
    /// Searches of the web that the provider made.
    pub web_searches: u64,
    /// The tier that served the request; `None`: the standard one, or nothing was said.
    pub tier: Option<Tier>,
}

impl Usage {
    /// The largest count that every JSON reader keeps exact. No reply is as long.
    pub const ABSURD: u64 = 1 << 53;

    /// None at all.
    pub const NONE: Self = Self {
        input: 0,
        cached_input: 0,
        cache_write: 0,
        cache_write_1h: 0,
        input_audio: 0,
        input_image: 0,
        input_video: 0,
        cached_audio: 0,
        cached_image: 0,
        output: 0,
        reasoning: 0,
        output_audio: 0,
        output_image: 0,
        web_searches: 0,
        tier: None,
    };

    /// This usage, if each count of it is one; no part larger than its whole.
    pub(crate) fn sane(mut self) -> Option<Self> {
        let sane = [self.input, self.output, self.web_searches];
        if sane.into_iter().any(|count| count > Self::ABSURD) {
            return None;
        }
        self.cached_input = self.cached_input.min(self.input);
        self.cache_write = self.cache_write.min(self.input);
        self.cache_write_1h = self.cache_write_1h.min(self.cache_write);
        self.input_audio = self.input_audio.min(self.input);
        self.input_image = self.input_image.min(self.input);
        self.input_video = self.input_video.min(self.input);
        self.cached_audio = self
            .cached_audio
            .min(self.cached_input)
            .min(self.input_audio);
        self.cached_image = self
            .cached_image
            .min(self.cached_input)
            .min(self.input_image);
        self.reasoning = self.reasoning.min(self.output);
        self.output_audio = self.output_audio.min(self.output);
        self.output_image = self.output_image.min(self.output);
        Some(self)
    }
}

/// The name of a service tier in lower case, at most [`Self::LONGEST`] bytes of it. One
/// that is longer or odd is called `unknown`: it must not pass for the standard one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tier([u8; Tier::LONGEST]);

impl Tier {
    /// The longest name.
    pub const LONGEST: usize = 24;

    /// The tier of that name. `None` for the names of the standard one, and for `auto`,
    /// with which a server repeats what it was asked and does not say what it did.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if matches!(name.as_str(), "default" | "standard" | "on_demand" | "auto") {
            return None;
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let odd = name.is_empty() || name.len() > Self::LONGEST || !name.bytes().all(fits);
        let name = if odd { "unknown" } else { name.as_str() };
        let mut bytes = [0; Self::LONGEST];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Some(Self(bytes))
    }

    /// The tier that a member of a reply names; what is no string names an odd one.
    pub(crate) fn told(json: &str) -> Option<Self> {
        if json == "null" {
            return None;
        }
        match serde_json::from_str::<Str<'_>>(json) {
            Ok(name) => Self::of(&name.0),
            Err(_) => Self::of(""),
        }
    }

    /// As [`told`](Self::told), for a member that is read by serde.
    pub(crate) fn member<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Self>, D::Error> {
        let json = <&RawValue>::deserialize(from)?;
        Ok(Self::told(json.get()))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0);
        let name = &self.0[..end.unwrap_or(Self::LONGEST)];
        std::str::from_utf8(name).unwrap_or("unknown")
    }
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
