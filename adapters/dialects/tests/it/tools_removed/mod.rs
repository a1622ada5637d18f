//! A request without some of its tools.

mod choices;
mod lists;
mod properties;
mod recordings;

use bytes::Bytes;
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::gemini::generate::GenerateRequest;
use lattice_dialects::openai::chat::ChatRequest;
use lattice_dialects::openai::responses::ResponsesRequest;
use lattice_dialects::{Api, Inbound, ToolNeeded};

/// What every body of an API holds beside the members of a test.
fn rest(api: Api) -> &'static str {
    match api {
        Api::Chat => r#""model":"m","messages":[{"role":"user","content":"\u0078"}]"#,
        Api::Responses => r#""model":"m","input":"\u0078""#,
        Api::Messages => {
            r#""model":"m","max_tokens":9,"messages":[{"role":"user","content":"\u0078"}]"#
        }
        Api::Generate => r#""contents":[{"role":"user","parts":[{"text":"\u0078"}]}]"#,
    }
}

#[track_caller]
fn read(api: Api, body: &str) -> Inbound {
    let body = Bytes::copy_from_slice(body.as_bytes());
    match api {
        Api::Chat => Inbound::Chat(ChatRequest::parse(body).unwrap()),
        Api::Responses => Inbound::Responses(ResponsesRequest::parse(body).unwrap()),
        Api::Messages => Inbound::Messages(MessagesRequest::parse(body).unwrap()),
        Api::Generate => Inbound::Generate(GenerateRequest::parse(body, "m", false).unwrap()),
    }
}

/// A body of the rest and these members, behind it.
fn with(api: Api, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{{ {}{comma}{members} }}", rest(api))
}

/// `members` without the tools of these names.
#[track_caller]
fn without(api: Api, members: &str, gone: &[&str]) -> Result<Inbound, ToolNeeded> {
    read(api, &with(api, members)).without_tools(gone)
}

#[track_caller]
fn assert_left(api: Api, members: &str, gone: &[&str], left: &str) {
    let request = without(api, members, gone).unwrap();
    assert_eq!(request.body(), with(api, left).as_bytes(), "{members}");
    assert!(
        !request
            .facts()
            .tool_names()
            .iter()
            .any(|name| gone.contains(&&**name))
    );
}

/// The field that cannot do without which tool, and why.
#[track_caller]
fn needed(api: Api, members: &str, gone: &[&str]) -> (&'static str, String, String) {
    let needed = without(api, members, gone).unwrap_err();
    let why = needed.to_string();
    assert!(why.starts_with(needed.field), "{why}");
    (needed.field, needed.tool, why)
}
