//! `instructions` and `input`: what was said, item by item.

use crate::canonical::{
    Maker, Media, Part, Reasoning, Request, Role, ToolCall, ToolResult, Turn, Unsupported,
};
use crate::json::Writer;
use crate::openai::outbound::ids::Ids;
use crate::openai::outbound::media::Form;
use crate::openai::outbound::notes::Notes;
use crate::openai::outbound::{arguments, misplaced};

/// Writes the items.
pub(super) struct Input<'w, 'r> {
    ids: &'w Ids<'r>,
    out: &'w mut Writer,
    notes: &'w mut Notes,
    /// How many were written.
    written: usize,
}

impl<'w, 'r> Input<'w, 'r> {
    pub(super) fn write(
        request: &'r Request<'_>,
        ids: &'w Ids<'r>,
        out: &'w mut Writer,
        notes: &'w mut Notes,
    ) -> Result<(), Unsupported> {
        let mut system = request.system.iter();
        if let Some(first) = system.next() {
            notes.cache(first.cache);
            out.member("instructions", &first.text);
        }
        out.key("input");
        out.open(b'[');
        let mut input = Self {
            ids,
            out,
            notes,
            written: 0,
        };
        let rest: Vec<Part<'_>> = system.cloned().map(Part::Text).collect();
        let rest: Vec<&Part<'_>> = rest.iter().collect();
        input.message(Role::System, &rest)?;
        for turn in &request.turns {
            input.turn(turn)?;
        }
        if input.written == 0 {
            let why = "OpenAI answers nothing but a system message: add a user message with text";
            return Err(Unsupported::new("messages", why));
        }
        input.out.close(b']');
        Ok(())
    }

    /// Neighbouring texts and media are one message; all else is an item of its own.
    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Unsupported> {
        let mut said: Vec<&Part<'_>> = Vec::new();
        for (index, part) in turn.parts.iter().enumerate() {
            match (part, turn.role) {
                // Clients that give a streamed answer back piece by piece have such.
                (Part::Text(text), Role::Assistant) if text.text.is_empty() => continue,
                (Part::Text(_), _) | (Part::Media(_), Role::User) => {
                    said.push(part);
                    continue;
                }
                (Part::Reasoning(_) | Part::ToolCall(_), Role::Assistant)
                | (Part::ToolResult(_), Role::User) => {}
                _ => return misplaced(),
            }
            self.message(turn.role, &said)?;
            said.clear();
            match part {
                Part::Reasoning(reasoning) => self.reasoning(reasoning, &turn.parts[index + 1..]),
                Part::ToolCall(call) => self.call(call),
                Part::ToolResult(result) => self.result(result)?,
                Part::Text(_) | Part::Media(_) => {}
            }
        }
        self.message(turn.role, &said)
    }

    /// Thoughts go back to their maker, in cipher, since nothing is stored there; and
    /// only before what they led to, which the API insists on.
    fn reasoning(&mut self, reasoning: &Reasoning<'_>, rest: &[Part<'_>]) {
        let led_to_something = rest.iter().any(|part| match part {
            Part::Reasoning(_) => false,
            Part::Text(text) => !text.text.is_empty(),
            _ => true,
        });
        let proof = reasoning.encrypted.as_deref();
        let proof = proof.filter(|_| reasoning.maker == Maker::OpenAi && led_to_something);
        let Some(proof) = proof else {
            return self.notes.add("reasoning_details");
        };
        self.begin("reasoning");
        if let Some(id) = &reasoning.id {
            self.out.member("id", id);
        }
        self.out.key("summary");
        self.out.open(b'[');
        if !reasoning.text.is_empty() {
            self.out.open(b'{');
            self.out.member("type", "summary_text");
            self.out.member("text", &reasoning.text);
            self.out.close(b'}');
        }
        self.out.close(b']');
        self.out.member("encrypted_content", proof);
        self.out.close(b'}');
    }

    fn call(&mut self, call: &ToolCall<'_>) {
        if call.signature.is_some() {
            self.notes.add("thought_signature");
        }
        self.begin("function_call");
        self.out.member("call_id", self.ids.spell(&call.id));
        self.out.member("name", &call.name);
        self.out.member("arguments", arguments(&call.arguments));
        self.out.close(b'}');
    }

    fn result(&mut self, result: &ToolResult<'_>) -> Result<(), Unsupported> {
        if result.is_error {
            self.notes.add("messages.content.is_error");
        }
        self.begin("function_call_output");
        self.out.member("call_id", self.ids.spell(&result.id));
        let content: Vec<&Part<'_>> = result.content.iter().collect();
        self.content("output", Role::User, &content)?;
        self.out.close(b'}');
        Ok(())
    }

    fn message(&mut self, role: Role, parts: &[&Part<'_>]) -> Result<(), Unsupported> {
        if parts.is_empty() {
            return Ok(());
        }
        self.begin("message");
        let name = match role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        self.out.member("role", name);
        self.content("content", role, parts)?;
        self.out.close(b'}');
        Ok(())
    }

    /// Writes a string where there is nothing to it but one text.
    fn content(&mut self, key: &str, role: Role, parts: &[&Part<'_>]) -> Result<(), Unsupported> {
        match parts {
            [] => self.out.member(key, ""),
            [Part::Text(text)] => {
                self.notes.cache(text.cache);
                self.out.member(key, &text.text);
            }
            _ => {
                self.out.key(key);
                self.out.open(b'[');
                for part in parts {
                    match part {
                        Part::Text(text) => {
                            self.notes.cache(text.cache);
                            self.text(role, &text.text);
                        }
                        Part::Media(media) => self.media(media)?,
                        _ => return misplaced(),
                    }
                }
                self.out.close(b']');
            }
        }
        Ok(())
    }

    fn text(&mut self, role: Role, text: &str) {
        let kind = match role {
            Role::Assistant => "output_text",
            Role::System | Role::User => "input_text",
        };
        self.out.open(b'{');
        self.out.member("type", kind);
        self.out.member("text", text);
        self.out.close(b'}');
    }

    fn media(&mut self, media: &Media<'_>) -> Result<(), Unsupported> {
        let form = Form::of(media, self.notes)?;
        let kind = match &form {
            Form::Text(text) => {
                self.text(Role::User, text);
                return Ok(());
            }
            Form::Audio { .. } => {
                let why = "the Responses API does not hear; send a transcript as text";
                return Err(Unsupported::new(media.field, why));
            }
            Form::Image(_) => "input_image",
            Form::File { .. } | Form::FileUrl(_) => "input_file",
        };
        self.out.open(b'{');
        self.out.member("type", kind);
        match &form {
            Form::Image(url) => {
                self.out.member("detail", "auto");
                self.out.member("image_url", url);
            }
            Form::FileUrl(url) => self.out.member("file_url", url),
            Form::File { name, data } => {
                self.out.member("filename", name);
                self.out.member("file_data", data);
            }
            Form::Audio { .. } | Form::Text(_) => {}
        }
        self.out.close(b'}');
        Ok(())
    }

    fn begin(&mut self, kind: &str) {
        self.written += 1;
        self.out.open(b'{');
        self.out.member("type", kind);
    }
}
