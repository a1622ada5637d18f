//! A chat request, read for a provider of another dialect.

use bytes::Bytes;
use lattice_dialects::canonical::{
    Cache, Format, Media, Part, Reasoning, Request, Source, Text, ToolCall,
};
use lattice_dialects::openai::chat::ChatRequest;
use proptest::prelude::*;

use crate::support::json_text;

fn parse(body: &str) -> ChatRequest {
    ChatRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

const MESSAGES: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

/// A request with these messages.
fn saying(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":[{messages}]}}"#)
}

fn with(members: &str) -> String {
    format!(r#"{{"model":"m",{MESSAGES},{members}}}"#)
}

fn cached(cache: Option<Cache>) -> &'static str {
    match cache {
        None => "",
        Some(Cache::FiveMinutes) => " cache:5m",
        Some(Cache::OneHour) => " cache:1h",
    }
}

fn shown(part: &Part<'_>) -> String {
    let opt = |text: &Option<std::borrow::Cow<'_, str>>| match text {
        Some(text) => format!("{text:?}"),
        None => "-".into(),
    };
    match part {
        Part::Text(Text { text, cache }) => format!("text {text:?}{}", cached(*cache)),
        Part::Media(Media {
            source,
            field,
            name,
            cache,
        }) => {
            let source = match source {
                Source::Base64 { media_type, data } => format!("{media_type} {data}"),
                Source::Url(url) => format!("url {url}"),
            };
            format!("{field} {source} name:{}{}", opt(name), cached(*cache))
        }
        Part::Reasoning(Reasoning {
            text,
            signature,
            encrypted,
            maker,
            ..
        }) => format!(
            "thought {maker:?} {text:?} signed:{} cipher:{}",
            opt(signature),
            opt(encrypted)
        ),
        Part::ToolCall(ToolCall {
            id,
            name,
            arguments,
            signature,
        }) => format!("call {id} {name}({arguments}) signed:{}", opt(signature)),
        Part::ToolResult(result) => {
            let content: Vec<String> = result.content.iter().map(shown).collect();
            format!("result {} [{}]", result.id, content.join(", "))
        }
    }
}

/// The conversation, a line for each part.
fn conversation(request: &Request<'_>) -> Vec<String> {
    let system = request.system.iter().map(|text| {
        let text = Part::Text(text.clone());
        format!("system: {}", shown(&text))
    });
    let turns = request.turns.iter().flat_map(|turn| {
        assert!(!turn.parts.is_empty());
        let role = format!("{:?}", turn.role);
        let parts = turn.parts.iter();
        parts.map(move |part| format!("{role}: {}", shown(part)))
    });
    system.chain(turns).collect()
}

#[track_caller]
fn reads(messages: &str, expected: &[&str], dropped: &[&str]) {
    let request = parse(&saying(messages));
    let request = request.canonical().unwrap();
    assert_eq!(conversation(&request), expected, "{messages}");
    assert_eq!(request.dropped, dropped, "{messages}");
    for pair in request.turns.windows(2) {
        assert_ne!(pair[0].role, pair[1].role, "neighbours are joined");
    }
}

const CALL: &str = r#"{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}"#;

#[test]
fn leading_instructions_are_the_system_and_later_ones_turns() {
    reads(
        r#"{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"},{"type":"text","text":""}]},
           {"role":"user","content":"u"},{"role":"system","content":"late"},{"role":"user","content":"v"},{"role":"user","content":"w"}"#,
        &[
            r#"system: text "a""#,
            r#"system: text "b""#,
            r#"system: text """#,
            r#"User: text "u""#,
            r#"System: text "late""#,
            r#"User: text "v""#,
            r#"User: text "w""#,
        ],
        &[],
    );
}

#[test]
fn results_of_tools_lead_the_user_turn_that_follows_their_calls() {
    reads(
        r#"{"role":"user","content":"u"},
           {"role":"assistant","content":null,"tool_calls":[
             {"id":"c1","type":"function","index":0,"function":{"name":"f","arguments":"{\"a\":1}"}},
             {"id":"c2","function":{"name":"g","arguments":" "}}]},
           {"role":"tool","tool_call_id":"c2","content":"two"},
           {"role":"user","content":"and"},
           {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"one"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}"#,
        &[
            r#"User: text "u""#,
            r#"Assistant: call c1 f({"a":1}) signed:-"#,
            "Assistant: call c2 g() signed:-",
            r#"User: result c2 [text "two"]"#,
            r#"User: result c1 [text "one", messages.content.image_url image/png QQ== name:-]"#,
            r#"User: text "and""#,
        ],
        &[],
    );
}

#[test]
fn an_assistant_turn_is_thoughts_then_text_then_calls() {
    reads(
        r#"{"role":"assistant","refusal":"no","content":[{"type":"text","text":"t"},{"type":"refusal","refusal":"r"}],
            "annotations":[],"audio":null,"function_call":null,"parsed":{"made by":"the client"},
            "tool_calls":[{"id":"c1","function":{"name":"f","parsed_arguments":{}}}],"reasoning_content":"th",
            "reasoning_details":[{"type":"reasoning.text","text":"th","signature":"s","format":"anthropic-claude-v1","index":0}]},
           {"role":"assistant","content":"more"},{"role":"assistant","content":null}"#,
        &[
            r#"Assistant: thought Anthropic "th" signed:"s" cipher:-"#,
            r#"Assistant: text "t""#,
            r#"Assistant: text "r""#,
            r#"Assistant: text "no""#,
            "Assistant: call c1 f() signed:-",
            r#"Assistant: text "more""#,
        ],
        &[],
    );
}

#[test]
fn reasoning_details_are_accepted_from_every_maker() {
    reads(
        r#"{"role":"assistant","content":"t","reasoning_details":[
             {"type":"reasoning.text","text":"","signature":"s1","format":"anthropic-claude-v1","index":0},
             {"type":"reasoning.encrypted","data":"d1","format":"anthropic-claude-v1","index":1},
             {"type":"reasoning.encrypted","data":"d2","id":"rs_1","format":"openai-responses-v1","index":2},
             {"type":"reasoning.summary","summary":"sum","format":null},
             {"type":"reasoning.encrypted","data":"d3","format":"google-gemini-v1"}]}"#,
        &[
            r#"Assistant: thought Anthropic "" signed:"s1" cipher:-"#,
            r#"Assistant: thought Anthropic "" signed:- cipher:"d1""#,
            r#"Assistant: thought OpenAi "" signed:- cipher:"d2""#,
            r#"Assistant: thought Unknown "sum" signed:- cipher:-"#,
            r#"Assistant: thought Gemini "" signed:"d3" cipher:-"#,
            r#"Assistant: text "t""#,
        ],
        &[],
    );
}

#[test]
fn pieces_of_a_thought_that_a_client_collected_from_a_stream_are_joined() {
    let piece = |index: u32, rest: &str| {
        format!(
            r#"{{"type":"reasoning.text","format":"anthropic-claude-v1","index":{index},{rest}}}"#
        )
    };
    let pieces = [
        piece(0, r#""text":"a""#),
        piece(0, r#""text":"b""#),
        piece(0, r#""signature":"s""#),
        piece(0, r#""text":"c""#),
        piece(1, r#""text":"d""#),
    ];
    reads(
        &format!(
            r#"{{"role":"assistant","reasoning_details":[{}]}}"#,
            pieces.join(",")
        ),
        &[
            r#"Assistant: thought Anthropic "ab" signed:"s" cipher:-"#,
            r#"Assistant: thought Anthropic "c" signed:- cipher:-"#,
            r#"Assistant: thought Anthropic "d" signed:- cipher:-"#,
        ],
        &[],
    );
}

#[test]
fn a_makers_name_may_be_strung_together_from_the_pieces_of_a_stream() {
    for (format, maker) in [
        ("anthropic-claude-v1anthropic-claude-v1", "Anthropic"),
        ("google-gemini-v1google-gemini-v1google-gemini-v1", "Gemini"),
        ("anthropic-claude-v1google-gemini-v1", "Unknown"),
        ("anthropic-claude-v12", "Unknown"),
        ("", "Unknown"),
    ] {
        reads(
            &format!(
                r#"{{"role":"assistant","reasoning_details":[{{"type":"reasoning.text","text":"t","signature":"s","format":"{format}","index":0}}]}}"#
            ),
            &[&format!(
                r#"Assistant: thought {maker} "t" signed:"s" cipher:-"#
            )],
            &[],
        );
    }
}

#[test]
fn a_thought_that_openais_client_put_together_keeps_its_maker() {
    let entry = |format: &str| {
        format!(
            r#"{{"role":"assistant","reasoning_details":[{{"type":"reasoning.text","text":"a","signature":"s","format":"{format}","index":0}}]}}"#
        )
    };
    for (format, maker) in [
        ("anthropic-claude-v1anthropic-claude-v1", "Anthropic"),
        ("google-gemini-v1google-gemini-v1google-gemini-v1", "Gemini"),
        ("anthropic-claude-v1google-gemini-v1", "Unknown"),
        ("", "Unknown"),
    ] {
        let expected = format!(r#"Assistant: thought {maker} "a" signed:"s" cipher:-"#);
        reads(&entry(format), &[&expected], &[]);
    }
}

#[test]
fn a_thought_signature_finds_its_call_from_either_place() {
    let google = r#""extra_content":{"google":{"thought_signature":"x"}}"#;
    let entry = |id: &str| {
        format!(
            r#""reasoning_details":[{{"type":"reasoning.encrypted","id":"{id}","data":"y","format":"google-gemini-v1"}}]"#
        )
    };
    let message = |call: &str, rest: &str| {
        format!(
            r#"{{"role":"assistant","tool_calls":[{{"id":"c1","function":{{"name":"f"}}{call}}}]{rest}}}"#
        )
    };
    let signed = r#"Assistant: call c1 f() signed:"x""#;
    reads(&message(&format!(",{google}"), ""), &[signed], &[]);
    let both = message(&format!(",{google}"), &format!(",{}", entry("c1")));
    reads(&both, &[signed], &[]);
    reads(
        &message("", &format!(",{}", entry("c1"))),
        &[r#"Assistant: call c1 f() signed:"y""#],
        &[],
    );
    reads(
        &message("", &format!(",{}", entry("other"))),
        &[
            r#"Assistant: thought Gemini "" signed:"y" cipher:-"#,
            "Assistant: call c1 f() signed:-",
        ],
        &[],
    );
}

#[test]
fn reasoning_that_nobody_signed_is_dropped_and_noted_once() {
    reads(
        r#"{"role":"assistant","content":"a","reasoning_content":"x"},
           {"role":"assistant","content":"b","reasoning":"y","reasoning_content":"x","name":"n"},
           {"role":"assistant","content":"c","reasoning":"","annotations":[{"type":"url_citation"}]}"#,
        &[
            r#"Assistant: text "a""#,
            r#"Assistant: text "b""#,
            r#"Assistant: text "c""#,
        ],
        &[
            "messages.reasoning_content",
            "messages.name",
            "messages.reasoning",
            "messages.annotations",
        ],
    );
}

#[test]
fn media_are_read_where_they_stand() {
    reads(
        r#"{"role":"user","content":[
            {"type":"text","text":" ","cache_control":{"type":"ephemeral"}},
            {"type":"image_url","image_url":{"url":"data:image/jpeg;charset=x;base64,AA==","detail":"high"},"cache_control":{"type":"ephemeral","ttl":"1h"}},
            {"type":"image_url","image_url":"HTTPS://example.com/a.png"},
            {"type":"image_url","image_url":{"url":"data:image\/gif;base64,QQ=="}},
            {"type":"input_audio","input_audio":{"data":"QUI=","format":"wav"}},
            {"type":"input_audio","input_audio":{"data":"QUI=","format":"mp3"}},
            {"type":"file","file":{"file_data":"data:application/pdf;base64,QQ==","filename":"a.pdf"}}]},
           {"role":"user","content":"last","cache_control":{"type":"ephemeral","ttl":"5m"}}"#,
        &[
            r#"User: text " " cache:5m"#,
            "User: messages.content.image_url image/jpeg AA== name:- cache:1h",
            "User: messages.content.image_url url HTTPS://example.com/a.png name:-",
            "User: messages.content.image_url image/gif QQ== name:-",
            "User: messages.content.input_audio audio/wav QUI= name:-",
            "User: messages.content.input_audio audio/mpeg QUI= name:-",
            r#"User: messages.content.file application/pdf QQ== name:"a.pdf""#,
            r#"User: text "last" cache:5m"#,
        ],
        &["image_url.detail"],
    );
}

#[test]
fn base64_and_text_are_borrowed_from_the_body() {
    let body = saying(
        r#"{"role":"user","content":[{"type":"text","text":"plain"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}"#,
    );
    let request = parse(&body);
    let range = request.body().as_ptr_range();
    let request = request.canonical().unwrap();
    for part in &request.turns[0].parts {
        let text = match part {
            Part::Text(text) => &text.text,
            Part::Media(Media {
                source: Source::Base64 { data, .. },
                ..
            }) => data,
            other => panic!("{other:?}"),
        };
        assert!(range.contains(&text.as_ptr()), "{text} was copied");
    }
}

#[test]
fn settings_are_read_and_null_is_as_if_absent() {
    let request = parse(&with(
        r#""max_tokens":5,"max_completion_tokens":7,"n":2,"stop":["a","b"],"temperature":0.10,"top_p":1,
           "top_k":40,"seed":-3,"presence_penalty":-1.5,"frequency_penalty":2,"stream":true,
           "stream_options":{"include_usage":true,"include_obfuscation":false},
           "user":"old","safety_identifier":"new","parallel_tool_calls":false,"reasoning_effort":"xhigh",
           "reasoning":{"effort":"xhigh"},"modalities":["text"],"logprobs":false,"logit_bias":{ },
           "metadata":{"a":"b"},"store":true,"service_tier":"flex","prompt_cache_key":"k",
           "prompt_cache_options":{},"prompt_cache_retention":"24h","prediction":{},"verbosity":"low",
           "functions":null,"audio":null,"unheard_of":null"#,
    ));
    let request = request.canonical().unwrap();
    assert_eq!(request.model, "m");
    assert_eq!((request.max_output_tokens, request.n), (Some(7), 2));
    assert_eq!(request.stop, ["a", "b"]);
    let number = |number: &Option<serde_json::Number>| number.as_ref().map(ToString::to_string);
    assert_eq!(number(&request.temperature).as_deref(), Some("0.1"));
    assert_eq!(number(&request.top_p).as_deref(), Some("1"));
    assert_eq!(number(&request.presence_penalty).as_deref(), Some("-1.5"));
    assert_eq!(number(&request.frequency_penalty).as_deref(), Some("2"));
    assert_eq!((request.top_k, request.seed), (Some(40), Some(-3)));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.effort.unwrap().as_str(), "xhigh");
    assert_eq!(request.user.as_deref(), Some("new"));
    assert!(request.stream);
    assert_eq!(
        request.dropped,
        [
            "metadata",
            "store",
            "service_tier",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "prediction",
            "verbosity",
            "stream_options.include_obfuscation",
        ]
    );

    let bare = parse(&with(
        r#""stop":"x","user":"u","max_tokens":5,"reasoning":{"effort":"low"}"#,
    ));
    let bare = bare.canonical().unwrap();
    assert_eq!(bare.stop, ["x"]);
    assert_eq!(bare.user.as_deref(), Some("u"));
    assert_eq!(bare.max_output_tokens, Some(5));
    assert_eq!(bare.effort.unwrap().as_str(), "low");
    assert!(bare.temperature.is_none() && bare.tool_choice.is_none() && bare.tools.is_empty());
    assert!(matches!(bare.format, Format::Text) && bare.dropped.is_empty());
}

const TOOLS: &str = r#""tools":[
    {"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object", "x":1.0},"strict":true},"cache_control":{"type":"ephemeral"}},
    {"function":{"name":"g"}}]"#;

#[test]
fn tools_keep_their_schemas_as_they_were_spelled() {
    let request = parse(&with(TOOLS));
    let request = request.canonical().unwrap();
    let [f, g] = &request.tools[..] else {
        panic!("two tools")
    };
    assert_eq!((&*f.name, f.description.as_deref()), ("f", Some("d")));
    assert_eq!(f.parameters.unwrap().get(), r#"{"type":"object", "x":1.0}"#);
    assert_eq!((f.strict, f.cache), (Some(true), Some(Cache::FiveMinutes)));
    assert_eq!((&*g.name, g.strict, g.cache), ("g", None, None));
    assert!(g.parameters.is_none());
}

#[test]
fn every_tool_choice_is_read() {
    for (choice, expected) in [
        (r#""auto""#, "Auto"),
        (r#""none""#, "None"),
        (r#""required""#, "Required"),
        (
            r#"{"type":"function","function":{"name":"g"}}"#,
            r#"Named("g")"#,
        ),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}"#,
            r#"Allowed { required: true, names: ["f"] }"#,
        ),
    ] {
        let request = parse(&with(&format!(r#"{TOOLS},"tool_choice":{choice}"#)));
        let choice = request.canonical().unwrap().tool_choice.unwrap();
        assert_eq!(format!("{choice:?}"), expected);
    }
}

#[test]
fn every_response_format_is_read() {
    let format = |json: &str| with(&format!(r#""response_format":{json}"#));
    let request = parse(&format(r#"{"type":"json_object"}"#));
    assert!(matches!(
        request.canonical().unwrap().format,
        Format::JsonObject
    ));
    let request = parse(&format(
        r#"{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"a": 1},"strict":true}}"#,
    ));
    let request = request.canonical().unwrap();
    let Format::JsonSchema(schema) = &request.format else {
        panic!("a schema")
    };
    assert_eq!((&*schema.name, schema.schema.get()), ("n", r#"{"a": 1}"#));
    assert_eq!(schema.strict, Some(true));
    assert_eq!(request.dropped, ["response_format.json_schema.description"]);
}

#[track_caller]
fn refused(body: &str, field: &str) {
    let request = parse(body);
    let error = request.canonical().unwrap_err();
    assert_eq!(error.field, field, "{body}");
    assert!(error.why.starts_with(field), "{}", error.why);
}

#[test]
fn settings_that_no_other_dialect_has_are_refused_by_name() {
    #[rustfmt::skip]
    let cases = [
        (r#""logprobs":true"#, "logprobs"),
        (r#""top_logprobs":2"#, "top_logprobs"),
        (r#""logit_bias":{"1":5}"#, "logit_bias"),
        (r#""modalities":["text","audio"]"#, "modalities"),
        (r#""audio":{"voice":"x"}"#, "audio"),
        (r#""web_search_options":{}"#, "web_search_options"),
        (r#""functions":[{"name":"f"}]"#, "functions"),
        (r#""function_call":"auto""#, "function_call"),
        (r#""brand_new":1"#, "brand_new"),
        (r#""stream_options":{"x":1}"#, "stream_options.x"),
        (r#""temperature":"hot""#, "temperature"),
        (r#""top_k":-1"#, "top_k"),
        (r#""stop":[1]"#, "stop"),
        (r#""reasoning_effort":"huge""#, "reasoning_effort"),
        (r#""reasoning":{"effort":"low","max_tokens":5}"#, "reasoning.max_tokens"),
        (r#""reasoning_effort":"low","reasoning":{"effort":"high"}"#, "reasoning.effort"),
        (r#""tools":[{"type":"custom","custom":{"name":"x"}}]"#, "tools"),
        (r#""tools":[{"type":"function","name":"f"}]"#, "tools[0].function"),
        (r#""tools":[{"function":{"name":"f","parameters":[]}}]"#, "tools[0].function.parameters"),
        (r#""tools":[{"function":{"name":"f","x":1}}]"#, "tools[0].function.x"),
        (r#""tool_choice":"any""#, "tool_choice"),
        (r#""tool_choice":{"type":"function","function":{"name":"f"}}"#, "tool_choice"),
        (r#""tool_choice":{"type":"custom"}"#, "tool_choice.type"),
        (r#""response_format":{"type":"grammar"}"#, "response_format.type"),
        (r#""response_format":{"type":"json_schema","json_schema":{}}"#, "response_format.json_schema.schema"),
    ];
    for (members, field) in cases {
        refused(&with(members), field);
    }
}

#[test]
fn messages_that_no_other_dialect_has_are_refused_by_their_place() {
    #[rustfmt::skip]
    let cases = [
        (r#""text""#, ""),
        (r#"{"content":"x"}"#, ".role"),
        (r#"{"role":"critic","content":"x"}"#, ".role"),
        (r#"{"role":"function","name":"f","content":"x"}"#, ".role"),
        (r#"{"role":"user"}"#, ".content"),
        (r#"{"role":"user","content":7}"#, ".content"),
        (r#"{"role":"user","content":"x","weight":1}"#, ".weight"),
        (r#"{"role":"system","content":[{"type":"image_url","image_url":"https://a"}]}"#, ".content[0].type"),
        (r#"{"role":"assistant","audio":{"id":"a"}}"#, ".audio"),
        (r#"{"role":"assistant","function_call":{"name":"f"}}"#, ".function_call"),
        (r#"{"role":"assistant","reasoning_details":[{"type":"reasoning.mystery"}]}"#, ".reasoning_details[0].type"),
        (r#"{"role":"tool","tool_call_id":"c2","content":"x"}"#, ".tool_call_id"),
        (r#"{"role":"tool","tool_call_id":"c1"}"#, ".content"),
    ];
    for (message, field) in cases {
        let body = saying(&format!("{CALL},{message}"));
        refused(&body, &format!("messages[1]{field}"));
    }
    for (from, to, field) in [
        ("\"{}\"", r#""[1]""#, "function.arguments"),
        ("\"{}\"", r#""{\"a\":1,\"a\":2}""#, "function.arguments"),
        ("\"{}\"", "{}", "function.arguments"),
        ("c1", "", "id"),
        (r#""type":"function""#, r#""type":"custom""#, "type"),
    ] {
        let body = saying(&CALL.replace(from, to));
        refused(&body, &format!("messages[0].tool_calls[0].{field}"));
    }
}

#[test]
fn parts_that_no_other_dialect_has_are_refused_by_their_place() {
    #[rustfmt::skip]
    let cases = [
        (r#"{"type":"video_url","video_url":{"url":"x"}}"#, "type"),
        (r#"{"type":"text"}"#, "text"),
        (r#"{"type":"text","text":"x","y":1}"#, "y"),
        (r#"{"type":"image_url","image_url":{"url":"gs://a/b"}}"#, "image_url.url"),
        (r#"{"type":"image_url","image_url":{"url":"data:image/png,raw"}}"#, "image_url.url"),
        (r#"{"type":"input_audio","input_audio":{"data":"x","format":"flac"}}"#, "input_audio.format"),
        (r#"{"type":"file","file":{"file_id":"f"}}"#, "file.file_id"),
        (r#"{"type":"file","file":{"file_data":"QQ=="}}"#, "file.file_data"),
        (r#"{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1d"}}"#, "cache_control.ttl"),
    ];
    for (part, field) in cases {
        let body = saying(&format!(r#"{{"role":"user","content":[{part}]}}"#));
        refused(&body, &format!("messages[0].content[0].{field}"));
    }
}

/// Members that are known by name, with values of any kind.
fn likely() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("role"),
        Just("content"),
        Just("type"),
        Just("text"),
        Just("image_url"),
        Just("url"),
        Just("file"),
        Just("file_data"),
        Just("tool_calls"),
        Just("function"),
        Just("name"),
        Just("arguments"),
        Just("id"),
        Just("tool_call_id"),
        Just("reasoning_details"),
        Just("cache_control"),
        Just("tools"),
        Just("tool_choice"),
        Just("response_format"),
        Just("stop"),
        Just("reasoning"),
        Just("extra_content"),
        Just("index"),
    ];
    let word = prop_oneof![
        Just(r#""user""#),
        Just(r#""assistant""#),
        Just(r#""tool""#),
        Just(r#""function""#),
        Just(r#""text""#),
        Just(r#""image_url""#),
        Just(r#""data:;base64,""#),
        Just(r#""data:é""#),
        Just(r#""reasoning.text""#),
        Just(r#""ephemeral""#),
        Just("0"),
        Just("null"),
    ];
    let leaf = prop_oneof![3 => word.prop_map(str::to_owned), 1 => json_text()];
    leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::btree_map(key.clone(), inner, 0..5).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused_by_a_field(
        messages in proptest::collection::vec(likely(), 1..4),
        more in proptest::collection::btree_map(
            prop_oneof![Just("tools"), Just("tool_choice"), Just("response_format"), Just("stop"), Just("reasoning"), Just("x")],
            likely(), 0..3),
    ) {
        let more: Vec<String> = more.iter().map(|(key, value)| format!(",\"{key}\":{value}")).collect();
        let body = format!(r#"{{"model":"m","messages":[{}]{}}}"#, messages.join(","), more.concat());
        if let Ok(request) = ChatRequest::parse(Bytes::from(body))
            && let Err(error) = request.canonical()
        {
            prop_assert!(!error.field.is_empty());
        }
    }
}
