//! Why a message ends, and what it used.

use crate::anthropic::messages::usage;
use crate::canonical::{Event, Finish, Usage};
use crate::json::Writer;

use super::blocks::Blocks;

/// What the last events of a reply say.
#[derive(Debug, Default)]
pub(super) struct Ending {
    finish: Option<(Finish, String)>,
    usage: Option<Usage>,
}

/// Why a message ends, in Anthropic's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reason<'a> {
    Stop(&'static str),
    /// With the provider's own word, which may be empty. Anthropic has none for
    /// it.
    Failed(&'a str),
}

impl Ending {
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Finish {
                choice: 0,
                finish,
                native,
            } => self.finish = Some((*finish, native.clone().into_owned())),
            Event::Usage(usage) => self.usage = Some(*usage),
            _ => {}
        }
    }

    /// Providers disagree on whether a reply with calls has `stop`ped: clients
    /// run the calls only where it says so, and wait for calls where it does.
    pub(super) fn reason(&self, blocks: &Blocks) -> Reason<'_> {
        let Some((finish, native)) = &self.finish else {
            return Reason::Failed("");
        };
        Reason::Stop(match (finish, native.as_str()) {
            (Finish::Error, native) => return Reason::Failed(native),
            (Finish::Length, "model_context_window_exceeded") => "model_context_window_exceeded",
            (Finish::Length, _) => "max_tokens",
            (Finish::ContentFilter, _) => "refusal",
            (Finish::Stop | Finish::ToolCalls, _) if blocks.calls > 0 => "tool_use",
            (Finish::Stop | Finish::ToolCalls, _) if blocks.refused => "refusal",
            (Finish::Stop, "stop_sequence") => "stop_sequence",
            (Finish::Stop | Finish::ToolCalls, _) => "end_turn",
        })
    }

    /// The members `stop_reason`, `stop_sequence` (which one it was is never
    /// known) and `stop_details`.
    pub(super) fn write(reason: &str, out: &mut Writer) {
        out.member("stop_reason", reason);
        out.key("stop_sequence");
        out.raw("null");
        out.key("stop_details");
        out.raw(match reason {
            "refusal" => r#"{"type":"refusal","category":null,"explanation":null}"#,
            _ => "null",
        });
    }

    /// The object `usage`: its clients ask for every count.
    pub(super) fn usage(&self) -> String {
        usage::render(&self.usage.unwrap_or_default())
    }
}
