//! What is cut where tools are offered.

use bytes::Bytes;
use lattice_dialects::Api;
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::count::CountRequest;
use lattice_dialects::gemini::generate;

use super::{assert_left, needed, read, with, without};

#[test]
fn tools_of_chat_go_wherever_they_are_offered() {
    let f = r#"{"type":"function","function":{"name":"f"}}"#;
    let g = r#"{ "custom":{"name":"\u0067"} , "type":"custom"}"#;
    let w = r#"{"type":"web_search"}"#;
    let all = format!(r#""tools":[{f} , {g} , {w}],"functions":[{{"name":"f"}},{{"name":"h"}}]"#);
    for (gone, left) in [
        (
            &["f"][..],
            format!(r#""tools":[{g} , {w}],"functions":[{{"name":"h"}}]"#),
        ),
        (
            &["g"],
            format!(r#""tools":[{f} , {w}],"functions":[{{"name":"f"}},{{"name":"h"}}]"#),
        ),
        (
            &["web_search", "h"],
            format!(r#""tools":[{f} , {g}],"functions":[{{"name":"f"}}]"#),
        ),
        (
            &["f", "g", "web_search"],
            r#""functions":[{"name":"h"}]"#.to_owned(),
        ),
        (&["h", "f"], format!(r#""tools":[{g} , {w}]"#)),
        (&["f", "g", "web_search", "h"], String::new()),
    ] {
        assert_left(Api::Chat, &all, gone, &left);
    }
    let fields = r#""plugins":[{"id":"web"}],"Web_Search_Options":{},"search_parameters":{}"#;
    let gone = ["search", "web_search"];
    assert_left(Api::Chat, fields, &gone, r#""plugins":[{"id":"web"}]"#);
    assert_left(Api::Chat, fields, &["search", "web_search", "plugins"], "");
    // As servers written in Go read it.
    let go = r#""Tools":[{"Type":"function","Function":{"Name":"f"}}],"PARALLEL_TOOL_CALLS":true"#;
    assert_left(Api::Chat, go, &["f"], "");
}

#[test]
fn tools_of_responses_go_wherever_they_are_offered() {
    let f = r#"{"type":"function","name":"f"}"#;
    let ns = |inner: &str| format!(r#"{{"type":"namespace","name":"ns","tools":[{inner}]}}"#);
    let mcp = r#"{"type":"mcp","server_label":"m"}"#;
    let g = r#"{"type":"custom","name":"g"}"#;
    let all = format!(r#""tools":[{f}, {}, {mcp}]"#, ns(&format!("{f},{g}")));
    for (gone, left) in [
        (&["f"][..], format!(r#""tools":[{}, {mcp}]"#, ns(g))),
        (&["f", "g"], format!(r#""tools":[{mcp}]"#)),
        (&["ns", "mcp"], format!(r#""tools":[{f}]"#)),
        (&["f", "g", "mcp"], String::new()),
    ] {
        assert_left(Api::Responses, &all, gone, &left);
    }
}

#[test]
fn tools_in_the_input_of_responses_go_and_what_tells_of_them_stays() {
    let f = r#"{"type":"function","name":"f"}"#;
    let g = r#"{"type":"function","name":"g"}"#;
    let ask = r#"{"role":"user","content":"x"}"#;
    let call = r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#;
    let body = |offered: &str, listed: &str, choice: &str| {
        format!(
            r#"{{"model":"m","input":[{ask},{call}{offered},{{"type":"mcp_list_tools","tools":[{listed}]}}]{choice}}}"#
        )
    };
    let offer = |tools: &str| format!(r#",{{"type":"additional_tools","tools":[{tools}]}}"#);
    let choice = r#","tool_choice":"auto""#;
    let all = read(
        Api::Responses,
        &body(&offer(&format!("{f},{g}")), f, choice),
    );
    let left = all.without_tools(&["f"]).unwrap();
    assert_eq!(left.body(), body(&offer(g), "", choice).as_bytes());
    let none = all.without_tools(&["f", "g"]).unwrap();
    assert_eq!(none.body(), body("", "", "").as_bytes());
    let nothing_else = format!(r#"{{"model":"m","input":[{}]}}"#, &offer(f)[1..]);
    let needed = read(Api::Responses, &nothing_else).without_tools(&["f"]);
    assert_eq!(needed.unwrap_err().field, "input");
}

#[test]
fn tools_of_messages_go_by_the_names_that_policy_knows() {
    let f = r#"{"name":"f","input_schema":{}}"#;
    let g = r#"{"type":"custom","name":"g","input_schema":{}}"#;
    let w = r#"{"type":"web_search_20250305","name":"web_search"}"#;
    let set = r#"{"type":"mcp_toolset","mcp_server_name":"s"}"#;
    let servers = r#""mcp_servers":[{"type":"url","name":"s"},{"type":"url","name":"t"}]"#;
    let all = format!(r#""tools":[{f},{g},{w},{set}],{servers}"#);
    for (gone, left) in [
        (&["f"][..], format!(r#""tools":[{g},{w},{set}],{servers}"#)),
        (
            &["web_search", "g"],
            format!(r#""tools":[{f},{set}],{servers}"#),
        ),
        (&["mcp_toolset"], format!(r#""tools":[{f},{g},{w}]"#)),
        (&["f", "g", "web_search", "mcp_toolset"], String::new()),
        // The type is no name of a tool that has one.
        (&["web_search_20250305"], all.clone()),
    ] {
        assert_left(Api::Messages, &all, gone, &left);
    }
}

#[test]
fn tools_that_messages_bring_in_go_with_all_that_mentions_them() {
    let ask = r#"{"role":"user","content":"x"}"#;
    let tools = |list: &str| format!(r#""tools":[{list}]"#);
    let (f, g) = (
        r#"{"name":"f","input_schema":{}}"#,
        r#"{"name":"g","input_schema":{},"defer_loading":true}"#,
    );
    let define = r#"{"type":"tool_addition","tool":{"type":"tool_definition","definition":{"name":"h","input_schema":{}}}}"#;
    let add = r#"{"type":"tool_addition","tool":{"type":"tool_reference","name":"g"}}"#;
    let remove = r#"{"type":"tool_removal","tool":{"type":"tool_reference","name":"h"}}"#;
    let text = r#"{"type":"text","text":"h"}"#;
    let body = |list: &str, messages: &[String]| {
        let messages = messages.join(",");
        format!(r#"{{"model":"m","max_tokens":9,"messages":[{ask}{messages}],{list}}}"#)
    };
    let system =
        |blocks: &[&str]| format!(r#",{{"role":"system","content":[{}]}}"#, blocks.join(","));
    // Joined by the commas that each message brings along.
    let told =
        |messages: &[&[&str]]| vec![messages.iter().map(|it| system(it)).collect::<String>()];
    let all = body(
        &tools(&format!("{f},{g}")),
        &told(&[&[define, add, text], &[remove]]),
    );
    let all = read(Api::Messages, &all);
    assert_eq!(all.facts().tool_names(), ["h", "f", "g"]);
    for (gone, left) in [
        (
            &["h"][..],
            body(&tools(&format!("{f},{g}")), &told(&[&[add, text]])),
        ),
        (
            &["g"],
            body(&tools(f), &told(&[&[define, text], &[remove]])),
        ),
        (&["h", "f"], body(&tools(g), &told(&[&[add, text]]))),
    ] {
        let request = all.without_tools(gone).unwrap();
        assert_eq!(request.body(), left.as_bytes(), "{gone:?}");
        request.canonical().unwrap();
    }
    let nested = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c","content":[{define}]}}]}}]}}"#
    );
    let stuck = read(Api::Messages, &nested).without_tools(&["h"]);
    let stuck = stuck.unwrap_err();
    assert_eq!((stuck.field, &*stuck.tool), ("messages", "h"));
}

#[test]
fn tools_of_gemini_go_and_so_does_what_they_leave_empty() {
    let f = r#"{"name":"f","parameters":{"type":"OBJECT"}}"#;
    let g = r#"{"name":"g"}"#;
    let declared = |list: &str| format!(r#"{{"functionDeclarations":[{list}]}}"#);
    let search = format!(r#"{{ "google_search" : {{}}, "function_declarations":[{g}] }}"#);
    let both = declared(&format!("{f} , {g}"));
    let run = r#"{"codeExecution":{}}"#;
    let all = format!(r#""tools":[{both},{search},{run}]"#);
    for (gone, left) in [
        (
            &["f"][..],
            format!(r#""tools":[{},{search},{run}]"#, declared(g)),
        ),
        (
            &["g"],
            format!(
                r#""tools":[{},{{ "google_search" : {{}} }},{run}]"#,
                declared(f)
            ),
        ),
        (
            &["googleSearch", "codeExecution"],
            format!(r#""tools":[{both},{{ "function_declarations":[{g}] }}]"#),
        ),
        (&["f", "g", "googleSearch"], format!(r#""tools":[{run}]"#)),
        (&["f", "g", "googleSearch", "codeExecution"], String::new()),
    ] {
        assert_left(Api::Generate, &all, gone, &left);
    }
    // Lists of one without their brackets.
    let bare = r#""tools":{"functionDeclarations":{"name":"f"},"googleSearch":{}}"#;
    assert_left(
        Api::Generate,
        bare,
        &["f"],
        r#""tools":{"googleSearch":{}}"#,
    );
    assert_left(Api::Generate, bare, &["f", "googleSearch"], "");
}

#[test]
fn what_is_kept_at_a_provider_stays_there_or_nothing_is_sent() {
    let prompt = r#""prompt":{"id":"p"},"tools":[{"type":"shell"}],"tool_choice":"required""#;
    let (field, tool, _) = needed(Api::Responses, prompt, &["prompt"]);
    assert_eq!((field, &*tool), ("prompt", "prompt"));
    // It may hold what is to be called.
    let left = r#""prompt":{"id":"p"},"tool_choice":"required""#;
    assert_left(Api::Responses, prompt, &["shell"], left);
    let cached = r#""cached_content":"cachedContents/1""#;
    let (field, _, why) = needed(Api::Generate, cached, &["cachedContent"]);
    assert_eq!(field, "cachedContent");
    assert!(why.contains("kept at the provider"), "{why}");
}

#[test]
fn requests_to_count_lose_their_tools_too() {
    let body = |tools: &str| {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{tools}}}"#)
    };
    let all = body(r#","tools":[{"name":"f"},{"name":"g"}],"tool_choice":{"type":"auto"}"#);
    let claude = CountRequest::Messages(MessagesRequest::parse_count(Bytes::from(all)).unwrap());
    let left = claude.without_tools(&["f"]).unwrap();
    assert_eq!(left.facts().tool_names(), ["g"]);
    let none = claude.without_tools(&["f", "g"]).unwrap();
    assert_eq!(none.body(), body("").as_bytes());

    let inner = r#""contents":[{"parts":[{"text":"x"}]}]"#;
    let body = |tools: &str| format!(r#"{{"generate_content_request":{{{inner}{tools}}}}}"#);
    let all = body(
        r#","tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}"#,
    );
    let counted = generate::CountRequest::parse(Bytes::from(all), "m").unwrap();
    let google = CountRequest::Generate(counted);
    let none = google.without_tools(&["f"]).unwrap();
    assert_eq!(none.body(), body("").as_bytes());
    assert_eq!(none.facts().tool_names(), [""; 0]);
}

#[test]
fn without_anything_to_take_out_the_body_is_shared_and_not_copied() {
    for api in [Api::Chat, Api::Responses, Api::Messages, Api::Generate] {
        let tools = match api {
            Api::Generate => r#""tools":[{"functionDeclarations":[{"name":"f"}]}]"#,
            _ => r#""tools":[{"name":"f"}]"#,
        };
        let request = read(api, &with(api, tools));
        for gone in [&[][..], &["g", "F", ""]] {
            let same = request.without_tools(gone).unwrap();
            assert_eq!(same.body().as_ptr(), request.body().as_ptr());
            assert_eq!(same.facts().tool_names(), ["f"]);
        }
        assert!(!without(api, tools, &["f"]).unwrap().facts().has_tools);
    }
}

#[test]
fn calls_that_were_made_before_stay() {
    let call = r#"{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"r"}]}"#;
    let body = |tools: &str| {
        format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}},{call}]{tools}}}"#
        )
    };
    let all = read(
        Api::Messages,
        &body(r#","tools":[{"name":"f","input_schema":{}}]"#),
    );
    let left = all.without_tools(&["f"]).unwrap();
    assert_eq!(left.body(), body("").as_bytes());
    let canonical = left.canonical().unwrap();
    assert_eq!((canonical.turns.len(), canonical.tools.len()), (3, 0));
}
