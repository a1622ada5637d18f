//! What a call used, in tokens, and the classes that they are charged by.

use std::fmt;

/// Tokens of one call, as every dialect can be brought to: two totals, and of each the
/// parts that providers tell. [`classes`](Self::classes) takes it apart so that no token
/// is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Usage {
    /// All input tokens, those read from and written to a cache included.
    pub input: u64,
    /// Of the input: read from a cache.
    pub cached_input: u64,
    /// Of the input: written to a cache.
    pub cache_write: u64,
    /// Of what was written: to be kept for an hour, the rest for five minutes.
    pub cache_write_1h: u64,
    /// Of the input: sound, cached or not.
    pub input_audio: u64,
    /// Of the input: pictures, cached or not.
    pub input_image: u64,
    /// Of the input: film, cached or not.
    pub input_video: u64,
    /// Of what was read from a cache: sound.
    pub cached_audio: u64,
    /// Of what was read from a cache: pictures.
    pub cached_image: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Of the output: reasoning.
    pub reasoning: u64,
    /// Of the output: sound.
    pub output_audio: u64,
    /// Of the output: pictures.
    pub output_image: u64,
    /// Searches of the web that the provider made and charges beside the tokens.
    pub web_searches: u64,
    /// The tier that served the call; `None`: the standard one.
    pub tier: Option<Tier>,
}

/// What a token is charged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Input that was neither read from a cache nor written to one: text, and whatever
    /// has no class of its own.
    Input,
    /// The same: sound.
    InputAudio,
    /// The same: pictures.
    InputImage,
    /// The same: film.
    InputVideo,
    /// Read from a cache.
    CachedInput,
    /// The same: sound.
    CachedAudio,
    /// The same: pictures.
    CachedImage,
    /// Written to a cache, to be kept for five minutes.
    CacheWrite5m,
    /// Written to a cache, to be kept for an hour.
    CacheWrite1h,
    /// Output that is shown: text, and whatever has no class of its own.
    Output,
    /// Output that is thought.
    Reasoning,
    /// Output: sound.
    OutputAudio,
    /// Output: pictures.
    OutputImage,
    /// One search of the web.
    WebSearch,
    /// The call itself.
    Request,
}

impl Class {
    /// Each of them, in the order of its number.
    pub const ALL: [Self; 15] = [
        Self::Input,
        Self::InputAudio,
        Self::InputImage,
        Self::InputVideo,
        Self::CachedInput,
        Self::CachedAudio,
        Self::CachedImage,
        Self::CacheWrite5m,
        Self::CacheWrite1h,
        Self::Output,
        Self::Reasoning,
        Self::OutputAudio,
        Self::OutputImage,
        Self::WebSearch,
        Self::Request,
    ];

    /// The name in records and price files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::InputAudio => "input_audio",
            Self::InputImage => "input_image",
            Self::InputVideo => "input_video",
            Self::CachedInput => "cached_input",
            Self::CachedAudio => "cached_audio",
            Self::CachedImage => "cached_image",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::OutputAudio => "output_audio",
            Self::OutputImage => "output_image",
            Self::WebSearch => "web_search",
            Self::Request => "request",
        }
    }
}

impl Usage {
    /// How much of each class there is, in the order of [`Class::ALL`]; no token is in
    /// two. A part that is larger than its whole counts as the whole, so the classes of
    /// the input come to `input` and those of the output to `output`, save where the
    /// same tokens were both read from a cache and written to one: they are charged as
    /// both. Where sound or pictures may have been cached or not, they were not.
    #[must_use]
    pub fn classes(&self) -> [u64; Class::ALL.len()] {
        let read = self.cached_input.min(self.input);
        let written = self.cache_write.min(self.input);
        let hour = self.cache_write_1h.min(written);
        let plain = self.input.saturating_sub(read).saturating_sub(written);

        // What does not fit into the part that was not cached was.
        let mut plain_left = plain;
        let mut read_left = read;
        let mut split = |all: u64, cached: u64| {
            let all = all.min(self.input);
            let plain = all.saturating_sub(cached.min(read_left)).min(plain_left);
            let cached = (all - plain).min(read_left);
            plain_left -= plain;
            read_left -= cached;
            (plain, cached)
        };
        let (audio, cached_audio) = split(self.input_audio, self.cached_audio);
        let (image, cached_image) = split(self.input_image, self.cached_image);
        let video = self.input_video.min(plain_left);

        let reasoning = self.reasoning.min(self.output);
        let shown = self.output - reasoning;
        let output_audio = self.output_audio.min(shown);
        let output_image = self.output_image.min(shown - output_audio);
        [
            plain_left - video,
            audio,
            image,
            video,
            read_left,
            cached_audio,
            cached_image,
            written - hour,
            hour,
            shown - output_audio - output_image,
            reasoning,
            output_audio,
            output_image,
            self.web_searches,
            // What used nothing was not done: counting tokens, for instance.
            u64::from(self.input > 0 || self.output > 0),
        ]
    }
}

/// The name of a service tier, as the provider says it in lower case: at most
/// [`Self::LONGEST`] letters, digits, `.`, `-` and `_`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tier([u8; Tier::LONGEST]);

impl Tier {
    /// The longest name, in bytes.
    pub const LONGEST: usize = 24;
    /// Whatever has a name that is none.
    pub const UNKNOWN: Self = Self(*b"unknown\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

    /// The tier of that name; [`Self::UNKNOWN`] where it is none, because what cannot be
    /// named must not pass for the standard one.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if name.is_empty() || name.len() > Self::LONGEST || !name.bytes().all(fits) {
            return Self::UNKNOWN;
        }
        let mut bytes = [0; Self::LONGEST];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from.to_ascii_lowercase();
        }
        Self(bytes)
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

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(usage: Usage) -> Vec<(&'static str, u64)> {
        let classes = Class::ALL.into_iter().zip(usage.classes());
        classes
            .filter(|(class, tokens)| *tokens > 0 && *class != Class::Request)
            .map(|(class, tokens)| (class.as_str(), tokens))
            .collect()
    }

    #[test]
    fn each_class_has_its_own_number() {
        for (number, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number, "{}", class.as_str());
        }
    }

    #[test]
    fn every_token_is_charged_as_what_it_is() {
        let usage = Usage {
            input: 1000,
            cached_input: 300,
            cache_write: 200,
            cache_write_1h: 50,
            input_audio: 120,
            input_image: 30,
            input_video: 7,
            cached_audio: 20,
            cached_image: 10,
            output: 90,
            reasoning: 40,
            output_audio: 15,
            output_image: 5,
            web_searches: 2,
            tier: None,
        };
        let expected = [
            ("input", 1000 - 300 - 200 - 100 - 20 - 7),
            ("input_audio", 100),
            ("input_image", 20),
            ("input_video", 7),
            ("cached_input", 300 - 20 - 10),
            ("cached_audio", 20),
            ("cached_image", 10),
            ("cache_write_5m", 150),
            ("cache_write_1h", 50),
            ("output", 90 - 40 - 15 - 5),
            ("reasoning", 40),
            ("output_audio", 15),
            ("output_image", 5),
            ("web_search", 2),
        ];
        assert_eq!(named(usage), expected);
    }

    #[test]
    fn sound_that_must_have_been_cached_is_cached_sound() {
        let usage = Usage {
            input: 100,
            cached_input: 90,
            input_audio: 50,
            ..Usage::default()
        };
        let expected = [
            ("input_audio", 10),
            ("cached_input", 50),
            ("cached_audio", 40),
        ];
        assert_eq!(named(usage), expected);
    }

    #[test]
    fn what_was_read_and_written_is_charged_as_both() {
        let usage = Usage {
            input: 100,
            cached_input: 100,
            cache_write: 100,
            ..Usage::default()
        };
        let expected = [("cached_input", 100), ("cache_write_5m", 100)];
        assert_eq!(named(usage), expected);
    }

    #[test]
    fn a_tier_is_a_short_plain_name_or_unknown() {
        assert_eq!(Tier::new("Priority").as_str(), "priority");
        assert_eq!(Tier::new("provisioned_throughput").as_str().len(), 22);
        assert_eq!(Tier::new(&"a".repeat(24)).as_str().len(), 24);
        for none in ["", "a b", "a\0", "é", &"a".repeat(25)] {
            assert_eq!(Tier::new(none), Tier::UNKNOWN, "{none:?}");
        }
        assert_eq!(Tier::UNKNOWN, Tier::new("unknown"));
    }

    proptest! {
        #[test]
        fn classes_come_to_the_totals_whatever_is_reported(counts in proptest::array::uniform14(prop_oneof![0..9u64, any::<u64>()])) {
            let [input, cached_input, cache_write, cache_write_1h, input_audio, input_image, input_video, cached_audio, cached_image, output, reasoning, output_audio, output_image, web_searches] = counts;
            let usage = Usage {
                input, cached_input, cache_write, cache_write_1h, input_audio, input_image,
                input_video, cached_audio, cached_image, output, reasoning, output_audio,
                output_image, web_searches, tier: None,
            };
            let classes = usage.classes().map(u128::from);
            let both = u128::from(cached_input.min(input)) + u128::from(cache_write.min(input));
            prop_assert_eq!(classes[..9].iter().sum::<u128>(), both.max(input.into()));
            prop_assert_eq!(classes[9..13].iter().sum::<u128>(), u128::from(output));
        }
    }
}
