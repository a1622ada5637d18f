//! What a caller might slip past the gates in a body that passes as it came.

use bytes::Bytes;
use lattice_dialects::anthropic::messages::{self, MessagesRequest};
use lattice_dialects::canonical::Decode as _;
use lattice_dialects::embed::OpenAiRequest;
use lattice_dialects::gemini::generate::{self, GenerateRequest};
use lattice_dialects::json::Malformed;
use lattice_dialects::openai::chat::ChatRequest;
use lattice_dialects::openai::responses::ResponsesRequest;
use lattice_dialects::reply::{Relay, Verdict};
use lattice_dialects::{Facts, Inbound};

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn chat(members: &str) -> Result<Facts, Malformed> {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{members}}}"#);
    ChatRequest::parse(bytes(&body)).map(|request| request.facts)
}

fn responses(members: &str) -> Result<Facts, Malformed> {
    let body = format!(r#"{{"model":"m","input":"x",{members}}}"#);
    ResponsesRequest::parse(bytes(&body)).map(|request| request.facts)
}

fn claude(members: &str) -> Result<Facts, Malformed> {
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],{members}}}"#
    );
    MessagesRequest::parse(bytes(&body)).map(|request| request.facts)
}

#[test]
fn a_second_spelling_of_a_governed_key_is_the_same_key() {
    for members in [
        r#""Model":"other""#,
        r#""MESSAGES":[{"role":"user","content":"y"}]"#,
        r#""max_tokens":1,"Max_Tokens":100000"#,
        r#""tools":[],"toolſ":[{"type":"function","function":{"name":"f"}}]"#,
        r#""max_tokens":1,"max_to\u212aens":100000"#,
        r#""tools":[{"type":"function","function":{"name":"f","Name":"g"}}]"#,
    ] {
        assert!(chat(members).is_err(), "{members}");
    }
    let facts = chat(r#""MAX_TOKENS":77,"Tools":[{"type":"function","function":{"name":"f"}}]"#);
    let facts = facts.unwrap();
    assert_eq!(
        (facts.output_cap, &facts.tool_names()[..]),
        (Some(77), &["f"][..])
    );
    let twice = bytes(r#"{"model":"m","Model":"other","input":"x"}"#);
    assert!(OpenAiRequest::parse(twice).is_err());
}

#[test]
fn the_same_holds_for_messages_and_responses() {
    for members in [
        r#""Model":"forbidden""#,
        r#""stream":false,"Stream":true"#,
        r#""Max_Output_Tokens":1,"max_output_tokens":9000"#,
        r#""tools":[],"Tools":[{"type":"function","name":"f"}]"#,
        r#""tools":[{"type":"function","name":"f","Name":"g"}]"#,
        r#""tools":[{"type":"function","Type":"web_search","name":"f"}]"#,
        r#""tools":[{"type":"image_generation","MODEL":"dear"}]"#,
    ] {
        assert!(responses(members).is_err(), "{members}");
    }
    for members in [
        r#""Model":"forbidden""#,
        r#""stream":false,"Stream":true"#,
        r#""Max_Tokens":100000"#,
        r#""tools":[],"Tools":[{"name":"f"}]"#,
        r#""tools":[],"toolſ":[{"name":"f"}]"#,
        r#""tools":[{"name":"f","Name":"g"}]"#,
        r#""tools":[{"name":"f","type":"custom","Type":"web_search_20250305"}]"#,
        r#""Fallbacks":["dear"]"#,
        r#""tools":[{"type":"advisor_20260301","name":"a","Model":"dear"}]"#,
    ] {
        assert!(claude(members).is_err(), "{members}");
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user"}}],{members}}}"#);
        let counted = MessagesRequest::parse_count(bytes(&body));
        // A cap alone is nothing that a request to count says twice.
        assert_eq!(counted.is_ok(), members.contains("Max_"), "{members}");
    }
    let facts = responses(
        r#""Stream":true,"MAX_OUTPUT_TOKENS":77,"Tools":[{"Type":"function","Name":"f"},{"TYPE":"web_search"}]"#,
    );
    let facts = facts.unwrap();
    assert!(facts.stream && facts.has_tools);
    assert_eq!(facts.output_cap, Some(77));
    assert_eq!(facts.tool_names(), ["f", "web_search"]);
    let facts = claude(
        r#""Stream":true,"Tools":[{"Name":"f"},{"TYPE":"bash_20250124","name":"bash"}],"MCP_Servers":[{}]"#,
    );
    let facts = facts.unwrap();
    assert!(facts.stream && facts.has_tools);
    assert_eq!(facts.tool_names(), ["f", "bash", "mcp_toolset"]);
}

#[test]
fn what_the_caller_names_itself_keeps_its_case() {
    let schema = r#"{"type":"object","properties":{"a":{},"A":{}}}"#;
    let claudes = format!(r#""tools":[{{"name":"f","input_schema":{schema}}}]"#);
    assert!(claude(&claudes).is_ok());
    let own = format!(
        r#""metadata":{{"a":"1","A":"2"}},"tools":[{{"type":"function","name":"f","parameters":{schema}}}]"#
    );
    assert!(responses(&own).is_ok());
}

#[test]
fn a_tool_is_taken_out_in_whichever_case_it_is_spelled() {
    let body = r#"{"model":"m","input":[{"Type":"additional_tools","TOOLS":[{"Name":"no"}]},{"role":"user","content":"x"}],"Tools":[{"Name":"no","Type":"function"},{"type":"namespace","name":"ns","Tools":[{"NAME":"no"},{"name":"yes"}]}],"Tool_Choice":{"Type":"allowed_tools","Tools":[{"Name":"no"},{"name":"yes"}]}}"#;
    let request = ResponsesRequest::parse(bytes(body)).unwrap();
    let left = request.without_tools(&["no"]).unwrap();
    assert_eq!(left.facts.tool_names(), ["ns", "yes"]);
    assert!(!left.body().windows(4).any(|four| four == b"\"no\""));

    let body = r#"{"model":"m","Messages":[{"role":"user","Content":[{"type":"text","text":"x"},{"Type":"tool_change","Tool":{"Definition":{"Name":"no"}}}]}],"Tools":[{"Name":"no"},{"name":"yes"}],"Tool_Choice":{"Type":"auto"}}"#;
    let request = MessagesRequest::parse_count(bytes(body)).unwrap();
    assert_eq!(request.facts.tool_names().len(), 3);
    let left = request.without_tools(&["no"]).unwrap();
    assert_eq!(left.facts.tool_names(), ["yes"]);
    let chosen = body.replace(r#"{"Type":"auto"}"#, r#"{"TYPE":"tool","Name":"no"}"#);
    let request = MessagesRequest::parse_count(bytes(&chosen)).unwrap();
    let needed = request.without_tools(&["no"]).unwrap_err();
    assert_eq!(needed.field, "tool_choice");
}

#[test]
fn a_request_cannot_name_further_models() {
    for members in [
        r#""models":["dear"]"#,
        r#""route":"fallback""#,
        r#""preset":"p""#,
    ] {
        let error = chat(members).unwrap_err();
        assert_eq!(error.field(), Some("models"), "{members}");
    }
    assert!(chat(r#""models":null"#).is_ok());
    let advisor = r#""tools":[{"type":"advisor_20260301","name":"advisor","model":"dear"}]"#;
    assert_eq!(claude(advisor).unwrap_err().field(), Some("tools.model"));
    let painter = r#""tools":[{"type":"image_generation","model":"dear"}]"#;
    assert_eq!(responses(painter).unwrap_err().field(), Some("tools.model"));
}

#[test]
fn tools_that_run_at_the_provider_have_names_and_are_held_for() {
    for (members, name) in [
        (r#""tools":[{"type":"browser_search"}]"#, "browser_search"),
        (r#""web_search_options":{}"#, "web_search"),
        (r#""search_parameters":{"mode":"on"}"#, "search"),
        (r#""plugins":[{"id":"web"}]"#, "plugins"),
    ] {
        let facts = chat(members).unwrap();
        assert_eq!(facts.tool_names(), [name], "{members}");
        assert!(
            facts.has_tools && facts.prompt.references() == 1,
            "{members}"
        );
    }
    let facts = responses(r#""tools":[{"type":"web_search"},{"type":"function","name":"f"}]"#);
    let facts = facts.unwrap();
    assert_eq!(facts.tool_names(), ["web_search", "f"]);
    assert_eq!(facts.prompt.references(), 1);
    // What is stored elsewhere may hold tools of its own.
    assert_eq!(
        responses(r#""prompt":{"id":"p"}"#).unwrap().tool_names(),
        ["prompt"]
    );
    let cached = r#"{"contents":[{"parts":[{"text":"x"}]}],"cachedContent":"cachedContents/1"}"#;
    let cached = GenerateRequest::parse(bytes(cached), "m", false).unwrap();
    assert_eq!(cached.facts.tool_names(), ["cachedContent"]);
}

#[test]
fn a_tool_without_a_name_is_no_tool() {
    for tool in [
        "{}",
        "null",
        r#""web_search""#,
        r#"[{"type":"web_search"}]"#,
        r#"{"type":"function"}"#,
        r#"{"type":["web_search"]}"#,
        r#"{"type":"custom","description":"d"}"#,
        r#"{"type":"function","function":[{"name":"f"}]}"#,
    ] {
        let named = r#"{"type":"function","name":"f","function":{"name":"f"}}"#;
        for tools in [
            format!("[{tool}]"),
            format!("[{named},{tool}]"),
            format!("[{tool},{named}]"),
        ] {
            let members = format!(r#""tools":{tools},"plugins":[]"#);
            for refused in [chat(&members), responses(&members)] {
                assert_eq!(refused.unwrap_err().field(), Some("tools"), "{members}");
            }
        }
        let members = format!(r#""tools":[{tool},{{"name":"f"}}],"mcp_servers":[{{}}]"#);
        let typed = tool.contains(r#""type":"function""#);
        assert_eq!(claude(&members).is_ok(), typed, "{members}");
    }
    for members in [
        r#""tools":{"0":{"type":"function","function":{"name":"f"}}}"#,
        r#""tools":{"type":"web_search"}"#,
        r#""functions":[{"description":"d"}]"#,
        r#""functions":{"name":"f"}"#,
    ] {
        chat(members).unwrap_err();
    }
    let held = r#""tools":[{"type":"namespace","tools":[{"type":"function"}],"name":"ns"}]"#;
    assert_eq!(responses(held).unwrap_err().field(), Some("tools"));
    let held = r#""tools":[{"type":"namespace","name":"ns","tools":{"name":"f"}}]"#;
    assert_eq!(responses(held).unwrap_err().field(), Some("tools"));
    let servers = claude(r#""mcp_servers":{"type":"url"}"#).unwrap_err();
    assert_eq!(servers.field(), Some("mcp_servers"));
    for tools in [
        r#"{"functionDeclarations":{"description":"d"}}"#,
        r#"[{"functionDeclarations":[{"name":"f"},{}],"googleSearch":{}}]"#,
        r#"[[{"functionDeclarations":[{"name":"f"}]}]]"#,
        r#"[{"functionDeclarations":[[{"name":"f"}]]}]"#,
    ] {
        let body = format!(r#"{{"contents":[{{"parts":[{{"text":"x"}}]}}],"tools":{tools}}}"#);
        let refused = GenerateRequest::parse(bytes(&body), "m", false).unwrap_err();
        assert_eq!(refused.field(), Some("tools"), "{tools}");
    }
}

#[test]
fn a_name_in_another_dialects_place_is_a_name() {
    let facts = chat(r#""tools":[{"type":"function","Name":"f"}]"#).unwrap();
    assert_eq!(facts.tool_names(), ["f"]);
    let facts = chat(r#""plugins":"web","search_parameters":null"#).unwrap();
    assert_eq!(facts.tool_names(), ["plugins"]);
}

#[test]
fn a_servers_own_cap_is_a_cap() {
    let facts = chat(r#""max_tokens":1,"n_predict":200000"#).unwrap();
    assert_eq!(facts.output_cap, Some(200_000));
    assert_eq!(
        chat(r#""n_predict":-1"#).unwrap_err().field(),
        Some("n_predict")
    );
}

#[test]
fn every_candidate_of_gemini_must_finish() {
    let body = r#"{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"candidateCount":2}}"#;
    let inbound = Inbound::Generate(GenerateRequest::parse(bytes(body), "m", true).unwrap());
    let first = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0,"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}"#;
    let second = first.replace(r#""index":0"#, r#""index":1"#);
    for (events, whole) in [(vec![first], false), (vec![first, &second], true)] {
        let stream: String = events
            .iter()
            .map(|event| format!("data: {event}\r\n\r\n"))
            .collect();
        let mut relay = Relay::new(inbound.watch());
        let mut out = Vec::new();
        relay.push(bytes(&stream), &mut |_| None, &mut out);
        relay.finish(&mut |_| None, &mut out);
        assert_eq!(relay.ended() == Verdict::Finished, whole);
        let mut decoder = generate::Decoder::new("s").of(2);
        for event in &events {
            decoder.event(None, event.as_bytes(), &mut |_| {}).unwrap();
        }
        let ended = decoder.end(&mut |_| {});
        assert_eq!(ended == lattice_dialects::canonical::Ended::Whole, whole);
    }
}

#[test]
fn a_long_event_of_gemini_that_was_cut_is_no_end() {
    let body = bytes(r#"{"contents":[{"parts":[{"text":"x"}]}]}"#);
    let inbound = Inbound::Generate(GenerateRequest::parse(body, "m", true).unwrap());
    let long = format!(
        r#"data: {{"candidates":[{{"index":0,"finishReason":"STOP","content":{{"parts":[{{"text":"{}"#,
        "x".repeat(200_000)
    );
    for (end, whole) in [("", false), ("\"}]}}]}\r\n\r\n", true)] {
        let mut relay = Relay::new(inbound.watch());
        let mut out = Vec::new();
        relay.push(bytes(&format!("{long}{end}")), &mut |_| None, &mut out);
        relay.finish(&mut |_| None, &mut out);
        assert_eq!(relay.ended() == Verdict::Finished, whole, "{end}");
    }
}

#[test]
fn what_claude_counts_beside_the_reply_makes_its_count_unbelievable() {
    let usage = |kind: &str| {
        let json = format!(
            r#"{{"input_tokens":1,"output_tokens":2,"iterations":[{{"type":"{kind}","input_tokens":1,"output_tokens":2}}]}}"#
        );
        messages::usage::read(&json)
    };
    assert!(usage("message").is_some());
    assert_eq!(
        (usage("compaction"), usage("advisor_message")),
        (None, None)
    );
}
