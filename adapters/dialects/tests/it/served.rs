//! A verdict for every recording: the gateway serves its kind, or it does not and why.
//!
//! Here each recorded request goes through the reader of its route and each reply
//! through its decoder; the tests that are named beside do more with them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use bytes::Bytes;
use lattice_dialects::anthropic::messages::{self, MessagesRequest};
use lattice_dialects::canonical::{Decode, Ended, Target};
use lattice_dialects::embed::{EmbedApi, EmbedRequest, GeminiRequest, OpenAiRequest, Verb};
use lattice_dialects::gemini::generate::{self, GenerateRequest};
use lattice_dialects::openai::chat::{self, ChatRequest};
use lattice_dialects::openai::responses::{self, ResponsesRequest};
use lattice_dialects::{Api, count, openai};
use serde_json::Value;

use crate::order::{decoded, decoded_whole};
use crate::recorded::{Recording, everything, index};

enum Verdict {
    /// The test that replays such recordings, and what reads one here; it panics where it
    /// cannot.
    Served(&'static str, fn(&Recording)),
    /// No client may ask it; why the gateway does, and what reads one here.
    Asked(&'static str, fn(&Recording)),
    /// Why not.
    NotServed(&'static str),
}

use Verdict::{Asked, NotServed, Served};

const CHAT: Verdict = Served(
    "replay::recorded_chat_replies_survive_the_canonical_form",
    chat,
);
const RESPONSES: Verdict = Served("replay::recorded_responses_reach_a_chat_client", responses);
const EMBEDDINGS: Verdict = Served("embed::recorded_embeddings_pass_and_translate", embeddings);
const AZURE: Verdict = NotServed("there is no kind of provider for Azure");
const VERTEX: Verdict = NotServed("there is no kind of provider for Vertex AI");
const LEGACY: Verdict = NotServed("legacy completions have no route");

/// By provider and API.
const VERDICTS: &[(&str, &str, Verdict)] = &[
    (
        "anthropic",
        "anthropic.count_tokens",
        Served(
            "messages::recordings::recorded_counts_are_read",
            counted_by_claude,
        ),
    ),
    (
        "anthropic",
        "anthropic.messages",
        Served(
            "replay::recorded_claude_replies_reach_a_chat_client",
            claude,
        ),
    ),
    ("azure-openai", "openai.chat", AZURE),
    ("azure-openai", "openai.embeddings", AZURE),
    ("azure-openai", "openai.responses", AZURE),
    (
        "gemini",
        "gemini.countTokens",
        Served(
            "gemini::inbound::recordings::recorded_counts_are_read",
            counted_by_gemini,
        ),
    ),
    (
        "gemini",
        "gemini.embed",
        Served(
            "embed::recorded_embeddings_pass_and_translate",
            embedded_by_gemini,
        ),
    ),
    (
        "gemini",
        "gemini.generateContent",
        Served(
            "replay::recorded_gemini_replies_reach_a_chat_client",
            generated,
        ),
    ),
    (
        "gemini",
        "gemini.models",
        NotServed("the gateway lists the models of its own configuration, and asks no provider"),
    ),
    ("gemini", "openai.chat", CHAT),
    ("groq", "openai.chat", CHAT),
    ("llamacpp", "openai.chat", CHAT),
    ("mistral", "openai.chat", CHAT),
    ("ollama", "openai.chat", CHAT),
    ("ollama", "openai.completions", LEGACY),
    (
        "ollama",
        "openai.embeddings",
        NotServed("/api/embeddings is Ollama's own API; its /v1/embeddings is served"),
    ),
    ("openai", "openai.chat", CHAT),
    ("openai", "openai.completions", LEGACY),
    ("openai", "openai.embeddings", EMBEDDINGS),
    ("openai", "openai.responses", RESPONSES),
    (
        "openai",
        "openai.responses.compact",
        NotServed("/v1/responses/compact has no route"),
    ),
    (
        "openai",
        "openai.responses.input_tokens",
        Asked(
            "clients have no such route; the gateway asks it where it counts for others",
            counted_by_openai,
        ),
    ),
    ("openrouter", "openai.chat", CHAT),
    ("openrouter", "openai.embeddings", EMBEDDINGS),
    ("vertex", "gemini.generateContent", VERTEX),
    ("vllm", "openai.chat", CHAT),
    ("vllm", "openai.embeddings", EMBEDDINGS),
    ("xai", "openai.responses", RESPONSES),
];

/// The body of the request; `None` where the reply alone was recorded.
fn asked(recording: &Recording) -> Option<Bytes> {
    let body = recording.request();
    body.is_object().then(|| Bytes::from(body.to_string()))
}

/// The model in a path such as `/v1beta/models/gemini-2.5-flash:countTokens`.
fn model_in_path(recording: &Recording) -> &str {
    let path = recording.json["request"]["path"].as_str().unwrap();
    let (_, name) = path.split_once("/models/").unwrap();
    name.split(':').next().unwrap()
}

/// Decodes a reply to its end, or the words of an error.
fn answered(recording: &Recording, mut decoder: impl Decode, error: fn(&[u8]) -> Option<String>) {
    let body = recording.body();
    if recording.status() >= 400 {
        let words = error(&body);
        assert!(words.is_some_and(|words| !words.is_empty()));
    } else if recording.is_stream() {
        let (told, ended) = decoded(&body, &mut decoder).unwrap();
        assert!(ended == Ended::Whole || told.error.is_some(), "{ended:?}");
    } else {
        decoded_whole(&body, &mut decoder).unwrap();
    }
}

fn chat(recording: &Recording) {
    ChatRequest::parse(asked(recording).unwrap()).unwrap();
    let decoder = chat::Decoder::new("s", recording.choices());
    answered(recording, decoder, |body| openai::read_error(body)?.message);
}

fn responses(recording: &Recording) {
    if let Some(body) = asked(recording) {
        ResponsesRequest::parse(body).unwrap();
    }
    if recording.request()["background"] == true && !recording.is_stream() {
        // It is on its way; the reply holds neither text nor usage.
        assert_eq!(responses::usage_of(&recording.body()), None);
        return;
    }
    let decoder = responses::Decoder::default();
    answered(recording, decoder, |body| openai::read_error(body)?.message);
}

fn claude(recording: &Recording) {
    if let Some(body) = asked(recording) {
        MessagesRequest::parse(body).unwrap();
    }
    let decoder = messages::Decoder::default();
    answered(recording, decoder, |body| {
        messages::read_error(body)?.message
    });
}

fn generated(recording: &Recording) {
    if let Some(body) = asked(recording) {
        GenerateRequest::parse(body, model_in_path(recording), recording.is_stream()).unwrap();
    }
    let decoder = generate::Decoder::new("s");
    answered(recording, decoder, |body| {
        generate::read_error(body)?.message
    });
}

fn embeddings(recording: &Recording) {
    let request = OpenAiRequest::parse(asked(recording).unwrap()).unwrap();
    let error = |body: &[u8]| openai::read_error(body)?.message;
    embedded(
        recording,
        EmbedRequest::OpenAi(request),
        EmbedApi::OpenAi,
        error,
    );
}

fn embedded_by_gemini(recording: &Recording) {
    let (body, model) = (asked(recording).unwrap(), model_in_path(recording));
    let request = GeminiRequest::parse(body, Verb::Batch, model).unwrap();
    let error = |body: &[u8]| generate::read_error(body)?.message;
    embedded(
        recording,
        EmbedRequest::Gemini(request),
        EmbedApi::Gemini,
        error,
    );
}

fn embedded(
    recording: &Recording,
    request: EmbedRequest,
    api: EmbedApi,
    error: fn(&[u8]) -> Option<String>,
) {
    let body = recording.body();
    if recording.status() >= 400 {
        assert!(error(&body).is_some_and(|words| !words.is_empty()));
    } else {
        assert_eq!(request.answer(api, &body, 0).unwrap().0, body);
    }
}

fn counted_by_claude(recording: &Recording) {
    MessagesRequest::parse_count(asked(recording).unwrap()).unwrap();
    assert!(count::read(Api::Messages, &recording.body()).is_some());
}

fn counted_by_gemini(recording: &Recording) {
    let (body, model) = (asked(recording).unwrap(), model_in_path(recording));
    generate::CountRequest::parse(body, model).unwrap();
    let body = recording.body();
    if recording.status() >= 400 {
        assert!(generate::read_error(&body).is_some_and(|it| it.message.is_some()));
    } else {
        assert!(count::read(Api::Generate, &body).is_some());
    }
}

/// The recorded question is what the gateway would ask for such a request.
fn counted_by_openai(recording: &Recording) {
    let request = ResponsesRequest::parse(asked(recording).unwrap()).unwrap();
    let model = &request.facts.model;
    let to = Target {
        model,
        output_cap: None,
    };
    let asks = responses::count::encode(&request.canonical().unwrap(), &to).unwrap();
    let asks: Value = serde_json::from_slice(&asks.body).unwrap();
    for key in ["model", "tool_choice"] {
        assert_eq!(asks[key], recording.request()[key]);
    }
    assert!(asks["input"].is_array() && asks["tools"].is_array());
    assert!(count::read(Api::Responses, &recording.body()).is_some());
}

/// How many were read: all.
fn read_all(recordings: &[&Recording], read: fn(&Recording)) -> usize {
    for recording in recordings {
        println!("{}", recording.file);
        read(recording);
    }
    recordings.len()
}

/// Every test of this binary, by its path.
fn tests() -> BTreeSet<String> {
    let binary = std::env::current_exe().unwrap();
    let listed = Command::new(binary).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

#[test]
fn every_recording_has_a_verdict() {
    let test = "every_recording_has_a_verdict";
    let (Some(recordings), Some(index)) = (everything(test), index(test)) else {
        return;
    };
    let mut kinds: BTreeMap<(&str, &str), Vec<&Recording>> = BTreeMap::new();
    for recording in &recordings {
        let kind = ["provider", "api"].map(|key| recording.json[key].as_str().unwrap());
        kinds.entry(kind.into()).or_default().push(recording);
    }
    let mut due: BTreeMap<(String, String), usize> = BTreeMap::new();
    for kind in index {
        *due.entry(kind).or_default() += 1;
    }
    let tests = tests();
    let (mut served, mut not_served) = (0, 0);
    let mut table = String::new();
    for (kind, recordings) in &kinds {
        let (provider, api) = *kind;
        let count = recordings.len();
        let mut verdicts = VERDICTS.iter().filter(|row| (row.0, row.1) == *kind);
        let Some((_, _, verdict)) = verdicts.next() else {
            panic!("{count} recordings of {provider} {api} have no verdict");
        };
        assert!(verdicts.next().is_none(), "{provider} {api} has two");
        let in_index = due.remove(&(provider.to_owned(), api.to_owned()));
        assert_eq!(Some(count), in_index, "{provider} {api} in the index");
        let said = match verdict {
            Served(by, read) => {
                assert!(tests.contains(*by), "there is no test {by}");
                served += read_all(recordings, *read);
                format!("served: {by}")
            }
            Asked(why, read) => {
                served += read_all(recordings, *read);
                format!("served to the gateway: {why}")
            }
            NotServed(why) => {
                not_served += count;
                format!("not served: {why}")
            }
        };
        table += &format!("{count:>4}  {provider:<12}  {api:<30}  {said}\n");
    }
    assert!(due.is_empty(), "in the index alone: {due:?}");
    let all = served + not_served;
    println!("{table}{all} recordings: {served} served, {not_served} not served");
    assert!(all >= 255 && kinds.len() == VERDICTS.len());
}
