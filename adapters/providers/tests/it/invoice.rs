//! What every recorded reply costs, reckoned twice: by our readers and price book, and
//! straight from the provider's JSON by the table below, which was written by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lattice_dialects::anthropic::messages::{self, MessagesWatch};
use lattice_dialects::canonical;
use lattice_dialects::gemini::generate::{self, GenerateWatch};
use lattice_dialects::openai::chat::{self, ChatWatch};
use lattice_dialects::openai::responses::{self, ResponsesWatch};
use lattice_dialects::reply::{Asked, Relay, Watch};
use lattice_kernel::{Clock, NanoUsd, Price, SystemClock};
use lattice_providers::price::Model;
use lattice_providers::{PriceBook, used};
use serde_json::Value;
use time::macros::datetime;

/// When all of them are taken to have begun.
const AT: time::OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

/// List prices of that day in USD per million tokens: input, cached, written, output.
const PRICES: &[(&str, &str, [f64; 4])] = &[
    (
        "anthropic",
        "claude-3-5-sonnet-20240620",
        [3.0, 0.3, 3.75, 15.0],
    ),
    (
        "anthropic",
        "claude-3-7-sonnet-20250219",
        [3.0, 0.3, 3.75, 15.0],
    ),
    (
        "anthropic",
        "claude-3-haiku-20240307",
        [0.25, 0.03, 0.3, 1.25],
    ),
    (
        "anthropic",
        "claude-3-opus-20240229",
        [15.0, 1.5, 18.75, 75.0],
    ),
    ("anthropic", "claude-fable-5", [10.0, 1.0, 12.5, 50.0]),
    ("anthropic", "claude-haiku-4-5", [1.0, 0.1, 1.25, 5.0]),
    (
        "anthropic",
        "claude-haiku-4-5-20251001",
        [1.0, 0.1, 1.25, 5.0],
    ),
    (
        "anthropic",
        "claude-opus-4-1-20250805",
        [15.0, 1.5, 18.75, 75.0],
    ),
    ("anthropic", "claude-opus-4-6", [5.0, 0.5, 6.25, 25.0]),
    ("anthropic", "claude-sonnet-4-0", [3.0, 0.3, 3.75, 15.0]),
    (
        "anthropic",
        "claude-sonnet-4-20250514",
        [3.0, 0.3, 3.75, 15.0],
    ),
    ("anthropic", "claude-sonnet-4-5", [3.0, 0.3, 3.75, 15.0]),
    (
        "anthropic",
        "claude-sonnet-4-5-20250929",
        [3.0, 0.3, 3.75, 15.0],
    ),
    ("anthropic", "claude-sonnet-4-6", [3.0, 0.3, 3.75, 15.0]),
    ("anthropic", "claude-sonnet-5", [2.0, 0.2, 2.5, 10.0]),
    ("azure", "gpt-5-mini", [0.25, 0.025, 0.25, 2.0]),
    (
        "azure",
        "grok-4-1-fast-non-reasoning",
        [0.2, 0.05, 0.2, 0.5],
    ),
    ("google", "gemini-1.5-flash", [0.075, 0.018_75, 0.075, 0.3]),
    ("google", "gemini-2.0-flash", [0.1, 0.025, 0.1, 0.4]),
    ("google", "gemini-2.0-flash-001", [0.1, 0.025, 0.1, 0.4]),
    ("google", "gemini-2.5-flash", [0.3, 0.03, 0.3, 2.5]),
    ("google", "gemini-2.5-pro", [1.25, 0.125, 1.25, 10.0]),
    (
        "google",
        "gemini-2.5-pro-preview-05-06",
        [1.25, 0.125, 1.25, 10.0],
    ),
    ("google", "gemini-3-flash-preview", [0.5, 0.05, 0.5, 3.0]),
    ("google", "gemini-3-pro-preview", [2.0, 0.2, 2.0, 12.0]),
    ("google", "gemini-3.1-flash-lite", [0.25, 0.025, 0.25, 1.5]),
    ("google", "gemini-3.1-pro-preview", [2.0, 0.2, 2.0, 12.0]),
    ("google", "gemini-3.5-flash", [1.5, 0.15, 1.5, 9.0]),
    ("google", "gemini-flash-latest", [0.75, 0.075, 0.75, 3.75]),
    ("groq", "llama3-8b-8192", [0.05, 0.05, 0.05, 0.08]),
    ("mistral", "mistral-large-latest", [2.0, 2.0, 2.0, 6.0]),
    ("mistral", "mistral-medium-latest", [1.5, 0.15, 1.5, 7.5]),
    ("mistral", "pixtral-12b-latest", [0.15, 0.15, 0.15, 0.15]),
    ("mistral", "voxtral-small-latest", [0.1, 0.01, 0.1, 0.4]),
    ("openai", "gpt-3.5-turbo", [0.5, 0.5, 0.5, 1.5]),
    ("openai", "gpt-4.1", [2.0, 0.5, 2.0, 8.0]),
    ("openai", "gpt-4.1-mini", [0.4, 0.1, 0.4, 1.6]),
    ("openai", "gpt-4.1-nano", [0.1, 0.025, 0.1, 0.4]),
    ("openai", "gpt-4o", [2.5, 1.25, 2.5, 10.0]),
    ("openai", "gpt-4o-audio-preview", [2.5, 2.5, 2.5, 10.0]),
    ("openai", "gpt-4o-mini", [0.15, 0.075, 0.15, 0.6]),
    (
        "openai",
        "gpt-4o-mini-search-preview",
        [0.15, 0.075, 0.15, 0.6],
    ),
    ("openai", "gpt-5", [1.25, 0.125, 1.25, 10.0]),
    ("openai", "gpt-5-mini", [0.25, 0.025, 0.25, 2.0]),
    ("openai", "gpt-5-nano", [0.05, 0.005, 0.05, 0.4]),
    ("openai", "gpt-5.2", [1.75, 0.175, 1.75, 14.0]),
    ("openai", "gpt-5.4", [2.5, 0.25, 2.5, 15.0]),
    ("openai", "gpt-5.4-mini", [0.75, 0.075, 0.75, 4.5]),
    ("openai", "gpt-5.5", [5.0, 0.5, 5.0, 30.0]),
    ("openai", "gpt-5.6", [4.0, 0.4, 5.0, 20.0]),
    ("openai", "gpt-5.6-sol", [4.0, 0.4, 5.0, 20.0]),
    ("openai", "gpt-audio-mini", [0.6, 0.6, 0.6, 2.4]),
    ("openai", "o3-mini", [1.1, 0.55, 1.1, 4.4]),
    ("openai", "o4-mini", [1.1, 0.275, 1.1, 4.4]),
    (
        "openrouter",
        "anthropic/claude-sonnet-4.6",
        [3.0, 0.3, 3.75, 15.0],
    ),
    (
        "openrouter",
        "google/gemini-2.5-flash",
        [0.3, 0.03, 0.083_334, 2.5],
    ),
    ("x-ai", "grok-4.3", [1.25, 0.2, 1.25, 2.5]),
];

/// What sound costs where it has a price of its own: heard, and spoken.
const SOUND: &[(&str, [f64; 2])] = &[
    ("gemini-2.0-flash", [0.7, 0.4]),
    ("gemini-2.0-flash-001", [0.7, 0.4]),
    ("gemini-2.5-flash", [1.0, 2.5]),
    ("gemini-3-flash-preview", [1.0, 3.0]),
    ("gemini-3.1-flash-lite", [0.5, 1.5]),
    ("gpt-audio-mini", [10.0, 20.0]),
];

/// Replies whose charge is not known, and why.
const UNKNOWN: &[(&str, &str)] = &[(
    "anthropic-anthropic_messages-json-bd3e9cdd1e.json",
    "it ran in one region, which may cost more",
)];

/// Counts that no two classes share.
#[derive(Debug, Default, PartialEq)]
struct Told {
    plain: u64,
    heard: u64,
    cached: u64,
    written: u64,
    written_1h: u64,
    shown: u64,
    reasoning: u64,
    spoken: u64,
    searches: u64,
}

fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

impl Told {
    fn chat(usage: &Value) -> Self {
        let at = |pointer| count(usage, pointer);
        let cached = at("/prompt_tokens_details/cached_tokens") + at("/num_cached_tokens");
        let written = at("/prompt_tokens_details/cache_write_tokens");
        let heard = at("/prompt_tokens_details/audio_tokens");
        let reasoning = at("/completion_tokens_details/reasoning_tokens");
        let spoken = at("/completion_tokens_details/audio_tokens");
        let (mut input, mut output) = (at("/prompt_tokens"), at("/completion_tokens"));
        let hidden = at("/total_tokens").saturating_sub(input + output);
        // Mistral counts sound beside the prompt, Gemini thoughts beside the completion.
        *(if hidden == heard {
            &mut input
        } else {
            &mut output
        }) += hidden;
        // Grok on Azure counts what was cached beside the prompt.
        input += if cached > input { cached } else { 0 };
        Self {
            plain: input.saturating_sub(cached + written + heard),
            heard,
            cached,
            written,
            shown: output - reasoning - spoken,
            reasoning,
            spoken,
            ..Self::default()
        }
    }

    fn responses(usage: &Value) -> Self {
        let at = |pointer| count(usage, pointer);
        let cached = at("/input_tokens_details/cached_tokens");
        let written = at("/input_tokens_details/cache_write_tokens");
        let reasoning = at("/output_tokens_details/reasoning_tokens");
        let (input, output) = (at("/input_tokens"), at("/output_tokens"));
        assert!(at("/total_tokens") <= input + output, "{usage}");
        Self {
            plain: input - cached - written,
            cached,
            written,
            shown: output - reasoning,
            reasoning,
            ..Self::default()
        }
    }

    fn messages(usage: &Value) -> Self {
        let at = |pointer| count(usage, pointer);
        let written_1h = at("/cache_creation/ephemeral_1h_input_tokens");
        let reasoning = at("/output_tokens_details/thinking_tokens");
        Self {
            plain: at("/input_tokens"),
            cached: at("/cache_read_input_tokens"),
            written: at("/cache_creation_input_tokens") - written_1h,
            written_1h,
            shown: at("/output_tokens") - reasoning,
            reasoning,
            searches: at("/server_tool_use/web_search_requests"),
            ..Self::default()
        }
    }

    fn generate(usage: &Value) -> Self {
        let at = |pointer| count(usage, pointer);
        let details = usage["promptTokensDetails"]
            .as_array()
            .into_iter()
            .flatten();
        let sound = details.filter(|detail| detail["modality"] == "AUDIO");
        let heard: u64 = sound.map(|detail| count(detail, "/tokenCount")).sum();
        let cached = at("/cachedContentTokenCount");
        let input = at("/promptTokenCount") + at("/toolUsePromptTokenCount");
        let (shown, reasoning) = (at("/candidatesTokenCount"), at("/thoughtsTokenCount"));
        let hidden = at("/totalTokenCount").saturating_sub(input + shown + reasoning);
        Self {
            plain: input - cached - heard,
            heard,
            cached,
            shown: shown + hidden,
            reasoning,
            ..Self::default()
        }
    }

    /// In whole numbers: pico-USD per token, each line rounded up to nano-USD.
    fn cost(&self, model: &str, [input, cached, written, output]: [f64; 4]) -> u64 {
        let sound = SOUND.iter().find(|(name, _)| *name == model);
        let [heard, spoken] = sound.map_or([input, output], |(_, rates)| *rates);
        let lines = [
            (self.plain, input),
            (self.heard, heard),
            (self.cached, cached),
            (self.written, written),
            (self.written_1h, 2.0 * input),
            (self.shown, output),
            (self.reasoning, output),
            (self.spoken, spoken),
            // 10 USD for a thousand searches.
            (self.searches, 10_000.0),
        ];
        let nano = lines.map(|(tokens, usd_per_mtok)| {
            let pico = format!("{:.0}", usd_per_mtok * 1e6).parse::<u64>().unwrap();
            (tokens * pico).div_ceil(1000)
        });
        nano.iter().sum()
    }
}

struct Recorded {
    file: String,
    api: String,
    /// As the price book knows it; `None`: a server of one's own.
    provider: Option<&'static str>,
    model: String,
    stream: bool,
    body: String,
}

impl Recorded {
    /// Its JSON: the reply, or the events of it.
    fn chunks(&self) -> Vec<Value> {
        if let Ok(whole) = serde_json::from_str(&self.body) {
            return vec![whole];
        }
        let data = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        data.filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }

    /// As the provider counted it, and the object that says so.
    fn told(&self) -> Option<(Told, Value)> {
        let chunks = self.chunks();
        let last = |pointer: &str| {
            let found = chunks.iter().rev().find_map(|chunk| {
                let usage = chunk.pointer(pointer)?;
                usage.is_object().then(|| usage.clone())
            });
            found.filter(|usage| !usage.as_object().unwrap().is_empty())
        };
        match self.api.as_str() {
            "openai.chat" => last("/usage").map(|usage| (Told::chat(&usage), usage)),
            "openai.responses" => {
                let usage = last("/response/usage").or_else(|| last("/usage"))?;
                Some((Told::responses(&usage), usage))
            }
            "anthropic.messages" => {
                let mut usage = last("/message/usage").unwrap_or_default();
                for (name, value) in last("/usage")?.as_object().unwrap() {
                    if !value.is_null() {
                        usage[name.as_str()] = value.clone();
                    }
                }
                Some((Told::messages(&usage), usage))
            }
            "gemini.generateContent" => {
                let usage = last("/usageMetadata")?;
                Some((Told::generate(&usage), usage))
            }
            _ => None,
        }
    }

    /// As our own readers have it.
    fn read(&self) -> Option<canonical::Usage> {
        let body = self.body.as_bytes();
        if !self.stream {
            return match self.api.as_str() {
                "openai.chat" => chat::usage_of(body),
                "openai.responses" => responses::usage_of(body),
                "anthropic.messages" => messages::usage_of(body),
                _ => generate::usage_of(body),
            };
        }
        let watch: Box<dyn Watch> = match self.api.as_str() {
            "openai.chat" => Box::new(ChatWatch::new(Asked::Yes, 1)),
            "openai.responses" => Box::new(ResponsesWatch::default()),
            "anthropic.messages" => Box::new(MessagesWatch::default()),
            _ => Box::new(GenerateWatch::new(1)),
        };
        let mut relay = Relay::new(watch);
        let mut out = Vec::new();
        relay.push(self.body.clone().into(), &mut |_| None, &mut out);
        relay.finish(&mut |_| None, &mut out);
        relay.progress().usage
    }
}

/// Every recorded reply that says that it went well.
fn recorded() -> Option<Vec<Recorded>> {
    let root = std::env::var_os("LATTICE_FIXTURES").map_or_else(
        || {
            let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
            PathBuf::from(here).join("../../../shared/fixtures")
        },
        PathBuf::from,
    );
    let folder = root.join("wire/dev");
    let Ok(index) = std::fs::read_to_string(folder.join("index.tsv")) else {
        eprintln!("skipped: no recordings at {}", folder.display());
        return None;
    };
    let rows = index.lines().skip(1).map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        let (file, host, api, stream) = (columns[0], columns[1], columns[2], columns[3]);
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let exchange: Value = serde_json::from_str(&text).unwrap();
        let body = exchange["response"]["body"].as_str().unwrap_or_default();
        let mut recorded = Recorded {
            file: file.to_owned(),
            api: api.to_owned(),
            provider: match host {
                "gemini" | "vertex" => Some("google"),
                "azure-openai" => Some("azure"),
                "xai" => Some("x-ai"),
                "anthropic" => Some("anthropic"),
                "groq" => Some("groq"),
                "mistral" => Some("mistral"),
                "openai" => Some("openai"),
                "openrouter" => Some("openrouter"),
                _ => None,
            },
            model: columns[5].to_owned(),
            stream: stream == "true",
            body: body.to_owned(),
        };
        if matches!(recorded.model.as_str(), "" | "unknown") {
            let mut chunks = recorded.chunks().into_iter();
            let said = chunks.find_map(|chunk| {
                let places = ["/model", "/modelVersion", "/message/model"];
                let mut said = places.iter().filter_map(|place| chunk.pointer(place));
                said.next()?.as_str().map(str::to_owned)
            });
            recorded.model = said.unwrap_or_default();
        }
        recorded
    });
    Some(rows.collect())
}

fn price(provider: Option<&str>, model: &str) -> Option<Arc<dyn Price>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let model = Model {
        provider: "any",
        listed_as: provider,
        base_url: "http://127.0.0.1:9/v1",
        model,
    };
    PriceBook::built_in().find(model, &clock)
}

#[test]
fn every_recorded_reply_costs_what_the_table_says() {
    let Some(recorded) = recorded() else { return };
    // Replies, of them with cached tokens, and with reasoning.
    let mut by_provider: BTreeMap<&str, [u32; 3]> = BTreeMap::new();
    let mut unlisted: BTreeMap<String, u32> = BTreeMap::new();
    let (mut nowhere, mut unpriced, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for reply in &recorded {
        let served = [
            "openai.chat",
            "openai.responses",
            "anthropic.messages",
            "gemini.generateContent",
        ];
        if !served.contains(&reply.api.as_str()) {
            if reply.body.contains("\"usage\"") {
                nowhere.push(reply.file.as_str());
            }
            continue;
        }
        let Some((told, json)) = reply.told() else {
            continue;
        };
        let provider = reply.provider.unwrap_or("local");
        let listed = PRICES
            .iter()
            .find(|(at, model, _)| (*at, *model) == (provider, reply.model.as_str()));
        let price = price(reply.provider, &reply.model);
        let Some(((_, _, rates), price)) = listed.zip(price.clone()) else {
            let both = listed.is_some() == price.is_some();
            assert!(both, "{provider} {}: {price:?}", reply.model);
            *unlisted
                .entry(format!("{provider}/{}", reply.model))
                .or_default() += 1;
            continue;
        };
        let usage = reply.read().map(|usage| used(&usage));
        let ours = usage.and_then(|usage| price.bill(&usage, AT));
        if UNKNOWN.iter().any(|(file, _)| *file == reply.file) {
            assert_eq!(ours, None, "{}", reply.file);
            unpriced.push(reply.file.as_str());
            continue;
        }
        let expected = NanoUsd::new(told.cost(&reply.model, *rates));
        if ours.as_ref().map(|bill| bill.total) != expected {
            wrong.push(format!(
                "{} {}: {ours:?}, not {expected:?} of {told:?} in {json}",
                reply.file, reply.model
            ));
            continue;
        }
        let counts = by_provider.entry(provider).or_default();
        counts[0] += 1;
        counts[1] += u32::from(told.cached > 0);
        counts[2] += u32::from(told.reasoning > 0);
    }
    for (provider, [replies, cached, reasoning]) in &by_provider {
        println!(
            "{provider}: {replies} replies to the nano-USD, {cached} with cached tokens, {reasoning} with reasoning"
        );
    }
    println!("no list has them: {unlisted:?}");
    println!("of APIs that have no tokens to price here: {nowhere:?}");
    println!("of unknown charge: {unpriced:?}");
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for provider in ["openai", "anthropic", "google"] {
        let [_, cached, reasoning] = by_provider[provider];
        assert!(
            cached > 0 && reasoning > 0,
            "{provider}: nothing cached or reasoned"
        );
    }
}

/// Bodies and sums that were worked out on paper.
#[test]
fn sums_done_by_hand() {
    let cost = |provider: &str, model: &str, usage: Option<canonical::Usage>| {
        let price = price(Some(provider), model).expect("listed");
        let bill = price.bill(&used(&usage.expect("usage")), AT);
        bill.expect("priced").total.get()
    };
    // gpt-5: 1.25, 0.125 and 10 USD per million, so 1250, 125 and 10,000 nano-USD a token.
    // 1000 in, of them 640 cached: 360 × 1250 = 450,000 and 640 × 125 = 80,000.
    // 300 out, of them 256 reasoning: 300 × 10,000 = 3,000,000. Together 3,530,000.
    let body = br#"{"usage":{"prompt_tokens":1000,"completion_tokens":300,"total_tokens":1300,"prompt_tokens_details":{"cached_tokens":640},"completion_tokens_details":{"reasoning_tokens":256}},"service_tier":"default"}"#;
    assert_eq!(cost("openai", "gpt-5", chat::usage_of(body)), 3_530_000);
    // The same on the flex tier, half of it: 225,000 + 640 × 62.5 = 40,000 + 1,500,000.
    let flex = String::from_utf8_lossy(body).replace("default", "flex");
    assert_eq!(
        cost("openai", "gpt-5", chat::usage_of(flex.as_bytes())),
        1_765_000
    );
    // And as a response of the Responses API.
    let body = br#"{"usage":{"input_tokens":1000,"output_tokens":300,"total_tokens":1300,"input_tokens_details":{"cached_tokens":640},"output_tokens_details":{"reasoning_tokens":256}}}"#;
    assert_eq!(
        cost("openai", "gpt-5", responses::usage_of(body)),
        3_530_000
    );

    // claude-haiku-4-5: 1, 0.10, 1.25 (2 for an hour) and 5 USD per million.
    // 50 × 1000 = 50,000; read 2000 × 100 = 200,000; written 300 × 1250 = 375,000 and
    // 100 × 2000 = 200,000; 80 out × 5000 = 400,000, 30 of them thinking; one search is
    // 0.01 USD = 10,000,000. Together 11,225,000.
    let body = br#"{"type":"message","usage":{"input_tokens":50,"cache_read_input_tokens":2000,"cache_creation_input_tokens":400,"cache_creation":{"ephemeral_5m_input_tokens":300,"ephemeral_1h_input_tokens":100},"output_tokens":80,"output_tokens_details":{"thinking_tokens":30},"server_tool_use":{"web_search_requests":1},"service_tier":"standard"}}"#;
    assert_eq!(
        cost("anthropic", "claude-haiku-4-5", messages::usage_of(body)),
        11_225_000
    );
    // In a batch tokens cost half, and searches what they always do:
    // 25,000 + 100,000 + 187,500 + 100,000 + 200,000 + 10,000,000.
    let batch = String::from_utf8_lossy(body).replace("standard", "batch");
    assert_eq!(
        cost(
            "anthropic",
            "claude-haiku-4-5",
            messages::usage_of(batch.as_bytes())
        ),
        10_612_500
    );

    // gemini-2.5-flash: 0.30 (sound 1.00), cached 0.03 (sound 0.10) and 2.50 USD per million.
    // 900 + 100 fed back by tools, 200 of them sound; 300 cached, 50 of them sound.
    // Text: 1000 − 150 − 50 − 250 = 550 × 300 = 165,000; sound 150 × 1000 = 150,000;
    // cached text 250 × 30 = 7,500; cached sound 50 × 100 = 5,000.
    // 40 + 60 thoughts, 100 × 2500 = 250,000. Together 577,500.
    let body = br#"{"candidates":[],"usageMetadata":{"promptTokenCount":900,"toolUsePromptTokenCount":100,"cachedContentTokenCount":300,"candidatesTokenCount":40,"thoughtsTokenCount":60,"totalTokenCount":1100,"promptTokensDetails":[{"modality":"TEXT","tokenCount":700},{"modality":"AUDIO","tokenCount":200}],"cacheTokensDetails":[{"modality":"TEXT","tokenCount":250},{"modality":"AUDIO","tokenCount":50}],"trafficType":"ON_DEMAND"}}"#;
    assert_eq!(
        cost("google", "gemini-2.5-flash", generate::usage_of(body)),
        577_500
    );
    // gemini-2.5-pro is dearer beyond 200,000 tokens: 2.50, cached 0.25, and 15 USD.
    // 150,001 × 2500 = 375,002,500; 50,000 × 250 = 12,500,000; 10 × 15,000 = 150,000.
    let body = br#"{"candidates":[],"usageMetadata":{"promptTokenCount":200001,"cachedContentTokenCount":50000,"candidatesTokenCount":10,"totalTokenCount":200011}}"#;
    assert_eq!(
        cost("google", "gemini-2.5-pro", generate::usage_of(body)),
        387_652_500
    );
}
