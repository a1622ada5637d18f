//! The response object: what is said of a reply as a whole.

use std::collections::BTreeMap;

use crate::canonical::{Finish, Usage};
use crate::json::{self, Writer};
use crate::openai::responses::usage;
use crate::reply::Labels;

/// The longest value of the request that a response repeats, in bytes: tools and
/// instructions may be as long as the request, and would be said three times. In
/// place of a longer one stands what OpenAI says where nothing was asked for.
const MAX_ECHO: usize = 64 * 1024;

/// What a response repeats of its request, and what it says where the request did
/// not.
const ECHOED: [(&str, &str); 15] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// What is said of itself by every response to one request.
#[derive(Debug, Clone)]
pub(super) struct Head {
    labels: Labels,
    /// Members, a comma before each.
    echo: String,
}

/// How far a response has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Status<'a> {
    InProgress,
    Ended(&'a Ending),
}

/// How a response ended.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub finish: Finish,
    /// The provider's own word for it.
    pub native: String,
    /// The model refused in words, and so did answer.
    pub refused: bool,
    pub usage: Option<Usage>,
}

impl Head {
    /// For a request of this body.
    pub(super) fn new(body: &[u8], labels: Labels) -> Self {
        let members = std::str::from_utf8(body).ok().and_then(json::members);
        let members: BTreeMap<String, &str> = members.unwrap_or_default();
        let mut echo = String::new();
        for (key, default) in ECHOED {
            let said = members.get(key).copied();
            let said = said.filter(|json| *json != "null" && json.len() <= MAX_ECHO);
            echo.push_str(&format!(",\"{key}\":"));
            // It stands in one line, and in JSON line ends are but white space.
            echo.push_str(&said.unwrap_or(default).replace(['\n', '\r'], " "));
        }
        Self { labels, echo }
    }

    /// Takes the provider's own name for the model, if it has one.
    pub(super) fn adopt(&mut self, model: &str) {
        if !model.is_empty() {
            model.clone_into(&mut self.labels.model);
        }
    }

    /// What the ids of this response's items have in common.
    pub(super) fn id(&self) -> &str {
        &self.labels.id
    }

    /// Writes the response; `output`: its items, with commas between them.
    pub(super) fn write(
        &self,
        status: Status<'_>,
        output: &str,
        cost: Option<&str>,
        out: &mut Writer,
    ) {
        out.open(b'{');
        out.member("id", &format!("resp_{}", self.labels.id));
        out.member("object", "response");
        out.key("created_at");
        out.scalar(self.labels.created);
        out.member("status", status.word());
        // The gateway keeps nothing that could be asked for later.
        for (key, value) in [
            ("background", "false"),
            ("store", "false"),
            ("previous_response_id", "null"),
        ] {
            out.key(key);
            out.raw(value);
        }
        out.key("error");
        status.error(out);
        out.key("incomplete_details");
        match status.reason() {
            None => out.raw("null"),
            Some(reason) => {
                out.open(b'{');
                out.member("reason", reason);
                out.close(b'}');
            }
        }
        out.member("model", &self.labels.model);
        out.key("output");
        out.open(b'[');
        if !output.is_empty() {
            out.raw(output);
        }
        out.close(b']');
        out.key("usage");
        match status.usage() {
            None => out.raw("null"),
            Some(counts) => out.raw(&usage::priced(counts, cost)),
        }
        out.verbatim(&self.echo);
        out.close(b'}');
    }
}

impl Ending {
    /// The type of the event that tells it.
    pub(super) fn event(&self) -> &'static str {
        match Status::Ended(self).word() {
            "completed" => "response.completed",
            "incomplete" => "response.incomplete",
            _ => "response.failed",
        }
    }
}

impl<'a> Status<'a> {
    fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Ended(ending) => match ending.finish {
                Finish::Stop | Finish::ToolCalls => "completed",
                Finish::ContentFilter if ending.refused => "completed",
                Finish::Length | Finish::ContentFilter => "incomplete",
                Finish::Error => "failed",
            },
        }
    }

    fn reason(self) -> Option<&'static str> {
        match (self.word(), self) {
            ("incomplete", Self::Ended(ending)) if ending.finish == Finish::Length => {
                Some("max_output_tokens")
            }
            ("incomplete", _) => Some("content_filter"),
            _ => None,
        }
    }

    fn usage(self) -> Option<&'a Usage> {
        match self {
            Self::InProgress => None,
            Self::Ended(ending) => ending.usage.as_ref(),
        }
    }

    fn error(self, out: &mut Writer) {
        let Self::Ended(Ending { native, .. }) = self else {
            return out.raw("null");
        };
        if self.word() != "failed" {
            return out.raw("null");
        }
        out.open(b'{');
        out.member("code", "server_error");
        let message = format!("The model's provider ended the reply with: {native}");
        out.member("message", &message);
        out.close(b'}');
    }
}
