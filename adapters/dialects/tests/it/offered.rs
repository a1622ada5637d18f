//! Tools on offer, as policy knows them.

use bytes::Bytes;
use lattice_dialects::Api::{self, Chat, Generate, Messages, Responses};
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::gemini::generate::GenerateRequest;
use lattice_dialects::openai::chat::ChatRequest;
use lattice_dialects::openai::responses::ResponsesRequest;
use lattice_dialects::{Inbound, Offer};

#[track_caller]
fn asking(api: Api, members: &str) -> Inbound {
    let message = r#"{"role":"user","content":"Hi"}"#;
    let body = |rest: &str| Bytes::from(format!(r#"{{"model":"m",{rest},{members}}}"#));
    match api {
        Chat => {
            Inbound::Chat(ChatRequest::parse(body(&format!(r#""messages":[{message}]"#))).unwrap())
        }
        Responses => Inbound::Responses(ResponsesRequest::parse(body(r#""input":"Hi""#)).unwrap()),
        Messages => {
            let body = body(&format!(r#""max_tokens":9,"messages":[{message}]"#));
            Inbound::Messages(MessagesRequest::parse(body).unwrap())
        }
        Generate => {
            let body = format!(r#"{{"contents":[{{"parts":[{{"text":"Hi"}}]}}],{members}}}"#);
            Inbound::Generate(GenerateRequest::parse(body.into(), "models/m", true).unwrap())
        }
    }
}

/// The body's tools, name and type each, and whether the provider runs them.
#[track_caller]
fn assert_offers(api: Api, members: &str, expected: &[(&str, &str, bool)]) {
    let request = asking(api, members);
    let offer = |(name, kind, hosted): &(&str, &str, bool)| Offer {
        name: (*name).to_owned(),
        kind: (*kind).to_owned(),
        hosted: *hosted,
    };
    let expected: Vec<Offer> = expected.iter().map(offer).collect();
    assert_eq!(request.facts().tools, expected, "{api:?}: {members}");
    for tool in &expected {
        let left = request.without_tools(&[&tool.name]).unwrap();
        let gone = !left.facts().tool_names().contains(&tool.name.as_str());
        assert!(gone, "{api:?}: {members} without {}", tool.name);
    }
}

#[track_caller]
fn assert_offer(api: Api, tool: &str, expected: (&str, &str, bool)) {
    assert_offers(api, &format!(r#""tools":[{tool}]"#), &[expected]);
}

#[test]
fn functions_are_of_one_type() {
    let function = ("f", "function", false);
    let wrapped = r#"{"type":"function","function":{"name":"f"}}"#;
    assert_offer(Chat, wrapped, function);
    assert_offers(Chat, r#""functions":[{"name":"f"}]"#, &[function]);
    assert_offer(Responses, r#"{"type":"function","name":"f"}"#, function);
    assert_offer(Messages, r#"{"name":"f","input_schema":{}}"#, function);
    let declared = r#"{"functionDeclarations":[{"name":"f"}]}"#;
    assert_offer(Generate, declared, function);
}

#[test]
fn what_anthropic_runs_is_told_from_what_callers_run() {
    for (kind, name, hosted) in [
        ("web_search_20250305", "web_search", true),
        ("web_fetch_20250910", "web_fetch", true),
        ("code_execution_20250825", "code_execution", true),
        ("bash_20250124", "bash", false),
        ("text_editor_20250124", "str_replace_editor", false),
        ("text_editor_20250728", "str_replace_based_edit_tool", false),
        ("computer_20250124", "computer", false),
        ("memory_20250818", "memory", false),
        ("custom", "f", false),
    ] {
        let orders = [
            format!(r#"{{"type":"{kind}","name":"{name}"}}"#),
            format!(r#"{{"name":"{name}","type":"{kind}"}}"#),
        ];
        for tool in orders {
            assert_offer(Messages, &tool, (name, kind, hosted));
        }
    }
    let server = r#""mcp_servers":[{"type":"url","url":"https://mcp.example","name":"s"}]"#;
    let toolset = ("mcp_toolset", "mcp_toolset", true);
    assert_offers(Messages, server, &[toolset]);
    let named = r#"{"type":"mcp_toolset","mcp_server_name":"s"}"#;
    assert_offer(Messages, named, toolset);
}

#[test]
fn what_anthropic_runs_cannot_be_called_something_else() {
    let kind = "code_execution_20250825";
    for name in [
        "harmless",
        "code",
        "",
        "code_execution_20250825_",
        "code_execution_x",
    ] {
        for tool in [
            format!(r#"{{"type":"{kind}","name":"{name}"}}"#),
            format!(r#"{{"name":"{name}","type":"{kind}"}}"#),
        ] {
            assert_offer(Messages, &tool, (kind, kind, true));
        }
    }
}

#[test]
fn what_openai_runs_is_told_from_what_callers_run() {
    for (kind, name, hosted) in [
        ("web_search", "web_search", true),
        ("web_search_preview", "web_search_preview", true),
        ("file_search", "file_search", true),
        ("code_interpreter", "code_interpreter", true),
        ("image_generation", "image_generation", true),
        ("mcp", "mcp", true),
        ("tool_search", "tool_search", true),
        ("computer_use_preview", "computer", false),
        ("computer", "computer", false),
        ("local_shell", "local_shell", false),
        ("apply_patch", "apply_patch", false),
        ("shell", "shell", false),
    ] {
        assert_offer(
            Responses,
            &format!(r#"{{"type":"{kind}"}}"#),
            (name, kind, hosted),
        );
    }
    let custom = r#"{"type":"custom","name":"sql"}"#;
    assert_offer(Responses, custom, ("sql", "custom", false));
    let custom = r#"{"type":"custom","custom":{"name":"sql"}}"#;
    assert_offer(Chat, custom, ("sql", "custom", false));
    let search = ("web_search", "web_search", true);
    assert_offers(Chat, r#""web_search_options":{}"#, &[search]);
}

#[test]
fn a_shell_runs_where_its_environment_is() {
    for (environment, hosted) in [("local", false), ("container_auto", true), ("new", true)] {
        let place = format!(r#""environment":{{"type":"{environment}"}}"#);
        for tool in [
            format!(r#"{{"type":"shell",{place}}}"#),
            format!(r#"{{{place},"type":"shell"}}"#),
        ] {
            assert_offer(Responses, &tool, ("shell", "shell", hosted));
        }
    }
}

#[test]
fn what_google_runs_is_told_from_what_callers_run() {
    for (name, hosted) in [
        ("googleSearch", true),
        ("codeExecution", true),
        ("urlContext", true),
        ("computerUse", false),
    ] {
        assert_offer(
            Generate,
            &format!(r#"{{"{name}":{{}}}}"#),
            (name, name, hosted),
        );
    }
    let spelled = r#"{"google_search":{}}"#;
    assert_offer(Generate, spelled, ("googleSearch", "googleSearch", true));
}
