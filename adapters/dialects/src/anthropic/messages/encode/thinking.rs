//! How hard Claude is asked to think.
//!
//! A model that thinks by effort is told the effort. One that thinks by budget is
//! given tokens, within half of `max_tokens`: thoughts count against it, and an
//! answer must fit too. The cap itself is never raised, because it is what was
//! reserved for; where even the least budget (1024) has no room, the effort is
//! refused.

use super::notes::Notes;
use super::turns::{Message, Piece};
use crate::anthropic::messages::models::{Off, Thinking, Traits};
use crate::canonical::{Effort, Role, Unsupported};
use crate::json::Writer;

/// The least budget that Anthropic takes.
const LEAST: u64 = 1024;

/// What is said about thinking.
pub(super) struct Plan {
    field: Option<Field>,
    /// For `output_config.effort`.
    pub effort: Option<&'static str>,
    /// Whether the model thinks: some of what it can be asked for depends on it.
    pub is_on: bool,
}

enum Field {
    Type(&'static str),
    Budget(u64),
}

impl Plan {
    /// What `effort` means to a model, whose reply is at most `max_tokens` long.
    pub(super) fn of(
        effort: Option<Effort>,
        max_tokens: u64,
        messages: &[Message<'_>],
        traits: &Traits,
        notes: &mut Notes,
    ) -> Result<Self, Unsupported> {
        let silent = |is_on| Self {
            field: None,
            effort: None,
            is_on,
        };
        match (traits.thinking, effort) {
            (Thinking::Effort { off, .. }, None) => Ok(silent(off != Off::Unasked)),
            (Thinking::Effort { extra_high, off }, Some(effort)) => {
                Ok(Self::by_effort(effort, extra_high, off, notes))
            }
            (_, None | Some(Effort::None)) => Ok(silent(false)),
            (Thinking::Never, Some(_)) => {
                notes.add("reasoning_effort");
                Ok(silent(false))
            }
            (Thinking::Budget, Some(_)) if !carries_thoughts(messages) => {
                notes.add("reasoning_effort");
                Ok(silent(false))
            }
            (Thinking::Budget, Some(effort)) => {
                let tokens = budget(effort, max_tokens)?;
                notes.add(format!("reasoning_effort: {tokens} tokens"));
                Ok(Self {
                    field: Some(Field::Budget(tokens)),
                    effort: None,
                    is_on: true,
                })
            }
        }
    }

    fn by_effort(effort: Effort, extra_high: bool, off: Off, notes: &mut Notes) -> Self {
        let word = match (effort, off) {
            (Effort::None, Off::Unasked) => return Self::off(None),
            (Effort::None, Off::Type(kind)) => return Self::off(Some(kind)),
            (Effort::None | Effort::Minimal, _) => Effort::Low,
            (Effort::ExtraHigh, _) if !extra_high => Effort::High,
            (effort, _) => effort,
        };
        if word != effort {
            notes.add(format!("reasoning_effort: {}", word.as_str()));
        }
        Self {
            field: Some(Field::Type("adaptive")),
            effort: Some(word.as_str()),
            is_on: true,
        }
    }

    fn off(kind: Option<&'static str>) -> Self {
        Self {
            field: kind.map(Field::Type),
            effort: None,
            is_on: false,
        }
    }

    /// Writes `thinking`. What of it is shown is left to the model's default.
    pub(super) fn write(&self, out: &mut Writer) {
        let (kind, budget) = match self.field {
            None => return,
            Some(Field::Type(kind)) => (kind, None),
            Some(Field::Budget(tokens)) => ("enabled", Some(tokens)),
        };
        out.key("thinking");
        out.open(b'{');
        out.member("type", kind);
        if let Some(tokens) = budget {
            out.key("budget_tokens");
            out.scalar(tokens);
        }
        out.close(b'}');
    }
}

/// A step is four times the one below, up to where Anthropic says that more
/// brings little.
fn budget(effort: Effort, max_tokens: u64) -> Result<u64, Unsupported> {
    let wanted = match effort {
        Effort::None | Effort::Minimal | Effort::Low => LEAST,
        Effort::Medium => 4 * LEAST,
        Effort::High => 16 * LEAST,
        Effort::ExtraHigh | Effort::Max => 32_000,
    };
    if max_tokens / 2 < LEAST {
        let why = format!(
            "this model needs room for {LEAST} tokens of thought and as many of answer, and may make {max_tokens} in all; raise max_completion_tokens to {} or set reasoning_effort to none",
            2 * LEAST
        );
        return Err(Unsupported::new("reasoning_effort", why));
    }
    Ok(wanted.min(max_tokens / 2))
}

/// With a budget, Anthropic wants the turn that is carried on (the last one of the
/// assistant, when its calls have just been answered) to begin with its thoughts.
/// A client that cannot keep them is served without thinking.
fn carries_thoughts(messages: &[Message<'_>]) -> bool {
    let has_results = |message: &Message<'_>| matches!(message.pieces[..], [Piece::Result(_), ..]);
    let carried_on = match messages {
        [.., last] if last.role == Role::Assistant => Some(last),
        [.., assistant, last] if has_results(last) => Some(assistant),
        _ => None,
    };
    carried_on.is_none_or(|it| matches!(it.pieces[..], [Piece::Reasoning(_), ..]))
}
