//! Every recorded exchange with Gemini, replayed.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lattice_dialects::canonical::Ended;
use lattice_dialects::gemini::generate::read_error;
use serde_json::Value;

use super::told::{Told, data_of, events, whole};

/// The exchanges of `provider` gemini, each with its file name; `None` where the
/// fixtures are absent.
fn recordings() -> Option<Vec<(String, Value)>> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    let fixtures =
        std::env::var_os("LATTICE_FIXTURES").map_or("../shared/fixtures".into(), PathBuf::from);
    let files = fs::read_dir(root.join(fixtures).join("wire/dev")).ok()?;
    let names = files.map(|file| file.unwrap().path());
    let names = names.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let exchanges = names.map(|path| {
        let exchange: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        (path.file_name().unwrap().display().to_string(), exchange)
    });
    let ours = exchanges
        .filter(|(_, it)| it["provider"] == "gemini" && it["api"] == "gemini.generateContent");
    Some(ours.collect())
}

/// The chunks of a reply, read without our code.
fn chunks(body: &str) -> Vec<Value> {
    if body.starts_with("data:") {
        let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
        return data.map(|it| serde_json::from_str(it).unwrap()).collect();
    }
    match serde_json::from_str(body).unwrap() {
        Value::Array(chunks) => chunks,
        chunk => vec![chunk],
    }
}

fn parts(chunks: &[Value]) -> impl Iterator<Item = &Value> {
    let candidates = chunks
        .iter()
        .flat_map(|chunk| chunk["candidates"].as_array().into_iter().flatten());
    candidates.flat_map(|it| it["content"]["parts"].as_array().into_iter().flatten())
}

fn assert_usage(file: &str, told: &Told, chunks: &[Value]) {
    let reports = chunks.iter().map(|chunk| &chunk["usageMetadata"]);
    let last = reports.rev().find(|it| it["promptTokenCount"].is_u64());
    let usage = told.usage.unwrap_or_else(|| panic!("{file}: no usage"));
    let count = |name: &str| last.unwrap()[name].as_u64().unwrap_or(0);
    let input = count("promptTokenCount") + count("toolUsePromptTokenCount");
    let output = count("candidatesTokenCount") + count("thoughtsTokenCount");
    assert_eq!(usage.input, input, "{file}");
    assert_eq!(usage.output, output, "{file}");
    assert_eq!(usage.reasoning, count("thoughtsTokenCount"), "{file}");
    assert_eq!(
        usage.cached_input,
        count("cachedContentTokenCount"),
        "{file}"
    );
    assert_eq!(usage.cache_write, 0, "{file}");
    assert_eq!(
        usage.input + usage.output,
        count("totalTokenCount"),
        "{file}"
    );
}

fn assert_content(file: &str, told: &Told, chunks: &[Value]) {
    let texts: String = parts(chunks)
        .filter_map(|part| part["text"].as_str())
        .collect();
    assert_eq!(told.joined("0 +"), texts, "{file}");

    let names: Vec<_> = parts(chunks)
        .filter_map(|part| part["functionCall"]["name"].as_str())
        .collect();
    let calls = told
        .lines
        .iter()
        .filter_map(|it| it.strip_prefix("0 call "));
    let called: Vec<_> = calls.map(|it| it.split_once(' ').unwrap().1).collect();
    assert_eq!(called, names, "{file}");

    let args: Vec<&Value> = parts(chunks)
        .map(|part| &part["functionCall"]["args"])
        .filter(|args| args.is_object())
        .collect();
    let told_args = told
        .lines
        .iter()
        .filter_map(|it| it.strip_prefix("0 args "));
    let told_args: Vec<Value> = told_args
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let in_pieces = parts(chunks).any(|part| part["functionCall"]["partialArgs"].is_array());
    if in_pieces {
        let read = ["A", "B", "C"].map(|id| serde_json::json!({"id": id}));
        assert_eq!(told_args, read, "{file}");
    } else {
        assert_eq!(told_args.iter().collect::<Vec<_>>(), args, "{file}");
    }

    let native = |part: &&Value| part["text"].is_string() || part["functionCall"].is_object();
    let signatures: String = parts(chunks)
        .filter(native)
        .filter_map(|part| part["thoughtSignature"].as_str())
        .collect();
    assert_eq!(told.joined("0 signature "), signatures, "{file}");
}

fn assert_finish(file: &str, told: &Told, chunks: &[Value]) {
    let reason = chunks
        .iter()
        .find_map(|chunk| chunk["candidates"][0]["finishReason"].as_str())
        .unwrap();
    let called = parts(chunks).any(|part| part["functionCall"].is_object());
    let finish = match reason {
        "STOP" if called => "ToolCalls",
        "STOP" => "Stop",
        "MAX_TOKENS" => "Length",
        "SAFETY" => "ContentFilter",
        other => panic!("{file}: {other}"),
    };
    let before_usage = &told.lines[told.lines.len() - 2];
    assert_eq!(*before_usage, format!("0 {finish} {reason}"), "{file}");
}

#[test]
fn recorded_replies_of_gemini_are_read() {
    let Some(recordings) = recordings() else {
        return eprintln!("skipped: recorded_replies_of_gemini_are_read: no fixtures");
    };
    let mut errors = 0;
    for (file, exchange) in &recordings {
        let body = exchange["response"]["body"].as_str().unwrap();
        if exchange["response"]["status"] != 200 {
            let facts = read_error(body.as_bytes()).unwrap();
            let wire = &chunks(body)[0]["error"];
            assert_eq!(facts.message.as_deref(), wire["message"].as_str(), "{file}");
            assert_eq!(facts.kind.as_deref(), wire["status"].as_str(), "{file}");
            let limited = (wire["code"] == 429).then_some(Duration::from_millis(34_400));
            assert_eq!(facts.retry_after, limited, "{file}");
            errors += 1;
            continue;
        }
        let told = if body.starts_with("data:") {
            let (told, ended) = events(&data_of(body.as_bytes())).unwrap();
            assert_eq!(ended, Ended::Whole, "{file}");
            told
        } else {
            whole(body.as_bytes()).unwrap()
        };
        let chunks = chunks(body);
        assert_content(file, &told, &chunks);
        assert_finish(file, &told, &chunks);
        assert_usage(file, &told, &chunks);
    }
    let count = recordings.len();
    println!("{count} recorded replies of Gemini, {errors} of them errors");
    assert!(count >= 42, "only {count} recordings");
}
