//! `messages`: who said what.

use super::server::Traits;
use crate::canonical::{
    Maker, Media, Part, Reasoning, Request, Role, Text, ToolCall, ToolResult, Turn, Unsupported,
};
use crate::json::Writer;
use crate::openai::outbound::ids::Ids;
use crate::openai::outbound::media::Form;
use crate::openai::outbound::notes::Notes;
use crate::openai::outbound::{arguments, misplaced};

/// Writes the messages.
pub(super) struct Messages<'w, 'r> {
    traits: &'static Traits,
    ids: &'w Ids<'r>,
    out: &'w mut Writer,
    notes: &'w mut Notes,
    /// How many were written.
    written: usize,
}

/// A piece of a message's content.
enum Piece<'r> {
    Text(&'r Text<'r>),
    Media(&'r Media<'r>),
}

impl<'w, 'r> Messages<'w, 'r> {
    pub(super) fn write(
        request: &'r Request<'_>,
        traits: &'static Traits,
        ids: &'w Ids<'r>,
        out: &'w mut Writer,
        notes: &'w mut Notes,
    ) -> Result<(), Unsupported> {
        out.key("messages");
        out.open(b'[');
        let mut messages = Self {
            traits,
            ids,
            out,
            notes,
            written: 0,
        };
        let system: Vec<Piece<'_>> = request.system.iter().map(Piece::Text).collect();
        messages.say("system", &system)?;
        for turn in &request.turns {
            match turn.role {
                Role::System => messages.system(turn)?,
                Role::User => messages.user(turn)?,
                Role::Assistant => messages.assistant(turn)?,
            }
        }
        if messages.written == 0 {
            let why = "nothing is left that this provider can be given; add a user message";
            return Err(Unsupported::new("messages", why));
        }
        messages.out.close(b']');
        Ok(())
    }

    /// OpenAI's newer models take `system` for `developer`, and no other server
    /// knows that word.
    fn system(&mut self, turn: &Turn<'_>) -> Result<(), Unsupported> {
        let mut pieces = Vec::with_capacity(turn.parts.len());
        for part in &turn.parts {
            match part {
                Part::Text(text) => pieces.push(Piece::Text(text)),
                _ => return misplaced(),
            }
        }
        self.say("system", &pieces)
    }

    /// Results come first, each in a message of its own, since they answer the
    /// message before; media in them have no place there.
    fn user(&mut self, turn: &Turn<'_>) -> Result<(), Unsupported> {
        let mut pieces = Vec::new();
        for part in &turn.parts {
            if let Part::ToolResult(result) = part {
                self.result(result, &mut pieces)?;
            }
        }
        for part in &turn.parts {
            match part {
                Part::Text(text) => pieces.push(Piece::Text(text)),
                Part::Media(media) => pieces.push(Piece::Media(media)),
                Part::ToolResult(_) => {}
                Part::Reasoning(_) | Part::ToolCall(_) => return misplaced(),
            }
        }
        self.say("user", &pieces)
    }

    fn result<'p>(
        &mut self,
        result: &'p ToolResult<'_>,
        moved: &mut Vec<Piece<'p>>,
    ) -> Result<(), Unsupported> {
        if result.is_error {
            self.notes.add("messages.content.is_error");
        }
        let mut texts = Vec::with_capacity(result.content.len());
        let before = moved.len();
        for part in &result.content {
            match part {
                Part::Text(text) => texts.push(Piece::Text(text)),
                Part::Media(media) => moved.push(Piece::Media(media)),
                _ => return misplaced(),
            }
        }
        self.begin("tool");
        self.out.member("tool_call_id", self.ids.spell(&result.id));
        if moved.len() > before {
            self.notes
                .add("messages.content: media of a tool result were sent in a user message");
            if texts.is_empty() {
                let pointer = "The result is in the next user message.";
                self.out.member("content", pointer);
                self.end();
                return Ok(());
            }
        }
        self.content(&texts)?;
        self.end();
        Ok(())
    }

    fn assistant(&mut self, turn: &Turn<'_>) -> Result<(), Unsupported> {
        let mut texts = Vec::new();
        let mut calls: Vec<&ToolCall<'_>> = Vec::new();
        let mut thoughts = String::new();
        for part in &turn.parts {
            match part {
                Part::Text(text) => {
                    if !calls.is_empty() {
                        self.notes
                            .add("messages.content: text was sent before the tool calls");
                    }
                    texts.push(Piece::Text(text));
                }
                Part::ToolCall(call) => {
                    if call.signature.is_some() {
                        self.notes.add("thought_signature");
                    }
                    calls.push(call);
                }
                Part::Reasoning(reasoning) => self.think(reasoning, &mut thoughts),
                Part::Media(_) | Part::ToolResult(_) => return misplaced(),
            }
        }
        if texts.is_empty() && calls.is_empty() {
            if !thoughts.is_empty() {
                // Nothing but thoughts is no message.
                self.notes.add("reasoning_details");
            }
            return Ok(());
        }
        self.begin("assistant");
        if !thoughts.is_empty() {
            self.out.member("reasoning_content", &thoughts);
        }
        if texts.is_empty() {
            // Some servers want to see that there is none.
            self.out.key("content");
            self.out.raw("null");
        } else {
            self.content(&texts)?;
        }
        if !calls.is_empty() {
            self.calls(&calls);
        }
        self.end();
        Ok(())
    }

    /// Thoughts that nobody signed are those of a server like this one; what others
    /// thought is not its model's.
    fn think(&mut self, reasoning: &Reasoning<'_>, thoughts: &mut String) {
        let is_its_own = reasoning.maker == Maker::Unknown && !reasoning.text.is_empty();
        if !self.traits.thoughts || !is_its_own {
            return self.notes.add("reasoning_details");
        }
        if !thoughts.is_empty() {
            thoughts.push_str("\n\n");
        }
        thoughts.push_str(&reasoning.text);
    }

    fn calls(&mut self, calls: &[&ToolCall<'_>]) {
        self.out.key("tool_calls");
        self.out.open(b'[');
        for call in calls {
            self.out.open(b'{');
            self.out.member("id", self.ids.spell(&call.id));
            self.out.member("type", "function");
            self.out.key("function");
            self.out.open(b'{');
            self.out.member("name", &call.name);
            self.out.member("arguments", arguments(&call.arguments));
            self.out.close(b'}');
            self.out.close(b'}');
        }
        self.out.close(b']');
    }

    /// A message of nothing but content, unless there is none.
    fn say(&mut self, role: &str, pieces: &[Piece<'_>]) -> Result<(), Unsupported> {
        if !pieces.is_empty() {
            self.begin(role);
            self.content(pieces)?;
            self.end();
        }
        Ok(())
    }

    /// Writes `content`: a string where there is nothing to it but one text.
    fn content(&mut self, pieces: &[Piece<'_>]) -> Result<(), Unsupported> {
        match pieces {
            [] => self.out.member("content", ""),
            [Piece::Text(text)] => {
                self.notes.cache(text.cache);
                self.out.member("content", &text.text);
            }
            _ => {
                self.out.key("content");
                self.out.open(b'[');
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => {
                            self.notes.cache(text.cache);
                            self.text(&text.text);
                        }
                        Piece::Media(media) => self.media(media)?,
                    }
                }
                self.out.close(b']');
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.out.open(b'{');
        self.out.member("type", "text");
        self.out.member("text", text);
        self.out.close(b'}');
    }

    fn media(&mut self, media: &Media<'_>) -> Result<(), Unsupported> {
        let form = Form::of(media, self.notes)?;
        let kind = match &form {
            Form::Text(text) => {
                self.text(text);
                return Ok(());
            }
            Form::FileUrl(_) => {
                let why = "OpenAI's chat API takes documents as data only; send the data itself";
                return Err(Unsupported::new(media.field, why));
            }
            Form::Image(_) => "image_url",
            Form::Audio { .. } => "input_audio",
            Form::File { .. } => "file",
        };
        self.out.open(b'{');
        self.out.member("type", kind);
        self.out.key(kind);
        self.out.open(b'{');
        match &form {
            Form::Image(url) => self.out.member("url", url),
            Form::Audio { format, data } => {
                self.out.member("data", data);
                self.out.member("format", format);
            }
            Form::File { name, data } => {
                self.out.member("filename", name);
                self.out.member("file_data", data);
            }
            Form::FileUrl(_) | Form::Text(_) => {}
        }
        self.out.close(b'}');
        self.out.close(b'}');
        Ok(())
    }

    fn begin(&mut self, role: &str) {
        self.written += 1;
        self.out.open(b'{');
        self.out.member("role", role);
    }

    fn end(&mut self) {
        self.out.close(b'}');
    }
}
