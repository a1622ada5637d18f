//! Every recorded exchange with Gemini, as if we stood between.

use lattice_dialects::Api;
use lattice_dialects::canonical::Target;
use lattice_dialects::count;
use lattice_dialects::gemini::generate::{
    ArrayFraming, CountRequest, GenerateRequest, encode, usage_of,
};
use lattice_dialects::reply::{Translator, Verdict};
use serde_json::Value;

use super::relay::relayed;
use super::write::writers;
use crate::recorded::{Recording, recordings};
use crate::support::cut;
use crate::translated::google;

/// The request of a recording that has one; the model's name is that of its path.
fn request(recording: &Recording) -> Option<GenerateRequest> {
    let body = recording.request();
    let contents = body.get("contents")?.as_array()?;
    let body = body.to_string();
    (!contents.is_empty()).then(|| {
        GenerateRequest::parse(body.into(), "gemini-3-pro", recording.is_stream()).unwrap()
    })
}

#[test]
fn recorded_requests_are_read_and_pass_or_are_refused_by_name() {
    let test = "recorded_requests_are_read_and_pass_or_are_refused_by_name";
    let Some(recordings) = recordings("gemini.generateContent", "", test) else {
        return;
    };
    let (mut read, mut refused) = (0, Vec::new());
    for recording in &recordings {
        let Some(request) = request(recording) else {
            continue;
        };
        read += 1;
        let target = Target {
            model: "gemini-3-pro",
            output_cap: None,
        };
        let same = request.rewrite(&target);
        assert_eq!(same.body, request.body(), "{}", recording.file);
        assert_eq!(same.noted, [""; 0]);
        let canonical = request.canonical();
        let sent = canonical.and_then(|canonical| encode(&canonical, &target));
        let sent = match sent {
            Ok(sent) => sent.body,
            Err(refusal) => {
                refused.push(refusal.to_string());
                continue;
            }
        };
        // Through the canonical form nothing that was said may be lost.
        let again = GenerateRequest::parse(sent, "gemini-3-pro", false).unwrap();
        let texts: Vec<&str> = again.facts.prompt.texts().collect();
        let texts = texts.join("\n");
        for text in prose(&request) {
            // What a function answered may be told as the JSON it was.
            let escaped = serde_json::to_string(text).unwrap();
            let there = texts.contains(text) || texts.contains(escaped.trim_matches('"'));
            assert!(there, "{}: {text}", recording.file);
        }
        assert_eq!(again.facts.tool_names(), request.facts.tool_names());
    }
    println!("{read} recorded requests, {} refused:", refused.len());
    for refusal in &refused {
        println!("  {refusal}");
    }
    assert!(read >= 45, "only {read}");
    assert!(refused.len() <= 16, "{refused:#?}");
}

/// The texts that are somebody's words, not names or signatures.
fn prose(request: &GenerateRequest) -> impl Iterator<Item = &str> {
    request
        .facts
        .prompt
        .texts()
        .filter(|text| text.contains(' '))
}

#[test]
fn recorded_replies_pass_and_are_metered() {
    let test = "recorded_replies_pass_and_are_metered";
    let Some(recordings) = recordings("gemini.generateContent", "", test) else {
        return;
    };
    let mut count = 0;
    for recording in recordings.iter().filter(|it| it.status() == 200) {
        let body = recording.body();
        let mut translator = Translator::new(google(), writers());
        if !recording.is_stream() {
            if !body.starts_with(b"[") {
                let usage = usage_of(&body).unwrap();
                let (_, told) = translator.whole(&body, &mut |_| None).unwrap();
                assert_eq!(told, Some(usage), "{}", recording.file);
                count += 1;
            }
            continue;
        }
        count += 1;
        let mut out = Vec::new();
        translator.push(body.clone(), &mut |_| None, &mut out);
        translator.finish(&mut |_| None, &mut out);
        for cuts in [&[usize::MAX][..], &[1], &[3, 700]] {
            let (passed, relay) = relayed(cut(&body, cuts));
            assert_eq!(passed, body, "{}", recording.file);
            assert_eq!(relay.ended(), Verdict::Finished, "{}", recording.file);
            assert_eq!(
                relay.progress().usage,
                translator.usage(),
                "{}",
                recording.file
            );
            assert!(relay.progress().first_token_seen, "{}", recording.file);
        }
        // The same as an array.
        let mut framing = ArrayFraming::default();
        let mut array = Vec::new();
        framing.push(body.clone(), &mut array);
        framing.finish(&mut array);
        let array: Vec<Value> = serde_json::from_slice(&array.concat()).unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let data: Vec<Value> = data.map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(array, data, "{}", recording.file);
    }
    println!("{count} recorded replies of Gemini");
    assert!(count >= 40, "only {count}");
}

#[test]
fn recorded_counts_are_read() {
    let Some(recordings) = recordings("gemini.countTokens", "", "recorded_counts_are_read") else {
        return;
    };
    println!("{} recorded counts", recordings.len());
    for recording in &recordings {
        let body = recording.request().to_string();
        let request = CountRequest::parse(body.into(), "gemini-2.5-flash").unwrap();
        assert_eq!(request.canonical().unwrap().turns.len(), 1);
        let counted = count::read(Api::Generate, &recording.body());
        let expected = (recording.status() == 200).then_some(12);
        assert_eq!(counted, expected, "{}", recording.file);
    }
}
