//! Requests as Gemini gets them.

use std::borrow::Cow;

use lattice_dialects::canonical::{
    Cache, Effort, Encoded, Format, Maker, Media, Part, Reasoning, Request, Role, Schema, Source,
    Target, Text, Tool, ToolCall, ToolChoice, ToolResult, Turn, Unsupported,
};
use lattice_dialects::gemini::generate::{MADE_ID, encode, path};
use serde_json::Number;
use serde_json::value::RawValue;

const NEW: &str = "gemini-3.5-flash";

fn text(text: &str) -> Part<'_> {
    Part::Text(Text {
        text: text.into(),
        cache: None,
    })
}

fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Part<'a> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature: None,
    })
}

fn result<'a>(id: &'a str, content: Vec<Part<'a>>) -> Part<'a> {
    let id = id.into();
    Part::ToolResult(ToolResult {
        id,
        content,
        is_error: false,
    })
}

fn thought<'a>(maker: Maker, signature: Option<&'a str>) -> Part<'a> {
    Part::Reasoning(Reasoning {
        text: "thinking".into(),
        signature: signature.map(Cow::Borrowed),
        encrypted: None,
        id: None,
        maker,
    })
}

fn media<'a>(source: Source<'a>) -> Part<'a> {
    Part::Media(Media {
        source,
        field: "messages.content.image_url",
        name: None,
        cache: None,
    })
}

fn base64(media_type: &'static str) -> Part<'static> {
    media(Source::Base64 {
        media_type: media_type.into(),
        data: "AA+/".into(),
    })
}

fn url(url: &str) -> Part<'_> {
    media(Source::Url(url.into()))
}

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

fn tool<'a>(name: &'a str, parameters: Option<&'a str>) -> Tool<'a> {
    Tool {
        name: name.into(),
        description: None,
        parameters: parameters.map(raw),
        strict: None,
        cache: None,
    }
}

fn turns<'a>(turns: Vec<(Role, Vec<Part<'a>>)>) -> Request<'a> {
    Request {
        turns: turns
            .into_iter()
            .map(|(role, parts)| Turn { role, parts })
            .collect(),
        n: 1,
        ..Request::default()
    }
}

/// A request that says "hi".
fn hi<'a>() -> Request<'a> {
    turns(vec![(Role::User, vec![text("hi")])])
}

fn to(model: &str) -> Target<'_> {
    Target {
        model,
        output_cap: None,
    }
}

fn encoded(request: &Request<'_>, model: &str) -> (String, Vec<String>) {
    let Encoded { body, noted } = encode(request, &to(model)).unwrap();
    (String::from_utf8(body.to_vec()).unwrap(), noted)
}

/// The `contents` of a request that is nothing but turns, and its notes.
fn contents(request: &Request<'_>, model: &str) -> (String, Vec<String>) {
    let (body, noted) = encoded(request, model);
    let contents = body.strip_prefix(r#"{"contents":"#).unwrap();
    let contents = contents.strip_suffix(r#","generationConfig":{}}"#).unwrap();
    (contents.to_owned(), noted)
}

/// What a request that says "hi" has beside that.
fn rest(request: &Request<'_>, model: &str) -> (String, Vec<String>) {
    let (body, noted) = encoded(request, model);
    let said = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"#;
    let rest = body.strip_prefix(said).unwrap();
    (rest.strip_suffix('}').unwrap().to_owned(), noted)
}

fn refused(request: &Request<'_>, model: &str) -> Unsupported {
    encode(request, &to(model)).unwrap_err()
}

#[test]
fn the_model_is_in_the_path() {
    let cases = [
        (
            "gemini-3-flash",
            false,
            "models/gemini-3-flash:generateContent",
        ),
        (
            "models/gemini-3-flash",
            true,
            "models/gemini-3-flash:streamGenerateContent?alt=sse",
        ),
        (
            "a/b?c#d e:é",
            false,
            "models/a%2Fb%3Fc%23d%20e%3A%C3%A9:generateContent",
        ),
    ];
    for (model, stream, expected) in cases {
        assert_eq!(path(model, stream), expected);
    }
}

#[test]
fn turns_become_contents() {
    let cases = [
        (
            turns(vec![
                (Role::User, vec![text("a\"\n"), text("b")]),
                (Role::Assistant, vec![text("c")]),
                (Role::User, vec![text("d")]),
            ]),
            r#"[{"role":"user","parts":[{"text":"a\"\n"},{"text":"b"}]},{"role":"model","parts":[{"text":"c"}]},{"role":"user","parts":[{"text":"d"}]}]"#,
        ),
        // Parts without text, and turns that they leave empty, are refused there.
        (
            turns(vec![
                (Role::User, vec![text(""), text("a")]),
                (Role::Assistant, vec![text("")]),
                (Role::User, vec![text("b")]),
            ]),
            r#"[{"role":"user","parts":[{"text":"a"},{"text":"b"}]}]"#,
        ),
        (
            turns(vec![(
                Role::User,
                vec![
                    base64("image/png"),
                    base64("application/pdf"),
                    base64("audio/wav"),
                ],
            )]),
            r#"[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AA+/"}},{"inlineData":{"mimeType":"application/pdf","data":"AA+/"}},{"inlineData":{"mimeType":"audio/wav","data":"AA+/"}}]}]"#,
        ),
        (
            turns(vec![(
                Role::User,
                vec![
                    url("gs://bucket/a.png"),
                    url("https://generativelanguage.googleapis.com/v1beta/files/abc"),
                ],
            )]),
            r#"[{"role":"user","parts":[{"fileData":{"fileUri":"gs://bucket/a.png"}},{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}}]}]"#,
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(contents(&request, NEW), (expected.to_owned(), vec![]));
    }
}

#[test]
fn system_texts_lead_or_become_the_users() {
    let mut request = turns(vec![
        (Role::User, vec![text("a")]),
        (Role::System, vec![text("b")]),
        (Role::User, vec![text("c")]),
    ]);
    request.system = ["x", "", "y"]
        .map(|text| Text {
            text: text.into(),
            cache: None,
        })
        .to_vec();
    let (body, noted) = encoded(&request, NEW);
    assert_eq!(
        body,
        r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"text":"<system>\nb\n</system>"},{"text":"c"}]}],"systemInstruction":{"parts":[{"text":"x"},{"text":"y"}]},"generationConfig":{}}"#
    );
    assert_eq!(
        noted,
        ["messages.role: a later system message was sent as the user's"]
    );
    request.system.truncate(0);
    assert!(!encoded(&request, NEW).0.contains("systemInstruction"));
}

#[test]
fn calls_and_results_are_paired_by_name_and_order() {
    let own = format!("{MADE_ID}s_0");
    let request = turns(vec![
        (Role::User, vec![text("a")]),
        (
            Role::Assistant,
            vec![call(&own, "f", ""), call("abc", "g", r#" {"x": 1} "#)],
        ),
        (
            Role::User,
            vec![
                result(&own, vec![text("one")]),
                result("abc", vec![text("two"), text("three")]),
                result("abc", vec![]),
            ],
        ),
    ]);
    let expected = r#"[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}},{"functionCall":{"id":"abc","name":"g","args":{"x": 1}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"one"}}},{"functionResponse":{"id":"abc","name":"g","response":{"result":["two","three"]}}},{"functionResponse":{"id":"abc","name":"g","response":{"result":""}}}]}]"#;
    assert_eq!(contents(&request, NEW), (expected.to_owned(), vec![]));
}

/// BerriAI/litellm#38223
#[test]
fn a_ref_in_a_tool_result_stays_text() {
    let schema = r##"{"$ref":"#/$defs/a","$defs":{"a":{}}}"##;
    let request = turns(vec![
        (Role::Assistant, vec![call("1", "f", "{}")]),
        (Role::User, vec![result("1", vec![text(schema)])]),
    ]);
    let (contents, _) = contents(&request, NEW);
    let read: serde_json::Value = serde_json::from_str(&contents).unwrap();
    let response = &read[1]["parts"][0]["functionResponse"]["response"];
    assert_eq!(*response, serde_json::json!({"result": schema}));
}

#[test]
fn an_image_in_a_tool_result_goes_along_from_gemini_3_on() {
    let request = turns(vec![
        (Role::Assistant, vec![call("1", "f", "{}")]),
        (
            Role::User,
            vec![result("1", vec![text("see"), base64("image/png")])],
        ),
    ]);
    let (body, _) = contents(&request, NEW);
    let expected = r#"{"functionResponse":{"id":"1","name":"f","response":{"result":"see"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AA+/"}}]}}"#;
    assert!(body.contains(expected), "{body}");
    let refusal = refused(&request, "gemini-2.5-flash");
    assert_eq!(refusal.field, "messages.content.image_url");
}

/// BerriAI/litellm#16893, Portkey-AI/gateway#1442
#[test]
fn signatures_go_back_to_gemini_and_nobody_elses_do() {
    let signed = Part::ToolCall(ToolCall {
        id: "1".into(),
        name: "f".into(),
        arguments: "{}".into(),
        signature: Some("bmV4".into()),
    });
    let request = turns(vec![
        (Role::User, vec![text("a")]),
        (
            Role::Assistant,
            vec![
                thought(Maker::Gemini, None),
                text("b"),
                thought(Maker::Gemini, Some("c2ln")),
                signed,
                call("2", "g", "{}"),
            ],
        ),
    ]);
    let expected = r#"[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"},{"text":"","thoughtSignature":"c2ln"},{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"bmV4"},{"functionCall":{"id":"2","name":"g","args":{}}}]}]"#;
    assert_eq!(contents(&request, NEW), (expected.to_owned(), vec![]));

    for maker in [Maker::Anthropic, Maker::Unknown] {
        let request = turns(vec![
            (Role::User, vec![text("a")]),
            (
                Role::Assistant,
                vec![
                    thought(maker, Some("secret")),
                    text("b"),
                    thought(maker, None),
                ],
            ),
        ]);
        let (body, noted) = contents(&request, NEW);
        assert!(
            !body.contains("secret") && !body.contains("thinking"),
            "{body}"
        );
        assert_eq!(
            noted,
            ["messages.reasoning: thoughts of another provider were left out"]
        );
    }
}

/// BerriAI/litellm#14330
#[test]
fn schemas_are_passed_as_they_were_spelled() {
    let schema = r##"{ "type":"object", "properties":{"a":{"$ref":"#/$defs/a"}}, "$defs":{"a":{"type":["string","null"]}}, "additionalProperties":false, "x":1.0 }"##;
    let mut request = hi();
    request.tools = vec![tool("f", Some(schema)), tool("g", None)];
    request.tools[0].description = Some("d".into());
    let expected = format!(
        r#""tools":[{{"functionDeclarations":[{{"name":"f","description":"d","parametersJsonSchema":{schema}}},{{"name":"g"}}]}}],"generationConfig":{{}}"#
    );
    assert_eq!(rest(&request, NEW), (expected, vec![]));

    let mut request = hi();
    request.format = Format::JsonSchema(Schema {
        name: "n".into(),
        schema: raw(schema),
        strict: Some(true),
    });
    let expected = format!(
        r#""generationConfig":{{"responseMimeType":"application/json","responseJsonSchema":{schema}}}"#
    );
    let noted = vec!["response_format.json_schema.name".to_owned()];
    assert_eq!(rest(&request, NEW), (expected, noted));

    request.format = Format::JsonObject;
    let expected = r#""generationConfig":{"responseMimeType":"application/json"}"#;
    assert_eq!(rest(&request, NEW), (expected.to_owned(), vec![]));
}

#[test]
fn tool_choices_become_modes() {
    let names = || vec!["f".into(), "g".into()];
    let allowed = |required| ToolChoice::Allowed {
        required,
        names: names(),
    };
    let cases = [
        (None, false, "", None),
        (Some(ToolChoice::Auto), false, r#"{"mode":"AUTO"}"#, None),
        (Some(ToolChoice::None), false, r#"{"mode":"NONE"}"#, None),
        (Some(ToolChoice::Required), false, r#"{"mode":"ANY"}"#, None),
        (
            Some(ToolChoice::Named("f".into())),
            true,
            r#"{"mode":"ANY","allowedFunctionNames":["f"]}"#,
            None,
        ),
        (
            Some(allowed(true)),
            false,
            r#"{"mode":"ANY","allowedFunctionNames":["f","g"]}"#,
            None,
        ),
        (
            Some(allowed(false)),
            false,
            r#"{"mode":"AUTO"}"#,
            Some("tool_choice: only the allowed tools were sent"),
        ),
        (None, true, r#"{"mode":"VALIDATED"}"#, None),
        (
            Some(ToolChoice::Auto),
            true,
            r#"{"mode":"VALIDATED"}"#,
            None,
        ),
        (Some(ToolChoice::None), true, r#"{"mode":"NONE"}"#, None),
    ];
    for (choice, strict, config, note) in cases {
        let mut request = hi();
        request.tools = ["f", "h", "g"].map(|name| tool(name, None)).to_vec();
        request.tools[0].strict = Some(strict);
        request.tool_choice = choice;
        let (body, noted) = rest(&request, NEW);
        let all = r#"[{"name":"f"},{"name":"h"},{"name":"g"}]"#;
        let tools = if note.is_some() {
            r#"[{"name":"f"},{"name":"g"}]"#
        } else {
            all
        };
        let config = match config {
            "" => String::new(),
            config => format!(r#""toolConfig":{{"functionCallingConfig":{config}}},"#),
        };
        let expected = format!(
            r#""tools":[{{"functionDeclarations":{tools}}}],{config}"generationConfig":{{}}"#
        );
        assert_eq!(body, expected);
        assert_eq!(noted, note.map_or(vec![], |note| vec![note.to_owned()]));
    }
}

#[test]
fn what_old_models_cannot_promise_is_noted() {
    let mut request = hi();
    request.tools = vec![tool("f", None)];
    request.tools[0].strict = Some(true);
    request.parallel_tool_calls = Some(false);
    let (body, noted) = rest(&request, "gemini-2.0-flash-001");
    assert!(!body.contains("toolConfig"), "{body}");
    assert_eq!(noted, ["parallel_tool_calls", "tools.function.strict"]);
}

#[test]
fn sampling_keeps_its_spelling() {
    let number = |spelled: &str| Some(serde_json::from_str::<Number>(spelled).unwrap());
    let mut request = hi();
    request.max_output_tokens = Some(100);
    request.temperature = number("0.5");
    request.top_p = number("1");
    request.top_k = Some(40);
    request.presence_penalty = number("-1.5");
    request.frequency_penalty = number("2");
    request.seed = Some(-7);
    request.n = 2;
    request.stop = vec!["a\"".into(), "b".into()];
    let expected = r#""generationConfig":{"maxOutputTokens":100,"temperature":0.5,"topP":1,"presencePenalty":-1.5,"frequencyPenalty":2,"topK":40,"seed":-7,"candidateCount":2,"stopSequences":["a\"","b"]}"#;
    assert_eq!(rest(&request, NEW), (expected.to_owned(), vec![]));

    let mut request = hi();
    request.seed = Some(1 << 31);
    request.max_output_tokens = Some(100);
    let capped = Target {
        model: NEW,
        output_cap: Some(5),
    };
    let Encoded { body, noted } = encode(&request, &capped).unwrap();
    assert!(body.ends_with(br#""generationConfig":{"maxOutputTokens":5}}"#));
    assert_eq!(noted, ["seed"]);
}

/// A model, an effort, what is sent (with a comma where thoughts are to be shown),
/// and whether that is noted.
const EFFORTS: &[(&str, Effort, &str, bool)] = &[
    ("gemini-2.0-flash", Effort::None, "", false),
    ("gemini-2.0-flash", Effort::High, "", true),
    (
        "gemini-2.5-flash",
        Effort::None,
        r#""thinkingBudget":0"#,
        false,
    ),
    (
        "models/gemini-2.5-flash",
        Effort::Low,
        r#""thinkingBudget":1024,"#,
        false,
    ),
    (
        "gemini-2.5-flash-lite",
        Effort::Minimal,
        r#""thinkingBudget":1024,"#,
        false,
    ),
    (
        "gemini-2.5-flash",
        Effort::Medium,
        r#""thinkingBudget":8192,"#,
        false,
    ),
    (
        "gemini-2.5-flash",
        Effort::High,
        r#""thinkingBudget":24576,"#,
        false,
    ),
    (
        "gemini-2.5-flash",
        Effort::Max,
        r#""thinkingBudget":24576,"#,
        true,
    ),
    (
        "gemini-2.5-pro",
        Effort::None,
        r#""thinkingBudget":128"#,
        true,
    ),
    (
        "gemini-2.5-pro",
        Effort::ExtraHigh,
        r#""thinkingBudget":32768,"#,
        true,
    ),
    (
        "gemini-3-flash-preview",
        Effort::None,
        r#""thinkingLevel":"MINIMAL""#,
        true,
    ),
    (
        "gemini-3-flash-preview",
        Effort::Minimal,
        r#""thinkingLevel":"MINIMAL","#,
        false,
    ),
    (
        "gemini-3.5-flash",
        Effort::Medium,
        r#""thinkingLevel":"MEDIUM","#,
        false,
    ),
    (
        "gemini-3.5-flash",
        Effort::ExtraHigh,
        r#""thinkingLevel":"HIGH","#,
        true,
    ),
    (
        "gemini-3-pro-preview",
        Effort::Medium,
        r#""thinkingLevel":"HIGH","#,
        true,
    ),
    (
        "gemini-3-pro-preview",
        Effort::None,
        r#""thinkingLevel":"LOW""#,
        true,
    ),
    (
        "gemini-3.1-pro-preview",
        Effort::Medium,
        r#""thinkingLevel":"MEDIUM","#,
        false,
    ),
    (
        "gemini-9-ultra",
        Effort::ExtraHigh,
        r#""thinkingLevel":"XHIGH","#,
        false,
    ),
    (
        "gemini-flash-latest",
        Effort::Minimal,
        r#""thinkingLevel":"LOW","#,
        true,
    ),
    (
        "gemini-9-ultra",
        Effort::Max,
        r#""thinkingLevel":"XHIGH","#,
        true,
    ),
];

#[test]
fn effort_becomes_what_the_model_knows() {
    for (model, effort, thinking, is_noted) in EFFORTS {
        let mut request = hi();
        request.effort = Some(*effort);
        let (body, noted) = rest(&request, model);
        let thinking = match *thinking {
            "" => String::new(),
            shown if shown.ends_with(',') => {
                format!(r#""thinkingConfig":{{{shown}"includeThoughts":true}}"#)
            }
            hidden => format!(r#""thinkingConfig":{{{hidden}}}"#),
        };
        let expected = format!(r#""generationConfig":{{{thinking}}}"#);
        assert_eq!(body, expected, "{model} {effort:?}");
        let about_effort = noted
            .iter()
            .all(|note| note.starts_with("reasoning_effort"));
        assert!(
            about_effort && noted.len() == usize::from(*is_noted),
            "{noted:?}"
        );
    }
}

#[test]
fn hints_are_dropped_and_noted_once() {
    let cached = |text: &'static str| Text {
        text: text.into(),
        cache: Some(Cache::OneHour),
    };
    let mut request = turns(vec![(
        Role::User,
        vec![
            Part::Text(cached("a")),
            Part::Media(Media {
                source: Source::Base64 {
                    media_type: "application/pdf".into(),
                    data: "AA==".into(),
                },
                field: "messages.content.file",
                name: Some("a.pdf".into()),
                cache: Some(Cache::FiveMinutes),
            }),
        ],
    )]);
    request.system = vec![cached("s")];
    request.user = Some("u".into());
    request.dropped = vec!["store".into(), "metadata".into()];
    let (body, noted) = encoded(&request, NEW);
    for hint in ["cache", "a.pdf", "store"] {
        assert!(!body.contains(hint), "{body}");
    }
    let expected = [
        "store",
        "metadata",
        "user",
        "cache_control",
        "messages.content.file: the name of a file was left out",
    ];
    assert_eq!(noted, expected);
}

#[test]
fn refusals_name_the_field_and_the_mend() {
    let with_choice = |choice: ToolChoice<'static>, tools: Vec<Tool<'static>>| {
        let mut request = hi();
        request.tool_choice = Some(choice);
        request.tools = tools;
        request
    };
    let allowed = ToolChoice::Allowed {
        required: false,
        names: vec!["other".into()],
    };
    let arguments =
        |arguments: &'static str| turns(vec![(Role::Assistant, vec![call("1", "f", arguments)])]);
    let cases = [
        (
            turns(vec![(Role::User, vec![url("https://example.com/a.png")])]),
            "messages.content.image_url",
            "base64",
        ),
        (
            turns(vec![(Role::User, vec![url("file:///etc/passwd")])]),
            "messages.content.image_url",
            "base64",
        ),
        (
            turns(vec![(Role::User, vec![result("1", vec![text("a")])])]),
            "messages.tool_call_id",
            "send the call",
        ),
        (Request::default(), "messages", "user message"),
        (
            turns(vec![(Role::User, vec![text("")])]),
            "messages",
            "user message",
        ),
        (
            with_choice(ToolChoice::Required, vec![]),
            "tool_choice",
            "add them",
        ),
        (
            with_choice(ToolChoice::Named("f".into()), vec![]),
            "tool_choice",
            "add them",
        ),
        (
            with_choice(allowed, vec![tool("f", None)]),
            "tool_choice",
            "add them",
        ),
        (
            arguments("[1]"),
            "messages.tool_calls.function.arguments",
            "mend",
        ),
        (
            arguments("{"),
            "messages.tool_calls.function.arguments",
            "mend",
        ),
        (
            arguments(r#"{}},"x":{"#),
            "messages.tool_calls.function.arguments",
            "mend",
        ),
    ];
    for (request, field, mend) in cases {
        let refusal = refused(&request, NEW);
        assert_eq!(refusal.field, field);
        assert!(refusal.why.contains(mend), "{refusal}");
    }
}
