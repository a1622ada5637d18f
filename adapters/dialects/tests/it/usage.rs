//! Token classes and tiers as each provider tells them, and numbers that are lies.

use lattice_dialects::anthropic::messages::usage as anthropic;
use lattice_dialects::canonical::{Tier, Usage};
use lattice_dialects::gemini::generate::usage as gemini;
use lattice_dialects::openai::chat::usage as chat;
use lattice_dialects::openai::responses::usage as responses;
use lattice_dialects::{anthropic::messages, gemini::generate, openai};
use proptest::prelude::*;

/// The tier, `None` for the standard one; what is no usage has an odd one.
fn tier(usage: Option<Usage>) -> Option<String> {
    let Some(usage) = usage else {
        return Some("no usage".into());
    };
    usage.tier.map(|tier| tier.as_str().to_owned())
}

#[test]
fn sound_pictures_and_film_are_told_apart() {
    let json = r#"{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":40,"audio_tokens":30,"image_tokens":20,"video_tokens":10,"cached_tokens_details":{"audio_tokens":5,"image_tokens":4}},"completion_tokens_details":{"audio_tokens":25,"image_tokens":6,"reasoning_tokens":7}}"#;
    let read = Usage {
        input: 100,
        cached_input: 40,
        input_audio: 30,
        input_image: 20,
        input_video: 10,
        cached_audio: 5,
        cached_image: 4,
        output: 50,
        reasoning: 7,
        output_audio: 25,
        output_image: 6,
        ..Usage::NONE
    };
    assert_eq!(Usage::read(json), Some(read));
    assert_eq!(Usage::read(&chat::render(&read, None)), Some(read));

    let json = r#"{"input_tokens":100,"output_tokens":50,"input_tokens_details":{"image_tokens":80,"text_tokens":20},"output_tokens_details":{"image_tokens":50}}"#;
    let read = Usage {
        input: 100,
        input_image: 80,
        output: 50,
        output_image: 50,
        ..Usage::NONE
    };
    assert_eq!(responses::read(json), Some(read));
    assert_eq!(responses::read(&responses::render(&read)), Some(read));

    let json = r#"{"promptTokenCount":90,"toolUsePromptTokenCount":10,"cachedContentTokenCount":40,"candidatesTokenCount":30,"totalTokenCount":130,"promptTokensDetails":[{"modality":"TEXT","tokenCount":20},{"modality":"AUDIO","tokenCount":30},{"modality":"VIDEO","tokenCount":40}],"toolUsePromptTokensDetails":[{"modality":"IMAGE","tokenCount":10}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":15},{"modality":"HOLOGRAM","tokenCount":25}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":30}]}"#;
    let read = Usage {
        input: 100,
        cached_input: 40,
        input_audio: 30,
        input_image: 10,
        input_video: 40,
        cached_audio: 15,
        output: 30,
        output_image: 30,
        ..Usage::NONE
    };
    assert_eq!(gemini::read(json), Some(read));
    assert_eq!(gemini::read(&gemini::render(&read)), Some(read));
}

#[test]
fn what_is_written_for_an_hour_and_searched_is_told_apart() {
    let json = r#"{"input_tokens":1,"cache_creation_input_tokens":30,"cache_read_input_tokens":4,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":5,"server_tool_use":{"web_search_requests":3,"web_fetch_requests":9}}"#;
    let read = Usage {
        input: 35,
        cached_input: 4,
        cache_write: 30,
        cache_write_1h: 20,
        output: 5,
        web_searches: 3,
        ..Usage::NONE
    };
    assert_eq!(anthropic::read(json), Some(read));
    assert_eq!(anthropic::read(&anthropic::render(&read)), Some(read));
    // Where the parts come to more than the whole, they are what is charged.
    let more = json.replace(
        r#""cache_creation_input_tokens":30"#,
        r#""cache_creation_input_tokens":3"#,
    );
    assert_eq!(anthropic::read(&more), Some(read));
}

#[test]
fn the_tier_that_served_is_read_wherever_it_stands() {
    let chat = |tier: &str| {
        let body = format!(
            r#"{{"usage":{{"prompt_tokens":1,"completion_tokens":1}},"service_tier":{tier}}}"#
        );
        self::tier(openai::chat::usage_of(body.as_bytes()))
    };
    for standard in ["null", r#""default""#, r#""auto""#, r#""Standard""#] {
        assert_eq!(chat(standard), None, "{standard}");
    }
    assert_eq!(chat(r#""priority""#).as_deref(), Some("priority"));
    assert_eq!(chat(r#""fl\u0065x""#).as_deref(), Some("flex"));
    for odd in [
        "5",
        "{}",
        r#""""#,
        r#""a b""#,
        &format!("\"{}\"", "x".repeat(25)),
    ] {
        assert_eq!(chat(odd).as_deref(), Some("unknown"), "{odd}");
    }
    let body = br#"{"usage":{"input_tokens":1,"output_tokens":1},"service_tier":"flex"}"#;
    assert_eq!(
        tier(openai::responses::usage_of(body)).as_deref(),
        Some("flex")
    );
    let anthropic = |more: &str| {
        let body =
            format!(r#"{{"type":"message","usage":{{"input_tokens":1,"output_tokens":1{more}}}}}"#);
        let usage = messages::usage_of(body.as_bytes());
        let again = messages::usage::read(&messages::usage::render(&usage.expect("usage")));
        assert_eq!(usage, again, "{more}");
        tier(usage)
    };
    assert_eq!(
        anthropic(r#","service_tier":"standard","inference_geo":"global","speed":"standard""#),
        None
    );
    assert_eq!(
        anthropic(r#","service_tier":"batch""#).as_deref(),
        Some("batch")
    );
    assert_eq!(anthropic(r#","speed":"fast""#).as_deref(), Some("fast"));
    assert_eq!(
        anthropic(r#","inference_geo":"us""#).as_deref(),
        Some("geo-us")
    );
    assert_eq!(
        anthropic(r#","service_tier":"batch","inference_geo":"us""#).as_deref(),
        Some("unknown")
    );
    let gemini = |more: &str| {
        let body = format!(
            r#"{{"usageMetadata":{{"promptTokenCount":1,"candidatesTokenCount":1{more}}}}}"#
        );
        tier(generate::usage_of(body.as_bytes()))
    };
    assert_eq!(gemini(r#","trafficType":"ON_DEMAND""#), None);
    assert_eq!(
        gemini(r#","trafficType":"ON_DEMAND_PRIORITY""#).as_deref(),
        Some("priority")
    );
    assert_eq!(
        gemini(r#","trafficType":"PROVISIONED_THROUGHPUT""#).as_deref(),
        Some("provisioned_throughput")
    );
    assert_eq!(gemini(r#","serviceTier":"flex""#).as_deref(), Some("flex"));
}

#[test]
fn a_count_that_cannot_be_one_is_no_usage() {
    for lie in [
        "-1",
        "1.5",
        "9007199254740993",
        "99999999999999999999",
        "\"1\"",
    ] {
        let lies = [
            Usage::read(&format!(
                r#"{{"prompt_tokens":1,"completion_tokens":1,"completion_tokens_details":{{"audio_tokens":{lie}}}}}"#
            )),
            Usage::read(&format!(
                r#"{{"prompt_tokens":1,"completion_tokens":1,"num_cached_tokens":{lie}}}"#
            )),
            responses::read(&format!(
                r#"{{"input_tokens":1,"output_tokens":1,"input_tokens_details":{{"image_tokens":{lie}}}}}"#
            )),
            anthropic::read(&format!(
                r#"{{"input_tokens":1,"output_tokens":1,"cache_creation":{{"ephemeral_1h_input_tokens":{lie}}}}}"#
            )),
            anthropic::read(&format!(
                r#"{{"input_tokens":1,"output_tokens":1,"server_tool_use":{{"web_search_requests":{lie}}}}}"#
            )),
            gemini::read(&format!(
                r#"{{"promptTokenCount":1,"promptTokensDetails":[{{"modality":"AUDIO","tokenCount":{lie}}}]}}"#
            )),
        ];
        assert_eq!(lies, [None; 6], "{lie}");
    }
    let many = format!(
        r#"{{"promptTokenCount":1,"promptTokensDetails":[{}]}}"#,
        [r#"{"modality":"AUDIO","tokenCount":9007199254740992}"#; 4].join(",")
    );
    assert_eq!(gemini::read(&many), None);
}

fn parts(usage: &Usage) -> bool {
    let whole = [usage.input, usage.output, usage.web_searches];
    whole.into_iter().all(|count| count <= Usage::ABSURD)
        && usage.cached_input <= usage.input
        && usage.cache_write <= usage.input
        && usage.cache_write_1h <= usage.cache_write
        && [usage.input_audio, usage.input_image, usage.input_video]
            .into_iter()
            .all(|part| part <= usage.input)
        && usage.cached_audio <= usage.cached_input.min(usage.input_audio)
        && usage.cached_image <= usage.cached_input.min(usage.input_image)
        && [usage.reasoning, usage.output_audio, usage.output_image]
            .into_iter()
            .all(|part| part <= usage.output)
}

proptest! {
    /// Whatever is reported, no part is larger than its whole and no total is lowered.
    #[test]
    fn no_part_is_larger_than_its_whole(n in proptest::array::uniform12(prop_oneof![0..50u64, any::<u64>(), Just(1 << 53)]), name in ".{0,30}") {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = n;
        let name = serde_json::to_string(&name).unwrap();
        let read = [
            (a, b, Usage::read(&format!(r#"{{"prompt_tokens":{a},"completion_tokens":{b},"total_tokens":{c},"prompt_tokens_details":{{"cached_tokens":{d},"cache_write_tokens":{e},"audio_tokens":{f},"image_tokens":{g},"video_tokens":{h},"cached_tokens_details":{{"audio_tokens":{i}}}}},"completion_tokens_details":{{"reasoning_tokens":{j},"audio_tokens":{k},"image_tokens":{l}}},"service_tier":{name}}}"#))),
            (a, b, responses::read(&format!(r#"{{"input_tokens":{a},"output_tokens":{b},"total_tokens":{c},"input_tokens_details":{{"cached_tokens":{d},"cache_write_tokens":{e},"audio_tokens":{f},"image_tokens":{g}}},"output_tokens_details":{{"reasoning_tokens":{h},"audio_tokens":{i},"image_tokens":{j}}}}}"#))),
            (a, b, anthropic::read(&format!(r#"{{"input_tokens":{a},"output_tokens":{b},"cache_read_input_tokens":{c},"cache_creation_input_tokens":{d},"cache_creation":{{"ephemeral_5m_input_tokens":{e},"ephemeral_1h_input_tokens":{f}}},"output_tokens_details":{{"thinking_tokens":{g}}},"server_tool_use":{{"web_search_requests":{h}}},"service_tier":{name},"inference_geo":{name}}}"#))),
            (a, b, gemini::read(&format!(r#"{{"promptTokenCount":{a},"candidatesTokenCount":{b},"totalTokenCount":{c},"cachedContentTokenCount":{d},"thoughtsTokenCount":{e},"toolUsePromptTokenCount":{f},"promptTokensDetails":[{{"modality":"AUDIO","tokenCount":{g}}},{{"modality":{name},"tokenCount":{h}}}],"cacheTokensDetails":[{{"modality":"AUDIO","tokenCount":{i}}}],"candidatesTokensDetails":[{{"tokenCount":{j}}}],"serviceTier":{name}}}"#))),
        ];
        for (input, output, usage) in read {
            if let Some(usage) = usage {
                prop_assert!(parts(&usage), "{:?}", usage);
                prop_assert!(usage.input >= input && usage.output >= output, "{:?}", usage);
            }
        }
    }

    #[test]
    fn a_tier_is_short_and_never_the_standard_one_by_mistake(name in ".{0,40}") {
        if let Some(tier) = Tier::of(&name) {
            prop_assert!(!tier.as_str().is_empty() && tier.as_str().len() <= Tier::LONGEST);
            prop_assert_eq!(Tier::of(tier.as_str()), Some(tier));
        }
    }
}
