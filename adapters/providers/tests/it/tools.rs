//! A body that goes without tools that its caller may not use.

use bytes::Bytes;
use lattice_dialects::Inbound;
use lattice_dialects::anthropic::messages::MessagesRequest;
use lattice_dialects::count::CountRequest;
use lattice_dialects::embed::{EmbedRequest, OpenAiRequest};
use lattice_kernel::{Body as _, Code};
use lattice_providers::{Asked, Forwarded, Outbound};

fn outbound(asked: Asked) -> Outbound {
    Outbound {
        asked,
        forwarded: Forwarded {
            query: "?beta=true",
            ..Forwarded::default()
        },
        cap_output: true,
    }
}

#[test]
fn whatever_is_asked_goes_without_them_and_with_all_else() {
    let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f"},{"name":"g"}]}"#;
    let left = body.replace(r#"{"name":"f"},"#, "");
    let claude = MessagesRequest::parse(Bytes::from_static(body.as_bytes())).unwrap();
    for asked in [
        Asked::Generation(Inbound::Messages(claude.clone())),
        Asked::Count(CountRequest::Messages(claude)),
    ] {
        let out = outbound(asked).without_tools(&["f".into(), "x".into()]);
        let out = out.unwrap();
        assert_eq!(out.body(), left.as_bytes());
        assert_eq!(out.facts().tool_names(), ["g"]);
        assert!(out.cap_output && out.forwarded.query == "?beta=true");
    }
}

#[test]
fn what_cannot_do_without_says_so() {
    let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f"}],"tool_choice":{"type":"any"}}"#;
    let claude = MessagesRequest::parse(Bytes::from_static(body.as_bytes())).unwrap();
    let out = outbound(Asked::Generation(Inbound::Messages(claude)));
    let refusal = out.without_tools(&["f".into()]).unwrap_err();
    assert_eq!(refusal.code, Code::PolicyTool);
    assert_eq!(refusal.param.as_deref(), Some("tool_choice"));
    assert!(refusal.message.contains("\"f\""), "{}", refusal.message);
}

#[test]
fn vectors_need_no_tools() {
    let body = Bytes::from_static(br#"{"model":"m","input":"x"}"#);
    let texts = OpenAiRequest::parse(body.clone()).unwrap();
    let out = outbound(Asked::Embedding(EmbedRequest::OpenAi(texts)));
    let out = out.without_tools(&["f".into()]).unwrap();
    assert_eq!(out.body().as_ptr(), body.as_ptr());
}
