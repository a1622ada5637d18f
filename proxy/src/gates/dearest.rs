//! The most that a call can cost at one price: providers charge some tokens by dearer
//! rates than others, and what a request asks for decides by which.

use std::sync::LazyLock;

use lattice_kernel::{NanoUsd, Price, Tier, Usage};
use memchr::memmem::Finder;

/// What a request may be charged for beside plain text. A word that stands in its text
/// by chance reserves too much; none that matters is overlooked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras {
    /// A cache that is kept for an hour.
    hour: bool,
    /// Sound, pictures or film in the prompt.
    media: bool,
    /// The same in the answer.
    modalities: bool,
    /// Another tier than the standard one.
    tier: bool,
}

impl Extras {
    /// Of a body of JSON, in whichever dialect.
    pub fn of(body: &[u8]) -> Self {
        static WORDS: LazyLock<[Vec<Finder<'static>>; 4]> = LazyLock::new(|| {
            let words: [&[&str]; 4] = [
                &[r#""1h""#],
                &["audio", "image", "video", "file"],
                &["odalities", "image_generation"],
                &["tier", "Tier", r#""speed""#],
            ];
            words.map(|words| words.iter().map(Finder::new).collect())
        });
        // A letter that is spelled as an escape hides a word; nobody means well with it.
        if has_escaped_letter(body) {
            return Self {
                hour: true,
                media: true,
                modalities: true,
                tier: true,
            };
        }
        let [hour, media, modalities, tier] = WORDS
            .each_ref()
            .map(|words| words.iter().any(|word| word.find(body).is_some()));
        Self {
            hour,
            media,
            modalities,
            tier,
        }
    }
}

fn has_escaped_letter(body: &[u8]) -> bool {
    static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r"\u00"));
    ESCAPE.find_iter(body).any(|at| {
        let digit = body.get(at + 4);
        digit.is_some_and(|digit| (b'2'..=b'7').contains(digit))
    })
}

/// The most that so many tokens can cost; `None` where there is no price for them.
/// Providers charge more for tokens that they write to a cache, and may do so unasked.
pub fn most(price: &dyn Price, input: u64, output: u64, extras: Extras) -> Option<NanoUsd> {
    let plain = Usage {
        input,
        output,
        ..Usage::default()
    };
    let written = Usage {
        cache_write: input,
        ..plain
    };
    let mut all = vec![plain, written];
    if extras.hour {
        all.push(Usage {
            cache_write_1h: input,
            ..written
        });
    }
    if extras.media {
        let media: [fn(&mut Usage) -> &mut u64; 3] = [
            |usage| &mut usage.input_audio,
            |usage| &mut usage.input_image,
            |usage| &mut usage.input_video,
        ];
        all.extend(media.map(|of| all_of(plain, of, input)));
    }
    if extras.modalities {
        let spoken = |usage: &Usage| all_of(*usage, |usage| &mut usage.output_audio, output);
        let drawn = |usage: &Usage| all_of(*usage, |usage| &mut usage.output_image, output);
        let more: Vec<Usage> = all.iter().flat_map(|it| [spoken(it), drawn(it)]).collect();
        all.extend(more);
    }
    let mut dearest = NanoUsd::ZERO;
    for usage in &all {
        dearest = dearest.max(price.cost(usage)?);
    }
    if extras.tier {
        let tiers = ["priority", "fast"].map(Tier::new);
        let dearer = tiers.into_iter().flat_map(|tier| {
            let of = move |usage: &Usage| Usage {
                tier: Some(tier),
                ..*usage
            };
            all.iter().filter_map(move |usage| price.cost(&of(usage)))
        });
        dearest = dearer.fold(dearest, NanoUsd::max);
    }
    Some(dearest)
}

fn all_of(mut usage: Usage, part: fn(&mut Usage) -> &mut u64, tokens: u64) -> Usage {
    *part(&mut usage) = tokens;
    usage
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lattice_kernel::SystemClock;
    use lattice_providers::PriceBook;
    use lattice_providers::price::Model;

    use super::*;

    fn cost(provider: &str, model: &str, body: &str) -> String {
        let model = Model {
            provider,
            listed_as: Some(provider),
            base_url: "",
            model,
        };
        let clock: Arc<dyn lattice_kernel::Clock> = Arc::new(SystemClock);
        let price = PriceBook::built_in().find(model, &clock).expect("listed");
        let most = most(price.as_ref(), 1_000_000, 0, Extras::of(body.as_bytes()));
        most.expect("priced").to_string()
    }

    #[test]
    fn the_dearest_rate_that_a_request_can_be_charged_by_bounds_it() {
        let haiku = |body| cost("anthropic", "claude-haiku-4-5", body);
        assert_eq!(haiku("{}"), "1.25");
        assert_eq!(haiku(r#"{"cache_control":{"ttl":"1h"}}"#), "2");
        assert_eq!(
            haiku(r#"{"ttl":"\u0031h"}"#),
            "2",
            "an escape hides nothing"
        );
        let flash = |body| cost("google", "gemini-2.5-flash", body);
        assert_eq!(flash("{}"), "0.3");
        assert_eq!(flash(r#"{"inlineData":{"mimeType":"audio/wav"}}"#), "1");
        let gpt = |body| cost("openai", "gpt-5", body);
        assert_eq!(gpt("{}"), "1.25");
        assert_eq!(gpt(r#"{"service_tier":"priority"}"#), "2.5");
    }
}
