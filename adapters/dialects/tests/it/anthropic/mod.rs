//! Anthropic Messages: requests as Claude gets them, replies as they are read.

mod decode;
mod encode;
mod recordings;
mod refusals;
mod told;
mod usage;

use std::borrow::Cow;

use lattice_dialects::anthropic::messages::encode;
use lattice_dialects::canonical::{
    Encoded, Maker, Media, Part, Reasoning, Request, Role, Source, Target, Text, Tool, ToolCall,
    ToolResult, Turn, Unsupported,
};
use serde_json::Value;
use serde_json::value::RawValue;

type Asking = Request<'static>;

/// A request for up to 8000 tokens that says `Hi`.
fn asking() -> Asking {
    Request {
        turns: vec![turn(Role::User, vec![text("Hi")])],
        max_output_tokens: Some(8000),
        n: 1,
        ..Request::default()
    }
}

/// The same with another conversation.
fn conversation(turns: Vec<Turn<'static>>) -> Asking {
    Request { turns, ..asking() }
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts }
}

fn user(said: &'static str) -> Turn<'static> {
    turn(Role::User, vec![text(said)])
}

fn assistant(said: &'static str) -> Turn<'static> {
    turn(Role::Assistant, vec![text(said)])
}

fn text(text: &'static str) -> Part<'static> {
    Part::Text(plain(text))
}

fn plain(text: &'static str) -> Text<'static> {
    Text {
        text: text.into(),
        cache: None,
    }
}

fn call(id: &'static str, arguments: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "look".into(),
        arguments: arguments.into(),
        signature: None,
    })
}

fn result(id: &'static str, content: Vec<Part<'static>>) -> Part<'static> {
    let id = id.into();
    Part::ToolResult(ToolResult {
        id,
        content,
        is_error: false,
    })
}

fn thought(maker: Maker, text: &'static str, signature: Option<&'static str>) -> Part<'static> {
    Part::Reasoning(Reasoning {
        text: text.into(),
        signature: signature.map(Cow::Borrowed),
        encrypted: None,
        id: None,
        maker,
    })
}

fn media(source: Source<'static>) -> Part<'static> {
    Part::Media(Media {
        source,
        field: "messages.content.file",
        name: Some("notes".into()),
        cache: None,
    })
}

fn base64(media_type: &'static str, data: &'static str) -> Part<'static> {
    media(Source::Base64 {
        media_type: media_type.into(),
        data: data.into(),
    })
}

fn tool(name: &'static str, parameters: Option<&'static str>) -> Tool<'static> {
    Tool {
        name: name.into(),
        description: None,
        parameters: parameters.map(raw),
        strict: None,
        cache: None,
    }
}

fn raw(json: &'static str) -> &'static RawValue {
    serde_json::from_str(json).unwrap()
}

fn to(model: &str) -> Target<'_> {
    Target {
        model,
        output_cap: None,
    }
}

fn sent(model: &str, request: &Asking) -> Encoded {
    encode(request, &to(model)).unwrap()
}

/// The body as JSON; that it is JSON is part of what is tested.
fn body(encoded: &Encoded) -> Value {
    serde_json::from_slice(&encoded.body).unwrap()
}

fn refused(model: &str, request: &Asking) -> Unsupported {
    encode(request, &to(model)).unwrap_err()
}
