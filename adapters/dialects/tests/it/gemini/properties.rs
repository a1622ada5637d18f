//! Whatever a provider sends.

use lattice_dialects::canonical::Usage;
use lattice_dialects::gemini::generate::{read_error, usage};
use proptest::prelude::*;

use super::told::{events, whole};
use crate::support::json_text;

/// Parts as they may come, in any order.
fn part() -> impl Strategy<Value = String> {
    let fixed = [
        r#"{"text":"a"}"#,
        r#"{"text":""}"#,
        r#"{"text":"","thoughtSignature":"S"}"#,
        r#"{"text":"t","thought":true}"#,
        r#"{"thoughtSignature":"S"}"#,
        r#"{"functionCall":{"name":"f","args":{"a":1}}}"#,
        r#"{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"S"}"#,
        r#"{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"x"}],"willContinue":true}}"#,
        r#"{"functionCall":{}}"#,
        r#"{"executableCode":{}}"#,
    ];
    prop_oneof![
        8 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        1 => json_text(),
        1 => json_text().prop_map(|json| format!(r#"{{"functionCall":{{"name":"f","args":{json}}}}}"#)),
    ]
}

fn chunk() -> impl Strategy<Value = String> {
    let finish = prop_oneof![Just("null"), Just(r#""STOP""#), Just(r#""SAFETY""#)];
    let parts = proptest::collection::vec(part(), 0..4);
    (0..3_u32, parts, finish).prop_map(|(index, parts, finish)| {
        let parts = parts.join(",");
        format!(r#"{{"candidates":[{{"index":{index},"content":{{"parts":[{parts}]}},"finishReason":{finish}}}]}}"#)
    })
}

proptest! {
    #[test]
    fn every_stream_keeps_the_order(chunks in proptest::collection::vec(chunk(), 0..8)) {
        // `events` checks the order as it goes.
        let _ = events(&chunks);
        if let Ok(told) = whole(format!("[{}]", chunks.join(",")).as_bytes()) {
            let (streamed, _) = events(&chunks).unwrap();
            prop_assert_eq!(told.lines, streamed.lines);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = (whole(&bytes), events(&[&bytes]), read_error(&bytes));
    }

    #[test]
    fn no_json_makes_it_panic(json in json_text()) {
        for key in ["candidates", "error", "promptFeedback", "usageMetadata", "responseId"] {
            let body = format!(r#"{{"{key}":{json}}}"#);
            let _ = (whole(body.as_bytes()), events(&[&body]), read_error(body.as_bytes()));
        }
        let _ = (whole(json.as_bytes()), usage::read(&json), read_error(json.as_bytes()));
    }

    #[test]
    fn usage_survives_the_round_trip(
        input in 0..=Usage::ABSURD,
        output in 0..=Usage::ABSURD,
        cached in 0.0..=1.0_f64,
        thoughts in 0.0..=1.0_f64,
    ) {
        let share = |whole: u64, part: f64| ((whole as f64 * part) as u64).min(whole);
        let told = Usage {
            input,
            cached_input: share(input, cached),
            cache_write: 0,
            output,
            reasoning: share(output, thoughts),
..Usage::NONE
};
        prop_assert_eq!(usage::read(&usage::render(&told)), Some(told));
    }

    #[test]
    fn usage_holds_what_it_promises(
        counts in proptest::collection::vec(prop_oneof![0..50_u64, any::<u64>(), (1_u64 << 53) - 2..(1 << 53) + 2], 6),
    ) {
        let [prompt, tools, cached, candidates, thoughts, total] = counts[..] else { unreachable!() };
        let json = format!(
            r#"{{"promptTokenCount":{prompt},"toolUsePromptTokenCount":{tools},"cachedContentTokenCount":{cached},"candidatesTokenCount":{candidates},"thoughtsTokenCount":{thoughts},"totalTokenCount":{total}}}"#
        );
        if let Some(usage) = usage::read(&json) {
            prop_assert!(usage.input <= Usage::ABSURD && usage.output <= Usage::ABSURD);
            prop_assert!(usage.cached_input <= usage.input && usage.reasoning <= usage.output);
            prop_assert!(usage.input >= prompt + tools && usage.output >= candidates + thoughts);
            prop_assert!(usage.input + usage.output >= total);
        }
    }
}
