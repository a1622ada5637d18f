//! A request as the canonical one.

use lattice_dialects::canonical::{
    Effort, Format, Maker, Part, Proves, Request, Role, Sealed, Source, ToolChoice,
};
use serde_json::{Value, json};

use super::{parse, with, with_model};

/// The parts of a turn, each in a word or two.
fn said(request: &Request<'_>) -> Vec<String> {
    let parts = request.turns.iter().flat_map(|turn| &turn.parts);
    let said = parts.map(|part| match part {
        Part::Text(text) => format!("text {}", text.text),
        Part::Media(media) => match &media.source {
            Source::Base64 { media_type, data } => format!("media {media_type} {data}"),
            Source::Url(url) => format!("url {url}"),
        },
        Part::Reasoning(it) => format!(
            "thought {:?} {} {:?} {:?} {:?}",
            it.maker,
            it.text,
            it.signature.as_deref(),
            it.encrypted.as_deref(),
            it.id.as_deref()
        ),
        Part::ToolCall(call) => format!(
            "call {} {} {} {:?}",
            call.id,
            call.name,
            call.arguments,
            call.signature.as_deref()
        ),
        Part::ToolResult(result) => {
            let content = result.content.iter().map(|part| match part {
                Part::Text(text) => text.text.to_string(),
                _ => "media".to_owned(),
            });
            let content: Vec<String> = content.collect();
            let failed = if result.is_error { "failed" } else { "result" };
            format!("{failed} {} {}", result.id, content.join("|"))
        }
    });
    said.collect()
}

fn schema(json: &serde_json::value::RawValue) -> Value {
    serde_json::from_str(json.get()).unwrap()
}

#[track_caller]
fn refused(body: &str) -> String {
    parse(body).canonical().unwrap_err().field.into_owned()
}

#[test]
fn a_conversation_is_read_in_order() {
    let request = parse(
        r#"{"contents":[
          {"role":"user","parts":[{"text":"q"},{"inlineData":{"mimeType":"image/png","data":"-_8="}}]},
          {"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://e.com/a"}}]},
          {"role":"model","parts":[{"text":"a"}]}],
         "system_instruction":{"role":"user","parts":[{"text":"s1"},{"text":"s2"}]},
         "safetySettings":[],"labels":{},"serviceTier":"flex"}"#,
    );
    let request = request.canonical().unwrap();
    assert_eq!(request.model, "gemini-x");
    let system: Vec<&str> = request.system.iter().map(|text| &*text.text).collect();
    assert_eq!(system, ["s1", "s2"]);
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant]);
    // Google's clients send the alphabet for URLs, which nobody else reads.
    assert_eq!(
        said(&request),
        [
            "text q",
            "media image/png +/8=",
            "url https://e.com/a",
            "text a"
        ]
    );
    assert_eq!(request.dropped, ["safetySettings", "labels", "serviceTier"]);
}

#[test]
fn results_find_their_calls_by_id_else_by_name_and_order() {
    let request = parse(
        r#"{"contents":[
          {"parts":[{"text":"q"}]},
          {"role":"model","parts":[
            {"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"S"},
            {"functionCall":{"name":"g"}},
            {"functionCall":{"name":"f","args":{"a":2}}},
            {"functionCall":{"id":"own","name":"f","args":{}}}]},
          {"role":"function","parts":[
            {"text":"and"},
            {"functionResponse":{"name":"g","response":{"output":"of g"}}},
            {"functionResponse":{"id":"own","name":"f","response":{"result":"of own"}}},
            {"functionResponse":{"id":"lost","name":"f","response":{"error":"first"}}},
            {"functionResponse":{"name":"f","response":{"a":"second"}}}]}]}"#,
    );
    let request = request.canonical().unwrap();
    assert_eq!(
        said(&request)[1..],
        [
            r#"call call_lat_0_f f {"a":1} Some("S")"#,
            r"call call_lat_1_g g  None",
            r#"call call_lat_2_f f {"a":2} None"#,
            r"call own f {} None",
            "result call_lat_1_g of g",
            "result own of own",
            "failed call_lat_0_f first",
            r#"result call_lat_2_f {"a":"second"}"#,
            "text and",
        ]
    );
}

#[test]
fn made_ids_are_the_same_on_every_turn() {
    let first = r#"{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}"#;
    let later = r#"{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}"#;
    let short = parse(&format!(r#"{{"contents":[{first}]}}"#));
    let long = parse(&format!(r#"{{"contents":[{first},{later}]}}"#));
    let (short, long) = (short.canonical().unwrap(), long.canonical().unwrap());
    assert_eq!(said(&long)[..3], said(&short));
    let ids: Vec<String> = said(&long)[1..]
        .iter()
        .map(|it| it[..17].to_owned())
        .collect();
    assert_eq!(ids[0], "call call_lat_0_f");
    assert_eq!(ids[2], "call call_lat_1_f");
}

#[test]
fn a_response_is_the_text_in_it_only_where_nothing_is_lost() {
    for (response, expected) in [
        (r#"{"result":"a"}"#, "result call_lat_0_f a"),
        (r#"{"output":"a"}"#, "result call_lat_0_f a"),
        (r#"{"error":"a"}"#, "failed call_lat_0_f a"),
        (
            r#"{"error":{"a":1}}"#,
            r#"failed call_lat_0_f {"error":{"a":1}}"#,
        ),
        (r#"{"error":null}"#, r#"result call_lat_0_f {"error":null}"#),
        (r#"{"result":7}"#, r#"result call_lat_0_f {"result":7}"#),
        (
            r#"{"result":["a"]}"#,
            r#"result call_lat_0_f {"result":["a"]}"#,
        ),
        (
            r#"{"result":"a","b":1}"#,
            r#"result call_lat_0_f {"result":"a","b":1}"#,
        ),
        (r#"{ "x": 1e5 }"#, r#"result call_lat_0_f { "x": 1e5 }"#),
        ("{}", "result call_lat_0_f {}"),
    ] {
        let body = format!(
            r#"{{"contents":[{{"role":"model","parts":[{{"functionCall":{{"name":"f"}}}}]}},
                {{"role":"user","parts":[{{"functionResponse":{{"name":"f","response":{response}}}}}]}}]}}"#
        );
        let request = parse(&body);
        assert_eq!(said(&request.canonical().unwrap())[1], expected);
    }
}

#[test]
fn thoughts_go_back_to_their_makers() {
    let seal = |maker, proves, id: Option<&str>| {
        let seal = Sealed {
            maker,
            proves,
            id: id.map(str::to_owned),
            data: "pr>of".to_owned(),
        };
        // As Google's client gives back what it read as bytes.
        seal.render().replace('+', "-").replace('/', "_")
    };
    let text = seal(Maker::Anthropic, Proves::Text, None);
    let cipher = seal(Maker::OpenAi, Proves::Cipher, Some("rs_1"));
    let body = format!(
        r#"{{"contents":[
          {{"role":"model","parts":[{{"text":"h","thought":true}}]}},
          {{"role":"model","parts":[{{"text":"m","thought":true}},
                                    {{"text":"","thought":true,"thoughtSignature":"{text}"}},
            {{"text":"","thought":true,"thoughtSignature":"{cipher}"}},
            {{"text":"own","thought":true,"thoughtSignature":"Ab-_"}},
            {{"text":"a","thoughtSignature":"Cd"}},
            {{"text":"nobody's","thought":true}},
            {{"text":"b"}}]}}]}}"#
    );
    let request = parse(&body);
    let request = request.canonical().unwrap();
    assert_eq!(
        said(&request),
        [
            r#"thought Anthropic hm Some("pr>of") None None"#,
            r#"thought OpenAi  None Some("pr>of") Some("rs_1")"#,
            r#"thought Gemini own Some("Ab+/") None None"#,
            "text a",
            r#"thought Gemini  Some("Cd") None None"#,
            "text b",
        ]
    );
    assert_eq!(request.dropped, ["contents.parts.thought"]);
}

#[test]
fn old_schemas_become_json_schema() {
    let request = parse(&with(
        r##""tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{
             "type":"OBJECT","propertyOrdering":["b","a"],"required":["a"],
             "properties":{"a":{"type":"STRING","nullable":true,"enum":["x"],"format":"enum","max_length":"5"},
                           "type":{"any_of":[{"type":"INTEGER"},{"type":"TYPE_UNSPECIFIED","example":1}],"nullable":true},
                           "min_items":{"type":"ARRAY","min_items":1,"items":{"type":"NUMBER","default":{"nullable":1}}}},
             "defs":{"d":{"type":"BOOLEAN"}},"additional_properties":{"ref":"#/$defs/d"}}},
            {"name":"g","parameters_json_schema":{"type":"object","max_length":"kept"}}]}],
           "generationConfig":{"responseMimeType":"application/json","response_schema":{"type":"STRING"}}"##,
    ));
    let canonical = request.canonical().unwrap();
    assert_eq!(
        schema(canonical.tools[0].parameters.unwrap()),
        json!({
            "type": "object", "required": ["a"],
            "properties": {
                "a": {"type": ["string", "null"], "enum": ["x", null], "maxLength": 5},
                "type": {"anyOf": [{"type": "integer"}, {"examples": [1]}, {"type": "null"}]},
                "min_items": {"type": "array", "minItems": 1,
                              "items": {"type": "number", "default": {"nullable": 1}}},
            },
            "$defs": {"d": {"type": "boolean"}},
            "additionalProperties": {"$ref": "#/$defs/d"},
        })
    );
    assert_eq!(
        canonical.tools[1].parameters.unwrap().get(),
        r#"{"type":"object","max_length":"kept"}"#
    );
    let Format::JsonSchema(answer) = &canonical.format else {
        panic!("{:?}", canonical.format)
    };
    assert_eq!(answer.schema.get(), r#"{"type":"string"}"#);
    assert_eq!(canonical.dropped, ["propertyOrdering"]);
    // Once more, and of a copy.
    let copy = request.clone();
    for request in [&request, &copy] {
        let again = request.canonical().unwrap();
        assert_eq!(
            again.tools[0].parameters.unwrap().get(),
            canonical.tools[0].parameters.unwrap().get()
        );
    }
}

#[test]
fn the_choice_of_tools_is_read() {
    let allowed = |required, names: &[&'static str]| ToolChoice::Allowed {
        required,
        names: names.iter().map(|name| (*name).into()).collect(),
    };
    for (calling, expected, dropped) in [
        (r#"{"mode":"AUTO"}"#, Some(ToolChoice::Auto), 0),
        (r#"{"mode":"NONE"}"#, Some(ToolChoice::None), 0),
        (r#"{"mode":"ANY"}"#, Some(ToolChoice::Required), 0),
        (
            r#"{"mode":"any","allowedFunctionNames":["f"]}"#,
            Some(ToolChoice::Named("f".into())),
            0,
        ),
        (
            r#"{"mode":"ANY","allowed_function_names":["f","g"]}"#,
            Some(allowed(true, &["f", "g"])),
            0,
        ),
        (r#"{"mode":"VALIDATED"}"#, Some(ToolChoice::Auto), 1),
        (
            r#"{"mode":"VALIDATED","allowedFunctionNames":["g"]}"#,
            Some(allowed(false, &["g"])),
            1,
        ),
        ("{}", None, 0),
    ] {
        let body = with(&format!(
            r#""tools":[{{"functionDeclarations":[{{"name":"f"}},{{"name":"g"}}]}}],
               "toolConfig":{{"functionCallingConfig":{calling}}}"#
        ));
        let request = parse(&body);
        let request = request.canonical().unwrap();
        assert_eq!(request.tool_choice, expected, "{calling}");
        assert_eq!(request.dropped.len(), dropped, "{calling}");
    }
}

#[test]
fn the_config_is_read() {
    let request = parse(&with(
        r#""generationConfig":{"temperature":0.10,"topP":1,"topK":40.0,"candidateCount":2,
           "maxOutputTokens":9,"stopSequences":["a","b"],"seed":-7,"presencePenalty":-1.5,
           "frequency_penalty":0.5,"responseModalities":["TEXT"],"mediaResolution":"LOW"}"#,
    ));
    let request = request.canonical().unwrap();
    assert_eq!(request.temperature.unwrap().to_string(), "0.1");
    assert_eq!(request.top_p.unwrap().to_string(), "1");
    assert_eq!((request.top_k, request.n), (Some(40), 2));
    assert_eq!(
        (request.max_output_tokens, request.seed),
        (Some(9), Some(-7))
    );
    assert_eq!(request.stop, ["a", "b"]);
    assert_eq!(request.presence_penalty.unwrap().to_string(), "-1.5");
    assert_eq!(request.frequency_penalty.unwrap().to_string(), "0.5");
    assert_eq!(request.dropped, ["generationConfig.mediaResolution"]);
}

#[test]
fn thinking_is_read() {
    for (config, effort, budget, shown) in [
        (r#"{"thinkingBudget":0}"#, Some(Effort::None), None, None),
        (
            r#"{"thinking_budget":-1,"include_thoughts":true}"#,
            None,
            None,
            Some(true),
        ),
        (
            r#"{"thinkingBudget":512}"#,
            Some(Effort::Low),
            Some(512),
            None,
        ),
        (
            r#"{"thinkingBudget":8192}"#,
            Some(Effort::Medium),
            Some(8192),
            None,
        ),
        (
            r#"{"thinkingBudget":20000}"#,
            Some(Effort::High),
            Some(20000),
            None,
        ),
        (
            r#"{"thinkingLevel":"minimal"}"#,
            Some(Effort::Minimal),
            None,
            None,
        ),
        (
            r#"{"thinkingLevel":"XHIGH","includeThoughts":false}"#,
            Some(Effort::ExtraHigh),
            None,
            Some(false),
        ),
    ] {
        let request = parse(&with(&format!(
            r#""generationConfig":{{"thinkingConfig":{config}}}"#
        )));
        let request = request.canonical().unwrap();
        let read = (
            request.effort,
            request.thinking_budget,
            request.show_thoughts,
        );
        assert_eq!(read, (effort, budget, shown), "{config}");
    }
}

#[test]
fn what_only_gemini_has_is_refused_as_the_caller_spells_it() {
    let config = |members: &str| with(&format!(r#""generationConfig":{{{members}}}"#));
    for (body, field) in [
        (with(r#""tools":[{"google_search":{}}]"#), "tools[0].google_search"),
        (
            with(r#""tools":[{"functionDeclarations":[]},{"codeExecution":{}}]"#),
            "tools[1].codeExecution",
        ),
        (with(r#""cachedContent":"cachedContents/1""#), "cachedContent"),
        (with(r#""later_field":1"#), "later_field"),
        (with_model(r#"{"executableCode":{"code":"x"}}"#), "contents[1].parts[0].executableCode"),
        (with_model(r#"{"text":"a","later":1}"#), "contents[1].parts[0].later"),
        (with_model(r#"{"inlineData":{"mimeType":"image/png","data":"AA"}}"#), "contents[1].parts[0]"),
        (with_model("{}"), "contents[1].parts[0]"),
        (
            r#"{"contents":[{"parts":[{"inline_data":{"mime_type":"video/mp4","data":"AA"}}]}]}"#.to_owned(),
            "contents[0].parts[0].inline_data.mime_type",
        ),
        (
            r#"{"contents":[{"parts":[{"fileData":{"fileUri":"gs://b/a.png","mimeType":"image/png"}}]}]}"#.to_owned(),
            "contents[0].parts[0].fileData.fileUri",
        ),
        (
            r#"{"contents":[{"parts":[{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/1","mimeType":"image/png"}}]}]}"#.to_owned(),
            "contents[0].parts[0].fileData.fileUri",
        ),
        (
            r#"{"contents":[{"parts":[{"fileData":{"fileUri":"https://youtu.be/x"}}]}]}"#.to_owned(),
            "contents[0].parts[0].fileData.mimeType",
        ),
        (
            r#"{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}]}"#.to_owned(),
            "contents[0].parts[0].functionCall",
        ),
        (
            r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#.to_owned(),
            "contents[0].parts[0].functionResponse",
        ),
        (
            r#"{"contents":[{"role":"system","parts":[{"text":"a"}]}]}"#.to_owned(),
            "contents[0].role",
        ),
        (config(r#""speechConfig":{}"#), "generationConfig.speechConfig"),
        (config(r#""response_logprobs":true"#), "generationConfig.response_logprobs"),
        (config(r#""responseModalities":["IMAGE"]"#), "generationConfig.responseModalities"),
        (config(r#""topK":1.5"#), "generationConfig.topK"),
        (config(r#""responseMimeType":"text/x.enum""#), "generationConfig.responseMimeType"),
        (
            config(r#""responseMimeType":"text/plain","responseSchema":{}"#),
            "generationConfig.responseMimeType",
        ),
        (
            config(r#""responseSchema":{},"responseJsonSchema":{}"#),
            "generationConfig.responseJsonSchema",
        ),
        (
            config(r#""thinkingConfig":{"thinkingBudget":5,"thinkingLevel":"LOW"}"#),
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (config(r#""imageConfig":{}"#), "generationConfig.imageConfig"),
        (
            with(r#""toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}"#),
            "toolConfig.functionCallingConfig.allowedFunctionNames",
        ),
        (
            with(r#""toolConfig":{"functionCallingConfig":{},"function_calling_config":{}}"#),
            "toolConfig.function_calling_config",
        ),
        (
            with(r#""tools":[{"functionDeclarations":[{"name":"f","behavior":"NON_BLOCKING"}]}]"#),
            "tools[0].functionDeclarations[0].behavior",
        ),
        (
            with(r#""tools":[{"functionDeclarations":[{"name":"f","parameters":7}]}]"#),
            "tools[0].functionDeclarations[0].parameters",
        ),
    ] {
        assert_eq!(refused(&body), field, "{body}");
    }
}
