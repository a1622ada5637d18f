//! OpenAI, and servers like it, as targets of requests in other dialects.

mod bodies;
mod endings;
mod failures;
mod identity;
mod media;
mod recorded;
mod replies;
mod responses;

use lattice_dialects::canonical::Maker;
use lattice_dialects::canonical::{
    Encoded, Media, Part, Reasoning, Request, Role, Source, Target, Text, Tool, ToolCall,
    ToolResult, Turn, Unsupported,
};
use lattice_dialects::openai::chat::{self, Server};
use lattice_dialects::openai::responses as api;
use serde_json::Value;
use serde_json::value::RawValue;

type Asking = Request<'static>;

const TO: Target<'static> = Target {
    model: "gpt-5",
    output_cap: None,
};

/// A request that says `Hi`.
fn asking() -> Asking {
    conversation(vec![turn(Role::User, vec![text("Hi")])])
}

fn conversation(turns: Vec<Turn<'static>>) -> Asking {
    Request {
        turns,
        n: 1,
        ..Request::default()
    }
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts }
}

fn plain(text: &'static str) -> Text<'static> {
    Text {
        text: text.into(),
        cache: None,
    }
}

fn text(said: &'static str) -> Part<'static> {
    Part::Text(plain(said))
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
    Part::ToolResult(ToolResult {
        id: id.into(),
        content,
        is_error: false,
    })
}

fn inline(media_type: &'static str, data: &'static str) -> Part<'static> {
    media(Source::Base64 {
        media_type: media_type.into(),
        data: data.into(),
    })
}

fn linked(url: &'static str) -> Part<'static> {
    media(Source::Url(url.into()))
}

fn media(source: Source<'static>) -> Part<'static> {
    Part::Media(Media {
        source,
        field: "messages.content.image_url",
        name: None,
        cache: None,
    })
}

fn thought(maker: Maker, text: &'static str, encrypted: Option<&'static str>) -> Part<'static> {
    Part::Reasoning(Reasoning {
        text: text.into(),
        signature: None,
        encrypted: encrypted.map(Into::into),
        id: Some("rs_1".into()),
        maker,
    })
}

fn tool(name: &'static str) -> Tool<'static> {
    Tool {
        name: name.into(),
        description: None,
        parameters: Some(raw(r#"{"type":"object"}"#)),
        strict: None,
        cache: None,
    }
}

fn raw(json: &'static str) -> &'static RawValue {
    serde_json::from_str(json).unwrap()
}

/// What a server gets, and the notes.
fn to_chat(request: &Asking, server: Server) -> (Value, Vec<String>) {
    read(chat::encode(request, &TO, server).unwrap())
}

fn to_responses(request: &Asking) -> (Value, Vec<String>) {
    read(api::encode(request, &TO).unwrap())
}

fn read(encoded: Encoded) -> (Value, Vec<String>) {
    lattice_dialects::json::check(&encoded.body).unwrap();
    for note in &encoded.noted {
        assert!(!note.contains(','), "{note}");
    }
    let body = serde_json::from_slice(&encoded.body).unwrap();
    (body, encoded.noted)
}

fn refused(encoded: Result<Encoded, Unsupported>) -> String {
    encoded.unwrap_err().field.into_owned()
}
