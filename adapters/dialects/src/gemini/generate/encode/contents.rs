//! `contents` and `systemInstruction`: what was said.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::notes::Notes;
use super::strings;
use crate::canonical::{
    Maker, Media, Part, Reasoning, Request, Role, Source, Text, ToolCall, ToolResult, Unsupported,
};
use crate::gemini::generate::MADE_ID;
use crate::gemini::generate::models::Model;
use crate::json::Writer;

/// The system texts that lead the conversation.
pub(super) fn system(request: &Request<'_>, out: &mut Writer, notes: &mut Notes) {
    for text in &request.system {
        notes.cache(text.cache);
    }
    // The API refuses a part without text.
    let texts = request.system.iter().map(|text| &text.text);
    let mut texts = texts.filter(|text| !text.is_empty()).peekable();
    if texts.peek().is_none() {
        return;
    }
    out.key("systemInstruction");
    out.open(b'{');
    out.key("parts");
    out.open(b'[');
    for text in texts {
        out.open(b'{');
        out.member("text", text);
        out.close(b'}');
    }
    out.close(b']');
    out.close(b'}');
}

/// Writes the turns. A content begins with the first part of its role, so there
/// is none without parts, and neighbours of one role are one.
#[derive(Debug)]
pub(super) struct Contents<'w, 'r> {
    model: &'w Model,
    out: &'w mut Writer,
    notes: &'w mut Notes,
    /// Names of the functions that were called so far, by the calls' ids.
    called: HashMap<&'r str, &'r str>,
    /// Who speaks in the content that is open.
    speaker: Option<&'static str>,
}

impl<'w, 'r> Contents<'w, 'r> {
    pub(super) fn write(
        request: &'r Request<'_>,
        model: &'w Model,
        out: &'w mut Writer,
        notes: &'w mut Notes,
    ) -> Result<(), Unsupported> {
        out.key("contents");
        out.open(b'[');
        let mut contents = Self {
            model,
            out,
            notes,
            called: HashMap::new(),
            speaker: None,
        };
        for turn in &request.turns {
            for part in &turn.parts {
                contents.part(turn.role, part)?;
            }
        }
        if contents.speaker.is_none() {
            let why = "Gemini answers nothing but a system message: add a user message with text";
            return Err(Unsupported::new("messages", why));
        }
        contents.end_content();
        contents.out.close(b']');
        Ok(())
    }

    fn part(&mut self, role: Role, part: &'r Part<'_>) -> Result<(), Unsupported> {
        match part {
            Part::Text(text) => self.text(role, text),
            Part::Media(media) => {
                self.begin_part(role);
                self.media(media)?;
                self.end_part();
            }
            Part::Reasoning(reasoning) => self.reasoning(role, reasoning),
            Part::ToolCall(call) => self.call(role, call)?,
            Part::ToolResult(result) => self.result(role, result)?,
        }
        Ok(())
    }

    fn text(&mut self, role: Role, text: &Text<'_>) {
        self.notes.cache(text.cache);
        // The API refuses a part without text.
        if text.text.is_empty() {
            return;
        }
        self.begin_part(role);
        if role == Role::System {
            self.notes
                .add("messages.role: a later system message was sent as the user's");
            let wrapped = format!("<system>\n{}\n</system>", text.text);
            self.out.member("text", &wrapped);
        } else {
            self.out.member("text", &text.text);
        }
        self.end_part();
    }

    /// Gemini wants its signatures back, not the summary of its thoughts.
    fn reasoning(&mut self, role: Role, reasoning: &Reasoning<'_>) {
        if reasoning.maker != Maker::Gemini {
            return self
                .notes
                .add("messages.reasoning: thoughts of another provider were left out");
        }
        if let Some(signature) = &reasoning.signature {
            self.begin_part(role);
            self.out.member("text", "");
            self.out.member("thoughtSignature", signature);
            self.end_part();
        }
    }

    fn call(&mut self, role: Role, call: &'r ToolCall<'_>) -> Result<(), Unsupported> {
        self.called.insert(&call.id, &call.name);
        let arguments = match call.arguments.trim() {
            "" => "{}",
            arguments => arguments,
        };
        // It is spliced in as it is, so it must be one value.
        let is_json = serde_json::from_str::<&RawValue>(arguments).is_ok();
        if !is_json || !arguments.starts_with('{') {
            let why = "Gemini takes arguments that are a JSON object: mend the text of this call";
            return Err(Unsupported::new(
                "messages.tool_calls.function.arguments",
                why,
            ));
        }
        self.begin_part(role);
        self.out.key("functionCall");
        self.out.open(b'{');
        self.id(&call.id);
        self.out.member("name", &call.name);
        self.out.key("args");
        self.out.raw(arguments);
        self.out.close(b'}');
        if let Some(signature) = &call.signature {
            self.out.member("thoughtSignature", signature);
        }
        self.end_part();
        Ok(())
    }

    fn result(&mut self, role: Role, result: &ToolResult<'_>) -> Result<(), Unsupported> {
        let Some(name) = self.called.get(&*result.id).copied() else {
            let why = "no earlier message has a tool call with this id, and Gemini \
                       must be told which function the result is of: send the call too";
            return Err(Unsupported::new("messages.tool_call_id", why));
        };
        self.begin_part(role);
        self.out.key("functionResponse");
        self.out.open(b'{');
        self.id(&result.id);
        self.out.member("name", name);
        self.out.key("response");
        self.out.open(b'{');
        self.texts(result);
        self.out.close(b'}');
        self.result_media(result)?;
        self.out.close(b'}');
        self.end_part();
        Ok(())
    }

    /// The response must be an object. The texts are never read as one, even if
    /// they are JSON: a `$ref` in a result is data, and the API would follow it.
    fn texts(&mut self, result: &ToolResult<'_>) {
        let texts = result.content.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        });
        let texts: Vec<&str> = texts
            .inspect(|text| self.notes.cache(text.cache))
            .map(|text| &*text.text)
            .collect();
        let name = if result.is_error { "error" } else { "result" };
        match texts[..] {
            [] => self.out.member(name, ""),
            [text] => self.out.member(name, text),
            _ => strings(self.out, name, &texts),
        }
    }

    fn result_media(&mut self, result: &ToolResult<'_>) -> Result<(), Unsupported> {
        let media = result.content.iter().filter_map(|part| match part {
            Part::Media(media) => Some(media),
            _ => None,
        });
        let mut media = media.peekable();
        let Some(first) = media.peek() else {
            return Ok(());
        };
        if !self.model.media_in_results {
            let why = "Gemini takes media in a tool result from version 3 on: \
                       send it in a user message, or use a later model";
            return Err(Unsupported::new(first.field, why));
        }
        self.out.key("parts");
        self.out.open(b'[');
        for media in media {
            self.out.open(b'{');
            self.media(media)?;
            self.out.close(b'}');
        }
        self.out.close(b']');
        Ok(())
    }

    fn media(&mut self, media: &Media<'_>) -> Result<(), Unsupported> {
        self.notes.cache(media.cache);
        if media.name.is_some() {
            self.notes
                .add(&format!("{}: the name of a file was left out", media.field));
        }
        match &media.source {
            Source::Base64 { media_type, data } => {
                self.out.key("inlineData");
                self.out.open(b'{');
                self.out.member("mimeType", media_type);
                self.out.member("data", data);
            }
            Source::Url(url) if is_googles(url) => {
                self.out.key("fileData");
                self.out.open(b'{');
                self.out.member("fileUri", url);
            }
            Source::Url(_) => {
                let why = "Gemini fetches nothing outside Google's storage: \
                           send the bytes as base64, in a data: URL";
                return Err(Unsupported::new(media.field, why));
            }
        }
        self.out.close(b'}');
        Ok(())
    }

    /// Gemini knows the ids of its own calls, and takes a caller's; those that
    /// we made it has never seen.
    fn id(&mut self, id: &str) {
        if !id.starts_with(MADE_ID) {
            self.out.member("id", id);
        }
    }

    fn begin_part(&mut self, role: Role) {
        let speaker = match role {
            Role::Assistant => "model",
            Role::User | Role::System => "user",
        };
        if self.speaker != Some(speaker) {
            self.end_content();
            self.speaker = Some(speaker);
            self.out.open(b'{');
            self.out.member("role", speaker);
            self.out.key("parts");
            self.out.open(b'[');
        }
        self.out.open(b'{');
    }

    fn end_part(&mut self) {
        self.out.close(b'}');
    }

    fn end_content(&mut self) {
        if self.speaker.is_some() {
            self.out.close(b']');
            self.out.close(b'}');
        }
    }
}

/// A file that was uploaded to the Gemini API, or one in Google Cloud Storage.
fn is_googles(url: &str) -> bool {
    let api = url.strip_prefix("https://generativelanguage.googleapis.com/");
    url.starts_with("gs://") || api.is_some_and(|path| path.contains("/files/"))
}
